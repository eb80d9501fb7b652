//! `crabwalk dossier`: what happened on a host, or with an account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use crabwalk_case::dossier::{
    AccountDossier, Asked, Authentication, Dossiers, HostDossier, Process, Rareness,
};
use crabwalk_case::{Case, Names};

use crate::args::{self, DossierFormat};
use crate::input::Logs;
use crate::outcome::{Done, Failure};
use crate::summary::{heading, when};
use crate::term::{self, Ink, Look, count, counted, paragraph, safe};
use crate::{hunt, input};

/// Maximum lines per section; more are counted.
const MOST: usize = 40;
/// Ports through which somebody may come in.
const WAYS: [u16; 7] = [22, 135, 139, 445, 3389, 5985, 5986];

/// Runs the command.
pub fn run(args: &args::Dossier) -> Result<Done, Failure> {
    let content = input::content(&args.known)?;
    // Only the logs show which of the two it is.
    let asked = Asked {
        hosts: vec![args.name.clone()],
        accounts: vec![args.name.clone()],
    };
    let logs = Logs::from(&args.logs);
    let mut options = logs.hunt_options();
    options.detections.exceptions = crabwalk_detect::read_exceptions(&args.exceptions)?;
    let hunted = hunt::hunt(
        content,
        &logs,
        options,
        &asked,
        args.format == DossierFormat::Json,
    )?;
    let case = &hunted.case;
    let meant = meant(case, &args.name)?;
    match args.format {
        DossierFormat::Json => {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &meant).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        DossierFormat::Table => {
            let text = text(case, &meant, args.verbose, &Look::stdout());
            term::show(&text)?;
        }
    }
    Ok(hunted.done)
}

/// The dossiers of the host or account that a name means.
///
/// # Errors
/// If the case has none.
pub(crate) fn meant(case: &Case, name: &str) -> Result<Dossiers, Failure> {
    let host = case.find_host(name).map(|host| host.id.clone());
    let account = case.find_account(name).map(|account| account.id.clone());
    let meant = Dossiers {
        hosts: case
            .dossiers
            .hosts
            .iter()
            .filter(|one| Some(&one.host) == host.as_ref())
            .cloned()
            .collect(),
        accounts: case
            .dossiers
            .accounts
            .iter()
            .filter(|one| Some(&one.account) == account.as_ref() && is_told_of(one))
            .cloned()
            .collect(),
    };
    if meant.hosts.is_empty() && meant.accounts.is_empty() {
        return Err(Failure::new(unknown(case, name, host.as_deref())));
    }
    Ok(meant)
}

/// Whether events say anything about an account.
fn is_told_of(dossier: &AccountDossier) -> bool {
    dossier.reset || !dossier.logons.is_empty() || !dossier.changes.is_empty()
}

fn unknown(case: &Case, name: &str, host: Option<&str>) -> String {
    if host.is_some() {
        return format!(
            "no log of {name} was read, but other hosts mention it; see `crabwalk hunt --host {name}`"
        );
    }
    let wrote: BTreeSet<&str> = case
        .coverage
        .iter()
        .map(|covered| covered.host.as_str())
        .filter(|host| !host.is_empty())
        .collect();
    let names: Vec<&str> = wrote.iter().take(8).copied().collect();
    format!(
        "no event mentions a host or account `{name}`; logs of {} were read: {}{}",
        counted(wrote.len() as u64, "host", "hosts"),
        names.join(", "),
        if wrote.len() > names.len() {
            ", …"
        } else {
            ""
        }
    )
}

fn text(case: &Case, dossiers: &Dossiers, verbose: bool, look: &Look) -> String {
    let mut out = String::new();
    for dossier in &dossiers.hosts {
        host(&mut out, case, dossier, verbose, look);
    }
    for dossier in &dossiers.accounts {
        account(&mut out, case, dossier, verbose, look);
    }
    out
}

fn line(out: &mut String, text: &str, look: &Look) {
    paragraph(out, "  ", &safe(text), look.page());
}

fn rest(out: &mut String, shown: usize, all: usize, look: &Look) {
    if all > shown {
        let text = format!("  … and {} more (all with --verbose)", all - shown);
        let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
    }
}

fn host(out: &mut String, case: &Case, dossier: &HostDossier, verbose: bool, look: &Look) {
    let most = if verbose { usize::MAX } else { MOST };
    let names = Names::new(case);
    let name = names.host(&dossier.host);
    heading(
        out,
        look,
        &safe(name),
        &format!(
            "{} to {} UTC",
            when(dossier.window.first.as_deref()),
            when(dossier.window.last.as_deref())
        ),
    );
    if let Some(one) = case.scope.hosts.iter().find(|one| one.host == dossier.host) {
        line(
            out,
            &format!(
                "touched by the intruder: {} ({:.2})",
                one.certainty.name(),
                one.confidence
            ),
            look,
        );
        for why in &one.why {
            line(out, &format!("  {why}"), look);
        }
    }
    for one in case
        .scope
        .blind
        .iter()
        .filter(|one| one.host == dossier.host)
    {
        line(
            out,
            &format!(
                "logs too sparse for the whole picture: {}",
                one.why.join("; ")
            ),
            look,
        );
    }
    for (name, number) in &dossier.left_out {
        line(
            out,
            &format!(
                "{} of {name} left out: those furthest from any movement",
                term::number(*number)
            ),
            look,
        );
    }
    let logons = &dossier.authentication;
    section(out, look, "LOGONS", logons.len());
    let telling: Vec<&Authentication> = logons
        .iter()
        .filter(|one| {
            verbose
                || one.hop.is_some()
                || one.privileged
                || one.result == "failure"
                || one.direction == "out"
        })
        .collect();
    for one in telling.iter().take(most) {
        line(out, &logon(&names, one), look);
    }
    rest(out, telling.len().min(most), logons.len(), look);
    processes(out, &dossier.processes, verbose, look);
    for (title, lines) in lists(dossier, verbose) {
        if lines.is_empty() {
            continue;
        }
        section(out, look, title, lines.len());
        for text in lines.iter().take(most) {
            line(out, text, look);
        }
        rest(out, lines.len().min(most), lines.len(), look);
    }
}

fn section(out: &mut String, look: &Look, title: &str, number: usize) {
    heading(out, look, title, &term::number(number as u64));
}

fn of_hop(hop: Option<&String>) -> String {
    hop.map_or_else(String::new, |hop| format!("  [{hop}]"))
}

fn logon(names: &Names<'_>, one: &Authentication) -> String {
    let arrow = if one.direction == "in" { "←" } else { "→" };
    let peer = one
        .peer
        .host
        .as_deref()
        .map(|id| names.host(id).to_owned())
        .or_else(|| one.peer.address.clone())
        .or_else(|| one.peer.name.clone())
        .unwrap_or_else(|| "here".to_owned());
    let kind = one.logon_type.map_or_else(
        || "explicit credentials".to_owned(),
        |kind| format!("type {kind}"),
    );
    let mut text = format!(
        "{} {arrow} {peer}  {}  {kind}",
        when(one.time.as_deref()),
        one.name.as_deref().unwrap_or("?")
    );
    if one.result == "failure" {
        let _ = write!(text, "  refused {}", one.status.as_deref().unwrap_or(""));
    }
    if one.privileged {
        text.push_str("  privileged");
    }
    if let Some(seconds) = one.seconds {
        let _ = write!(text, "  for {}", term::duration(seconds));
    }
    text.push_str(&of_hop(one.hop.as_ref()));
    if !one.did.is_empty() {
        let _ = write!(text, ": {}", one.did.join("; "));
    }
    text
}

/// The process tree: what a movement started, oddities, and their ancestors.
fn processes(out: &mut String, all: &[Process], verbose: bool, look: &Look) {
    if all.is_empty() {
        return;
    }
    section(out, look, "PROCESSES", all.len());
    let by_id: BTreeMap<u64, &Process> = all.iter().map(|one| (one.id, one)).collect();
    let mut shown = BTreeSet::new();
    for one in all {
        if !verbose && !one.remarkable {
            continue;
        }
        let mut next = Some(one);
        while let Some(process) = next {
            // Even if a log makes a process its own ancestor.
            if !shown.insert(process.id) {
                break;
            }
            next = process
                .parent
                .and_then(|parent| by_id.get(&parent).copied());
        }
    }
    let mut children: BTreeMap<Option<u64>, Vec<&Process>> = BTreeMap::new();
    for one in all.iter().filter(|one| shown.contains(&one.id)) {
        let parent = one
            .parent
            .filter(|parent| shown.contains(parent) && *parent != one.id);
        children.entry(parent).or_default().push(one);
    }
    let most = if verbose { usize::MAX } else { 3 * MOST };
    let mut done = BTreeSet::new();
    let mut stack: Vec<(usize, &Process)> = children
        .get(&None)
        .into_iter()
        .flatten()
        .rev()
        .map(|one| (0, *one))
        .collect();
    while let Some((depth, one)) = stack.pop() {
        if done.len() >= most || !done.insert(one.id) {
            continue;
        }
        let indent = "  ".repeat(depth.min(12));
        let command = one.command_line.as_deref().unwrap_or(&one.image);
        let mut text = format!(
            "{}  {indent}{}  pid {}  {}",
            when(one.time.as_deref()),
            term::cut(command, 160),
            one.pid,
            one.account.as_deref().unwrap_or("?")
        );
        if !one.marks.is_empty() {
            let _ = write!(
                text,
                "  ({})",
                one.marks
                    .iter()
                    .map(|mark| mark.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
        if one.seen == Rareness::FirstAnywhere {
            text.push_str("  first seen anywhere");
        }
        text.push_str(&of_hop(one.hop.as_ref()));
        let text = safe(&text);
        let marked = !one.marks.is_empty() || one.hop.is_some();
        let text = if marked {
            look.paint(Ink::Bold, &text)
        } else {
            text.into_owned()
        };
        let _ = writeln!(out, "  {text}");
        for child in children.get(&Some(one.id)).into_iter().flatten().rev() {
            stack.push((depth + 1, child));
        }
    }
    rest(out, done.len(), all.len(), look);
}

fn lists(dossier: &HostDossier, verbose: bool) -> Vec<(&'static str, Vec<String>)> {
    let by = |by: &Option<String>| {
        by.as_deref()
            .map_or_else(String::new, |by| format!("  by {by}"))
    };
    let at = |time: &Option<String>| when(time.as_deref());
    vec![
        (
            "SERVICES INSTALLED",
            dossier
                .services
                .iter()
                .map(|one| {
                    format!(
                        "{}  {}: {}{}{}",
                        at(&one.time),
                        one.name,
                        one.image,
                        by(&one.by),
                        of_hop(one.hop.as_ref())
                    )
                })
                .collect(),
        ),
        (
            "TASKS",
            dossier
                .tasks
                .iter()
                .map(|one| {
                    format!(
                        "{}  {} {}: {}{}{}",
                        at(&one.time),
                        one.what,
                        one.name,
                        one.command.as_deref().unwrap_or("?"),
                        by(&one.by),
                        of_hop(one.hop.as_ref())
                    )
                })
                .collect(),
        ),
        (
            "WMI SUBSCRIPTIONS",
            dossier
                .wmi_subscriptions
                .iter()
                .map(|one| {
                    format!(
                        "{}  {}: {}{}",
                        at(&one.time),
                        one.name,
                        one.what,
                        by(&one.by)
                    )
                })
                .collect(),
        ),
        (
            "STARTED BY THE REGISTRY",
            dossier
                .run_keys
                .iter()
                .map(|one| {
                    format!(
                        "{}  {} = {}{}",
                        at(&one.time),
                        one.key,
                        one.value,
                        by(&one.by)
                    )
                })
                .collect(),
        ),
        (
            "FILES WRITTEN",
            dossier
                .files
                .iter()
                .map(|one| {
                    let share = one
                        .share
                        .as_deref()
                        .map_or_else(String::new, |share| format!(" on {share}"));
                    let from = one
                        .from
                        .as_deref()
                        .map_or_else(String::new, |from| format!(" from {from}"));
                    format!(
                        "{}  {}{share}{from}{}{}",
                        at(&one.time),
                        one.path,
                        by(&one.by),
                        of_hop(one.hop.as_ref())
                    )
                })
                .collect(),
        ),
        (
            "CONNECTIONS",
            dossier
                .connections
                .iter()
                .filter(|one| {
                    verbose
                        || one.hop.is_some()
                        || one
                            .port
                            .is_some_and(|port| WAYS.contains(&port) && one.direction == "in")
                })
                .map(|one| {
                    let arrow = if one.direction == "in" { "←" } else { "→" };
                    format!(
                        "{}  {} {arrow} {}  {}{}",
                        at(&one.time),
                        one.local,
                        one.remote,
                        one.image.as_deref().unwrap_or("?"),
                        of_hop(one.hop.as_ref())
                    )
                })
                .collect(),
        ),
        (
            "ACCOUNTS CHANGED",
            dossier
                .account_changes
                .iter()
                .map(|one| {
                    format!(
                        "{}  {}: {}{}{}",
                        at(&one.time),
                        one.what,
                        one.account.as_deref().unwrap_or("?"),
                        by(&one.by),
                        of_hop(one.hop.as_ref())
                    )
                })
                .collect(),
        ),
    ]
}

fn account(out: &mut String, case: &Case, dossier: &AccountDossier, verbose: bool, look: &Look) {
    let names = Names::new(case);
    let most = if verbose { usize::MAX } else { MOST };
    let reset = if dossier.reset { "to be reset" } else { "" };
    heading(out, look, &safe(&dossier.account), reset);
    if let Some(one) = case
        .scope
        .accounts
        .iter()
        .find(|one| one.account == dossier.account)
    {
        for why in &one.why {
            line(out, why, look);
        }
    }
    section(out, look, "LOGONS", dossier.logons.len());
    for one in dossier.logons.iter().take(most) {
        let from = one
            .from
            .as_deref()
            .map(|id| names.host(id).to_owned())
            .or_else(|| one.address.clone())
            .unwrap_or_else(|| "there".to_owned());
        let types: Vec<String> = one.types.iter().map(u32::to_string).collect();
        let mut text = format!(
            "{} → {}  {} to {}  {} of type {}",
            from,
            names.host(&one.host),
            when(one.first.as_deref()),
            when(one.last.as_deref()),
            count(one.count, "logon"),
            types.join(", ")
        );
        if one.failures > 0 {
            let _ = write!(text, ", {} refused", one.failures);
        }
        if one.new {
            text.push_str("  new");
        }
        line(out, &text, look);
    }
    rest(
        out,
        dossier.logons.len().min(most),
        dossier.logons.len(),
        look,
    );
    for (title, lines) in [
        ("NEW SINCE THE INTRUSION BEGAN", dossier.new.clone()),
        (
            "EXPOSED",
            dossier
                .exposed
                .iter()
                .map(|one| {
                    format!(
                        "{} to {} on {}: {}",
                        when(one.first.as_deref()),
                        one.last
                            .as_deref()
                            .map_or_else(|| "an unknown time".to_owned(), |last| when(Some(last))),
                        names.host(&one.host),
                        one.how
                    )
                })
                .collect(),
        ),
        (
            "CHANGED",
            dossier
                .changes
                .iter()
                .map(|one| {
                    format!(
                        "{}  {}{}",
                        when(one.time.as_deref()),
                        one.what,
                        one.by
                            .as_deref()
                            .map_or_else(String::new, |by| format!("  by {by}"))
                    )
                })
                .collect(),
        ),
    ] {
        if lines.is_empty() {
            continue;
        }
        section(out, look, title, lines.len());
        for text in lines.iter().take(most) {
            line(out, text, look);
        }
        rest(out, lines.len().min(most), lines.len(), look);
    }
}
