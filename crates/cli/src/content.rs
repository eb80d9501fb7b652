//! `crabwalk content`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crabwalk_detect::check::Reason;
use crabwalk_detect::detection::Language;
use crabwalk_detect::{
    Baseline, CheckResult, Checked, Content, ContentProblem, Detection, Query, Story,
};
use crabwalk_vocabulary::suggest::most_alike;
use crabwalk_vocabulary::wildcard;

use crate::args::{self, ContentCommand, Format, ReportFormat};
use crate::input;
use crate::outcome::{Done, Failure, note};
use crate::term::{self, Ink, Look, paragraph};

/// Runs the command.
pub fn run(args: &args::Content) -> Result<Done, Failure> {
    match &args.command {
        ContentCommand::List { known, format } => list(&input::content(known)?, *format),
        ContentCommand::Show { name, known } => show(&input::content(known)?, name),
        ContentCommand::Check {
            paths,
            known,
            format,
        } => check(known, paths, *format),
        ContentCommand::Test {
            paths,
            known,
            data_map,
            detection,
            junit,
            threads,
            verbose,
        } => {
            let content = with_paths(known, paths)?;
            crate::content_test::run(&crate::content_test::Options {
                content: &content,
                paths,
                data_map: data_map.as_deref(),
                detections: detection,
                junit: junit.as_deref(),
                threads: threads.map(usize::from),
                verbose: *verbose,
            })
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn list(content: &Content, format: Format) -> Result<Done, Failure> {
    for problem in &content.problems {
        note("warning", &problem.to_string());
    }
    let headers: Vec<String> = [
        "name",
        "type",
        "status",
        "risk",
        "techniques",
        "story",
        "from",
    ]
    .iter()
    .map(|name| (*name).to_owned())
    .collect();
    let rows: Vec<Vec<String>> = content
        .detections
        .iter()
        .chain(content.sigma.detections())
        .map(|one| {
            vec![
                one.name.clone(),
                one.kind.name().to_owned(),
                one.status.name().to_owned(),
                one.risk_score.to_string(),
                one.techniques.join(", "),
                one.stories.join(", "),
                if one.origin.is_builtin() {
                    "built-in".to_owned()
                } else {
                    one.origin.path.clone()
                },
            ]
        })
        .collect();
    if format != Format::Table {
        let rows = rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| vec![cell]).collect())
            .collect();
        let answer = crabwalk_detect::query::Answer {
            columns: headers,
            rows,
            warnings: Vec::new(),
        };
        crate::search::print(&answer, format, true)?;
        return Ok(Done::Whole);
    }
    let safe: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| term::safe(cell).into_owned())
                .collect()
        })
        .collect();
    let mut text = term::table(&headers, &safe, &Look::stdout());
    let _ = writeln!(
        text,
        "\n{}, {}, {}, {}",
        term::count(
            (content.detections.len() + content.sigma.detections().count()) as u64,
            "detection"
        ),
        pluralised_stories(content.stories.len()),
        term::count(content.baselines.len() as u64, "baseline"),
        term::count(content.macros.len() as u64, "macro"),
    );
    let rules = content.sigma.detections().count() as u64;
    if rules > 0 {
        let _ = writeln!(text, "{} among them", term::count(rules, "Sigma rule"));
    }
    print(&text)?;
    Ok(Done::Whole)
}

fn pluralised_stories(count: usize) -> String {
    term::count(count as u64, "story")
}

fn show(content: &Content, name: &str) -> Result<Done, Failure> {
    let look = Look::stdout();
    let mut text = String::new();
    let fits = |own: &str, id: &str| wildcard::matches(name, own) || wildcard::matches(name, id);
    for one in content
        .detections
        .iter()
        .chain(content.sigma.detections())
        .filter(|one| fits(&one.name, &one.id))
    {
        detection(&mut text, one, &look);
    }
    for one in content
        .baselines
        .iter()
        .filter(|one| fits(&one.name, &one.id))
    {
        baseline(&mut text, one, &look);
    }
    for one in content
        .stories
        .iter()
        .filter(|one| fits(&one.name, &one.id))
    {
        story(&mut text, one, content, &look);
    }
    if text.is_empty() {
        let names = content
            .detections
            .iter()
            .chain(content.sigma.detections())
            .map(|one| one.name.as_str())
            .chain(content.baselines.iter().map(|one| one.name.as_str()))
            .chain(content.stories.iter().map(|one| one.name.as_str()));
        let hint = most_alike(name, names)
            .map(|name| format!("; did you mean `{name}`?"))
            .unwrap_or_default();
        return Err(Failure::new(format!(
            "no detection, baseline or story is named `{name}`{hint}"
        )));
    }
    print(&text)?;
    Ok(Done::Whole)
}

fn title(out: &mut String, name: &str, look: &Look) {
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", look.paint(Ink::Bold, &term::safe(name)));
}

fn field(out: &mut String, name: &str, value: &str, look: &Look) {
    if !value.trim().is_empty() {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        paragraph(out, &term::pad(name, 18), &term::safe(&value), look.page());
    }
}

/// What a detection consists of, as it is written.
fn source(out: &mut String, what: &str, text: &str) {
    let _ = writeln!(out, "{what}");
    for line in text.trim_end().lines() {
        let _ = writeln!(out, "    {}", term::safe(line));
    }
}

fn detection(out: &mut String, one: &Detection, look: &Look) {
    title(out, &one.name, look);
    field(out, "id", &one.id, look);
    field(out, "version", &one.version, look);
    field(out, "type", &format!("{}, {}", one.kind, one.status), look);
    field(
        out,
        "risk score",
        &format!("{} ({})", one.risk_score, one.severity()),
        look,
    );
    field(out, "techniques", &one.techniques.join(", "), look);
    field(out, "stories", &one.stories.join(", "), look);
    field(out, "from", &one.origin.path, look);
    field(out, "description", &one.description, look);
    field(out, "message", &one.message, look);
    let objects: Vec<String> = one
        .risk_fields
        .iter()
        .map(|field| format!("{} ({}, {})", field.field, field.kind, field.score))
        .collect();
    field(out, "risk objects", &objects.join(", "), look);
    let objects: Vec<String> = one
        .threat_fields
        .iter()
        .map(|field| format!("{} ({})", field.field, field.kind))
        .collect();
    field(out, "threat objects", &objects.join(", "), look);
    field(out, "data sources", &one.data_sources.join(", "), look);
    field(out, "data needed", &one.how_to_implement, look);
    field(out, "false positives", &one.known_false_positives, look);
    for reference in &one.references {
        field(out, "reference", reference, look);
    }
    let what = match one.language {
        Language::Spl => "search",
        Language::Sigma => "rule",
    };
    source(out, what, &one.search);
}

fn baseline(out: &mut String, one: &Baseline, look: &Look) {
    title(out, &one.name, look);
    field(out, "id", &one.id, look);
    field(out, "type", "Baseline", look);
    field(
        out,
        "asset category",
        one.asset_category.as_deref().unwrap_or_default(),
        look,
    );
    field(out, "from", &one.origin.path, look);
    field(out, "description", &one.description, look);
    field(out, "helps", &one.detections.join(", "), look);
    source(out, "search", &one.search);
}

fn story(out: &mut String, one: &Story, content: &Content, look: &Look) {
    title(out, &one.name, look);
    field(out, "id", &one.id, look);
    field(out, "type", "story", look);
    field(out, "from", &one.origin.path, look);
    field(out, "description", &one.description, look);
    field(out, "narrative", &one.narrative, look);
    for reference in &one.references {
        field(out, "reference", reference, look);
    }
    for detection in content
        .detections
        .iter()
        .filter(|detection| detection.stories.contains(&one.name))
    {
        field(out, "detection", &detection.name, look);
    }
}

/// Loads content, with directories to check in addition to those that are only used. The latter come first.
fn with_paths(known: &args::Known, paths: &[PathBuf]) -> Result<Content, Failure> {
    for path in paths {
        if let Err(error) = std::fs::metadata(path) {
            return Err(Failure::new(format!("{}: {error}", path.display())));
        }
    }
    let mut all = known.clone();
    all.content.extend(paths.iter().cloned());
    input::content(&all)
}

fn check(known: &args::Known, paths: &[PathBuf], format: ReportFormat) -> Result<Done, Failure> {
    let content = with_paths(known, paths)?;
    let mut found: Vec<ContentProblem> = content
        .problems
        .iter()
        .filter(|one| {
            let sigma = known
                .sigma
                .iter()
                .any(|path| Path::new(&one.path).starts_with(path));
            sigma || input::is_below(&one.path, paths)
        })
        .cloned()
        .collect();
    for one in &content.detections {
        for story in &one.stories {
            if !content.stories.is_empty()
                && !content.stories.iter().any(|known| known.name == *story)
                && one.origin.is_builtin()
            {
                found.push(ContentProblem {
                    path: one.origin.path.clone(),
                    line: None,
                    column: None,
                    message: format!("no story is named `{story}`"),
                    fatal: true,
                    detection: None,
                });
            }
        }
    }
    let baselines: Vec<_> = content
        .baselines
        .iter()
        .filter(|one| input::is_below(&one.origin.path, paths))
        .map(|one| (one.name.as_str(), one.search.as_str(), &one.origin))
        .collect();
    found.extend(content.sigma.check());
    found.extend(Query::check(&baselines, &content)?);
    let checked =
        crabwalk_detect::check::check(&content, &|one| input::is_below(&one.origin.path, paths))?;
    let (problems, warnings): (Vec<_>, Vec<_>) = found.iter().partition(|problem| problem.fatal);
    let wrong = !problems.is_empty()
        || checked
            .iter()
            .any(|one| one.result == CheckResult::CannotRun);
    if format == ReportFormat::Json {
        report_json(&checked, &found)?;
    } else {
        for (kind, notes) in [("problem", &problems), ("warning", &warnings)] {
            for one in notes {
                note(kind, &one.to_string());
            }
        }
        report_text(&content, &checked, baselines.len(), problems.len())?;
    }
    Ok(if wrong { Done::Wrong } else { Done::Whole })
}

/// How many detections have each reason, most frequent first.
fn by_reason(checked: &[Checked], result: CheckResult) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in checked.iter().filter(|one| one.result == result) {
        let messages: BTreeSet<&str> = one
            .reasons
            .iter()
            .map(|reason| reason.message.as_str())
            .collect();
        for message in messages {
            *counts.entry(message).or_default() += 1;
        }
    }
    let mut all: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(message, count)| (message.to_owned(), count))
        .collect();
    all.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    all
}

const RESULTS: [CheckResult; 3] = [
    CheckResult::Runs,
    CheckResult::RunsWithMissingFields,
    CheckResult::CannotRun,
];

fn report_json(checked: &[Checked], files: &[ContentProblem]) -> Result<(), Failure> {
    let reason = |one: &Reason| serde_json::json!({"message": one.message, "line": one.line, "column": one.column});
    let detections: Vec<serde_json::Value> = checked
        .iter()
        .map(|one| {
            serde_json::json!({
                "name": one.detection.name,
                "id": one.detection.id,
                "path": one.detection.origin.path,
                "status_in_content": one.detection.status.name(),
                "result": one.result.name(),
                "reasons": one.reasons.iter().map(reason).collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut summary = serde_json::Map::new();
    summary.insert("detections".to_owned(), checked.len().into());
    for result in RESULTS {
        let count = checked.iter().filter(|one| one.result == result).count();
        summary.insert(result.name().to_owned(), count.into());
    }
    let reasons: Vec<serde_json::Value> = RESULTS[1..]
        .iter()
        .flat_map(|result| {
            by_reason(checked, *result).into_iter().map(|(message, count)| {
                serde_json::json!({"result": result.name(), "message": message, "detections": count})
            })
        })
        .collect();
    summary.insert("reasons".to_owned(), reasons.into());
    let lints: Vec<serde_json::Value> = checked
        .iter()
        .flat_map(|one| {
            one.lints.iter().map(|lint| {
                serde_json::json!({
                    "detection": one.detection.name,
                    "path": one.detection.origin.path,
                    "message": lint.message,
                    "line": lint.line,
                    "column": lint.column,
                })
            })
        })
        .collect();
    summary.insert("lints".to_owned(), lints.into());
    let files: Vec<serde_json::Value> = files
        .iter()
        .map(|one| {
            serde_json::json!({
                "path": one.path,
                "message": one.message,
                "line": one.line,
                "column": one.column,
                "fatal": one.fatal,
            })
        })
        .collect();
    summary.insert("files".to_owned(), files.into());
    let report = serde_json::json!({"detections": detections, "summary": summary});
    let mut out = io::stdout().lock();
    crabwalk_case::to_json(&report, &mut out)?;
    out.flush()?;
    Ok(())
}

fn report_text(
    content: &Content,
    checked: &[Checked],
    baselines: usize,
    problems: usize,
) -> Result<(), Failure> {
    /// Maximum reasons shown per kind.
    const MOST: usize = 20;
    let place = |one: &Checked, reason: &Reason| {
        let mut text = one.detection.origin.path.clone();
        if let Some(line) = reason.line {
            let _ = write!(text, ":{line}");
            if let Some(column) = reason.column {
                let _ = write!(text, ":{column}");
            }
        }
        text
    };
    for one in checked {
        let name = &one.detection.name;
        for reason in &one.reasons {
            let place = place(one, reason);
            if one.result == CheckResult::CannotRun {
                note("problem", &format!("{place}: {name}: {}", reason.shown));
            } else {
                note("warning", &format!("{place}: {name}: {}", reason.message));
            }
        }
        for lint in &one.lints {
            note(
                "warning",
                &format!("{}: {name}: {}", place(one, lint), lint.message),
            );
        }
    }
    let look = Look::stdout();
    let mut text = String::new();
    let rules = content.sigma.detections().count() as u64;
    let rules = if rules > 0 {
        format!(", {}", term::count(rules, "Sigma rule"))
    } else {
        String::new()
    };
    let lints: usize = checked.iter().map(|one| one.lints.len()).sum();
    let with = |result: CheckResult| checked.iter().filter(|one| one.result == result).count();
    let _ = writeln!(
        text,
        "{}{rules}, {}, {}, {} checked: {}{}",
        term::count(checked.len() as u64, "detection"),
        pluralised_stories(content.stories.len()),
        term::count(baselines as u64, "baseline"),
        term::count(content.macros.len() as u64, "macro"),
        if problems == 0 {
            "no problems with files".to_owned()
        } else {
            format!("{} with files", term::count(problems as u64, "problem"))
        },
        if lints == 0 {
            String::new()
        } else {
            format!(", {}", term::count(lints as u64, "warning"))
        },
    );
    for (result, words) in [
        (CheckResult::Runs, "run"),
        (
            CheckResult::RunsWithMissingFields,
            "run, but name a field that no known event type has",
        ),
        (CheckResult::CannotRun, "cannot run"),
    ] {
        if with(result) == 0 && result != CheckResult::Runs {
            continue;
        }
        let _ = writeln!(text, "{:>7}  {words}", with(result));
        if result == CheckResult::Runs {
            continue;
        }
        let reasons = by_reason(checked, result);
        for (message, count) in reasons.iter().take(MOST) {
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            paragraph(
                &mut text,
                &format!("{:>13} × ", term::number(*count as u64)),
                &term::safe(&message),
                look.page(),
            );
        }
        if reasons.len() > MOST {
            let _ = writeln!(
                text,
                "                and {} more",
                term::count((reasons.len() - MOST) as u64, "reason")
            );
        }
    }
    print(&text)
}
