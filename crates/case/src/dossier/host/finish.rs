//! What becomes of a host's records once all are read: sessions, process trees, oddities, and the entries themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::document::*;
use super::super::index::{Index, events};
use super::super::program::{Rarity, base, odd_parent, renamed, user_writable};
use super::super::tables::Tables;
use super::{Draft, Entry, Found, Gathered, MOST, SECOND, far, shown};
use crate::build::time;
use crate::document::Case;

impl Gathered<'_> {
    pub(super) fn finish(
        mut self,
        tables: &Tables<'_>,
        case: &Case,
        index: &Index,
        rarity: &Rarity,
    ) -> HostDossier {
        let catalog = tables.catalog();
        self.sessions(tables, case, index);
        self.trees(case, tables, index, rarity);
        // Events or sessions have the rest.
        let hop = |references: &[u64], opened_by: Option<u64>| {
            index
                .hop(catalog, references)
                .or_else(|| index.hop(catalog, &[opened_by?]))
        };
        macro_rules! attach {
            ($($list:ident),*) => {
                $(for one in &mut self.$list {
                    one.hop = hop(&one.references, one.opened_by);
                })*
            };
        }
        attach!(services, tasks, wmi, run_keys, files, connections, changes);
        self.deeds();
        let moments = self.moments;
        let mut left_out: BTreeMap<String, u64> = self
            .dropped
            .into_iter()
            .map(|(name, number)| (name.to_owned(), number))
            .collect();
        let mut ship = Ship {
            case,
            catalog,
            moments: &moments,
            left_out: &mut left_out,
        };
        let processes = ship.processes(self.processes);
        HostDossier {
            host: self.id,
            window: Window {
                first: time(self.window.0),
                last: time(self.window.1),
            },
            authentication: ship.list("authentication", self.authentication),
            processes,
            services: ship.list("services", self.services),
            tasks: ship.list("tasks", self.tasks),
            wmi_subscriptions: ship.list("wmi_subscriptions", self.wmi),
            run_keys: ship.list("run_keys", self.run_keys),
            files: ship.list("files", self.files),
            connections: ship.list("connections", self.connections),
            account_changes: ship.list("account_changes", self.changes),
            left_out,
        }
    }

    /// Sets the hops of logons.
    fn sessions(&mut self, tables: &Tables<'_>, case: &Case, index: &Index) {
        let catalog = tables.catalog();
        for one in &mut self.authentication {
            one.hop = index.hop(catalog, &one.references);
            if let Some(hop) = one.hop.and_then(|at| case.hops.get(at)) {
                let other = if one.value.direction == "in" {
                    hop.src.clone()
                } else {
                    Some(hop.dst.clone())
                };
                if other.as_deref() != Some(&self.id) && other.is_some() {
                    one.value.peer.host = other;
                }
            }
        }
    }

    /// Sets parents, hops, marks and rarity of processes.
    fn trees(&mut self, case: &Case, tables: &Tables<'_>, index: &Index, rarity: &Rarity) {
        let catalog = tables.catalog();
        let by_reference: HashMap<u64, usize> = (self.processes.iter().enumerate())
            .flat_map(|(at, one)| one.references.iter().map(move |start| (*start, at)))
            .collect();
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        order.sort_by_key(|at| self.processes.get(*at).map(|one| one.at));
        let parents: Vec<Option<usize>> = (self.processes.iter().enumerate())
            .map(|(at, one)| {
                let mut starts = one.references.iter();
                starts
                    .find_map(|start| by_reference.get(&self.relations.parent(*start)?))
                    .copied()
                    .filter(|parent| *parent != at)
            })
            .collect();
        for at in &order {
            let Some((one, parent)) = self.processes.get(*at).zip(parents.get(*at)) else {
                continue;
            };
            let own = index
                .hop(catalog, &one.references)
                .filter(|hop| case.hops.get(*hop).is_some_and(|hop| hop.dst == self.id));
            let session = one.opened_by.and_then(|logon| index.hop(catalog, &[logon]));
            let parent = parent.and_then(|parent| self.processes.get(parent)?.hop);
            let hop = own.or(parent).or(session);
            if let Some(one) = self.processes.get_mut(*at) {
                one.hop = hop;
            }
        }
        let id = self.id.clone();
        for (at, parent) in parents.iter().enumerate() {
            let parent_image = parent
                .and_then(|parent| self.processes.get(parent))
                .map(|one| one.value.process.image.clone());
            let Some(one) = self.processes.get_mut(at) else {
                continue;
            };
            let began = one.at;
            let found = &mut one.value;
            let parent_image = parent_image.unwrap_or_else(|| found.parent_image.clone());
            let process = &mut found.process;
            process.id = at as u64;
            process.parent = parent.map(|parent| parent as u64);
            process.session = shown(one.session);
            let mut starts = one.references.iter();
            let ran = starts.find_map(|start| self.relations.ran(*start));
            process.ended = ran.and_then(|ran| time(began + ran));
            let (seen, others) = rarity.seen(&process.image, &id, began);
            process.seen = seen;
            match (seen, others) {
                (Rareness::FirstAnywhere, _) => process
                    .reasons
                    .push("no log shows this program on any host before".to_owned()),
                (Rareness::FirstHere, others) => process.reasons.push(format!(
                    "first seen on this host; {others} other host(s) run it"
                )),
                _ => {}
            }
            if user_writable(&process.image) {
                process.marks.push(Mark::UserWritable);
                process
                    .reasons
                    .push("is in a folder that users can write to".to_owned());
            }
            if let Some(original) = &process.original_name
                && renamed(&process.image, original)
            {
                process.marks.push(Mark::Renamed);
                process.reasons.push(format!("was built as {original}"));
            }
            if let Some(why) = odd_parent(&parent_image, &process.image) {
                process.marks.push(Mark::OddParent);
                process.reasons.push(why);
            }
            if let Some(gone) = found.unsigned {
                process.marks.push(Mark::Unsigned);
                process.reasons.push(
                    if gone {
                        "has no verifiable signature"
                    } else {
                        "is not signed"
                    }
                    .to_owned(),
                );
            }
        }
    }

    /// Summarises what each session did.
    fn deeds(&mut self) {
        const MOST_NAMES: usize = 5;
        // By the event that shows the session.
        let mut did: HashMap<u64, Vec<(i64, String)>> = HashMap::new();
        let mut started: HashMap<u64, Vec<(i64, String)>> = HashMap::new();
        for one in &self.processes {
            if let Some(logon) = one.opened_by {
                let name = base(&one.value.process.image);
                started.entry(logon).or_default().push((one.at, name));
            }
        }
        let mut note = |logon: Option<u64>, at: i64, text: String| {
            if let Some(logon) = logon {
                did.entry(logon).or_default().push((at, text));
            }
        };
        for one in &self.services {
            let text = format!("installed service {}", one.value.name);
            note(one.opened_by, one.at, text);
        }
        for one in &self.tasks {
            let text = format!("{} task {}", one.value.what, one.value.name);
            note(one.opened_by, one.at, text);
        }
        for one in &self.files {
            let share = one.value.share.as_deref().unwrap_or_default();
            let text = format!("wrote {} on {share}", one.value.path);
            note(one.opened_by, one.at, text);
        }
        for one in &self.changes {
            let account = one.value.account.as_deref().unwrap_or("?");
            let text = format!("{} ({account})", one.value.what);
            note(one.opened_by, one.at, text);
        }
        for one in &mut self.authentication {
            let Some(logon) = one.opened_by else {
                continue;
            };
            let began = one.at - SECOND;
            if let Some(list) = started.get(&logon) {
                let own: Vec<&String> = list
                    .iter()
                    .filter(|(at, _)| *at >= began)
                    .map(|(_, name)| name)
                    .collect();
                let names: Vec<&str> = own
                    .iter()
                    .take(MOST_NAMES)
                    .map(|name| name.as_str())
                    .collect();
                let more = own.len().saturating_sub(MOST_NAMES);
                if !names.is_empty() {
                    let rest = if more > 0 {
                        format!(" and {more} more")
                    } else {
                        String::new()
                    };
                    one.value
                        .did
                        .push(format!("started {}{rest}", names.join(", ")));
                }
            }
            if let Some(list) = did.get(&logon) {
                let own: Vec<&(i64, String)> = list.iter().filter(|(at, _)| *at >= began).collect();
                one.value
                    .did
                    .extend(own.iter().take(MOST_NAMES).map(|(_, text)| text.clone()));
                if own.len() > MOST_NAMES {
                    one.value
                        .did
                        .push(format!("and {} more", own.len() - MOST_NAMES));
                }
            }
        }
    }
}

/// Turns drafts into entries.
struct Ship<'a> {
    case: &'a Case,
    catalog: &'a dyn crabwalk_events::Catalog,
    moments: &'a BTreeSet<i64>,
    left_out: &'a mut BTreeMap<String, u64>,
}

impl Ship<'_> {
    /// The entries to keep, in chronological order.
    fn keep<T>(&mut self, name: &str, mut drafts: Vec<Draft<T>>) -> Vec<Draft<T>> {
        if drafts.len() > MOST {
            drafts.sort_by_cached_key(|one| (one.hop.is_none(), far(self.moments, one.at), one.at));
            *self.left_out.entry(name.to_owned()).or_default() += (drafts.len() - MOST) as u64;
            drafts.truncate(MOST);
        }
        drafts.sort_by_key(|one| one.at);
        drafts
    }

    fn hop(&self, at: Option<usize>) -> Option<String> {
        at.and_then(|at| self.case.hops.get(at))
            .map(|hop| hop.id.clone())
    }

    fn list<T: Entry>(&mut self, name: &str, drafts: Vec<Draft<T>>) -> Vec<T> {
        self.keep(name, drafts)
            .into_iter()
            .map(|mut draft| {
                let events = events(self.catalog, &draft.references);
                let hop = self.hop(draft.hop);
                draft.value.put(time(draft.at), hop, events);
                draft.value
            })
            .collect()
    }

    /// Numbers processes in chronological order; a parent that was left out becomes none.
    fn processes(&mut self, drafts: Vec<Draft<Found>>) -> Vec<Process> {
        let kept = self.keep("processes", drafts);
        let numbers: HashMap<u64, u64> = kept
            .iter()
            .enumerate()
            .map(|(number, one)| (one.value.process.id, number as u64 + 1))
            .collect();
        kept.into_iter()
            .map(|mut draft| {
                let events = events(self.catalog, &draft.references);
                let hop = self.hop(draft.hop);
                let mut process = std::mem::take(&mut draft.value.process);
                process.parent = process
                    .parent
                    .and_then(|parent| numbers.get(&parent).copied());
                process.id = numbers.get(&process.id).copied().unwrap_or(0);
                process.put(time(draft.at), hop, events);
                process.remarkable = process.is_remarkable();
                process
            })
            .collect()
    }
}
