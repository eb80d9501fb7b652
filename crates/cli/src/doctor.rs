//! `crabwalk doctor`.

use std::io::{self, Write as _};

use crabwalk_server::doctor::{Check, Examination, Outcome, examine};
use serde_json::json;

use crate::args;
use crate::input;
use crate::outcome::{Done, Failure};
use crate::serve_config::Whole;
use crate::term;

/// Problems of the content that are named.
const NAMED: usize = 3;

/// Runs the command.
pub fn run(args: &args::Doctor) -> Result<Done, Failure> {
    let mut checks = Vec::new();
    let shown = args.config.as_ref().map(|path| path.display().to_string());
    let whole = Whole::at(args.config.as_deref(), args.data.as_deref());
    let whole = whole.and_then(|whole| Ok((whole.config()?, whole)));
    match whole {
        Ok((config, whole)) => {
            checks.push(match shown {
                Some(path) => Check::ok("configuration", format!("{path} can be used")),
                None => Check::ok(
                    "configuration",
                    "no file is given: what the options of `serve` set is not known here",
                ),
            });
            checks.push(content(&whole));
            let how = Examination {
                send: args.send,
                thorough: args.thorough,
            };
            checks.extend(examine(&config, how));
        }
        Err(failure) => {
            checks.push(Check::failed(
                "configuration",
                failure.to_string(),
                "correct it; `crabwalk serve --print-config` shows every key with its meaning",
            ));
        }
    }
    let has_failed = checks.iter().any(|check| check.outcome == Outcome::Failed);
    match args.json {
        true => {
            let told = json!({"ok": !has_failed, "checks": checks});
            writeln!(io::stdout(), "{told:#}")?;
        }
        false => print(&checks)?,
    }
    Ok(match has_failed {
        true => Done::Wrong,
        false => Done::Whole,
    })
}

fn content(whole: &Whole) -> Check {
    const NAME: &str = "content";
    let content = match input::content(&whole.known()) {
        Ok(content) => content,
        Err(failure) => {
            return Check::failed(
                NAME,
                failure.to_string(),
                "correct the path, or take it out of the configuration",
            );
        }
    };
    let found = format!(
        "{} and {}",
        term::count(content.detections.len() as u64, "detection"),
        term::count(content.sigma.detections().count() as u64, "Sigma rule")
    );
    match content.problems.as_slice() {
        [] => Check::ok(NAME, found),
        problems => {
            let named: Vec<String> = problems
                .iter()
                .take(NAMED)
                .map(ToString::to_string)
                .collect();
            Check::warning(
                NAME,
                format!(
                    "{found}; {}: {}",
                    term::count(problems.len() as u64, "problem"),
                    named.join("; ")
                ),
                "`crabwalk serve --check-config` lists all problems; what has one is left out",
            )
        }
    }
}

fn print(checks: &[Check]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    for check in checks {
        let outcome = match check.outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failed => "FAILED",
        };
        let found = term::safe(&check.found);
        writeln!(out, "{outcome:7}  {:width$}  {found}", check.name)?;
        if let Some(advice) = &check.advice {
            writeln!(out, "{:7}  {:width$}  -> {}", "", "", term::safe(advice))?;
        }
    }
    let number = |outcome| {
        checks
            .iter()
            .filter(|check| check.outcome == outcome)
            .count() as u64
    };
    writeln!(
        out,
        "\n{}, {}",
        term::count(number(Outcome::Failed), "failure"),
        term::count(number(Outcome::Warning), "warning")
    )?;
    out.flush()
}
