//! The configuration file, and what follows from it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crabwalk_testing::{crabwalk, tool};
use serde_json::json;

use crate::served::{Served, folder};

#[test]
fn a_server_is_configured_by_a_file_that_options_precede() {
    let folder = folder();
    fs::create_dir(folder.path().join("etc")).unwrap();
    let printed = crabwalk(
        folder.path(),
        &["serve", "--print-config", "--back", "7d", "--no-hunt"],
    );
    assert_eq!(printed.status, 0, "{}", printed.err);
    for line in [
        "enabled = false",
        "back = \"7d\"",
        "every = \"60s\"",
        "listen = [\"127.0.0.1:8088\"]",
        "# certificate = \"server.pem\"",
    ] {
        assert!(
            printed.out.lines().any(|own| own == line),
            "{}",
            printed.out
        );
    }
    let text = printed
        .out
        .replace("127.0.0.1:8088", "127.0.0.1:0")
        .replace("data = \"crabwalk-data\"", "data = \"../data\"")
        .replace("body = \"100MB\"", "body = \"1KB\"");
    fs::write(folder.path().join("etc/crabwalk.toml"), text).unwrap();
    let config = ["--config", "etc/crabwalk.toml"];
    let mut check = vec!["serve", "--check-config"];
    check.extend(config);
    let checked = crabwalk(folder.path(), &check);
    assert_eq!(
        (checked.status, checked.out.trim()),
        (0, "the configuration can be used"),
        "{}",
        checked.err
    );
    let served = Served::start_as(folder.path(), &["serve", "--config", "etc/crabwalk.toml"]);
    served.first_account();
    let long = json!({"event": "x".repeat(2_000)}).to_string();
    assert_eq!(served.hec("/services/collector", &long).status, 413);
    assert!(folder.path().join("data/store").is_dir());
    // Tokens are those of the server of the file.
    let mut list = vec!["serve", "token", "list"];
    list.extend(config);
    let tokens = crabwalk(folder.path(), &list);
    assert!(
        tokens.out.contains("default"),
        "{} {}",
        tokens.out,
        tokens.err
    );
    let token = served.token.clone();
    drop(served);
    let more = [
        "serve",
        "--config",
        "etc/crabwalk.toml",
        "--max-body",
        "1MB",
    ];
    let mut served = Served::start_as(folder.path(), &more);
    // Only the first start prints it.
    served.token = token;
    assert_eq!(served.hec("/services/collector", &long).status, 200);
}

#[test]
fn a_wrong_configuration_is_refused() {
    let folder = folder();
    for (text, part) in [
        (
            "[server]\nlisten = [\"0.0.0.0:1\"]\n",
            "can be reached from other machines",
        ),
        ("[server]\nport = 1\n", "unknown field `port`"),
        (
            "[syslog]\nlisten_tls = [\"127.0.0.1:1\"]\n",
            "needs encryption",
        ),
        (
            "[tls]\ncertificate = \"no.pem\"\nkey = \"no.key\"\n",
            "no.pem",
        ),
        ("[content]\nsigma = [\"nowhere\"]\n", "nowhere"),
    ] {
        fs::write(folder.path().join("c.toml"), text).unwrap();
        let checked = crabwalk(
            folder.path(),
            &["serve", "--check-config", "--config", "c.toml"],
        );
        assert_eq!(checked.status, 1, "{text}: {}", checked.out);
        assert!(checked.err.contains(part), "{text}: {}", checked.err);
    }
    let none = crabwalk(folder.path(), &["serve", "--config", "none.toml"]);
    assert!(
        none.status == 1 && none.err.contains("none.toml"),
        "{}",
        none.err
    );
}

fn certificate(openssl: &Path, folder: &Path, name: &str) {
    let subject = format!("/CN={name}");
    let made = Command::new(openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", &subject, "-keyout", "new.key", "-out", "new.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::rename(folder.join("new.key"), folder.join("server.key")).unwrap();
    fs::rename(folder.join("new.pem"), folder.join("server.pem")).unwrap();
}

#[test]
fn a_renewed_certificate_is_served_without_a_restart() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let folder = folder();
    certificate(&openssl, folder.path(), "first.example");
    let served = Served::start(
        folder.path(),
        &[
            "--tls-cert",
            "server.pem",
            "--tls-key",
            "server.key",
            "--no-hunt",
        ],
    );
    let serves = |name: &str| {
        let shown = Command::new(&openssl)
            .args(["s_client", "-connect", &served.address])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&shown.stdout).contains(name)
    };
    assert!(serves("first.example"));
    // A key without its certificate changes nothing.
    fs::copy(
        folder.path().join("server.pem"),
        folder.path().join("first.pem"),
    )
    .unwrap();
    certificate(&openssl, folder.path(), "second.example");
    fs::rename(
        folder.path().join("server.pem"),
        folder.path().join("second.pem"),
    )
    .unwrap();
    fs::rename(
        folder.path().join("first.pem"),
        folder.path().join("server.pem"),
    )
    .unwrap();
    std::thread::sleep(Duration::from_secs(6));
    assert!(serves("first.example"));
    fs::rename(
        folder.path().join("second.pem"),
        folder.path().join("server.pem"),
    )
    .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !serves("second.example") {
        assert!(Instant::now() < until, "the certificate is not renewed");
        std::thread::sleep(Duration::from_millis(200));
    }
}
