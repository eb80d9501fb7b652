//! Plans that travel to a machine that lacks something, and bytes that are not a plan.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up is a failed test"
)]

use std::fmt::Write as _;
use std::sync::Arc;

use crabwalk_events::{Catalog, LookupDefinition, LookupTable, MemoryCatalog};
use crabwalk_sources::collect::{Collector, Everything, Head};
use crabwalk_spl::codec::Form;
use crabwalk_spl::{DEFAULT_MEMORY, Engine, EngineOptions, Knowledge, Search};
use tokio::runtime::{Builder, Runtime};

const FORMS: [Form; 2] = [Form::Logical, Form::Physical];

/// Logons of two users, with these fields.
fn logons(channel: &str, fields: &[(&str, [&str; 2])]) -> Arc<dyn Catalog> {
    let mut collector = Collector::new(&Everything);
    let table = collector.table(channel, 4624);
    for row in 0..2 {
        let head = Head {
            time: 1_700_000_000_000_000,
            host: "WS1",
            source: 0,
            record: row as u64,
            numbered: true,
        };
        collector.begin(table, &head);
        for (name, values) in fields {
            let column = collector.column(table, name).expect("a column");
            collector.push(table, column, values[row]);
        }
    }
    let collected = Collector::merge(vec![collector]).expect("tables");
    Arc::new(MemoryCatalog::new(collected).expect("a catalog"))
}

fn users() -> Arc<dyn Catalog> {
    logons("Security", &[("user", ["ann", "bob"])])
}

fn people(csv: &str) -> Knowledge {
    let mut knowledge = Knowledge::default();
    let definition = LookupDefinition::new("people");
    let table = LookupTable::from_csv(definition, csv.as_bytes()).expect("a CSV text");
    knowledge
        .lookups
        .insert("people".to_owned(), Arc::new(table));
    knowledge
}

fn engine(catalog: &Arc<dyn Catalog>, knowledge: &Knowledge) -> Engine {
    let options = EngineOptions {
        now: 0.0,
        threads: 2,
        memory: DEFAULT_MEMORY,
    };
    Engine::new(Arc::clone(catalog), Arc::new(knowledge.clone()), options)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn search(text: &str) -> Search {
    Search::parse("test", text, &Knowledge::default()).expect("a search")
}

/// What one engine says of the plan that another has made, in each form: the number of rows, or the error.
fn said(text: &str, here: &Engine, there: &Engine) -> [Result<usize, String>; 2] {
    let search = search(text);
    FORMS.map(|form| {
        let bytes = runtime()
            .block_on(here.encode(&search, form))
            .unwrap_or_else(|error| panic!("{error}"));
        let rows = runtime().block_on(there.run_encoded(&bytes));
        rows.map(|batches| batches.iter().map(|batch| batch.num_rows()).sum())
            .map_err(|error| error.to_string())
    })
}

/// One engine cannot run the plan of another, in neither form, and says this.
fn refused(text: &str, here: &Engine, there: &Engine, why: &[&str]) {
    for said in said(text, here, there) {
        let error = said.expect_err("it ran");
        assert!(why.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_machine_without_the_rows_of_a_lookup_says_which() {
    let events = users();
    let here = engine(&events, &people("name,team\nann,red\n"));
    let same = engine(&events, &people("name,team\nann,red\n"));
    let other = engine(&events, &people("name,team\nann,blue\n"));
    let none = engine(&events, &Knowledge::default());
    for text in [
        "EventCode=4624 | lookup people name AS user OUTPUT team | search team=*",
        "| inputlookup people",
    ] {
        assert_eq!(said(text, &here, &same), [Ok(1), Ok(1)], "{text}");
        let why = "the lookup `people` on this machine has other rows";
        refused(text, &here, &other, &[why]);
        refused(
            text,
            &here,
            &none,
            &["the lookup `people` is not on this machine"],
        );
    }
}

#[test]
fn a_machine_with_other_assets_says_so() {
    let events = users();
    let with = |csv: &str| {
        let mut knowledge = Knowledge::default();
        knowledge
            .assets
            .add_identities(csv.as_bytes())
            .expect("a CSV text");
        engine(&events, &knowledge)
    };
    let here = with("identity,priority\nann,high\n");
    let text = "| inputlookup identity_lookup_expanded";
    let same = with("identity,priority\nann,high\n");
    assert_eq!(said(text, &here, &same), [Ok(1), Ok(1)]);
    let other = with("identity,priority\nann,low\n");
    let why = "`identity_lookup_expanded` on this machine has other rows";
    refused(text, &here, &other, &[why]);
}

#[test]
fn a_machine_without_the_events_says_which() {
    let here = engine(&users(), &Knowledge::default());
    let knowledge = Knowledge::default();
    let text = "EventCode=4624 user=ann | table user";
    let same = engine(&users(), &knowledge);
    assert_eq!(said(text, &here, &same), [Ok(1), Ok(1)]);
    let none = engine(&logons("System", &[("user", ["ann", "bob"])]), &knowledge);
    let why = "no table on this machine holds the events of Security/4624";
    refused(text, &here, &none, &[why]);
    let other = engine(&logons("Security", &[("name", ["ann", "bob"])]), &knowledge);
    refused(
        text,
        &here,
        &other,
        &["the events of Security/4624 have", "`user`"],
    );
}

/// Functions in one another, and commands behind one another that the planner may put together.
fn nested(depth: usize, commands: usize) -> String {
    let mut text = "EventCode=4624 user=*".to_owned();
    for command in 0..commands {
        let field = if command == 0 { "user" } else { "x" };
        let _ = write!(
            text,
            " | eval x={}{field}{}",
            "replace(".repeat(depth),
            ",\"a(.)\",\"\\1a\")".repeat(depth)
        );
    }
    text + " | where len(x)>0 | table x"
}

#[test]
fn what_nests_deep_travels() {
    // Planning such a search takes more than the stack of a test.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let events = users();
        let knowledge = Knowledge::default();
        for (depth, commands) in [(46, 1), (120, 1), (4, 20)] {
            let text = nested(depth, commands);
            let results = runtime()
                .block_on(engine(&events, &knowledge).run(&search(&text)))
                .unwrap_or_else(|error| panic!("{error}"));
            for form in FORMS {
                let travelled = runtime()
                    .block_on(
                        engine(&events, &knowledge)
                            .travelling(form)
                            .run(&search(&text)),
                    )
                    .unwrap_or_else(|error| panic!("{depth} {commands} {form:?}: {error}"));
                let values = |at: usize| {
                    let value = |results: &crabwalk_spl::Results| {
                        results.row(at).map(|row| row.values("x"))
                    };
                    (value(&results), value(&travelled))
                };
                assert_eq!(travelled.len(), 2);
                assert_eq!(values(0).0, values(0).1);
                assert_eq!(values(1).0, values(1).1);
            }
        }
    });
    assert!(thread.expect("a thread").join().is_ok());
}

#[test]
fn damaged_bytes_are_an_error() {
    let events = users();
    let here = engine(&events, &people("name,team\nann,red\n"));
    let text = "EventCode=4624 | lookup people name AS user OUTPUT team | eval x=upper(user).\"!\" \
                | stats count values(x) as x by team | sort - count | head 3";
    let runtime = runtime();
    let run = |bytes: &[u8]| runtime.block_on(here.run_encoded(bytes)).is_ok();
    for form in FORMS {
        let bytes = runtime
            .block_on(here.encode(&search(text), form))
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(run(&bytes));
        for end in (0..bytes.len()).step_by(7) {
            let _ = run(&bytes[..end]);
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x11;
            let _ = run(&damaged);
        }
    }
    assert!(!run(b""));
    assert!(!run(b"crabwalk plan 1 "));
    assert!(!run(b"crabwalk plan 1 x"));
    assert!(!run(b"crabwalk plan 9 l\x0a\x00"));
}
