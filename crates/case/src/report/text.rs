//! Text from logs, made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

use crabwalk_vocabulary::text::is_acted_on;

/// The text with characters that a page or terminal would act on written as `⟨U+202E⟩`, cut after `most` characters;
/// `None` if it needs no change.
pub(super) fn changed(text: &str, most: usize) -> Option<String> {
    let long = text.len() > most && text.chars().count() > most;
    let acts = |c: char| is_acted_on(c) && c != '\n' && c != '\t';
    if !long && !text.chars().any(acts) {
        return None;
    }
    let mut out = String::with_capacity(text.len().min(most + 64));
    let mut left = text.chars();
    for c in left.by_ref().take(most) {
        match c {
            '\r' => {}
            c if acts(c) => {
                let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
            }
            c => out.push(c),
        }
    }
    let rest = left.count();
    if rest > 0 {
        let _ = write!(out, "… ({rest} more characters)");
    }
    Some(out)
}

/// Like [`changed`], but returns the text itself if it needs no change.
pub(super) fn visible(text: &str, most: usize) -> Cow<'_, str> {
    changed(text, most).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_visible() {
        for (text, shown) in [
            ("plain é 日本", "plain é 日本"),
            ("a\r\nb\tc", "a\nb\tc"),
            ("\u{1b}[31m\u{202e}exe", "⟨U+001B⟩[31m⟨U+202E⟩exe"),
            ("nul\0", "nul⟨U+0000⟩"),
            ("123456789012", "1234567890… (2 more characters)"),
            ("äöüäöüäöüä", "äöüäöüäöüä"),
        ] {
            assert_eq!(
                visible(
                    text,
                    10.max(if text.len() < 40 && !text.starts_with('1') {
                        40
                    } else {
                        10
                    })
                ),
                shown
            );
        }
        assert!(changed("äöüäöüäöüä", 10).is_none());
    }
}
