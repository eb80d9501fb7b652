//! The movements of a case, for people: paths first, one line per hop.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crabwalk_case::{Case, HopInfo, Kind, Names, PathInfo, Standing, way};

use crate::summary::{Summary, heading, more, when};
use crate::term::{Ink, Look, count, pad, safe};

/// Maximum paths to print; more are counted.
const MOST_PATHS: usize = 8;
/// Maximum hops of a path to print; more are counted.
const MOST_HOPS: usize = 12;
/// Maximum terms of a path's rank to print.
const MOST_TERMS: usize = 2;

/// Prints paths with their hops.
pub fn paths(out: &mut String, case: &Case, options: &Summary<'_>) {
    let look = &options.look;
    if case.hops.is_empty() {
        if !options.quiet {
            heading(
                out,
                look,
                "PATHS",
                "none: no event shows movement between hosts",
            );
        }
        return;
    }
    let by_id: BTreeMap<&str, &HopInfo> =
        case.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect();
    let names = Names::new(case);
    let sure = |hop: &&&HopInfo| options.verbose || hop.standing != Standing::Possible;
    let shown: Vec<(&PathInfo, Vec<&HopInfo>)> = case
        .paths
        .iter()
        .map(|path| {
            let hops: Vec<&HopInfo> = path
                .hops
                .iter()
                .filter_map(|id| by_id.get(id.as_str()))
                .filter(sure)
                .copied()
                .collect();
            (path, hops)
        })
        // A path on which everything was refused led nowhere.
        .filter(|(_, hops)| options.verbose || hops.iter().any(|hop| hop.standing.happened()))
        .collect();
    // If there is something to compare with, fold the paths that it explains.
    let ranked = case.verdict.is_compared();
    let all = shown.len();
    let shown: Vec<_> = shown
        .into_iter()
        .filter(|(path, _)| options.verbose || !ranked || path.told)
        .collect();
    let folded = all - shown.len();
    let proven: usize = shown.iter().map(|(_, hops)| hops.len()).sum();
    let daily = case
        .hops
        .iter()
        .filter(|hop| hop.standing == Standing::Routine)
        .count();
    let possible = case
        .hops
        .iter()
        .filter(|hop| hop.standing == Standing::Possible)
        .count();
    heading(
        out,
        look,
        "PATHS",
        &format!("{}: {}", shown.len(), count(proven as u64, "movement")),
    );
    let most = if options.verbose {
        usize::MAX
    } else {
        MOST_PATHS
    };
    for (path, hops) in shown.iter().take(most) {
        let way = if options.verbose {
            way(&names, hops, &path.links)
        } else {
            path.way.clone()
        };
        let _ = writeln!(
            out,
            "  {}  {}  {}",
            safe(&path.id),
            look.paint(Ink::Bold, &safe(&way)),
            look.paint(
                Ink::Dim,
                &safe(&format!("score {}: {}", path.score, path.why.join(", ")))
            )
        );
        for term in path.rank.iter().take(if options.verbose {
            usize::MAX
        } else {
            MOST_TERMS
        }) {
            let _ = writeln!(
                out,
                "    {}",
                look.paint(
                    Ink::Dim,
                    &safe(&format!("{:.4}  {}", term.probability, term.what))
                )
            );
        }
        let most = if options.verbose {
            usize::MAX
        } else {
            MOST_HOPS
        };
        // What it is reported for first; without days to compare that is all of it.
        let (own, others): (Vec<&HopInfo>, Vec<&HopInfo>) = hops
            .iter()
            .partition(|hop| !ranked || case.is_reported(path, hop));
        let (own, others) = match own.as_slice() {
            [] => (others, own),
            _ if options.verbose => (hops.clone(), Vec::new()),
            _ => (own, others),
        };
        for hop in own.iter().take(most) {
            line(out, &names, hop, look);
        }
        if own.len() > most {
            more(out, own.len() - most, "movement", "movements", look);
        }
        if !others.is_empty() {
            let text = format!(
                "  … and {} beside it that daily work explains (all with --verbose)",
                count(others.len() as u64, "movement")
            );
            let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
        }
    }
    if shown.len() > most {
        more(out, shown.len() - most, "path", "paths", look);
    }
    if folded > 0 {
        let text = format!(
            "  … and {} that do not stand out from daily work (all with --verbose)",
            count(folded as u64, "path")
        );
        let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
    }
    if daily > 0 && options.verbose {
        let _ = writeln!(out, "  {}", look.paint(Ink::Bold, "daily work"));
        for hop in case
            .hops
            .iter()
            .filter(|hop| hop.standing == Standing::Routine)
        {
            line(out, &names, hop, look);
        }
    }
    if daily > 0 && !options.verbose {
        let text = format!(
            "  … and {} that are routine for their accounts (all with --verbose)",
            count(daily as u64, "movement")
        );
        let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
    }
    if possible > 0 && !options.verbose {
        let text = format!(
            "  … and {} that the evidence does not prove (all with --verbose)",
            count(possible as u64, "possible movement")
        );
        let _ = writeln!(out, "{}", look.paint(Ink::Dim, &text));
    }
}

/// Who acted, whose account was used, and which account the payload ran as, without repetition. A question mark follows
/// a presumed actor.
pub(crate) fn accounts(names: &Names<'_>, hop: &HopInfo) -> String {
    let mut all: Vec<&str> = Vec::new();
    for id in [&hop.actor, &hop.used, &hop.effective]
        .into_iter()
        .flatten()
    {
        let name = names.account(id);
        if all.last().is_none_or(|last| *last != name) {
            all.push(name);
        }
    }
    let marked = all.first().map(|name| format!("{name}?"));
    if let (Some(marked), true, true) = (&marked, hop.actor_inferred.is_some(), all.len() > 1)
        && let Some(first) = all.first_mut()
    {
        *first = marked;
    }
    if all.is_empty() {
        "account unknown".to_owned()
    } else {
        all.join(" ⇒ ")
    }
}

/// Ten blocks for a confidence.
fn bar(confidence: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 10"
    )]
    let full = (confidence.clamp(0.0, 1.0) * 10.0).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(10 - full))
}

/// One movement in one line.
pub(crate) fn line(out: &mut String, names: &Names<'_>, hop: &HopInfo, look: &Look) {
    let src = hop.src.as_deref().map_or("?", |id| names.host(id));
    let kinds: BTreeSet<Kind> = hop.witnesses.iter().map(|witness| witness.kind).collect();
    let missing: Vec<String> = hop
        .missing
        .iter()
        .map(|missing| missing.why.clone())
        .collect();
    let technique = hop.techniques.first().map_or("", String::as_str);
    let verb = if hop.attempted { " (refused)" } else { "" };
    let text = format!(
        "    {}  {}  {} → {}  {}  {technique}{verb}  {} {:.2}  {} of {} witnesses",
        pad(&hop.id, 6),
        when(hop.first.as_deref()),
        src,
        names.host(&hop.dst),
        accounts(names, hop),
        bar(hop.confidence),
        hop.confidence,
        kinds.len(),
        Kind::ALL.len(),
    );
    let _ = write!(out, "{}", safe(&text));
    if missing.is_empty() {
        out.push('\n');
    } else {
        let _ = writeln!(
            out,
            "  {}",
            look.paint(Ink::Dim, &safe(&format!("({})", missing.join("; "))))
        );
    }
}
