//! Searches over many event types share little memory.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up is a failed test"
)]

use std::sync::Arc;

use crabwalk_events::Catalog;
use crabwalk_spl::{Engine, EngineOptions, Knowledge, Search};
use crabwalk_testing::{Event, Events};

const TYPES: u32 = 300;

#[test]
fn many_event_types_are_sorted_in_little_memory() {
    let events: Events = (1..=TYPES)
        .map(|id| {
            Event::new(&format!("App/{id}"))
                .at(i64::from(id) * 1_000_000)
                .with("N", id.to_string())
        })
        .collect();
    let catalog: Arc<dyn Catalog> = Arc::new(events.catalog());
    let knowledge = Arc::new(Knowledge::default());
    let text = "EventCode=* | reverse | streamstats count as place | sort - N | eventstats max(place) as last | head 1 \
                | table EventCode N place last";
    let search = Search::parse("many", text, &knowledge).expect("a search");
    for threads in [1, 4] {
        let options = EngineOptions {
            now: 0.0,
            threads,
            memory: 64 << 20,
        };
        let engine = Engine::new(Arc::clone(&catalog), Arc::clone(&knowledge), options);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let results = runtime
            .block_on(engine.run(&search))
            .unwrap_or_else(|error| panic!("{threads} threads: {error}"));
        let row = results.row(0).expect("a row");
        for field in ["EventCode", "N", "place", "last"] {
            assert_eq!(row.values(field), [TYPES.to_string()], "{field}");
        }
    }
}
