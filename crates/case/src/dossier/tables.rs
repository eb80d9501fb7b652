//! The events that dossiers read, with the columns that they declare.

use std::collections::HashMap;

use crabwalk_activity::channel::{SECURITY, SYSMON};
use crabwalk_activity::{Clocks, Log, Row, for_each_of};
use crabwalk_events::Catalog;

use super::demand::wanted;

/// Since when a program was run on a machine.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The program's path.
    pub image: String,
    /// The machine, as its events name it.
    pub host: String,
    /// The first time, microseconds since 1970-01-01 UTC.
    pub first: i64,
}

/// The events of a run, for dossiers. Times are as logged: a dossier's reader compares them with the log itself.
pub(super) struct Tables<'c> {
    catalog: &'c Catalog,
    as_logged: Clocks,
}

impl<'c> Tables<'c> {
    pub fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            as_logged: Clocks::new(),
        }
    }

    /// Calls `each` for every event of a type.
    pub fn each<'t>(&'t self, channel: &str, event_id: u32, each: impl FnMut(&Row<'t, '_>)) {
        let log = Log {
            catalog: self.catalog,
            clocks: &self.as_logged,
        };
        let columns = wanted(channel, event_id).unwrap_or_default();
        for_each_of(log, channel, event_id, columns, each);
    }

    /// Since when each program was run on each machine, from process creation of Sysmon and the Security log.
    pub fn runs(&self) -> Vec<Run> {
        let mut firsts: HashMap<(&str, &str), i64> = HashMap::new();
        for (channel, event_id, name) in [(SYSMON, 1, "Image"), (SECURITY, 4688, "NewProcessName")]
        {
            self.each(channel, event_id, |row| {
                let image = row.get(name);
                if !image.is_empty() {
                    let first = firsts.entry((image, row.host)).or_insert(row.time);
                    *first = (*first).min(row.time);
                }
            });
        }
        firsts
            .into_iter()
            .map(|((image, host), first)| Run {
                image: image.to_owned(),
                host: host.to_owned(),
                first,
            })
            .collect()
    }

    pub fn catalog(&self) -> &'c Catalog {
        self.catalog
    }
}
