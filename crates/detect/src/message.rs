//! Messages of findings.

/// Replaces `$field$` with the field's values, joined by `, ` and without the surrounding spaces that Windows writes
/// into some (`NtLmSsp `); a field without a value becomes `unknown`.
///
/// A `$` that does not enclose a field name stays.
pub(crate) fn fill(template: &str, values: impl Fn(&str) -> Vec<String>) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        match after.find('$') {
            Some(end) if is_name(&after[..end]) => {
                let found: Vec<String> = values(&after[..end])
                    .into_iter()
                    .map(|value| value.trim().to_owned())
                    .filter(|value| !value.is_empty() && value != "null")
                    .collect();
                if found.is_empty() {
                    out.push_str("unknown");
                } else {
                    out.push_str(&found.join(", "));
                }
                rest = &after[end + 1..];
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '{' | '}' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let values = |name: &str| match name {
            "dest" => vec!["WS1".to_owned()],
            "user" => vec!["ann".to_owned(), "bob".to_owned()],
            "nothing" => vec!["null".to_owned()],
            "odd" => vec!["$dest$".to_owned()],
            "padded" => vec!["NtLmSsp ".to_owned(), " ".to_owned()],
            _ => Vec::new(),
        };
        for (template, filled) in [
            ("on $dest$ by $user$.", "on WS1 by ann, bob."),
            ("$nothing$ $missing$", "unknown unknown"),
            ("C$ and ADMIN$ on $dest$", "C$ and ADMIN$ on WS1"),
            ("costs $5, $dest$", "costs $5, WS1"),
            ("$odd$", "$dest$"),
            ("by $padded$, twice", "by NtLmSsp, twice"),
            ("$", "$"),
            ("$$", "$$"),
            ("", ""),
        ] {
            assert_eq!(fill(template, values), filled, "{template}");
        }
    }
}
