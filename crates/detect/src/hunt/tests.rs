use super::*;

#[test]
fn patterns() {
    for (pattern, text, fits) in [
        ("Kerberoasting*", "kerberoasting spn request", true),
        ("*spn*", "kerberoasting spn request", true),
        (
            "kerberoasting SPN request",
            "Kerberoasting spn request",
            true,
        ),
        ("spn", "kerberoasting spn request", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("*", "", true),
        ("", "x", false),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXcYb", false),
    ] {
        assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn names_alike_are_suggested() {
    let names = [
        "Detect Pass the Hash",
        "Kerberoasting spn request",
        "Remote Desktop Process",
    ];
    for (wanted, found) in [
        ("kerberoasting", Some("Kerberoasting spn request")),
        ("pass-the-hash", Some("Detect Pass the Hash")),
        ("zzz", None),
    ] {
        assert_eq!(
            most_alike(wanted, names.into_iter()).as_deref(),
            found,
            "{wanted}"
        );
    }
}
