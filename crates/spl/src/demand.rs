//! What a set of searches needs from the logs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_events::EventType;
use crabwalk_sources::collect::{Columns, Demand, alike};

use crate::column::EvalContext;
use crate::knowledge::Knowledge;
use crate::plan::needs::{Needs, no_rows_from_nothing, sources};
use crate::plan::{Reads, TypeInfos, may_read, reads};
use crate::search::Search;
use crate::syntax::ast::Pipeline;

/// What the readers must decode for these searches.
///
/// A search reads an event type unless its own text rules that out; from the types it reads, it needs the fields that
/// it names, and those behind their mappings.
pub fn demand(searches: &[Search], knowledge: &Arc<Knowledge>) -> Box<dyn Demand> {
    let context = EvalContext { now: 0.0 };
    let wants = searches
        .iter()
        .flat_map(|search| wants(search, knowledge))
        .collect();
    Box::new(SearchDemand {
        wants,
        knowledge: Arc::clone(knowledge),
        types: TypeInfos::default(),
        context,
    })
}

/// Determines the event types that searches read. Facts about an event type are computed once for all of them.
pub struct Readers {
    knowledge: Arc<Knowledge>,
    types: TypeInfos,
}

impl Readers {
    /// For searches that run with this content.
    pub fn new(knowledge: &Arc<Knowledge>) -> Self {
        Self {
            knowledge: Arc::clone(knowledge),
            types: TypeInfos::default(),
        }
    }

    /// Examines one search.
    pub fn of(&self, search: &Search) -> Reader<'_> {
        Reader {
            wants: wants(search, &self.knowledge),
            no_rows_from_nothing: no_rows_from_nothing(search.pipeline()),
            readers: self,
        }
    }
}

/// Determines the event types that one search reads.
pub struct Reader<'r> {
    wants: Vec<Want>,
    no_rows_from_nothing: bool,
    readers: &'r Readers,
}

impl Reader<'_> {
    /// Whether the search reads events of a type, according to its text and the content about the type.
    pub fn reads(&self, event_type: &EventType) -> bool {
        let Readers { knowledge, types } = self.readers;
        let info = types.of(event_type, knowledge);
        let context = EvalContext { now: 0.0 };
        let mut wants = self.wants.iter();
        wants.any(|want| may_read(&want.pipeline, &info, knowledge, &context))
    }

    /// Like [`reads`](Self::reads), for the first command of the search only, without its subsearches.
    pub fn reads_first(&self, event_type: &EventType) -> bool {
        let Readers { knowledge, types } = self.readers;
        let info = types.of(event_type, knowledge);
        let context = EvalContext { now: 0.0 };
        let first = self.wants.first();
        first.is_some_and(|want| may_read(&want.pipeline, &info, knowledge, &context))
    }

    /// Whether the search certainly returns no row without any event that it reads. `stats count` without `by` returns
    /// one anyway, and so do rows from lookups.
    pub fn needs_events(&self) -> bool {
        self.no_rows_from_nothing
    }
}

fn wants(search: &Search, knowledge: &Knowledge) -> Vec<Want> {
    sources(search.pipeline(), knowledge)
        .into_iter()
        .map(|(pipeline, needs)| Want { pipeline, needs })
        .collect()
}

struct Want {
    pipeline: Pipeline,
    needs: Needs,
}

struct SearchDemand {
    wants: Vec<Want>,
    knowledge: Arc<Knowledge>,
    types: TypeInfos,
    context: EvalContext,
}

impl Demand for SearchDemand {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        let event_type = EventType {
            channel: channel.to_owned(),
            event_id,
        };
        let info = self.types.of(&event_type, &self.knowledge);
        let mut columns = BTreeSet::new();
        let mut any = false;
        for want in &self.wants {
            match reads(
                &want.pipeline,
                &want.needs,
                &info,
                &self.knowledge,
                &self.context,
            ) {
                Reads::Nothing => {}
                Reads::Everything => return Columns::All,
                Reads::Columns(some) => {
                    any = true;
                    // A space in a field name is `_` in a search.
                    columns.extend(
                        some.iter()
                            .filter(|name| name.contains('_'))
                            .map(|name| alike(name)),
                    );
                    columns.extend(some);
                }
            }
        }
        if any {
            Columns::Named(Arc::new(columns))
        } else {
            Columns::None
        }
    }
}
