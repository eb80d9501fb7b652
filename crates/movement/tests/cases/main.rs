//! Scenes: handmade events of each way of moving, harmless twins, and the hops expected from them.
//!
//! They are in `scenes/*.txt`, or in the folder that the variable `SCENES` names. A scene ends at an empty line; `#`
//! begins a comment. Each scene is a test, `file: scene`, and two more: with the logs of other scenes, and with wrong
//! clocks.
//!
//! ```text
//! scene a service over TCP
//! 0     WS6  logon     anna 3 Kerberos 0x500 10.1.0.5:50100
//! 0.060 WS6  Security/4697 by=anna:0x500 ServiceName=Updater ServiceFileName=C:\u.exe
//! ----
//! 10.1.0.5>ws6 corp\anna T1569.002 above=0.3
//! ```
//!
//! `crabwalk_testing::scene` says how events are written.
//!
//! After `----` come all hops in order, `source>destination account technique`, with `!` for an attempt, `?` for
//! unknown parts, and `(none)` if there is no hop. A hop may continue with
//!
//! - `actor=…`, `effective=…`; `also=…`, `not=…`: further techniques that it has or lacks
//! - `says=…`, `silent=…`: text of some witness, or of none
//! - `lacks=…`: why a kind of witness is missing
//! - `above=…`, `below=…`: its confidence; `usual`, `unusual`
//! - `ran=a.exe,b.exe`: the programs that it ran, by time
//!
//! Further lines may follow:
//!
//! - `path HOP HOP … LINK …`: a path's hops by number and the kinds of its links, also with a certainty as in
//!   `time-possible:0.5`; all paths in order, where there is one such line. `paths COUNT`
//! - `skew HOST HOST SECONDS`: clocks that are off, all of them
//! - `account NAME KIND`
//! - `dossier HOST LIST NAME=VALUE …`: an entry of a list in the host's dossier that has these fields, named as in the
//!   case document; `dossier HOST LIST none` where the list is empty
//! - `blind HOST`, `collect HOST CHANNEL`, `reset ACCOUNT`: hosts whose logs are too few, logs to collect, accounts whose
//!   passwords are to be changed; `blind (none)`. All of them, where there is one such line
//!
//! `BLESS=1` rewrites the hops to the actual ones, in order. A claim that does not hold is negated if it can be, or
//! removed. Dossier lines are not rewritten.

mod details;
mod expected;
mod logs;
mod whole;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crabwalk_testing::{Differs, Events, Expected, Suite, blocks, files, scene};

/// A check of each scene, by its index.
type OfOne = (&'static str, fn(&[Scene], usize));
/// A check of all scenes together.
type OfAll = (&'static str, fn(&[Scene]));

struct Scene {
    /// `file: scene`
    name: String,
    /// File and line, for messages.
    place: String,
    events: Events,
    expected: Expected,
}

/// All scenes, in the order of their files' names.
fn scenes() -> Vec<Scene> {
    let folder = std::env::var_os("SCENES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/scenes"),
        Into::into,
    );
    let mut all = Vec::new();
    for block in files(&folder, "txt").iter().flat_map(|file| blocks(file)) {
        let (place, head) = (block.place(), block.head());
        let name = head
            .strip_prefix("scene ")
            .unwrap_or_else(|| panic!("{place}: no scene: {head}"));
        all.push(Scene {
            name: format!("{}: {name}", block.file()),
            events: scene::parse(block.given()),
            expected: block
                .expected()
                .unwrap_or_else(|| panic!("{place}: says not what must come of it")),
            place,
        });
    }
    assert!(all.len() > 80, "only {} scenes were found", all.len());
    all
}

fn main() -> ExitCode {
    let scenes = Arc::new(scenes());
    let mut suite = Suite::default();
    for (number, scene) in scenes.iter().enumerate() {
        let (events, place) = (scene.events.clone(), scene.place.clone());
        suite.case(&scene.name, scene.expected.clone(), move |lines| {
            let movement = logs::movement(&events);
            let case = expected::are_about_the_case(lines).then(|| logs::case(&events));
            let wrong = expected::wrong(&movement, case.as_ref(), lines);
            if wrong.is_empty() {
                return Ok(());
            }
            Err(Differs {
                why: format!(
                    "{place}\n  {}\n  found\n{}",
                    wrong.join("\n  "),
                    expected::shown(&movement)
                ),
                instead: expected::restated(&movement, case.as_ref(), lines),
            })
        });
        for (what, test) in whole::OF_ONE {
            let scenes = Arc::clone(&scenes);
            suite.test(&format!("{} ({what})", scene.name), move || {
                test(&scenes, number);
            });
        }
    }
    for (name, test) in whole::OF_ALL.into_iter().chain(details::ALL) {
        let scenes = Arc::clone(&scenes);
        suite.test(name, move || test(&scenes));
    }
    suite.run()
}
