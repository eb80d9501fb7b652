//! CSV for spreadsheets, with formulas defused.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::document::{Case, Reference};
use crate::timeline::timeline;

/// Makes a cell harmless: inserts an apostrophe wherever a spreadsheet would take (part of) the cell for a formula.
///
/// That is at its beginning, and after characters that some spreadsheet takes for the end of a cell or line (a
/// semicolon in many countries, tab, line breaks). Numbers stay unchanged. `case.json` has the exact text.
pub fn defuse(cell: &str) -> Cow<'_, str> {
    if cell.parse::<f64>().is_ok_and(f64::is_finite) {
        return Cow::Borrowed(cell);
    }
    let mut out = String::new();
    let mut start = true;
    let mut changed = false;
    for c in cell.chars() {
        if start
            && matches!(
                c,
                '=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠' | '\t' | '\r'
            )
        {
            // Windows writes a single dash for "nothing".
            if !(c == '-' && cell == "-") {
                out.push('\'');
                changed = true;
            }
            start = matches!(c, '\t' | '\r');
        } else if matches!(c, ';' | '\t' | '\r' | '\n') {
            start = true;
        } else if c != ' ' && c != '"' {
            start = false;
        }
        if c != '\n' && c != '\t' && c != '\r' && crabwalk_vocabulary::text::is_acted_on(c) {
            // Other control characters make the file unreadable for some programs.
            out.push('\u{fffd}');
            changed = true;
        } else {
            out.push(c);
        }
    }
    if changed {
        Cow::Owned(out)
    } else {
        Cow::Borrowed(cell)
    }
}

/// A CSV writer that quotes every cell, so that no cell ends early.
fn writer<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .from_writer(out)
}

fn row<W: Write>(writer: &mut csv::Writer<W>, cells: &[&str]) -> io::Result<()> {
    for cell in cells {
        writer.write_field(defuse(cell).as_bytes())?;
    }
    writer.write_record(None::<&[u8]>)?;
    Ok(())
}

/// Writes the findings, one per line.
///
/// # Errors
/// What writing gives.
pub fn findings_csv(case: &Case, out: impl Write) -> io::Result<()> {
    let mut writer = writer(out);
    row(
        &mut writer,
        &[
            "first",
            "last",
            "severity",
            "risk_score",
            "type",
            "notable",
            "detection",
            "hosts",
            "message",
            "techniques",
            "story",
            "risk_objects",
            "threat_objects",
            "events",
            "first_event",
            "fields",
            "id",
            "detection_id",
        ],
    )?;
    for finding in &case.findings {
        let pairs = |pairs: &mut dyn Iterator<Item = (&str, &str)>| {
            pairs
                .map(|(kind, value)| format!("{kind} {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let first_event = finding
            .events
            .first()
            .map(|event| place(case, event))
            .unwrap_or_default();
        let mut fields = Vec::new();
        crate::json::to_json_line(&finding.fields, &mut fields)?;
        row(
            &mut writer,
            &[
                finding.first.as_deref().unwrap_or_default(),
                finding.last.as_deref().unwrap_or_default(),
                finding.severity.name(),
                &finding.risk_score.to_string(),
                finding.kind.name(),
                if finding.notable { "yes" } else { "no" },
                &finding.detection,
                &finding.hosts.join(", "),
                &finding.message,
                &finding.techniques.join(", "),
                &finding.story.join(", "),
                &pairs(
                    &mut finding
                        .risk_objects
                        .iter()
                        .map(|object| (object.kind.name(), object.value.as_str())),
                ),
                &pairs(
                    &mut finding
                        .threat_objects
                        .iter()
                        .map(|object| (object.kind.as_str(), object.value.as_str())),
                ),
                &finding.event_count.to_string(),
                &first_event,
                String::from_utf8_lossy(&fields).trim_end(),
                &finding.id,
                &finding.detection_id,
            ],
        )?;
    }
    writer.flush()
}

/// `Security/4624, record 17 of dir/Security.evtx`.
fn place(case: &Case, event: &Reference) -> String {
    let path = case
        .source(event.source)
        .map_or("", |source| source.path.as_str());
    format!(
        "{}/{} record {} of {path}",
        event.channel, event.event_id, event.record
    )
}

/// Writes what happened in chronological order: the events of movements and findings, and cleared logs.
///
/// # Errors
/// What writing gives.
pub fn timeline_csv(case: &Case, out: impl Write) -> io::Result<()> {
    let number = |number: Option<u64>| number.map_or_else(String::new, |one| one.to_string());
    let mut writer = writer(out);
    row(
        &mut writer,
        &[
            "time", "host", "what", "severity", "message", "channel", "event_id", "record",
            "source", "finding", "hop",
        ],
    )?;
    for line in timeline(case) {
        row(
            &mut writer,
            &[
                line.time,
                line.host,
                line.what,
                line.severity,
                &line.message,
                line.channel,
                &number(line.event_id.map(u64::from)),
                &number(line.record),
                line.source,
                line.finding,
                line.hop,
            ],
        )?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused() {
        for (cell, safe) in [
            ("plain", "plain"),
            ("", ""),
            ("-", "-"),
            ("-5", "-5"),
            ("1e5", "1e5"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "  '=1+1"),
            ("\"=1+1", "\"'=1+1"),
            ("\t=1", "'\t'=1"),
            ("＝1", "'＝1"),
            ("a;=1", "a;'=1"),
            ("a\n=1", "a\n'=1"),
            ("a\r\n@x", "a\r\n'@x"),
            ("a=b -c", "a=b -c"),
            ("x\u{1b}[2J", "x\u{fffd}[2J"),
            ("-inf", "'-inf"),
        ] {
            assert_eq!(defuse(cell), safe, "{cell:?}");
        }
    }
}
