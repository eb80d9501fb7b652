//! Alerts: sends what needs attention to people who are not looking at the pages.
//!
//! Each alert has an id that never changes, is recorded before it is sent, and is sent until every output has accepted
//! it. After a crash an output may receive an alert twice with the same id, but it never misses one. Webhooks are
//! signed, so that receivers can verify the sender (`X-Crabwalk-Signature: sha256=…`, an HMAC-SHA256 of the body).
//!
//! Outputs know nothing of each other: one that is slow or does not answer is asked at growing intervals, and keeps
//! nothing from the others.

mod mail;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::listed::{ListError, Listed};

pub use mail::{Encryption, Mail, MailError, MailServer, Password};

/// Timeout of an output.
const PATIENCE: Duration = Duration::from_secs(20);
/// Maximum number of alerts to keep; beyond it, the oldest delivered ones are dropped.
const KEPT: usize = 1_000;
/// Attempts before giving up on an output for an alert: about a day.
const TRIES: u32 = 60;
/// Longest wait before an output that failed is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(1_800);
/// Alerts in a row that an output may fail before the rest waits for the next time.
const FAILURES: u32 = 3;

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A line of JSON per alert, appended to a file.
    File(PathBuf),
    /// A JSON document per alert, by POST, signed if there is a secret.
    Webhook {
        /// Where.
        url: String,
        /// The signing secret.
        secret: Option<String>,
    },
    /// A text per alert, for chats that support Slack's incoming webhooks.
    Slack(String),
    /// A syslog datagram (RFC 5424) per alert.
    Syslog(String),
    /// A mail per alert.
    Email(Mail),
}

impl Output {
    /// An identifier that reveals no secret.
    fn id(&self) -> String {
        let whole = match self {
            Self::File(path) => path.display().to_string(),
            Self::Webhook { url, .. } | Self::Slack(url) => url.clone(),
            Self::Syslog(address) => address.clone(),
            Self::Email(mail) => mail.recipient(),
        };
        let digest = crate::secret::digest(&whole);
        format!("{} {}", self.name(), digest.get(..12).unwrap_or(&digest))
    }

    /// The name in logs. Webhook addresses are secrets, so only their hosts are shown.
    pub fn name(&self) -> String {
        let host = |url: &str| {
            let parsed = url.parse::<Uri>().ok();
            parsed
                .and_then(|uri| uri.host().map(str::to_owned))
                .unwrap_or_default()
        };
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Webhook { url, .. } => format!("webhook {}", host(url)),
            Self::Slack(url) => format!("chat {}", host(url)),
            Self::Syslog(address) => format!("syslog {address}"),
            Self::Email(mail) => format!("email {}", mail.recipient()),
        }
    }
}

/// Why an output did not accept an alert.
#[derive(Debug)]
struct Refusal {
    why: String,
    /// Whether it will never accept it.
    for_good: bool,
}

impl Refusal {
    fn now(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            for_good: false,
        }
    }

    fn for_good(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            for_good: true,
        }
    }
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Never changes: identifies the subject and its state.
    pub id: String,
    /// `path.new`, `path.grown` or `test`.
    pub kind: String,
    /// One sentence.
    pub title: String,
    /// Further details.
    pub detail: Value,
    /// RFC 3339.
    pub time: String,
}

/// An alert and its deliveries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    /// The alert.
    pub alert: Alert,
    /// Outputs that have received it or were given up on.
    pub done: BTreeSet<String>,
    /// Outputs that did not accept it, and why.
    #[serde(default)]
    pub failed: BTreeMap<String, Failed>,
}

/// What an output did not accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// How often it was sent.
    pub tries: u32,
    /// Why it was not accepted the last time.
    pub why: String,
    /// Whether it is not sent again.
    pub given_up: bool,
}

/// Alerts and their outputs.
pub struct Alerts {
    posted: Listed<Posted>,
    outputs: Vec<Output>,
    /// No alerts are raised about what is older than this when it is found, in microseconds.
    max_age: Option<i64>,
    tls: Arc<ClientConfig>,
    /// Outputs that failed: when to ask them again, and how long they have waited.
    waiting: Mutex<BTreeMap<String, (Instant, Duration)>>,
}

impl Alerts {
    /// The alerts in a data folder, and their outputs. No alerts are raised about what is older than `max_age` when it is
    /// found.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(
        data: &Path,
        outputs: Vec<Output>,
        max_age: Option<Duration>,
    ) -> Result<Self, ListError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let path = data.join("alerts.json");
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ListError {
                path: path.clone(),
                source: std::io::Error::other(error),
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            posted: Listed::open(&path)?,
            outputs,
            max_age: max_age.map(|age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)),
            tls: Arc::new(config),
            waiting: Mutex::default(),
        })
    }

    /// All remembered alerts, newest first.
    pub fn all(&self) -> Vec<Posted> {
        let mut all = self.posted.all().as_ref().clone();
        all.reverse();
        all
    }

    /// Why outputs have not accepted alerts that wait to be sent again, and ones that do not; newest first.
    pub fn outstanding(&self) -> (Vec<String>, Vec<String>) {
        let names: BTreeMap<String, String> = (self.outputs.iter())
            .map(|output| (output.id(), output.name()))
            .collect();
        let (mut waiting, mut given_up) = (Vec::new(), Vec::new());
        for posted in self.posted.all().iter().rev() {
            for (output, failed) in &posted.failed {
                // An output that is no longer configured needs no mending.
                let Some(name) = names.get(output) else {
                    continue;
                };
                let list = match failed.given_up {
                    true => &mut given_up,
                    false => &mut waiting,
                };
                list.push(format!("{name}: {}", failed.why));
            }
        }
        (waiting, given_up)
    }

    /// Whether to raise an alert about what last happened at a time, in microseconds since 1970-01-01 UTC. `usual` is the
    /// age up to which to raise one if nobody has set a limit.
    pub fn is_recent(&self, last: Option<i64>, usual: Option<i64>) -> bool {
        let now = jiff::Timestamp::now().as_microsecond();
        match (self.max_age.or(usual), last) {
            (Some(age), Some(last)) => now.saturating_sub(last) <= age,
            _ => true,
        }
    }

    /// Records alerts; an alert recorded before stays as it is.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn post(&self, alerts: Vec<Alert>) -> Result<(), ListError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.posted.change(|all| {
            for alert in alerts {
                if all.iter().any(|one| one.alert.id == alert.id) {
                    continue;
                }
                tracing::warn!(id = alert.id, kind = alert.kind, "{}", alert.title);
                all.push(Posted {
                    alert,
                    done: BTreeSet::new(),
                    failed: BTreeMap::new(),
                });
            }
            let mut over = all.len().saturating_sub(KEPT);
            all.retain(|one| {
                let told = |output: &Output| one.done.contains(&output.id());
                let goes = over > 0 && self.outputs.iter().all(told);
                over -= usize::from(goes);
                !goes
            });
            Ok(())
        })
    }

    /// Sends pending alerts to the outputs that need not wait.
    pub async fn send(&self) {
        let all = self.posted.all();
        let now = Instant::now();
        let open = |output: &&Output| {
            let id = output.id();
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.get(&id).is_none_or(|(until, _)| *until <= now)
                && all.iter().any(|posted| !posted.done.contains(&id))
        };
        let open: Vec<&Output> = self.outputs.iter().filter(open).collect();
        futures::future::join_all(open.into_iter().map(|output| self.send_to(output, &all))).await;
    }

    /// Sends an output what it has not received.
    async fn send_to(&self, output: &Output, all: &[Posted]) {
        let id = output.id();
        let mut failures = 0;
        for posted in all.iter().filter(|posted| !posted.done.contains(&id)) {
            let told = self.tell(output, &posted.alert).await;
            let tries = posted.failed.get(&id).map_or(0, |failed| failed.tries) + 1;
            let failed = told.err().map(|refusal| Failed {
                tries,
                given_up: refusal.for_good || tries > TRIES,
                why: refusal.why,
            });
            match &failed {
                Some(failed) if failed.given_up => tracing::error!(
                    id = posted.alert.id,
                    output = output.name(),
                    error = failed.why,
                    "giving up on an alert"
                ),
                Some(failed) => {
                    tracing::warn!(
                        id = posted.alert.id,
                        output = output.name(),
                        error = failed.why,
                        "an output did not accept an alert; it will be sent again"
                    );
                    failures += 1;
                }
                None => failures = 0,
            }
            if let Err(error) = self.note(&posted.alert.id, &id, failed) {
                tracing::error!(%error, "the delivery of an alert could not be recorded; it may be sent twice");
                failures = FAILURES;
            }
            if failures == FAILURES {
                break;
            }
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if failures == 0 {
            waiting.remove(&id);
            return;
        }
        let wait = waiting
            .get(&id)
            .map_or(Duration::from_secs(2), |(_, last)| {
                (*last * 2).min(LONGEST_WAIT)
            });
        waiting.insert(id, (Instant::now() + wait, wait));
    }

    /// Records a delivery, or its failure.
    fn note(&self, alert: &str, output: &str, failed: Option<Failed>) -> Result<(), ListError> {
        self.posted.change(|all| {
            let Some(one) = all.iter_mut().find(|one| one.alert.id == alert) else {
                return Ok(());
            };
            if failed.as_ref().is_none_or(|failed| failed.given_up) {
                one.done.insert(output.to_owned());
            }
            match failed {
                Some(failed) => one.failed.insert(output.to_owned(), failed),
                None => one.failed.remove(output),
            };
            Ok(())
        })
    }

    /// Sends a test alert to every output, and returns each result.
    pub async fn test(&self) -> Vec<(String, Result<(), String>)> {
        let now = jiff::Timestamp::now();
        let alert = Alert {
            // A second test must not count as a repeat of the first.
            id: format!("test-{}", now.as_microsecond()),
            kind: "test".to_owned(),
            title: "Crabwalk's alerts arrive here".to_owned(),
            detail: json!({}),
            time: now.to_string(),
        };
        let told = self.outputs.iter().map(async |output| {
            let told = self.tell(output, &alert).await;
            (output.name(), told.map_err(|refusal| refusal.why))
        });
        futures::future::join_all(told).await
    }

    async fn tell(&self, output: &Output, alert: &Alert) -> Result<(), Refusal> {
        let told = match output {
            Output::Email(mail) => timeout(PATIENCE, mail.send(alert)).await,
            other => timeout(PATIENCE, self.tell_simply(other, alert))
                .await
                .map(|told| told.map_err(Refusal::now)),
        };
        told.unwrap_or_else(|_| Err(Refusal::now("no answer in time")))
    }

    /// Tells an output that says no more than that it accepted something.
    async fn tell_simply(&self, output: &Output, alert: &Alert) -> Result<(), String> {
        match output {
            Output::File(path) => {
                let mut line = serde_json::to_vec(alert).map_err(|error| error.to_string())?;
                line.push(b'\n');
                let written = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(&line).and_then(|()| file.sync_data()));
                written.map_err(|error| error.to_string())
            }
            Output::Webhook { url, secret } => {
                let body = serde_json::to_vec(alert).map_err(|error| error.to_string())?;
                self.post_to(url, body, secret.as_deref(), &alert.id).await
            }
            Output::Slack(url) => {
                let body = json!({ "text": alert.title }).to_string().into_bytes();
                self.post_to(url, body, None, &alert.id).await
            }
            Output::Syslog(address) => datagram(address, alert).await,
            Output::Email(mail) => mail.send(alert).await.map_err(|refusal| refusal.why),
        }
    }

    async fn post_to(
        &self,
        url: &str,
        body: Vec<u8>,
        secret: Option<&str>,
        id: &str,
    ) -> Result<(), String> {
        let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
        let host = uri.host().ok_or("the URL has no host")?.to_owned();
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL must begin with https:// or http://".to_owned()),
        };
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(
                header::HOST,
                uri.authority().map_or(host.as_str(), |one| one.as_str()),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "crabwalk")
            .header("X-Crabwalk-Id", id);
        if let Some(secret) = secret {
            let signature = crate::secret::hex(&hmac(secret.as_bytes(), &body));
            request = request.header("X-Crabwalk-Signature", format!("sha256={signature}"));
        }
        let request = request
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| error.to_string();
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let stream = TcpStream::connect((bare.as_str(), port))
            .await
            .map_err(failed)?;
        if !encrypted {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        exchange(stream, request).await
    }
}

/// Sends a request and checks whether it was accepted.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<(), String> {
    let said = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(said)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(said)?;
    let status = response.status();
    // The answer is not needed; reading it lets the other end finish.
    let _ = Limited::new(response.into_body(), 64 << 10).collect().await;
    connection.abort();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("the answer was {status}")),
    }
}

async fn datagram(address: &str, alert: &Alert) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let target = tokio::net::lookup_host(address)
        .await
        .map_err(failed)?
        .next()
        .ok_or("the name does not resolve to an address")?;
    let any = if target.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    // Facility 13, security; severity 2, critical. The contents come from logs: make them one line of limited length.
    let title: String = alert
        .title
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(1_000)
        .collect();
    let text = format!(
        "<106>1 {} - crabwalk - {} - {title} id={}",
        alert.time, alert.kind, alert.id
    );
    socket
        .send_to(text.as_bytes(), target)
        .await
        .map(|_| ())
        .map_err(failed)
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    match padded.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        // A key longer than a block is replaced by its hash.
        None => padded[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let inner = Sha256::new()
        .chain_update(padded.map(|byte| byte ^ 0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rooms_of_one_chat_are_two_outputs() {
        let chat = |room: &str| Output::Slack(format!("https://chat.example/{room}"));
        assert_eq!(chat("a").name(), chat("b").name());
        assert_ne!(chat("a").id(), chat("b").id());
        assert!(!chat("secret").id().contains("secret"));
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 4231, test case 2, and a key longer than a block (case 6).
        let hex = |key: &[u8], text: &[u8]| crate::secret::hex(&hmac(key, text));
        assert_eq!(
            hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
