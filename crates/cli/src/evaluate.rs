//! `crabwalk lab evaluate` and `lab score`: how much of the intruders' acts is found, and what else is.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use crabwalk_case::Case;
use crabwalk_case::dossier::Asked;
use crabwalk_detect::Content;
use crabwalk_lab::enterprise::EnterpriseOptions;
use crabwalk_score::Score;

use crate::args::{Format, LabEvaluate};
use crate::input::Logs;
use crate::outcome::{Done, Failure, note};
use crate::term::{self, Ink, Look};
use crate::{hunt, lab, protocol};

/// Peak memory of this process since [`forget_peak`], in bytes. Only Linux reports it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Resets the system's peak memory counter; if that fails, the count continues.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Runs `lab evaluate`.
pub fn run(args: &LabEvaluate) -> Result<Done, Failure> {
    if args.protocol.is_some() {
        return protocol::run(args);
    }
    let profile = lab::profile(&args.company)?;
    let mut scores = Vec::new();
    for (seed, intrusions) in args
        .seed
        .iter()
        .flat_map(|seed| args.intrusions.iter().map(move |number| (*seed, *number)))
    {
        let made;
        let directory = match &args.keep {
            Some(parent) if args.seed.len() > 1 => {
                parent.join(format!("{intrusions}-intrusions-seed-{seed}"))
            }
            Some(parent) => parent.join(format!("{intrusions}-intrusions")),
            None => {
                made = temporary()?;
                made.path().join("world")
            }
        };
        note(
            "making",
            &format!(
                "{} in {} and {}, with {}, seed {seed}",
                directory.display(),
                term::count(args.hosts as u64, "host"),
                term::counted(args.days as u64, "day", "days"),
                term::count(intrusions as u64, "intrusion")
            ),
        );
        let options = EnterpriseOptions {
            seed,
            days: args.days,
            hosts: args.hosts,
            intrusions,
            volume: args.volume,
            profile: profile.clone(),
            ..EnterpriseOptions::default()
        };
        scores.push(make_and_hunt(
            &options,
            &directory,
            args.format != Format::Table,
        )?);
    }
    print(&scores, args.format, args.verbose)
}

/// A directory for a temporary world.
pub fn temporary() -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("crabwalk-lab-")
        .tempdir()
        .map_err(|error| Failure::new(format!("temporary directory: {error}")))
}

/// Generates an enterprise in a directory, hunts through it, and scores the result.
pub fn make_and_hunt(
    options: &EnterpriseOptions,
    directory: &Path,
    quiet: bool,
) -> Result<Score, Failure> {
    crabwalk_lab::may_use(directory)?;
    let truth = crabwalk_lab::build(options, directory)?;
    let content = Content::load(true, &[]);
    let logs = Logs::of(crabwalk_lab::folders(directory)?);
    forget_peak();
    let began = Instant::now();
    let hunted = hunt::hunt(
        content,
        &logs,
        logs.hunt_options(),
        &Asked::default(),
        quiet,
    )?;
    let seconds = began.elapsed().as_secs_f64();
    let mut score = Score::of(&truth, &hunted.case);
    score.peak_bytes = peak();
    score.seconds = (seconds * 1000.0).round() / 1000.0;
    Ok(score)
}

/// Runs `lab score`.
pub fn score_files(
    directory: &Path,
    case: &Path,
    format: Format,
    verbose: bool,
) -> Result<Done, Failure> {
    let truth = crabwalk_score::read(directory).map_err(|error| Failure::new(error.to_string()))?;
    let failed = |why: String| Failure::new(format!("{}: {why}", case.display()));
    let bytes = std::fs::read(case).map_err(|error| failed(error.to_string()))?;
    let case: Case =
        serde_json::from_slice(&bytes).map_err(|error| failed(format!("not a case: {error}")))?;
    let score = Score::of(&truth, &case);
    print(&[score], format, verbose)
}

fn print(scores: &[Score], format: Format, verbose: bool) -> Result<Done, Failure> {
    let mut out = io::stdout().lock();
    match format {
        Format::Table => out.write_all(text(scores, verbose, &Look::stdout()).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, scores).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Format::Jsonl => {
            for score in scores {
                serde_json::to_writer(&mut out, score).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
        }
        Format::Csv => {
            let (headers, rows) = rows(scores);
            let mut csv = csv::Writer::from_writer(&mut out);
            let failed = |error: csv::Error| Failure::Output(io::Error::other(error));
            csv.write_record(&headers).map_err(failed)?;
            for row in rows {
                csv.write_record(&row).map_err(failed)?;
            }
            csv.flush()?;
        }
    }
    Ok(Done::Whole)
}

fn rows(scores: &[Score]) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = [
        "intrusions",
        "events",
        "hops planted",
        "no record",
        "found",
        "false",
        "daily work",
        "recall",
        "actor correct",
        "precision",
        "paths",
        "whole",
        "whole on top",
        "false paths/day",
        "false before last",
        "s",
        "peak MB",
    ]
    .map(str::to_owned)
    .into();
    let rows = scores
        .iter()
        .map(|score| {
            vec![
                score.intrusions.to_string(),
                score.events.to_string(),
                score.hops.planted.to_string(),
                score.hops.without_record.to_string(),
                score.hops.found.to_string(),
                score.hops.false_.to_string(),
                score.hops.daily_work.to_string(),
                format!("{:.3}", score.recall),
                format!("{}/{}", score.actor.found, score.actor.planted),
                format!("{:.3}", score.precision),
                score.paths.all.to_string(),
                score.paths.whole.to_string(),
                score.paths.whole_on_top.to_string(),
                format!("{:.2}", score.paths.false_per_day),
                score.paths.false_before_last.to_string(),
                format!("{:.1}", score.seconds),
                score
                    .peak_bytes
                    .map_or_else(String::new, |bytes| (bytes / 1_000_000).to_string()),
            ]
        })
        .collect();
    (headers, rows)
}

/// For each world, how much is reported, and the ranks of the intruders.
fn verdicts(scores: &[Score]) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = [
        "intrusions",
        "seed",
        "hosts",
        "days",
        "logons",
        "reported/day",
        "reported/1000 logons",
        "false/day",
        "in scope",
        "to reset",
        "notables/day",
        "ranks",
        "whole",
        "s",
    ]
    .map(str::to_owned)
    .into();
    let rows = scores
        .iter()
        .map(|score| {
            let told = &score.verdict;
            let ranks: Vec<String> = score
                .found_intrusions
                .iter()
                .map(|one| {
                    one.rank
                        .map_or_else(|| "–".to_owned(), |rank| rank.to_string())
                })
                .take(10)
                .collect();
            vec![
                score.intrusions.to_string(),
                score.seed.to_string(),
                score.hosts.to_string(),
                score.days.to_string(),
                score.logons.to_string(),
                format!("{:.2}", told.paths_per_day),
                format!("{:.2}", told.paths_per_thousand_logons),
                format!("{:.2}", told.false_per_day),
                told.hosts.to_string(),
                told.accounts.to_string(),
                format!("{:.0}", told.notables_per_day),
                ranks.join(" "),
                score.paths.whole.to_string(),
                format!("{:.1}", score.seconds),
            ]
        })
        .collect();
    (headers, rows)
}

fn text(scores: &[Score], verbose: bool, look: &Look) -> String {
    let mut out = String::new();
    let (headers, told) = verdicts(scores);
    out.push_str(&term::table(&headers, &told, look));
    out.push('\n');
    let (headers, rows) = rows(scores);
    out.push_str(&term::table(&headers, &rows, look));
    for score in scores {
        let _ = writeln!(
            out,
            "\n{}",
            look.paint(
                Ink::Bold,
                &format!(
                    "{} among {}",
                    term::count(score.intrusions as u64, "intrusion"),
                    term::count(score.hosts as u64, "host")
                )
            )
        );
        for (title, shares) in [
            ("way", &score.by_method),
            ("credentials", &score.by_credentials),
        ] {
            let headers = [title, "planted", "found"].map(str::to_owned);
            let rows: Vec<Vec<String>> = shares
                .iter()
                .map(|(name, share)| {
                    vec![
                        name.clone(),
                        share.planted.to_string(),
                        share.found.to_string(),
                    ]
                })
                .collect();
            if !rows.is_empty() {
                out.push('\n');
                out.push_str(&term::table(&headers, &rows, look));
            }
        }
        for (title, counts) in [
            ("false hops are", &score.false_hops_by_kind),
            ("false paths are of", &score.false_paths_by_kind),
        ] {
            let headers = [title, "number"].map(str::to_owned);
            let rows: Vec<Vec<String>> = counts
                .iter()
                .map(|(name, count)| vec![name.clone(), count.to_string()])
                .collect();
            if !rows.is_empty() {
                out.push('\n');
                out.push_str(&term::table(&headers, &rows, look));
            }
        }
        if verbose {
            details(&mut out, score);
        }
    }
    out
}

fn details(out: &mut String, score: &Score) {
    out.push('\n');
    for one in &score.found_intrusions {
        let _ = writeln!(
            out,
            "{}: {} of {} hops found{}, path {} with {} of {} hops its own",
            one.id,
            one.found,
            one.hops,
            if one.whole { ", whole" } else { "" },
            one.rank
                .map_or_else(|| "none".to_owned(), |rank| rank.to_string()),
            one.path_hops_of_it,
            one.path_hops
        );
    }
    for one in &score.missed {
        let hop = &one.hop;
        let records: Vec<String> = hop
            .records
            .iter()
            .map(|(what, count)| format!("{what}×{count}"))
            .collect();
        let _ = writeln!(
            out,
            "missed  {} {} {} → {} as {}: {} ({}), {}; wrong: {}\n        nearest: {}\n        records: {}",
            one.intrusion,
            hop.time,
            hop.src,
            hop.dst,
            hop.account,
            hop.method,
            hop.technique,
            hop.credentials,
            one.wrong.join(", "),
            term::safe(one.nearest.as_deref().unwrap_or("none")),
            records.join(", ")
        );
    }
    for one in &score.false_hops {
        let text = format!(
            "{} {} {} → {} as {} {} ({:.2}): {} [{}]",
            one.id,
            one.first.as_deref().unwrap_or("?"),
            one.src.as_deref().unwrap_or("?"),
            one.dst,
            one.account.as_deref().unwrap_or("?"),
            one.techniques.join(" "),
            one.confidence,
            one.kind,
            one.what.join("; ")
        );
        let _ = writeln!(out, "false   {}", term::safe(&text));
    }
}
