//! `crabwalk lab evaluate` and `lab score`: how much of what intruders did is found, and what else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, HopInfo, PathInfo, Standing};
use crabwalk_detect::Content;
use crabwalk_lab::enterprise::{self, Attack, EnterpriseOptions, PlantedHop, Truth};
use serde::Serialize;

use crate::args::{Format, LabEvaluate};
use crate::input::Logs;
use crate::outcome::{Done, Failure, note};
use crate::term::{self, Ink, Look};
use crate::{hunt, lab, protocol, worlds};

/// How far the time of a hop may be off, seconds; what the clocks are off comes on top.
const TOLERANCE: i64 = 120;
/// A hop between the same hosts within this of a planted one is another act of the same scene, seconds.
const SCENE: i64 = 900;

/// What a hunt made of an enterprise.
#[derive(Debug, Default, Serialize)]
pub struct Score {
    /// Intrusions that were planted.
    intrusions: usize,
    pub hosts: usize,
    pub days: u64,
    seed: u64,
    events: u64,
    pub logons: u64,
    evtx_bytes: u64,
    hops: Hops,
    pub paths: Paths,
    pub verdict: Told,
    /// Of what intruders did, how much was found.
    recall: f64,
    /// Of what is asserted, how much intruders did.
    precision: f64,
    /// Of what is asserted, how much happened at all: intruders and daily work.
    movement_precision: f64,
    /// How long the hunt took.
    seconds: f64,
    /// Most memory that the hunt held, bytes; null where the system does not tell.
    peak_bytes: Option<u64>,
    /// Of the hops that were found, those that name the account which acted on the source.
    actor: Share,
    by_method: BTreeMap<String, Share>,
    by_credentials: BTreeMap<String, Share>,
    false_hops_by_kind: BTreeMap<String, usize>,
    false_paths_by_kind: BTreeMap<String, usize>,
    pub found_intrusions: Vec<FoundIntrusion>,
    missed: Vec<Missed>,
    false_hops: Vec<FalseHop>,
}

#[derive(Debug, Default, Serialize)]
struct Hops {
    planted: usize,
    /// Planted, and no record of it was collected: nobody can find them.
    without_record: usize,
    found: usize,
    /// All that the case asserts.
    asserted: usize,
    /// Asserted and not made by an intruder.
    #[serde(rename = "false")]
    false_: usize,
    /// Of the false ones, those that are daily work.
    daily_work: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Paths {
    all: usize,
    /// Intrusions all of whose hops with records are in one path.
    whole: usize,
    /// Of these, those whose path is among as many first paths as there are intrusions.
    whole_on_top: usize,
    /// Intrusions with at least one hop found whose path is among as many first paths as there are intrusions.
    on_top: usize,
    /// Paths with no hop of an intruder.
    #[serde(rename = "false")]
    pub false_: usize,
    false_per_day: f64,
    /// Paths with no hop of an intruder that stand before the last intrusion that was found.
    false_before_last: usize,
}

/// What a reader is told, and what he is asked to do.
#[derive(Debug, Default, Serialize)]
pub struct Told {
    /// Paths that are told as an intrusion.
    pub paths: usize,
    /// Of these, those with no hop of an intruder.
    #[serde(rename = "false")]
    false_: usize,
    paths_per_day: f64,
    /// For each thousand logons from other hosts.
    paths_per_thousand_logons: f64,
    false_per_day: f64,
    false_per_thousand_logons: f64,
    /// Hosts in scope.
    hosts: usize,
    /// Accounts to reset.
    accounts: usize,
    notables: u64,
    notables_per_day: f64,
}

#[derive(Debug, Default, Serialize)]
struct Share {
    planted: usize,
    found: usize,
}

#[derive(Debug, Serialize)]
pub struct FoundIntrusion {
    id: String,
    /// What the intruder wanted and how stealthy he was, where that was asked for.
    pub attack: Option<Attack>,
    hops: usize,
    found: usize,
    pub whole: bool,
    /// Whether the path that has the most of it is told.
    pub told: bool,
    /// Place of the path that has the most of it, from 1.
    pub rank: Option<usize>,
    /// Paths with no hop of an intruder that stand before it.
    pub false_before: Option<usize>,
    /// Hops in that path, and how many of them are the intruder's.
    path_hops: usize,
    path_hops_of_it: usize,
}

#[derive(Debug, Serialize)]
struct Missed {
    intrusion: String,
    hop: PlantedHop,
    /// What the nearest hop of the case has wrong.
    wrong: Vec<&'static str>,
    nearest: Option<String>,
}

#[derive(Debug, Serialize)]
struct FalseHop {
    id: String,
    src: Option<String>,
    dst: String,
    account: Option<String>,
    techniques: Vec<String>,
    first: Option<String>,
    confidence: f64,
    /// The daily work that it is, or `nothing`.
    kind: String,
    what: Vec<String>,
}

/// A technique's family; a hop names the right technique when the families meet.
fn family(technique: &str) -> &str {
    match technique {
        "T1021.002" | "T1570" | "T1574.001" | "T1574.002" => "smb",
        "T1569.002" | "T1543.003" => "service",
        "T1053.002" | "T1053.005" => "task",
        "T1047" | "T1546.003" => "wmi",
        "T1021.003" => "dcom",
        "T1021.006" | "T1059.001" => "winrm",
        "T1021.001" | "T1563.002" | "T1572" => "rdp",
        "T1021.004" => "ssh",
        "T1550.002" | "T1550.003" | "T1558.001" => "credential",
        "T1003.006" | "T1210" => "exploit",
        other => other,
    }
}

/// Whether two families are so near to each other that either describes the act.
fn near(a: &str, b: &str) -> bool {
    const NEAR: [(&str, &str); 6] = [
        ("smb", "service"),
        ("wmi", "dcom"),
        ("smb", "credential"),
        ("smb", "exploit"),
        ("smb", "task"),
        ("smb", "T1112"),
    ];
    a == b || NEAR.contains(&(a, b)) || NEAR.contains(&(b, a))
}

fn seconds(time: Option<&str>) -> Option<i64> {
    time?
        .parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_second)
}

fn short(name: &str) -> String {
    let name = name.to_lowercase();
    if name.parse::<std::net::IpAddr>().is_ok() {
        return name;
    }
    name.split('.').next().unwrap_or_default().to_owned()
}

fn plain(account: &str) -> String {
    crabwalk_vocabulary::account::plain(account).to_lowercase()
}

/// A hop of the case under all names.
struct Seen<'a> {
    hop: &'a HopInfo,
    src: BTreeSet<String>,
    dst: BTreeSet<String>,
    accounts: BTreeSet<String>,
    actor: BTreeSet<String>,
    first: Option<i64>,
    last: Option<i64>,
}

impl<'a> Seen<'a> {
    fn all(case: &'a Case) -> Vec<Self> {
        let hosts: BTreeMap<&str, BTreeSet<String>> = case
            .hosts
            .iter()
            .map(|host| {
                let names = std::iter::once(&host.id).chain(&host.names);
                let mut names: BTreeSet<String> = names.map(|name| short(name)).collect();
                // A machine without a name is known by its address.
                if names
                    .iter()
                    .all(|name| name.parse::<std::net::IpAddr>().is_ok())
                {
                    names.extend(host.ips.iter().cloned());
                }
                (host.id.as_str(), names)
            })
            .collect();
        let accounts: BTreeMap<&str, BTreeSet<String>> = case
            .accounts
            .iter()
            .map(|account| {
                let names = std::iter::once(&account.id).chain(&account.names);
                (account.id.as_str(), names.map(|name| plain(name)).collect())
            })
            .collect();
        let host = |id: &str| {
            hosts
                .get(id)
                .cloned()
                .unwrap_or_else(|| BTreeSet::from([short(id)]))
        };
        let account = |id: &String| {
            accounts
                .get(id.as_str())
                .cloned()
                .unwrap_or_else(|| BTreeSet::from([plain(id)]))
        };
        case.hops
            .iter()
            .map(|hop| Self {
                src: hop.src.as_deref().map(host).unwrap_or_default(),
                dst: host(&hop.dst),
                accounts: [&hop.used, &hop.actor, &hop.effective]
                    .into_iter()
                    .flatten()
                    .flat_map(account)
                    .collect(),
                actor: hop.actor.as_ref().map(account).unwrap_or_default(),
                first: seconds(hop.first.as_deref()),
                last: seconds(hop.last.as_deref()),
                hop,
            })
            .collect()
    }

    fn asserted(&self) -> bool {
        self.hop.standing == Standing::Proven
    }

    fn within(&self, time: Option<i64>, tolerance: i64) -> bool {
        let (Some(time), Some(first)) = (time, self.first) else {
            return false;
        };
        let last = self.last.unwrap_or(first);
        first - tolerance <= time && time <= last + tolerance
    }
}

/// The names and addresses of the hosts in the truth.
struct Names<'t> {
    ips: BTreeMap<String, BTreeSet<&'t str>>,
}

impl<'t> Names<'t> {
    fn new(truth: &'t Truth) -> Self {
        Self {
            ips: truth
                .hosts
                .iter()
                .map(|host| {
                    (
                        short(&host.name),
                        host.ips.iter().map(String::as_str).collect(),
                    )
                })
                .collect(),
        }
    }

    fn is(&self, name: &str, seen: &BTreeSet<String>) -> bool {
        let name = short(name);
        seen.contains(&name)
            || self
                .ips
                .get(&name)
                .is_some_and(|ips| seen.iter().any(|own| ips.contains(own.as_str())))
    }
}

/// What of a planted hop a hop of the case has wrong.
fn wrong(planted: &PlantedHop, seen: &Seen<'_>, names: &Names<'_>) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if !names.is(&planted.dst, &seen.dst) {
        wrong.push("destination");
    }
    if !names.is(&planted.src, &seen.src) {
        wrong.push("source");
    }
    if !seen.accounts.contains(&plain(&planted.account)) {
        wrong.push("account");
    }
    let own = family(&planted.technique);
    if !seen
        .hop
        .techniques
        .iter()
        .any(|technique| near(own, family(technique)))
    {
        wrong.push("technique");
    }
    let skew = i64::try_from(planted.skew).unwrap_or(0);
    if !seen.within(seconds(Some(&planted.time)), TOLERANCE + skew) {
        wrong.push("time");
    }
    wrong
}

/// Whether a hop of the case names the account that acted on the source. The system is also called by its machine.
fn acted(planted: &PlantedHop, seen: &Seen<'_>) -> bool {
    let machine = format!("{}$", short(&planted.src));
    seen.actor.contains(&plain(&planted.actor))
        || (planted.actor == "SYSTEM"
            && ["s-1-5-18", machine.as_str()]
                .iter()
                .any(|name| seen.actor.contains(*name)))
}

/// Compares a case with the truth.
fn score(truth: &Truth, case: &Case) -> Score {
    let names = Names::new(truth);
    let seen = Seen::all(case);
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
    // Of each hop of the case, the intrusions that it belongs to: exactly, and as another act of the same scene.
    let mut exact = Belongs::new();
    let mut scene = Belongs::new();
    let mut hits: Vec<Vec<BTreeSet<&str>>> = Vec::new();
    for (at, intrusion) in truth.intrusions.iter().enumerate() {
        let mut of_hops = Vec::new();
        for planted in &intrusion.hops {
            score.hops.planted += 1;
            let method = score.by_method.entry(planted.method.clone()).or_default();
            let credentials = score
                .by_credentials
                .entry(planted.credentials.clone())
                .or_default();
            if planted.records.is_empty() {
                score.hops.without_record += 1;
                of_hops.push(BTreeSet::new());
                continue;
            }
            method.planted += 1;
            credentials.planted += 1;
            let mut own = BTreeSet::new();
            let mut actor = false;
            let mut best: Option<(Vec<&'static str>, &Seen<'_>)> = None;
            let time = seconds(Some(&planted.time));
            for one in &seen {
                let wrong = wrong(planted, one, &names);
                let ends = !wrong.contains(&"source") && !wrong.contains(&"destination");
                if wrong.is_empty() {
                    own.insert(one.hop.id.as_str());
                    actor |= acted(planted, one);
                    exact.entry(&one.hop.id).or_default().insert(at);
                } else if ends && one.within(time, SCENE) {
                    scene.entry(&one.hop.id).or_default().insert(at);
                }
                // Another time is no other telling of it.
                if best.as_ref().is_none_or(|(least, _)| {
                    let weight =
                        |wrong: &[&str]| wrong.len() + 2 * usize::from(wrong.contains(&"time"));
                    weight(&wrong) < weight(least)
                }) {
                    best = Some((wrong, one));
                }
            }
            if own.is_empty() {
                let (wrong, nearest) = best.map_or_else(
                    || (vec!["everything"], None),
                    |(wrong, one)| (wrong, Some(describe(one.hop))),
                );
                score.missed.push(Missed {
                    intrusion: intrusion.id.clone(),
                    hop: planted.clone(),
                    wrong,
                    nearest,
                });
            } else {
                score.hops.found += 1;
                score.actor.planted += usize::from(!planted.actor.is_empty());
                score.actor.found += usize::from(actor);
                method.found += 1;
                credentials.found += 1;
            }
            of_hops.push(own);
        }
        hits.push(of_hops);
    }
    let daily = Daily::new(truth);
    let mut kinds: BTreeMap<&str, String> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.asserted()) {
        score.hops.asserted += 1;
        if exact.contains_key(one.hop.id.as_str()) || scene.contains_key(one.hop.id.as_str()) {
            continue;
        }
        let kind = daily.kind(one);
        score.hops.false_ += 1;
        score.hops.daily_work += usize::from(kind != NOTHING);
        *score.false_hops_by_kind.entry(kind.clone()).or_default() += 1;
        kinds.insert(&one.hop.id, kind.clone());
        score.false_hops.push(FalseHop {
            id: one.hop.id.clone(),
            src: one.hop.src.clone(),
            dst: one.hop.dst.clone(),
            account: one.hop.used.clone(),
            techniques: one.hop.techniques.clone(),
            first: one.hop.first.clone(),
            confidence: one.hop.confidence,
            kind,
            what: one
                .hop
                .witnesses
                .iter()
                .map(|witness| witness.what.clone())
                .collect(),
        });
    }
    paths(
        &mut score,
        truth,
        case,
        &seen,
        &hits,
        (&exact, &scene),
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

/// Of a hop of the case, the intrusions that it belongs to.
type Belongs<'c> = BTreeMap<&'c str, BTreeSet<usize>>;

const NOTHING: &str = "nothing: nobody went there";

/// Daily remote access, by hosts.
struct Daily<'t> {
    by_ends: BTreeMap<(String, String), Vec<&'t enterprise::DailyAccess>>,
    names: Names<'t>,
}

impl<'t> Daily<'t> {
    fn new(truth: &'t Truth) -> Self {
        let mut by_ends: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for access in &truth.daily {
            by_ends
                .entry((short(&access.src), short(&access.dst)))
                .or_default()
                .push(access);
        }
        Self {
            by_ends,
            names: Names::new(truth),
        }
    }

    /// The daily work that a hop is.
    fn kind(&self, seen: &Seen<'_>) -> String {
        let mut kinds = BTreeSet::new();
        let mut others = false;
        let mut to = false;
        for ((src, dst), accesses) in &self.by_ends {
            if !self.names.is(dst, &seen.dst) {
                continue;
            }
            let known = !seen.src.is_empty();
            let from = self.names.is(src, &seen.src);
            for access in accesses {
                let same = seen.accounts.contains(&plain(&access.account));
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
        .filter(|one| one.asserted())
        .map(|one| one.hop.id.as_str())
        .collect();
    // As it is printed: paths with at least one hop that is asserted.
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
        // The path that has the most of it; of equal ones the first.
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

/// How many of them there are for each `per` of `whole`, to three places.
pub fn ratio(count: usize, whole: u64, per: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = count as f64 * per as f64 / whole.max(1) as f64;
    (share * 1000.0).round() / 1000.0
}

/// What the verdict asks of a reader.
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

/// The folders of a world's hosts.
fn folders(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries =
        std::fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries =
        entries.map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    let mut paths: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    Ok(paths)
}

/// Most memory that this process held since [`forget_peak`], bytes. Linux tells it; others do not.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Lets the system count the most memory anew; where it cannot, the count goes on.
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

/// A directory for a world that is not kept.
pub fn temporary() -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("crabwalk-lab-")
        .tempdir()
        .map_err(|error| Failure::new(format!("temporary directory: {error}")))
}

/// Makes an enterprise in a directory, hunts it, and compares.
pub fn make_and_hunt(
    options: &EnterpriseOptions,
    directory: &Path,
    quiet: bool,
) -> Result<Score, Failure> {
    worlds::may_use(directory)?;
    let truth =
        enterprise::build(options, directory).map_err(|error| Failure::new(error.to_string()))?;
    let content = Content::load(true, &[]);
    let logs = Logs::of(folders(directory)?);
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
    let mut score = score(&truth, &hunted.case);
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
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    };
    let path = directory.join("truth.json");
    let truth: Truth = serde_json::from_slice(&read(&path)?).map_err(|error| {
        Failure::new(format!(
            "{}: not the truth of an enterprise ({error}); make one with `crabwalk lab build DIR --hosts N`",
            path.display()
        ))
    })?;
    let case: Case = serde_json::from_slice(&read(case)?)
        .map_err(|error| Failure::new(format!("{}: not a case: {error}", case.display())))?;
    print(&[score(&truth, &case)], format, verbose)
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
        "of daily work",
        "recall",
        "actor right",
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

/// Of each world, how much is told and where the intruders stand among it.
fn verdicts(scores: &[Score]) -> (Vec<String>, Vec<Vec<String>>) {
    let headers = [
        "intrusions",
        "seed",
        "hosts",
        "days",
        "logons",
        "told/day",
        "told/1000 logons",
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
