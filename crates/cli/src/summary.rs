//! The summary of a case for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crabwalk_case::{Case, ContentProblemInfo, FindingInfo, Names, Reference, Severity, Source};

use crabwalk_vocabulary::time::{self, SECOND};

use crate::term::{self, Ink, Look, count, number, paragraph, safe};

/// How to print a case.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a> {
    pub look: Look,
    /// Only the findings.
    pub quiet: bool,
    /// Everything, however long.
    pub verbose: bool,
    /// Files that were written.
    pub written: &'a [PathBuf],
    /// Whether the user gave assets.
    pub assets_given: bool,
}

/// Maximum findings of one detection to print per host; more are counted.
const MOST_ALIKE: usize = 3;
/// Maximum other lines per section; more are counted.
const MOST_LINES: usize = 10;

/// Makes the summary.
pub fn render(case: &Case, options: &Summary<'_>) -> String {
    let mut out = String::new();
    if !options.quiet {
        what_was_read(&mut out, case, options);
        unreadable(&mut out, case, options);
        cleared(&mut out, case, options);
        not_there(&mut out, case, options);
        content(&mut out, case, options);
    }
    if !options.quiet {
        crate::paths::paths(&mut out, case, options);
    }
    findings(&mut out, case, options);
    if !options.quiet {
        risk(&mut out, case, options);
        in_short(&mut out, case, options);
        next(&mut out, case, options);
    }
    out
}

pub(crate) fn heading(out: &mut String, look: &Look, text: &str, rest: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("  {rest}")
    };
    let _ = writeln!(out, "{}{rest}", look.paint(Ink::Bold, text));
}

/// Reports that lines were left out.
pub(crate) fn more(out: &mut String, left: usize, one: &str, many: &str, look: &Look) {
    if left > 0 {
        let what = if left == 1 { one } else { many };
        let text = format!(
            "  … and {} more {what} (all with --verbose)",
            number(left as u64)
        );
        let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
    }
}

/// A time for people, in whole seconds, UTC.
pub(crate) fn when(time: Option<&str>) -> String {
    time.and_then(time::parse)
        .map_or_else(|| "time unknown".to_owned(), time::shown)
}

/// The duration from one time to another, in its two largest units.
fn how_long(first: &str, last: &str) -> Option<String> {
    let second = |text| Some(time::parse(text)?.div_euclid(SECOND));
    let seconds = second(last)? - second(first)?;
    let mut units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
        .into_iter()
        .skip_while(|(_, length)| *length > 1 && seconds < *length);
    let (name, length) = units.next()?;
    let mut text = format!("{} {name}", seconds / length);
    if let Some((name, smaller)) = units.next() {
        let rest = seconds % length / smaller;
        if rest > 0 {
            let _ = write!(text, " {rest} {name}");
        }
    }
    Some(text)
}

fn what_was_read(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    let stats = &case.stats;
    heading(out, look, "READ", "");
    let (other, files): (Vec<&Source>, Vec<&Source>) =
        case.sources.iter().partition(|source| is_no_log(source));
    let files = files.len() as u64;
    let mut line = format!(
        "{} from {}",
        count(stats.events, "event"),
        count(files, "file")
    );
    let _ = write!(
        line,
        " ({}, {})",
        term::bytes(stats.bytes),
        term::duration(stats.seconds)
    );
    if stats.duplicates > 0 {
        let _ = write!(
            line,
            "; {} of events skipped",
            count(stats.duplicates, "copy")
        );
    }
    paragraph(out, "  ", &line, look.page());
    if !other.is_empty() {
        let names_of_others: Vec<&str> =
            other.iter().map(|source| file_name(&source.path)).collect();
        let what = term::counted(
            other.len() as u64,
            "more file is not a log that Crabwalk reads",
            "more files are not logs that Crabwalk reads",
        );
        let text = format!("{what}: {}", names(&names_of_others, options));
        paragraph(out, "  ", &safe(&text), look.page());
    }
    if let (Some(first), Some(last)) = (&stats.first, &stats.last) {
        let long = how_long(first, last)
            .map(|long| format!(" ({long})"))
            .unwrap_or_default();
        paragraph(
            out,
            "  ",
            &format!("{} to {} UTC{long}", when(Some(first)), when(Some(last))),
            look.page(),
        );
    }
    let mut channels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut keys: BTreeMap<String, &str> = BTreeMap::new();
    for covered in case.coverage.iter().filter(|covered| covered.records > 0) {
        let key = crabwalk_vocabulary::host_key(&covered.host);
        let host = *keys.entry(key).or_insert(covered.host.as_str());
        let own = channels.entry(host).or_default();
        if !own.contains(&covered.channel.as_str()) {
            own.push(&covered.channel);
        }
    }
    if channels.is_empty() {
        return;
    }
    paragraph(
        out,
        "  ",
        &count(channels.len() as u64, "host"),
        look.page(),
    );
    // Hosts with the same logs share a line.
    let mut by_logs: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (host, own) in &channels {
        by_logs
            .entry(own.clone())
            .or_default()
            .push(if host.is_empty() {
                "(no host named)"
            } else {
                host
            });
    }
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = by_logs.into_iter().collect();
    groups.sort_by_key(|(_, hosts)| hosts.first().map(|host| host.to_lowercase()));
    let most = if options.verbose {
        usize::MAX
    } else {
        MOST_LINES
    };
    for (logs, hosts) in groups.iter().take(most) {
        let logs: Vec<String> = logs.iter().map(|log| short_channel(log)).collect();
        let text = format!("{}: {}", names(hosts, options), names_of(&logs, options));
        paragraph(out, "    ", &safe(&text), look.page());
    }
    more(
        out,
        groups.len().saturating_sub(most),
        "group of hosts",
        "groups of hosts",
        look,
    );
}

fn names(all: &[&str], options: &Summary<'_>) -> String {
    let most = if options.verbose { usize::MAX } else { 8 };
    let mut text = all
        .iter()
        .take(most)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > most {
        let _ = write!(text, " and {} more", all.len() - most);
    }
    text
}

fn names_of(all: &[String], options: &Summary<'_>) -> String {
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    names(&all, options)
}

/// A channel's name without the common words.
fn short_channel(channel: &str) -> String {
    let name = channel
        .strip_prefix("Microsoft-Windows-")
        .unwrap_or(channel);
    name.strip_suffix("/Operational").unwrap_or(name).to_owned()
}

/// A file that was found in a folder but is not readable.
fn is_no_log(source: &Source) -> bool {
    ["unknown", "archive"].contains(&source.kind.as_str())
        && source.records == 0
        && !is_damaged(source)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_damaged(source: &Source) -> bool {
    source.skipped > 0
        || source.more_problems > 0
        || source.problems.iter().any(|problem| problem.loss)
}

fn unreadable(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    let mut with_problems: Vec<&Source> = case
        .sources
        .iter()
        .filter(|source| !is_no_log(source) && (is_damaged(source) || !source.problems.is_empty()))
        .collect();
    if with_problems.is_empty() {
        return;
    }
    let damaged = with_problems
        .iter()
        .filter(|source| is_damaged(source))
        .count() as u64;
    let rest = if damaged > 0 {
        format!("{} could not be read completely", count(damaged, "file"))
    } else {
        "warnings only, nothing was lost".to_owned()
    };
    heading(out, look, "PROBLEMS", &rest);
    // Losses matter more than warnings.
    with_problems.sort_by_key(|source| !is_damaged(source));
    let (files, lines) = if options.verbose {
        (usize::MAX, usize::MAX)
    } else {
        (MOST_LINES, 3)
    };
    for source in with_problems.iter().take(files) {
        let mut text = safe(&source.path).into_owned();
        let _ = write!(text, ": {} read", count(source.records, "record"));
        if source.skipped > 0 {
            let _ = write!(text, ", {} lost", number(source.skipped));
        }
        paragraph(out, "  ", &text, look.page());
        for problem in source.problems.iter().take(lines) {
            let mut place = Vec::new();
            if let Some(offset) = problem.offset {
                place.push(format!("offset 0x{offset:x}"));
            }
            if let Some(record) = problem.record {
                place.push(format!("record {record}"));
            }
            let place = if place.is_empty() {
                String::new()
            } else {
                format!("{}: ", place.join(", "))
            };
            let kind = if problem.loss { "" } else { "warning: " };
            paragraph(
                out,
                "    ",
                &safe(&format!("{kind}{place}{}", problem.message)),
                look.page(),
            );
        }
        let left = (source.problems.len().saturating_sub(lines)) as u64 + source.more_problems;
        if left > 0 {
            let _ = writeln!(
                out,
                "    {}",
                look.paint(Ink::Dim, &format!("… and {}", count(left, "more problem")))
            );
        }
    }
    more(
        out,
        with_problems.len().saturating_sub(files),
        "file",
        "files",
        look,
    );
}

fn cleared(out: &mut String, case: &Case, options: &Summary<'_>) {
    let all: Vec<_> = case
        .coverage
        .iter()
        .filter(|covered| !covered.cleared.is_empty())
        .collect();
    if all.is_empty() {
        return;
    }
    heading(
        out,
        &options.look,
        "CLEARED LOGS",
        "earlier records in them are gone",
    );
    let most = if options.verbose {
        usize::MAX
    } else {
        MOST_LINES
    };
    for covered in all.iter().take(most) {
        let times: Vec<String> = covered
            .cleared
            .iter()
            .map(|time| when(Some(time)))
            .collect();
        let text = format!(
            "{}: {} log cleared at {}",
            covered.host,
            short_channel(&covered.channel),
            names_of(&times, options)
        );
        paragraph(out, "  ", &safe(&text), options.look.page());
    }
    more(
        out,
        all.len().saturating_sub(most),
        "log",
        "logs",
        &options.look,
    );
}

fn not_there(out: &mut String, case: &Case, options: &Summary<'_>) {
    if case.gaps.is_empty() {
        return;
    }
    heading(
        out,
        &options.look,
        "NOT SEEN",
        "what these logs cannot show",
    );
    let most = if options.verbose {
        usize::MAX
    } else {
        MOST_LINES
    };
    for gap in case.gaps.iter().take(most) {
        paragraph(out, "  - ", &safe(&gap.message), options.look.page());
        let advice: Vec<&str> = gap
            .advice
            .iter()
            .take(if options.verbose { usize::MAX } else { 3 })
            .map(String::as_str)
            .collect();
        if !advice.is_empty() {
            paragraph(
                out,
                "      to see it: ",
                &safe(&advice.join("; or ")),
                options.look.page(),
            );
        }
    }
    more(
        out,
        case.gaps.len().saturating_sub(most),
        "statement",
        "statements",
        &options.look,
    );
}

/// A content problem on one line or more.
pub fn content_problem(problem: &ContentProblemInfo) -> String {
    let line = problem
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    format!("{}{line}: {}", problem.path, problem.message)
}

fn content(out: &mut String, case: &Case, options: &Summary<'_>) {
    if case.content_problems.is_empty() {
        return;
    }
    let fatal = case
        .content_problems
        .iter()
        .filter(|problem| problem.fatal)
        .count() as u64;
    let rest = if fatal > 0 {
        format!(
            "{} left out",
            term::counted(fatal, "file or search", "files or searches")
        )
    } else {
        "warnings".to_owned()
    };
    heading(out, &options.look, "CONTENT", &rest);
    let most = if options.verbose { usize::MAX } else { 5 };
    for problem in case.content_problems.iter().take(most) {
        for (index, line) in content_problem(problem).lines().enumerate() {
            let indent = if index == 0 { "  " } else { "    " };
            let _ = writeln!(out, "{indent}{}", safe(line));
        }
    }
    more(
        out,
        case.content_problems.len().saturating_sub(most),
        "problem",
        "problems",
        &options.look,
    );
}

fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::Critical => Ink::BrightRed,
        Severity::High => Ink::Red,
        Severity::Medium => Ink::Yellow,
        Severity::Low => Ink::Cyan,
        Severity::Informational => Ink::Dim,
    }
}

fn findings(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    if case.stats.findings == 0 && case.stats.suppressed == 0 {
        if !options.quiet {
            heading(out, look, "FINDINGS", "none");
            let text = format!(
                "{} ran and matched nothing.",
                count(case.stats.detections, "detection")
            );
            paragraph(out, "  ", &text, look.page());
        }
        return;
    }
    if !options.quiet {
        let mut parts = Vec::new();
        for severity in Severity::ALL {
            let number = case
                .stats
                .findings_by_severity
                .get(severity.name())
                .copied()
                .unwrap_or(0);
            if number > 0 {
                parts.push(look.paint(ink(severity), &format!("{number} {severity}")));
            }
        }
        heading(
            out,
            look,
            "FINDINGS",
            &match case.stats.findings {
                0 => "none".to_owned(),
                number => format!("{number}: {}", parts.join(", ")),
            },
        );
        if case.stats.suppressed > 0 {
            let text = format!(
                "{} not shown because of exceptions, throttling or habit (marked in case.json, shown with --verbose)",
                count(case.stats.suppressed, "finding"),
            );
            paragraph(out, "  ", &text, look.page());
        }
    }
    let names = Names::new(case);
    let mut groups: BTreeMap<&str, Vec<&FindingInfo>> = BTreeMap::new();
    let shown = |finding: &&FindingInfo| finding.suppressed.is_none() || options.verbose;
    for finding in case.findings.iter().filter(shown) {
        groups
            .entry(finding.hosts.first().map_or("", String::as_str))
            .or_default()
            .push(finding);
    }
    let risk_of = |id: &str| {
        case.hosts
            .iter()
            .find(|host| host.id == id)
            .map_or(0, |host| host.risk)
    };
    let mut groups: Vec<(&str, Vec<&FindingInfo>)> = groups.into_iter().collect();
    groups.sort_by_key(|(host, findings)| {
        let worst = findings.iter().map(|finding| finding.severity).max();
        std::cmp::Reverse((
            worst,
            risk_of(host),
            findings.len(),
            std::cmp::Reverse(*host),
        ))
    });
    for (host, mut findings) in groups {
        if !out.is_empty() {
            out.push('\n');
        }
        let risk = risk_of(host);
        let rest = if risk > 0 {
            format!("  risk {risk}")
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "{}{rest}",
            look.paint(Ink::Bold, &safe(&about(&names, host)))
        );
        findings.sort_by(|a, b| {
            (b.severity, b.risk_score, &a.detection, &a.first).cmp(&(
                a.severity,
                a.risk_score,
                &b.detection,
                &b.first,
            ))
        });
        let mut alike: BTreeMap<&str, usize> = BTreeMap::new();
        let most = if options.verbose {
            usize::MAX
        } else {
            MOST_ALIKE
        };
        for (index, finding) in findings.iter().enumerate() {
            let seen = alike.entry(&finding.detection).or_default();
            *seen += 1;
            if *seen <= most {
                one(out, case, finding, look);
                if options.verbose {
                    let id = look.paint(Ink::Dim, &safe(&finding.id));
                    let _ = writeln!(out, "                {id}");
                }
            }
            let last = findings
                .get(index + 1)
                .is_none_or(|next| next.detection != finding.detection);
            if last && *seen > most {
                let text = format!(
                    "  … and {} of {}",
                    count((*seen - most) as u64, "more finding"),
                    safe(&finding.detection)
                );
                let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
            }
        }
    }
}

/// The display name of the host that findings are about, if they are about one.
fn about(names: &Names<'_>, id: &str) -> String {
    if id.is_empty() {
        "(no host named)".to_owned()
    } else {
        names.host(id).to_owned()
    }
}

/// One finding.
pub(crate) fn one(out: &mut String, case: &Case, finding: &FindingInfo, look: &Look) {
    let severity = term::pad(finding.severity.name(), 13);
    let techniques = if finding.techniques.is_empty() {
        String::new()
    } else {
        format!(
            "  {}",
            look.paint(Ink::Dim, &safe(&finding.techniques.join(" ")))
        )
    };
    let _ = writeln!(
        out,
        "  {} {}  {}{techniques}",
        look.paint(ink(finding.severity), &severity),
        when(finding.first.as_deref()),
        look.paint(Ink::Bold, &safe(&finding.detection)),
    );
    let indent = " ".repeat(16);
    paragraph(out, &indent, &safe(&finding.message), look.page());
    if let Some(why) = &finding.suppressed {
        let until = why
            .until
            .as_ref()
            .map(|until| format!(" until {until}"))
            .unwrap_or_default();
        let text = format!("suppressed by {}{until}: {}", why.by, why.reason);
        paragraph(out, &indent, &safe(&text), look.page());
    }
    if let Some(event) = finding.events.first() {
        let mut text = String::new();
        let _ = write!(text, "{}", place(case, event));
        if finding.event_count > 1 {
            let _ = write!(text, " (first of {})", count(finding.event_count, "event"));
        }
        for line in term::wrap(&safe(&text), look.page().saturating_sub(indent.len())) {
            let _ = writeln!(out, "{indent}{}", look.paint(Ink::Dim, &line));
        }
    }
}

/// The record and file of an event.
pub(crate) fn place(case: &Case, event: &Reference) -> String {
    let path = case
        .source(event.source)
        .map_or("?", |source| source.path.as_str());
    let id = if crabwalk_vocabulary::is_windows(&event.channel, event.event_id) {
        format!(" {}", event.event_id)
    } else {
        String::new()
    };
    format!(
        "{}{id}, record {} in {path}",
        short_channel(&event.channel),
        event.record
    )
}

fn risk(out: &mut String, case: &Case, options: &Summary<'_>) {
    let all: Vec<_> = case
        .stats
        .risk
        .iter()
        .filter(|risk| risk.score > 0)
        .collect();
    if all.is_empty() {
        return;
    }
    heading(out, &options.look, "RISK", "");
    let most = if options.verbose {
        usize::MAX
    } else {
        MOST_LINES
    };
    let widest = all
        .iter()
        .take(most)
        .map(|risk| term::width(&safe(&risk.value)))
        .max()
        .unwrap_or(0)
        .min(40);
    for risk in all.iter().take(most) {
        let value = safe(&risk.value);
        let _ = writeln!(
            out,
            "  {:6} {:>5}  {}  {} of {}",
            risk.kind.name(),
            risk.score,
            term::pad(&term::cut(&value, 40), widest),
            count(risk.findings, "finding"),
            count(risk.detections, "detection"),
        );
    }
    more(
        out,
        all.len().saturating_sub(most),
        "user or system",
        "users and systems",
        &options.look,
    );
}

/// The case in a few sentences.
fn in_short(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    if case.summary.is_empty() {
        return;
    }
    heading(out, look, "IN SHORT", "");
    for sentence in &case.summary {
        paragraph(out, "  ", &safe(sentence), look.page());
    }
}

/// What to do about the movements: affected hosts, accounts, logs to collect.
fn response(case: &Case) -> Vec<String> {
    const MOST: usize = 5;
    let mut steps = Vec::new();
    let list = |all: Vec<String>| {
        let more = all.len().saturating_sub(MOST);
        let mut text = all.into_iter().take(MOST).collect::<Vec<_>>().join(", ");
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
        text
    };
    let scope = &case.scope;
    let names = Names::new(case);
    let isolate: Vec<String> = scope
        .isolate
        .iter()
        .map(|id| names.host(id).to_owned())
        .collect();
    if !isolate.is_empty() {
        steps.push(format!("isolate or watch {}", list(isolate)));
    }
    if !scope.accounts.is_empty() {
        let accounts = scope
            .accounts
            .iter()
            .map(|one| names.account(&one.account).to_owned())
            .collect();
        steps.push(format!("reset {}", list(accounts)));
    }
    for one in scope.collect.iter().take(3) {
        let how = one
            .commands
            .first()
            .map_or_else(String::new, |command| format!(": `{}`", command.command));
        steps.push(format!(
            "collect {} of {} ({}){how}",
            one.channel, one.host, one.why
        ));
    }
    if scope.collect.len() > 3 {
        steps.push(format!(
            "{} more logs to collect, see `scope.collect` in the case",
            scope.collect.len() - 3
        ));
    }
    if let Some(host) = scope.hosts.first() {
        steps.push(format!(
            "`crabwalk dossier {} PATH…` shows what happened there",
            names.host(&host.host)
        ));
    }
    steps
}

fn next(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    let mut steps: Vec<String> = response(case);
    for path in options.written {
        steps.push(format!("written: {}", path.display()));
    }
    if !case.findings.is_empty() {
        if options.written.is_empty() {
            steps.push("add `--out DIR` for report.html, case.json and tables".to_owned());
        }
        if let Some(worst) = case
            .findings
            .iter()
            .filter(|finding| finding.suppressed.is_none())
            .max_by_key(|finding| (finding.severity, finding.risk_score))
        {
            steps.push(format!(
                "`crabwalk content show '{}'` explains what a finding means and what else may cause it",
                worst.detection
            ));
        }
        let rdp = case.findings.iter().any(|finding| {
            finding
                .techniques
                .iter()
                .any(|technique| technique == "T1021.001")
        });
        if rdp && !options.assets_given {
            steps.push(
                "to ignore normal remote desktop use: `crabwalk baseline rdp PATH --write-assets assets.csv` on quiet days, then `--assets assets.csv`"
                    .to_owned(),
            );
        }
    } else if !case.gaps.is_empty() {
        steps.push(
            "no findings is not an all-clear; see NOT SEEN above for what these logs cannot show"
                .to_owned(),
        );
    }
    if steps.is_empty() {
        return;
    }
    heading(out, look, "NEXT", "");
    for step in steps {
        paragraph(out, "  - ", &safe(&step), look.page());
    }
}
