//! `crabwalk content`.

use std::fmt::Write as _;
use std::io::{self, Write};

use crabwalk_detect::hunt::{matches_pattern, most_alike};
use crabwalk_detect::{Baseline, Content, ContentProblem, Detection, Query, Story};

use crate::args::{self, ContentCommand, Format};
use crate::commands::{Done, Failure, note};
use crate::input;
use crate::term::{self, Ink, Look, paragraph};

/// Runs the command.
pub fn run(args: &args::Content) -> Result<Done, Failure> {
    match &args.command {
        ContentCommand::List { known, format } => list(&input::content(known)?, *format),
        ContentCommand::Show { name, known } => show(&input::content(known)?, name),
        ContentCommand::Check { known } => check(known),
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
    let fits = |own: &str, id: &str| matches_pattern(name, own) || matches_pattern(name, id);
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
        return Err(Failure::new(format!("nothing is called `{name}`{hint}")));
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

fn search(out: &mut String, text: &str) {
    out.push_str("search\n");
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
    if one.search.starts_with("(Sigma") {
        // What a rule says is its file.
        rule(out, &one.origin.path, &one.id);
    } else {
        search(out, &one.search);
    }
}

/// The text of a Sigma rule; of a file with several, the part that has its id.
fn rule(out: &mut String, path: &str, id: &str) {
    let Ok(text) = std::fs::read_to_string(path) else {
        return;
    };
    let mut documents = text.split("\n---");
    let first = documents.next().unwrap_or_default();
    let own = std::iter::once(first)
        .chain(documents)
        .find(|one| one.contains(id))
        .unwrap_or(first);
    out.push_str("rule\n");
    for line in own.trim_matches(['\n', '\r']).lines() {
        let _ = writeln!(out, "    {}", term::safe(line));
    }
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
    search(out, &one.search);
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

fn check(known: &args::Known) -> Result<Done, Failure> {
    let content = input::content(known)?;
    let (detections, baselines) = (content.detections.clone(), content.baselines.clone());
    let stories = content.stories.clone();
    let mut found = content.problems.clone();
    for one in &detections {
        for story in &one.stories {
            if !stories.is_empty()
                && !stories.iter().any(|known| known.name == *story)
                && one.origin.is_builtin()
            {
                found.push(ContentProblem {
                    path: one.origin.path.clone(),
                    line: None,
                    column: None,
                    message: format!("no story is called `{story}`"),
                    fatal: true,
                });
            }
        }
    }
    let searches: Vec<(&str, &str, &crabwalk_detect::Origin)> = detections
        .iter()
        .map(|one| (one.name.as_str(), one.search.as_str(), &one.origin))
        .chain(
            baselines
                .iter()
                .map(|one| (one.name.as_str(), one.search.as_str(), &one.origin)),
        )
        .collect();
    found.extend(content.sigma.check());
    found.extend(Query::check(&searches, &content)?);
    let (problems, warnings): (Vec<_>, Vec<_>) = found.iter().partition(|problem| problem.fatal);
    for (kind, notes) in [("problem", &problems), ("warning", &warnings)] {
        for one in notes {
            note(kind, &one.to_string());
        }
    }
    let rules = content.sigma.detections().count() as u64;
    let rules = if rules > 0 {
        format!(", {}", term::count(rules, "Sigma rule"))
    } else {
        String::new()
    };
    let text = format!(
        "{}{rules}, {}, {}, {} checked: {}{}\n",
        term::count(detections.len() as u64, "detection"),
        pluralised_stories(stories.len()),
        term::count(baselines.len() as u64, "baseline"),
        term::count(content.macros.len() as u64, "macro"),
        if problems.is_empty() {
            "no problem".to_owned()
        } else {
            term::count(problems.len() as u64, "problem")
        },
        if warnings.is_empty() {
            String::new()
        } else {
            format!(", {}", term::count(warnings.len() as u64, "warning"))
        },
    );
    print(&text)?;
    Ok(if problems.is_empty() {
        Done::Whole
    } else {
        Done::Wrong
    })
}
