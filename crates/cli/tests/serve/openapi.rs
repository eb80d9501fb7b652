//! The OpenAPI document describes what the server does.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::schedules::detection;
use crate::served::{PASSWORD, Served, folder};

/// What in a value is not as its schema says.
fn wrong(document: &Value, schema: &Value, value: &Value, place: &str, all: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap();
        return wrong(document, named, value, place, all);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |schema: &Value| {
            let mut own = Vec::new();
            wrong(document, schema, value, place, &mut own);
            own.is_empty()
        };
        if !any.iter().any(fits) {
            all.push(format!("{place}: {value}"));
        }
        return;
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        all.push(format!("{place}: {value}"));
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => panic!("{other}"),
    };
    if !fits {
        all.push(format!("{place}: {value}"));
        return;
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        wrong(
            document,
            &schema["items"],
            item,
            &format!("{place}[{at}]"),
            all,
        );
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            all.push(format!("{place}: no {name}"));
        }
    }
    if let (Some(known), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, field) in fields {
            match known.get(name) {
                Some(schema) => wrong(document, schema, field, &format!("{place}.{name}"), all),
                None => all.push(format!("{place}: {name} is not described")),
            }
        }
    }
}

#[test]
fn the_document_describes_what_the_server_answers() {
    let folder = folder();
    let search = "EventCode=4697 | table _time dest";
    detection(folder.path(), "one", "TTP", search, "");
    let served = Served::start(
        folder.path(),
        &[
            "--content",
            "rules",
            "--no-hunt",
            "--alert-file",
            "alerts.jsonl",
        ],
    );
    let document = served.ask("GET", "/api/v1/openapi.json", &[], b"").json();
    assert_eq!(document["openapi"], "3.1.0");
    served.first_account();
    let user = |name: &str, role: &str| {
        json!({"name": name, "password": "also a long password", "role": role}).to_string()
    };
    for role in ["viewer", "analyst"] {
        let body = user(role, role);
        assert_eq!(served.api("POST", "/api/v1/users", &body).status, 200);
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let alert = r#"{"alert": true}"#;
    while served.api("PATCH", "/api/v1/content/one", alert).status != 200 {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let event = json!({"event": {"EventTime": jiff::Timestamp::now().strftime("%F %T").to_string(), "Hostname": "a",
        "Channel": "Security", "EventID": 4697, "RecordNumber": 1}});
    assert_eq!(
        served.hec("/services/collector", &event.to_string()).status,
        200
    );
    let findings = || served.api("GET", "/api/v1/findings", "").json();
    while findings()["findings"] == json!([]) {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let question = r#"{"search": "search * | stats count by host"}"#;
    let job = served.api("POST", "/api/v1/search/jobs", question).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    while served
        .api("GET", &format!("/api/v1/search/jobs/{job}"), "")
        .json()["state"]
        != "done"
    {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let found = findings()["findings"][0]["id"].as_str().unwrap().to_owned();
    let decision =
        json!({"items": [{"id": found, "version": 0}], "status": "in-progress", "note": "x"});
    let expected = json!({"detection": "one", "reason": "x", "until": jiff::Timestamp::now().strftime("%F").to_string()});
    let made = served.api("POST", "/api/v1/exceptions", &expected.to_string());
    let exception = made.json()["id"].as_str().unwrap().to_owned();
    let bodies: BTreeMap<&str, String> = BTreeMap::from([
        ("Decision", decision.to_string()),
        ("Csv", "ip\n10.0.0.1\n".to_owned()),
        ("DecidedException", expected.to_string()),
        (
            "EditedTable",
            r#"{"columns": ["nt_host", "identity"], "rows": [["a", "b"]]}"#.to_owned(),
        ),
        ("Draft", question.to_owned()),
        ("NewToken", r#"{"name": "other"}"#.to_owned()),
        (
            "Passwords",
            json!({"old": PASSWORD, "new": PASSWORD}).to_string(),
        ),
        ("UserChange", r#"{"role": "analyst"}"#.to_owned()),
        ("Question", question.to_owned()),
        ("Change", r#"{"enabled": true}"#.to_owned()),
        ("NewUser", user("other", "viewer")),
    ]);
    let mut told = 0;
    // What removes things comes last.
    for last in [false, true] {
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if (method == "delete") != last {
                    continue;
                }
                let place = path
                    .replace(
                        "{id}",
                        match path {
                            path if path.contains("jobs") => &job,
                            path if path.contains("inbox") => &found,
                            path if path.contains("exceptions") => &exception,
                            _ => "one",
                        },
                    )
                    .replace("{name}", "other")
                    .replace("{kind}", "assets");
                let method = method.to_uppercase();
                let content = operation["requestBody"]["content"].as_object();
                let reference = content
                    .and_then(|all| all.values().next())
                    .and_then(|one| one.pointer("/schema/$ref"));
                let body = reference.map(|one| one.as_str().unwrap().rsplit('/').next().unwrap());
                let body = body.map_or("", |name| bodies[name].as_str());
                let ask = |name: &str| {
                    let basic = format!(
                        "Basic {}",
                        STANDARD.encode(format!("{name}:also a long password"))
                    );
                    let headers = [("Authorization", basic.as_str())];
                    served
                        .ask(&method, &place, &headers, body.as_bytes())
                        .status
                };
                // Who may ask.
                let role = operation["x-role"].as_str();
                let unknown = served.ask(&method, &place, &[], body.as_bytes()).status;
                assert_eq!(unknown == 401, role.is_some(), "{method} {path}");
                if role == Some("admin") {
                    assert_eq!(ask("analyst"), 403, "{method} {path}");
                }
                if role == Some("analyst") {
                    assert_eq!(ask("viewer"), 403, "{method} {path}");
                }
                // There is no case without a hunt.
                if path.contains("{part}") {
                    continue;
                }
                let answer = served.api(&method, &place, body);
                let described = &operation["responses"][answer.status.to_string()];
                assert!(
                    described.is_object(),
                    "{method} {path}: {} {}",
                    answer.status,
                    answer.text()
                );
                assert!(
                    answer.status < 300,
                    "{method} {path}: {} {}",
                    answer.status,
                    answer.text()
                );
                let kind = answer.header("content-type").unwrap();
                let kind = kind.split(';').next().unwrap();
                let media = described["content"].get(kind);
                let media = media.unwrap_or_else(|| panic!("{method} {path}: {kind}"));
                if kind == "application/json" {
                    let mut all = Vec::new();
                    wrong(&document, &media["schema"], &answer.json(), "", &mut all);
                    assert_eq!(all, [""; 0], "{method} {path}");
                }
                told += 1;
            }
        }
    }
    assert!(told >= 34, "{told}");
}

/// The pages for people name no path that is not there.
#[test]
fn the_documentation_names_paths_that_are_there() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    let document = served.ask("GET", "/api/v1/openapi.json", &[], b"").json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let page = include_str!("../../../../docs/serve.md");
    let mut named = 0;
    for (at, _) in page.match_indices("/api/v1/") {
        let rest = &page[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/_.".contains(c)));
        let path = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', '/']);
        let fits = |known: &&&String| {
            let (known, path): (Vec<&str>, Vec<&str>) =
                (known.split('/').collect(), path.split('/').collect());
            known.len() == path.len()
                && known
                    .iter()
                    .zip(path)
                    .all(|(known, own)| *known == own || known.starts_with('{'))
        };
        assert!(paths.iter().any(|known| fits(&known)), "{path}");
        named += 1;
    }
    assert!(named > 10, "{named}");
}
