//! `crabwalk ui`: the report of a case and nothing else, to this machine and nobody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crabwalk_testing::{crabwalk, program};

/// A running server.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn of(case: &std::path::Path) -> Self {
        let mut child = program(".")
            .args(["ui", "--no-open"])
            .arg(case)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        let out = child.stdout.take().unwrap_or_else(|| panic!("no output"));
        let mut url = String::new();
        BufReader::new(out)
            .read_line(&mut url)
            .unwrap_or_else(|error| panic!("{error}"));
        let address = url
            .trim()
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/'))
            .unwrap_or_else(|| panic!("no address: {url}"));
        Self(child, address.to_owned())
    }

    /// The answer to a request, with its head.
    fn says(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.1).unwrap_or_else(|error| panic!("{error}"));
        stream
            .write_all(request.replace("HOST", &self.1).as_bytes())
            .unwrap_or_else(|error| panic!("{error}"));
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .unwrap_or_else(|error| panic!("{error}"));
        answer
    }
}

#[test]
fn the_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let case = folder.path().join("case");
    std::fs::create_dir(&case).unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in [
        ("case/report.html", "<p>the report"),
        ("case/secret", "a secret"),
        ("secret", "a secret"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap_or_else(|error| panic!("{error}"));
    }
    let server = Server::of(&case);
    assert!(server.1.starts_with("127.0.0.1:"), "{}", server.1);
    let get = |path: &str| server.says(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n\r\n"));
    for path in ["/", "/report.html", "/?x=1", "/#path-1"] {
        let answer = get(path);
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("<p>the report"),
            "{path}: {answer}"
        );
    }
    for path in [
        "/secret",
        "/../secret",
        "/%2e%2e/secret",
        "//secret",
        "/case.json",
        "secret",
        "",
        "http://127.0.0.1/secret",
    ] {
        let answer = get(path);
        assert!(
            !answer.contains("a secret") && answer.starts_with("HTTP/1.1 404 "),
            "{path}: {answer}"
        );
    }
    // A name of another site that leads here, other methods, and what is no request.
    let elsewhere = server.says("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 421 ") && !elsewhere.contains("the report"));
    assert!(
        server
            .says("GET / HTTP/1.1\r\n\r\n")
            .starts_with("HTTP/1.1 421 ")
    );
    assert!(
        server
            .says("POST / HTTP/1.1\r\nHost: HOST\r\n\r\n")
            .starts_with("HTTP/1.1 405 ")
    );
    let head = server.says("HEAD / HTTP/1.1\r\nHost: HOST\r\n\r\n");
    assert!(
        head.contains("Content-Length: 13") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn a_folder_without_a_case_says_so() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (case, why) in [(".", "report.html"), ("nowhere", "nowhere")] {
        let ran = crabwalk(folder.path(), &["ui", "--no-open", case]);
        assert_eq!(ran.status, 1);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}
