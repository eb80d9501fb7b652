//! What is affected, what to do, and the case in a few sentences.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_movement::{Arrival, Blind, Certainty, Kind, Lack, Part, Request, Showing};
use crabwalk_vocabulary::time;

use super::document::*;
use super::program::base;
use crate::document::{Case, HopInfo, PathInfo};
use crate::event_names::logon_type;
use crate::names::Names;

/// Maximum reasons per host or account.
const MOST_WHY: usize = 4;
/// Number of paths to name if none stands out.
const LIKELIEST: usize = 3;
/// Maximum names per sentence.
const MOST_NAMES: usize = 6;

const SECURITY: &str = "Security";
const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";

fn at(time: Option<&str>) -> String {
    time.and_then(time::parse)
        .map_or_else(|| "an unknown time".to_owned(), time::shown)
}

fn techniques(hop: &HopInfo) -> String {
    hop.techniques
        .first()
        .map_or_else(String::new, |id| format!(" ({id})"))
}

/// The hops of a case, by id.
fn by_id(case: &Case) -> BTreeMap<&str, &HopInfo> {
    case.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect()
}

/// The first reasons; the others are counted.
fn few(mut why: Vec<String>) -> Vec<String> {
    let more = why.len().saturating_sub(MOST_WHY);
    why.truncate(MOST_WHY);
    if more > 0 {
        why.push(format!("and {more} more"));
    }
    why
}

/// What the intruder touched, in words; the entry is added when the dossiers are there.
pub(super) fn touched(case: &Case) -> Scope {
    let names = Names::new(case);
    let hops = by_id(case);
    let scope = &case.verdict.scope;
    let source = |hop: &HopInfo| {
        hop.src
            .as_deref()
            .map_or("an unknown host", |id| names.host(id))
            .to_owned()
    };
    let visit = |hop: &HopInfo, host: &str| {
        let when = at(hop.first.as_deref());
        let way = techniques(hop);
        let used = hop
            .used
            .as_deref()
            .map_or_else(String::new, |id| format!(" as {}", names.account(id)));
        if hop.dst == host {
            format!("{when} reached from {}{used}{way}", source(hop))
        } else {
            format!("{when} left for {}{used}{way}", names.host(&hop.dst))
        }
    };
    let taken = |hop: &HopInfo, part: Part| {
        format!(
            "{} {} from {} to {}{}",
            at(hop.first.as_deref()),
            match part {
                Part::Used => "used",
                Part::Acted => "acted",
                Part::Ran => "ran the payload",
            },
            source(hop),
            names.host(&hop.dst),
            techniques(hop)
        )
    };
    Scope {
        hosts: scope
            .hosts
            .iter()
            .map(|one| ScopeHost {
                host: one.host.clone(),
                certainty: one.certainty(),
                confidence: one.confidence,
                why: few(one
                    .hops
                    .iter()
                    .filter_map(|id| Some(visit(hops.get(id.as_str())?, &one.host)))
                    .collect()),
            })
            .collect(),
        isolate: scope.isolate().map(str::to_owned).collect(),
        accounts: scope
            .accounts
            .iter()
            .map(|one| {
                let mut uses: Vec<String> = Vec::new();
                for (id, part) in &one.uses {
                    if let Some(hop) = hops.get(id.as_str()) {
                        let why = taken(hop, *part);
                        if !uses.contains(&why) {
                            uses.push(why);
                        }
                    }
                }
                let mut why = few(uses);
                why.extend(one.exposed.iter().map(|exposed| {
                    format!("{} on {}", exposure(exposed), names.host(&exposed.host))
                }));
                ScopeAccount {
                    account: one.account.clone(),
                    why,
                }
            })
            .collect(),
        blind: scope.blind.iter().map(blind).collect(),
        collect: scope
            .collect
            .iter()
            .map(|one| collect(one, &names))
            .collect(),
        ..Scope::default()
    }
}

/// How an account's credentials were exposed.
pub(super) fn exposure(exposed: &crabwalk_movement::Exposed) -> String {
    format!(
        "logged on ({}) while the intruder had an administrator's rights there",
        logon_type(u32::from(exposed.logon_type))
    )
}

/// A host whose logs are too sparse to judge, in words.
fn blind(one: &Blind) -> BlindHost {
    let log = if one.by_syslog { "sshd" } else { SECURITY };
    let why = one.lacks.iter().map(|lack| match lack {
        Lack::AnyLog => "none of its logs was read".to_owned(),
        Lack::Logons => format!("its {log} log was not read"),
        Lack::Cleared(at) => format!("its {log} log was cleared at {}", time::shown(*at)),
        Lack::BeginsLate(at) => format!(
            "its {log} log begins at {}, after the intruder was there",
            time::shown(*at)
        ),
    });
    BlindHost {
        host: one.host.clone(),
        why: why.collect(),
    }
}

/// A log to collect, and how.
fn collect(one: &Request, names: &Names<'_>) -> Collect {
    let (channel, why) = match one.showing {
        Showing::Logons => (
            SECURITY,
            "logons, and the services and tasks that came with them",
        ),
        Showing::Processes { other_logs: false } => {
            (SYSMON, "process starts, if Sysmon runs there")
        }
        Showing::Processes { other_logs: true } => (
            SYSMON,
            "process starts, if Sysmon runs there (no log read so far has any)",
        ),
        Showing::Services => ("System", "installed services"),
    };
    request(names.host(&one.host), channel, why)
}

/// A log to collect. Names from logs go into commands only if they cannot mean anything else there.
fn request(host: &str, channel: &str, why: &str) -> Collect {
    let harmless = !host.is_empty()
        && host.len() <= 255
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let file = format!("{host}-{}", channel.replace(['/', ' '], "-"));
    let commands = if harmless {
        [
            (
                "wevtutil",
                format!("wevtutil epl \"{channel}\" \"C:\\Windows\\Temp\\{file}.evtx\" /r:{host}"),
            ),
            (
                "KAPE",
                format!("kape.exe --tsource C: --target EventLogs --tdest C:\\Collect\\{host}"),
            ),
            (
                "Velociraptor",
                // Built in, in all versions; since 0.75 the triage artifacts have to be imported.
                format!(
                    "velociraptor.exe artifacts collect Windows.Search.FileFinder \
                     --args \"SearchFilesGlob=C:\\Windows\\System32\\winevt\\Logs\\{}.evtx\" \
                     --args Upload_File=Y --output {host}.zip",
                    channel.replace('/', "%4")
                ),
            ),
        ]
        .into_iter()
        .map(|(tool, command)| Command {
            tool: tool.to_owned(),
            command,
        })
        .collect()
    } else {
        Vec::new()
    };
    Collect {
        host: host.to_owned(),
        channel: channel.to_owned(),
        why: why.to_owned(),
        commands,
    }
}

/// Where it began, and what ran there.
pub(super) fn entry(case: &Case, dossiers: &[HostDossier]) -> Option<Entry> {
    let names = Names::new(case);
    let began = case.verdict.scope.entry.as_ref()?;
    let first = case.hops.iter().find(|hop| hop.id == began.hop)?;
    let when = at(first.first.as_deref());
    let leaves = format!(
        "the first movement leaves it for {} at {when}{}",
        names.host(&first.dst),
        techniques(first)
    );
    let mut how = match began.origin {
        Arrival::Unknown => vec![format!(
            "the first movement reaches it at {when}; no log names the source"
        )],
        Arrival::Inside => vec![leaves],
        Arrival::Outside => vec![leaves, "it is an outside address".to_owned()],
    };
    if began.origin != Arrival::Unknown
        && let Some(dossier) = dossiers.iter().find(|one| one.host == began.host)
    {
        let witnesses: BTreeSet<(u32, u64)> = first
            .witnesses
            .iter()
            .filter(|witness| witness.kind == Kind::Source)
            .flat_map(|witness| &witness.events)
            .map(|event| (event.source, event.record))
            .collect();
        let by_id: BTreeMap<u64, &Process> = dossier
            .processes
            .iter()
            .map(|process| (process.id, process))
            .collect();
        let tool = dossier.processes.iter().find(|process| {
            process
                .events
                .iter()
                .any(|event| witnesses.contains(&(event.source, event.record)))
        });
        let mut chain = Vec::new();
        let mut next = tool;
        while let Some(process) = next {
            chain.push(base(&process.image));
            next = process
                .parent
                .filter(|_| chain.len() < 8)
                .and_then(|parent| by_id.get(&parent).copied());
        }
        if let [_, before @ ..] = chain.as_slice()
            && !before.is_empty()
        {
            how.push(format!(
                "the program behind it descends from {}",
                before.join(", from ")
            ));
        }
        let odd: Vec<String> = dossier
            .processes
            .iter()
            .filter(|process| {
                !process.marks.is_empty()
                    && process.seen == Rareness::FirstAnywhere
                    && process
                        .time
                        .as_deref()
                        .and_then(time::parse)
                        .is_some_and(|at| at <= began.time)
            })
            .take(3)
            .map(|process| {
                format!(
                    "{} {} was started: {}",
                    at(process.time.as_deref()),
                    process.image,
                    process.reasons.join("; ")
                )
            })
            .collect();
        how.extend(odd);
    }
    Some(Entry {
        host: began.host.clone(),
        time: first.first.clone(),
        how,
    })
}

fn listed<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    let more = all.len().saturating_sub(MOST_NAMES);
    let shown = all.iter().take(MOST_NAMES).copied().collect::<Vec<_>>();
    match (shown.as_slice(), more) {
        ([], _) => "none".to_owned(),
        ([one], 0) => (*one).to_owned(),
        ([many @ .., last], 0) => format!("{} and {last}", many.join(", ")),
        (many, more) => format!("{} and {more} more", many.join(", ")),
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// The case in a few sentences.
pub(super) fn sentences(case: &Case) -> Vec<String> {
    let names = Names::new(case);
    let told = |id: &String| case.paths.iter().find(|path| path.id == *id);
    let paths: Vec<&PathInfo> = case.verdict.told.iter().filter_map(told).collect();
    let Some(most) = paths.first() else {
        return nothing_told(case);
    };
    let mut out = Vec::new();
    first_path(case, most, &names, &mut out);
    other_paths(case, paths.len(), &mut out);
    extent(case, &names, &mut out);
    out
}

/// What can be said if no path is told: the likeliest of the others, or else what deserves a look.
fn nothing_told(case: &Case) -> Vec<String> {
    let happened: BTreeSet<&str> = case
        .hops
        .iter()
        .filter(|hop| hop.standing.happened())
        .map(|hop| hop.id.as_str())
        .collect();
    let likeliest: Vec<&str> = case
        .paths
        .iter()
        .filter(|path| path.hops.iter().any(|id| happened.contains(id.as_str())))
        .take(LIKELIEST)
        .map(|path| path.way.as_str())
        .collect();
    if let Some(others) = compared(case)
        && !likeliest.is_empty()
    {
        return vec![
            format!("Nothing stands out from {others} in these logs."),
            format!("The likeliest paths are {}.", likeliest.join(", then ")),
        ];
    }
    let mut out = vec!["No movement from host to host is proven by these logs.".to_owned()];
    let notable = case
        .findings
        .iter()
        .filter(|finding| finding.notable)
        .count();
    if notable > 0 {
        out.push(format!(
            "{} still worth a look.",
            counted(notable, "finding is", "findings are")
        ));
    }
    out
}

/// What the paths were compared with, if anything.
fn compared(case: &Case) -> Option<String> {
    let verdict = &case.verdict;
    let days = verdict.baseline.map(|days| format!("{days} days of work"));
    days.or_else(|| {
        let accounts = verdict.peers?;
        Some(format!(
            "the work of {accounts} accounts (the days are too few to compare)"
        ))
    })
}

/// The way of the most significant path, and the accounts used on it.
fn first_path(case: &Case, path: &PathInfo, names: &Names<'_>, out: &mut Vec<String>) {
    let hops = by_id(case);
    let own: Vec<&HopInfo> = case
        .verdict
        .scope
        .first
        .iter()
        .filter_map(|id| hops.get(id.as_str()).copied())
        .collect();
    let first = own.first().and_then(|hop| hop.first.as_deref());
    let last = own
        .iter()
        .filter_map(|hop| hop.last.as_deref())
        .max()
        .or(first);
    out.push(format!(
        "Somebody moved {} between {} and {} UTC.",
        crate::way::way(names, &own, &path.links),
        at(first),
        at(last)
    ));
    let has_password = |id: &str| {
        names
            .account_info(id)
            .is_some_and(|account| account.kind.has_password())
    };
    let mut accounts: Vec<&str> = Vec::new();
    for id in own.iter().flat_map(|hop| [&hop.actor, &hop.used]).flatten() {
        if has_password(id) && !accounts.contains(&names.account(id)) {
            accounts.push(names.account(id));
        }
    }
    if !accounts.is_empty() {
        out.push(format!(
            "{} used on the way: {}.",
            if accounts.len() == 1 {
                "One account was"
            } else {
                "Accounts"
            },
            listed(accounts.into_iter())
        ));
    }
}

/// How the first path compares with the others that are told, and with daily work.
fn other_paths(case: &Case, told: usize, out: &mut Vec<String>) {
    if told > 1 {
        out.push(format!(
            "{} nearly as conspicuous; {} in all.",
            counted(told - 1, "other path is", "other paths are"),
            counted(case.verdict.scope.hops.len(), "movement", "movements")
        ));
    }
    if let Some(others) = compared(case) {
        let chance = case.verdict.by_chance.map_or_else(String::new, |chance| {
            let told = counted(told, "reported path", "reported paths");
            format!("; of {told}, {chance:.1} are expected by chance")
        });
        out.push(format!("It stands out from {others}{chance}."));
    }
}

/// The hosts and accounts that the intruder touched, and how far the logs show it.
fn extent(case: &Case, names: &Names<'_>, out: &mut Vec<String>) {
    let scope = &case.scope;
    let of = |certainty: Certainty| {
        scope
            .hosts
            .iter()
            .filter(|one| one.certainty == certainty)
            .map(|one| names.host(&one.host))
            .collect::<Vec<_>>()
    };
    let parts: Vec<String> = Certainty::ALL
        .into_iter()
        .map(|certainty| (certainty.name(), of(certainty)))
        .filter(|(_, hosts)| !hosts.is_empty())
        .map(|(certainty, hosts)| format!("{certainty}: {}", listed(hosts.into_iter())))
        .collect();
    out.push(format!(
        "{} touched ({}).",
        counted(scope.hosts.len(), "host was", "hosts were"),
        parts.join("; ")
    ));
    if let Some(entry) = &scope.entry {
        out.push(format!(
            "As far as the logs show, it began on {}: {}.",
            names.host(&entry.host),
            entry.how.join("; ")
        ));
    }
    if !scope.accounts.is_empty() {
        out.push(format!(
            "{} to reset: {}.",
            counted(scope.accounts.len(), "account", "accounts"),
            listed(scope.accounts.iter().map(|one| names.account(&one.account)))
        ));
    }
    if !scope.blind.is_empty() {
        out.push(format!(
            "The logs of {} are too sparse to reconstruct everything that happened there.",
            listed(scope.blind.iter().map(|one| names.host(&one.host)))
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_more_than_a_name_go_into_no_command() {
        for (name, fit) in [
            ("WS01", true),
            ("ws01.corp.example", true),
            ("10.0.0.5", true),
            ("", false),
            ("-r:evil", false),
            ("WS01 & calc", false),
            ("WS01\"|whoami", false),
            ("$(id)", false),
            ("..\\..\\x", false),
            ("WS\n01", false),
            ("wörk", false),
        ] {
            let one = request(name, SECURITY, "a test");
            assert_eq!(one.commands.is_empty(), !fit, "{name:?}");
            assert_eq!(one.host, name);
        }
        let commands: Vec<String> = request("WS01", SYSMON, "a test")
            .commands
            .into_iter()
            .map(|one| one.command)
            .collect();
        assert_eq!(
            commands,
            [
                "wevtutil epl \"Microsoft-Windows-Sysmon/Operational\" \
                 \"C:\\Windows\\Temp\\WS01-Microsoft-Windows-Sysmon-Operational.evtx\" /r:WS01",
                "kape.exe --tsource C: --target EventLogs --tdest C:\\Collect\\WS01",
                "velociraptor.exe artifacts collect Windows.Search.FileFinder --args \
                 \"SearchFilesGlob=C:\\Windows\\System32\\winevt\\Logs\\Microsoft-Windows-Sysmon%4Operational.evtx\" \
                 --args Upload_File=Y --output WS01.zip",
            ]
        );
        for harmless in ["WS01", "10.0.0.5"] {
            assert_eq!(request(harmless, SECURITY, "a test").commands.len(), 3);
        }
    }
}
