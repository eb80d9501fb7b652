//! Builds the case document from the results of a hunt.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::channel::is_of_a_host;
use crabwalk_detect::{ContentProblem, Finding, Gap, Outcome, RiskObjectKind};
use crabwalk_events::{Assets, Catalog, CatalogError, EventRef};
use crabwalk_hunt::Conclusion;
use crabwalk_movement::{Movement, Skew};
use crabwalk_sources::collect::Coverage;
use crabwalk_sources::report::SourceReport;
use crabwalk_vocabulary::account::kind_of;
pub(crate) use crabwalk_vocabulary::time::text as time;
use crabwalk_vocabulary::{Severity, host_key, is_address};

use crate::attention::Attention;
use crate::document::*;
use crate::dossier::{Asked, Dossiers, Scope};
use crate::names::{self, Names};

/// What made the case.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// Name of the program.
    pub name: &'a str,
    /// Version of the program.
    pub version: &'a str,
}

/// The input for a case.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What made it.
    pub tool: Tool<'a>,
    /// When, in microseconds since 1970-01-01 UTC.
    pub created: i64,
    /// Duration in seconds.
    pub seconds: f64,
    /// What was read.
    pub sources: &'a [SourceReport],
    /// What was concluded.
    pub conclusion: &'a Conclusion,
    /// The events behind it.
    pub catalog: &'a dyn Catalog,
}

impl Case {
    /// Builds the document, with dossiers of the hosts and accounts on its reported paths and of those that are asked
    /// for. The same input gives the same document.
    ///
    /// # Errors
    /// If events cannot be read.
    pub fn new(input: &Input<'_>, asked: &Asked) -> Result<Self, CatalogError> {
        let mut case = Self::without_dossiers(input);
        case.add_dossiers(input.catalog, &input.conclusion.relations, asked)?;
        Ok(case)
    }

    fn without_dossiers(input: &Input<'_>) -> Self {
        let Conclusion {
            outcome, movement, ..
        } = input.conclusion;
        let mut hosts = known_hosts(outcome, movement);
        let risk = risk(&outcome.findings, &hosts);
        let accounts = known_accounts(outcome, movement, &risk, &mut hosts);
        let attention = attention(movement);
        let findings: Vec<FindingInfo> = outcome
            .findings
            .iter()
            .enumerate()
            .map(|(at, finding)| {
                let whole = attention.finding(&at, finding.is_notable(), finding.is_daily_work());
                finding_info(finding, whole, &hosts)
            })
            .collect();
        let mut case = Self {
            schema: SCHEMA.to_owned(),
            created: time(input.created).unwrap_or_default(),
            tool: ToolInfo {
                name: input.tool.name.to_owned(),
                version: input.tool.version.to_owned(),
            },
            sources: input.sources.iter().map(source).collect(),
            coverage: outcome.coverage.iter().map(covered).collect(),
            gaps: outcome.gaps.iter().map(gap).collect(),
            stats: stats(input, &findings, risk),
            hosts: hosts.finish(),
            accounts: accounts.finish(),
            findings,
            hops: Vec::new(),
            paths: Vec::new(),
            verdict: movement.verdict.clone(),
            skew: movement.skew.iter().map(skew).collect(),
            content_problems: outcome.problems.iter().map(problem).collect(),
            summary: Vec::new(),
            scope: Scope::default(),
            silenced: Vec::new(),
            dossiers: Dossiers::default(),
        };
        let names = Names::new(&case);
        let hops = hops(input, &findings_of(outcome), &attention, &names);
        let paths = movement
            .paths
            .iter()
            .map(|one| path(one, &movement.verdict, &names))
            .collect();
        (case.hops, case.paths) = (hops, paths);
        case.say_ways();
        case
    }

    /// Describes the route of each path: over the hops that happened, or over all if none did.
    pub(crate) fn say_ways(&mut self) {
        let names = Names::new(self);
        let by_id: BTreeMap<&str, &HopInfo> =
            self.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect();
        let ways: Vec<String> = self
            .paths
            .iter()
            .map(|path| {
                let all = || {
                    path.hops
                        .iter()
                        .filter_map(|id| by_id.get(id.as_str()).copied())
                };
                let mut hops: Vec<&HopInfo> = all()
                    .filter(|hop| hop.standing.happened())
                    // For a reported path only its reported part: daily work attached to it is not the intruder's
                    // route.
                    .filter(|hop| self.is_reported(path, hop))
                    .collect();
                if hops.is_empty() {
                    hops = all().collect();
                }
                crate::way::way(&names, &hops, &path.links)
            })
            .collect();
        for (path, way) in self.paths.iter_mut().zip(ways) {
            path.way = way;
        }
    }
}

/// The machines of coverage, findings and movement, with what they are known to be.
fn known_hosts<'a>(outcome: &'a Outcome, movement: &'a Movement) -> Hosts<'a> {
    let mut hosts = Hosts::new(&outcome.knowledge.assets, movement);
    for covered in &outcome.coverage {
        if is_of_a_host(&covered.channel) {
            hosts.add(&covered.host);
        }
    }
    for finding in &outcome.findings {
        for event in &finding.events {
            if is_of_a_host(&event.channel) {
                hosts.add(&event.host);
            }
        }
        for name in finding.hosts() {
            hosts.add(&name);
        }
        for name in ["src", "dest", "src_ip", "dest_ip"]
            .iter()
            .flat_map(|name| finding.values(name))
        {
            hosts.add(name);
        }
    }
    for (event_type, writers) in &outcome.hosts_by_type {
        let kerberos = ["security/4768", "security/4769"];
        if kerberos.contains(&event_type.to_lowercase().as_str()) {
            writers
                .iter()
                .for_each(|host| hosts.set_role(host, "domain-controller"));
        }
    }
    hosts
}

/// The accounts of movement and of risk; risk of a machine goes to the host.
fn known_accounts(
    outcome: &Outcome,
    movement: &Movement,
    risk: &[RiskInfo],
    hosts: &mut Hosts<'_>,
) -> Accounts {
    let mut accounts = Accounts::new(movement);
    for one in risk {
        match one.kind {
            RiskObjectKind::User => accounts.add(&one.value, one.score),
            RiskObjectKind::System => hosts.add_risk(&one.value, one.score),
            RiskObjectKind::Other => {}
        }
    }
    for object in outcome
        .findings
        .iter()
        .flat_map(|finding| &finding.risk_objects)
    {
        if object.kind == RiskObjectKind::User {
            accounts.add(&object.value, 0);
        }
    }
    accounts
}

fn covered(covered: &Coverage) -> Covered {
    Covered {
        host: covered.host.clone(),
        channel: covered.channel.clone(),
        first: time(covered.first),
        last: time(covered.last),
        records: covered.records,
        cleared: covered.cleared.iter().filter_map(|at| time(*at)).collect(),
    }
}

fn gap(gap: &Gap) -> GapInfo {
    GapInfo {
        message: gap.text(),
        missing: gap.missing.clone(),
        hosts: gap.hosts.clone(),
        detections: gap.detections.clone(),
        advice: gap.advice.clone(),
    }
}

fn skew(skew: &Skew) -> SkewInfo {
    SkewInfo {
        src: skew.src.clone(),
        dst: skew.dst.clone(),
        #[expect(
            clippy::cast_precision_loss,
            reason = "differences of clocks are far below 2^53 microseconds"
        )]
        seconds: skew.median as f64 / 1e6,
        connections: skew.connections as u64,
    }
}

fn problem(problem: &ContentProblem) -> ContentProblemInfo {
    ContentProblemInfo {
        path: problem.path.clone(),
        line: problem.line,
        message: problem.message.clone(),
        fatal: problem.fatal,
    }
}

fn findings_of(outcome: &Outcome) -> Vec<String> {
    outcome
        .findings
        .iter()
        .map(|finding| finding.id.clone())
        .collect()
}

fn attention(movement: &Movement) -> Attention<'_, usize> {
    let verdict = &movement.verdict;
    let paths = movement.paths.iter();
    Attention::new(
        verdict.is_compared(),
        paths
            .filter(|path| verdict.told.contains(&path.id))
            .flat_map(|path| path.hops.iter().map(String::as_str)),
        (movement.hops.iter()).map(|hop| (hop.id.as_str(), hop.findings.iter().copied())),
    )
}

/// What was seen of a hop: everything, or one witness of each kind with one event.
fn witnesses(
    catalog: &dyn Catalog,
    hop: &crabwalk_movement::Hop,
    whole: bool,
    names: &Names<'_>,
) -> Vec<WitnessInfo> {
    let all = hop.witnesses.iter().enumerate();
    let listed = all.filter(|(at, one)| {
        let mut before = hop.witnesses.iter().take(*at);
        whole || before.all(|other| other.kind != one.kind)
    });
    listed
        .map(|(_, witness)| {
            let events = if whole {
                witness.events.len()
            } else {
                let own = hop.witnesses.iter().filter(|one| one.kind == witness.kind);
                own.flat_map(|one| &one.events)
                    .collect::<BTreeSet<_>>()
                    .len()
            };
            let most = if whole { usize::MAX } else { 1 };
            WitnessInfo {
                kind: witness.kind,
                what: names.sentence(&witness.what),
                time: time(witness.time),
                more: Some(events.saturating_sub(most.min(events)) as u64).filter(|more| *more > 0),
                events: (witness.events.iter().take(most))
                    .filter_map(|event| catalog.resolve(*event))
                    .map(|event| reference(&event))
                    .collect(),
            }
        })
        .collect()
}

fn hops(
    input: &Input<'_>,
    finding_ids: &[String],
    attention: &Attention<'_, usize>,
    names: &Names<'_>,
) -> Vec<HopInfo> {
    let catalog = input.catalog;
    let movement = &input.conclusion.movement;
    movement
        .hops
        .iter()
        .map(|hop| (hop, attention.hop(&hop.id, hop.standing())))
        .map(|(hop, whole)| HopInfo {
            id: hop.id.clone(),
            src: hop.src.clone(),
            dst: hop.dst.clone(),
            actor: hop.actor.clone(),
            actor_inferred: hop.actor_inferred.clone(),
            used: hop.used.clone(),
            effective: hop.effective.clone(),
            techniques: hop.techniques.clone(),
            first: time(hop.first),
            last: time(hop.last),
            confidence: hop.confidence,
            attempted: hop.attempted,
            usual: hop.usual,
            standing: hop.standing(),
            happened: hop.standing().happened(),
            account: hop.account().map(str::to_owned),
            follows: hop.follows.clone(),
            switches: hop
                .switches
                .iter()
                .map(|one| SwitchInfo {
                    from: one.from.clone(),
                    to: one.to.clone(),
                    at: one.at,
                })
                .collect(),
            witnesses: witnesses(catalog, hop, whole, names),
            missing: hop
                .missing
                .iter()
                .map(|missing| MissingInfo {
                    kind: missing.kind,
                    why: names.sentence(&missing.why),
                })
                .collect(),
            processes: hop
                .processes
                .iter()
                .filter(|ran| ran.depth == 0 || whole)
                .map(|ran| RanInfo {
                    time: time(ran.time),
                    image: ran.image.clone(),
                    command_line: ran.command.clone(),
                    account: ran.account.clone(),
                    depth: ran.depth as u64,
                    events: catalog.resolve(ran.event).iter().map(reference).collect(),
                })
                .collect(),
            findings: hop
                .findings
                .iter()
                .filter_map(|at| finding_ids.get(*at).cloned())
                .collect(),
        })
        .collect()
}

fn path(
    path: &crabwalk_movement::Path,
    verdict: &crabwalk_movement::Verdict,
    names: &Names<'_>,
) -> PathInfo {
    PathInfo {
        told: verdict.told.contains(&path.id),
        rank: path
            .rank
            .iter()
            .map(|term| TermInfo {
                what: names.sentence(&term.what),
                probability: (term.probability * 1e4).round() / 1e4,
            })
            .collect(),
        way: String::new(),
        id: path.id.clone(),
        score: path.score,
        why: path.why.clone(),
        hops: path.hops.clone(),
        links: path
            .links
            .iter()
            .map(|link| LinkInfo {
                from: link.from.clone(),
                to: link.to.clone(),
                kind: link.kind,
                certainty: link.certainty,
            })
            .collect(),
    }
}

fn source(report: &SourceReport) -> Source {
    Source {
        id: report.id,
        path: report.path.clone(),
        kind: report.kind.name().to_owned(),
        bytes: report.bytes,
        records: report.records,
        skipped: report.skipped,
        problems: report
            .problems
            .iter()
            .map(|problem| SourceProblem {
                offset: problem.offset,
                record: problem.record,
                message: problem.message.clone(),
                loss: problem.loss,
            })
            .collect(),
        more_problems: report.more_problems,
    }
}

pub(crate) fn reference(event: &EventRef) -> Reference {
    Reference {
        source: event.source,
        record: event.record,
        time: time(event.time),
        channel: event.channel.clone(),
        event_id: event.event_id,
        host: event.host.clone(),
    }
}

/// Events that a case lists of a finding in short, from its beginning and from its end.
const FEW_EVENTS: usize = 2;

/// Values of a field of such a finding.
const FEW_VALUES: usize = 20;

/// The events of a finding that a case lists: all, or the first and the last.
fn listed(finding: &Finding, whole: bool) -> impl Iterator<Item = &EventRef> {
    let count = finding.events.len();
    let places = finding.events.iter().enumerate();
    places
        .filter(move |(at, _)| whole || *at < FEW_EVENTS || *at + FEW_EVENTS >= count)
        .map(|(_, event)| event)
}

fn finding_info(finding: &Finding, whole: bool, hosts: &Hosts<'_>) -> FindingInfo {
    let detection = &finding.detection;
    let mut fields = serde_json::Map::new();
    for (name, values) in &finding.fields {
        let value = match values.as_slice() {
            [] => serde_json::Value::Null,
            [one] => one.as_str().into(),
            many if !whole && many.len() > FEW_VALUES => {
                let mut few: Vec<String> = many.iter().take(FEW_VALUES).cloned().collect();
                few.push(format!("… and {} more", many.len() - FEW_VALUES));
                few.into()
            }
            many => many.to_vec().into(),
        };
        fields.insert(name.clone(), value);
    }
    let mut about: Vec<String> = Vec::new();
    for host in finding.hosts() {
        if let Some(id) = hosts.id(&host)
            && !about.contains(&id)
        {
            about.push(id);
        }
    }
    FindingInfo {
        id: finding.id.clone(),
        detection: detection.name.clone(),
        detection_id: detection.id.clone(),
        kind: detection.kind,
        severity: finding.severity(),
        risk_score: detection.risk_score,
        techniques: detection.techniques.clone(),
        story: detection.stories.clone(),
        first: finding.first.and_then(time),
        last: finding.last.and_then(time),
        message: finding.message.clone(),
        notable: finding.is_notable(),
        everyday: finding.everyday.clone(),
        suppressed: finding.suppressed.as_ref().map(|one| SuppressedInfo {
            by: one.by.to_string(),
            reason: one.reason.clone(),
            until: one.until.clone(),
            exception: one.exception.clone(),
        }),
        risk_objects: finding
            .risk_objects
            .iter()
            .map(|object| RiskObjectInfo {
                kind: object.kind,
                value: object.value.clone(),
                score: object.score,
                calculated_score: object.calculated,
            })
            .collect(),
        threat_objects: finding
            .threat_objects
            .iter()
            .map(|object| ThreatObjectInfo {
                kind: object.kind.clone(),
                value: object.value.clone(),
            })
            .collect(),
        hosts: about,
        fields,
        events: listed(finding, whole).map(reference).collect(),
        event_count: finding.event_count,
        count: finding.count,
        description: detection.description.clone(),
        known_false_positives: detection.known_false_positives.clone(),
        references: detection.references.clone(),
    }
}

/// Sums the risk from findings, by object. Names of machines and accounts are compared case-insensitively, and those of
/// machines without their domain; an address that assets give a name is that machine.
fn risk(findings: &[Finding], hosts: &Hosts<'_>) -> Vec<RiskInfo> {
    #[derive(Default)]
    struct Sum {
        value: String,
        score: u64,
        findings: u64,
        detections: BTreeSet<String>,
    }
    let mut sums: BTreeMap<(RiskObjectKind, String), Sum> = BTreeMap::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.detection.kind.adds_risk() && finding.suppressed.is_none())
    {
        for object in &finding.risk_objects {
            let key = match object.kind {
                RiskObjectKind::System => hosts
                    .key(&object.value)
                    .unwrap_or_else(|| host_key(&object.value)),
                RiskObjectKind::User => object.value.to_lowercase(),
                RiskObjectKind::Other => object.value.clone(),
            };
            let sum = sums.entry((object.kind, key)).or_default();
            if sum.value.is_empty() {
                sum.value.clone_from(&object.value);
            }
            sum.score += u64::from(object.calculated);
            sum.findings += 1;
            sum.detections.insert(finding.detection.id.clone());
        }
    }
    let mut all: Vec<RiskInfo> = sums
        .into_iter()
        .map(|((kind, _), sum)| RiskInfo {
            kind,
            value: sum.value,
            score: sum.score,
            findings: sum.findings,
            detections: sum.detections.len() as u64,
        })
        .collect();
    all.sort_by(|a, b| (b.score, a.kind.name(), &a.value).cmp(&(a.score, b.kind.name(), &b.value)));
    all
}

fn stats(input: &Input<'_>, findings: &[FindingInfo], risk: Vec<RiskInfo>) -> Stats {
    let mut findings_by_severity: BTreeMap<String, u64> = Severity::ALL
        .iter()
        .map(|severity| (severity.name().to_owned(), 0))
        .collect();
    let mut findings_by_detection = BTreeMap::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.suppressed.is_none())
    {
        *findings_by_severity
            .entry(finding.severity.name().to_owned())
            .or_default() += 1;
        *findings_by_detection
            .entry(finding.detection.clone())
            .or_default() += 1;
    }
    let covered = || {
        input
            .conclusion
            .outcome
            .coverage
            .iter()
            .filter(|covered| covered.records > 0)
    };
    Stats {
        events: input.conclusion.outcome.events,
        bytes: input.sources.iter().map(|source| source.bytes).sum(),
        seconds: (input.seconds * 1e6).round() / 1e6,
        sources: input.sources.len() as u64,
        sources_damaged: input
            .sources
            .iter()
            .filter(|source| source.is_lossy())
            .count() as u64,
        skipped: input.sources.iter().map(|source| source.skipped).sum(),
        duplicates: input.conclusion.outcome.duplicates,
        detections: input.conclusion.outcome.detections as u64,
        findings: findings
            .iter()
            .filter(|finding| finding.suppressed.is_none())
            .count() as u64,
        suppressed: findings
            .iter()
            .filter(|finding| finding.suppressed.is_some())
            .count() as u64,
        notables: findings.iter().filter(|finding| finding.notable).count() as u64,
        usual_movements_left_out: input.conclusion.movement.left_out as u64,
        findings_by_severity,
        findings_by_detection,
        risk,
        first: covered().map(|covered| covered.first).min().and_then(time),
        last: covered().map(|covered| covered.last).max().and_then(time),
    }
}

/// Machines by name, with their asset data.
struct Hosts<'a> {
    assets: &'a Assets,
    all: BTreeMap<String, Host>,
    /// Which machine had an address, if only one had it.
    by_ip: BTreeMap<&'a str, &'a str>,
}

impl<'a> Hosts<'a> {
    fn new(assets: &'a Assets, movement: &'a Movement) -> Self {
        let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for host in &movement.hosts {
            for ip in &host.ips {
                owners.entry(ip).or_default().insert(&host.id);
            }
        }
        let mut hosts = Self {
            assets,
            all: BTreeMap::new(),
            by_ip: owners
                .into_iter()
                .filter(|(_, hosts)| hosts.len() == 1)
                .filter_map(|(ip, hosts)| Some((ip, hosts.into_iter().next()?)))
                .collect(),
        };
        for host in &movement.hosts {
            hosts.add_known(host);
        }
        hosts
    }

    fn add_known(&mut self, known: &crabwalk_movement::HostInfo) {
        let mut host = Host {
            id: known.id.clone(),
            name: String::new(),
            names: known.names.clone(),
            ips: known.ips.clone(),
            category: Vec::new(),
            priority: None,
            role: known
                .domain_controller
                .then(|| "domain-controller".to_owned()),
            risk: 0,
        };
        let row = known
            .names
            .iter()
            .chain([&known.id])
            .find_map(|name| self.assets.assets.find(name));
        if let Some(row) = row {
            let column = |name: &str| row.get(name).cloned().unwrap_or_default();
            if column("ip").iter().all(|ip| is_address(ip)) {
                host.names.extend(column("nt_host"));
                host.names.extend(column("dns"));
                host.ips.extend(column("ip"));
            }
            host.category = column("category");
            host.priority = column("priority").into_iter().next();
        }
        self.all.insert(known.id.clone(), host);
    }

    /// The key of a machine: its short name; an address that assets give a name is that machine.
    fn key(&self, name: &str) -> Option<String> {
        let name = name.trim();
        let name = name.strip_prefix("::ffff:").unwrap_or(name);
        if matches!(
            name.to_lowercase().as_str(),
            "" | "-" | "null" | "unknown" | "local" | "localhost"
        ) || name.contains(char::is_whitespace)
            || name.parse().is_ok_and(|ip: std::net::IpAddr| {
                // All of 127.0.0.0/8 is the machine itself.
                ip.to_canonical().is_loopback() || ip.is_unspecified()
            })
        {
            // No machine has this name: searches put their own words into missing fields.
            return None;
        }
        if is_address(name)
            && let Some(row) = self.assets.assets.find(name)
            && let Some(own) = ["nt_host", "dns"].iter().find_map(|column| row.get(*column)?.first())
            // A network's row does not identify a machine.
            && row.get("ip").is_some_and(|ips| ips.iter().any(|ip| ip.eq_ignore_ascii_case(name)))
        {
            return Some(host_key(own));
        }
        if let Some(host) = self.by_ip.get(name) {
            return Some((*host).to_owned());
        }
        Some(host_key(name))
    }

    fn add(&mut self, name: &str) {
        let Some(key) = self.key(name) else {
            return;
        };
        let assets = self.assets;
        let host = self.all.entry(key.clone()).or_insert_with(|| {
            let mut host = Host {
                id: key,
                name: String::new(),
                names: Vec::new(),
                ips: Vec::new(),
                category: Vec::new(),
                priority: None,
                role: None,
                risk: 0,
            };
            if let Some(row) = assets.assets.find(name) {
                let column = |name: &str| row.get(name).cloned().unwrap_or_default();
                let single = column("ip").iter().all(|ip| is_address(ip));
                if single {
                    host.names.extend(column("nt_host"));
                    host.names.extend(column("dns"));
                    host.ips.extend(column("ip"));
                }
                host.category = column("category");
                host.priority = column("priority").into_iter().next();
            }
            host
        });
        let name = name.trim();
        let name = name.strip_prefix("::ffff:").unwrap_or(name);
        let list = if is_address(name) {
            &mut host.ips
        } else {
            &mut host.names
        };
        if !list.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            list.push(name.to_owned());
        }
    }

    fn id(&self, name: &str) -> Option<String> {
        let key = self.key(name)?;
        self.all.contains_key(&key).then_some(key)
    }

    fn set_role(&mut self, name: &str, role: &str) {
        self.add(name);
        if let Some(key) = self.key(name)
            && let Some(host) = self.all.get_mut(&key)
        {
            host.role = Some(role.to_owned());
        }
    }

    fn add_risk(&mut self, name: &str, score: u64) {
        self.add(name);
        if let Some(key) = self.key(name)
            && let Some(host) = self.all.get_mut(&key)
        {
            host.risk += score;
        }
    }

    fn finish(self) -> Vec<Host> {
        let mut all: Vec<Host> = self.all.into_values().collect();
        for host in &mut all {
            host.names.sort();
            host.names.dedup();
            host.ips.sort();
            host.ips.dedup();
            host.name = names::of_host(&host.id, &host.names, &host.ips);
        }
        all
    }
}

#[derive(Default)]
struct Accounts {
    all: BTreeMap<String, Account>,
    /// Ids of accounts that take part in movements, by names and SIDs in lower case.
    known: BTreeMap<String, String>,
}

impl Accounts {
    fn new(movement: &Movement) -> Self {
        let mut accounts = Self::default();
        for account in &movement.accounts {
            let names = account.names.iter().chain(&account.sid);
            for name in names {
                accounts
                    .known
                    .insert(name.to_lowercase(), account.id.clone());
            }
            accounts.all.insert(
                account.id.clone(),
                Account {
                    id: account.id.clone(),
                    name: String::new(),
                    names: account.names.clone(),
                    sid: account.sid.clone(),
                    kind: account.role,
                    risk: 0,
                },
            );
        }
        // Findings often name accounts without a domain.
        let mut bare: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for account in &movement.accounts {
            for name in &account.names {
                let plain = name.rsplit('\\').next().unwrap_or(name);
                bare.entry(plain.to_lowercase())
                    .or_default()
                    .insert(&account.id);
            }
        }
        for (plain, ids) in bare {
            if let (1, Some(id)) = (ids.len(), ids.first()) {
                accounts
                    .known
                    .entry(plain)
                    .or_insert_with(|| (*id).to_owned());
            }
        }
        accounts
    }

    fn add(&mut self, name: &str, risk: u64) {
        let id = name.trim().to_lowercase();
        let id = self.known.get(&id).cloned().unwrap_or(id);
        if matches!(id.as_str(), "" | "-" | "null" | "unknown") {
            return;
        }
        let sid = id.starts_with("s-1-").then(|| name.trim().to_uppercase());
        let plain = id.rsplit('\\').next().unwrap_or(&id);
        let kind = kind_of(plain, sid.as_deref().unwrap_or_default());
        let account = self.all.entry(id.clone()).or_insert_with(|| Account {
            id,
            name: String::new(),
            names: Vec::new(),
            sid,
            kind: kind.into(),
            risk: 0,
        });
        account.risk += risk;
        if account.sid.is_none() && !account.names.iter().any(|own| own == name) {
            account.names.push(name.to_owned());
        }
    }

    fn finish(self) -> Vec<Account> {
        let mut all: Vec<Account> = self.all.into_values().collect();
        for account in &mut all {
            account.names.sort();
            account.name = names::of_account(&account.id, &account.names, account.sid.as_deref());
        }
        all
    }
}
