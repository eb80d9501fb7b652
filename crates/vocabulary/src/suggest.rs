//! "Did you mean": the known name that somebody probably meant.

use std::cmp::Reverse;

/// The name most similar to `word` among `names`, if any is similar: for single words such as commands, functions and
/// fields.
pub fn closest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Comparing costs the product of the lengths, and no name is that long.
    if word.len() > 80 {
        return None;
    }
    let word = word.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            (
                strsim::normalized_damerau_levenshtein(&word, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// The name that shares most words with `wanted`, if any does: for titles of detections and stories.
pub fn most_alike<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<String> {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let wanted = words(wanted);
    names
        .map(|name| {
            let own = words(name);
            let shared = wanted
                .iter()
                .filter(|word| own.iter().any(|other| other.contains(word.as_str())))
                .count();
            (shared, Reverse(own.len()), name)
        })
        .filter(|(shared, ..)| *shared > 0)
        .max()
        .map(|(.., name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn words_alike_are_suggested() {
        let names = ["stats", "eventstats", "table"];
        for (word, found) in [
            ("stat", Some("stats")),
            ("tabel", Some("table")), // spelling:ignore
            ("x", None),
        ] {
            assert_eq!(closest(word, names), found, "{word}");
        }
    }
}
