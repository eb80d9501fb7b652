//! `crabwalk lab evaluate --protocol hopper`: many attacks, by goal and stealth, in many small companies.
//!
//! The protocol is Hopper's (Ho et al., USENIX Security 2021): what is detected, and with how many alarms, for each
//! goal and degree of stealth of the attacker. The number of false paths per day that somebody reads before giving up
//! is a choice, so the result is a curve over that budget.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crabwalk_lab::enterprise::{Attack, EnterpriseOptions, Goal, Profile, Stealth};
use crabwalk_score::{FoundIntrusion, Score, ratio};
use serde::Serialize;

use crate::args::{Format, LabEvaluate};
use crate::evaluate;
use crate::lab;
use crate::outcome::{Done, Failure, note};
use crate::term::{self, Ink, Look};

/// Tolerated false paths per day, for the curve.
const BUDGETS: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0];

/// A share with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Estimate {
    of: usize,
    count: usize,
    share: f64,
    low: f64,
    high: f64,
}

impl Estimate {
    fn new(count: usize, of: usize) -> Self {
        const Z: f64 = 1.96;
        if of == 0 {
            return Self::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let (hits, n) = (count as f64, of as f64);
        let share = hits / n;
        let middle = share + Z * Z / (2.0 * n);
        let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        Self {
            of,
            count,
            share: round(share),
            low: round(((middle - spread) / whole).max(0.0)),
            high: round(((middle + spread) / whole).min(1.0)),
        }
    }

    fn text(&self) -> String {
        format!(
            "{:.0} % ({:.0}–{:.0})",
            self.share * 100.0,
            self.low * 100.0,
            self.high * 100.0
        )
    }
}

/// The results of the attacks of one kind.
#[derive(Debug, Serialize)]
struct Cell {
    goal: &'static str,
    stealth: &'static str,
    attacks: usize,
    /// With at least one hop on a reported path.
    detected: Estimate,
    /// Ranked before every path that is not an intruder's.
    first: Estimate,
    /// With at most four such paths before.
    in_first_five: Estimate,
    /// All hops on one path.
    whole: Estimate,
    /// The median rank among the paths of the world; attacks on no path rank last.
    median_rank: Option<usize>,
}

/// A place on the curve.
#[derive(Debug, Serialize)]
struct Place {
    /// Tolerated false paths per day: an attack counts if it is found before that many have been read.
    budget: f64,
    detected: Estimate,
    false_per_day: f64,
    false_per_thousand_logons: f64,
}

#[derive(Debug, Serialize)]
struct Outcome {
    worlds: usize,
    hosts: usize,
    days: u64,
    logons: u64,
    attacks: usize,
    told_per_day: f64,
    told_per_thousand_logons: f64,
    cells: Vec<Cell>,
    curve: Vec<Place>,
}

/// Runs the protocol.
pub fn run(args: &LabEvaluate) -> Result<Done, Failure> {
    let profile = lab::profile(&args.company)?;
    let [first] = args.seed.as_slice() else {
        return Err(Failure::new(
            "--protocol takes one --seed; companies count up from it",
        ));
    };
    let shares = shares(args.attacks, args.per_world);
    let count = shares.len();
    let jobs = args.jobs.map_or(1, usize::from).min(count.max(1));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Score, Failure>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(share) = shares.get(at) else {
                        break;
                    };
                    let seed = first.saturating_add(at as u64);
                    let result = world(args, &profile, share.clone(), seed);
                    let Ok(mut done) = done.lock() else { break };
                    done.push((at, result));
                    let found: usize = done
                        .iter()
                        .filter_map(|(_, score)| score.as_ref().ok())
                        .map(|score| score.found_intrusions.len())
                        .sum();
                    note(
                        "hunted",
                        &format!("{} of {count} worlds, {found} attacks", done.len()),
                    );
                    if done.iter().any(|(_, result)| result.is_err()) {
                        break;
                    }
                }
            });
        }
    });
    let mut results = done.into_inner().unwrap_or_default();
    results.sort_by_key(|(at, _)| *at);
    let scores = results
        .into_iter()
        .map(|(_, result)| result)
        .collect::<Result<Vec<Score>, Failure>>()?;
    print(&outcome(&scores), args.format)
}

/// The attacks of each world: equal numbers, the rest in the last one.
fn shares(attacks: usize, each: usize) -> Vec<Range<usize>> {
    let each = each.max(1);
    (0..attacks)
        .step_by(each)
        .map(|from| from..from.saturating_add(each).min(attacks))
        .collect()
}

/// Generates a world with a share of the attacks, in rotation, and hunts through it.
fn world(
    args: &LabEvaluate,
    profile: &Profile,
    share: Range<usize>,
    seed: u64,
) -> Result<Score, Failure> {
    let all: Vec<Attack> = Goal::ALL
        .into_iter()
        .flat_map(|goal| Stealth::ALL.map(|stealth| Attack { goal, stealth }))
        .collect();
    let attacks: Vec<Attack> = all
        .iter()
        .copied()
        .cycle()
        .skip(share.start % all.len())
        .take(share.len())
        .collect();
    let options = EnterpriseOptions {
        seed,
        days: args.days,
        hosts: args.hosts,
        intrusions: share.len(),
        volume: args.volume,
        profile: profile.clone(),
        attacks,
        ..EnterpriseOptions::default()
    };
    if let Some(kept) = &args.keep {
        return evaluate::make_and_hunt(&options, &kept.join(format!("seed-{seed}")), true);
    }
    let made = evaluate::temporary()?;
    evaluate::make_and_hunt(&options, &made.path().join("world"), true)
}

fn outcome(scores: &[Score]) -> Outcome {
    let days: u64 = scores.iter().map(|score| score.days).sum();
    let logons: u64 = scores.iter().map(|score| score.logons).sum();
    let told: usize = scores.iter().map(|score| score.verdict.paths).sum();
    let mut kinds: BTreeMap<Attack, Vec<&FoundIntrusion>> = BTreeMap::new();
    for one in scores.iter().flat_map(|score| &score.found_intrusions) {
        if let Some(attack) = one.attack {
            kinds.entry(attack).or_default().push(one);
        }
    }
    let cells = kinds
        .iter()
        .map(|(attack, all)| {
            let share = |so: &dyn Fn(&FoundIntrusion) -> bool| {
                Estimate::new(all.iter().filter(|one| so(one)).count(), all.len())
            };
            let before = |one: &FoundIntrusion, most: usize| {
                one.false_before.is_some_and(|before| before < most)
            };
            let mut ranks: Vec<usize> = all
                .iter()
                .map(|one| one.rank.unwrap_or(usize::MAX))
                .collect();
            ranks.sort_unstable();
            Cell {
                goal: attack.goal.name(),
                stealth: attack.stealth.name(),
                attacks: all.len(),
                detected: share(&|one| one.told),
                first: share(&|one| before(one, 1)),
                in_first_five: share(&|one| before(one, 5)),
                whole: share(&|one| one.whole),
                median_rank: ranks
                    .get(ranks.len() / 2)
                    .copied()
                    .filter(|rank| *rank != usize::MAX),
            }
        })
        .collect();
    let attacks: usize = kinds.values().map(Vec::len).sum();
    let curve = BUDGETS
        .into_iter()
        .map(|budget| {
            let (mut found, mut wrong) = (0, 0);
            for score in scores {
                let places = places(budget, score.days);
                found += score
                    .found_intrusions
                    .iter()
                    .filter(|one| one.attack.is_some())
                    .filter(|one| one.false_before.is_some_and(|before| before < places))
                    .count();
                wrong += score.paths.false_.min(places);
            }
            Place {
                budget,
                detected: Estimate::new(found, attacks),
                false_per_day: ratio(wrong, days, 1),
                false_per_thousand_logons: ratio(wrong, logons, 1000),
            }
        })
        .collect();
    Outcome {
        worlds: scores.len(),
        hosts: scores.first().map_or(0, |score| score.hosts),
        days,
        logons,
        attacks,
        told_per_day: ratio(told, days, 1),
        told_per_thousand_logons: ratio(told, logons, 1000),
        cells,
        curve,
    }
}

/// The number of false paths that a budget allows for a number of days; at least one.
fn places(budget: f64, days: u64) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number"
    )]
    let places = (budget * days as f64).ceil() as usize;
    places.max(1)
}

fn print(outcome: &Outcome, format: Format) -> Result<Done, Failure> {
    let mut out = io::stdout().lock();
    match format {
        Format::Table => out.write_all(text(outcome, &Look::stdout()).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, outcome).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Format::Jsonl => {
            serde_json::to_writer(&mut out, outcome).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Format::Csv => {
            let (headers, rows) = cells(outcome);
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

fn cells(outcome: &Outcome) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = [
        "goal",
        "stealth",
        "attacks",
        "detected",
        "first",
        "in first 5",
        "whole",
        "median rank",
    ]
    .map(str::to_owned)
    .into();
    let rows = outcome
        .cells
        .iter()
        .map(|cell| {
            vec![
                cell.goal.to_owned(),
                cell.stealth.to_owned(),
                cell.attacks.to_string(),
                cell.detected.text(),
                cell.first.text(),
                cell.in_first_five.text(),
                cell.whole.text(),
                cell.median_rank
                    .map_or_else(|| "–".to_owned(), |rank| rank.to_string()),
            ]
        })
        .collect();
    (headers, rows)
}

fn text(outcome: &Outcome, look: &Look) -> String {
    let mut out = String::new();
    let (headers, rows) = cells(outcome);
    out.push_str(&term::table(&headers, &rows, look));
    let title = format!(
        "{} in {} of {} hosts; reported {} per day, {} per 1,000 logons",
        term::count(outcome.attacks as u64, "attack"),
        term::counted(outcome.worlds as u64, "company", "companies"),
        outcome.hosts,
        outcome.told_per_day,
        outcome.told_per_thousand_logons
    );
    let _ = writeln!(out, "\n{}\n", look.paint(Ink::Bold, &title));
    let headers = [
        "max. false paths/day",
        "detected",
        "false/day",
        "false/1000 logons",
    ]
    .map(str::to_owned);
    let rows: Vec<Vec<String>> = outcome
        .curve
        .iter()
        .map(|place| {
            vec![
                place.budget.to_string(),
                place.detected.text(),
                place.false_per_day.to_string(),
                place.false_per_thousand_logons.to_string(),
            ]
        })
        .collect();
    out.push_str(&term::table(&headers, &rows, look));
    out
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{Estimate, places, shares};

    #[test]
    fn an_interval_holds_its_share_and_narrows_with_the_number() {
        let few = Estimate::new(9, 10);
        let many = Estimate::new(900, 1000);
        assert!(few.low < few.share && few.share < few.high);
        assert!(many.high - many.low < few.high - few.low);
        // Wilson's interval of 9 in 10 by the formula.
        assert!((few.low - 0.596).abs() < 0.002 && (few.high - 0.982).abs() < 0.002);
        assert_eq!(Estimate::new(0, 0).of, 0);
        assert!(Estimate::new(10, 10).high <= 1.0);
    }

    #[test]
    fn as_many_attacks_are_planted_as_are_asked_for() {
        assert_eq!(shares(7, 3), [0..3, 3..6, 6..7]);
        assert_eq!(shares(6, 3), [0..3, 3..6]);
        assert_eq!(shares(2, 3), [Range { start: 0, end: 2 }]);
        assert_eq!(shares(2, 0), [0..1, 1..2]);
        assert!(shares(0, 3).is_empty());
    }

    #[test]
    fn every_budget_allows_one_path() {
        assert_eq!(places(0.1, 7), 1);
        assert_eq!(places(1.0, 7), 7);
        assert_eq!(places(0.5, 7), 4);
    }
}
