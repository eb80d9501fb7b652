//! The cases of shipped detections, `content/detections/**/*.test.yml`: each is a test, `detection: fires: case`. Where they
//! fire, they also do when their plans are written as bytes and read again.
//!
//! `crabwalk content test` runs the same files for people who write detections. What must fire and what must not is a
//! claim about the world and no output, so nothing is blessed here.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crabwalk_detect::cases::{self, CaseFile, DataMap, Runner, TestKind, Verdict};
use crabwalk_detect::{Content, Detection};
use crabwalk_spl::Engine;
use crabwalk_spl::codec::Form;
use crabwalk_testing::Suite;

/// Whether plans go through bytes on their way, and in which form.
type Way = (&'static str, fn(Engine) -> Engine);

const WAYS: [Way; 3] = [
    ("fires", std::convert::identity),
    ("fires, logical plan as bytes", |engine| {
        engine.travelling(Form::Logical)
    }),
    ("fires, physical plan as bytes", |engine| {
        engine.travelling(Form::Physical)
    }),
];

fn main() -> ExitCode {
    let content: &'static Content = Box::leak(Box::new(Content::load(true, &[])));
    assert_eq!(content.problems, []);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections");
    let (files, problems) = cases::load(&[folder]);
    assert_eq!(problems, []);
    let runners = WAYS.map(|(kind, engine)| {
        let runner = Runner::new(content, DataMap::default(), 1).with_engine(engine);
        (kind, Arc::new(runner))
    });
    let mut suite = Suite::default();
    for file in files {
        for case in &file.fires {
            let mut alone = file.clone();
            alone.quiet.clear();
            alone.fires = vec![case.clone()];
            for (kind, runner) in &runners {
                add(&mut suite, runner, alone.clone(), kind, &case.name);
            }
        }
        for case in &file.quiet {
            let mut alone = file.clone();
            alone.fires.clear();
            alone.quiet = vec![case.clone()];
            let [(_, runner), ..] = &runners;
            add(&mut suite, runner, alone, "quiet", &case.name);
        }
    }
    suite.run()
}

/// A file with one case.
fn add(suite: &mut Suite, runner: &Arc<Runner<'static>>, file: CaseFile, kind: &str, case: &str) {
    let name = format!("{}: {kind}: {case}", file.detection);
    let runner = Arc::clone(runner);
    suite.test(&name, move || {
        let files = [file];
        let [
            CaseFile {
                path, detection, ..
            },
        ] = &files;
        let is_own = |one: &Detection| one.name == *detection || one.id == *detection;
        let results = runner.run(&files, &is_own);
        let made: Vec<_> = results
            .iter()
            .filter(|one| one.kind != TestKind::AttackData)
            .collect();
        assert_eq!(made.len(), 1, "{path}: {made:#?}");
        for one in made {
            assert!(
                matches!(one.verdict, Verdict::Passed(_)),
                "{path}: {:#?}",
                one.verdict
            );
        }
    });
}
