//! Building sentences: lists, counts, paths.

/// `a, b and c`. If there are more than `most`, the end counts the rest: `a, b and 3 more`. Never `and 1 more`, because
/// the one takes no more space than the count. `joint` precedes the last.
pub fn list<S: AsRef<str>>(items: &[S], joint: &str, most: usize) -> String {
    let joined = |items: &[S]| {
        items
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>()
            .join(", ")
    };
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        items if items.len() > most.max(2) => {
            let shown = most.max(2) - 1;
            let (first, rest) = items.split_at(shown);
            format!("{} and {} more", joined(first), rest.len())
        }
        [first @ .., last] => format!("{} {joint} {}", joined(first), last.as_ref()),
    }
}

/// `1 host`, `2 hosts`, `1 story`, `3 stories`.
pub fn count(number: usize, one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) => counted(number, one, &format!("{stem}ies")),
        None => counted(number, one, &format!("{one}s")),
    }
}

/// Like [`count`], for words with an irregular plural.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// Whether a terminal or a page acts on a character, or shows nothing of it: control characters (C0, DEL, C1), direction
/// marks, invisible characters, line separators, tags. Attackers hide text in logs with them.
pub fn is_acted_on(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// An error with its causes, each unless its text is in that of the one before: many say only what failed, not why.
///
/// ```
/// use crabwalk_vocabulary::text::causes;
///
/// let error = std::io::Error::other("the disk is full");
/// assert_eq!(causes(&error), "the disk is full");
/// ```
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        at = cause.source();
    }
    text
}

/// File name of a path with either separator.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let items = ["a", "b", "c", "d"];
        for (number, most, text) in [
            (0, 3, ""),
            (1, 3, "a"),
            (2, 3, "a and b"),
            (3, 3, "a, b and c"),
            (4, 3, "a, b and 2 more"),
            (4, 0, "a and 3 more"),
        ] {
            assert_eq!(list(&items[..number], "and", most), text);
        }
    }

    #[test]
    fn numbers_of_things() {
        assert_eq!(count(1, "story"), "1 story");
        assert_eq!(count(3, "story"), "3 stories");
        assert_eq!(count(0, "host"), "0 hosts");
        assert_eq!(counted(2, "path is", "paths are"), "2 paths are");
    }
}
