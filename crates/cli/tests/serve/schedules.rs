//! Detections that run by themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::served::{Served, folder};

/// A detection of our own; `more` are further keys.
pub fn detection(folder: &Path, id: &str, kind: &str, search: &str, more: &str) {
    let text = format!(
        "name: Rule {id}\nid: {id}\ntype: {kind}\nsearch: {search}\nrba:\n  message: $dest$ was concerned\n  \
         risk_objects: [{{field: dest, type: system, score: 50}}]\n{more}"
    );
    fs::create_dir_all(folder.join("rules")).unwrap();
    fs::write(folder.join(format!("rules/{id}.yml")), text).unwrap();
}

pub fn event(at: Timestamp, id: u32, record: u64, host: &str, data: &[(&str, &str)]) -> String {
    let mut event = json!({"EventTime": at.strftime("%F %T").to_string(), "Hostname": host, "Channel": "Security",
        "EventID": id, "RecordNumber": record});
    for (name, value) in data {
        event[*name] = json!(value);
    }
    json!({"event": event, "sourcetype": "nxlog", "time": at.as_second()}).to_string()
}

fn failed_logon(at: Timestamp, record: u64, host: &str) -> String {
    event(at, 4625, record, host, &[("TargetUserName", "ann")])
}

pub const ONLY_OURS: [&str; 6] = [
    "--no-builtin",
    "--content",
    "rules",
    "--no-hunt",
    "--alert-file",
    "alerts.jsonl",
];

fn content(served: &Served) -> BTreeMap<String, Value> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = served.api("GET", "/api/v1/content", "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let all = answer.json();
        let all = all["detections"].as_array().unwrap().clone();
        if !all.is_empty() || Instant::now() > until {
            let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
            return all.into_iter().map(|one| (id(&one), one)).collect();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn findings(served: &Served, query: &str) -> Vec<Value> {
    let answer = served.api("GET", &format!("/api/v1/findings{query}"), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["findings"].as_array().unwrap().clone()
}

pub fn until(what: &str, is: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for the next hour if it is about to begin: a tick in the middle of a test would be one more.
fn not_on_the_hour() {
    let left = 3600 - Timestamp::now().as_second() % 3600;
    if left < 60 {
        std::thread::sleep(Duration::from_secs(left.unsigned_abs() + 1));
    }
}

/// The start of this hour.
fn hour() -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now - now % 3600).unwrap()
}

fn ago(hours: i64) -> Timestamp {
    hour() - SignedDuration::from_hours(hours)
}

/// A server that has scheduled a detection some hours ago and was stopped then.
fn stopped_since(folder: &Path, id: &str, hours: i64) {
    let at = (ago(hours) + SignedDuration::from_secs(1)).as_microsecond();
    let line = json!({"run": {"at": at, "seconds": 0.0, "detections": {id: {"begins": true}}}});
    fs::write(folder.join("data/findings.jsonl"), format!("{line}\n")).unwrap();
}

#[test]
fn missed_windows_are_made_up_for_once_each() {
    not_on_the_hour();
    let folder = folder();
    let search = "EventCode=4625 | stats count min(_time) as firstTime by dest | where count >= 3";
    detection(folder.path(), "many", "TTP", search, "");
    let mut served = Served::start(folder.path(), &["--no-schedules", "--no-hunt"]);
    served.first_account();
    assert_eq!(served.api("GET", "/api/v1/content", "").status, 404);
    // Windows of a tick end ten minutes before it. In one there are enough on one host; elsewhere only together with
    // others: at the end of a window and at the start of the next.
    let minutes = |at: Timestamp, minutes: i64| at + SignedDuration::from_mins(minutes);
    let mut body = String::new();
    for (record, at, host) in [
        (1, minutes(ago(3), 10), "a"),
        (2, minutes(ago(3), 20), "a"),
        (3, minutes(ago(3), 49), "a"),
        (4, minutes(ago(3), 48), "b"),
        (5, minutes(ago(3), 49), "b"),
        (6, minutes(ago(3), 50), "b"),
        // Of windows before the stop, and after the last tick.
        (7, minutes(ago(5), 10), "c"),
        (8, minutes(ago(5), 11), "c"),
        (9, minutes(ago(5), 12), "c"),
        (10, minutes(ago(1), 51), "d"),
        (11, minutes(ago(1), 52), "d"),
        (12, minutes(ago(1), 53), "d"),
    ] {
        body.push_str(&failed_logon(at, record, host));
    }
    assert_eq!(served.hec("/services/collector", &body).status, 200);
    served.signal("-TERM");
    assert_eq!(served.ended(), Some(0));
    stopped_since(folder.path(), "many", 4);
    let mut ids = Vec::new();
    for time in 0..2 {
        let mut served = Served::start(folder.path(), &ONLY_OURS);
        let done = || content(&served)["many"]["last_tick"] == ago(0).to_string();
        until("all ticks are done", done);
        let one = content(&served)["many"].clone();
        assert_eq!(one["runs"], "on schedule");
        assert_eq!(one["run_count"], 4, "{one}");
        assert_eq!(one["missed"], 0);
        assert_eq!(one["findings"], 1);
        assert_eq!(one["next_run"], ago(-1).to_string());
        assert_eq!(one["schedule"]["earliest"], "-70m@m");
        let found = findings(&served, "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["hosts"], json!(["a"]));
        assert_eq!(found[0]["message"], "a was concerned");
        assert_eq!(found[0]["fields"]["count"], "3");
        assert_eq!(found[0]["events"].as_array().unwrap().len(), 3);
        ids.push(found[0]["id"].clone());
        if time == 0 {
            // Nothing is said in peace.
            served.signal("-KILL");
            served.ended();
        }
    }
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_run_that_a_crash_cut_off_is_made_again() {
    not_on_the_hour();
    let folder = folder();
    let search = "EventCode=4625 | stats count by dest | where count >= 1";
    detection(folder.path(), "one", "TTP", search, "");
    let mut served = Served::start(folder.path(), &["--no-schedules", "--no-hunt"]);
    served.first_account();
    let at = ago(1) - SignedDuration::from_mins(20);
    assert_eq!(
        served
            .hec("/services/collector", &failed_logon(at, 1, "a"))
            .status,
        200
    );
    served.signal("-TERM");
    served.ended();
    stopped_since(folder.path(), "one", 2);
    let path = folder.path().join("data/findings.jsonl");
    let run = |path: &Path| {
        let mut served = Served::start(folder.path(), &ONLY_OURS);
        until("the run", || findings(&served, "").len() == 1);
        served.signal("-KILL");
        served.ended();
        fs::read(path).unwrap()
    };
    let whole = run(&path);
    let start = whole.windows(12).position(|part| part == b"\"findings\":[");
    // In the middle of the line of the run that found it.
    fs::write(&path, &whole[..start.unwrap() + 40]).unwrap();
    let again = run(&path);
    let id = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let at = text.find("f-").unwrap();
        text[at..at + 18].to_owned()
    };
    assert_eq!(id(&whole), id(&again));
}

#[test]
fn what_concerns_single_events_is_found_as_they_arrive() {
    let folder = folder();
    detection(
        folder.path(),
        "service",
        "TTP",
        "EventCode=7045 OR EventCode=4697 | table _time dest ServiceName",
        "",
    );
    detection(
        folder.path(),
        "throttled",
        "TTP",
        "EventCode=4688 | table _time dest user",
        "tags:\n  throttling: {fields: [dest], period: 1h}\n",
    );
    fs::write(
        folder.path().join("rules/odd.txt"),
        "title: Odd logon\nid: 00000000-0000-4000-8000-000000000001\nlevel: high\nlogsource: {product: windows, service: security}\n\
         detection: {odd: {EventID: 4648}, condition: odd}\n",
    )
    .unwrap();
    fs::create_dir(folder.path().join("sigma")).unwrap();
    fs::rename(
        folder.path().join("rules/odd.txt"),
        folder.path().join("sigma/odd.yml"),
    )
    .unwrap();
    let mut more = ONLY_OURS.to_vec();
    more.extend(["--sigma", "sigma"]);
    let mut served = Served::start(folder.path(), &more);
    served.first_account();
    let all = content(&served);
    for (id, language) in [
        ("service", "spl"),
        ("throttled", "spl"),
        ("00000000-0000-4000-8000-000000000001", "sigma"),
    ] {
        assert_eq!(all[id]["runs"], "on arrival", "{id}");
        assert_eq!(all[id]["language"], language);
    }
    let answer = served.api("PATCH", "/api/v1/content/service", r#"{"alert": true}"#);
    assert_eq!(
        (answer.status, answer.json()["alert"].clone()),
        (200, json!(true))
    );
    let now = Timestamp::now();
    let old = now - SignedDuration::from_hours(30);
    let send = |served: &Served, events: &[String]| {
        let answer = served.hec("/services/collector", &events.concat());
        assert_eq!(answer.status, 200);
    };
    let sent = Instant::now();
    send(
        &served,
        &[
            event(now, 4697, 1, "a", &[("ServiceName", "x")]),
            // Somebody reads old logs in.
            event(old, 4697, 2, "b", &[("ServiceName", "x")]),
            event(now, 4648, 3, "c", &[]),
            event(now, 4688, 4, "d", &[]),
        ],
    );
    until("four findings", || findings(&served, "").len() == 4);
    assert!(
        sent.elapsed() < Duration::from_secs(20),
        "{:?}",
        sent.elapsed()
    );
    let services = findings(&served, "?detection=service");
    let mut hosts: Vec<String> = services
        .iter()
        .map(|one| one["hosts"].to_string())
        .collect();
    hosts.sort();
    assert_eq!(hosts, [r#"["a"]"#, r#"["b"]"#]);
    assert_eq!(services[0]["events"][0]["channel"], "Security");
    let later = now + SignedDuration::from_secs(30);
    send(
        &served,
        &[
            event(later, 4688, 5, "d", &[]),
            event(later, 4688, 6, "e", &[]),
            event(later, 4697, 7, "a", &[("ServiceName", "y")]),
        ],
    );
    until("the other host", || {
        findings(&served, "?detection=throttled").len() == 2
    });
    let all = content(&served);
    assert_eq!(all["throttled"]["throttled"], 1);
    // The same was said of the same a moment ago.
    assert_eq!(findings(&served, "?detection=service").len(), 2);
    // What arrived while detections did not run is looked at when they do.
    let token = served.token.clone();
    served.signal("-KILL");
    served.ended();
    let mut served = Served::start(folder.path(), &["--no-schedules", "--no-hunt"]);
    served.token = token;
    send(&served, &[event(later, 4648, 8, "f", &[])]);
    served.signal("-TERM");
    served.ended();
    let served = Served::start(folder.path(), &more);
    until("what was missed", || findings(&served, "").len() == 6);
    assert_eq!(findings(&served, "?most=1")[0]["hosts"], json!(["f"]));
    let after = format!("?after={}", Timestamp::now());
    assert_eq!(findings(&served, &after), Vec::<Value>::new());
    let alerts = || fs::read_to_string(folder.path().join("alerts.jsonl")).unwrap_or_default();
    until("the alert", || !alerts().is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let text = alerts();
    let alerts: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(alerts.len(), 1, "{text}");
    assert_eq!(alerts[0]["kind"], "finding.new");
    assert_eq!(alerts[0]["title"], "Rule service: a was concerned");
    assert_eq!(alerts[0]["detail"]["hosts"], json!(["a"]));
}

#[test]
fn what_people_decide_about_a_detection_lasts() {
    let folder = folder();
    let search = "EventCode=4625 | stats count by dest";
    detection(folder.path(), "one", "Anomaly", search, "");
    detection(
        folder.path(),
        "broken",
        "Anomaly",
        "EventCode=4625 | nonsense",
        "",
    );
    let mut served = Served::start(folder.path(), &ONLY_OURS);
    served.first_account();
    content(&served);
    let change = |served: &Served, id: &str, body: &str| {
        let answer = served.api("PATCH", &format!("/api/v1/content/{id}"), body);
        (answer.status, answer.json())
    };
    for (id, body, status, why) in [
        ("two", "{}", 404, "no detection"),
        ("one", "{\"on\": true}", 400, "unknown field"),
        ("one", "{", 400, "EOF"),
        (
            "one",
            r#"{"schedule": {"cron": "* *", "earliest": "-1h", "latest": "now"}}"#,
            400,
            "cron",
        ),
    ] {
        let (own, answer) = change(&served, id, body);
        assert_eq!(own, status, "{answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
    }
    let viewer = r#"{"name": "vic", "password": "also a long password", "role": "viewer"}"#;
    assert_eq!(served.api("POST", "/api/v1/users", viewer).status, 200);
    let schedule = r#"{"schedule": {"cron": "30 5 * * *", "earliest": "-1d@d", "latest": "@d"}}"#;
    let (status, one) = change(&served, "one", schedule);
    assert_eq!(status, 200);
    assert_eq!(one["schedule"]["cron"], "30 5 * * *");
    assert!(
        one["next_run"].as_str().unwrap().contains("T05:30:00"),
        "{one}"
    );
    let (_, one) = change(&served, "one", r#"{"enabled": false}"#);
    assert_eq!(one["next_run"], Value::Null);
    served.signal("-KILL");
    served.ended();
    let served = Served::start(folder.path(), &ONLY_OURS);
    let one = content(&served)["one"].clone();
    assert_eq!(one["enabled"], false);
    assert_eq!(one["schedule"]["latest"], "@d");
    let (_, one) = change(&served, "one", r#"{"enabled": true, "schedule": null}"#);
    assert_eq!(one["schedule"]["cron"], "0 * * * *");
    assert_eq!(one["schedule"]["changed"], false);
    let audit = served.api("GET", "/api/v1/audit", "").text();
    assert!(audit.contains("change-content"), "{audit}");
}

#[test]
fn a_detection_that_fails_says_so_and_others_run() {
    not_on_the_hour();
    let folder = folder();
    detection(
        folder.path(),
        "good",
        "TTP",
        "EventCode=4625 | stats count by dest | where count > 0",
        "",
    );
    detection(folder.path(), "bad", "TTP", "EventCode=4625 | nonsense", "");
    let mut served = Served::start(folder.path(), &["--no-schedules", "--no-hunt"]);
    served.first_account();
    let at = ago(1) + SignedDuration::from_mins(20);
    assert_eq!(
        served
            .hec("/services/collector", &failed_logon(at, 1, "a"))
            .status,
        200
    );
    served.signal("-TERM");
    served.ended();
    let past = (ago(40) + SignedDuration::from_secs(1)).as_microsecond();
    let line = json!({"run": {"at": past, "seconds": 0.0, "detections": {"good": {"begins": true}, "bad": {"begins": true}}}});
    fs::write(
        folder.path().join("data/findings.jsonl"),
        format!("{line}\n"),
    )
    .unwrap();
    let served = Served::start(folder.path(), &ONLY_OURS);
    until("the last tick", || {
        content(&served)["good"]["last_tick"] == ago(0).to_string()
    });
    let all = content(&served);
    // Of 40 ticks the latest are made up for.
    assert_eq!(all["good"]["run_count"], 24);
    assert_eq!(all["good"]["missed"], 16);
    assert_eq!(all["good"]["findings"], 1);
    assert_eq!(all["good"]["error"], Value::Null);
    let error = all["bad"]["error"].as_str().unwrap();
    assert!(error.contains("nonsense"), "{error}");
}

#[test]
fn what_is_too_old_raises_no_alert() {
    let folder = folder();
    let search = "EventCode=4697 | table _time dest ServiceName";
    detection(folder.path(), "service", "TTP", search, "");
    let mut more = ONLY_OURS.to_vec();
    more.extend(["--alert-max-age", "3h"]);
    let served = Served::start(folder.path(), &more);
    served.first_account();
    content(&served);
    let answer = served.api("PATCH", "/api/v1/content/service", r#"{"alert": true}"#);
    assert_eq!(answer.status, 200);
    let at = |hours: i64| Timestamp::now() - SignedDuration::from_hours(hours);
    let events = [
        event(at(2), 4697, 1, "new", &[]),
        event(at(4), 4697, 2, "old", &[]),
    ];
    let sent = served.hec("/services/collector", &events.concat());
    assert_eq!(sent.status, 200);
    until("both findings", || findings(&served, "").len() == 2);
    let alerts = || fs::read_to_string(folder.path().join("alerts.jsonl")).unwrap_or_default();
    until("the alert", || !alerts().is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let text = alerts();
    assert!(
        text.lines().count() == 1 && text.contains("new was concerned"),
        "{text}"
    );
}
