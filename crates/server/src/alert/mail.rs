//! Alerts by e-mail: a text that says what began where and why it is told, over SMTP.
//!
//! What an attacker wrote into logs ends in these mails, so every text from an alert loses the characters that begin a
//! new line or hide something before it is put anywhere.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use crabwalk_vocabulary::text::is_acted_on;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use serde_json::Value;

use super::{Alert, Refusal};

/// Longest subject, in characters.
const SUBJECT: usize = 200;
/// Longest text of a line of the body, in characters.
const LINE: usize = 500;
/// Movements, reasons and fields that a mail lists.
const LISTED: usize = 40;

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From its first byte on (usually port 465).
    Implicit,
    /// By STARTTLS, before anything is said (usually port 587). A server without it gets no mail.
    StartTls,
    /// Not at all: only for a server on this machine.
    None,
}

/// The password for a mail server.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// Itself.
    Value(String),
    /// The file that has it, read for each mail; spaces and line feeds at its ends do not count.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A mail server, and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port; by default that of the encryption: 465, 587 or 25.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The account and its password, if it asks for them.
    pub account: Option<(String, Password)>,
    /// The sender: `crabwalk@example.org` or `Crabwalk <crabwalk@example.org>`.
    pub from: String,
    /// Where people reach the pages, for links, such as `https://crabwalk.example.org`.
    pub pages: Option<String>,
}

/// Why mail cannot be sent this way.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Not an e-mail address.
    #[error("`{address}` is not an e-mail address: {why}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// Without encryption to another machine.
    #[error(
        "mail to `{0}` would cross the network unencrypted: use STARTTLS or implicit TLS, or a mail server on this machine"
    )]
    Plain(String),
}

/// Mail to one recipient. Each has their own, so that one address that is refused keeps nothing from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    server: MailServer,
    from: Mailbox,
    to: Mailbox,
}

impl Mail {
    /// Mail through a server to an address.
    ///
    /// # Errors
    /// If an address is not valid, or the mail would cross the network unencrypted.
    pub fn new(server: MailServer, to: &str) -> Result<Self, MailError> {
        let mailbox = |text: &str| {
            text.parse::<Mailbox>().map_err(|error| MailError::Address {
                address: text.to_owned(),
                why: error.to_string(),
            })
        };
        if server.encryption == Encryption::None && !is_here(&server.host) {
            return Err(MailError::Plain(server.host));
        }
        Ok(Self {
            from: mailbox(&server.from)?,
            to: mailbox(to)?,
            server,
        })
    }

    /// The recipient's address.
    pub fn recipient(&self) -> String {
        self.to.email.to_string()
    }

    fn port(&self) -> u16 {
        self.server.port.unwrap_or(match self.server.encryption {
            Encryption::Implicit => 465,
            Encryption::StartTls => 587,
            Encryption::None => 25,
        })
    }

    /// Sends an alert.
    ///
    /// # Errors
    /// Why the server did not take it, and whether it would take it later.
    pub(super) async fn send(&self, alert: &Alert) -> Result<(), Refusal> {
        let message = self.message(alert).map_err(Refusal::for_good)?;
        let mut connection = self.connect().await.map_err(Refusal::now)?;
        let sent = connection
            .send(message.envelope(), &message.formatted())
            .await;
        // The mail is taken or refused by now; a server that does not say goodbye changes nothing.
        connection.abort().await;
        match sent {
            Ok(_) => Ok(()),
            // 530 to 538 are about the login, which can be mended.
            Err(error)
                if error.is_permanent()
                    && !error
                        .status()
                        .is_some_and(|code| (530..=538).contains(&u16::from(code))) =>
            {
                Err(Refusal::for_good(error.to_string()))
            }
            Err(error) => Err(Refusal::now(error.to_string())),
        }
    }

    /// A connection that is encrypted and logged in as it has to be.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let MailServer {
            host, encryption, ..
        } = &self.server;
        let failed = |error: lettre::transport::smtp::Error| error.to_string();
        let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), self.port()))
            .await
            .map_err(|error| format!("{host}: {error}"))?
            .collect();
        if *encryption == Encryption::None {
            addresses.retain(|address| address.ip().to_canonical().is_loopback());
        }
        if addresses.is_empty() {
            return Err(format!("{host} has no address to send to"));
        }
        let tls = match encryption {
            Encryption::None => None,
            _ => Some(TlsParameters::new_rustls(host.clone()).map_err(failed)?),
        };
        let hello = ClientId::default();
        let first = tls.clone().filter(|_| *encryption == Encryption::Implicit);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), None, &hello, first, None)
                .await
                .map_err(failed)?;
        if *encryption == Encryption::StartTls
            && let Some(tls) = tls
        {
            connection.starttls(tls, &hello).await.map_err(failed)?;
        }
        if let Some((name, password)) = &self.server.account {
            let password = match password {
                Password::Value(password) => password.clone(),
                Password::File(path) => read(path)?,
            };
            let credentials = Credentials::new(name.clone(), password);
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|error| format!("logging in as {name}: {error}"))?;
        }
        Ok(connection)
    }

    fn message(&self, alert: &Alert) -> Result<Message, String> {
        let domain = self.from.email.domain();
        let time = alert.time.parse::<jiff::Timestamp>();
        let time = time.unwrap_or_else(|_| jiff::Timestamp::now());
        // No other seconds are a date in a header.
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        let time = UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799));
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .date(time)
            .message_id(Some(format!("<{}@{domain}>", token(&alert.id))))
            .subject(line(&format!("[Crabwalk] {}", alert.title), SUBJECT))
            .header(ContentType::TEXT_PLAIN);
        // Mails about one path are one conversation.
        if let Some(path) = alert.detail.get("path").and_then(Value::as_str) {
            message = message.references(format!("<path-{}@{domain}>", token(path)));
        }
        for (name, value) in [
            // No holiday notice answers it (RFC 3834).
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("X-Crabwalk-Id", token(&alert.id)),
        ] {
            let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|e| e.to_string())?;
            message = message.raw_header(HeaderValue::new(name, value));
        }
        message
            .body(body(alert, self.server.pages.as_deref()))
            .map_err(|error| error.to_string())
    }
}

/// The password in a file.
fn read(path: &std::path::Path) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Whether a name or address is this machine's own.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A text as part of a header: as it is if it has only letters, digits, dots and hyphens, else what identifies it.
fn token(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match !text.is_empty() && text.len() <= 100 && text.chars().all(plain) {
        true => text.to_owned(),
        false => crate::secret::digest(text).chars().take(32).collect(),
    }
}

/// A text as one line.
fn line(text: &str, most: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if is_acted_on(c) { ' ' } else { c })
        .take(most)
        .collect();
    if text.chars().nth(most).is_some() {
        line.push('…');
    }
    line
}

/// A time as people read it.
fn when(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%F %T UTC").to_string(),
        Err(_) => line(text, 40),
    }
}

fn body(alert: &Alert, pages: Option<&str>) -> String {
    let detail = &alert.detail;
    let mut out = format!("{}\n", line(&alert.title, LINE));
    // Writing to a string cannot fail.
    let _ = match alert.kind.as_str() {
        "test" => writeln!(
            out,
            "\nThis is a test. Alerts about movements will look much like it."
        ),
        kind if kind.starts_with("path.") => path(&mut out, alert),
        _ => finding(&mut out, detail),
    };
    if let Some(pages) = pages {
        let pages = pages.trim_end_matches('/');
        let place = match (alert.kind.as_str(), &detail["path"], &detail["id"]) {
            ("test", ..) => "#/inbox".to_owned(),
            (_, Value::String(path), _) => format!("#/overview?path={}", token(path)),
            (_, _, Value::String(id)) => format!("#/inbox?id={}", token(id)),
            _ => "#/inbox".to_owned(),
        };
        let _ = write!(out, "\nWith its evidence: {pages}/{place}\n");
    }
    let _ = write!(out, "\n-- \nCrabwalk, alert {}\n", token(&alert.id));
    out
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn joined(value: &Value) -> String {
    let all: Vec<String> = texts(value).map(|text| line(text, 100)).collect();
    crabwalk_vocabulary::text::list(&all, "and", 12)
}

fn path(out: &mut String, alert: &Alert) -> fmt::Result {
    let detail = &alert.detail;
    let text = |value: &Value| line(value.as_str().unwrap_or_default(), 100);
    if alert.kind == "path.grown" {
        writeln!(out, "\nThis path was reported before, and has grown.")?;
    }
    let movements = detail["movements"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let origin = movements.first().map(|one| text(&one["from"]));
    let origin = origin.filter(|origin| !origin.is_empty());
    if let Some(first) = detail["first"].as_str() {
        let place = origin.map_or_else(
            || "The logs do not say where it began; it was first seen".to_owned(),
            |origin| format!("It began on {origin}"),
        );
        writeln!(out, "\n{place} at {}.", when(first))?;
    }
    if let Some(last) = detail["last"].as_str() {
        writeln!(out, "The last of it so far was at {}.", when(last))?;
    }
    if !movements.is_empty() {
        writeln!(out, "\nMovements:")?;
    }
    for one in movements.iter().take(LISTED) {
        let from = Some(text(&one["from"])).filter(|from| !from.is_empty());
        write!(
            out,
            "  {}  {} -> {}",
            when(one["first"].as_str().unwrap_or_default()),
            from.as_deref().unwrap_or("unknown"),
            text(&one["to"])
        )?;
        let account = text(&one["account"]);
        if !account.is_empty() {
            write!(out, " as {account}")?;
        }
        writeln!(
            out,
            " ({}: {})",
            text(&one["standing"]),
            joined(&one["techniques"])
        )?;
    }
    if movements.len() > LISTED {
        writeln!(out, "  and {} more", movements.len() - LISTED)?;
    }
    let why: Vec<&str> = texts(&detail["why"]).collect();
    if !why.is_empty() {
        let score = detail["score"].as_f64().unwrap_or_default();
        writeln!(out, "\nWhy it is reported (score {score:.2}):")?;
    }
    for one in why.iter().take(LISTED) {
        writeln!(out, "  - {}", line(one, LINE))?;
    }
    Ok(())
}

fn finding(out: &mut String, detail: &Value) -> fmt::Result {
    writeln!(
        out,
        "\nSeverity: {}",
        line(detail["severity"].as_str().unwrap_or("unknown"), 40)
    )?;
    for (name, value) in [
        ("First event", &detail["first"]),
        ("Last event", &detail["last"]),
    ] {
        if let Some(time) = value.as_str() {
            writeln!(out, "{name}: {}", when(time))?;
        }
    }
    let hosts = joined(&detail["hosts"]);
    if !hosts.is_empty() {
        writeln!(out, "Hosts: {hosts}")?;
    }
    let fields = detail["fields"].as_object();
    for (at, (name, value)) in fields.into_iter().flatten().enumerate() {
        if at == 0 {
            writeln!(out, "\nFields:")?;
        }
        if at == LISTED {
            return writeln!(out, "  and more");
        }
        let value = match value {
            Value::Array(_) => joined(value),
            Value::String(text) => line(text, LINE),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        writeln!(out, "  {}: {value}", line(name, 100))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use serde_json::json;

    use super::*;

    fn server(host: &str, encryption: Encryption) -> MailServer {
        MailServer {
            host: host.to_owned(),
            port: None,
            encryption,
            account: None,
            from: "Crabwalk <crabwalk@corp.example>".to_owned(),
            pages: Some("https://hunt.corp.example/".to_owned()),
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_unencrypted() {
        for (host, encryption, is_fine) in [
            ("localhost", Encryption::None, true),
            ("127.0.0.1", Encryption::None, true),
            ("::1", Encryption::None, true),
            ("::ffff:127.0.0.1", Encryption::None, true),
            ("192.0.2.1", Encryption::None, false),
            ("localhost.evil.example", Encryption::None, false),
            ("127.0.0.1.evil.example", Encryption::None, false),
            ("mail.corp.example", Encryption::None, false),
            ("mail.corp.example", Encryption::StartTls, true),
            ("mail.corp.example", Encryption::Implicit, true),
        ] {
            let made = Mail::new(server(host, encryption), "ida@corp.example");
            assert_eq!(made.is_ok(), is_fine, "{host} {encryption:?}");
        }
    }

    #[test]
    fn addresses_are_checked() {
        let here = || server("localhost", Encryption::None);
        for wrong in [
            "",
            "ida",
            "ida@corp.example\r\nBcc: eve@evil.example",
            "a b@c",
        ] {
            let error = Mail::new(here(), wrong).unwrap_err().to_string();
            assert!(error.contains("is not an e-mail address"), "{error}");
        }
        let own = MailServer {
            from: "nobody".to_owned(),
            ..here()
        };
        assert!(Mail::new(own, "ida@corp.example").is_err());
    }

    #[test]
    fn what_a_log_says_stays_a_text() {
        let hostile = "WS\r\nBcc: eve@evil.example\r\n\r\n<script>\u{202e}gpj\n.\nQUIT\u{0}";
        let alert = Alert {
            id: format!("id\r\nX-Evil: {hostile}"),
            kind: "path.new".to_owned(),
            title: format!("Lateral movement: {hostile} → B"),
            detail: json!({
                "path": hostile, "first": hostile, "last": hostile, "why": [hostile], "score": 1.0,
                "movements": [{"from": hostile, "to": hostile, "account": hostile, "first": hostile,
                    "standing": hostile, "techniques": [hostile]}],
            }),
            time: "2026-11-30T10:00:00Z".to_owned(),
        };
        for kind in ["path.new", "path.grown", "finding.new", "test"] {
            let alert = Alert {
                kind: kind.to_owned(),
                ..alert.clone()
            };
            let mail = Mail::new(server("localhost", Encryption::None), "ida@corp.example");
            let message = mail.unwrap().message(&alert).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            assert_eq!(
                sorted,
                [
                    "Auto-Submitted",
                    "Content-Transfer-Encoding",
                    "Content-Type",
                    "Date",
                    "From",
                    "Message-ID",
                    "References",
                    "Subject",
                    "To",
                    "X-Crabwalk-Id"
                ],
                "{head}"
            );
            let body = body(&alert, Some("https://hunt.corp.example"));
            assert!(!body.chars().any(|c| c != '\n' && is_acted_on(c)), "{body}");
            assert!(
                !body
                    .lines()
                    .any(|line| line.starts_with("Bcc") || line == "."),
                "{body}"
            );
        }
    }

    #[test]
    fn a_repeat_is_the_same_mail_and_a_long_title_is_cut() {
        let alert = Alert {
            id: "00ff-11".to_owned(),
            kind: "path.new".to_owned(),
            title: "x".repeat(5_000),
            detail: json!({"path": "00ff"}),
            time: "2026-11-30T10:00:00Z".to_owned(),
        };
        let mail = Mail::new(server("localhost", Encryption::None), "ida@corp.example").unwrap();
        let text = || String::from_utf8(mail.message(&alert).unwrap().formatted()).unwrap();
        assert_eq!(text(), text());
        assert!(
            text().contains("Message-ID: <00ff-11@corp.example>\r\n"),
            "{}",
            text()
        );
        assert!(
            text().contains("References: <path-00ff@corp.example>\r\n"),
            "{}",
            text()
        );
        assert!(
            text().contains("https://hunt.corp.example/#/overview?path=3D00ff")
                || text().contains("https://hunt.corp.example/#/overview?path=00ff"),
            "{}",
            text()
        );
        assert!(text().len() < 4_000);
    }
}
