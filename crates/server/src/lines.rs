//! Raw text as events: one per line, unless its events span lines.

/// The events of a text. Markup and JSON that may span lines stay together, because the readers find their ends. So do
/// blocks of classic Windows text, which begin with a line that contains only a date.
pub fn events(text: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    let start = text.trim_start();
    let lines = || {
        text.split(['\n', '\r'])
            .filter(|line| !line.trim().is_empty())
    };
    if start.starts_with(['<', '{', '[']) {
        // One event per line is the common case, and cheaper separately; a syslog priority is not markup.
        let alone = lines().all(|line| {
            let line = line.trim();
            (line.starts_with('{') && line.ends_with('}'))
                || (line.starts_with("<Event") && line.ends_with("</Event>"))
                || is_syslog(line)
        });
        return match alone {
            true => Box::new(lines()),
            false => Box::new(std::iter::once(text)),
        };
    }
    if lines().any(is_block_start) {
        return Box::new(std::iter::once(text));
    }
    Box::new(lines())
}

fn is_syslog(line: &str) -> bool {
    line.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .is_some_and(|(digits, _)| {
            (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// `11/29/2026 01:02:03 AM` and nothing else: the first line of an event in classic Windows text.
fn is_block_start(line: &str) -> bool {
    let bytes = line.trim_end().as_bytes();
    bytes.len() == 22
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            2 | 5 => *byte == b'/',
            10 | 19 => *byte == b' ',
            13 | 16 => *byte == b':',
            20 => matches!(byte, b'A' | b'P'),
            21 => *byte == b'M',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_spans_them() {
        for (text, count) in [
            ("one\r\n\r\ntwo\n", 2),
            ("{\"a\":1}\n{\"a\":2}", 2),
            ("{\n\"a\":1\n}", 1),
            ("<Event>\n</Event>", 1),
            (
                "<13>Nov 29 01:02:03 ws1 x: y\n<13>Nov 29 01:02:04 ws1 x: z",
                2,
            ),
            (
                "11/29/2026 01:02:03 AM\nLogName=Security\nEventCode=4624\n",
                1,
            ),
        ] {
            assert_eq!(events(text).count(), count, "{text}");
        }
    }
}
