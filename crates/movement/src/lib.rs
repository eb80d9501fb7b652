//! Lateral movement: who moved from which host to which, with whose account, how, and on what evidence.
//!
//! # Witnesses, not alerts
//!
//! A movement leaves traces on its source, twice on its destination (the logon, and what then runs), on a domain
//! controller and on the wire. Each is a witness that the intruder would have to silence separately. So a technique
//! does not decide anything: it contributes evidence, and evidence that agrees by key (accounts, logon ids, ports,
//! times by a common clock) becomes one [`Hop`]. Observations of one class count once, however many records report
//! them, so a chatty log proves no more than a quiet one; a witness that should exist but does not is listed, with the
//! reason.
//!
//! Proof that somebody moved does not make them an intruder. Administrators do it all day: what an account does on
//! other days, in the same way or to the same host, is daily work and starts no path, and a path is reported only if
//! evidence of an attack leads to it or if it is unlike everything else in these logs.
//!
//! [`demand`] lists what must be decoded, and [`analyse`] reads it: identities ([`HostInfo`], [`AccountInfo`]),
//! sessions, hops and paths ([`Path`]). The order of files and records does not matter.
//!
//! ```
//! use crabwalk_events::Assets;
//! use crabwalk_movement::{Budget, analyse};
//! use crabwalk_testing::{Event, Events};
//!
//! let service = Event::new("System/7045")
//!     .host("SRV1")
//!     .at(1_767_607_200_000_000)
//!     .with("ServiceName", "PSEXESVC")
//!     .with("ImagePath", r"%SystemRoot%\PSEXESVC.exe");
//! let catalog = Events::from(vec![service]).catalog();
//! let (movement, _) = analyse(&catalog, &[], &Assets::default(), Budget::default())?;
//! // One witness is enough to say that somebody came.
//! assert!(movement.hops.iter().any(|hop| hop.dst == "srv1"));
//! # Ok::<(), crabwalk_events::CatalogError>(())
//! ```

mod actor;
mod agreement;
mod assemble;
mod attach;
mod causes;
mod collect;
mod command;
mod evidence;
mod family;
mod files;
mod history;
mod incident;
mod link;
mod missing;
mod naming;
mod origin;
mod path;
mod pipes;
mod programs;
mod rank;
mod roles;
mod roots;
mod signs;
mod techniques;
mod used;
mod verdict;
mod words;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use assemble::Draft;
pub use assemble::Witness;
pub use attach::Found;
use crabwalk_activity::clocks::{self, Clocks};
use crabwalk_activity::{AccountId, Ends, Log, Relations, Tables};
pub use crabwalk_activity::{Skew, demand};
use crabwalk_events::assets::Assets;
use crabwalk_events::{Catalog, CatalogError};
pub use crabwalk_vocabulary::{AccountRole, Standing};
use evidence::Evidence;
pub use evidence::Kind;
pub use link::LinkKind;
pub use missing::Missing;
use naming::Naming;
pub use rank::Term;
pub use techniques::{is_way, same_way};
pub use verdict::blind::{Blind, Lack, Request, Showing};
pub use verdict::exposed::Exposed;
pub use verdict::follows::{Switch, SwitchedAt};
pub use verdict::scope::{Arrival, Certainty, Entry, Part, Scope, Taken, Touched};
pub use verdict::{Budget, Suspect, Verdict};
pub use words::{Sentence, Word};
use world::World;

/// A machine with all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// Short name in lower case; an address if no name is known.
    pub id: String,
    /// Its names in events.
    pub names: Vec<String>,
    /// Every address the host had, IPv4 and IPv6.
    pub ips: Vec<String>,
    /// Whether its events show it to be a domain controller.
    pub domain_controller: bool,
}

/// An account with all its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// `domain\name` in lower case, the name alone, or a SID.
    pub id: String,
    /// Its names in events.
    pub names: Vec<String>,
    /// Its SID, if any event had it.
    pub sid: Option<String>,
    /// The part that it plays.
    pub role: AccountRole,
}

/// A program that ran because of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Path of the program.
    pub image: String,
    /// Its command line; empty if it was not logged.
    pub command: String,
    /// Id of the account that ran it.
    pub account: Option<String>,
    /// Distance from the program that the movement itself started, which has 0.
    pub depth: usize,
    /// Reference of its event ([`Catalog::resolve`]).
    pub event: u64,
}

/// Somebody got from one host to another: who, when, how, and the evidence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hop {
    /// Identifier in this run.
    pub id: String,
    /// Id of the source host; `None` if unknown.
    pub src: Option<String>,
    /// Id of the destination host.
    pub dst: String,
    /// Who acted on the source.
    pub actor: Option<String>,
    /// Why the actor is taken to be that account, if no event on the source names it.
    pub actor_inferred: Option<String>,
    /// Who logged on to the destination.
    pub used: Option<String>,
    /// The account that ran the payload.
    pub effective: Option<String>,
    /// ATT&CK technique ids, most certain first.
    pub techniques: Vec<String>,
    /// Microseconds since 1970-01-01 UTC.
    pub first: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub last: i64,
    /// 0 to 1.
    pub confidence: f64,
    /// Whether it was only attempted.
    pub attempted: bool,
    /// Whether its account does the same on other days, in the same way or to the same host.
    pub usual: bool,
    /// What was seen.
    pub witnesses: Vec<Witness>,
    /// The missing kinds of witnesses, and why they are missing.
    pub missing: Vec<Missing>,
    /// What it ran on the destination, and everything that resulted, by time. At most [`MOST_PROCESSES`].
    pub processes: Vec<Ran>,
    /// Findings about it, as indexes into the input.
    pub findings: Vec<usize>,
    /// Id of the hop that it follows on its path.
    pub follows: Option<String>,
    /// Where its account changes.
    pub switches: Vec<Switch>,
}

impl Hop {
    /// The account by which it is known: the one that logged on, or else the payload's, or else the actor.
    pub fn account(&self) -> Option<&str> {
        [&self.used, &self.effective, &self.actor]
            .into_iter()
            .find_map(Option::as_deref)
    }

    /// What it is taken for.
    pub fn standing(&self) -> Standing {
        Standing::of(self.confidence, self.attempted, self.usual)
    }
}

/// Why one hop of a path follows from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Id of the first hop.
    pub from: String,
    /// Id of the second hop.
    pub to: String,
    /// What joins them.
    pub kind: LinkKind,
    /// 0 to 1.
    pub certainty: f64,
}

/// Hops that follow from each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Identifier in this run.
    pub id: String,
    /// Higher scores deserve attention first.
    pub score: f64,
    /// The components of the score, in words.
    pub why: Vec<String>,
    /// Ids of its hops, by time.
    pub hops: Vec<String>,
    /// What joins them.
    pub links: Vec<Link>,
    /// How often daily work does the same, rarest first; empty if there are too few days to compare.
    pub rank: Vec<Term>,
}

/// Maximum number of a hop's programs to report.
pub const MOST_PROCESSES: usize = 256;

/// Everything known about movement.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Movement {
    /// Machines that wrote events or take part in hops.
    pub hosts: Vec<HostInfo>,
    /// Accounts that take part in hops, or whose credentials the intruder could take.
    pub accounts: Vec<AccountInfo>,
    /// Movements by time.
    pub hops: Vec<Hop>,
    /// Paths, highest-ranked first.
    pub paths: Vec<Path>,
    /// Clock differences between pairs of hosts.
    pub skew: Vec<Skew>,
    /// Number of possible movements dropped because their accounts make such movements on other days too.
    pub left_out: usize,
    /// What is concluded.
    pub verdict: Verdict,
}

/// Finds movements in what was read for [`demand`]. A hop names those of the `findings` that belong to it. `assets` say
/// which hosts and accounts matter most, and the `budget` limits the reported paths. The [`Relations`] say how the events
/// of the same reading hang together.
///
/// # Errors
/// If events cannot be read.
pub fn analyse(
    catalog: &dyn Catalog,
    findings: &[Found<'_>],
    assets: &Assets,
    budget: Budget,
) -> Result<(Movement, Relations), CatalogError> {
    let detected = Detected {
        findings: findings.to_vec(),
        assets,
    };
    let found = analyse_beside(catalog, || Some(detected), budget)?;
    Ok(found.unwrap_or_default())
}

/// What detections found, and which hosts and accounts matter most.
#[derive(Debug)]
pub struct Detected<'f> {
    /// What may belong to a hop.
    pub findings: Vec<Found<'f>>,
    /// Machines and accounts with their priorities.
    pub assets: &'f Assets,
}

/// As [`analyse`], beside the detections: movements are assembled from the events alone, which takes most of the time,
/// and only then it asks for what was `detected`. `None` if there was no answer, because the detections failed.
///
/// # Errors
/// If events cannot be read.
pub fn analyse_beside<'f>(
    catalog: &dyn Catalog,
    detected: impl FnOnce() -> Option<Detected<'f>>,
    budget: Budget,
) -> Result<Option<(Movement, Relations)>, CatalogError> {
    let tables = Tables::read(catalog)?;
    let as_logged = Clocks::new();
    let ends = Ends::read(Log::new(&tables, &as_logged));
    let (skew, clocks) = clocks::estimate(&ends);
    let ends = if clocks.is_empty() {
        ends
    } else {
        drop(ends);
        Ends::read(Log::new(&tables, &clocks))
    };
    let mut world = World::new(ends.complete());
    let evidence = collect::collect(&mut world);
    let canonical = world.accounts.canonical();
    let (mut drafts, left_out) = drafts(&mut world, evidence, &canonical);
    let usual: Vec<bool> = drafts
        .iter()
        .map(|hop| path::is_usual(&world, hop))
        .collect();
    let witnesses: Vec<Vec<Witness>> = drafts.iter().map(assemble::witnesses).collect();
    let Some(Detected { findings, assets }) = detected() else {
        return Ok(None);
    };
    let findings = findings.as_slice();
    let found = attach::attach(&world, &drafts, &witnesses, findings);
    let mut links = path::links(&world, &mut drafts, &usual);
    let baseline = rank::Baseline::new(&world, &drafts, findings, &found, &canonical);
    let surprises = baseline
        .as_ref()
        .map(|days| rank::surprises(days, &world, &drafts, findings, &found, &usual));
    let odd = incident::odd(drafts.len(), &usual, surprises.as_deref());
    roots::add(&world, &drafts, &usual, &odd, &mut links);
    let routes = path::routes(
        &world,
        &drafts,
        &links,
        &found,
        &usual,
        &path::Worth::new(&world, assets),
        surprises.as_deref(),
    );
    let services = world.service_accounts(&canonical);
    let system = world.accounts.of_text(command::SYSTEM);
    let inferred = actor::infer(
        &world,
        &drafts,
        &actor::Known {
            usual: &usual,
            odd: &odd,
            canonical: &canonical,
            services: &services,
            system,
        },
    );
    let explain = missing::Explain::new(&mut world);
    let naming = Naming {
        world: &world,
        canonical: &canonical,
        services: &services,
    };
    let mut hops: Vec<Hop> = drafts
        .iter()
        .zip(witnesses)
        .zip(found)
        .enumerate()
        .map(|(at, ((draft, witnesses), findings))| Hop {
            usual: usual.get(at).copied().unwrap_or(false),
            missing: explain.missing(&world, draft, &witnesses),
            witnesses,
            findings,
            ..naming.hop(at, draft)
        })
        .collect();
    let paths = naming::paths(routes);
    let hosts = naming.hosts(&drafts);
    let mut accounts = naming::accounts_of(&drafts, &inferred);
    let roles: BTreeMap<String, AccountRole> = accounts
        .iter()
        .filter_map(|id| Some((naming.account(*id)?, naming.role(*id))))
        .collect();
    let surprising: Option<BTreeMap<String, f64>> = surprises.map(|all| {
        all.iter()
            .enumerate()
            .map(|(at, one)| (naming::hop_id(at), one.score))
            .collect()
    });
    let mut verdict = verdict::Drawn {
        hops: &hops,
        paths: &paths,
        findings,
        people: &people(&roles),
        baseline: baseline
            .as_ref()
            .map(rank::Baseline::compared)
            .zip(surprising.as_ref()),
        hosts: hosts.len(),
        budget,
    }
    .verdict();
    // After the verdict, which rests on what events say.
    for (hop, one) in hops.iter_mut().zip(&inferred) {
        if let Some(one) = one {
            hop.actor = naming.account(one.account);
            hop.actor_inferred = hop.actor.is_some().then(|| one.why.clone());
        }
    }
    verdict::follows::follow(&mut hops, &paths);
    let first = paths
        .iter()
        .find(|path| verdict.told.first() == Some(&path.id))
        .map_or(&[][..], |path| &path.hops);
    let mut scope = verdict::scope::scope(&verdict, &hops, first, |id| roles.get(id).copied());
    let seen = verdict::exposed::Seen {
        world: &world,
        drafts: &drafts,
        hops: &hops,
        canonical: &canonical,
    };
    accounts.extend(seen.add(&verdict, &mut scope, |id| naming.role(id)));
    (scope.blind, scope.collect) = verdict::blind::blind(&world, &scope.hosts);
    verdict.scope = scope;
    let movement = Movement {
        verdict,
        hosts,
        accounts: naming.accounts(&accounts),
        hops,
        paths,
        skew,
        left_out,
    };
    Ok(Some((movement, Relations::from(world.into_activity()))))
}

/// Movements as evidence assembles them, and how many were left out: daily work that is not even certain to be a
/// movement is counted, not reported.
fn drafts(
    world: &mut World<'_>,
    evidence: Vec<Evidence>,
    canonical: &[AccountId],
) -> (Vec<Draft>, usize) {
    let mut drafts = assemble::drafts(world, evidence, canonical);
    origin::credentials(world, &mut drafts, canonical);
    assemble::weigh(world, &mut drafts);
    let World {
        history, activity, ..
    } = world;
    history.add(
        drafts.iter().filter_map(Draft::moved),
        &activity.sessions,
        canonical,
    );
    let before = drafts.len();
    drafts.retain(|hop| {
        crabwalk_vocabulary::is_asserted(hop.confidence) || !path::is_usual(world, hop)
    });
    let left_out = world.left_out + before - drafts.len();
    (drafts, left_out)
}

/// Ids of accounts of people.
fn people(roles: &BTreeMap<String, AccountRole>) -> BTreeSet<String> {
    roles
        .iter()
        .filter(|(_, role)| **role == AccountRole::User)
        .map(|(id, _)| id.clone())
        .collect()
}
