//! Which columns of which event types are read: the union of what the facts declare.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crabwalk_sources::collect::{Columns, Demand};

use crate::facts::{Declaration, EventType, declarations};

/// An event type, and the columns that are read from its events.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub event_type: EventType,
    pub columns: Vec<&'static str>,
}

/// Everything that is read, by event type.
#[derive(Debug)]
pub(crate) struct Declared(Vec<Wanted>);

impl Declared {
    pub fn of<'d>(all: impl IntoIterator<Item = &'d Declaration>) -> Self {
        let mut types: BTreeMap<EventType, Vec<&'static str>> = BTreeMap::new();
        for one in all {
            for event_type in one.of {
                let columns = types.entry(*event_type).or_default();
                for name in one.own.iter().chain(one.shared) {
                    if !columns.contains(name) {
                        columns.push(name);
                    }
                }
            }
        }
        let wanted = types.into_iter().map(|(event_type, columns)| Wanted {
            event_type,
            columns,
        });
        Self(wanted.collect())
    }

    pub fn all(&self) -> &[Wanted] {
        &self.0
    }
}

impl Demand for Declared {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        let own = self.0.iter().find(|one| {
            one.event_type.1 == event_id && one.event_type.0.eq_ignore_ascii_case(channel)
        });
        own.map_or(Columns::None, |wanted| {
            let names = wanted.columns.iter().map(|name| (*name).to_owned());
            Columns::Named(Arc::new(names.collect()))
        })
    }
}

static DECLARED: LazyLock<Declared> = LazyLock::new(|| Declared::of(declarations()));

/// What the facts read.
pub(crate) fn declared() -> &'static Declared {
    &DECLARED
}

/// What the readers must decode for [`Activity`](crate::Activity), and for techniques and dossiers, which read more of
/// the same events.
pub fn demand() -> &'static dyn Demand {
    &*DECLARED
}
