//! `crabwalk demo`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use crabwalk_case::Case;
use crabwalk_case::dossier::Asked;
use crabwalk_detect::Content;
use crabwalk_lab::{Options, Truth, folders, may_use};
use crabwalk_score::Findings;
use crabwalk_vocabulary::time;

use crate::args::{self, Format};
use crate::hunt;
use crate::input::Logs;
use crate::outcome::{Done, Failure, note};
use crate::summary::Summary;
use crate::term::{self, Ink, Look};

/// Generates a small company, unless the directory contains something else.
pub fn build(options: &Options, directory: &Path) -> Result<Truth, Failure> {
    may_use(directory)?;
    Ok(crabwalk_lab::build(options, directory)?)
}

/// Runs `demo`.
pub fn run(args: &args::Demo) -> Result<Done, Failure> {
    let look = Look::stdout();
    note("generating", &format!("logs in {}", args.out.display()));
    let truth = build(
        &Options {
            seed: args.seed,
            ..Options::default()
        },
        &args.out,
    )?;
    let mut content = Content::load(true, &[]);
    content.add_entities(
        &[args.out.join("assets.csv")],
        &[args.out.join("identities.csv")],
    )?;
    let logs = Logs::of(folders(&args.out)?);
    let mut hunted = hunt::hunt(
        content,
        &logs,
        logs.hunt_options(),
        &Asked::default(),
        false,
    )?;
    let directory = args.out.join("case");
    let written = hunt::write(
        &mut hunted.case,
        &hunted.inputs,
        logs.threads,
        hunted.catalog.as_ref(),
        &directory,
        false,
    )?;
    let summary = Summary {
        look,
        quiet: false,
        verbose: args.verbose,
        written: &written,
        assets_given: true,
    };
    hunt::print(&hunted.case, Format::Table, &summary)?;
    let (text, right) = compare(&truth, &hunted.case, &args.out, &look);
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if right { hunted.done } else { Done::Wrong })
}

/// What was planted beside what was found, and whether they agree.
fn compare(truth: &Truth, case: &Case, directory: &Path, look: &Look) -> (String, bool) {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n{}  what the intruder did, from truth.json",
        look.paint(Ink::Bold, "TRUTH")
    );
    for hop in truth.hops() {
        let at = time::parse(&hop.time).map(time::shown);
        let line = format!(
            "{}  {} → {}  as {}: {} ({})",
            at.unwrap_or_default(),
            hop.src,
            hop.dst,
            hop.account,
            hop.method,
            hop.technique
        );
        term::paragraph(&mut out, "  ", &term::safe(&line), look.page());
    }
    let headers: Vec<String> = ["detection", "planted", "found", "other findings"]
        .map(str::to_owned)
        .into();
    let found = Findings::of(truth, case);
    let right = found.are_right();
    let rows: Vec<Vec<String>> = found
        .detections
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                one.planted.to_string(),
                one.found.to_string(),
                one.other.to_string(),
            ]
        })
        .collect();
    out.push('\n');
    for line in term::table(&headers, &rows, look).lines() {
        let _ = writeln!(out, "  {line}");
    }
    if !found.besides.is_empty() {
        let names: Vec<String> = found
            .besides
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        out.push('\n');
        term::paragraph(
            &mut out,
            "  ",
            &term::safe(&format!(
                "Nothing was planted for the other detections. Their findings show the intruder's work too or, for hunting detections, normal work: {}.",
                names.join(", ")
            )),
            look.page(),
        );
    }
    let verdict = if right {
        "All planted findings were found, and no others for these detections."
    } else {
        "The findings do not match what was planted."
    };
    let _ = writeln!(out, "\n  {}", look.paint(Ink::Bold, verdict));
    let _ = writeln!(out, "\n{}", look.paint(Ink::Bold, "FILES"));
    for (name, what) in [
        (
            "",
            "one folder of EVTX files per host, zeek/ with the network log",
        ),
        ("assets.csv", "what is known about the machines"),
        ("identities.csv", "what is known about the accounts"),
        ("truth.json", "what really happened"),
        (
            "case/case.json",
            "what Crabwalk concluded; findings.csv, timeline.csv and navigator.json beside it",
        ),
        (
            "case/report.html",
            "the same as a report: open it in a browser",
        ),
    ] {
        if name.ends_with(".html") && crabwalk_case::front_end().is_none() {
            continue;
        }
        let _ = writeln!(
            out,
            "  {}  {what}",
            term::pad(&directory.join(name).display().to_string(), 30)
        );
    }
    (out, right)
}
