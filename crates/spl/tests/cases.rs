//! Runs the cases of `tests/cases/*.txt`: events in, search, rows out. Each is a test, `file: name`.
//!
//! The files are for people who know SPL. They hold, in any order and number:
//!
//! ```text
//! # a comment
//! events
//! type=Security/4624 _time=1700000000 host=WS1 LogonType=3 TargetUserName="Ann Lee" Data=[a,b]
//!
//! lookup people.csv WILDCARD(name) case_sensitive_match=false
//! name,category
//! a*,x
//!
//! macro mine(1) field
//! $field$=1
//!
//! mapping
//! - event_types: ["Security/4624"]
//!   aliases: {user: TargetUserName}
//!
//! case the name of the case
//! search EventCode=4624 | stats count by LogonType
//! ----
//! LogonType=3 count=1
//! ```
//!
//! A block ends at the next empty line. `events`, `lookup`, `macro`, `mapping` and `model` hold for the cases behind them in
//! the file. Rows are written as `column=value`, a field without a value is left out, several values stand in brackets. Behind `----` may stand
//! `error: …` or `warning: …` with a part of the message, and `(none)` for no rows.
#![expect(
    clippy::expect_used,
    reason = "a case that cannot be set up is a failed test"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crabwalk_events::Catalog;
use crabwalk_spl::codec::Form;
use crabwalk_spl::{Engine, EngineOptions, Knowledge, Search};
use crabwalk_testing::{Block, Differs, Suite, blocks, files};

mod world;

use world::{NOW, World, failure, set_up, shown};

/// Ends a message about ways of running a search that must agree.
const DIFFER: &str = ", it differs:";

fn main() -> ExitCode {
    let mut suite = Suite::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for file in files(&folder, "txt") {
        let mut world = Arc::new(World::default());
        for block in blocks(&file) {
            match block.head().strip_prefix("case ") {
                Some(name) => add(&mut suite, name, &block, &world),
                None => set_up(Arc::make_mut(&mut world), &block)
                    .unwrap_or_else(|error| panic!("{}: {error}", block.place())),
            }
        }
    }
    suite.run()
}

fn add(suite: &mut Suite, name: &str, block: &Block, world: &Arc<World>) {
    let (world, name) = (Arc::clone(world), name.to_owned());
    let search = block.given().collect::<Vec<_>>().join("\n");
    let place = block.place();
    let expected = block
        .expected()
        .unwrap_or_else(|| panic!("{place}: no `----` and what must come of it"));
    suite.case(
        &format!("{}: {name}", block.file()),
        expected,
        move |expected| {
            let expected = expected.join("\n");
            let got = run(&world, &name, &search);
            let first = got.lines().next().unwrap_or_default();
            let is_message = first.starts_with("error") || first.starts_with("warning");
            let fine = match expected
                .strip_prefix("error: ")
                .or_else(|| expected.strip_prefix("warning: "))
            {
                Some(part) => is_message && first.contains(part),
                None => got == expected,
            };
            if fine {
                return Ok(());
            }
            Err(Differs {
                why: format!(
                    "{place}\n{search}\n  expected:\n{}\n  got:\n{}",
                    indent(&expected),
                    indent(&got)
                ),
                // That ways of running a search differ cannot be right.
                instead: (!first.ends_with(DIFFER))
                    .then(|| got.lines().map(str::to_owned).collect()),
            })
        },
    );
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn run(world: &World, name: &str, text: &str) -> String {
    let catalog: Arc<dyn Catalog> = Arc::new(world.events.catalog());
    let knowledge = Arc::new(world.knowledge.clone());
    let search = match Search::parse(name, text, &knowledge) {
        Ok(search) => search,
        Err(error) => return failure(&error),
    };
    // With one thread the engine works as it does where many searches run side by side: the result is the same. Both start
    // from the events that fit, as there are few.
    let alone = run_with(3, &catalog, &knowledge, &search);
    let among = run_with(1, &catalog, &knowledge, &search);
    if alone == among {
        alone
    } else {
        format!("error: alone and among others{DIFFER}\n{alone}\n\n{among}")
    }
}

fn run_with(
    threads: usize,
    catalog: &Arc<dyn Catalog>,
    knowledge: &Arc<Knowledge>,
    search: &Search,
) -> String {
    let engine = || {
        Engine::new(
            Arc::clone(catalog),
            Arc::clone(knowledge),
            EngineOptions {
                now: NOW,
                threads,
                memory: crabwalk_spl::DEFAULT_MEMORY,
            },
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    // An engine of its own for each run, since a search may write lookups.
    let checked = engine();
    let results = match runtime.block_on(checked.run(search)) {
        Ok(results) => shown(&results),
        Err(error) => return failure(&error),
    };
    // A search that runs must also pass a check that runs nothing.
    if let Err(error) = checked.check(search) {
        return format!("error: when only checked{DIFFER}\n{}", failure(&error));
    }
    // Plans that read the tables as they run, written and read again, give the same rows.
    let forms = [Form::Logical, Form::Physical];
    for form in forms.into_iter().filter(|_| threads > 1) {
        match runtime.block_on(engine().travelling(form).run(search)) {
            Ok(travelled) if shown(&travelled) == results => {}
            Ok(travelled) => return format!("error: {form:?} plan{DIFFER}\n{}", shown(&travelled)),
            Err(error) => return format!("error: {form:?} plan{DIFFER}\n{}", failure(&error)),
        }
    }
    results
}
