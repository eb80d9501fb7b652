use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crabwalk_events::Catalog;
use crabwalk_testing::{Event, Events};

use super::*;
use crate::content::Content;
use crate::run::{Detections, Outcome, RunOptions};

const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
/// 2026-01-05 10:00:00 UTC.
const AT: i64 = 1_767_607_200;

/// A detection of processes by file name.
fn detection(name: &str, technique: &str, tags: &str) -> String {
    format!(
        "name: Test {name}\nid: test-{name}\ntype: TTP\nsearch: >-\n  EventCode=1 Image=\"*\\\\{name}.exe\"\n  \
         | table _time, dest, user, Image\nrba:\n  message: $Image$ on $dest$\n  risk_objects:\n    \
         - {{field: dest, type: system, score: 40}}\n    - {{field: user, type: user, score: 40}}\n  threat_objects: []\n\
         tags:\n  analytic_story: [Lateral Movement]\n  mitre_attack_id: [{technique}]\n{tags}"
    )
}

/// What is found if one user starts programs: at these seconds, on these machines.
fn hunt(
    directory: &Path,
    events: &[(i64, &str, &str)],
    change: impl Fn(&mut RunOptions),
) -> Outcome {
    hunt_of(directory, events, |_| "CORP\\ann".to_owned(), change)
}

/// The same if the user of each machine does.
fn hunt_of(
    directory: &Path,
    events: &[(i64, &str, &str)],
    user: impl Fn(&str) -> String,
    change: impl Fn(&mut RunOptions),
) -> Outcome {
    let mut content = Content::load(true, &[directory.to_owned()]);
    assert_eq!(content.problems, []);
    content
        .add_assets(b"nt_host,priority,category\nDC1,critical,\n")
        .unwrap_or_else(|error| panic!("{error}"));
    let wanted = [
        "Test *",
        "Lateral Movement Identified",
        "Risk Score*",
        "Several*",
    ];
    let mut options = RunOptions {
        detections: wanted.map(str::to_owned).to_vec(),
        now: 1_767_700_000.0,
        ..RunOptions::default()
    };
    change(&mut options);
    let hunt = Detections::new(content, options).unwrap_or_else(|error| panic!("{error}"));
    let events: Events = events
        .iter()
        .map(|(seconds, host, name)| {
            Event::new(&format!("{SYSMON}/1"))
                .host(host)
                .at((AT + seconds) * 1_000_000)
                .with("Image", format!("C:\\{name}.exe"))
                .with("User", user(host))
        })
        .collect();
    let catalog = events.catalog_of(hunt.demand());
    let catalog: Arc<dyn Catalog> = Arc::new(catalog);
    let outcome = hunt.run(&catalog).unwrap_or_else(|error| panic!("{error}"));
    let fatal: Vec<_> = outcome.problems.iter().filter(|one| one.fatal).collect();
    assert!(fatal.is_empty(), "{fatal:?}");
    outcome
}

fn four(tags: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, technique) in [
        ("aa", "T1021.002"),
        ("bb", "T1543.003"),
        ("cc", "T1558.003"),
        ("dd", "T1021"),
    ] {
        let path = directory.path().join(format!("{name}.yml"));
        std::fs::write(path, detection(name, technique, tags))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    directory
}

fn names(outcome: &Outcome) -> Vec<(&str, Vec<u64>)> {
    outcome
        .findings
        .iter()
        .filter(|one| one.detection.kind == crate::DetectionType::Correlation)
        .map(|one| {
            let records = one.events.iter().map(|event| event.record).collect();
            (one.detection.name.as_str(), records)
        })
        .collect()
}

#[test]
fn correlations_add_up_what_others_found() {
    let directory = four("");
    let all = [
        (0, "WS1", "aa"),
        (60, "WS1", "bb"),
        (120, "WS1", "cc"),
        (180, "WS1", "dd"),
    ];
    let outcome = hunt(directory.path(), &all, |_| {});
    let mut found = names(&outcome);
    found.sort();
    let every = vec![1, 2, 3, 4];
    assert_eq!(
        found,
        [
            ("Lateral Movement Identified", every.clone()),
            ("Risk Score Over Threshold In One Day", every.clone()),
            ("Risk Score Over Threshold In One Day", every.clone()),
            ("Several Tactics And Sources In One Week", every.clone()),
            ("Several Tactics And Sources In One Week", every),
        ]
    );
    let one = outcome
        .findings
        .iter()
        .find(|one| one.detection.name.starts_with("Lateral"))
        .unwrap_or_else(|| panic!("no finding"));
    assert_eq!(one.hosts(), ["WS1"]);
    assert_eq!(one.values("contributing_findings").len(), 4);
    assert_eq!(
        (one.first, one.last),
        (Some(AT * 1_000_000), Some((AT + 180) * 1_000_000))
    );
    // Each object has the kind that the risk events give it.
    let users = outcome
        .findings
        .iter()
        .filter(|one| one.detection.name.starts_with("Risk Score"))
        .flat_map(|one| &one.risk_objects)
        .filter(|one| one.kind == crate::RiskObjectKind::User && one.value == "ann");
    assert_eq!(users.count(), 1);
}

#[test]
fn less_is_not_enough() {
    let directory = four("");
    for all in [
        &[(0, "WS1", "aa"), (60, "WS1", "bb")][..],
        // On different machines, by one account: only the account has too much.
        &[(0, "WS1", "aa"), (60, "WS2", "bb")],
        &[],
    ] {
        assert_eq!(names(&hunt(directory.path(), all, |_| {})), []);
    }
}

#[test]
fn factors_change_the_score() {
    let directory = four("");
    let outcome = hunt(
        directory.path(),
        &[(0, "DC1", "aa"), (1, "WS1", "aa")],
        |_| {},
    );
    let scores: Vec<(&str, u32, u32)> = outcome
        .findings
        .iter()
        .flat_map(|one| &one.risk_objects)
        .filter(|one| one.kind == crate::RiskObjectKind::System)
        .map(|one| (one.value.as_str(), one.score, one.calculated))
        .collect();
    assert_eq!(scores, [("DC1", 40, 60), ("WS1", 40, 40)]);
}

#[test]
fn exceptions_silence_until_they_end() {
    let directory = four("");
    let all = [
        (0, "WS1", "aa"),
        (60, "WS1", "bb"),
        (120, "WS1", "cc"),
        (180, "WS1", "dd"),
    ];
    for (text, silent, told) in [
        (
            "detection: Test a*, reason: r, by: ann, until: 2026-03-31",
            1,
            0,
        ),
        (
            "fields: {dest: WS*}, reason: r, by: ann, until: 2026-03-31",
            4,
            0,
        ),
        (
            "fields: {host: ws1, user: bob}, reason: r, by: ann, until: 2026-03-31",
            0,
            0,
        ),
        (
            "detection: test-bb, reason: r, by: ann, until: 2026-01-01",
            0,
            1,
        ),
    ] {
        let exceptions = parse_exceptions(&format!("exceptions: [{{{text}}}]"))
            .unwrap_or_else(|error| panic!("{error}"));
        let outcome = hunt(directory.path(), &all, |options| {
            options.exceptions = exceptions.clone()
        });
        let own = outcome
            .findings
            .iter()
            .filter(|one| one.suppressed.is_some());
        assert_eq!(own.count(), silent, "{text}");
        assert_eq!(
            outcome.problems.len(),
            told,
            "{text}: {:?}",
            outcome.problems
        );
        let identified = names(&outcome)
            .iter()
            .any(|(name, _)| name.starts_with("Lateral"));
        assert_eq!(identified, silent == 0, "{text}");
    }
}

#[test]
fn bad_exceptions_are_refused() {
    for (text, part) in [
        (
            "exceptions: [{reason: r, by: a, until: 2026-01-01}]",
            "everything",
        ),
        (
            "exceptions: [{detection: x, reason: '', by: a, until: 2026-01-01}]",
            "reason",
        ),
        (
            "exceptions: [{detection: x, reason: r, by: a, until: someday}]",
            "someday",
        ),
        ("exceptions: [{detection: x, reason: r, by: a}]", "until"),
        ("[]", ""),
    ] {
        let error = parse_exceptions(text)
            .err()
            .unwrap_or_else(|| panic!("{text}"));
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn throttling_keeps_the_first() {
    let directory = four("  throttling: {fields: [dest], period: 10m}\n");
    let all = [
        (0, "WS1", "aa"),
        (60, "WS1", "aa"),
        (61, "WS2", "aa"),
        (601, "WS1", "aa"),
    ];
    let outcome = hunt(directory.path(), &all, |_| {});
    let silent: Vec<bool> = outcome
        .findings
        .iter()
        .map(|one| one.suppressed.is_some())
        .collect();
    assert_eq!(silent, [false, true, false, false]);
}

#[test]
fn periods() {
    for (text, seconds) in [
        ("60m", Some(3_600)),
        ("24h", Some(86_400)),
        ("90s", Some(90)),
        ("7d", Some(604_800)),
        ("7", None),
        ("h", None),
        ("1w", Some(604_800)),
        ("99999999999999999h", None),
    ] {
        let period = Throttling::new(Vec::new(), text).ok().map(|one| one.period);
        assert_eq!(period, seconds.map(|one: i64| one * 1_000_000), "{text}");
    }
}

#[test]
fn what_is_found_about_the_same_on_other_days_is_a_habit() {
    const DAY: i64 = 86_400;
    let directory = four("");
    // Every day on WS1; on the fifth day also on WS2, which is new.
    let mut events: Vec<(i64, &str, &str)> = (0..6).map(|day| (day * DAY, "WS1", "aa")).collect();
    events.push((4 * DAY + 60, "WS2", "aa"));
    let outcome = hunt(directory.path(), &events, |_| {});
    let shown: Vec<String> = outcome
        .findings
        .iter()
        .filter(|one| one.detection.name == "Test aa" && one.suppressed.is_none())
        .flat_map(Finding::hosts)
        .collect();
    // New activity is reported for three days, however long it continues.
    assert_eq!(shown, ["WS1", "WS1", "WS1", "WS2"]);
    // Four days do not make a habit, and neither do days far apart.
    for events in [
        (0..4)
            .map(|day| (day * DAY, "WS1", "aa"))
            .collect::<Vec<_>>(),
        (0..6).map(|day| (day * 30 * DAY, "WS1", "aa")).collect(),
    ] {
        let outcome = hunt(directory.path(), &events, |_| {});
        assert!(
            outcome.findings.iter().all(|one| one.suppressed.is_none()),
            "{events:?}"
        );
    }
}

#[test]
fn in_a_few_days_a_finding_is_compared_with_those_about_others() {
    let directory = four("");
    let names: Vec<String> = (0..30).map(|number| format!("WS{number}")).collect();
    let at = |hosts: usize| -> Vec<(i64, &str, &str)> {
        let hosts = (0_i64..).zip(names.iter().take(hosts));
        let mut events: Vec<_> = hosts
            .map(|(second, host)| (second, host.as_str(), "aa"))
            .collect();
        events.push((100, "WS3", "bb"));
        events
    };
    let notable = |outcome: &Outcome, name: &str| {
        let all = outcome.findings.iter();
        all.filter(|one| one.detection.name == name && one.is_notable())
            .count()
    };
    let own = |host: &str| format!("CORP\\user-of-{host}");
    let hunt = |hosts: usize| hunt_of(directory.path(), &at(hosts), own, |_| {});
    // What thirty people do is the work of all; what one does is not.
    let many = hunt(30);
    assert_eq!(
        (notable(&many, "Test aa"), notable(&many, "Test bb")),
        (0, 1)
    );
    // Of a few machines each deserves a look.
    let few = hunt(10);
    assert_eq!(
        (notable(&few, "Test aa"), notable(&few, "Test bb")),
        (10, 1)
    );
}

#[test]
fn similar_findings_are_one_for_all_days_and_add_up() {
    const DAY: i64 = 86_400;
    let directory = four("");
    let events: Vec<(i64, &str, &str)> = (0..6)
        .flat_map(|day| [(day * DAY, "WS1", "aa"), (day * DAY + 60, "WS2", "aa")])
        .collect();
    let risk = |outcome: &Outcome| -> u32 {
        let added = outcome.findings.iter();
        added
            .filter(|one| one.suppressed.is_none())
            .flat_map(|one| &one.risk_objects)
            .map(|object| object.calculated)
            .sum()
    };
    let count = |outcome: &Outcome| -> u64 { outcome.findings.iter().map(|one| one.count).sum() };
    let each = hunt(directory.path(), &events, |_| {});
    let mut all = hunt(directory.path(), &events, |_| {});
    let places = all.fold_days(&BTreeSet::new());
    assert!(all.findings.len() < each.findings.len());
    assert_eq!((risk(&all), count(&all)), (risk(&each), count(&each)));
    // Each finding leads to one of the same detection.
    for (old, place) in each.findings.iter().zip(&places) {
        assert_eq!(old.detection.id, all.findings[*place].detection.id);
    }
    // Findings kept apart, and notables, are unchanged.
    let mut apart = hunt(directory.path(), &events, |_| {});
    let places = apart.fold_days(&(0..each.findings.len()).collect());
    assert_eq!(apart.findings.len(), each.findings.len());
    assert!(places.iter().copied().eq(0..each.findings.len()));
    let notable = |outcome: &Outcome| {
        outcome
            .findings
            .iter()
            .filter(|one| one.is_notable())
            .count()
    };
    assert_eq!(notable(&all), notable(&each));
}

#[test]
fn what_other_days_show_is_not_notable() {
    const DAY: i64 = 86_400;
    let directory = four("");
    let notable = |events: &[(i64, &str, &str)]| -> Vec<(String, String, u64)> {
        let outcome = hunt(directory.path(), events, |_| {});
        outcome
            .findings
            .iter()
            .filter(|one| one.is_notable() && one.detection.name.starts_with("Test"))
            .map(|one| {
                let host = one.hosts().into_iter().next().unwrap_or_default();
                (one.detection.name.clone(), host, one.count)
            })
            .collect()
    };
    let names = ["WS1", "WS2", "WS3", "WS4", "WS5", "WS6", "WS7", "WS8"];
    let test = |name: &str, host: &str, count| (format!("Test {name}"), host.to_owned(), count);

    // One machine every day, including the first days; and once something that no other day shows.
    let mut events: Vec<(i64, &str, &str)> = (0..8).map(|day| (day * DAY, "WS1", "aa")).collect();
    events.push((4 * DAY + 60, "WS9", "bb"));
    assert_eq!(notable(&events), [test("bb", "WS9", 1)]);
    // Immediate repetitions are one.
    events.extend((0..4).map(|time| (4 * DAY + 61 + time, "WS9", "bb")));
    assert_eq!(notable(&events), [test("bb", "WS9", 5)]);

    // Another machine every second day: whichever it is today, it is one of many.
    let mut events: Vec<(i64, &str, &str)> = (0..8)
        .step_by(2)
        .map(|day| (day * DAY, names[usize::try_from(day).unwrap_or(0)], "aa"))
        .collect();
    events.extend((0..8).map(|day| (day * DAY + 9, "SRV", "cc")));
    assert_eq!(notable(&events), []);

    // On two of eight days it is not.
    let mut events: Vec<(i64, &str, &str)> = (0..8).map(|day| (day * DAY, "WS1", "aa")).collect();
    events.extend([(2 * DAY, "WS2", "dd"), (6 * DAY, "WS3", "dd")]);
    assert_eq!(
        notable(&events),
        [test("dd", "WS2", 1), test("dd", "WS3", 1)]
    );

    // Of many on one day, as many as an analyst reads: first those of the rarer detection.
    let mut events: Vec<(i64, &str, &str)> = (0..8).map(|day| (day * DAY, "SRV", "aa")).collect();
    events.push((2 * DAY, "WS1", "bb"));
    events.extend(names.iter().map(|host| (5 * DAY, *host, "bb")));
    events.push((5 * DAY + 60, "WS1", "cc"));
    assert!(notable(&events).contains(&test("cc", "WS1", 1)));
    let outcome = hunt(directory.path(), &events, |_| {});
    let of_the_day = outcome
        .findings
        .iter()
        .filter(|one| one.is_notable() && one.first >= Some((AT + 5 * DAY) * 1_000_000));
    assert_eq!(of_the_day.count(), 3);

    // Four days show no daily work, and everything is notable.
    let events: Vec<_> = (0..4).map(|day| (day * DAY, "WS1", "aa")).collect();
    assert_eq!(notable(&events).len(), 4);
}

#[test]
fn who_writes_an_exception_may_be_called_anything() {
    let directory = four("");
    for name in ["habit", "throttling", "Ann"] {
        let text = format!(
            "exceptions:\n  - {{detection: Test aa, reason: ours, by: {name}, until: 2099-01-01}}\n"
        );
        let outcome = hunt(directory.path(), &[(0, "WS1", "aa")], |options| {
            options.exceptions = exception::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        });
        let found = outcome
            .findings
            .iter()
            .find(|one| one.detection.name == "Test aa");
        let found = found.unwrap_or_else(|| panic!("nothing found"));
        let by = found.suppressed.as_ref().map(|one| one.by.clone());
        assert_eq!(by, Some(SuppressedBy::Author(name.to_owned())));
        assert!(!found.is_daily_work(), "{name}");
    }
}
