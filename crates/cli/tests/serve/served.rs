//! A server that runs, and how tests speak to it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::program;
use serde_json::{Value, json};

/// A detection that finds services that were installed.
pub const DETECTION: &str = "name: Service Installed
id: service-installed
type: TTP
search: EventCode=4697 | table _time dest user service
rba:
  message: $service$ was installed on $dest$
  risk_objects: [{field: dest, type: system, score: 50}]
";

pub const PASSWORD: &str = "a long enough password";

/// A server that runs, and is killed when the test ends.
pub struct Served {
    pub child: Child,
    pub address: String,
    pub token: String,
    pub link: String,
}

impl Served {
    pub fn start(folder: &Path, more: &[&str]) -> Self {
        let mut all = vec!["serve", "--data", "data", "--listen", "127.0.0.1:0"];
        all.extend(more);
        Self::start_as(folder, &all)
    }

    /// Starts a server with exactly these arguments.
    pub fn start_as(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    /// The same, with variables in its environment.
    pub fn start_with(folder: &Path, arguments: &[&str], environment: &[(&str, PathBuf)]) -> Self {
        let mut child = program(folder)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut served = Self {
            address: String::new(),
            token: String::new(),
            link: String::new(),
            child: Command::new("true").spawn().unwrap(),
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let wait = Duration::from_secs(60);
        while served.address.is_empty() {
            let line = told.recv_timeout(wait).expect("the server listens");
            if let Some((_, address)) = line.split_once("://")
                && line.starts_with("listening on http")
            {
                address.clone_into(&mut served.address);
            }
        }
        // Printed at the first start only.
        while let Ok(line) = told.recv_timeout(Duration::from_millis(200)) {
            let word = line.trim();
            if let Some((_, key)) = word.split_once("/setup?key=") {
                key.clone_into(&mut served.link);
            } else if word.len() == 36 && !word.contains(' ') {
                word.clone_into(&mut served.token);
            }
        }
        served.child = child;
        served
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        ask(&self.address, method, path, headers, body).expect("an answer")
    }

    /// Sends to the event collector with the first token.
    pub fn hec(&self, path: &str, body: &str) -> Answer {
        let token = format!("Splunk {}", self.token);
        self.ask("POST", path, &[("Authorization", &token)], body.as_bytes())
    }

    pub fn first_account(&self) {
        let form = format!(
            "key={}&name=ida&password={}",
            self.link,
            PASSWORD.replace(' ', "+")
        );
        assert_eq!(self.ask("POST", "/setup", &[], form.as_bytes()).status, 303);
    }

    pub fn search(&self, search: &str) -> Vec<Vec<Value>> {
        let basic = format!("Basic {}", STANDARD.encode(format!("ida:{PASSWORD}")));
        let question = json!({ "search": search }).to_string();
        let answer = self.ask(
            "POST",
            "/api/v1/search",
            &[("Authorization", &basic)],
            question.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_value(answer.json()["rows"].clone()).unwrap()
    }

    /// An answer to the administrator.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let basic = format!("Basic {}", STANDARD.encode(format!("ida:{PASSWORD}")));
        self.ask(method, path, &[("Authorization", &basic)], body.as_bytes())
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    pub fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server that refuses a request need not read the rest of it.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let read = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|part| part == b"\r\n\r\n");
    let Some(end) = end else {
        return Err(read
            .err()
            .unwrap_or(std::io::ErrorKind::UnexpectedEof.into()));
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = &all[end + 4..];
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    Ok(Answer {
        status,
        head,
        body: if is_chunked {
            joined(body)
        } else {
            body.to_vec()
        },
    })
}

/// A body that came in chunks: each is its length in hexadecimal digits, and as many bytes.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|part| part == b"\r\n") {
        let length = std::str::from_utf8(&chunks[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        let start = end + 2;
        if length == 0 || chunks.len() < start + length + 2 {
            break;
        }
        body.extend_from_slice(&chunks[start..start + length]);
        chunks = &chunks[start + length + 2..];
    }
    body
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
