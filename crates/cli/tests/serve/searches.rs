//! Searches: as jobs, within limits, and as Splunk's clients make them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::tool;
use serde_json::{Value, json};

use crate::schedules::detection;
use crate::served::{PASSWORD, Served, folder};

/// A search that takes longer than any test: it hashes a million rows again and again.
fn endless() -> String {
    let hashes = ["n=sha512(n)"; 10].join(", ");
    let hash = format!(" | eval {hashes}").repeat(4);
    format!("| makeresults count=1000000 | streamstats count as n{hash} | stats dc(n)")
}

fn with_events() -> (tempfile::TempDir, Served) {
    let folder = folder();
    let search = "EventCode=4625 | stats count by dest";
    detection(folder.path(), "one", "Anomaly", search, "");
    let served = Served::start(folder.path(), &["--content", "rules", "--no-hunt"]);
    served.first_account();
    let body = r#"{"time": 1790000000.25, "event": "hello a"}{"time": 1790000001, "event": "hello b & <c>"}"#;
    assert_eq!(served.hec("/services/collector", body).status, 200);
    (folder, served)
}

fn job(served: &Served, question: &Value) -> String {
    let answer = served.api("POST", "/api/v1/search/jobs", &question.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn wait_for(served: &Served, id: &str, wanted: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let path = format!("/api/v1/search/jobs/{id}");
        let state = served.api("GET", &path, "").json();
        if state["state"] == wanted {
            return state;
        }
        assert!(Instant::now() < until, "{state}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_search_is_a_job_that_can_be_watched_and_cancelled() {
    let (_folder, served) = with_events();
    let search = "search message=hello* | sort message | table message";
    let id = job(&served, &json!({ "search": search }));
    let done = wait_for(&served, &id, "done");
    assert_eq!(
        (&done["rows"], &done["truncated"]),
        (&json!(2), &json!(false))
    );
    let results = |query: &str| {
        let path = format!("/api/v1/search/jobs/{id}/results{query}");
        served.api("GET", &path, "").json()
    };
    assert_eq!(results("")["rows"], json!([["hello a"], ["hello b & <c>"]]));
    let rest = results("?offset=1&count=5");
    assert_eq!(rest["rows"], json!([["hello b & <c>"]]));
    let events = served.api("GET", &format!("/api/v1/search/jobs/{id}/events"), "");
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert!(events.text().contains("event: end\n"), "{}", events.text());

    let endless = job(&served, &json!({ "search": endless() }));
    wait_for(&served, &endless, "running");
    let path = format!("/api/v1/search/jobs/{endless}");
    let early = served.api("GET", &format!("{path}/results"), "");
    assert_eq!(early.status, 409);
    // Meanwhile events are taken, and others search.
    let sent = served.hec("/services/collector", r#"{"event": "more"}"#);
    assert_eq!(sent.status, 200);
    let found = served.search("search message=more | stats count");
    assert_eq!(found, [[json!("1")]]);
    assert_eq!(served.api("DELETE", &path, "").status, 200);
    assert_eq!(served.api("DELETE", &path, "").status, 404);
    assert_eq!(served.api("GET", &path, "").status, 404);
    let all = served.api("GET", "/api/v1/search/jobs", "").json();
    assert_eq!(all["jobs"].as_array().unwrap().len(), 1, "{all}");
    let audit = served.api("GET", "/api/v1/audit", "").text();
    assert!(audit.contains("makeresults"), "{audit}");
}

#[test]
fn a_search_has_limits() {
    let (_folder, served) = with_events();
    let rows = json!({"search": "| makeresults count=1000 | streamstats count", "rows": 10});
    let done = wait_for(&served, &job(&served, &rows), "done");
    assert_eq!(
        (&done["rows"], &done["truncated"]),
        (&json!(10), &json!(true))
    );
    let id = job(&served, &json!({"search": endless(), "seconds": 1}));
    let failed = wait_for(&served, &id, "failed");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("1 seconds"), "{failed}");
    assert!(failed["seconds"].as_f64().unwrap() < 20.0, "{failed}");
    for (question, why) in [
        (json!({"search": "search | nonsense"}), "nonsense"),
        (
            json!({"search": "search x", "earliest": "soon"}),
            "earliest",
        ),
        (
            json!({"search": "search x", "until": "now"}),
            "unknown field",
        ),
    ] {
        for path in ["/api/v1/search", "/api/v1/search/jobs"] {
            let answer = served.api("POST", path, &question.to_string());
            assert_eq!(answer.status, 400);
            assert!(answer.text().contains(why), "{}", answer.text());
        }
    }
    let between = |earliest: &str, latest: &str| {
        let search = "search hello* | stats count";
        let question = json!({"search": search, "earliest": earliest, "latest": latest});
        let answer = served.api("POST", "/api/v1/search", &question.to_string());
        answer.json()["rows"].clone()
    };
    assert_eq!(between("1790000000", "1790000001"), json!([["1"]]));
    assert_eq!(between("1790000000", ""), json!([["2"]]));
    // Each user may only have so many.
    let user = r#"{"name": "ann", "password": "also a long password", "role": "analyst"}"#;
    assert_eq!(served.api("POST", "/api/v1/users", user).status, 200);
    let basic = format!("Basic {}", STANDARD.encode("ann:also a long password"));
    let headers = [("Authorization", basic.as_str())];
    let start = || {
        let body = json!({ "search": endless() }).to_string();
        served.ask("POST", "/api/v1/search/jobs", &headers, body.as_bytes())
    };
    let ids: Vec<String> = (0..8)
        .map(|_| start().json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(start().status, 429);
    // She does not see what others do; an administrator does.
    let own = served.ask("GET", "/api/v1/search/jobs", &headers, b"");
    assert_eq!(own.json()["jobs"].as_array().unwrap().len(), 8);
    for id in ids {
        let path = format!("/api/v1/search/jobs/{id}");
        assert_eq!(served.api("DELETE", &path, "").status, 200);
    }
}

#[test]
fn a_search_ends_when_its_client_goes() {
    let (_folder, served) = with_events();
    let basic = STANDARD.encode(format!("ida:{PASSWORD}"));
    let native = json!({ "search": endless() }).to_string();
    let form = format!(
        "exec_mode=oneshot&output_mode=json&search={}",
        endless().replace(' ', "+")
    );
    for (path, body) in [("/api/v1/search", native), ("/services/search/jobs", form)] {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let jobs = || {
            let all = served.api("GET", "/api/v1/search/jobs", "").json();
            all["jobs"].as_array().unwrap().len()
        };
        let until = Instant::now() + Duration::from_secs(30);
        while jobs() == 0 {
            assert!(Instant::now() < until, "no job");
            std::thread::sleep(Duration::from_millis(50));
        }
        // Long answers begin before they are known.
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        drop(stream);
        while jobs() > 0 {
            assert!(Instant::now() < until, "the job goes on");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn splunks_own_client_library_works() {
    let Some(python) = tool("splunk-sdk") else {
        return;
    };
    let (_folder, served) = with_events();
    let until = Instant::now() + Duration::from_secs(30);
    while served.api("GET", "/api/v1/content", "").json()["detections"] == json!([]) {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(100));
    }
    let port = served.address.rsplit(':').next().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/splunk_sdk.py");
    let output = Command::new(python)
        .arg(script)
        .args([port, "ida", PASSWORD])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("all is well"), "{said}\n{error}");
}

/// As Splunk's client library for JavaScript asks: the output mode in the query of a POST, paths with a slash at the end.
#[test]
fn requests_are_read_as_splunk_reads_them() {
    let (_folder, served) = with_events();
    let form = format!(
        "username=ida&password={}&cookie=1",
        PASSWORD.replace(' ', "+")
    );
    let answer = served.ask(
        "POST",
        "/services/auth/login?output_mode=json",
        &[],
        form.as_bytes(),
    );
    assert_eq!(answer.header("connection"), Some("close"));
    let key = format!("Splunk {}", answer.json()["sessionKey"].as_str().unwrap());
    let headers = [
        ("Authorization", key.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let ask =
        |method: &str, path: &str, body: &str| served.ask(method, path, &headers, body.as_bytes());
    let info = ask("GET", "/services/server/info?output_mode=json", "").json();
    assert_eq!(info["generator"]["version"], "10.0.0");
    let search = "search=search%20message%3Dhello*%20%7C%20sort%20message%20%7C%20table%20message";
    let rows = ask(
        "POST",
        "/services/search/v2/jobs?output_mode=json_rows",
        &format!("exec_mode=oneshot&{search}"),
    );
    assert_eq!(rows.json()["rows"], json!([["hello a"], ["hello b & <c>"]]));
    assert_eq!(rows.text().lines().count(), 1);
    let made = ask("POST", "/services/search/v2/jobs/?output_mode=json", search);
    assert_eq!(made.status, 201);
    let id = made.json()["sid"].as_str().unwrap().to_owned();
    let path = format!("/servicesNS/nobody/search/search/v2/jobs/{id}/?output_mode=json");
    let until = Instant::now() + Duration::from_secs(30);
    let entry = loop {
        let entry = ask("GET", &path, "").json()["entry"][0].clone();
        if entry["content"]["isDone"] == true {
            break entry;
        }
        assert!(Instant::now() < until, "{entry}");
        std::thread::sleep(Duration::from_millis(50));
    };
    for key in ["owner", "app", "sharing"] {
        assert!(entry["acl"][key].is_string(), "{entry}");
    }
    let columns = ask(
        "POST",
        &format!("/services/search/v2/jobs/{id}/results?output_mode=json_cols"),
        "count=1&f=message",
    );
    assert_eq!(columns.json()["columns"], json!([["hello a"]]));
    for name in ["Rule+one", "Rule%20one"] {
        let path = format!("/services/saved/searches/{name}");
        let until = Instant::now() + Duration::from_secs(30);
        while ask("GET", &path, "").status != 200 {
            assert!(Instant::now() < until, "{name}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let time = ask("GET", "/services/search/timeparser?time=1790000000", "");
    assert_eq!(time.json()["1790000000"], "2026-09-21T14:13:20.000+00:00");
    let refused = "&apos;id&apos; is not supported";
    for (method, path, body, status, said) in [
        ("GET", "/services/nothing", "", 404, "Not Found"),
        (
            "GET",
            "/services/search/parse",
            "",
            404,
            "Unknown endpoint.",
        ),
        ("GET", "/services/search/jobs/1.1", "", 404, "Unknown sid."),
        (
            "POST",
            "/services/search/jobs/1.1/control",
            "action=cancel",
            404,
            "Unknown sid.",
        ),
        ("POST", "/services/search/jobs", "", 400, "required"),
        (
            "POST",
            "/services/search/jobs",
            "search=search+x&id=mine",
            400,
            refused,
        ),
        (
            "GET",
            "/services/saved/searches/none",
            "",
            404,
            "Could not find object id=none",
        ),
    ] {
        let answer = ask(method, path, body);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(said), "{path}: {}", answer.text());
    }
    for (headers, said) in [
        (vec![], "Unauthorized"),
        (
            vec![("Authorization", "Splunk guess")],
            "call not properly authenticated",
        ),
        (vec![("Authorization", "Basic eDp5")], "Unauthorized"),
    ] {
        let answer = served.ask("GET", "/services/server/info", &headers, b"");
        assert_eq!(answer.status, 401);
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    // Another site's form cannot search with a browser's credentials.
    let site = [headers[0], ("Sec-Fetch-Site", "cross-site")];
    let answer = served.ask("POST", "/services/search/jobs", &site, search.as_bytes());
    assert_eq!(answer.status, 403);
    let user = r#"{"name": "vic", "password": "also a long password", "role": "viewer"}"#;
    assert_eq!(served.api("POST", "/api/v1/users", user).status, 200);
    let basic = format!("Basic {}", STANDARD.encode("vic:also a long password"));
    let viewer = [("Authorization", basic.as_str())];
    let answer = served.ask("POST", "/services/search/jobs", &viewer, search.as_bytes());
    assert_eq!(answer.status, 403);
    let answer = served.ask("GET", "/services/server/info", &viewer, b"");
    assert_eq!(answer.status, 200);
}
