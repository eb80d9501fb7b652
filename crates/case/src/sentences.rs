//! A case in plain sentences.

use std::collections::HashMap;

use crate::document::{Case, HopInfo, PathInfo};
use crate::names::Names;
use crabwalk_detect::attack;
use crabwalk_movement::Kind;
use crabwalk_vocabulary::text::{self, count};

/// `a, b and c`; a long list is cut and counted.
pub(crate) fn list(items: &[&str]) -> String {
    text::list(items, "and", 7)
}

/// Each item once, in order of appearance.
fn distinct<'t>(items: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut all: Vec<&str> = Vec::new();
    for item in items {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}

/// `2026-03-04 13:12:00`.
pub(crate) fn when(time: Option<&str>) -> String {
    time.map_or_else(
        || "no time".to_owned(),
        |time| time.chars().take(19).collect::<String>().replace('T', " "),
    )
}

/// The technique's id and name.
pub(crate) fn technique(id: &str) -> String {
    match attack::technique(id) {
        Some(known) if attack::is_known(id) => format!("{} ({id})", known.name),
        _ => id.to_owned(),
    }
}

/// The hops of a path, in chronological order.
pub(crate) fn hops_of<'c>(case: &'c Case, path: &PathInfo) -> Vec<&'c HopInfo> {
    let by_id: HashMap<&str, &HopInfo> =
        case.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect();
    path.hops
        .iter()
        .filter_map(|id| by_id.get(id.as_str()).copied())
        .collect()
}

/// Who acted, whose account was used, and which account the payload ran as, without repetition.
pub(crate) fn accounts(hop: &HopInfo) -> Vec<&str> {
    distinct(
        [&hop.actor, &hop.used, &hop.effective]
            .into_iter()
            .flatten()
            .map(String::as_str),
    )
}

/// One line per hop of the paths, first path first.
pub(crate) fn hop_lines(case: &Case) -> Vec<String> {
    let names = Names::new(case);
    case.paths
        .iter()
        .flat_map(|path| hops_of(case, path))
        .map(|hop| {
            let accounts: Vec<&str> = accounts(hop).iter().map(|id| names.account(id)).collect();
            format!(
                "{} {} → {}{}: {}, {}, confidence {:.2}, {} of {} witnesses",
                when(hop.first.as_deref()),
                names.source(hop.src.as_deref()),
                names.host(&hop.dst),
                if hop.attempted { " (refused)" } else { "" },
                hop.techniques
                    .first()
                    .map_or_else(|| "no technique known".to_owned(), |id| technique(id)),
                if accounts.is_empty() {
                    "account unknown".to_owned()
                } else {
                    accounts.join(" ⇒ ")
                },
                hop.confidence,
                witnesses(hop),
                Kind::ALL.len(),
            )
        })
        .collect()
}

/// Number of witness kinds that saw a hop.
pub(crate) fn witnesses(hop: &HopInfo) -> usize {
    Kind::ALL
        .into_iter()
        .filter(|kind| hop.witnesses.iter().any(|one| one.kind == *kind))
        .count()
}

/// The conclusions of the case: its own summary or, without one, the first path with its accounts, techniques and
/// evidence, and what else there is.
pub(crate) fn summary(case: &Case) -> Vec<String> {
    if !case.summary.is_empty() {
        return case.summary.clone();
    }
    let names = Names::new(case);
    let mut said = Vec::new();
    let best = case.paths.iter().find_map(|path| {
        let hops: Vec<&HopInfo> = hops_of(case, path)
            .into_iter()
            .filter(|hop| hop.standing.happened())
            .collect();
        (!hops.is_empty()).then_some(hops)
    });
    match &best {
        None if case.hops.is_empty() => {
            said.push("No event shows movement between hosts.".to_owned());
        }
        None => said.push(format!(
            "{} possible or refused; none is proven.",
            if case.hops.len() == 1 {
                "1 movement is".to_owned()
            } else {
                format!("{} movements are", case.hops.len())
            }
        )),
        Some(hops) => path_sentences(hops, &names, &mut said),
    }
    let proven = case
        .hops
        .iter()
        .filter(|hop| hop.standing.happened())
        .count();
    let told = best.as_ref().map_or(0, Vec::len);
    if proven > told {
        said.push(format!(
            "{} with {} {} less conspicuous.",
            match case.paths.len().saturating_sub(1) {
                1 => "Another path".to_owned(),
                more => format!("{more} other paths"),
            },
            count(proven - told, "movement"),
            if case.paths.len() == 2 { "is" } else { "are" }
        ));
    }
    if case.stats.notables > 0 {
        let mut worst: Vec<_> = case
            .stats
            .findings_by_severity
            .iter()
            .filter(|(name, number)| **number > 0 && matches!(name.as_str(), "critical" | "high"))
            .map(|(name, number)| format!("{number} {name}"))
            .collect();
        worst.sort();
        said.push(format!(
            "Worth a look: {} of {} findings{}.",
            case.stats.notables,
            case.stats.findings,
            if worst.is_empty() {
                String::new()
            } else {
                format!(", {}", worst.join(", "))
            }
        ));
    }
    let cleared = distinct(
        case.coverage
            .iter()
            .filter(|covered| !covered.cleared.is_empty())
            .map(|covered| covered.host.as_str()),
    );
    if !cleared.is_empty() {
        said.push(format!(
            "Logs were cleared on {}: their earlier records are lost.",
            list(&cleared)
        ));
    }
    said
}

fn path_sentences(hops: &[&HopInfo], names: &Names<'_>, said: &mut Vec<String>) {
    let Some(first) = hops.first() else {
        return;
    };
    let start = names.source(first.src.as_deref());
    let reached: Vec<&str> = distinct(hops.iter().map(|hop| names.host(&hop.dst)))
        .into_iter()
        .filter(|name| *name != start)
        .collect();
    let end = hops.iter().filter_map(|hop| hop.last.as_deref()).max();
    said.push(format!(
        "The most conspicuous path begins at {start} and reaches {}: {}, from {} to {} UTC.",
        list(&reached),
        count(hops.len(), "movement"),
        when(first.first.as_deref()),
        when(end),
    ));
    let used = distinct(
        hops.iter()
            .filter_map(|hop| hop.used.as_deref())
            .map(|id| names.account(id)),
    );
    let actors: Vec<&str> = distinct(
        hops.iter()
            .filter_map(|hop| hop.actor.as_deref())
            .map(|id| names.account(id)),
    )
    .into_iter()
    .filter(|name| !used.contains(name))
    .collect();
    if !used.is_empty() {
        let verb = if used.len() == 1 {
            "the account"
        } else {
            "the accounts"
        };
        let switched = if actors.is_empty() {
            String::new()
        } else {
            format!(", while {} acted on the sources", list(&actors))
        };
        said.push(format!("It used {verb} {}{switched}.", list(&used)));
    }
    let techniques: Vec<String> = distinct(
        hops.iter()
            .filter_map(|hop| hop.techniques.first())
            .map(String::as_str),
    )
    .into_iter()
    .map(technique)
    .collect();
    if !techniques.is_empty() {
        let shown: Vec<&str> = techniques.iter().map(String::as_str).collect();
        said.push(format!("It moved by {}.", list(&shown)));
    }
    let both = hops
        .iter()
        .filter(|hop| {
            let has = |kind: Kind| hop.witnesses.iter().any(|one| one.kind == kind);
            has(Kind::Source) && (has(Kind::DestinationLogon) || has(Kind::DestinationExecution))
        })
        .count();
    said.push(match (both, hops.len()) {
        (0, all) => format!(
            "Only one side shows {}: the other side's logs are missing or silent.",
            if all == 1 { "it" } else { "these movements" }
        ),
        (1, 1) => "Source and destination both show it.".to_owned(),
        (both, all) if both == all => {
            "Source and destination both show every one of these movements.".to_owned()
        }
        (both, all) => format!(
            "Source and destination both show {both} of these {all} movements, and one side the others."
        ),
    });
}
