//! The score of a hunt through a world with intruders.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_case::{Case, HopInfo, PathInfo, Standing};
use crabwalk_lab::enterprise::Attack;
use crabwalk_lab::{DailyAccess, PlantedHop, Truth};
use crabwalk_vocabulary::host_key;
use serde::Serialize;

use crate::matching::{Stated, Told, Wrong, account_key, micros, places, told_of_case, wrong};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Allowed difference in the time of a hop, in microseconds; clock errors are added to it.
const TOLERANCE: i64 = 120 * SECOND;
/// A hop between the same hosts within this of a planted one is another act of the same scene, in microseconds.
const SCENE: i64 = 900 * SECOND;

/// The score of a hunt through a world.
#[derive(Debug, Default, Serialize)]
pub struct Score {
    /// Number of planted intrusions.
    pub intrusions: usize,
    /// Hosts of the world.
    pub hosts: usize,
    /// Days of its logs.
    pub days: u64,
    /// The seed of the world.
    pub seed: u64,
    /// Records in its logs.
    pub events: u64,
    /// Of these, logons from other hosts.
    pub logons: u64,
    /// Size of its EVTX files in bytes.
    pub evtx_bytes: u64,
    /// How many hops were planted, found and asserted.
    pub hops: Hops,
    /// How the hops are distributed over paths.
    pub paths: Paths,
    /// What is reported to readers.
    pub verdict: ToldScore,
    /// Of the intruders' recorded acts, the share that was found; 0 to 1.
    pub recall: f64,
    /// Of the asserted hops, the share that intruders made; 0 to 1.
    pub precision: f64,
    /// Of the asserted hops, the share that happened at all, by intruders or in daily work; 0 to 1.
    pub movement_precision: f64,
    /// Duration of the hunt in seconds.
    pub seconds: f64,
    /// Peak memory of the hunt in bytes; null if the system does not report it, or nobody measured.
    pub peak_bytes: Option<u64>,
    /// Of the found hops, those that name the account that acted on the source.
    pub actor: Share,
    /// Hops by the intruder's way of moving.
    pub by_method: BTreeMap<String, Share>,
    /// Hops by how the intruder got to use the account, if the world says so.
    pub by_credentials: BTreeMap<String, Share>,
    /// Hops that are not an intruder's, by kind of daily work.
    pub false_hops_by_kind: BTreeMap<String, usize>,
    /// Paths without an intruder's hop, by kind of daily work.
    pub false_paths_by_kind: BTreeMap<String, usize>,
    /// The intrusions, and where they are reported.
    pub found_intrusions: Vec<FoundIntrusion>,
    /// Planted hops without a matching hop in the case.
    pub missed: Vec<Missed>,
    /// Asserted hops that are not an intruder's.
    pub false_hops: Vec<FalseHop>,
}

/// Numbers of hops.
#[derive(Debug, Default, Serialize)]
pub struct Hops {
    /// What intruders did.
    pub planted: usize,
    /// Planted, but no record was collected: nobody can find them.
    pub without_record: usize,
    /// Planted, with a matching hop in the case.
    pub found: usize,
    /// All hops that the case asserts.
    pub asserted: usize,
    /// Asserted but not made by an intruder.
    #[serde(rename = "false")]
    pub false_: usize,
    /// Of the false ones, those that are daily work.
    pub daily_work: usize,
}

/// Numbers of paths with at least one asserted hop.
#[derive(Debug, Default, Serialize)]
pub struct Paths {
    /// All of them.
    pub all: usize,
    /// Intrusions whose recorded hops are all in one path.
    pub whole: usize,
    /// Of these, those whose path ranks among as many first paths as there are intrusions.
    pub whole_on_top: usize,
    /// Intrusions with at least one found hop whose path ranks among as many first paths as there are intrusions.
    pub on_top: usize,
    /// Paths without an intruder's hop.
    #[serde(rename = "false")]
    pub false_: usize,
    /// The same, per day.
    pub false_per_day: f64,
    /// Paths without an intruder's hop that rank before the last found intrusion.
    pub false_before_last: usize,
}

/// What is reported to readers, and what they are asked to do.
#[derive(Debug, Default, Serialize)]
pub struct ToldScore {
    /// Paths reported as an intrusion.
    pub paths: usize,
    /// Of these, those without an intruder's hop.
    #[serde(rename = "false")]
    pub false_: usize,
    /// Reported paths per day.
    pub paths_per_day: f64,
    /// Reported paths per thousand logons from other hosts.
    pub paths_per_thousand_logons: f64,
    /// False reported paths per day.
    pub false_per_day: f64,
    /// False reported paths per thousand logons from other hosts.
    pub false_per_thousand_logons: f64,
    /// Hosts in scope.
    pub hosts: usize,
    /// Accounts to reset.
    pub accounts: usize,
    /// Notables of the case.
    pub notables: u64,
    /// The same, per day.
    pub notables_per_day: f64,
}

/// How many of the planted ones were found.
#[derive(Debug, Default, Serialize)]
pub struct Share {
    /// Planted, with records.
    pub planted: usize,
    /// Of these, found.
    pub found: usize,
}

/// An intrusion, and the path that contains most of it.
#[derive(Debug, Serialize)]
pub struct FoundIntrusion {
    /// Its name in the truth.
    pub id: String,
    /// The intruder's goal and stealth, if they were specified.
    pub attack: Option<Attack>,
    /// Its recorded hops.
    pub hops: usize,
    /// Of these, those that were found.
    pub found: usize,
    /// Whether all of them are in that path.
    pub whole: bool,
    /// Whether that path is reported.
    pub told: bool,
    /// Rank of that path, from 1.
    pub rank: Option<usize>,
    /// Paths without an intruder's hop that rank before it.
    pub false_before: Option<usize>,
    /// Hops in that path.
    pub path_hops: usize,
    /// How many of the path's hops are the intruder's.
    pub path_hops_of_it: usize,
}

/// A planted hop that was not found.
#[derive(Debug, Serialize)]
pub struct Missed {
    /// The intrusion.
    pub intrusion: String,
    /// The hop.
    pub hop: PlantedHop,
    /// The differences to the closest hop of the case; `everything` if it has no hop.
    pub wrong: Vec<&'static str>,
    /// The closest hop of the case, in words.
    pub nearest: Option<String>,
}

/// An asserted hop that is not an intruder's.
#[derive(Debug, Serialize)]
pub struct FalseHop {
    /// Its id in the case.
    pub id: String,
    /// Id of its source.
    pub src: Option<String>,
    /// Id of its destination.
    pub dst: String,
    /// Account that logged on.
    pub account: Option<String>,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
    /// First time, RFC 3339.
    pub first: Option<String>,
    /// Its confidence, 0 to 1.
    pub confidence: f64,
    /// The daily work that it is, or `nothing: …`.
    pub kind: String,
    /// Its witnesses' statements.
    pub what: Vec<String>,
}

/// A hop of the case under all names.
type Seen<'a> = Told<'a, HopInfo>;

fn asserted(seen: &Seen<'_>) -> bool {
    seen.hop.standing == Standing::Proven
}

/// The names and addresses of the hosts in the truth.
struct Places<'t>(BTreeMap<&'t str, BTreeSet<String>>);

impl<'t> Places<'t> {
    fn new(truth: &'t Truth) -> Self {
        let hosts = truth.hosts.iter().map(|host| {
            let all = host.ips.iter().chain([&host.name]).map(String::as_str);
            (host.name.as_str(), places(all))
        });
        Self(hosts.collect())
    }

    fn of(&self, name: &str) -> BTreeSet<String> {
        let known = self.0.get(name).cloned();
        known.unwrap_or_else(|| places([name]))
    }

    /// An intruder's hop, from the truth.
    fn stated(&self, planted: &'t PlantedHop) -> Stated<'t> {
        let skew = i64::try_from(planted.skew).unwrap_or(0);
        Stated {
            src: self.of(&planted.src),
            dst: self.of(&planted.dst),
            account: &planted.account,
            technique: &planted.technique,
            times: micros(Some(&planted.time)).into_iter().collect(),
            tolerance: TOLERANCE.saturating_add(skew.saturating_mul(SECOND)),
        }
    }
}

/// Whether a hop of the case names the account that acted on the source. The system account also goes by the machine's
/// name.
fn acted(planted: &PlantedHop, seen: &Seen<'_>) -> bool {
    let machine = format!("{}$", host_key(&planted.src));
    let actor = account_key(&planted.actor);
    seen.actor.contains(&actor)
        || (actor == "system"
            && ["s-1-5-18", machine.as_str()]
                .iter()
                .any(|name| seen.actor.contains(*name)))
}

impl Score {
    /// Compares a case with the truth.
    pub fn of(truth: &Truth, case: &Case) -> Self {
        let hosts = Places::new(truth);
        let seen = told_of_case(case);
        let mut score = Score {
            intrusions: truth.intrusions.len(),
            hosts: truth.hosts.len(),
            days: truth.days,
            seed: truth.seed,
            events: truth.events,
            logons: truth.logons,
            evtx_bytes: truth.evtx_bytes,
            seconds: case.stats.seconds,
            ..Score::default()
        };
        let mut belongs = Matches::default();
        let mut hits: Vec<Vec<BTreeSet<&str>>> = Vec::new();
        for (at, intrusion) in truth.intrusions.iter().enumerate() {
            let of_hops = intrusion.hops.iter().map(|planted| {
                let found = best(&hosts.stated(planted), planted, at, &seen, &mut belongs);
                score.count(&intrusion.id, planted, found)
            });
            hits.push(of_hops.collect());
        }
        let kinds = score.count_false(&Daily::new(truth, &hosts), &seen, &belongs);
        paths(
            &mut score,
            truth,
            case,
            &seen,
            &hits,
            (&belongs.exact, &belongs.scene),
            &kinds,
        );
        verdict(&mut score, truth, case);
        let part = |part: usize, whole: usize| {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let share = if whole == 0 {
                1.0
            } else {
                part as f64 / whole as f64
            };
            (share * 1000.0).round() / 1000.0
        };
        score.recall = part(
            score.hops.found,
            score.hops.planted - score.hops.without_record,
        );
        score.precision = part(score.hops.asserted - score.hops.false_, score.hops.asserted);
        score.movement_precision = part(
            score.hops.asserted - score.hops.false_ + score.hops.daily_work,
            score.hops.asserted,
        );
        score
    }
}

/// For each hop of the case, the intrusions it belongs to: exactly, or as another act of the same scene.
#[derive(Default)]
struct Matches<'c> {
    exact: Belongs<'c>,
    scene: Belongs<'c>,
}

/// What the case has for a planted hop.
struct Hit<'c> {
    /// Ids of the hops that are it.
    own: BTreeSet<&'c str>,
    /// Whether one of these names its actor.
    actor: bool,
    /// The nearest other hop, and what is wrong with it.
    nearest: Option<(Vec<Wrong>, String)>,
}

/// What the case has for a hop of the intrusion at a place, which is `stated`.
fn best<'c>(
    stated: &Stated<'_>,
    planted: &PlantedHop,
    at: usize,
    seen: &[Seen<'c>],
    belongs: &mut Matches<'c>,
) -> Hit<'c> {
    // A different time does not make it another hop.
    let weight = |wrong: &[Wrong]| wrong.len() + 2 * usize::from(wrong.contains(&Wrong::Time));
    let time = stated.times.first().copied();
    let (mut own, mut actor) = (BTreeSet::new(), false);
    let mut nearest: Option<(Vec<Wrong>, &Seen<'_>)> = None;
    for one in seen.iter().filter(|_| !planted.records.is_empty()) {
        let wrong = wrong(stated, one);
        if wrong.is_empty() {
            own.insert(one.hop.id.as_str());
            actor |= acted(planted, one);
            belongs.exact.entry(&one.hop.id).or_default().insert(at);
        } else if one.has_ends(stated) && time.is_some_and(|time| one.within(time, SCENE)) {
            belongs.scene.entry(&one.hop.id).or_default().insert(at);
        }
        let nearer = nearest
            .as_ref()
            .is_none_or(|(least, _)| weight(&wrong) < weight(least));
        if nearer {
            nearest = Some((wrong, one));
        }
    }
    let nearest = nearest.map(|(wrong, one)| (wrong, describe(one.hop)));
    Hit {
        own,
        actor,
        nearest,
    }
}

impl Score {
    /// Counts a planted hop. Returns the ids of the hops that are it.
    fn count<'c>(
        &mut self,
        intrusion: &str,
        planted: &PlantedHop,
        found: Hit<'c>,
    ) -> BTreeSet<&'c str> {
        self.hops.planted += 1;
        let method = self.by_method.entry(planted.method.clone()).or_default();
        let mut credentials = match planted.credentials.as_str() {
            "" => None,
            how => Some(self.by_credentials.entry(how.to_owned()).or_default()),
        };
        if planted.records.is_empty() {
            self.hops.without_record += 1;
            return BTreeSet::new();
        }
        method.planted += 1;
        if let Some(credentials) = &mut credentials {
            credentials.planted += 1;
        }
        if found.own.is_empty() {
            let (wrong, nearest) = found.nearest.map_or_else(
                || (vec!["everything"], None),
                |(wrong, nearest)| (wrong.into_iter().map(Wrong::name).collect(), Some(nearest)),
            );
            self.missed.push(Missed {
                intrusion: intrusion.to_owned(),
                hop: planted.clone(),
                wrong,
                nearest,
            });
        } else {
            self.hops.found += 1;
            self.actor.planted += usize::from(!planted.actor.is_empty());
            self.actor.found += usize::from(found.actor);
            method.found += 1;
            if let Some(credentials) = credentials {
                credentials.found += 1;
            }
        }
        found.own
    }

    /// Counts the asserted hops that belong to no intrusion. Returns what each of them is, by id.
    fn count_false<'c>(
        &mut self,
        daily: &Daily<'_>,
        seen: &[Seen<'c>],
        belongs: &Matches<'_>,
    ) -> BTreeMap<&'c str, String> {
        let mut kinds = BTreeMap::new();
        for one in seen.iter().filter(|one| asserted(one)) {
            self.hops.asserted += 1;
            let id = one.hop.id.as_str();
            if belongs.exact.contains_key(id) || belongs.scene.contains_key(id) {
                continue;
            }
            let kind = daily.kind(one);
            self.hops.false_ += 1;
            self.hops.daily_work += usize::from(kind != NOTHING);
            *self.false_hops_by_kind.entry(kind.clone()).or_default() += 1;
            kinds.insert(id, kind.clone());
            let witnesses = one.hop.witnesses.iter();
            self.false_hops.push(FalseHop {
                id: one.hop.id.clone(),
                src: one.hop.src.clone(),
                dst: one.hop.dst.clone(),
                account: one.hop.used.clone(),
                techniques: one.hop.techniques.clone(),
                first: one.hop.first.clone(),
                confidence: one.hop.confidence,
                kind,
                what: witnesses.map(|witness| witness.what.clone()).collect(),
            });
        }
        kinds
    }
}

/// The intrusions that a hop of the case belongs to.
type Belongs<'c> = BTreeMap<&'c str, BTreeSet<usize>>;

const NOTHING: &str = "nothing: nobody went there";

/// Daily remote access, by source and destination.
struct Daily<'t>(Vec<(Stated<'t>, Vec<&'t DailyAccess>)>);

impl<'t> Daily<'t> {
    fn new(truth: &'t Truth, places: &Places<'t>) -> Self {
        let mut by_ends: BTreeMap<_, Vec<&DailyAccess>> = BTreeMap::new();
        for access in &truth.daily {
            let ends = (access.src.as_str(), access.dst.as_str());
            by_ends.entry(ends).or_default().push(access);
        }
        let all = by_ends.into_iter().map(|((src, dst), accesses)| {
            let stated = Stated {
                src: places.of(src),
                dst: places.of(dst),
                ..Stated::default()
            };
            (stated, accesses)
        });
        Self(all.collect())
    }

    /// The daily work that a hop belongs to.
    fn kind(&self, seen: &Seen<'_>) -> String {
        let mut kinds = BTreeSet::new();
        let mut others = false;
        let mut to = false;
        for (stated, accesses) in &self.0 {
            let wrong = wrong(stated, seen);
            if wrong.contains(&Wrong::Destination) {
                continue;
            }
            let known = !seen.src.is_empty();
            let from = !wrong.contains(&Wrong::Source);
            for access in accesses {
                let same = seen.accounts.contains(&account_key(&access.account));
                if same && (from || !known) {
                    kinds.extend(access.kinds.keys().map(String::as_str));
                }
                others |= from;
                to |= same;
            }
        }
        if !kinds.is_empty() {
            let kinds: Vec<&str> = kinds.into_iter().collect();
            let unknown = if seen.src.is_empty() {
                ", source not named"
            } else {
                ""
            };
            return format!("{}{unknown}", kinds.join(" or "));
        }
        if others {
            return "daily work, with another account".into();
        }
        if to {
            return "daily work, from another source".into();
        }
        NOTHING.into()
    }
}

fn paths(
    score: &mut Score,
    truth: &Truth,
    case: &Case,
    seen: &[Seen<'_>],
    hits: &[Vec<BTreeSet<&str>>],
    (exact, scene): (&Belongs<'_>, &Belongs<'_>),
    kinds: &BTreeMap<&str, String>,
) {
    let asserted: BTreeSet<&str> = seen
        .iter()
        .filter(|one| asserted(one))
        .map(|one| one.hop.id.as_str())
        .collect();
    // As printed: paths with at least one asserted hop.
    let shown: Vec<(&PathInfo, Vec<&str>)> = case
        .paths
        .iter()
        .map(|path| {
            let hops = path
                .hops
                .iter()
                .map(String::as_str)
                .filter(|id| asserted.contains(id))
                .collect::<Vec<_>>();
            (path, hops)
        })
        .filter(|(_, hops)| !hops.is_empty())
        .collect();
    score.paths.all = shown.len();
    let is_false = |(_, hops): &&(&PathInfo, Vec<&str>)| {
        !hops
            .iter()
            .any(|id| exact.contains_key(id) || scene.contains_key(id))
    };
    for one in &shown {
        let (path, hops) = one;
        let told = path.told;
        score.verdict.paths += usize::from(told);
        if !is_false(&one) {
            continue;
        }
        score.verdict.false_ += usize::from(told);
        score.paths.false_ += 1;
        let own: BTreeSet<&str> = hops
            .iter()
            .filter_map(|id| kinds.get(id).map(String::as_str))
            .collect();
        let own: Vec<&str> = own.into_iter().take(3).collect();
        *score
            .false_paths_by_kind
            .entry(own.join(" + "))
            .or_default() += 1;
    }
    score.paths.false_per_day = ratio(score.paths.false_, truth.days, 1);
    for (at, (intrusion, hits)) in truth.intrusions.iter().zip(hits).enumerate() {
        let wanted: Vec<&BTreeSet<&str>> = intrusion
            .hops
            .iter()
            .zip(hits)
            .filter(|(hop, _)| !hop.records.is_empty())
            .map(|(_, own)| own)
            .collect();
        let covered = |hops: &[&str]| {
            wanted
                .iter()
                .filter(|own| hops.iter().any(|id| own.contains(id)))
                .count()
        };
        // The path with most of it; of equal ones the first.
        let best = shown
            .iter()
            .enumerate()
            .map(|(rank, (_, hops))| (covered(hops), rank))
            .filter(|(count, _)| *count > 0)
            .max_by_key(|(count, rank)| (*count, usize::MAX - rank));
        let whole = best.is_some_and(|(count, _)| count == wanted.len() && !wanted.is_empty());
        let on_top = best.is_some_and(|(_, rank)| rank < truth.intrusions.len());
        score.paths.whole += usize::from(whole);
        score.paths.whole_on_top += usize::from(whole && on_top);
        score.paths.on_top += usize::from(on_top);
        let path = best.and_then(|(_, rank)| shown.get(rank).map(|(_, hops)| hops));
        let is_its = |id: &&&str| {
            [exact, scene]
                .iter()
                .any(|map| map.get(**id).is_some_and(|own| own.contains(&at)))
        };
        score.found_intrusions.push(FoundIntrusion {
            id: intrusion.id.clone(),
            attack: intrusion.attack,
            told: best
                .and_then(|(_, rank)| shown.get(rank))
                .is_some_and(|(path, _)| path.told),
            false_before: best.map(|(_, rank)| shown.iter().take(rank).filter(is_false).count()),
            hops: wanted.len(),
            found: wanted.iter().filter(|own| !own.is_empty()).count(),
            whole,
            rank: best.map(|(_, rank)| rank + 1),
            path_hops: path.map_or(0, Vec::len),
            path_hops_of_it: path.map_or(0, |hops| hops.iter().filter(is_its).count()),
        });
    }
    let last = score
        .found_intrusions
        .iter()
        .filter_map(|one| one.rank)
        .max()
        .unwrap_or(0);
    score.paths.false_before_last = shown.iter().take(last).filter(is_false).count();
}

/// The rate per `per` of `whole`, to three decimals.
pub fn ratio(count: usize, whole: u64, per: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = count as f64 * per as f64 / whole.max(1) as f64;
    (share * 1000.0).round() / 1000.0
}

/// What the verdict asks of readers.
fn verdict(score: &mut Score, truth: &Truth, case: &Case) {
    let told = &mut score.verdict;
    told.paths_per_day = ratio(told.paths, truth.days, 1);
    told.paths_per_thousand_logons = ratio(told.paths, truth.logons, 1000);
    told.false_per_day = ratio(told.false_, truth.days, 1);
    told.false_per_thousand_logons = ratio(told.false_, truth.logons, 1000);
    told.hosts = case.scope.hosts.len();
    told.accounts = case.scope.accounts.len();
    told.notables = case.stats.notables;
    told.notables_per_day = ratio(
        usize::try_from(case.stats.notables).unwrap_or(usize::MAX),
        truth.days,
        1,
    );
}

fn describe(hop: &HopInfo) -> String {
    format!(
        "{} {} → {} as {} {} ({:.2})",
        hop.first.as_deref().unwrap_or("?"),
        hop.src.as_deref().unwrap_or("?"),
        hop.dst,
        hop.used.as_deref().unwrap_or("?"),
        hop.techniques.join(" "),
        hop.confidence
    )
}
