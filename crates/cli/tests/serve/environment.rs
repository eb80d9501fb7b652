//! Assets, identities and exceptions: kept with their history, and used by what runs next.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::served::{Answer, DETECTION, PASSWORD, Served, folder};

/// A server with one detection, which also hunts, and with an analyst and a viewer.
fn start(folder: &Path, more: &[&str]) -> Served {
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    std::fs::write(folder.join("rules/service.yml"), DETECTION).unwrap();
    let mut arguments = vec!["--no-builtin", "--content", "rules", "--every", "1s"];
    arguments.extend(more);
    let served = Served::start(folder, &arguments);
    served.first_account();
    for (name, role) in [("ann", "analyst"), ("vic", "viewer")] {
        let user = json!({"name": name, "password": PASSWORD, "role": role});
        assert_eq!(
            served
                .api("POST", "/api/v1/users", &user.to_string())
                .status,
            200
        );
    }
    served
}

fn as_user(served: &Served, name: &str, method: &str, path: &str, body: &Value) -> Answer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{name}:{PASSWORD}")));
    let headers = [("Authorization", basic.as_str())];
    served.ask(method, path, &headers, body.to_string().as_bytes())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A service is installed: an event that the detection finds.
fn install(served: &Served, record: u64, host: &str, service: &str) {
    let event = json!({"time": now(), "event": {"EventTime": now(), "Hostname": host, "Channel": "Security", "EventID": 4697,
        "RecordNumber": record, "ServiceName": service, "SubjectUserName": "eve"}});
    assert_eq!(
        served.hec("/services/collector", &event.to_string()).status,
        200
    );
}

fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

const ASSETS: &str = "/api/v1/environment/assets";

#[test]
fn assets_are_kept_checked_exported_and_searched_with() {
    let folder = folder();
    let served = start(folder.path(), &["--no-hunt"]);
    let empty = as_user(&served, "vic", "GET", ASSETS, &Value::Null).json();
    assert_eq!(
        (&empty["version"], &empty["rows"], &empty["changed"]),
        (&json!(0), &json!([]), &Value::Null)
    );
    let table = json!({"version": 0, "columns": ["nt_host", "ip", "owner", "priority", "category"],
        "rows": [["SRV1", "10.0.0.1|10.0.0.2", "ops", "high", "server|pci"], ["", "10.7.0.0/16", "=ops", "", "lab"]]});
    for name in ["ann", "vic"] {
        assert_eq!(as_user(&served, name, "PUT", ASSETS, &table).status, 403);
    }
    let saved = as_user(&served, "ida", "PUT", ASSETS, &table);
    assert_eq!(
        (saved.status, &saved.json()["by"]),
        (200, &json!("ida")),
        "{}",
        saved.text()
    );
    // Searches know it at once, by name, by address and by network.
    install(&served, 1, "srv1", "alpha");
    for (event, host) in [("a", "10.0.0.2"), ("b", "10.7.3.4")] {
        let body = json!({"time": now(), "host": host, "event": event});
        assert_eq!(
            served.hec("/services/collector", &body.to_string()).status,
            200
        );
    }
    let rows =
        served.search("search * | stats count by host, host_category, host_owner | sort host");
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| cell.as_str().unwrap_or_default().to_owned())
                .collect()
        })
        .collect();
    for row in [
        ["10.0.0.2", "server", "ops", "1"],
        ["10.7.3.4", "lab", "=ops", "1"],
        ["srv1", "pci", "ops", "1"],
    ] {
        let is_there = |own: &Vec<String>| row.iter().all(|cell| own.iter().any(|one| one == cell));
        assert!(rows.iter().any(is_there), "{row:?}: {rows:?}");
    }
    // Who saw another version is told, and nothing is lost.
    let late = as_user(&served, "ida", "PUT", ASSETS, &table);
    assert_eq!(late.status, 409, "{}", late.text());
    // What is wrong is told at its place, and nothing changes.
    let wrong = json!({"version": 1, "columns": ["nt_host", "ip", "priority"],
        "rows": [["SRV1", "10.0.0.300", "urgent"], ["srv1", "", ""], ["", "", "high"]]});
    let answer = as_user(&served, "ida", "PUT", ASSETS, &wrong);
    assert_eq!(answer.status, 400);
    let problems = answer.json()["problems"].clone();
    let places: Vec<(u64, &str)> = (problems.as_array().unwrap().iter())
        .map(|one| {
            (
                one["row"].as_u64().unwrap(),
                one["column"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [(0, "ip"), (0, "priority"), (1, "nt_host"), (2, "")],
        "{problems}"
    );
    assert_eq!(
        as_user(&served, "vic", "GET", ASSETS, &Value::Null).json()["version"],
        1
    );

    // Out as a file that a spreadsheet may open, and in again, as a whole and only to look at it.
    let csv = as_user(
        &served,
        "vic",
        "GET",
        "/api/v1/environment/assets/csv",
        &Value::Null,
    );
    assert!(
        csv.header("content-disposition")
            .unwrap()
            .contains("assets.csv")
    );
    assert!(
        csv.text().contains("'=ops") && !csv.text().contains(",=ops"),
        "{}",
        csv.text()
    );
    let basic = format!("Basic {}", STANDARD.encode(format!("ida:{PASSWORD}")));
    let send = |method: &str, path: &str, body: &[u8]| {
        let headers = [
            ("Authorization", basic.as_str()),
            ("Content-Type", "text/csv"),
        ];
        served.ask(method, path, &headers, body)
    };
    let read = send(
        "POST",
        "/api/v1/environment/assets/csv",
        csv.text().as_bytes(),
    )
    .json();
    assert_eq!(
        (&read["rows"], &read["problems"]),
        (&table["rows"], &json!([]))
    );
    let read = send(
        "POST",
        "/api/v1/environment/assets/csv",
        b"ip\n10.0.0.1\nnowhere\n",
    )
    .json();
    assert_eq!(read["problems"][0]["row"], 1, "{read}");
    assert_eq!(
        send("POST", "/api/v1/environment/assets/csv", b"ip\n1,2\n").status,
        400
    );
    assert_eq!(
        send("PUT", ASSETS, b"nt_host,owner\nSRV2,bob\n").status,
        200
    );
    assert_eq!(
        send("PUT", "/api/v1/environment/nothing", b"ip\n").status,
        404
    );
    let identities =
        json!({"columns": ["identity", "category"], "rows": [["eve|CORP\\eve", "contractor"]]});
    assert_eq!(
        as_user(
            &served,
            "ida",
            "PUT",
            "/api/v1/environment/identities",
            &identities
        )
        .status,
        200
    );
    let found = served.search("search EventCode=4697 | stats count by user_category");
    assert_eq!(found[0][0], "contractor", "{found:?}");

    // The audit log has who changed what into what.
    let audit = served
        .api("GET", "/api/v1/audit?most=20", "")
        .json()
        .to_string();
    for part in [
        "change-assets",
        "added 2: 10.7.0.0/16 and SRV1",
        "added 1: SRV2; removed 2:",
        "change-identities",
    ] {
        assert!(audit.contains(part), "{part}: {audit}");
    }
    // It is there after a restart.
    drop(served);
    let mut again = Served::start(folder.path(), &["--no-hunt"]);
    again.link.clear();
    assert_eq!(
        as_user(&again, "vic", "GET", ASSETS, &Value::Null).json()["rows"],
        json!([["SRV2", "bob"]])
    );
}

const EXCEPTIONS: &str = "/api/v1/exceptions";

#[test]
fn an_exception_hides_what_it_covers_until_its_end_and_says_so() {
    let folder = folder();
    let served = start(folder.path(), &[]);
    eventually("content is loaded", || {
        let content = served.api("GET", "/api/v1/content", "").json();
        (content["detections"] != json!([])).then_some(())
    });
    let decided = |until: &str| json!({"detection": "service*", "fields": {"dest": ["srv1*"]}, "reason": "we deploy alpha", "until": until});
    let until = "2030-01-31";
    // At most a year, and never everything.
    for (wrong, place) in [
        (decided(until), "until"),
        (decided("2020-01-01"), "until"),
        (decided("soon"), "until"),
        (
            json!({"fields": {"dest": ["*"]}, "reason": "x", "until": "2030-01-31"}),
            "detection",
        ),
        (
            json!({"detection": "**", "reason": "x", "until": "2030-01-31"}),
            "detection",
        ),
        (
            json!({"detection": "a", "reason": " ", "until": "2030-01-31"}),
            "reason",
        ),
        (
            json!({"detection": "a", "fields": {"dest": []}, "reason": "x", "until": "2030-01-31"}),
            "fields",
        ),
    ] {
        let answer = as_user(&served, "ann", "POST", EXCEPTIONS, &wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        let problems = answer.json()["problems"].to_string();
        assert!(
            problems.contains(&format!("\"column\":\"{place}\"")),
            "{wrong}: {problems}"
        );
    }
    let soon = |seconds: u64| {
        let time = i64::try_from(now() + seconds).unwrap();
        let days = time.div_euclid(86_400);
        // Of the calendar's arithmetic only this is needed: a time of day within today or tomorrow.
        let (year, month, day) = civil(days);
        let rest = time.rem_euclid(86_400);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            rest / 3_600,
            rest / 60 % 60,
            rest % 60
        )
    };
    assert_eq!(
        as_user(&served, "vic", "POST", EXCEPTIONS, &decided(&soon(600))).status,
        403
    );
    let made = as_user(&served, "ann", "POST", EXCEPTIONS, &decided(&soon(600)));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let path = format!("{EXCEPTIONS}/{}", made["id"].as_str().unwrap());
    let findings = || {
        served.api("GET", "/api/v1/findings", "").json()["findings"]
            .as_array()
            .unwrap()
            .len()
    };
    let hidden = || {
        let content = served.api("GET", "/api/v1/content", "").json();
        content["detections"][0]["hidden"].as_u64()
    };
    // On arrival: what it covers is counted, what it does not is found.
    install(&served, 1, "srv1", "alpha");
    install(&served, 2, "srv2", "alpha");
    eventually("one is found, and one is hidden", || {
        (findings() == 1 && hidden() == Some(1)).then_some(())
    });
    // In hunts: it is in the case, marked, with who and why.
    let of_hunt = eventually("the hunt hides one", || {
        let all = as_user(&served, "vic", "GET", EXCEPTIONS, &Value::Null).json();
        (all["exceptions"][0]["hidden"] == 1).then_some(all)
    });
    assert_eq!(of_hunt["exceptions"][0]["by"], "ann");
    let case: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("data/case/case.json")).unwrap())
            .unwrap();
    let silenced = &case["silenced"][0];
    assert_eq!(
        (&silenced["who"], &silenced["why"]),
        (&json!("ann"), &json!("we deploy alpha")),
        "{case}"
    );
    assert_eq!(silenced["findings"].as_array().unwrap().len(), 1);

    // Changed by somebody else meanwhile; then to an end that comes in seconds. It ends by itself.
    let mut change = decided(&soon(8));
    change["version"] = json!(7);
    assert_eq!(as_user(&served, "ann", "PATCH", &path, &change).status, 409);
    change["version"] = made["version"].clone();
    assert_eq!(as_user(&served, "ida", "PATCH", &path, &change).status, 200);
    let ended = eventually("it has ended, and the hunt sees everything again", || {
        let all = as_user(&served, "vic", "GET", EXCEPTIONS, &Value::Null).json();
        (all["exceptions"][0]["ended"] == true && all["exceptions"][0]["hidden"] == 0)
            .then_some(all)
    });
    assert_eq!(ended["exceptions"][0]["by"], "ida");
    // The case says that it has ended.
    let case = std::fs::read_to_string(folder.path().join("data/case/case.json")).unwrap();
    assert!(
        case.contains("we deploy alpha") && case.contains("ended on"),
        "an exception that ended is not reported"
    );

    assert_eq!(
        as_user(&served, "vic", "DELETE", &path, &Value::Null).status,
        403
    );
    assert_eq!(
        as_user(&served, "ann", "DELETE", &path, &Value::Null).status,
        200
    );
    assert_eq!(
        as_user(&served, "ann", "DELETE", &path, &Value::Null).status,
        404
    );
    let audit = served
        .api("GET", "/api/v1/audit?most=10", "")
        .json()
        .to_string();
    for act in [
        "add-exception",
        "change-exception",
        "remove-exception",
        "we deploy alpha",
    ] {
        assert!(audit.contains(act), "{act}: {audit}");
    }
}

/// Year, month and day of a number of days since 1970-01-01, from 2026 to 2099.
fn civil(mut days: i64) -> (i64, i64, i64) {
    let mut year = 1970;
    let is_leap = |year: i64| year % 4 == 0;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let months = [
        31,
        28 + i64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    for (month, length) in (1..).zip(months) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    unreachable!()
}
