//! The configuration of `crabwalk serve`: a TOML file, which the options of the command line precede.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crabwalk_server::{Config, Encryption, Hunting, Limits, Mail, MailServer, Output, Password};
use crabwalk_store::objects::is_remote;
use serde::{Deserialize, Serialize};

use crate::args::{self, Known, LogFormat};
use crate::input;
use crate::outcome::Failure;

/// The file. Empty values are those that are not set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Whole {
    server: Server,
    tls: Tls,
    syslog: Syslog,
    content: Content,
    hunts: Hunts,
    detections: Detections,
    alerts: Alerts,
    mail: Mails,
    limits: Most,
    log: Log,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Server {
    data: PathBuf,
    store: PathBuf,
    listen: Vec<SocketAddr>,
    watch: Vec<PathBuf>,
    threads: usize,
    url: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Syslog {
    listen: Vec<SocketAddr>,
    listen_tls: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Content {
    builtin: bool,
    folders: Vec<PathBuf>,
    sigma: Vec<PathBuf>,
    assets: Vec<PathBuf>,
    identities: Vec<PathBuf>,
    lookups: PathBuf,
    geoip: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Hunts {
    enabled: bool,
    every: String,
    back: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Detections {
    enabled: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Alerts {
    files: Vec<PathBuf>,
    webhooks: Vec<String>,
    secret: String,
    slack: Vec<String>,
    syslog: Vec<String>,
    max_age: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Mails {
    to: Vec<String>,
    from: String,
    server: String,
    port: u16,
    tls: MailTls,
    user: String,
    password_file: PathBuf,
}

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MailTls {
    StartTls,
    Implicit,
    None,
}

/// The variable with the mail server's password.
const MAIL_PASSWORD: &str = "CRABWALK_MAIL_PASSWORD";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Most {
    body: String,
    waiting: String,
    message: String,
    connections: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Log {
    format: LogFormat,
    verbose: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            data: PathBuf::from("crabwalk-data"),
            store: PathBuf::new(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8088))],
            watch: Vec::new(),
            threads: 0,
            url: String::new(),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self {
            builtin: true,
            folders: Vec::new(),
            sigma: Vec::new(),
            assets: Vec::new(),
            identities: Vec::new(),
            lookups: PathBuf::new(),
            geoip: PathBuf::new(),
        }
    }
}

impl Default for Hunts {
    fn default() -> Self {
        Self {
            enabled: true,
            every: "60s".to_owned(),
            back: "30d".to_owned(),
        }
    }
}

impl Default for Detections {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Mails {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            from: String::new(),
            server: String::new(),
            port: 0,
            tls: MailTls::StartTls,
            user: String::new(),
            password_file: PathBuf::new(),
        }
    }
}

impl Default for Most {
    fn default() -> Self {
        Self {
            body: "100MB".to_owned(),
            waiting: "256MB".to_owned(),
            message: "1MB".to_owned(),
            connections: 4096,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            verbose: false,
        }
    }
}

/// A key of the file: table, name, an example where there is no default, and its meaning.
type Key = (&'static str, &'static str, &'static str, &'static str);

/// All keys, in the order in which they are printed.
const KEYS: [Key; 40] = [
    (
        "server",
        "data",
        "",
        "The folder for all of the server's data; created if missing.",
    ),
    (
        "server",
        "store",
        "\"s3://soc-logs/2026\"",
        "The store, if it is not in the data folder: a folder, or a prefix of a bucket, to which other servers may write as well.",
    ),
    (
        "server",
        "listen",
        "",
        "Addresses for HTTP. Any address but a loopback one needs [tls].",
    ),
    (
        "server",
        "watch",
        "[\"/var/drop\"]",
        "Folders into which logs are dropped.",
    ),
    (
        "server",
        "threads",
        "",
        "Threads for a hunt, and for detections that run at times; 0 for half of the machine's.",
    ),
    (
        "server",
        "url",
        "\"https://crabwalk.example.org\"",
        "Where people reach the pages, for links in mails. By default the first address of `listen`, if it names one machine.",
    ),
    (
        "tls",
        "certificate",
        "\"server.pem\"",
        "The server's certificate chain, PEM. Read again when the file changes.",
    ),
    (
        "tls",
        "key",
        "\"server.key\"",
        "The certificate's private key, PEM.",
    ),
    (
        "syslog",
        "listen",
        "[\"0.0.0.0:514\"]",
        "Addresses for syslog and JSON lines over UDP and TCP, unencrypted and open to anyone who can reach them.",
    ),
    (
        "syslog",
        "listen_tls",
        "[\"0.0.0.0:6514\"]",
        "The same over TLS.",
    ),
    (
        "content",
        "builtin",
        "",
        "Whether to use the detections, stories and baselines shipped with Crabwalk.",
    ),
    (
        "content",
        "folders",
        "[\"content\"]",
        "More content, in ESCU's format. Later content replaces earlier content of the same id or name.",
    ),
    (
        "content",
        "sigma",
        "[\"sigma/rules\"]",
        "Sigma rules: folders or files.",
    ),
    (
        "content",
        "assets",
        "[\"assets.csv\"]",
        "Machines: CSV files with Splunk ES headers.",
    ),
    (
        "content",
        "identities",
        "[\"identities.csv\"]",
        "Accounts: CSV files with Splunk ES headers.",
    ),
    (
        "content",
        "lookups",
        "\"lookups\"",
        "The folder with lookups that searches wrote (`outputlookup`).",
    ),
    (
        "content",
        "geoip",
        "\"GeoLite2-City.mmdb\"",
        "MaxMind database for `iplocation`.",
    ),
    ("hunts", "enabled", "", "Whether the server hunts."),
    (
        "hunts",
        "every",
        "",
        "How long to wait between hunts: a number and s, m, h, d or w.",
    ),
    ("hunts", "back", "", "How far back each hunt looks."),
    (
        "detections",
        "enabled",
        "",
        "Whether detections run by themselves, at times and as events arrive.",
    ),
    (
        "alerts",
        "files",
        "[\"alerts.jsonl\"]",
        "Files to which a line of JSON is appended for each alert.",
    ),
    (
        "alerts",
        "webhooks",
        "[\"https://example.org/hook\"]",
        "URLs to which a JSON document is posted for each alert.",
    ),
    (
        "alerts",
        "secret",
        "\"…\"",
        "Signs these documents: X-Crabwalk-Signature has the HMAC-SHA256 of the body.",
    ),
    (
        "alerts",
        "slack",
        "[\"https://hooks.slack.com/services/…\"]",
        "Slack incoming webhooks to which a text is posted for each alert.",
    ),
    (
        "alerts",
        "syslog",
        "[\"192.0.2.1:514\"]",
        "Addresses to which a syslog datagram is sent for each alert.",
    ),
    (
        "alerts",
        "max_age",
        "\"1d\"",
        "Raise no alerts about what is older than this when it is found. By default paths raise alerts whatever their age, and findings up to a day.",
    ),
    (
        "mail",
        "to",
        "[\"soc@example.org\"]",
        "Addresses to which a mail is sent for each alert.",
    ),
    (
        "mail",
        "from",
        "\"Crabwalk <crabwalk@example.org>\"",
        "The sender of these mails.",
    ),
    (
        "mail",
        "server",
        "\"mail.example.org\"",
        "The mail server that takes them.",
    ),
    (
        "mail",
        "port",
        "",
        "Its port; 0 for 587 with STARTTLS, 465 with implicit TLS, 25 without.",
    ),
    (
        "mail",
        "tls",
        "",
        "How the connection is encrypted: starttls, implicit, or none, which is only for a mail server on this machine.",
    ),
    (
        "mail",
        "user",
        "\"crabwalk\"",
        "The account at the mail server, if it asks for one.",
    ),
    (
        "mail",
        "password_file",
        "\"mail-password\"",
        "A file with the account's password, read for each mail. Without it, the environment variable CRABWALK_MAIL_PASSWORD.",
    ),
    (
        "limits",
        "body",
        "",
        "Largest request body, packed or unpacked.",
    ),
    (
        "limits",
        "waiting",
        "",
        "How much data may wait to be written before senders are told to wait.",
    ),
    (
        "limits",
        "message",
        "",
        "Largest syslog message or line of JSON.",
    ),
    ("limits", "connections", "", "Connections at the same time."),
    (
        "log",
        "format",
        "",
        "Format of the log on standard error: text or json.",
    ),
    (
        "log",
        "verbose",
        "",
        "Whether to log connections and requests too.",
    ),
];

/// Reads a size.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = crate::units::parse_size(text)?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Reads a duration.
pub fn time(text: &str) -> Result<Duration, String> {
    crabwalk_vocabulary::time::duration(text.trim())
        .and_then(|micros| u64::try_from(micros).ok())
        .filter(|micros| *micros > 0)
        .map(Duration::from_micros)
        .ok_or_else(|| {
            format!("`{text}` is not a duration: write a number and s, m, h, d or w, such as `24h`")
        })
}

/// A path that is set.
fn set(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}

impl Whole {
    /// The configuration: the file's, if one is given, and the options of the command line.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn of(args: &args::Serve) -> Result<Self, Failure> {
        let mut whole = match &args.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        whole.precede(args);
        Ok(whole)
    }

    /// The configuration of a server that is looked at: the file's, if one is given, and its data folder.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn at(config: Option<&Path>, data: Option<&Path>) -> Result<Self, Failure> {
        let mut whole = match config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        if let Some(data) = data {
            data.clone_into(&mut whole.server.data);
        }
        Ok(whole)
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let mut whole = Self::parse(&text).map_err(failed)?;
        whole.place(path.parent().unwrap_or(Path::new("")));
        Ok(whole)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let whole: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        whole.check()?;
        Ok(whole)
    }

    fn check(&self) -> Result<(), String> {
        let named = |name: &str, error: String| format!("{name}: {error}");
        for (name, text) in [
            ("hunts.every", &self.hunts.every),
            ("hunts.back", &self.hunts.back),
        ] {
            time(text).map_err(|error| named(name, error))?;
        }
        if !self.alerts.max_age.is_empty() {
            time(&self.alerts.max_age).map_err(|error| named("alerts.max_age", error))?;
        }
        for (name, text) in [
            ("limits.body", &self.limits.body),
            ("limits.waiting", &self.limits.waiting),
            ("limits.message", &self.limits.message),
        ] {
            size(text).map_err(|error| named(name, error))?;
        }
        if set(&self.tls.certificate).is_some() != set(&self.tls.key).is_some() {
            return Err("tls: `certificate` and `key` belong together".to_owned());
        }
        let url = &self.server.url;
        if !url.is_empty() && !url.starts_with("https://") && !url.starts_with("http://") {
            return Err("server.url: it begins with https:// or http://".to_owned());
        }
        if self.server.listen.is_empty() {
            return Err("server.listen: at least one address is needed".to_owned());
        }
        Ok(())
    }

    /// Paths in the file start from its folder.
    fn place(&mut self, folder: &Path) {
        let content = &mut self.content;
        let lists = [
            &mut self.server.watch,
            &mut content.folders,
            &mut content.sigma,
            &mut content.assets,
            &mut content.identities,
            &mut self.alerts.files,
        ];
        let single = [
            &mut self.server.data,
            &mut self.server.store,
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut content.lookups,
            &mut content.geoip,
            &mut self.mail.password_file,
        ];
        for path in lists.into_iter().flatten().chain(single) {
            if set(path).is_some() && !is_remote(path) {
                *path = folder.join(&path);
            }
        }
    }

    /// Replaces what the command line says otherwise.
    fn precede(&mut self, args: &args::Serve) {
        fn list<T: Clone>(own: &mut Vec<T>, given: &[T]) {
            if !given.is_empty() {
                *own = given.to_vec();
            }
        }
        fn one<T: Clone>(own: &mut T, given: Option<&T>) {
            if let Some(given) = given {
                own.clone_from(given);
            }
        }
        let known = &args.known;
        one(&mut self.server.data, args.data.as_ref());
        one(&mut self.server.store, args.store.as_ref());
        list(&mut self.server.listen, &args.listen);
        list(&mut self.server.watch, &args.watch);
        one(&mut self.server.threads, args.threads.as_ref());
        one(&mut self.tls.certificate, args.tls_cert.as_ref());
        one(&mut self.tls.key, args.tls_key.as_ref());
        list(&mut self.syslog.listen, &args.syslog);
        list(&mut self.syslog.listen_tls, &args.syslog_tls);
        self.content.builtin &= !known.no_builtin;
        list(&mut self.content.folders, &known.content);
        list(&mut self.content.sigma, &known.sigma);
        list(&mut self.content.assets, &known.assets);
        list(&mut self.content.identities, &known.identities);
        one(&mut self.content.lookups, known.lookups.as_ref());
        one(&mut self.content.geoip, known.geoip.as_ref());
        self.hunts.enabled &= !args.no_hunt;
        one(&mut self.hunts.every, args.every.as_ref());
        one(&mut self.hunts.back, args.back.as_ref());
        self.detections.enabled &= !args.no_schedules;
        list(&mut self.alerts.files, &args.alert_file);
        list(&mut self.alerts.webhooks, &args.alert_webhook);
        one(&mut self.alerts.secret, args.alert_secret.as_ref());
        list(&mut self.alerts.slack, &args.alert_slack);
        list(&mut self.alerts.syslog, &args.alert_syslog);
        list(&mut self.mail.to, &args.alert_email);
        one(&mut self.alerts.max_age, args.alert_max_age.as_ref());
        one(&mut self.limits.body, args.max_body.as_ref());
        one(&mut self.limits.waiting, args.max_waiting.as_ref());
        one(&mut self.log.format, args.log_format.as_ref());
        self.log.verbose |= args.verbose;
        if args.demo {
            // A path is to be seen growing.
            "10s".clone_into(&mut self.hunts.every);
        }
    }

    /// The folder for the server's data.
    pub fn data(&self) -> &Path {
        &self.server.data
    }

    /// Format of the log, and whether it has connections and requests.
    pub fn log(&self) -> (LogFormat, bool) {
        (self.log.format, self.log.verbose)
    }

    /// What is known besides the events.
    pub fn known(&self) -> Known {
        let content = &self.content;
        Known {
            content: content.folders.clone(),
            no_builtin: !content.builtin,
            sigma: content.sigma.clone(),
            assets: content.assets.clone(),
            identities: content.identities.clone(),
            lookups: set(&content.lookups),
            geoip: set(&content.geoip),
        }
    }

    /// The server's configuration.
    ///
    /// # Errors
    /// What is wrong with a value.
    pub fn config(&self) -> Result<Config, Failure> {
        self.check().map_err(Failure::new)?;
        let wrong = |error: String| Failure::new(error);
        let alerts = &self.alerts;
        let mut outputs: Vec<Output> = alerts.files.iter().cloned().map(Output::File).collect();
        outputs.extend(alerts.webhooks.iter().map(|url| Output::Webhook {
            url: url.clone(),
            secret: Some(alerts.secret.clone()).filter(|secret| !secret.is_empty()),
        }));
        outputs.extend(alerts.slack.iter().cloned().map(Output::Slack));
        outputs.extend(alerts.syslog.iter().cloned().map(Output::Syslog));
        outputs.extend(self.mails().map_err(wrong)?);
        let hunting = Hunting {
            every: time(&self.hunts.every).map_err(wrong)?,
            back: time(&self.hunts.back).map_err(wrong)?,
        };
        let known = self.known();
        let threads = match self.server.threads {
            // Leave half of the machine to senders and searches.
            0 => std::thread::available_parallelism().map_or(1, |all| all.get().div_ceil(2)),
            threads => threads,
        };
        Ok(Config {
            data: self.server.data.clone(),
            store: set(&self.server.store),
            sharing: None,
            listen: self.server.listen.clone(),
            syslog: self.syslog.listen.clone(),
            syslog_tls: self.syslog.listen_tls.clone(),
            tls: set(&self.tls.certificate).zip(set(&self.tls.key)),
            folders: self.server.watch.clone(),
            content_paths: known.paths(),
            content: Arc::new(move || input::content(&known).map_err(|error| error.to_string())),
            threads,
            hunting: self.hunts.enabled.then_some(hunting),
            schedules: self.detections.enabled,
            alerts: outputs,
            alert_age: match alerts.max_age.as_str() {
                "" => None,
                text => Some(time(text).map_err(wrong)?),
            },
            limits: Limits {
                body: size(&self.limits.body).map_err(wrong)?,
                waiting: size(&self.limits.waiting).map_err(wrong)?,
                message: size(&self.limits.message).map_err(wrong)?,
                connections: self.limits.connections,
                ..Limits::default()
            },
        })
    }

    /// An output for each recipient of mails.
    fn mails(&self) -> Result<Vec<Output>, String> {
        let mail = &self.mail;
        if mail.to.is_empty() {
            return Ok(Vec::new());
        }
        for (name, value) in [("server", &mail.server), ("from", &mail.from)] {
            if value.is_empty() {
                return Err(format!("mail.{name}: it is needed for sending mails"));
            }
        }
        let password = match set(&mail.password_file) {
            Some(path) => Some(Password::File(path)),
            None => std::env::var(MAIL_PASSWORD).ok().map(Password::Value),
        };
        let account = match (mail.user.as_str(), password) {
            ("", _) => None,
            (_, None) => {
                return Err(format!(
                    "mail.user: it needs a password, in `password_file` or in {MAIL_PASSWORD}"
                ));
            }
            (user, Some(password)) => Some((user.to_owned(), password)),
        };
        let server = MailServer {
            host: mail.server.clone(),
            port: (mail.port > 0).then_some(mail.port),
            encryption: match mail.tls {
                MailTls::StartTls => Encryption::StartTls,
                MailTls::Implicit => Encryption::Implicit,
                MailTls::None => Encryption::None,
            },
            account,
            from: mail.from.clone(),
            pages: self.url(),
        };
        (mail.to.iter())
            .map(|to| Mail::new(server.clone(), to).map(Output::Email))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("mail: {error}"))
    }

    /// Where people reach the pages.
    fn url(&self) -> Option<String> {
        if !self.server.url.is_empty() {
            return Some(self.server.url.clone());
        }
        let address = self.server.listen.first()?;
        let scheme = match set(&self.tls.certificate) {
            Some(_) => "https",
            None => "http",
        };
        (!address.ip().is_unspecified() && address.port() != 0)
            .then(|| format!("{scheme}://{address}"))
    }

    /// The configuration as a file that explains each key. Keys that are not set are shown with an example, as comments.
    ///
    /// # Errors
    /// If a path is not UTF-8.
    pub fn print(&self) -> Result<String, Failure> {
        let whole = toml::Table::try_from(self).map_err(|error| Failure::new(error.to_string()))?;
        let mut out = "# Configuration of `crabwalk serve --config FILE`. Options of the command line precede it.\n\
                       # Paths start from the folder of this file.\n"
            .to_owned();
        let mut table = "";
        for (own, name, example, meaning) in KEYS {
            if table != own {
                let _ = write!(out, "\n[{own}]\n");
                table = own;
            }
            let _ = writeln!(out, "# {meaning}");
            let value = whole.get(own).and_then(|table| table.get(name));
            let is_set = match value {
                Some(toml::Value::String(text)) => !text.is_empty(),
                Some(toml::Value::Array(all)) => !all.is_empty(),
                Some(_) => true,
                None => false,
            };
            let _ = match value.filter(|_| is_set) {
                Some(value) => writeln!(out, "{name} = {value}"),
                None => writeln!(out, "# {name} = {example}"),
            };
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    #[test]
    fn what_is_printed_explains_every_key_and_reads_as_the_same() {
        let whole = Whole::default();
        let text = whole.print().unwrap();
        assert_eq!(Whole::parse(&text).unwrap(), whole);
        let table = toml::Table::try_from(&whole).unwrap();
        let mut keys: Vec<(String, String)> = Vec::new();
        for (name, inner) in &table {
            let inner = inner.as_table().unwrap().keys();
            keys.extend(inner.map(|key| (name.clone(), key.clone())));
        }
        let mut told: Vec<(String, String)> = (KEYS.iter())
            .map(|(table, name, ..)| ((*table).to_owned(), (*name).to_owned()))
            .collect();
        keys.sort();
        told.sort();
        assert_eq!(keys, told);
        // Every example is one.
        let examples: Vec<String> = (text.lines())
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest
                        .split_once(" = ")
                        .is_some_and(|(name, _)| !name.contains(' ')) =>
                {
                    rest.to_owned()
                }
                _ => line.to_owned(),
            })
            .collect();
        let all = Whole::parse(&examples.join("\n")).unwrap();
        let all = toml::Table::try_from(&all).unwrap();
        for (table, name, example, _) in KEYS {
            let value = all.get(table).and_then(|table| table.get(name)).unwrap();
            assert!(
                example.is_empty() || value.to_string().contains(example.trim_matches(['[', ']'])),
                "{name}"
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("[server]\nlisten = [\"8088\"]", "invalid socket address"),
            ("[server]\nport = 1", "unknown field `port`"),
            (
                "[hunts]\nevery = \"often\"",
                "hunts.every: `often` is not a duration",
            ),
            ("[limits]\nbody = \"big\"", "limits.body"),
            ("[tls]\ncertificate = \"a.pem\"", "belong together"),
            ("[server]\nurl = \"crabwalk.example\"", "server.url"),
            ("[mail]\ntls = \"maybe\"", "unknown variant `maybe`"),
            ("[log]\nformat = \"xml\"", "unknown variant `xml`"),
            ("[server\n", "1"),
        ] {
            let error = Whole::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn mail_is_refused_that_would_not_arrive_or_not_safely() {
        let whole = "[mail]\nto = [\"ida@corp.example\"]\nfrom = \"c@corp.example\"\nserver = \"mail.corp.example\"\n";
        for (from, to, part) in [
            ("server =", "#", "mail.server"),
            ("from =", "#", "mail.from"),
            ("ida@corp.example", "ida", "is not an e-mail address"),
            ("\nserver", "\ntls = \"none\"\nserver", "unencrypted"),
            ("\nserver", "\nuser = \"c\"\nserver", "needs a password"),
        ] {
            let text = whole.replacen(from, to, 1);
            let Err(failure) = Whole::parse(&text).unwrap().config() else {
                panic!("{text}");
            };
            assert!(failure.to_string().contains(part), "{text}: {failure}");
        }
        let Ok(config) = Whole::parse(whole).unwrap().config() else {
            panic!("{whole}");
        };
        assert_eq!(config.alerts.len(), 1);
    }

    #[test]
    fn paths_start_from_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crabwalk.toml");
        let text = "[server]\ndata = \"d\"\nwatch = [\"/w\"]\n[content]\nfolders = [\"c\"]\n";
        std::fs::write(&path, text).unwrap();
        let Ok(whole) = Whole::read(&path) else {
            panic!("the file is fine");
        };
        assert_eq!(whole.server.data, folder.path().join("d"));
        assert_eq!(whole.server.watch, [PathBuf::from("/w")]);
        assert_eq!(whole.content.folders, [folder.path().join("c")]);
        assert_eq!(whole.content.geoip, PathBuf::new());
    }
}
