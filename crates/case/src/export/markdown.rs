//! A summary for a ticket, in Markdown that the importers of GitHub, GitLab and Jira read alike.

use std::io::{self, Write};

use crate::document::Case;
use crate::names::Names;
use crate::sentences::{self, accounts, hops_of, technique, when, witnesses};
use crabwalk_movement::Kind;

const MOST_PATHS: usize = 5;
const MOST_HOPS: usize = 50;
const MOST_FINDINGS: usize = 30;
const MOST_GAPS: usize = 20;
/// Maximum length of a text from a log.
const MOST_TEXT: usize = 400;

/// Text from a log, on one line, with nothing that Markdown would take for markup, a mention or a link.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut left = text.chars();
    for c in left.by_ref().take(MOST_TEXT) {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if crabwalk_vocabulary::text::is_acted_on(c) => out.push('\u{fffd}'),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    if left.next().is_some() {
        out.push('…');
    }
    // A link that nobody can click by accident.
    out.replace("://", "[:]//").replace("www.", "www[.]")
}

/// Writes the summary.
///
/// # Errors
/// What writing gives.
pub fn markdown(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    writeln!(out, "# Lateral movement\n")?;
    for sentence in sentences::summary(case) {
        writeln!(out, "{}", plain(&sentence))?;
    }
    writeln!(
        out,
        "\n{} {}, {} events from {} files, {} to {} UTC. All times are UTC.",
        plain(&case.tool.name),
        plain(&case.tool.version),
        case.stats.events,
        case.stats.sources,
        when(case.stats.first.as_deref()),
        when(case.stats.last.as_deref())
    )?;
    for (at, path) in case.paths.iter().take(MOST_PATHS).enumerate() {
        let hops = hops_of(case, path);
        writeln!(
            out,
            "\n## Path {} (score {:.1})\n\n{}\n\n| time | from | to | technique | accounts | confidence | witnesses |\n| --- | --- | --- | --- | --- | --- | --- |",
            at + 1,
            path.score,
            plain(&path.why.join("; "))
        )?;
        for hop in hops.iter().take(MOST_HOPS) {
            let who: Vec<String> = accounts(hop)
                .iter()
                .map(|id| plain(names.account(id)))
                .collect();
            writeln!(
                out,
                "| {} | {} | {} | {}{} | {} | {:.2} | {} of {} |",
                when(hop.first.as_deref()),
                plain(names.source(hop.src.as_deref())),
                plain(names.host(&hop.dst)),
                plain(
                    &hop.techniques
                        .first()
                        .map_or_else(|| "unknown".to_owned(), |id| technique(id))
                ),
                if hop.attempted { " (refused)" } else { "" },
                if who.is_empty() {
                    "unknown".to_owned()
                } else {
                    who.join(" ⇒ ")
                },
                hop.confidence,
                witnesses(hop),
                Kind::ALL.len()
            )?;
        }
        if hops.len() > MOST_HOPS {
            writeln!(out, "\nand {} more movements", hops.len() - MOST_HOPS)?;
        }
    }
    if case.paths.len() > MOST_PATHS {
        writeln!(out, "\nand {} more paths", case.paths.len() - MOST_PATHS)?;
    }
    to_do(case, &names, &mut out)?;
    let notable: Vec<_> = case
        .findings
        .iter()
        .filter(|finding| finding.notable)
        .collect();
    if !notable.is_empty() {
        writeln!(out, "\n## Findings to look at\n")?;
        for finding in notable.iter().take(MOST_FINDINGS) {
            writeln!(
                out,
                "- {} **{}** {}: {}",
                when(finding.first.as_deref()),
                plain(finding.severity.name()),
                plain(&finding.detection),
                plain(&finding.message)
            )?;
        }
        if notable.len() > MOST_FINDINGS {
            writeln!(out, "- and {} more", notable.len() - MOST_FINDINGS)?;
        }
    }
    if !case.gaps.is_empty() {
        writeln!(out, "\n## What could not be seen\n")?;
        for gap in case.gaps.iter().take(MOST_GAPS) {
            writeln!(out, "- {}", plain(&gap.message))?;
        }
        if case.gaps.len() > MOST_GAPS {
            writeln!(out, "- and {} more", case.gaps.len() - MOST_GAPS)?;
        }
    }
    out.flush()
}

/// Accounts to reset, and logs to collect.
fn to_do(case: &Case, names: &Names<'_>, out: &mut impl Write) -> io::Result<()> {
    if !case.scope.accounts.is_empty() {
        writeln!(out, "\n## Accounts to reset\n")?;
        for one in case.scope.accounts.iter().take(MOST_FINDINGS) {
            let why = one.why.first().map_or("", String::as_str);
            writeln!(
                out,
                "- {}: {}",
                plain(names.account(&one.account)),
                plain(why)
            )?;
        }
        if case.scope.accounts.len() > MOST_FINDINGS {
            writeln!(
                out,
                "- and {} more",
                case.scope.accounts.len() - MOST_FINDINGS
            )?;
        }
    }
    if !case.scope.collect.is_empty() {
        writeln!(out, "\n## Logs to collect\n")?;
        for one in case.scope.collect.iter().take(MOST_GAPS) {
            writeln!(
                out,
                "- {} {}: {}",
                plain(&one.host),
                plain(&one.channel),
                plain(&one.why)
            )?;
        }
        if case.scope.collect.len() > MOST_GAPS {
            writeln!(out, "- and {} more", case.scope.collect.len() - MOST_GAPS)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_logs_is_no_markup() {
        for (text, safe) in [
            ("plain", "plain"),
            ("a|b\n# c", "a\\|b \\# c"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("![x](http://e.example/)", "!\\[x\\](http[:]//e.example/)"),
            ("@team `id`", "&#64;team \\`id\\`"),
            ("x\u{202e}y\u{1b}[2J", "x\u{fffd}y\u{fffd}\\[2J"),
        ] {
            assert_eq!(plain(text), safe, "{text:?}");
        }
    }
}
