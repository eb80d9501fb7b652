//! `crabwalk lab`.

use std::io::{self, Write};
use std::path::Path;

use crabwalk_lab::Options;
use crabwalk_lab::enterprise::{self, EnterpriseOptions, LogonOptions};

use crate::args::{Lab, LabBuild, LabCommand};
use crate::commands::{Done, Failure};
use crate::{demo, evaluate, term};

/// Splits a number from its unit.
fn split(text: &str) -> (&str, String) {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim().to_ascii_uppercase())
}

/// Reads a size in bytes, such as `500MB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        _ => {
            return Err(format!(
                "`{text}` has no unit that is known: write such as 500MB or 1GB"
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is no size: write such as 500MB or 1GB"))
}

/// Reads a number of things, such as `3M`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.as_str() {
        "" => Some(1),
        "K" => Some(1_000),
        "M" => Some(1_000_000),
        _ => None,
    };
    factor
        .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is no number: write such as 500K or 3M"))
}

/// A directory with something else in it is left alone.
pub fn may_use(directory: &Path) -> Result<(), Failure> {
    let used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if used && !directory.join("truth.json").exists() {
        return Err(Failure::new(format!(
            "{} is not empty and no world made before: name another directory",
            directory.display()
        )));
    }
    Ok(())
}

/// Runs `lab`.
pub fn run(args: &Lab) -> Result<Done, Failure> {
    match &args.command {
        LabCommand::Build(args) => build(args),
        LabCommand::Evaluate(args) => evaluate::run(args),
        LabCommand::Score {
            directory,
            case,
            format,
            verbose,
        } => evaluate::score_files(directory, case, *format, *verbose),
    }
}

fn build(args: &LabBuild) -> Result<Done, Failure> {
    let directory = args.directory.as_path();
    let failed = |error: crabwalk_lab::LabError| Failure::new(error.to_string());
    let (events, hosts, bytes) = if let Some(events) = args.logons {
        may_use(directory)?;
        let options = LogonOptions {
            seed: args.seed,
            events,
            hosts: args.hosts.unwrap_or(300),
            days: args.days.unwrap_or(30),
        };
        let made = enterprise::build_logons(&options, directory).map_err(failed)?;
        (made.events, made.hosts, made.evtx_bytes)
    } else if let Some(hosts) = args.hosts {
        may_use(directory)?;
        let usual = EnterpriseOptions::default();
        let options = EnterpriseOptions {
            seed: args.seed,
            hosts,
            days: args.days.unwrap_or(usual.days),
            intrusions: if args.no_intrusion {
                0
            } else {
                args.intrusions
            },
            volume: args.volume,
            ..usual
        };
        let truth = enterprise::build(&options, directory).map_err(failed)?;
        (truth.events, truth.hosts.len() as u64, truth.evtx_bytes)
    } else {
        let usual = Options::default();
        let options = Options {
            seed: args.seed,
            target_bytes: args.bytes,
            days: args.days.unwrap_or(usual.days),
            workstations: args.workstations.unwrap_or(usual.workstations),
            servers: args.servers.unwrap_or(usual.servers),
            intrusion: !args.no_intrusion,
            ..usual
        };
        let truth = demo::build(&options, directory)?;
        (truth.events, truth.hosts.len() as u64, truth.evtx_bytes)
    };
    let text = format!(
        "{} from {} in {} ({} of EVTX)\n",
        term::count(events, "record"),
        term::count(hosts, "host"),
        directory.display(),
        term::bytes(bytes)
    );
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Done::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("12", Some(12)),
            ("500MB", Some(500_000_000)),
            ("1 gb", Some(1_000_000_000)),
            ("1TB", Some(1_000_000_000_000)),
            ("99999999999TB", None),
            ("1XB", None),
            ("GB", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text).ok(), size, "{text}");
        }
    }

    #[test]
    fn numbers_are_read() {
        for (text, number) in [
            ("12", Some(12)),
            ("3M", Some(3_000_000)),
            ("500 k", Some(500_000)),
            ("1GB", None),
            ("M", None),
            ("-1", None),
            ("99999999999999M", None),
        ] {
            assert_eq!(parse_count(text).ok(), number, "{text}");
        }
    }
}
