//! `crabwalk demo`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, FindingInfo};
use crabwalk_detect::Content;
use crabwalk_lab::{Options, Planted, Truth};

use crate::args::{self, Format};
use crate::hunt;
use crate::input::{self, Logs};
use crate::outcome::{Done, Failure, note};
use crate::summary::Summary;
use crate::term::{self, Ink, Look};

/// Makes a small company, unless something else is in the directory.
pub fn build(options: &Options, directory: &Path) -> Result<Truth, Failure> {
    crate::worlds::may_use(directory)?;
    crabwalk_lab::build(options, directory).map_err(|error| Failure::new(error.to_string()))
}

/// Runs `demo`.
pub fn run(args: &args::Demo) -> Result<Done, Failure> {
    let look = Look::stdout();
    note("making", &format!("a world in {}", args.out.display()));
    let truth = build(
        &Options {
            seed: args.seed,
            ..Options::default()
        },
        &args.out,
    )?;
    let mut content = Content::load(true, &[]);
    input::entities(
        &mut content,
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
        &logs,
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

/// The folders with logs: one a host, and the network's.
fn folders(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries =
        std::fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries =
        entries.map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    let mut folders: Vec<PathBuf> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "case"))
        .collect();
    folders.sort();
    Ok(folders)
}

/// Whether a finding rests on what was planted.
fn is_meant(finding: &FindingInfo, planted: &Planted) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (start, end) = (time(&planted.start), time(&planted.end));
    finding.events.iter().any(|event| {
        if !crabwalk_vocabulary::is_windows(&event.channel, event.event_id) {
            let at = event.time.as_deref().and_then(time);
            return !planted.zeek_uids.is_empty() && at.is_some() && start <= at && at <= end;
        }
        planted.evidence.iter().any(|own| {
            own.record_id == event.record
                && u32::from(own.event_id) == event.event_id
                && own.channel.eq_ignore_ascii_case(&event.channel)
                && crabwalk_vocabulary::host_key(&own.host)
                    == crabwalk_vocabulary::host_key(&event.host)
        })
    })
}

/// When the intruder was at work, and on which machines.
struct Intrusion {
    start: Option<jiff::Timestamp>,
    end: Option<jiff::Timestamp>,
    hosts: BTreeSet<String>,
}

impl Intrusion {
    fn of(truth: &Truth) -> Self {
        let planted = || truth.detections.values().flatten();
        let times: Vec<jiff::Timestamp> = planted()
            .flat_map(|act| [&act.start, &act.end])
            .chain(truth.hops.iter().map(|hop| &hop.time))
            .chain(
                truth
                    .hops
                    .iter()
                    .flat_map(|hop| hop.evidence.iter().map(|one| &one.time)),
            )
            .filter_map(|text| text.parse().ok())
            .collect();
        let key = crabwalk_vocabulary::host_key;
        Self {
            start: times.iter().min().copied(),
            end: times.iter().max().copied(),
            hosts: truth
                .hops
                .iter()
                .flat_map(|hop| [key(&hop.src), key(&hop.dst)])
                .chain(
                    planted()
                        .flat_map(|act| &act.evidence)
                        .map(|one| key(&one.host)),
                )
                .collect(),
        }
    }

    /// Whether a finding is about what the intruder did: an event of it is of that time, on one of those machines.
    fn holds(&self, finding: &FindingInfo) -> bool {
        finding.events.iter().any(|event| {
            let at = event
                .time
                .as_deref()
                .and_then(|text| text.parse::<jiff::Timestamp>().ok());
            at.is_some()
                && self.start <= at
                && at <= self.end
                && self
                    .hosts
                    .contains(&crabwalk_vocabulary::host_key(&event.host))
        })
    }
}

/// What was planted beside what was found, and whether they agree. A detection for which no act was planted may find what
/// the intruder did besides; a hunt lists normal work as well.
fn compare(truth: &Truth, case: &Case, directory: &Path, look: &Look) -> (String, bool) {
    let mut out = String::new();
    let mut right = true;
    let _ = writeln!(
        out,
        "\n{}  what the intruder did, from truth.json",
        look.paint(Ink::Bold, "TRUTH")
    );
    for hop in &truth.hops {
        let at = hop
            .time
            .parse::<jiff::Timestamp>()
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
        let line = format!(
            "{}  {} → {}  as {}: {} ({})",
            at.unwrap_or_default(),
            hop.src,
            hop.dst,
            hop.used,
            hop.technique,
            hop.attack_id
        );
        term::paragraph(&mut out, "  ", &term::safe(&line), look.page());
    }
    let headers: Vec<String> = ["detection", "planted", "found", "other findings"]
        .map(str::to_owned)
        .into();
    // Correlations say something about the findings that are compared here.
    let compared: Vec<&FindingInfo> = case
        .findings
        .iter()
        .filter(|finding| finding.kind != "Correlation")
        .collect();
    let names: BTreeSet<&str> = truth
        .detections
        .keys()
        .map(String::as_str)
        .chain(compared.iter().map(|finding| finding.detection.as_str()))
        .collect();
    let intrusion = Intrusion::of(truth);
    let mut besides: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for name in names {
        let planted = truth.detections.get(name).map_or(&[][..], Vec::as_slice);
        if planted.is_empty() {
            let (about, other): (Vec<&FindingInfo>, Vec<&FindingInfo>) = compared
                .iter()
                .copied()
                .filter(|finding| finding.detection == name)
                .partition(|finding| finding.kind == "Hunting" || intrusion.holds(finding));
            if other.is_empty() {
                besides.insert(name, about.len());
                continue;
            }
        }
        let findings: Vec<&FindingInfo> = compared
            .iter()
            .copied()
            .filter(|finding| finding.detection == name)
            .collect();
        let found = planted
            .iter()
            .filter(|act| findings.iter().any(|finding| is_meant(finding, act)))
            .count();
        let other = findings
            .iter()
            .filter(|finding| !planted.iter().any(|act| is_meant(finding, act)))
            .count();
        right &= found == planted.len() && other == 0;
        rows.push(vec![
            name.to_owned(),
            planted.len().to_string(),
            found.to_string(),
            other.to_string(),
        ]);
    }
    out.push('\n');
    for line in term::table(&headers, &rows, look).lines() {
        let _ = writeln!(out, "  {line}");
    }
    if !besides.is_empty() {
        let names: Vec<String> = besides
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
            "a folder of EVTX files for each host, zeek/ with the network's log",
        ),
        ("assets.csv", "what is known of the machines"),
        ("identities.csv", "what is known of the accounts"),
        ("truth.json", "what really happened"),
        (
            "case/case.json",
            "what Crabwalk concluded; findings.csv, timeline.csv and navigator.json beside it",
        ),
        (
            "case/report.html",
            "the same to look at: open it in a browser",
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
