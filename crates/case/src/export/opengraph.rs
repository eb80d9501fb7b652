//! A graph for BloodHound: OpenGraph JSON, <https://bloodhound.specterops.io/opengraph/schema>.
//!
//! Hosts and accounts are nodes of Crabwalk's own kinds, so that this data can be deleted without touching what
//! SharpHound collected; the property `sid` joins the two. BloodHound keeps one edge of a kind between two nodes, so the
//! movements from one host to another are one edge that counts them and lists their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crabwalk_movement::Standing;
use serde_json::{Value, json};

use crate::document::{Case, HopInfo};
use crate::names::Names;
use crate::sentences::witnesses;

/// Maximum elements of a list in a property.
const MOST: usize = 50;

/// The ends of an edge, and its kind.
type Ends = (String, String, &'static str);

fn host(id: Option<&str>) -> String {
    match id {
        Some(id) => format!("CRABWALK-HOST-{}", id.to_uppercase()),
        None => "CRABWALK-UNKNOWN-SOURCE".to_owned(),
    }
}

fn account(id: &str) -> String {
    format!("CRABWALK-ACCOUNT-{}", id.to_uppercase())
}

/// How a movement's edge is called.
fn kind(hop: &HopInfo) -> &'static str {
    match hop.standing {
        Standing::Proven | Standing::Routine => "CrabwalkMovedTo",
        Standing::Possible => "CrabwalkMayHaveMovedTo",
        Standing::Attempted => "CrabwalkTriedToMoveTo",
    }
}

/// The movements as an edge's properties.
fn properties(case: &Case, names: &Names<'_>, hops: &[&HopInfo]) -> Value {
    let ids: BTreeSet<&str> = hops.iter().map(|hop| hop.id.as_str()).collect();
    let texts = |of: &dyn Fn(&HopInfo) -> Vec<String>| -> Vec<String> {
        let all: BTreeSet<String> = hops.iter().flat_map(|hop| of(hop)).collect();
        all.into_iter().take(MOST).collect()
    };
    let paths = case.paths.iter();
    let paths = paths.filter(|path| path.hops.iter().any(|id| ids.contains(id.as_str())));
    let told = paths.clone().any(|path| path.told);
    let paths: Vec<&str> = paths.map(|path| path.id.as_str()).take(MOST).collect();
    json!({
        "movements": hops.iter().map(|hop| hop.id.as_str()).take(MOST).collect::<Vec<_>>(),
        "count": hops.len(),
        "first": hops.iter().filter_map(|hop| hop.first.as_deref()).min(),
        "last": hops.iter().filter_map(|hop| hop.last.as_deref()).max(),
        "techniques": texts(&|hop| hop.techniques.clone()),
        "accounts": texts(&|hop| hop.used.iter().map(|id| names.account(id).to_owned()).collect()),
        "standing": texts(&|hop| vec![hop.standing.name().to_owned()]),
        "confidence": hops.iter().map(|hop| hop.confidence).fold(0.0, f64::max),
        "witnesses": hops.iter().map(|hop| witnesses(hop)).max().unwrap_or(0),
        "paths": paths,
        "reported": told,
    })
}

/// Writes the hosts and accounts of movements, and the movements.
///
/// # Errors
/// What writing gives.
pub fn opengraph(case: &Case, out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let mut hosts: BTreeMap<String, Option<&str>> = BTreeMap::new();
    let mut accounts: BTreeMap<String, &str> = BTreeMap::new();
    let mut edges: BTreeMap<Ends, Vec<&HopInfo>> = BTreeMap::new();
    for hop in &case.hops {
        let (src, dst) = (host(hop.src.as_deref()), host(Some(&hop.dst)));
        hosts.insert(src.clone(), hop.src.as_deref());
        hosts.insert(dst.clone(), Some(&hop.dst));
        let logged_on = match hop.standing {
            Standing::Attempted => "CrabwalkTriedToLogOnTo",
            _ => "CrabwalkLoggedOnTo",
        };
        // The actor acted on the source, and the account that was used logged on to the destination.
        for (id, end, kind) in [
            (&hop.actor, &src, "CrabwalkActedOn"),
            (&hop.used, &dst, logged_on),
        ] {
            if let Some(id) = id {
                accounts.insert(account(id), id);
                let ends = (account(id), end.clone(), kind);
                edges.entry(ends).or_default().push(hop);
            }
        }
        edges.entry((src, dst, kind(hop))).or_default().push(hop);
    }
    let isolate: BTreeSet<&str> = case.scope.isolate.iter().map(String::as_str).collect();
    let reset: BTreeSet<&str> = case
        .scope
        .accounts
        .iter()
        .map(|one| one.account.as_str())
        .collect();
    let hosts = hosts.iter().map(|(node, id)| {
        let info = id.and_then(|id| names.host_info(id));
        json!({
            "id": node,
            "kinds": ["CrabwalkHost"],
            "properties": {
                "name": names.source(*id).to_uppercase(),
                "displayname": names.source(*id),
                "names": info.map_or(&[][..], |host| host.names.as_slice()),
                "addresses": info.map_or(&[][..], |host| host.ips.as_slice()),
                "role": info.and_then(|host| host.role.as_deref()).unwrap_or(""),
                "risk": info.map_or(0, |host| host.risk),
                "isolate": id.is_some_and(|id| isolate.contains(id)),
            },
        })
    });
    let accounts = accounts.iter().map(|(node, id)| {
        let info = names.account_info(id);
        json!({
            "id": node,
            "kinds": ["CrabwalkAccount"],
            "properties": {
                "name": names.account(id).to_uppercase(),
                "displayname": names.account(id),
                "names": info.map_or(&[][..], |account| account.names.as_slice()),
                "sid": info.and_then(|account| account.sid.as_deref()).unwrap_or(""),
                "role": info.map_or("", |account| account.kind.name()),
                "risk": info.map_or(0, |account| account.risk),
                "reset": reset.contains(id),
            },
        })
    });
    let nodes: Vec<Value> = hosts.chain(accounts).collect();
    let edges: Vec<Value> = edges
        .iter()
        .map(|((start, end, kind), hops)| {
            json!({
                "kind": kind,
                "start": {"value": start, "match_by": "id"},
                "end": {"value": end, "match_by": "id"},
                "properties": properties(case, &names, hops),
            })
        })
        .collect();
    let document = json!({
        "graph": {"nodes": nodes, "edges": edges},
        "metadata": {"source_kind": "Crabwalk"},
    });
    crate::json::to_json(&document, out)
}
