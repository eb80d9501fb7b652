//! `crabwalk serve` as senders and people use it: the real program, through its sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]
// Signals and locks are those of Unix; the program itself runs elsewhere too.
#![cfg(unix)]

mod config;
mod doctor;
mod environment;
mod inbox;
mod killed;
mod mail;
mod openapi;
mod people;
mod schedules;
mod searches;
mod served;
mod shared;

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::crabwalk;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use served::{Answer, PASSWORD, Served, folder};

#[test]
fn the_event_collector_answers_as_its_senders_expect() {
    let folder = folder();
    let served = Served::start(folder.path(), &[]);
    let success = r#"{"text":"Success","code":0}"#;
    // Each entry is a body and the answer that its sender gets.
    for (body, status, heard) in [
        (r#"{"event":"one"}"#, 200, success),
        (
            r#"{"event":"two"}{"event":{"n":3}}[{"event":"four"}]"#,
            200,
            success,
        ),
        (
            r#"{"time":"1790000000.25","event":"five","fields":"{\"team\":\"red\"}"}"#,
            200,
            success,
        ),
        ("", 400, r#"{"text":"No data","code":5}"#),
        (
            r#"{"event":"six"}{"event":""}{"event":"lost"}"#,
            400,
            r#"{"text":"Event field cannot be blank","code":13,"invalid-event-number":1}"#,
        ),
        (
            r#"{"source":"x"}"#,
            400,
            r#"{"text":"Event field is required","code":12,"invalid-event-number":0}"#,
        ),
        (
            r#"{"event":"seven"}{"ev"#,
            400,
            r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#,
        ),
        (
            r#"{"event":"x","fields":{"a":{"b":1}}}"#,
            400,
            r#"{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}"#,
        ),
    ] {
        for path in ["/services/collector", "/services/collector/event/1.0"] {
            let answer = served.hec(path, body);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (status, heard),
                "{body}"
            );
        }
    }
    assert_eq!(
        served
            .hec("/services/collector/raw", "eight\r\n\r\nnine\n")
            .text(),
        success
    );
    for (headers, query, status, code) in [
        (None, "", 401, 2),
        (Some("Negotiate abc"), "", 401, 3),
        (
            Some("Splunk 00000000-0000-0000-0000-000000000000"),
            "",
            403,
            4,
        ),
        (None, "?token=nothing", 403, 4),
        (None, "?token=TOKEN", 400, 16),
    ] {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let path = format!(
            "/services/collector{}",
            query.replace("TOKEN", &served.token)
        );
        let answer = served.ask("POST", &path, &headers, b"{\"event\":\"x\"}");
        assert_eq!(
            (answer.status, answer.json()["code"].as_u64()),
            (status, Some(code))
        );
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("x:{}", served.token)));
    let answer = served.ask(
        "POST",
        "/services/collector/event",
        &[
            ("Authorization", &basic),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ],
        b"{\"event\":\"ten\"}",
    );
    assert_eq!(answer.text(), success);
    for (method, path, status) in [
        ("OPTIONS", "/services/collector/event/1.0", 200),
        ("OPTIONS", "/services/collector/health", 200),
        ("GET", "/services/collector/event", 405),
        ("POST", "/services/collector/s2s", 404),
        ("GET", "/services/collector/health/1.0", 200),
    ] {
        assert_eq!(
            served.ask(method, path, &[], b"").status,
            status,
            "{method} {path}"
        );
    }
    assert_eq!(
        served
            .ask("GET", "/services/collector/health", &[], b"")
            .text(),
        r#"{"text":"HEC is healthy","code":17}"#
    );
    served.first_account();
    let rows = served.search("search * | stats count by message | sort message");
    let found: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row[0].as_str().unwrap(), row[1].as_str().unwrap()))
        .collect();
    // An event without a time counts each time it is sent; an event with one counts once.
    assert_eq!(
        found,
        [
            ("eight", "1"),
            ("five", "1"),
            ("four", "2"),
            ("nine", "1"),
            ("one", "2"),
            ("seven", "2"),
            ("six", "2"),
            ("ten", "1"),
            ("two", "2"),
        ]
    );
}

#[test]
fn acknowledgements_are_told_once_and_to_their_channel() {
    let folder = folder();
    let served = Served::start(folder.path(), &[]);
    // A token can be made while the server runs.
    let added = crabwalk(
        folder.path(),
        &[
            "serve",
            "token",
            "add",
            "slow",
            "--acknowledge",
            "--data",
            "data",
        ],
    );
    let token = format!("Splunk {}", added.said(0).trim());
    std::thread::sleep(Duration::from_millis(700));
    let channel = "6f1c2a34-0000-4000-8000-00000000c0de";
    let send = |path: &str, channel: Option<&str>, body: &str| {
        let mut headers = vec![("Authorization", token.as_str())];
        headers.extend(channel.map(|channel| ("X-Splunk-Request-Channel", channel)));
        served.ask("POST", path, &headers, body.as_bytes())
    };
    let event = "/services/collector/event";
    assert_eq!(send(event, None, r#"{"event":"a"}"#).json()["code"], 10);
    assert_eq!(
        send(event, Some("no"), r#"{"event":"a"}"#).json()["code"],
        11
    );
    for id in 0..2 {
        let answer = send(event, Some(channel), &format!(r#"{{"event":"a{id}"}}"#));
        assert_eq!(
            answer.text(),
            format!(r#"{{"text":"Success","code":0,"ackId":{id}}}"#)
        );
    }
    let poll = |channel: &str| {
        let path = format!("/services/collector/ack?channel={channel}");
        send(&path, None, r#"{"acks":[0,1,7]}"#).text()
    };
    assert_eq!(
        poll("6F1C2A34-0000-4000-8000-00000000BEEF"),
        r#"{"acks":{"0":false,"1":false,"7":false}}"#
    );
    assert_eq!(poll(channel), r#"{"acks":{"0":true,"1":true,"7":false}}"#);
    assert_eq!(poll(channel), r#"{"acks":{"0":false,"1":false,"7":false}}"#);
    let answer = served.hec("/services/collector/ack", r#"{"acks":[0]}"#);
    assert_eq!(answer.text(), r#"{"text":"ACK is disabled","code":14}"#);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bodies_are_inflated_within_limits() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--max-body", "3MB"]);
    let token = format!("Splunk {}", served.token);
    let send = |encoding: &str, body: &[u8]| {
        let headers = [
            ("Authorization", token.as_str()),
            ("Content-Encoding", encoding),
        ];
        served.ask("POST", "/services/collector", &headers, body)
    };
    assert_eq!(send("gzip", &gzip(br#"{"event":"packed"}"#)).status, 200);
    assert_eq!(send("br", b"x").status, 415);
    assert_eq!(send("gzip", b"not gzip").status, 400);
    // It would be 3 GB of blanks.
    assert_eq!(send("gzip", &gzip(&vec![b' '; 30_000_000])).status, 413);
    assert_eq!(send("identity", &vec![b' '; 3_000_001]).status, 413);
    assert_eq!(
        send("gzip", &gzip(br#"{"event":"and it goes on"}"#)).status,
        200
    );
}

#[test]
fn events_of_windows_zeek_and_syslog_are_read_as_files_are() {
    let folder = folder();
    let served = Served::start(folder.path(), &[]);
    served.first_account();
    let xml = r"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing'/><EventID>4624</EventID><TimeCreated SystemTime='2026-03-01T10:00:00Z'/><EventRecordID>11</EventRecordID><Channel>Security</Channel><Computer>ws1.corp.example</Computer></System><EventData><Data Name='TargetUserName'>ida</Data><Data Name='LogonType'>3</Data></EventData></Event>";
    let flat = json!({"EventTime": "2026-03-01 10:00:01", "Hostname": "ws2.corp.example", "Channel": "Security",
        "EventID": 4624, "RecordNumber": 12, "TargetUserName": "bob", "LogonType": 10});
    let zeek = json!({"ts": 1_772_359_202.5, "uid": "CaB1", "id.orig_h": "192.0.2.1", "id.orig_p": 50000,
        "id.resp_h": "192.0.2.2", "id.resp_p": 445, "proto": "tcp", "service": "smb"});
    let syslog = "<38>Mar  1 10:00:03 bastion sshd[7]: Accepted password for ida from 192.0.2.9 port 4000 ssh2";
    let snare = "ws3.corp.example\tMSWinEventLog\t1\tSecurity\t7\tSun Mar 01 10:00:04 2026\t4624\tMicrosoft-Windows-Security-Auditing\tEXMPL\\eve\tN/A\tSuccess Audit\tws3.corp.example\tLogon\t\tAn account was successfully logged on.\t7";
    // A sender's labels tell which Zeek log a row is from; a Windows event tells by itself.
    let body: String = [json!(xml), flat.clone(), json!(flat.to_string()), zeek, json!(syslog), json!(snare)]
        .into_iter()
        .map(|event| json!({"event": event, "time": 1_772_359_200, "sourcetype": "bro:conn:json", "source": "relay", "index": "win"}).to_string())
        .collect();
    assert_eq!(served.hec("/services/collector/event", &body).status, 200);
    let rows = served.search("search EventCode=4624 source=\"XmlWinEventLog:Security\" | stats count by host | sort host");
    let hosts: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(
        hosts,
        ["ws1.corp.example", "ws2.corp.example", "ws3.corp.example"]
    );
    // The same record twice is one event.
    assert!(rows.iter().all(|row| row[1] == "1"), "{rows:?}");
    assert_eq!(
        served.search("search sourcetype=\"zeek:conn\" | table id.resp_p"),
        [[json!("445")]]
    );
    assert_eq!(
        served.search("search sourcetype=syslog | table host user"),
        [[json!("bastion"), json!("ida")]]
    );
}

#[test]
fn a_server_stops_in_peace_and_has_its_folder_alone() {
    let folder = folder();
    let mut served = Served::start(folder.path(), &[]);
    assert_eq!(
        served
            .hec("/services/collector", r#"{"event":"kept"}"#)
            .status,
        200
    );
    let second = crabwalk(
        folder.path(),
        &["serve", "--data", "data", "--listen", "127.0.0.1:0"],
    );
    assert_eq!(second.status, 1);
    assert!(
        second
            .err
            .contains("another `crabwalk serve` is using this folder"),
        "{}",
        second.err
    );
    let open = crabwalk(
        folder.path(),
        &["serve", "--data", "other", "--listen", "0.0.0.0:0"],
    );
    assert_eq!(open.status, 1);
    assert!(open.err.contains("--tls-cert"), "{}", open.err);
    served.signal("-TERM");
    assert_eq!(served.ended(), Some(0));
    // Only its owner may read what it keeps.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder.path().join("data"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn people_log_in_and_other_sites_cannot_ask_for_them() {
    let folder = folder();
    let served = Served::start(folder.path(), &[]);
    let html = [("Accept", "text/html")];
    assert_eq!(
        served.ask("GET", "/", &html, b"").header("location"),
        Some("/login")
    );
    assert_eq!(
        served
            .ask(
                "POST",
                "/setup",
                &[],
                b"key=guess&name=eve&password=long+enough+text"
            )
            .status,
        400
    );
    served.first_account();
    assert_eq!(
        served
            .ask("POST", "/login", &[], b"name=ida&password=wrong")
            .status,
        401
    );
    let form = format!("name=ida&password={}", PASSWORD.replace(' ', "+"));
    let elsewhere = [("Origin", "https://evil.example")];
    assert_eq!(
        served
            .ask("POST", "/login", &elsewhere, form.as_bytes())
            .status,
        403
    );
    let answer = served.ask(
        "POST",
        "/login",
        &[("Sec-Fetch-Site", "same-origin")],
        form.as_bytes(),
    );
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let page = served.ask(
        "GET",
        "/",
        &[("Accept", "text/html"), ("Cookie", cookie)],
        b"",
    );
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let question = br#"{"search":"search * | head 1"}"#;
    let search = |more: &[(&str, &str)]| {
        let mut headers = vec![("Cookie", cookie)];
        headers.extend_from_slice(more);
        served
            .ask("POST", "/api/v1/search", &headers, question)
            .status
    };
    assert_eq!(search(&[]), 403);
    assert_eq!(
        search(&[("X-Crabwalk", "1"), ("Sec-Fetch-Site", "cross-site")]),
        403
    );
    assert_eq!(search(&[("X-Crabwalk", "1")]), 200);
    assert_eq!(served.ask("GET", "/api/v1/status", &[], b"").status, 401);
    assert_eq!(
        served
            .ask("POST", "/logout", &[("Cookie", cookie)], b"")
            .status,
        303
    );
    assert_eq!(search(&[("X-Crabwalk", "1")]), 401);
}

#[test]
fn an_administrator_makes_accounts_and_what_people_do_is_noted() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    served.first_account();
    let as_user = |user: &str, method: &str, path: &str, body: &Value| {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")));
        let headers = [("Authorization", basic.as_str())];
        served.ask(method, path, &headers, body.to_string().as_bytes())
    };
    let viewer = json!({"name": "ole", "password": PASSWORD, "role": "viewer"});
    let weak = json!({"name": "eve", "password": "short", "role": "admin"});
    let (users, none) = ("/api/v1/users", Value::Null);
    assert_eq!(as_user("ida", "POST", users, &viewer).status, 200);
    assert_eq!(as_user("ida", "POST", users, &viewer).status, 400);
    assert_eq!(as_user("ida", "POST", users, &weak).status, 400);
    let all = as_user("ida", "GET", users, &none).json()["users"].clone();
    assert_eq!(
        all,
        json!([{"name": "ida", "role": "admin"}, {"name": "ole", "role": "viewer"}])
    );

    // Viewers look, and change nothing.
    let question = json!({"search": "search * | head 1"});
    assert_eq!(as_user("ole", "GET", "/api/v1/status", &none).status, 200);
    assert_eq!(
        as_user("ole", "POST", "/api/v1/search", &question).status,
        403
    );
    for (method, path) in [
        ("GET", users),
        ("GET", "/api/v1/audit"),
        ("DELETE", "/api/v1/users/ida"),
    ] {
        assert_eq!(as_user("ole", method, path, &none).status, 403, "{path}");
    }
    assert_eq!(
        as_user("ida", "POST", "/api/v1/search", &question).status,
        200
    );

    assert_eq!(served.ask("GET", "/metrics", &[], b"").status, 401);
    assert_eq!(
        served
            .hec("/services/collector/event", "{\"event\":\"one\"}")
            .status,
        200
    );
    let metrics = as_user("ole", "GET", "/metrics", &none);
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    assert!(
        text.contains("# TYPE crabwalk_events_total counter\ncrabwalk_events_total 1\n"),
        "{text}"
    );

    assert_eq!(
        as_user("ida", "DELETE", "/api/v1/users/ida", &none).status,
        400
    );
    assert_eq!(
        as_user("ida", "DELETE", "/api/v1/users/nobody", &none).status,
        400
    );
    assert_eq!(
        as_user("ida", "DELETE", "/api/v1/users/ole", &none).status,
        200
    );
    assert_eq!(as_user("ole", "GET", "/api/v1/status", &none).status, 401);

    let noted = as_user("ida", "GET", "/api/v1/audit?most=4", &none);
    let entries = noted.json()["entries"].clone();
    let acts: Vec<(&str, &str, &str)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap();
            (text("act"), text("user"), text("about"))
        })
        .collect();
    assert_eq!(
        acts,
        [
            ("login-refused", "ole", ""),
            ("remove-user", "ida", "ole"),
            ("search", "ida", "search * | head 1"),
            ("add-user", "ida", "ole (Viewer)"),
        ]
    );
    let file = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    assert!(!file.contains(PASSWORD), "{file}");
}

#[test]
fn bulk_requests_are_answered_item_by_item() {
    let folder = folder();
    let served = Served::start(folder.path(), &[]);
    served.first_account();
    let key = format!(
        "ApiKey {}",
        STANDARD.encode(format!("any:{}", served.token))
    );
    let basic = format!(
        "Basic {}",
        STANDARD.encode(format!("elastic:{}", served.token))
    );
    let root = served.ask(
        "GET",
        "/",
        &[
            ("Authorization", &key),
            ("User-Agent", "Elastic-Winlogbeat/9.2.1 (x)"),
        ],
        b"",
    );
    assert_eq!(root.header("x-elastic-product"), Some("Elasticsearch"));
    assert_eq!(root.json()["version"]["number"], "9.2.1");
    assert_eq!(root.json()["tagline"], "You Know, for Search");
    let refused = served.ask("GET", "/_license", &[], b"");
    assert_eq!(
        (refused.status, refused.header("x-elastic-product")),
        (401, Some("Elasticsearch"))
    );
    for (method, path, status) in [
        ("HEAD", "/", 200),
        ("GET", "/_license?human=false", 200),
        ("GET", "/_cluster/health", 200),
        ("GET", "/_ilm/policy/beats", 404),
        ("PUT", "/_ilm/policy/beats", 200),
        ("HEAD", "/_index_template/beats", 404),
        ("PUT", "/_data_stream/beats", 200),
        ("POST", "/_aliases", 200),
        // A request that may carry events but is not understood is not acknowledged.
        ("POST", "/win/_elsewhere", 405),
        ("PUT", "/win/_update_by_query", 405),
    ] {
        let answer = served.ask(method, path, &[("Authorization", &basic)], b"");
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
    }
    let beat = json!({"@timestamp": "2026-03-01T10:00:00.000Z", "host": {"name": "ws1"}, "agent": {"type": "winlogbeat"},
        "winlog": {"channel": "Security", "event_id": 4624, "record_id": 77, "computer_name": "ws1.corp.example",
        "provider_name": "Microsoft-Windows-Security-Auditing", "event_data": {"TargetUserName": "ida", "LogonType": "3"}}});
    let body = format!(
        "{{\"create\":{{\"_index\":\"logs-a\",\"_id\":\"1\"}}}}\n{beat}\n{{\"create\":{{\"_index\":\"logs-a\",\"_id\":\"1\"}}}}\n{beat}\n\
         {{\"index\": {{\"_index\": \"win\"}}}}\n{{\"broken\n{{\"index\":{{}}}}\n{{\"message\":\"plain at 10:00:00\"}}\n"
    );
    let send = |method: &str, path: &str| {
        served.ask(
            method,
            path,
            &[("Authorization", &key), ("Content-Encoding", "gzip")],
            &gzip(body.as_bytes()),
        )
    };
    let answer = send("PUT", "/win/_bulk");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("\"errors\":true"));
    let statuses = |answer: &Answer| -> Vec<u64> {
        let json = answer.json();
        let items = json["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| {
                item.as_object().unwrap().values().next().unwrap()["status"]
                    .as_u64()
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(statuses(&answer), [201, 409, 400, 201]);
    // Older senders name a type.
    assert_eq!(
        statuses(&send("POST", "/win/_doc/_bulk")),
        [409, 409, 400, 201]
    );
    // Sent again, as after a lost answer: nothing new.
    assert_eq!(
        statuses(&send(
            "POST",
            "/win/_bulk?filter_path=errors,items.*.error,items.*.status"
        )),
        [409, 409, 400, 201]
    );
    let malformed = served.ask("POST", "/_bulk", &[("Authorization", &key)], b"\"x\"\n{}\n");
    assert_eq!(
        (malformed.status, malformed.json()["error"]["type"].as_str()),
        (400, Some("illegal_argument_exception"))
    );
    assert_eq!(
        served.search("search EventCode=4624 | table host user"),
        [[json!("ws1.corp.example"), json!("ida")]]
    );
    assert_eq!(
        served.search("search message=\"plain*\" | stats count")[0][0],
        "1"
    );
}

#[test]
fn syslog_comes_by_udp_and_tcp_framed_in_any_way() {
    let folder = folder();
    let port = {
        // Free for TCP and UDP, as far as one can tell.
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.local_addr().unwrap()
    };
    let served = Served::start(folder.path(), &["--syslog", &port.to_string()]);
    served.first_account();
    let line = |name: &str| {
        format!(
            "<38>Mar  1 10:00:03 {name} sshd[7]: Accepted password for ida from 192.0.2.9 port 4000 ssh2"
        )
    };
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(format!("{}\n", line("one")).as_bytes(), port)
        .unwrap();
    let mut tcp = TcpStream::connect(port).unwrap();
    let counted = line("three");
    let json = json!({"EventID": 4624, "Channel": "Security", "Hostname": "four", "RecordNumber": 4, "TargetUserName": "ida"});
    let stream = format!(
        "{}\n{} {counted}\n{json}\n{}",
        line("two"),
        counted.len() + 1,
        line("five")
    );
    for part in stream.as_bytes().chunks(17) {
        tcp.write_all(part).unwrap();
    }
    drop(tcp);
    let until = Instant::now() + Duration::from_secs(30);
    let expected = ["five", "four", "one", "three", "two"];
    loop {
        let rows = served.search("search user=ida | stats count by host | sort host");
        let hosts: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
        if hosts == expected {
            break;
        }
        assert!(Instant::now() < until, "{hosts:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_is_dropped_ends_in_the_case_that_a_hunt_makes_and_in_one_alert() {
    let folder = folder();
    let made = crabwalk(folder.path(), &["lab", "build", "world"]);
    assert_eq!(made.status, 0, "{}", made.err);
    let logs: Vec<String> = std::fs::read_dir(folder.path().join("world"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    let known = [
        "--assets",
        "world/assets.csv",
        "--identities",
        "world/identities.csv",
    ];
    let mut hunt = vec!["hunt", "--quiet", "--out", "case"];
    hunt.extend(known);
    hunt.extend(logs.iter().map(String::as_str));
    assert_eq!(crabwalk(folder.path(), &hunt).status, 0);
    std::fs::create_dir(folder.path().join("drop")).unwrap();
    let post = folder.path().join("post");
    let mail_server = mail::MailServer::start(&post, "none");
    let to = match &mail_server {
        Some(_) => "[\"ida@corp.example\"]",
        None => "[]",
    };
    let port = mail_server.as_ref().map_or("0", |server| &server.port);
    let config = format!(
        "[mail]\nto = {to}\nfrom = \"crabwalk@corp.example\"\nserver = \"localhost\"\nport = {port}\ntls = \"none\"\n"
    );
    std::fs::write(folder.path().join("mail.toml"), config).unwrap();
    let mut more = vec![
        "--config",
        "mail.toml",
        "--watch",
        "drop",
        "--alert-file",
        "alerts.jsonl",
        "--every",
        "1s",
        "--back",
        "3650d",
    ];
    more.extend(known);
    let served = Served::start(folder.path(), &more);
    for path in &logs {
        let name = Path::new(path).file_name().unwrap();
        std::fs::rename(path, folder.path().join("drop").join(name)).unwrap();
    }
    let hops = |file: &str| -> Option<Vec<[String; 3]>> {
        let text = std::fs::read(folder.path().join(file)).ok()?;
        let case: Value = serde_json::from_slice(&text).ok()?;
        let mut all: Vec<[String; 3]> = case["hops"]
            .as_array()?
            .iter()
            .map(|hop| ["src", "dst", "first"].map(|name| hop[name].to_string()))
            .collect();
        all.sort();
        Some(all)
    };
    let expected = hops("case/case.json").unwrap();
    assert!(!expected.is_empty());
    let until = Instant::now() + Duration::from_secs(300);
    while hops("data/case/case.json").as_ref() != Some(&expected) {
        assert!(
            Instant::now() < until,
            "{:?}\n{expected:?}",
            hops("data/case/case.json")
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    // Alerts are sent a little later. A path that grew while files were read has several; its last state has one.
    std::thread::sleep(Duration::from_secs(6));
    let alerts = std::fs::read_to_string(folder.path().join("alerts.jsonl")).unwrap();
    let ids: Vec<Value> = alerts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    let different: std::collections::BTreeSet<String> = ids.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), ids.len(), "{alerts}");
    assert!(alerts.contains("\"kind\":\"path.new\""), "{alerts}");
    if mail_server.is_some() {
        // Each alert is a mail that says the same in words.
        let sent = mail::mails(&post);
        for (alert, id) in alerts.lines().zip(&ids) {
            let alert: Value = serde_json::from_str(alert).unwrap();
            let id = id.as_str().unwrap();
            let mail = sent
                .iter()
                .find(|mail| mail.contains(&format!("Message-ID: <{id}@")));
            let mail = mail.unwrap_or_else(|| panic!("{id}: {sent:?}"));
            let first = &alert["detail"]["movements"][0];
            let [from, to] = ["from", "to"].map(|end| first[end].as_str().unwrap());
            for part in [
                format!("It began on {from} at "),
                format!("{from} -> {to}"),
                "Why it is reported".to_owned(),
                alert["detail"]["why"][0].as_str().unwrap().to_owned(),
            ] {
                assert!(mail.contains(&part), "{part}: {mail}");
            }
        }
    }
    drop(served);
    // A server that reads history first tells of the paths, and wakes nobody.
    let mut quiet = vec!["--watch", "drop", "--every", "1s", "--back", "3650d"];
    quiet.extend(["--alert-file", "quiet.jsonl", "--alert-max-age", "1d"]);
    quiet.extend(known);
    std::fs::rename(folder.path().join("data"), folder.path().join("before")).unwrap();
    let served = Served::start(folder.path(), &quiet);
    let until = Instant::now() + Duration::from_secs(300);
    while hops("data/case/case.json").as_ref() != Some(&expected) {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(500));
    }
    std::thread::sleep(Duration::from_secs(3));
    let told = std::fs::read_to_string(folder.path().join("data/paths.json")).unwrap();
    assert!(told.contains("hops"), "{told}");
    assert!(!folder.path().join("quiet.jsonl").exists());
    drop(served);
}
