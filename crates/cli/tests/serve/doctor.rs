//! `crabwalk doctor`: what is broken is named, with what to do; what is not, is not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::{crabwalk, tool};
use serde_json::{Value, json};

use crate::mail::{MailServer, certificate_for};
use crate::served::{PASSWORD, Served, folder};

/// What the doctor says of a thing: the outcomes, findings and advice, one a line; and the exit status.
fn told(folder: &Path, more: &[&str], about: &str) -> (String, i32) {
    let mut arguments = vec!["doctor", "--json"];
    arguments.extend(more);
    let ran = crabwalk(folder, &arguments);
    let answer: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let checks = answer["checks"].as_array().unwrap();
    let failed = checks.iter().any(|check| check["outcome"] == "failed");
    assert_eq!(answer["ok"], json!(!failed));
    assert_eq!(ran.status, i32::from(failed), "{}", ran.out);
    let lines: Vec<String> = checks
        .iter()
        .filter(|check| check["name"] == about)
        .map(|check| {
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            // Whoever is told of something is told what to do.
            assert_eq!(
                check["outcome"] == "ok",
                check["advice"].is_null(),
                "{check}"
            );
            format!(
                "{}: {} | {}",
                text("outcome"),
                text("found"),
                text("advice")
            )
        })
        .collect();
    (lines.join("\n"), ran.status)
}

/// A data folder that a server has used and left, with an account and three events.
fn left(folder: &Path) {
    let mut served = Served::start(folder, &["--no-hunt"]);
    served.first_account();
    for number in 0..3 {
        let event = json!({"time": 1_790_000_000 + number, "host": "ws1", "event": format!("event {number}")});
        assert_eq!(
            served.hec("/services/collector", &event.to_string()).status,
            200
        );
    }
    assert_eq!(served.search("search * | stats count"), [[json!("3")]]);
    served.signal("-TERM");
    assert_eq!(served.ended(), Some(0));
}

const DATA: [&str; 2] = ["--data", "data"];

#[test]
fn a_server_in_order_has_no_failures_running_or_not() {
    let folder = folder();
    left(folder.path());
    for (about, part) in [
        ("configuration", "no file is given"),
        ("content", "detections"),
        ("certificate", "only this machine"),
        ("data", "only for its owner"),
        ("server", "no server is using"),
        ("store", "3 events in"),
        ("clock", "the newest event is of 2026-09-21"),
        ("log", "the store has all of it"),
        ("files", "can be read"),
        ("access", "1 account, 1 of them"),
    ] {
        let (said, _) = told(folder.path(), &DATA, about);
        assert!(
            said.contains(part) && !said.contains("failed:"),
            "{about}: {said}"
        );
    }
    let before = fs::read_dir(folder.path().join("data")).unwrap().count();
    let thorough = told(folder.path(), &["--data", "data", "--thorough"], "store").0;
    assert!(thorough.contains("each was read"), "{thorough}");
    assert_eq!(
        fs::read_dir(folder.path().join("data")).unwrap().count(),
        before
    );

    // Running, with TLS.
    let Some(openssl) = tool("openssl") else {
        return;
    };
    certificate_for(&openssl, folder.path(), "90");
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = format!(
        "[server]\ndata = \"data\"\nlisten = [\"{port}\"]\n[hunts]\nenabled = false\n\
         [tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n"
    );
    fs::write(folder.path().join("c.toml"), &config).unwrap();
    let arguments = ["serve", "--config", "c.toml"];
    let served = Served::start_as(folder.path(), &arguments);
    let config = ["--config", "c.toml"];
    for (about, part) in [
        ("server", "a server is running (process ".to_owned()),
        ("listen", format!("{port} answers, and accepts events")),
        ("version", "which the server runs too".to_owned()),
        ("certificate", "days from now".to_owned()),
        ("open files", "the server may open".to_owned()),
    ] {
        let (said, _) = told(folder.path(), &config, about);
        assert!(said.contains(&part), "{about}: {said}");
    }
    let (said, _) = told(folder.path(), &config, "server");
    assert!(
        said.contains(&format!("process {}", served.child.id())),
        "{said}"
    );
    // Another certificate in the file than the server has, which reads it within seconds.
    certificate_for(&openssl, &folder.path().join("new"), "90");
    let old = fs::read_to_string(folder.path().join("c.toml")).unwrap();
    fs::write(
        folder.path().join("other.toml"),
        old.replace("\"server.", "\"new/server."),
    )
    .unwrap();
    let (said, status) = told(folder.path(), &["--config", "other.toml"], "listen");
    assert!(
        said.contains("another certificate") && status == 1,
        "{said}"
    );
    // A server that does not answer any more.
    served.signal("-STOP");
    let (said, status) = told(folder.path(), &config, "listen");
    served.signal("-CONT");
    assert!(said.contains("no answer in time") && status == 1, "{said}");
}

#[test]
fn what_is_broken_in_the_data_folder_is_named() {
    let folder = folder();
    left(folder.path());
    let data = folder.path().join("data");
    // Each entry breaks something, and mends it again.
    type Act = Box<dyn Fn()>;
    let at = |name: &str| data.join(name);
    let mode = |mode: u32| -> Act {
        let data = data.clone();
        Box::new(move || fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap())
    };
    let replace = |path: std::path::PathBuf, text: &'static [u8]| -> [Act; 2] {
        let before = fs::read(&path).unwrap_or_default();
        let again = path.clone();
        [
            Box::new(move || fs::write(&path, text).unwrap()),
            Box::new(move || fs::write(&again, &before).unwrap()),
        ]
    };
    let events = parquet(&at("store/events"));
    let segment = fs::read_dir(at("log"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let torn = {
        let mut bytes = fs::read(&segment).unwrap();
        bytes.extend([7; 40]);
        Box::leak(bytes.into_boxed_slice()) as &'static [u8]
    };
    let cases: [(&str, &str, &str, [Act; 2]); 9] = [
        (
            "data",
            "warning: data is open to others (mode 755)",
            "chmod 700",
            [mode(0o755), mode(0o700)],
        ),
        (
            "files",
            "failed: users.json",
            "restore",
            replace(at("users.json"), b"[{\"name\":"),
        ),
        (
            "files",
            "failed: audit.jsonl: line 1",
            "restore",
            replace(at("audit.jsonl"), b"no\n{}\n"),
        ),
        (
            "access",
            "warning: there is no token",
            "token add",
            replace(at("tokens.json"), b"[]"),
        ),
        (
            "access",
            "warning: there is no account",
            "restart",
            replace(at("users.json"), b"[]"),
        ),
        (
            "store",
            "bytes instead of",
            "restore",
            replace(events.clone(), b"PAR1"),
        ),
        (
            "store",
            "newer release",
            "install",
            replace(
                at("store/format.json"),
                b"{\"format\":\"crabwalk.store/999\",\"id\":\"1\"}",
            ),
        ),
        (
            "store",
            "failed:",
            "backup",
            replace(at("store/format.json"), b"{"),
        ),
        (
            "log",
            "was not acknowledged",
            "",
            replace(segment.clone(), torn),
        ),
    ];
    for (about, part, advice, [spoil, mend]) in cases {
        spoil();
        let (said, _) = told(folder.path(), &DATA, about);
        assert!(
            said.contains(part) && said.contains(advice),
            "{part}: {said}"
        );
        // A mistake of one kind is not taken for one of all kinds.
        mend();
        let (said, status) = told(folder.path(), &DATA, about);
        assert!(!said.contains(part) && status == 0, "{part}: {said}");
    }
    fs::remove_file(&events).unwrap();
    let (said, status) = told(folder.path(), &DATA, "store");
    assert!(said.contains("cannot be read") && status == 1, "{said}");
    // Nothing of it was repaired.
    assert!(!events.exists());
}

/// A file of events.
fn parquet(folder: &Path) -> std::path::PathBuf {
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|one| one == "parquet") {
            return path;
        }
    }
    panic!("no events in {}", folder.display());
}

#[test]
fn damage_in_the_log_and_senders_of_the_future_are_named() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    served.first_account();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let event = |number: u64| {
        let time = now + 7_200;
        json!({"time": time, "host": "ahead1", "event": format!("event {number}")}).to_string()
    };
    assert_eq!(served.hec("/services/collector", &event(0)).status, 200);
    assert_eq!(served.search("search * | stats count"), [[json!("1")]]);
    let (said, _) = told(folder.path(), &DATA, "clock");
    assert!(
        said.starts_with("warning: ") && said.contains("ahead1") && said.contains("by 119 minutes"),
        "{said}"
    );
    // What was acknowledged and is not in the store yet.
    for number in 1..40 {
        assert_eq!(
            served.hec("/services/collector", &event(number)).status,
            200
        );
    }
    served.signal("-KILL");
    drop(served);
    let (said, _) = told(folder.path(), &DATA, "log");
    assert!(said.contains("not yet in the store"), "{said}");
    let log = folder.path().join("data/log");
    let segment = fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let (said, status) = told(folder.path(), &DATA, "log");
    assert!(
        said.contains("failed: damaged: 0000") && status == 1,
        "{said}"
    );
    assert_eq!(fs::read(&segment).unwrap(), bytes);
}

#[test]
fn what_is_wrong_with_the_configuration_the_certificate_and_the_addresses_is_named() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (address, taken)).unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/broken.yml"), "name: [\n").unwrap();
    let listen = format!("[server]\nlisten = [\"{}\"]\n", taken.0);
    for (text, about, part) in [
        ("[server]\nport = 1\n", "configuration", "failed: c.toml: "),
        (
            "[hunts]\nevery = \"often\"\n",
            "configuration",
            "hunts.every",
        ),
        ("[content]\nsigma = [\"nowhere\"]\n", "content", "nowhere"),
        ("[content]\nfolders = [\"rules\"]\n", "content", "warning: "),
        (
            "[server]\nlisten = [\"0.0.0.0:1\"]\n",
            "certificate",
            "can be reached from other machines",
        ),
        (
            "[tls]\ncertificate = \"no.pem\"\nkey = \"no.key\"\n",
            "certificate",
            "failed: no.pem",
        ),
        (
            "[server]\nlisten = [\"192.0.2.1:1\"]\n",
            "listen",
            "failed: 192.0.2.1:1",
        ),
        (&listen, "listen", "another program listens there"),
        (
            "[alerts]\nfiles = [\"a.jsonl\"]\n",
            "alerts",
            "they go to file a.jsonl",
        ),
        (
            "[hunts]\nback = \"1d\"\n",
            "alerts",
            "warning: they go nowhere",
        ),
    ] {
        let path = folder.path().join("c.toml");
        fs::write(&path, text).unwrap();
        let (said, status) = told(
            folder.path(),
            &["--config", "c.toml", "--data", "none"],
            about,
        );
        assert!(said.contains(part), "{text}: {said}");
        assert!(said.contains("failed") <= (status == 1), "{text}: {said}");
    }
    let Some(openssl) = tool("openssl") else {
        return;
    };
    fs::write(
        folder.path().join("c.toml"),
        "[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n",
    )
    .unwrap();
    let of = || {
        told(
            folder.path(),
            &["--config", "c.toml", "--data", "none"],
            "certificate",
        )
    };
    for (days, outcome, part) in [
        ("400", "ok", "days from now"),
        ("5", "warning", "days from now"),
        // Beyond 2050 dates are written otherwise.
        ("20000", "ok", "valid until 208"),
    ] {
        certificate_for(&openssl, folder.path(), days);
        let (said, status) = of();
        assert!(
            said.starts_with(outcome) && said.contains(part),
            "{days}: {said}"
        );
        assert_eq!(status == 1, outcome == "failed", "{said}");
    }
    // One that was valid until 2020: its end is the second of its dates.
    let path = folder.path().join("server.pem");
    certificate_for(&openssl, folder.path(), "9");
    let text: String = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let mut der = STANDARD.decode(text).unwrap();
    let dates: Vec<usize> = der
        .windows(2)
        .enumerate()
        .filter(|(_, two)| *two == [0x17, 0x0d])
        .map(|(at, _)| at)
        .collect();
    der[dates[1] + 2..dates[1] + 4].copy_from_slice(b"20");
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    fs::write(&path, pem).unwrap();
    let (said, status) = of();
    assert!(said.contains("expired on 2020-") && status == 1, "{said}");
    // The key of another certificate.
    certificate_for(&openssl, &folder.path().join("other"), "400");
    fs::copy(
        folder.path().join("other/server.key"),
        folder.path().join("server.key"),
    )
    .unwrap();
    let (said, status) = of();
    assert!(said.contains("cannot be used") && status == 1, "{said}");
}

#[test]
fn alerts_are_sent_only_when_asked_and_what_fails_is_told() {
    let folder = folder();
    let post = folder.path().join("post");
    let Some(server) = MailServer::start(&post, "none") else {
        return;
    };
    left(folder.path());
    let config = format!(
        "[server]\ndata = \"data\"\n[alerts]\nfiles = [\"alerts.jsonl\"]\n[mail]\nfrom = \"c@corp.example\"\n\
         to = [\"ida@corp.example\", \"never@corp.example\"]\nserver = \"localhost\"\nport = {}\ntls = \"none\"\n",
        server.port
    );
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let config = ["--config", "c.toml"];
    let (said, status) = told(folder.path(), &config, "alerts");
    assert_eq!(status, 0, "{said}");
    assert!(!post.join("1.eml").exists() && !folder.path().join("alerts.jsonl").exists());
    let (said, status) = told(folder.path(), &["--config", "c.toml", "--send"], "alerts");
    assert_eq!(status, 1, "{said}");
    for part in [
        "ok: email ida@corp.example accepted a test",
        "failed: email never@corp.example did not accept a test",
        "no such mailbox",
        "ok: file alerts.jsonl accepted a test",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(post.join("1.eml").exists() && !said.contains(PASSWORD));
}
