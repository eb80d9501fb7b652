//! The end of a syslog message in a stream (RFC 6587, and senders' variations).
//!
//! Each frame shows its own framing: a sender that counts octets begins with a digit, one that ends messages with a
//! line feed begins with the priority, and JSON lines begin with a brace. Senders differ even behind one relay, and a
//! counted message may contain a line feed at its end.

/// A frame with more digits is not a count: the longest message has far fewer bytes.
const DIGITS: usize = 7;

/// Splits a stream of bytes.
#[derive(Debug)]
pub struct Framer {
    held: Vec<u8>,
    most: usize,
    /// Skips the bytes of a message that is too long.
    passing: Passing,
    /// Messages truncated or lost because of their length or the end of the stream.
    pub lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    Nothing,
    /// To the end of the line.
    Line,
    /// So many bytes.
    Count(usize),
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | 0)
}

impl Framer {
    /// A stream whose messages have at most this many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            held: Vec::new(),
            most,
            passing: Passing::Nothing,
            lost: 0,
        }
    }

    /// Takes bytes, and passes on complete messages.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(left) = self.frame(rest, &mut each) {
            rest = left;
        }
        self.held = rest.to_vec();
    }

    /// Passes on one message and returns what follows it; `None` if more bytes are needed.
    fn frame<'b>(&mut self, bytes: &'b [u8], each: &mut impl FnMut(&[u8])) -> Option<&'b [u8]> {
        match self.passing {
            Passing::Line => {
                let end = bytes.iter().position(|byte| is_end(*byte));
                if end.is_some() {
                    self.passing = Passing::Nothing;
                }
                // Nothing of it is held.
                return match end {
                    Some(end) => bytes.get(end + 1..),
                    None if bytes.is_empty() => None,
                    None => Some(&[]),
                };
            }
            Passing::Count(count) => {
                let passed = count.min(bytes.len());
                self.passing = match count - passed {
                    0 => Passing::Nothing,
                    left => Passing::Count(left),
                };
                return if passed == 0 && count > 0 {
                    None
                } else {
                    bytes.get(passed..)
                };
            }
            Passing::Nothing => {}
        }
        let between = |byte: &&u8| matches!(**byte, b'\n' | b'\r' | b' ' | 0);
        let skipped = bytes.iter().take_while(between).count();
        let bytes = bytes.get(skipped..)?;
        if bytes.is_empty() {
            // Separators between messages need not be kept.
            return if skipped > 0 { Some(bytes) } else { None };
        }
        if let Some(counted) = count(bytes) {
            let (length, head) = counted?;
            if length > self.most {
                self.lost += 1;
                self.passing = Passing::Count(length);
                return bytes.get(head..);
            }
            let message = bytes.get(head..head + length)?;
            hand_over(message, each);
            return bytes.get(head + length..);
        }
        match bytes.iter().position(|byte| is_end(*byte)) {
            Some(end) if end <= self.most => {
                hand_over(bytes.get(..end)?, each);
                bytes.get(end + 1..)
            }
            None if bytes.len() <= self.most => None,
            _ => {
                // The beginning says most.
                hand_over(bytes.get(..self.most)?, each);
                self.lost += 1;
                self.passing = Passing::Line;
                bytes.get(self.most..)
            }
        }
    }

    /// The end of the stream: a line without its line feed is a message, an incomplete counted one is lost.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() || self.passing != Passing::Nothing {
            return;
        }
        match count(&held) {
            Some(_) => self.lost += 1,
            None => hand_over(&held, &mut each),
        }
    }
}

fn hand_over(message: &[u8], each: &mut impl FnMut(&[u8])) {
    let mut message = message;
    while let Some((b'\n' | b'\r' | 0, rest)) = message.split_last() {
        message = rest;
    }
    if !message.is_empty() {
        each(message);
    }
}

/// The count at the start of a frame, and where its message begins: `None` if it has none, `Some(None)` if that cannot
/// be decided yet.
#[expect(clippy::option_option, reason = "there are three answers")]
fn count(bytes: &[u8]) -> Option<Option<(usize, usize)>> {
    let first = bytes.first()?;
    if !matches!(first, b'1'..=b'9') {
        return None;
    }
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > DIGITS {
        return None;
    }
    match bytes.get(digits) {
        None => Some(None),
        Some(b' ') => {
            let count = std::str::from_utf8(bytes.get(..digits)?)
                .ok()?
                .parse()
                .ok()?;
            Some(Some((count, digits + 1)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(stream: &[u8], part: usize, most: usize) -> (Vec<String>, u64) {
        let mut framer = Framer::new(most);
        let mut all = Vec::new();
        let mut each = |message: &[u8]| all.push(String::from_utf8_lossy(message).into_owned());
        for bytes in stream.chunks(part) {
            framer.push(bytes, &mut each);
        }
        framer.finish(&mut each);
        (all, framer.lost)
    }

    #[test]
    fn each_frame_says_how_it_is_framed_wherever_it_is_split() {
        let stream =
            b"<13>one\n10 <13>1 two\n\n 8 <13>a\nb\n{\"three\":1}\r\n2026-01-01 four\0<1>five";
        let expected = [
            "<13>one",
            "<13>1 two",
            "<13>a\nb",
            "{\"three\":1}",
            "2026-01-01 four",
            "<1>five",
        ];
        for part in 1..=stream.len() {
            assert_eq!(
                frames(stream, part, 100),
                (expected.map(str::to_owned).to_vec(), 0),
                "{part}"
            );
        }
    }

    #[test]
    fn what_is_too_long_costs_itself_alone() {
        for part in [1, 3, 100] {
            let (all, lost) = frames(
                b"<1>0123456789\n<1>b\n30 012345678901234567890123456789<1>c\n",
                part,
                8,
            );
            assert_eq!(
                (all, lost),
                (
                    vec!["<1>01234".to_owned(), "<1>b".to_owned(), "<1>c".to_owned()],
                    2
                ),
                "{part}"
            );
        }
        // A counted message cut off by the end of the stream is lost; 12345678 is not a count.
        assert_eq!(frames(b"20 <13>cut", 4, 100), (Vec::new(), 1));
        assert_eq!(frames(b"12345678 x\n", 4, 100).0, ["12345678 x"]);
    }
}
