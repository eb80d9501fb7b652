//! The events that dossiers read.

use std::collections::HashMap;

use crabwalk_activity::facts::{Fact, ProcessCreation, SysmonProcess};
use crabwalk_activity::{Clocks, Log, Row, for_each};
use crabwalk_events::{Catalog, CatalogError};

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
            read: crabwalk_activity::Tables::read(catalog)?,
            as_logged: Clocks::new(),
        })
    }

    /// Calls `each` for every event of a fact.
    pub fn each<'t, F: Fact>(&'t self, fact: F, each: impl FnMut(&Row<'t, '_, F>)) {
        for_each(Log::new(&self.read, &self.as_logged), fact, each);
    }

    /// The first run of each program on each machine, from process creation in Sysmon and the Security log.
    pub fn runs<'t>(&'t self) -> Vec<Run> {
        let mut firsts: HashMap<(&str, &str), i64> = HashMap::new();
        let mut ran = |image: &'t str, host: &'t str, time: i64| {
            if !image.is_empty() {
                let first = firsts.entry((image, host)).or_insert(time);
                *first = (*first).min(time);
            }
        };
        self.each(SysmonProcess, |row| ran(row.image(), row.host, row.time));
        self.each(ProcessCreation, |row| {
            ran(row.new_process_name(), row.host, row.time);
        });
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
