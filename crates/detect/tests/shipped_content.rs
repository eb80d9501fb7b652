//! What is shipped: each detection runs, says what it means, and has cases over which it fires and over which it must not.

use std::collections::BTreeSet;
use std::path::Path;

use crabwalk_detect::cases;
use crabwalk_detect::check::{self, CheckResult};
use crabwalk_detect::{Content, DetectionType};

fn shipped() -> Content {
    let content = Content::load(true, &[]);
    assert_eq!(content.problems, []);
    content
}

#[test]
fn every_detection_has_cases_where_it_fires_and_where_it_is_quiet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections");
    let (files, problems) = cases::load(&[folder]);
    assert_eq!(problems, []);
    for detection in &shipped().detections {
        let own: Vec<_> = files
            .iter()
            .filter(|file| file.detection == detection.name || file.detection == detection.id)
            .collect();
        assert!(
            own.iter().any(|file| !file.fires.is_empty()),
            "{} has no case where it fires",
            detection.name
        );
        assert!(
            own.iter().any(|file| !file.quiet.is_empty()),
            "{} has no case where it is quiet",
            detection.name
        );
    }
}

#[test]
fn every_detection_runs_and_names_only_what_there_is() {
    let checked = check::check(&shipped(), &|_| true).unwrap_or_else(|error| panic!("{error}"));
    assert!(checked.len() > 80);
    for one in checked {
        let said: Vec<&str> = one
            .reasons
            .iter()
            .chain(&one.lints)
            .map(|reason| reason.message.as_str())
            .collect();
        assert_eq!(
            one.result,
            CheckResult::Runs,
            "{}: {said:?}",
            one.detection.name
        );
        assert_eq!(said, Vec::<&str>::new(), "{}", one.detection.name);
    }
}

#[test]
fn every_detection_says_what_it_means() {
    let content = shipped();
    let mut ids = BTreeSet::new();
    for one in &content.detections {
        let name = &one.name;
        assert!(ids.insert(&one.id), "{name}: its id is another's");
        assert_eq!(one.id.len(), 36, "{name}: {}", one.id);
        for text in [
            &one.description,
            &one.message,
            &one.how_to_implement,
            &one.known_false_positives,
        ] {
            assert!(!text.trim().is_empty(), "{name}");
        }
        assert!(!one.risk_fields.is_empty() && one.risk_score > 0, "{name}");
        assert!(!one.techniques.is_empty(), "{name}");
        for story in &one.stories {
            assert!(
                content.stories.iter().any(|known| known.name == *story),
                "{name}: {story}"
            );
        }
        for technique in &one.techniques {
            let mut alone = one.as_ref().clone();
            alone.techniques = vec![technique.clone()];
            let tactics = content.attack.tactics(&alone);
            assert!(!tactics.is_empty(), "{name}: {technique} has no tactic");
            for tactic in tactics {
                assert!(
                    content.attack.tactic_id(&tactic).is_some(),
                    "{name}: {tactic}"
                );
            }
        }
        // A field in the message that no row has would read `unknown`.
        let mut rest = one.message.as_str();
        while let Some((_, after)) = rest.split_once('$') {
            let Some((field, behind)) = after.split_once('$') else {
                break;
            };
            assert!(
                one.search.contains(field) || one.kind == DetectionType::Correlation,
                "{name}: its search has no `{field}`"
            );
            rest = behind;
        }
    }
}
