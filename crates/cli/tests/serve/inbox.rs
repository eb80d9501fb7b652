//! The inbox: what was found, and what people decided about it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::schedules::{ONLY_OURS, detection, event, findings, until};
use crate::served::{Answer, PASSWORD, Served, folder};

const INBOX: &str = "/api/v1/inbox";

fn as_user(served: &Served, name: &str, method: &str, path: &str, body: &Value) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{PASSWORD}")));
    let headers = [("Authorization", basic.as_str())];
    served.ask(method, path, &headers, body.to_string().as_bytes())
}

fn items(served: &Served) -> Vec<Value> {
    let answer = as_user(served, "ida", "GET", INBOX, &Value::Null).json();
    answer["items"].as_array().unwrap().clone()
}

/// A server with three notables, an Anomaly, and people.
fn with_notables(folder: &std::path::Path) -> Served {
    let search = "EventCode=4697 | table _time dest user";
    detection(folder, "service", "TTP", search, "");
    detection(folder, "quiet", "Anomaly", search, "");
    let served = Served::start(folder, &ONLY_OURS);
    served.first_account();
    for (name, role) in [("ann", "analyst"), ("bob", "analyst"), ("vic", "viewer")] {
        let user = json!({"name": name, "password": PASSWORD, "role": role});
        let made = served.api("POST", "/api/v1/users", &user.to_string());
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let all = |path: &str| served.api("GET", path, "").json();
    until("content is loaded", || {
        all("/api/v1/content")["detections"] != json!([])
    });
    // In the window that the Anomaly looks at.
    let now = Timestamp::now() - SignedDuration::from_mins(30);
    for (record, host) in [(1, "a"), (2, "b"), (3, "c")] {
        let body = event(now, 4697, record, host, &[("SubjectUserName", "eve")]);
        assert_eq!(served.hec("/services/collector", &body).status, 200);
    }
    until("all are found", || findings(&served, "").len() == 3);
    let run = served.api("POST", "/api/v1/content/quiet/run", "");
    assert_eq!(run.json()["found"], 3, "{}", run.text());
    served
}

#[test]
fn people_decide_about_what_was_found_and_it_is_kept() {
    let folder = folder();
    let mut served = with_notables(folder.path());
    let all = items(&served);
    // An Anomaly is no notable.
    assert_eq!(all.len(), 3, "{all:?}");
    for one in &all {
        assert_eq!(
            (&one["kind"], &one["status"], &one["version"], &one["type"]),
            (&json!("finding"), &json!("new"), &json!(0), &json!("TTP"))
        );
    }
    let ids: Vec<Value> = all.iter().map(|one| one["id"].clone()).collect();
    let decide =
        |served: &Served, name: &str, body: &Value| as_user(served, name, "PATCH", INBOX, body);
    let known = |id: &Value, version: u64| json!({"id": id, "version": version});
    let first = json!({"items": [known(&ids[0], 0), known(&ids[1], 0)], "status": "closed",
        "disposition": "benign-positive", "note": " a test of ours "});
    // Viewers look and decide nothing; nobody decides from another site.
    assert_eq!(
        as_user(&served, "vic", "GET", INBOX, &Value::Null).status,
        200
    );
    assert_eq!(decide(&served, "vic", &first).status, 403);
    let basic = format!("Basic {}", STANDARD.encode(format!("ann:{PASSWORD}")));
    let elsewhere = [
        ("Authorization", basic.as_str()),
        ("Origin", "https://evil.example"),
    ];
    let body = first.to_string();
    let refused = served.ask("PATCH", INBOX, &elsewhere, body.as_bytes());
    assert_eq!(refused.status, 403);

    let done = decide(&served, "ann", &first);
    assert_eq!(done.status, 200, "{}", done.text());
    let done = done.json()["items"].as_array().unwrap().clone();
    assert_eq!(done.len(), 2);
    assert!(
        done.iter()
            .all(|one| one["status"] == "closed" && one["version"] == 1)
    );
    // Who has not seen that decides about none of it.
    let late = json!({"items": [known(&ids[2], 0), known(&ids[1], 0)], "owner": "bob"});
    let refused = decide(&served, "bob", &late);
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("ann changed"), "{}", refused.text());
    let untouched = |all: &[Value]| {
        let one = all.iter().find(|one| one["id"] == ids[2]).unwrap().clone();
        assert_eq!((&one["owner"], &one["version"]), (&json!(""), &json!(0)));
    };
    untouched(&items(&served));
    let seen = json!({"items": [known(&ids[1], 1)], "owner": "bob", "status": "in-progress"});
    assert_eq!(decide(&served, "bob", &seen).status, 200);
    for (wrong, status) in [
        (json!({"items": [], "status": "closed"}), 400),
        (json!({"items": [known(&ids[2], 0)]}), 400),
        (json!({"items": [known(&ids[2], 0)], "status": "done"}), 400),
        (
            json!({"items": [known(&ids[2], 0)], "owner": "nobody"}),
            400,
        ),
        (
            json!({"items": [known(&ids[2], 0)], "note": "x".repeat(5000)}),
            400,
        ),
        (
            json!({"items": [known(&json!("none"), 0)], "status": "closed"}),
            404,
        ),
    ] {
        let answer = decide(&served, "ann", &wrong);
        assert_eq!(answer.status, status, "{wrong}: {}", answer.text());
    }

    // What was acknowledged survives.
    served.signal("-KILL");
    served.ended();
    let served = Served::start(folder.path(), &ONLY_OURS);
    let detail = |id: &Value| {
        let path = format!("{INBOX}/{}", id.as_str().unwrap());
        as_user(&served, "vic", "GET", &path, &Value::Null).json()
    };
    let one = detail(&ids[1]);
    assert_eq!(
        (
            &one["item"]["status"],
            &one["item"]["owner"],
            &one["item"]["disposition"]
        ),
        (
            &json!("in-progress"),
            &json!("bob"),
            &json!("benign-positive")
        )
    );
    let history: Vec<(&str, &str)> = (one["history"].as_array().unwrap().iter())
        .map(|one| (one["by"].as_str().unwrap(), one["note"].as_str().unwrap()))
        .collect();
    assert_eq!(history, [("bob", ""), ("ann", "a test of ours")]);
    assert_eq!(one["finding"]["message"], one["item"]["message"]);
    untouched(&items(&served));
    let audit = served.api("GET", "/api/v1/audit", "").json();
    let acts: Vec<&str> = (audit["entries"].as_array().unwrap().iter())
        .filter(|one| one["act"] == "decide")
        .map(|one| one["user"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["bob", "ann"]);

    // Nothing is sent again to who has it already.
    let inbox = as_user(&served, "vic", "GET", INBOX, &Value::Null).json();
    let again = format!("{INBOX}?unless={}", inbox["tag"].as_str().unwrap());
    let again = as_user(&served, "vic", "GET", &again, &Value::Null).json();
    assert_eq!(again["items"], Value::Null);
    assert_eq!(inbox["owners"], json!(["ann", "bob", "ida"]));
}

#[test]
fn a_detection_runs_when_somebody_asks() {
    let folder = folder();
    let more = "deployment: {scheduling: {cron_schedule: '0 0 1 1 *', earliest_time: -2h, latest_time: now}}";
    let search = "EventCode=4625 | stats count by dest";
    detection(folder.path(), "rare", "TTP", search, more);
    let served = Served::start(folder.path(), &ONLY_OURS);
    served.first_account();
    let of =
        |name: &str| served.api("GET", "/api/v1/content", "").json()["detections"][0][name].clone();
    until("content is loaded", || of("id") == "rare");
    for (record, hours) in [(1, 1), (2, 3)] {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let body = event(at, 4625, record, &format!("h{hours}"), &[]);
        assert_eq!(served.hec("/services/collector", &body).status, 200);
    }
    let run = "/api/v1/content/rare/run";
    let first = served.api("POST", run, "");
    assert_eq!(first.status, 200, "{}", first.text());
    // Of its window alone, and once.
    assert_eq!(first.json()["found"], 1);
    assert_eq!(served.api("POST", run, "").json()["found"], 0);
    let recent = of("recent");
    let found: Vec<&Value> = recent
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["findings"])
        .collect();
    assert_eq!(found, [&json!(0), &json!(1)]);
    assert_eq!(findings(&served, "")[0]["hosts"], json!(["h1"]));
    // It is no tick: the next one comes when it would have come.
    assert_eq!(of("last_tick").as_str().map(|_| ()), Some(()));

    assert_eq!(
        served.api("POST", "/api/v1/content/none/run", "").status,
        404
    );
    let off = r#"{"enabled": false}"#;
    assert_eq!(served.api("PATCH", "/api/v1/content/rare", off).status, 200);
    assert_eq!(served.api("POST", run, "").status, 409);
}

#[test]
fn a_search_is_checked_before_it_runs_and_the_page_knows_the_language() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    served.first_account();
    let body = event(Timestamp::now(), 4625, 1, "host", &[("Odd", "1")]);
    assert_eq!(served.hec("/services/collector", &body).status, 200);
    assert_eq!(served.search("search * | stats count"), [[json!("1")]]);
    let check = |search: &str| {
        let body = json!({ "search": search }).to_string();
        served.api("POST", "/api/v1/search/check", &body).json()
    };
    let wrong = check("search ä=\"\u{1f980}\"\n| stats count by\n| nosuch x=1");
    let place = &wrong["problems"][0];
    let all = wrong["problems"].as_array().unwrap();
    let at = |one: &Value| {
        (
            one["line"].as_u64().unwrap(),
            one["column"].as_u64().unwrap(),
        )
    };
    assert!(all.iter().any(|one| at(one).0 >= 2), "{wrong}");
    assert!(place["start"].as_u64() < place["end"].as_u64(), "{wrong}");
    let wrong = check("search x | eval a=nosuch(1)");
    assert!(
        wrong["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("nosuch"),
        "{wrong}"
    );
    let events = |search: &str| check(search)["events"].clone();
    assert_eq!(
        events("search x | eval a=1 | head 5"),
        "search x | eval a=1 | head 5"
    );
    assert_eq!(
        events("x y | where a=1\n| stats count | head 1"),
        "x y | where a=1"
    );
    assert_eq!(events("search x | table a"), "search x");
    assert_eq!(events("| makeresults"), Value::Null);
    assert_eq!(events("| tstats count"), Value::Null);

    let language = served.api("GET", "/api/v1/search/language", "").json();
    let has = |kind: &str, name: &str| {
        let all = language[kind].as_array().unwrap();
        all.iter()
            .any(|one| one["name"] == name && one["meaning"] != "")
    };
    assert!(has("commands", "timechart") && has("functions", "coalesce"));
    assert!(has("aggregations", "dc"), "{language}");
    let fields = served.api("GET", "/api/v1/search/fields", "").json();
    let odd = fields["fields"].as_array().unwrap().iter();
    assert_eq!(
        odd.filter(|one| one["name"] == "Odd" && one["events"] == 1)
            .count(),
        1
    );
    let health = served.api("GET", "/api/v1/health", "").json();
    assert_eq!(health["logs"][0]["host"], "host", "{health}");
    assert_eq!(health["senders"][0]["events"], 1, "{health}");
}
