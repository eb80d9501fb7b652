//! Patterns with `*`.

/// Whether `text` matches `pattern`, where `*` matches any text, ignoring case and space around the pattern: for
/// patterns that people write.
pub fn matches(pattern: &str, text: &str) -> bool {
    matches_exactly(&pattern.trim().to_lowercase(), &text.to_lowercase())
}

/// Whether `text` matches `pattern`, where `*` matches any text and everything else is literal. Takes at most the
/// product of the lengths.
pub fn matches_exactly(pattern: &str, text: &str) -> bool {
    fits(pattern.as_bytes(), text.as_bytes(), |a, b| a == b)
}

/// As [`matches_exactly`], ignoring the case of ASCII letters. Allocates nothing.
pub fn matches_ignoring_ascii_case(pattern: &str, text: &str) -> bool {
    fits(
        pattern.as_bytes(),
        text.as_bytes(),
        u8::eq_ignore_ascii_case,
    )
}

fn fits(pattern: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(own) if same(own, byte) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
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
            ("a*ab", "aabab", true),
            ("ä*", "Ärger", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
            if pattern.is_ascii() {
                assert_eq!(
                    matches_ignoring_ascii_case(pattern, text),
                    fits,
                    "{pattern} {text}"
                );
            }
        }
        assert!(!matches_exactly("A*", "ab"));
    }
}
