//! Scenes: the events that each way of moving leaves, made by hand, beside harmless ones that are like them; and what must
//! come of them.
//!
//! `scenes/*.txt` hold them, or another folder that the variable `SCENES` names. A scene ends at an empty line; `#`
//! begins a comment. Each is a test, `file: scene`, and two more by what is done to its logs: read with those of others,
//! and told by clocks that are off.
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
//! Behind `----` stand all hops in their order, `source>destination account technique`, with `!` where it was only
//! tried, `?` for what is not known, and `(none)` where there are none. A hop may go on with
//!
//! - `actor=…`, `effective=…`; `also=…`, `not=…`: techniques that it has too, or has not
//! - `says=…`, `silent=…`: what a witness says, or none does
//! - `lacks=…`: why there is no witness of some kind
//! - `above=…`, `below=…`: its confidence; `usual`, `unusual`
//! - `ran=a.exe,b.exe`: the programs that it ran, by time
//!
//! and lines may follow of
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
//! `BLESS=1` writes the hops that came, in their order, and of what was said of them what is so: a claim that does not hold
//! becomes its opposite where it has one, or goes. What a dossier holds is not blessed.

mod details;
mod expected;
mod logs;
mod whole;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crabwalk_testing::{Differs, Events, Expected, Suite, blocks, files, scene};

/// What holds for each scene, by its place among all.
type OfOne = (&'static str, fn(&[Scene], usize));
/// What holds for all scenes together.
type OfAll = (&'static str, fn(&[Scene]));

struct Scene {
    /// `file: scene`
    name: String,
    /// Where it stands, for people.
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
