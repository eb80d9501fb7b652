//! Text for terminals: safe, of the right width, coloured if possible.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crabwalk_vocabulary::text::is_acted_on;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the command line says about colours, and whether a pager may be used.
static WISHES: OnceLock<(Colour, bool)> = OnceLock::new();

/// Says, once, when to use colours and whether to use a pager.
pub fn wish(colour: Colour, pager: bool) {
    let _ = WISHES.set((colour, pager));
}

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns to fill; `None` for unlimited lines.
    pub width: Option<usize>,
    /// Whether to use colours.
    pub colour: bool,
}

/// Colours and weights, as ANSI SGR codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Bold,
    Dim,
    Red,
    BrightRed,
    Yellow,
    Cyan,
}

impl Look {
    /// How to print on standard output.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            width: terminal.then(|| {
                terminal_size::terminal_size_of(io::stdout())
                    .map_or(100, |(width, _)| usize::from(width.0))
                    .clamp(40, 160)
            }),
            colour: colours_wanted(terminal),
        }
    }

    /// Width for wrapped text: the terminal's, or that of a page.
    pub fn page(&self) -> usize {
        self.width.unwrap_or(110)
    }

    /// `text` in a colour. The text must be safe already.
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::BrightRed => "1;31",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether standard error may be coloured.
pub fn stderr_colour() -> bool {
    colours_wanted(io::stderr().is_terminal())
}

fn colours_wanted(terminal: bool) -> bool {
    match WISHES.get() {
        Some((Colour::Always, _)) => true,
        Some((Colour::Never, _)) => false,
        _ => {
            let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
            terminal
                && unset("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Prints a result for people: in a pager (`PAGER`, or else less) if it is longer than the terminal.
///
/// # Errors
/// If standard output cannot be written.
pub fn show(text: &str) -> io::Result<()> {
    if let Some(pager) = pager(text)
        && paged(pager, text).is_ok_and(|shown| shown)
    {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The pager for a text, if it needs one and somebody looks.
fn pager(text: &str) -> Option<Command> {
    if !io::stdout().is_terminal() || WISHES.get().is_some_and(|(_, pager)| !pager) {
        return None;
    }
    let (_, height) = terminal_size::terminal_size_of(io::stdout())?;
    if text.lines().count() < usize::from(height.0) {
        return None;
    }
    match std::env::var("PAGER") {
        Ok(pager) if matches!(pager.trim(), "" | "cat") => None,
        Ok(pager) => {
            let mut command = Command::new("sh");
            command.args(["-c", &pager]);
            Some(command)
        }
        Err(_) => Some(Command::new("less")),
    }
}

/// Shows a text in a pager. Answers whether there is one.
fn paged(mut command: Command, text: &str) -> io::Result<bool> {
    /// What a shell answers if it finds no such program, or may not run it.
    const NONE: [i32; 2] = [126, 127];
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, lines as long as they are; what fits stays on the screen.
        command.env("LESS", "FRX");
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    crate::interrupt::leave_to_pager();
    if let Some(mut pipe) = child.stdin.take() {
        // Whoever has seen enough leaves it early.
        let _ = pipe.write_all(text.as_bytes());
    }
    let status = child.wait()?;
    Ok(status.code().is_none_or(|code| !NONE.contains(&code)))
}

/// Makes text from logs safe: characters that a terminal would act on, that change the direction of text, or that are
/// invisible are shown as escapes.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_acted_on) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_acted_on(c) => {
                let _ = if u32::from(c) < 0x100 {
                    write!(out, "\\x{:02x}", u32::from(c))
                } else {
                    write!(out, "\\u{{{:x}}}", u32::from(c))
                };
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Like [`safe`], but keeps line breaks: for our own messages that quote text.
pub fn safe_lines(text: &str) -> String {
    text.lines()
        .map(|line| safe(line).into_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The width of text in columns.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` padded with spaces to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` cut to `columns`, with `…` where something was cut off.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let own = c.width().unwrap_or(0);
        if used + own + 1 > columns {
            break;
        }
        used += own;
        out.push(c);
    }
    out.push('…');
    Cow::Owned(out)
}

/// Breaks safe text into lines of at most `columns`, at spaces if there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let own = width(word);
        if used > 0 && used + 1 + own > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        if own <= columns {
            line.push_str(word);
            used += own;
            continue;
        }
        for c in word.chars() {
            let own = c.width().unwrap_or(0);
            if used + own > columns {
                // Paths and lists break after a separator, if one is close.
                let keep = line
                    .rfind(['/', '\\', '!', ',', ';'])
                    .map(|at| at + 1)
                    .filter(|at| *at > line.len() / 2)
                    .unwrap_or(line.len());
                let rest = line.split_off(keep);
                lines.push(std::mem::replace(&mut line, rest));
                used = width(&line);
            }
            line.push(c);
            used += own;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Adds wrapped text: `first` before the first line, spaces of the same width before the others.
pub fn paragraph(out: &mut String, first: &str, text: &str, columns: usize) {
    let indent = width(first);
    for (index, line) in wrap(text, columns.saturating_sub(indent))
        .iter()
        .enumerate()
    {
        if index == 0 {
            out.push_str(first);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// `1234567` as `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `3 events`, `1 event`.
pub fn count(value: u64, one: &str) -> String {
    if value == 1 {
        return format!("1 {one}");
    }
    match one.strip_suffix('y') {
        Some(stem) => counted(value, one, &format!("{stem}ies")),
        None => counted(value, one, &format!("{one}s")),
    }
}

/// Like [`count`], for words with an irregular plural.
pub fn counted(value: u64, one: &str, many: &str) -> String {
    if value == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", number(value))
    }
}

/// A size in a readable unit.
pub fn bytes(value: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut size = value as f64;
    let mut unit = None;
    for larger in ["KB", "MB", "GB", "TB"] {
        if size < 1000.0 {
            break;
        }
        size /= 1000.0;
        unit = Some(larger);
    }
    match unit {
        Some(unit) => format!("{size:.1} {unit}"),
        None => format!("{value} bytes"),
    }
}

/// A duration in a readable unit.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} s", seconds)
    }
}

/// A table with aligned columns, as many as there are headers. Cells must be safe.
pub fn table(headers: &[String], rows: &[Vec<String>], look: &Look) -> String {
    let columns = headers.len();
    let mut widths: Vec<usize> = headers.iter().map(|header| width(header)).collect();
    for row in rows {
        for (own, cell) in widths.iter_mut().zip(row) {
            *own = (*own).max(width(cell));
        }
    }
    if let Some(total) = look.width {
        let gaps = 2 * columns.saturating_sub(1);
        // The widest column shrinks until the table fits, or all are narrow.
        loop {
            let over = (widths.iter().sum::<usize>() + gaps).saturating_sub(total);
            let mut rising = widths.clone();
            rising.sort_unstable();
            let second = rising
                .iter()
                .rev()
                .nth(1)
                .map_or(8, |width| (*width).max(8));
            let widest = widths.iter_mut().max_by_key(|width| **width);
            let Some(widest) = widest.filter(|width| over > 0 && **width > 8) else {
                break;
            };
            *widest -= over.min(widest.saturating_sub(second).max(1));
        }
    }
    let numeric: Vec<bool> = (0..columns)
        .map(|column| {
            !rows.is_empty()
                && rows.iter().all(|row| {
                    row.get(column)
                        .is_none_or(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
                })
        })
        .collect();
    let mut out = String::new();
    let mut line = |cells: &[String], ink: Option<Ink>| {
        let mut text = String::new();
        let own = cells.iter().zip(&widths).zip(&numeric);
        for (column, ((cell, own), numeric)) in own.enumerate() {
            let cell = cut(cell, *own);
            let space = " ".repeat(own.saturating_sub(width(&cell)));
            let shown = ink.map_or_else(|| cell.to_string(), |ink| look.paint(ink, &cell));
            let last = column + 1 == cells.len();
            if *numeric {
                text.push_str(&space);
                text.push_str(&shown);
            } else {
                text.push_str(&shown);
                if !last {
                    text.push_str(&space);
                }
            }
            if !last {
                text.push_str("  ");
            }
        }
        out.push_str(text.trim_end_matches(' '));
        out.push('\n');
    };
    line(headers, Some(Ink::Bold));
    for row in rows {
        line(row, None);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_not_obeyed() {
        for (text, shown) in [
            ("plain é 日本", "plain é 日本"),
            ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
            ("\u{9b}2J", "\\x9b2J"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("invoice\u{202e}fdp.exe", "invoice\\u{202e}fdp.exe"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{2028}", "\\u{2028}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(safe(text), shown);
        }
    }

    #[test]
    fn text_is_wrapped() {
        assert_eq!(wrap("aaa bbb ccc", 10), ["aaa bbb", "ccc"]);
        assert_eq!(wrap("aaaaaaaaaaaaaaa b", 10), ["aaaaaaaaaa", "aaaaa b"]);
        assert_eq!(wrap("aaaaaa/bbbbbb/c", 10), ["aaaaaa/", "bbbbbb/c"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("日本日本日本 x", 10), ["日本日本日", "本 x"]);
    }

    #[test]
    fn quantities() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(2, "copy"), "2 copies");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_234_567), "1.2 MB");
        assert_eq!(duration(0.0314), "31 ms");
        assert_eq!(duration(3.12), "3.1 s");
    }

    #[test]
    fn tables_fit_the_terminal() {
        let headers = ["a".to_owned(), "b".to_owned(), "n".to_owned()];
        let rows = vec![
            vec!["x".repeat(50), "y".repeat(30), "5".to_owned()],
            vec!["x".into(), "y".into(), "12".into()],
        ];
        let look = Look {
            width: Some(40),
            colour: false,
        };
        let text = table(&headers, &rows, &look);
        assert!(text.lines().all(|line| width(line) <= 40), "{text}");
        assert!(
            text.lines().nth(1).is_some_and(|line| line.ends_with(" 5")),
            "{text}"
        );
    }
}
