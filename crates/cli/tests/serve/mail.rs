//! Alerts by e-mail, with a mail server that is not ours.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crabwalk_testing::tool;
use serde_json::{Value, json};

use crate::served::{DETECTION, Served, folder};

/// A mail server, stopped when the test ends.
pub struct MailServer {
    child: Child,
    pub port: String,
}

impl MailServer {
    /// A mail server that keeps its mails in a folder, unless there is none on this machine.
    pub fn start(folder: &Path, tls: &str) -> Option<Self> {
        let python = tool("smtp-server")?;
        fs::create_dir_all(folder).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/mail_server.py");
        let mut child = Command::new(python)
            .args([Path::new(script), folder, Path::new(tls)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut port).unwrap();
        let port = port.trim().to_owned();
        assert!(!port.is_empty(), "the mail server does not start");
        Some(Self { child, port })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The mails that were taken, in order: how each came, and its text with long lines joined again.
pub fn mails(folder: &Path) -> Vec<String> {
    (1..)
        .map_while(|number| fs::read_to_string(folder.join(format!("{number}.eml"))).ok())
        .map(|text| text.replace("=\r\n", ""))
        .collect()
}

pub fn certificate(openssl: &Path, folder: &Path) {
    certificate_for(openssl, folder, "2");
}

/// A certificate for this machine and its key, valid for some days.
pub fn certificate_for(openssl: &Path, folder: &Path, days: &str) {
    fs::create_dir_all(folder).unwrap();
    let own = "[req]\ndistinguished_name=dn\nx509_extensions=own\n[dn]\n[own]\nbasicConstraints=critical,CA:FALSE\n\
        subjectAltName=DNS:localhost\n";
    fs::write(folder.join("own.cnf"), own).unwrap();
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args([
            "-nodes",
            "-days",
            days,
            "-subj",
            "/CN=localhost",
            "-config",
            "own.cnf",
        ])
        .args(["-keyout", "server.key", "-out", "server.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{error}");
}

/// What became of a test alert.
fn tested(served: &Served) -> Value {
    let answer = served.api("POST", "/api/v1/alerts/test", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["outputs"].clone()
}

#[test]
fn mail_is_sent_encrypted_to_whom_the_certificate_names_after_a_login() {
    let (Some(openssl), Some(_)) = (tool("openssl"), tool("smtp-server")) else {
        return;
    };
    for tls in ["starttls", "implicit"] {
        let folder = folder();
        let post = folder.path().join("post");
        certificate(&openssl, &post);
        let server = MailServer::start(&post, tls).unwrap();
        fs::write(folder.path().join("word"), "secret word\n").unwrap();
        let config = |tls: &str, host: &str| {
            let text = format!(
                "[server]\nlisten = [\"127.0.0.1:0\"]\nurl = \"https://hunt.corp.example\"\n[hunts]\nenabled = false\n\
                 [mail]\nto = [\"ida@corp.example\", \"never@corp.example\"]\nfrom = \"Crabwalk <crabwalk@corp.example>\"\n\
                 server = \"{host}\"\nport = {}\ntls = \"{tls}\"\nuser = \"crabwalk\"\npassword_file = \"word\"\n",
                server.port
            );
            fs::write(folder.path().join("c.toml"), text).unwrap();
        };
        let trusting = [("SSL_CERT_FILE", post.join("server.pem"))];
        let start = |environment: &[(&str, std::path::PathBuf)]| {
            let arguments = ["serve", "--config", "c.toml", "--data", "data"];
            Served::start_with(folder.path(), &arguments, environment)
        };
        config(tls, "localhost");
        let served = start(&trusting);
        served.first_account();
        let outcome = tested(&served);
        assert_eq!(
            outcome[0],
            json!({"output": "email ida@corp.example", "error": null})
        );
        let refused = outcome[1]["error"].as_str().unwrap();
        assert!(
            refused.contains("550") && refused.contains("no such mailbox"),
            "{refused}"
        );
        // A second test is another mail, not a repeat.
        tested(&served);
        let all = mails(&post);
        assert_eq!(all.len(), 2);
        let id = |mail: &str| {
            mail.lines()
                .find(|line| line.starts_with("Message-ID:"))
                .unwrap()
                .to_owned()
        };
        assert_ne!(id(&all[0]), id(&all[1]));
        for part in [
            "encrypted crabwalk ida@corp.example\r\n",
            "\r\nFrom: Crabwalk <crabwalk@corp.example>\r\n",
            "\r\nTo: ida@corp.example\r\n",
            "\r\nSubject: [Crabwalk] Crabwalk's alerts arrive here\r\n",
            "https://hunt.corp.example/#/inbox",
        ] {
            assert!(
                format!("\r\n{}", all[0]).contains(part),
                "{part}: {}",
                all[0]
            );
        }
        // The file with the password is read each time, and a refused login is told and tried again.
        fs::write(folder.path().join("word"), "a wrong word").unwrap();
        let error = tested(&served)[0]["error"].to_string();
        assert!(error.contains("logging in as crabwalk"), "{error}");
        assert!(!error.contains("wrong word"), "{error}");
        drop(served);
        fs::write(folder.path().join("word"), "secret word").unwrap();
        // A server that cannot prove who it is gets no mail and no password.
        for (environment, host) in [(&[][..], "localhost"), (&trusting[..], "127.0.0.1")] {
            config(tls, host);
            let served = start(environment);
            assert_ne!(tested(&served)[0]["error"], Value::Null, "{host}");
        }
        // Nor does one without encryption.
        let plain = MailServer::start(&folder.path().join("plain"), "none").unwrap();
        config(tls, "localhost");
        let text = fs::read_to_string(folder.path().join("c.toml")).unwrap();
        fs::write(
            folder.path().join("c.toml"),
            text.replace(&server.port, &plain.port),
        )
        .unwrap();
        let served = start(&trusting);
        assert_ne!(tested(&served)[0]["error"], Value::Null);
        assert_eq!(mails(&folder.path().join("plain")), Vec::<String>::new());
        assert_eq!(mails(&post).len(), 2);
    }
}

#[test]
fn a_mail_that_is_refused_for_now_is_sent_again_and_one_refused_for_good_is_kept_with_the_reason() {
    let folder = folder();
    let post = folder.path().join("post");
    let Some(server) = MailServer::start(&post, "none") else {
        return;
    };
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/service.yml"), DETECTION).unwrap();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nurl = \"https://hunt.corp.example/\"\n[hunts]\nenabled = false\n\
         [content]\nbuiltin = false\nfolders = [\"rules\"]\n[mail]\nfrom = \"crabwalk@corp.example\"\nto = [\"lost@corp.example\"]\n\
         server = \"localhost\"\nport = {}\ntls = \"none\"\n",
        server.port
    );
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let mut arguments = vec!["serve", "--config", "c.toml", "--data", "data"];
    for to in [
        "later@corp.example",
        "never@corp.example",
        "ida@corp.example",
    ] {
        // The command line precedes the file.
        arguments.extend(["--alert-email", to]);
    }
    let served = Served::start_as(folder.path(), &arguments);
    served.first_account();
    let until = Instant::now() + Duration::from_secs(60);
    let change = || {
        served.api(
            "PATCH",
            "/api/v1/content/service-installed",
            "{\"alert\": true}",
        )
    };
    while change().status != 200 {
        assert!(Instant::now() < until, "{}", change().text());
        std::thread::sleep(Duration::from_millis(100));
    }
    let now = jiff_now();
    let event = json!({"time": now, "event": {"EventTime": now, "Hostname": "srv1", "Channel": "Security", "EventID": 4697,
        "RecordNumber": 7, "ServiceName": "alpha\r\nBcc: eve@evil.example\r\n\r\n.\r\nQUIT", "SubjectUserName": "eve"}});
    assert_eq!(
        served.hec("/services/collector", &event.to_string()).status,
        200
    );
    let until = Instant::now() + Duration::from_secs(60);
    let posted = loop {
        let alerts = served.api("GET", "/api/v1/alerts", "").json();
        let one = alerts["alerts"][0].clone();
        if one["done"].as_array().is_some_and(|done| done.len() == 3) {
            break one;
        }
        assert!(Instant::now() < until, "{alerts}");
        std::thread::sleep(Duration::from_millis(200));
    };
    let failed = posted["failed"].as_object().unwrap();
    assert_eq!(failed.len(), 1, "{posted}");
    let (output, failed) = failed.iter().next().unwrap();
    assert!(output.starts_with("email never@corp.example"), "{output}");
    assert_eq!(
        (&failed["tries"], &failed["given_up"]),
        (&json!(1), &json!(true))
    );
    assert!(
        failed["why"].as_str().unwrap().contains("no such mailbox"),
        "{failed}"
    );
    let all = mails(&post);
    assert_eq!(all.len(), 2, "{all:?}");
    let to = |name: &str| {
        all.iter()
            .filter(|mail| mail.starts_with(&format!("plain None {name}@")))
            .count()
    };
    assert_eq!((to("ida"), to("later")), (1, 1), "{all:?}");
    for mail in &all {
        let id = posted["alert"]["id"].as_str().unwrap();
        assert!(
            mail.contains(&format!("\r\nMessage-ID: <{id}@corp.example>\r\n")),
            "{mail}"
        );
        assert!(mail.contains("alpha") && mail.contains("srv1"), "{mail}");
        assert!(!mail.contains("\r\nBcc:"), "{mail}");
    }
}

fn jiff_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}
