//! What the intruder touched: hosts and accounts, how certainly, and where it began.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::blind::{Blind, Request};
use super::exposed::Exposed;
use crate::{AccountRole, Hop};

/// How certain it is that the intruder was on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Treat it as compromised.
    Certain,
    /// Probably.
    Likely,
    /// It cannot be ruled out.
    Possible,
}

impl Certainty {
    /// All of them, the most certain first.
    pub const ALL: [Self; 3] = [Self::Certain, Self::Likely, Self::Possible];

    /// The certainty of a confidence, from 0 to 1.
    pub fn of(confidence: f64) -> Self {
        if confidence >= 0.9 {
            Self::Certain
        } else if confidence >= 0.6 {
            Self::Likely
        } else {
            Self::Possible
        }
    }

    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What the intruder touched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Ids of the intruder's hops that happened, by time.
    pub hops: Vec<String>,
    /// Those of them that are on the first reported path, by time.
    pub first: Vec<String>,
    /// Hosts: those of the first path first, each path's most certain ones first.
    pub hosts: Vec<Touched>,
    /// Accounts whose passwords have to be changed: those used, by id, then those that were exposed on the hosts.
    pub accounts: Vec<Taken>,
    /// Where it began, as far as the logs show.
    pub entry: Option<Entry>,
    /// Hosts whose logs are too sparse to judge.
    pub blind: Vec<Blind>,
    /// Logs to collect.
    pub collect: Vec<Request>,
}

impl Scope {
    /// Ids of the hosts to isolate: those that the intruder certainly touched.
    pub fn isolate(&self) -> impl Iterator<Item = &str> {
        self.hosts
            .iter()
            .filter(|host| host.certainty() == Certainty::Certain)
            .map(|host| host.host.as_str())
    }
}

/// A host that the intruder touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Touched {
    /// Its id.
    pub host: String,
    /// 0 to 1: that of the most certain hop.
    pub confidence: f64,
    /// First and last sign of the intruder there, in microseconds since 1970-01-01 UTC.
    pub span: (i64, i64),
    /// The hops that reached it or left it, by time.
    pub hops: Vec<String>,
    /// Index of its best path among the reported ones.
    pub place: usize,
}

impl Touched {
    /// How certain it is.
    pub fn certainty(&self) -> Certainty {
        Certainty::of(self.confidence)
    }
}

/// What the intruder did with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Logged on to the destination with it.
    Used,
    /// Acted on the source as it.
    Acted,
    /// Ran something on the destination as it.
    Ran,
}

/// An account that the intruder has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub account: String,
    /// The hops with it, by time.
    pub uses: Vec<(String, Part)>,
    /// Where its credentials were within reach.
    pub exposed: Vec<Exposed>,
}

/// Where the first hop came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A machine of the organisation, as far as its address shows.
    Inside,
    /// An address that no private network has.
    Outside,
    /// No log names the source; the intruder was first seen at the destination.
    Unknown,
}

/// Where it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id of the host.
    pub host: String,
    /// Id of the first hop.
    pub hop: String,
    /// Where that came from.
    pub origin: Arrival,
    /// When the intruder was there at the latest, in microseconds since 1970-01-01 UTC.
    pub time: i64,
}

/// Whether an address belongs to no private network.
fn is_outside(host: &str) -> bool {
    host.parse()
        .is_ok_and(|ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(ip) => !ip.is_private() && !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unique_local() && !ip.is_unicast_link_local(),
        })
}

/// The scope of the reported paths. `role` tells an account's role, by id.
pub(crate) fn scope(
    verdict: &Verdict,
    hops: &[Hop],
    first: &[String],
    role: impl Fn(&str) -> Option<AccountRole>,
) -> Scope {
    let mut own: Vec<&Hop> = hops
        .iter()
        .filter(|hop| hop.standing().happened() && verdict.hops.contains_key(&hop.id))
        .collect();
    own.sort_by_key(|hop| hop.first);
    let of_first: BTreeSet<&str> = first.iter().map(String::as_str).collect();
    let first: Vec<&Hop> = own
        .iter()
        .copied()
        .filter(|hop| of_first.contains(hop.id.as_str()))
        .collect();
    let mut hosts: BTreeMap<&str, Touched> = BTreeMap::new();
    let mut accounts: BTreeMap<&str, Taken> = BTreeMap::new();
    for hop in &own {
        let Some(suspect) = verdict.hops.get(&hop.id) else {
            continue;
        };
        let confidence = if suspect.is_firm() {
            hop.confidence
        } else {
            hop.confidence * suspect.share
        };
        for host in [Some(&hop.dst), hop.src.as_ref()].into_iter().flatten() {
            let touched = hosts.entry(host).or_insert_with(|| Touched {
                host: host.clone(),
                confidence: 0.0,
                span: (hop.first, hop.last),
                hops: Vec::new(),
                place: suspect.place,
            });
            touched.confidence = touched.confidence.max(confidence);
            touched.place = touched.place.min(suspect.place);
            touched.span = (touched.span.0.min(hop.first), touched.span.1.max(hop.last));
            touched.hops.push(hop.id.clone());
        }
        for (id, part) in [
            (&hop.used, Part::Used),
            (&hop.actor, Part::Acted),
            (&hop.effective, Part::Ran),
        ] {
            if let Some(id) = id
                && suspect.is_firm()
                && role(id).is_some_and(AccountRole::has_password)
            {
                let taken = accounts.entry(id).or_insert_with(|| Taken {
                    account: id.clone(),
                    uses: Vec::new(),
                    exposed: Vec::new(),
                });
                taken.uses.push((hop.id.clone(), part));
            }
        }
    }
    let mut hosts: Vec<Touched> = hosts.into_values().collect();
    hosts.sort_by(|a, b| {
        a.place
            .cmp(&b.place)
            .then(b.confidence.total_cmp(&a.confidence))
            .then_with(|| a.host.cmp(&b.host))
    });
    let ids = |hops: &[&Hop]| hops.iter().map(|hop| hop.id.clone()).collect();
    Scope {
        entry: first.first().map(|hop| entry(hop)),
        hops: ids(&own),
        first: ids(&first),
        hosts,
        accounts: accounts.into_values().collect(),
        blind: Vec::new(),
        collect: Vec::new(),
    }
}

fn entry(first: &Hop) -> Entry {
    let origin = match &first.src {
        None => Arrival::Unknown,
        Some(src) if is_outside(src) => Arrival::Outside,
        Some(_) => Arrival::Inside,
    };
    Entry {
        host: first.src.as_ref().unwrap_or(&first.dst).clone(),
        hop: first.id.clone(),
        origin,
        time: first.first,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Suspect;
    use super::*;

    fn hop(id: &str, src: Option<&str>, dst: &str, first: i64, confidence: f64) -> Hop {
        Hop {
            id: id.to_owned(),
            src: src.map(str::to_owned),
            dst: dst.to_owned(),
            used: Some("corp\\anna".to_owned()),
            effective: Some("nt authority\\system".to_owned()),
            first,
            last: first + 5,
            confidence,
            ..Hop::default()
        }
    }

    fn verdict(suspects: &[(&str, f64, usize)]) -> Verdict {
        let hops = suspects
            .iter()
            .map(|(id, share, place)| {
                let suspect = Suspect {
                    share: *share,
                    place: *place,
                };
                ((*id).to_owned(), suspect)
            })
            .collect();
        Verdict {
            hops,
            ..Verdict::default()
        }
    }

    fn role(id: &str) -> Option<AccountRole> {
        Some(if id.ends_with("system") {
            AccountRole::System
        } else {
            AccountRole::User
        })
    }

    #[test]
    fn hosts_stand_by_path_and_certainty() {
        let mut refused = hop("hop-4", Some("ws5"), "dc1", 40, 1.0);
        refused.attempted = true;
        let hops = [
            hop("hop-1", Some("ws5"), "ws6", 10, 0.7),
            hop("hop-2", Some("ws6"), "srv7", 20, 0.95),
            hop("hop-3", Some("ws8"), "srv9", 5, 1.0),
            refused,
            hop("hop-5", Some("ws8"), "srv3", 50, 1.0),
        ];
        let verdict = verdict(&[
            ("hop-1", 1.0, 0),
            ("hop-2", 1.0, 0),
            ("hop-3", 0.5, 1),
            ("hop-4", 1.0, 0),
        ]);
        let scope = scope(
            &verdict,
            &hops,
            &["hop-1".to_owned(), "hop-2".to_owned()],
            role,
        );
        let hosts: Vec<_> = scope
            .hosts
            .iter()
            .map(|one| (one.host.as_str(), one.certainty(), one.span))
            .collect();
        assert_eq!(
            hosts,
            [
                ("srv7", Certainty::Certain, (20, 25)),
                ("ws6", Certainty::Certain, (10, 25)),
                ("ws5", Certainty::Likely, (10, 15)),
                // What the second path touches is possible at most.
                ("srv9", Certainty::Possible, (5, 10)),
                ("ws8", Certainty::Possible, (5, 10)),
            ]
        );
        assert_eq!(scope.isolate().collect::<Vec<_>>(), ["srv7", "ws6"]);
        assert_eq!(scope.hops, ["hop-3", "hop-1", "hop-2"]);
        assert_eq!(scope.first, ["hop-1", "hop-2"]);
        let accounts: Vec<_> = scope
            .accounts
            .iter()
            .map(|one| (one.account.as_str(), one.uses.len()))
            .collect();
        assert_eq!(accounts, [("corp\\anna", 2)]);
        assert_eq!(scope.entry.map(|one| one.host).as_deref(), Some("ws5"));
    }

    #[test]
    fn the_first_hop_says_where_it_began() {
        for (src, host, origin) in [
            (Some("ws5"), "ws5", Arrival::Inside),
            (Some("10.1.0.5"), "10.1.0.5", Arrival::Inside),
            (Some("fd12::5"), "fd12::5", Arrival::Inside),
            (Some("fe80::5"), "fe80::5", Arrival::Inside),
            (Some("203.0.113.5"), "203.0.113.5", Arrival::Outside),
            (Some("2001:db8::5"), "2001:db8::5", Arrival::Outside),
            (None, "ws6", Arrival::Unknown),
        ] {
            let entry = entry(&hop("hop-1", src, "ws6", 10, 1.0));
            assert_eq!((entry.host.as_str(), entry.origin), (host, origin));
        }
    }

    #[test]
    fn certainty_has_two_thresholds() {
        for (confidence, certainty) in [
            (1.0, Certainty::Certain),
            (0.9, Certainty::Certain),
            (0.89, Certainty::Likely),
            (0.6, Certainty::Likely),
            (0.59, Certainty::Possible),
            (f64::NAN, Certainty::Possible),
        ] {
            assert_eq!(Certainty::of(confidence), certainty, "{confidence}");
        }
    }
}
