//! What a set of searches needs of the logs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_events::EventType;
use crabwalk_sources::collect::{Columns, Demand};

use crate::expr::EvalContext;
use crate::knowledge::Knowledge;
use crate::plan::needs::{Needs, sources};
use crate::plan::{Reads, TypeInfos, reads};
use crate::search::Search;
use crate::syntax::ast::Pipeline;

/// What the readers must decode so that these searches can run.
///
/// A search reads an event type unless its own text rules that out; of the types that it reads it needs the fields that
/// it names, and what their mappings are made from.
pub fn demand(searches: &[Search], knowledge: &Arc<Knowledge>) -> Box<dyn Demand> {
    let context = EvalContext { now: 0.0 };
    let wants = searches
        .iter()
        .flat_map(|search| sources(search.pipeline(), knowledge))
        .map(|(pipeline, needs)| Want { pipeline, needs })
        .collect();
    Box::new(SearchDemand {
        wants,
        knowledge: Arc::clone(knowledge),
        types: TypeInfos::default(),
        context,
    })
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
