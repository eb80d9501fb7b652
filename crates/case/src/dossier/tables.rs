//! The events that dossiers read, with their declared columns.

use std::collections::HashMap;

use crabwalk_activity::channel::{SECURITY, SYSMON};
use crabwalk_activity::{Clocks, Log, Row, for_each};
use crabwalk_events::{Catalog, CatalogError};

use crabwalk_activity::dossier::DECLARED;

/// The first run of a program on a machine.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The program's path.
    pub image: String,
    /// The machine, as its events name it.
    pub host: String,
    /// The first time, in microseconds since 1970-01-01 UTC.
    pub first: i64,
}

/// A run's events, for dossiers. Times are as logged, because readers of a dossier compare it with the log itself.
pub(super) struct Tables<'c> {
    read: crabwalk_activity::Tables<'c>,
    as_logged: Clocks,
}

impl<'c> Tables<'c> {
    pub fn read(catalog: &'c dyn Catalog) -> Result<Self, CatalogError> {
        Ok(Self {
            read: crabwalk_activity::Tables::read(catalog, &DECLARED)?,
            as_logged: Clocks::new(),
        })
    }

    /// Calls `each` for every event of a type.
    pub fn each<'t>(&'t self, channel: &str, event_id: u32, each: impl FnMut(&Row<'t, '_>)) {
        let log = Log::new(&self.read, &self.as_logged);
        for_each(log, channel, event_id, each);
    }

    /// The first run of each program on each machine, from process creation in Sysmon and the Security log.
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

    pub fn catalog(&self) -> &'c dyn Catalog {
        self.read.catalog()
    }
}
