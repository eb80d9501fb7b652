//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::term::Colour;

/// Finds, proves and explains lateral movement in logs.
#[derive(Debug, Parser)]
#[command(
    name = "crabwalk",
    version,
    max_term_width = 110,
    after_help = "Examples:\n  \
      crabwalk demo                              hunt through simulated logs with an intrusion\n  \
      crabwalk hunt evidence/                    all logs below a folder, including zip and tar.gz files\n  \
      crabwalk hunt evidence.zip --out case      the same, with report.html, case.json and more\n  \
      crabwalk search 'EventCode=4624 Logon_Type=10 | stats count by user, src, dest' evidence/\n  \
      crabwalk ingest evidence/ --store store    the logs as Parquet files; `hunt store` reads those\n\n\
      Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but part of the input could not be read."
)]
pub struct Args {
    /// Use colours: always, never, or auto, which is on a terminal unless NO_COLOR is set.
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t = Colour::Auto,
        global = true,
        hide_possible_values = true,
        help_heading = "On a terminal"
    )]
    pub color: Colour,
    /// Never show long results in a pager (PAGER, or else less).
    #[arg(long, global = true, help_heading = "On a terminal")]
    pub no_pager: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the detections over logs and report what they find.
    Hunt(Hunt),
    /// Run one SPL search over logs.
    Search(Search),
    /// Show what happened on a host or with an account: logons, programs, services, files, what is new.
    Dossier(Dossier),
    /// Add logs to a store, from which hunts and searches read them quickly.
    Ingest(Ingest),
    /// List, check and tidy up the files of a store.
    Store(Store),
    /// Show and check detections, stories and macros.
    Content(Content),
    /// Show the evidence for one movement, path or finding of a case, down to the records.
    Explain(Explain),
    /// Convert a case to another tool's format or an HTML report.
    Export(Export),
    /// Open a case in the browser, from a server on this machine that has nothing but its report.
    Ui(Ui),
    /// Let an assistant look at a case or at logs, read only: a Model Context Protocol server on standard input and output.
    Mcp(Mcp),
    /// Learn from logs what is normal, such as which machines make and receive remote desktop connections.
    Baseline(Baseline),
    /// Generate the logs of a small company with an intrusion, hunt them, and compare the result with the truth.
    Demo(Demo),
    /// Generate logs of a simulated company, for tests and measurements.
    Lab(Lab),
    /// Print completions of the command line for a shell.
    #[command(after_help = "Examples:\n  \
        crabwalk completions bash > /etc/bash_completion.d/crabwalk\n  \
        crabwalk completions zsh > ~/.zfunc/_crabwalk\n  \
        crabwalk completions fish > ~/.config/fish/completions/crabwalk.fish")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, one for each command.
    #[command(after_help = "Example:\n  \
        crabwalk man ~/.local/share/man/man1 && man crabwalk-hunt")]
    Man {
        /// Folder for the pages; it is made if it does not exist.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Receive and store events around the clock, like Splunk's HTTP Event Collector, and hunt through them.
    Serve(Box<Serve>),
    /// Look for what is wrong with a server, running or not, and say what to do about it. Changes nothing.
    Doctor(Doctor),
    /// Run pieces of other machines' searches over a store.
    #[cfg(feature = "cluster")]
    Worker(Box<Worker>),
}

/// Arguments of `serve`.
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = false,
    after_help = "Examples:\n  \
      crabwalk serve                                       on this machine only, with its data in crabwalk-data\n  \
      crabwalk serve --listen 0.0.0.0:8088 --tls-cert server.pem --tls-key server.key\n                                                       \
      for the network, encrypted\n  \
      crabwalk serve --print-config > crabwalk.toml         a configuration file to edit, for --config\n  \
      crabwalk serve token add laptops --acknowledge       another token for senders, even while the server runs\n\n\
      docs/serve.md shows how to point each sender at it."
)]
pub struct Serve {
    /// A file with the server's configuration; options of the command line precede it.
    #[arg(long, value_name = "FILE", global = true, env = "CRABWALK_CONFIG")]
    pub config: Option<PathBuf>,
    /// Check the configuration and the content, and exit.
    #[arg(long)]
    pub check_config: bool,
    /// Print the configuration as a file that explains each key, and exit. It shows secrets.
    #[arg(long)]
    pub print_config: bool,
    /// The folder for all of the server's data; created if missing. [default: crabwalk-data]
    #[arg(long, value_name = "DIR", global = true, env = "CRABWALK_DATA")]
    pub data: Option<PathBuf>,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub cluster: Cluster,
    /// The store, if it is not in the data folder: another folder, or s3://BUCKET/PREFIX, to which other servers may write
    /// as well.
    #[arg(long, value_name = "STORE", env = "CRABWALK_STORE")]
    pub store: Option<PathBuf>,
    /// An address to listen on; may be repeated. Any address but a loopback one needs TLS. [default: 127.0.0.1:8088]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<std::net::SocketAddr>,
    /// An address for syslog and JSON lines over UDP and TCP, such as 0.0.0.0:514; may be repeated. The traffic is not
    /// encrypted, and anyone who can reach the port can send.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub syslog: Vec<std::net::SocketAddr>,
    /// An address for syslog and JSON lines over TLS, such as 0.0.0.0:6514.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub syslog_tls: Vec<std::net::SocketAddr>,
    /// The server's certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Read logs dropped into this folder: EVTX files, archives, Zeek logs; may be repeated.
    #[arg(long, value_name = "DIR")]
    pub watch: Vec<PathBuf>,
    /// Replay three days of a simulated company with an intrusion within a minute, and hunt every ten seconds.
    #[arg(long, conflicts_with = "tls_cert")]
    pub demo: bool,
    /// How long to wait between hunts, such as 60s or 5m. The server hunts only when there are new events. [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub every: Option<String>,
    /// How far back each hunt looks. [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub back: Option<String>,
    /// Do not hunt.
    #[arg(long)]
    pub no_hunt: bool,
    /// Do not run detections by themselves, at times and as events arrive.
    #[arg(long)]
    pub no_schedules: bool,
    /// Threads for a hunt, and for detections that run at times; by default half of the machine's.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// For each path that appears or grows, append a line of JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub alert_file: Vec<PathBuf>,
    /// For each path that appears or grows, post a JSON document to this URL.
    #[arg(
        long,
        value_name = "URL",
        env = "CRABWALK_ALERT_WEBHOOK",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    pub alert_webhook: Vec<String>,
    /// Sign the documents with this secret: X-Crabwalk-Signature has the HMAC-SHA256 of the body.
    #[arg(
        long,
        value_name = "SECRET",
        env = "CRABWALK_ALERT_SECRET",
        hide_env_values = true
    )]
    pub alert_secret: Option<String>,
    /// For each path that appears or grows, post a text to this Slack incoming webhook.
    #[arg(
        long,
        value_name = "URL",
        env = "CRABWALK_ALERT_SLACK",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    pub alert_slack: Vec<String>,
    /// For each path that appears or grows, send a syslog datagram to this address.
    #[arg(long, value_name = "HOST:PORT")]
    pub alert_syslog: Vec<String>,
    /// For each path that appears or grows, send a mail to this address; may be repeated. The configuration file has the mail
    /// server: `[mail]`.
    #[arg(long, value_name = "ADDRESS")]
    pub alert_email: Vec<String>,
    /// Raise no alerts about what is older than this when it is found, such as 1d, for servers that read history first. By
    /// default paths raise alerts whatever their age, and findings up to a day.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub alert_max_age: Option<String>,
    #[command(flatten)]
    pub known: Known,
    /// Largest request body, packed or unpacked. [default: 100MB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_body: Option<String>,
    /// How much data may wait to be written before senders are told to wait. [default: 256MB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_waiting: Option<String>,
    /// Format of the log on standard error. [default: text]
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,
    /// Log connections and requests too.
    #[arg(long, short)]
    pub verbose: bool,
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
}

/// Arguments of `doctor`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Looks at the configuration, the content, the certificate, the data folder and its disk, the store, the log, the clock, \
      the addresses, accounts, limits and alerts. Exit status 1 if something has failed; warnings do not change it.\n\n\
      Examples:\n  \
      sudo crabwalk doctor --config /etc/crabwalk/crabwalk.toml\n  \
      crabwalk doctor --data crabwalk-data --json"
)]
pub struct Doctor {
    /// The server's configuration file.
    #[arg(long, value_name = "FILE", env = "CRABWALK_CONFIG")]
    pub config: Option<PathBuf>,
    /// The server's data folder. [default: crabwalk-data]
    #[arg(long, value_name = "DIR", env = "CRABWALK_DATA")]
    pub data: Option<PathBuf>,
    /// Send a test alert to every output.
    #[arg(long)]
    pub send: bool,
    /// Read every file of the store completely, as `crabwalk store check` does.
    #[arg(long)]
    pub thorough: bool,
    /// Write JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks a size; it stays as it is written.
fn size(text: &str) -> Result<String, String> {
    crate::serve_config::size(text)?;
    Ok(text.to_owned())
}

/// Checks a duration; it stays as it is written.
fn time(text: &str) -> Result<String, String> {
    crate::serve_config::time(text)?;
    Ok(text.to_owned())
}

/// Format of a server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text for each entry.
    Text,
    /// A JSON object for each entry.
    Json,
}

/// What else can be done with a server's data.
#[derive(Debug, Subcommand)]
pub enum ServeCommand {
    /// Manage the senders' tokens.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Add a token and print its secret.
    Add {
        /// Its name.
        name: String,
        /// Use indexer acknowledgement (useACK): answer requests with a number that senders ask about later.
        #[arg(long)]
        acknowledge: bool,
        /// Accept the token in the URL too (`?token=`), for senders that cannot set headers.
        #[arg(long)]
        in_url: bool,
        /// An index that events may name; may be repeated. The first is the default index. Without this option, any index.
        #[arg(long, value_name = "NAME")]
        index: Vec<String>,
        /// The default source of events.
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// The default source type of events.
        #[arg(long, value_name = "NAME")]
        sourcetype: Option<String>,
        /// The secret, if senders already have one; by default a new one is generated.
        #[arg(
            long,
            value_name = "SECRET",
            env = "CRABWALK_TOKEN",
            hide_env_values = true
        )]
        secret: Option<String>,
    },
    /// List the tokens.
    List,
    /// Remove a token: the server stops accepting it.
    Remove {
        /// Its name.
        name: String,
    },
}

/// Arguments of `demo`.
#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// Where the logs and the case go; created if missing.
    #[arg(long, value_name = "DIR", default_value = "crabwalk-demo")]
    pub out: PathBuf,
    /// The same seed produces the same logs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print every finding, problem and gap.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `lab`.
#[derive(Debug, ClapArgs)]
pub struct Lab {
    #[command(subcommand)]
    pub command: LabCommand,
}

/// What to do with the lab.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Write EVTX files and truth.json into a directory: a small company, an enterprise, or logon events only.
    ///
    /// By default a small company with one intrusion, with Zeek conn logs, assets.csv and identities.csv. With --hosts, an
    /// enterprise with several sites and any number of intrusions. With --logons, that many logon events, for measurements.
    Build(LabBuild),
    /// Generate enterprises, hunt them, and compare the movements found with those planted.
    Evaluate(LabEvaluate),
    /// Compare a case with the truth of a company or an enterprise generated earlier.
    Score {
        /// The directory with truth.json.
        directory: PathBuf,
        /// The case.json that `hunt --out` wrote, or what `hunt --format json` printed.
        case: PathBuf,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        /// Name each missed and each false hop.
        #[arg(long, short)]
        verbose: bool,
    },
}

/// Arguments of `lab build`.
#[derive(Debug, ClapArgs)]
// These options describe an enterprise. Without `--hosts` the lab makes a small company, with `--logons` only logons, and
// neither has a profile.
#[command(mut_group("Company", |group| group.requires("hosts").conflicts_with("logons")))]
pub struct LabBuild {
    /// The directory; created if missing.
    pub directory: PathBuf,
    /// The same seed produces the same logs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Minimum total size of the EVTX files, such as 500MB or 1GB.
    #[arg(long, value_name = "SIZE", value_parser = crate::units::parse_size, conflicts_with_all = ["hosts", "logons"])]
    pub bytes: Option<u64>,
    /// Working days of a small company (3); days of an enterprise (30).
    #[arg(long, value_name = "N")]
    pub days: Option<usize>,
    /// Workstations of a small company, at least 3.
    #[arg(long, value_name = "N", conflicts_with_all = ["hosts", "logons"])]
    pub workstations: Option<usize>,
    /// Servers of a small company besides the domain controller, at least 3.
    #[arg(long, value_name = "N", conflicts_with_all = ["hosts", "logons"])]
    pub servers: Option<usize>,
    /// Ordinary days only.
    #[arg(long)]
    pub no_intrusion: bool,
    /// Generate an enterprise with this many hosts, at least 12.
    #[arg(long, value_name = "N")]
    pub hosts: Option<usize>,
    /// Intrusions in the enterprise; 0 for ordinary days only.
    #[arg(
        long,
        value_name = "N",
        requires = "hosts",
        conflicts_with_all = ["no_intrusion", "logons"],
        default_value_t = 10
    )]
    pub intrusions: usize,
    /// Amount of ordinary activity in the enterprise; 1 is usual.
    #[arg(
        long,
        value_name = "X",
        requires = "hosts",
        conflicts_with = "logons",
        default_value_t = 1.0
    )]
    pub volume: f64,
    #[command(flatten)]
    pub company: Company,
    /// Generate this many logon events and nothing else, such as 1M or 500K.
    #[arg(long, value_name = "N", value_parser = crate::units::parse_count)]
    pub logons: Option<u64>,
}

/// How hard an enterprise is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hardness {
    /// One account per person, and agents that keep to themselves.
    Usual,
    /// All the daily work that resembles movement, a quarter of logons by NTLM, and a NetBIOS name unlike the DNS name.
    Hard,
}

/// How attacks vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Three goals and four degrees of stealth, as in Hopper's evaluation (USENIX Security 2021).
    Hopper,
}

/// What an enterprise is like beyond its size.
#[derive(Debug, Clone, ClapArgs)]
pub struct Company {
    /// How hard the enterprise is.
    #[arg(long, value_enum, default_value_t = Hardness::Usual)]
    pub profile: Hardness,
    /// DNS name of the domain, such as ad.example.net.
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// NetBIOS name of the domain, such as EXMPL.
    #[arg(long, value_name = "NAME")]
    pub netbios: Option<String>,
    /// Share of logons that use NTLM where Kerberos is possible, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub ntlm: Option<f64>,
    /// The daily work that resembles movement, instead of the profile's: polling, scanning, backup, second-accounts,
    /// check-out, help-desk, rollouts, automation, terminals, turnover; or `none`.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub work: Option<Vec<String>>,
    /// Share of workstations that get another workstation's address by DHCP each day.
    #[arg(long, value_name = "SHARE")]
    pub leases: Option<f64>,
    /// Share of workstations that connect by VPN and hand their addresses to others at noon.
    #[arg(long, value_name = "SHARE")]
    pub vpn: Option<f64>,
    /// Share of workstations behind a single address (NAT).
    #[arg(long, value_name = "SHARE")]
    pub nat: Option<f64>,
    /// Which logs were collected: usual, full, mixed (half the hosts with Sysmon, some with one log or none) or login-only.
    #[arg(long, value_name = "LOGS")]
    pub telemetry: Option<String>,
    /// Minutes between rounds of the monitoring that visits 20 to 40 hosts.
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    pub poll: u32,
}

/// Arguments of `lab evaluate`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    crabwalk lab evaluate                                          1, 10 and 50 intrusions among 500 hosts in 30 days\n  \
    crabwalk lab evaluate --hosts 60 --days 5 --intrusions 3 -v    a small one, listing each missed hop\n  \
    crabwalk lab evaluate --profile hard --hosts 100 --days 7 --intrusions 0,1 --seed 1,2\n                                                                 \
    a hard one without and with an intruder, two of each\n  \
    crabwalk lab evaluate --protocol hopper --profile hard --hosts 60 --days 7 --seed 1001 --attacks 24\n                                                                 \
    two attacks for each goal and degree of stealth\n\n\
    A planted hop counts as found if a hop of the case has its source, destination, account, kind of technique and time.\n\
    Only hops with standing `proven` are asserted; the others count neither for nor against. An asserted hop is false if no intruder made it.")]
pub struct LabEvaluate {
    /// Numbers of intrusions, one enterprise for each; 0 for one without an intruder.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 10, 50])]
    pub intrusions: Vec<usize>,
    /// Hosts, at least 12.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub hosts: usize,
    /// Days, at least 2.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: usize,
    /// Seeds, one enterprise for each; the same seed produces the same logs.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1])]
    pub seed: Vec<u64>,
    /// Amount of ordinary activity; 1 is usual.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub volume: f64,
    #[command(flatten)]
    pub company: Company,
    /// Plant many attacks by goal and stealth in separate companies, and print the detection rate as a function of false
    /// paths. Takes one seed and counts up from it.
    #[arg(long, value_enum, conflicts_with_all = ["intrusions", "verbose"])]
    pub protocol: Option<Protocol>,
    /// Attacks in total, cycling through goals and degrees of stealth.
    #[arg(long, value_name = "N", default_value_t = 336, requires = "protocol")]
    pub attacks: usize,
    /// Attacks per company.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "protocol")]
    pub per_world: usize,
    /// Companies generated and hunted in parallel.
    #[arg(long, value_name = "N", requires = "protocol", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Generate the enterprises below this directory and keep them; by default they go to a temporary one.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Name each missed and each false hop.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Where the logs are, and which part of them counts.
#[derive(Debug, ClapArgs)]
pub struct Logs {
    /// Files, folders (recursively), zip, tar.gz and gz archives, or `-` for standard input; or a store made by `ingest`.
    ///
    /// File types are detected from content: EVTX, event XML, JSON, CSV, Zeek logs, syslog, text of Splunk's WinEventLog.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Ignore events before this time: RFC 3339 (`2024-03-01T08:00:00Z`), a date, or relative to now (`-7d`; s, m, h, d, w).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = crate::units::parse_time)]
    pub since: Option<i64>,
    /// Ignore events after this time; same forms as --since.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = crate::units::parse_time)]
    pub until: Option<i64>,
    /// Threads to use; by default all of the machine's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub memory: Memory,
    #[command(flatten)]
    pub search: SearchMemory,
}

/// How much memory may be used.
#[derive(Debug, ClapArgs)]
pub struct Memory {
    /// Approximate memory to use, such as 2GB; by default a quarter of the machine's, at least 512MB.
    ///
    /// Logs that need more are put into a temporary store while they are read (in TMPDIR). Large EVTX files and zip archives are
    /// read in parts; any other file is read as a whole.
    #[arg(
        long,
        value_name = "SIZE",
        env = "CRABWALK_MEMORY",
        value_parser = crate::units::parse_size
    )]
    pub memory: Option<u64>,
}

impl Memory {
    /// In bytes.
    pub fn bytes(&self) -> u64 {
        self.memory
            .unwrap_or_else(|| crabwalk_store::IngestOptions::default().memory)
    }
}

/// How much memory searches may use.
#[derive(Debug, ClapArgs)]
pub struct SearchMemory {
    /// Memory limit in MiB for grouping, sorting and joining, all searches together; the rest spills to temporary files.
    #[arg(
        long,
        value_name = "MIB",
        env = "CRABWALK_SEARCH_MEMORY",
        default_value_t = SEARCH_MEMORY,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub search_memory: u32,
}

/// Default of [`SearchMemory::search_memory`].
pub const SEARCH_MEMORY: u32 = 512;

/// What is known besides the logs.
#[derive(Debug, Clone, ClapArgs)]
pub struct Known {
    /// Load detections, macros, lookups and more from a directory; may be repeated.
    ///
    /// Files are recognised by their keys, so a checkout of public content in ESCU's format works unchanged. Later
    /// content replaces earlier content with the same id or name.
    #[arg(long, value_name = "DIR")]
    pub content: Vec<PathBuf>,
    /// Do not use the detections, stories and baselines shipped with Crabwalk.
    #[arg(long)]
    pub no_builtin: bool,
    /// Load Sigma rules from a directory or file; may be repeated.
    ///
    /// Rules of level high or critical count as TTP, medium or low as anomaly, informational as hunting. Correlations and
    /// filters work too. Rules for logs that Crabwalk cannot read are only counted.
    #[arg(long, value_name = "DIR")]
    pub sigma: Vec<PathBuf>,
    /// Machines: a CSV file with Splunk ES headers (ip,mac,nt_host,dns,owner,priority,category …); may be repeated.
    #[arg(long, value_name = "FILE")]
    pub assets: Vec<PathBuf>,
    /// Accounts: a CSV file with Splunk ES headers (identity,priority,category …); may be repeated.
    #[arg(long, value_name = "FILE")]
    pub identities: Vec<PathBuf>,
    /// Keep the lookups that searches write (`outputlookup`) in this directory, and read them back.
    ///
    /// A baseline of public content fills a lookup this way, and later hunts read it. Each lookup is a CSV file of that name.
    #[arg(long, value_name = "DIR")]
    pub lookups: Option<PathBuf>,
    /// MaxMind database for `iplocation`, such as GeoLite2-City.mmdb.
    #[arg(long, value_name = "FILE")]
    pub geoip: Option<PathBuf>,
}

impl Known {
    /// All files and folders that it names.
    pub fn paths(&self) -> Vec<PathBuf> {
        let lists = [&self.content, &self.sigma, &self.assets, &self.identities];
        let single = [&self.lookups, &self.geoip];
        let single = single.into_iter().flatten();
        lists.into_iter().flatten().chain(single).cloned().collect()
    }
}

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document; for `hunt` the case.
    Json,
    /// One JSON document per line; for `hunt` the findings.
    Jsonl,
    /// For spreadsheets, with formulas defused; for `hunt` the findings.
    Csv,
}

/// Arguments of `hunt`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    crabwalk hunt evidence/\n  \
    crabwalk hunt DC01.zip WS01.evtx --assets assets.csv --out case\n  \
    crabwalk hunt logs/ --since 2024-03-01 --format jsonl | jq .message\n  \
    crabwalk hunt logs/ --detection 'Kerberoasting*'\n  \
    crabwalk hunt logs/ --content security_content/\n\n\
    Exit status: 0 done (findings or none), 1 failed, 2 wrong usage, 3 done but part of the input (or of the content) could not be read.")]
pub struct Hunt {
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub known: Known,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Write report.html, case.json, findings.csv, timeline.csv and navigator.json into this directory.
    ///
    /// The logs are read a second time for the raw records that the report shows.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Run only this detection (name or id, any case, `*` for any text); may be repeated.
    #[arg(long, value_name = "NAME")]
    pub detection: Vec<String>,
    /// Findings to hide: a YAML file that says which, who decided it, why and until when; may be repeated.
    ///
    /// Hidden findings stay in case.json, marked, and are counted.
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
    /// How many paths to report per day and thousand hosts, where the logs cover enough days to compare. If any
    /// path stands out, at least one is reported.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = budget)]
    pub budget: f64,
    /// Run only the detections of this story (name, any case, `*` for any text); may be repeated.
    #[arg(long, value_name = "NAME")]
    pub story: Vec<String>,
    /// Show only what involves this host (name or address).
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Show only what involves this account (name, `DOMAIN\name` or SID).
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Instead of the summary, print the evidence for one path (`path-1`), movement (`hop-9`) or finding (`f-…`).
    #[arg(long, value_name = "ID", conflicts_with = "format")]
    pub explain: Option<String>,
    /// Print only the findings.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print every finding, problem and gap; by default similar ones are only counted.
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// Arguments of `ingest`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk ingest evidence/ --store store\n  \
    crabwalk ingest evidence/ --store store        again: takes only what is new\n  \
    crabwalk hunt store --since -7d\n\n\
    The store keeps all fields of an event and skips events that it already has, wherever they come from. It identifies an event by \
    host, log, number and time or, without a number, by its full content.\n\
    You can interrupt an ingest at any moment: what it has committed stays, and the next one takes the rest.\n\n\
    Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but part of the input could not be read."
)]
pub struct Ingest {
    /// Files, folders (recursively), zip, tar.gz and gz archives; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The store; created if missing.
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
    /// Threads to use; by default all of the machine's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub memory: Memory,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `store`.
#[derive(Debug, ClapArgs)]
pub struct Store {
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Print the paths of the store's current Parquet files, one per line, for other programs.
    ///
    /// The folder itself may also contain files that have been replaced.
    Files {
        /// The store.
        #[arg(value_name = "DIR")]
        store: PathBuf,
        /// Only files of this event type: channel, or channel/id, any case, `*` for any text; may be repeated.
        #[arg(long = "type", value_name = "TYPE")]
        types: Vec<String>,
    },
    /// Verify every file against what was written. Exit status 1 if something is lost.
    Check {
        /// The store.
        #[arg(value_name = "DIR")]
        store: PathBuf,
    },
    /// Merge small files of the same event type.
    ///
    /// The next command that writes to the store at least an hour later deletes the old files: readers may still need them.
    Compact {
        /// The store.
        #[arg(value_name = "DIR")]
        store: PathBuf,
        /// Delete the old files at once. Programs that are reading the store may fail.
        #[arg(long)]
        now: bool,
    },
    /// Remove old events, or those of one log, from the store.
    ///
    /// The next command that writes to the store at least an hour later deletes their files.
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["before", "channel"])))]
    Forget {
        /// The store.
        #[arg(value_name = "DIR")]
        store: PathBuf,
        /// Only events before this time: RFC 3339, a date, or relative to now (`-90d`; s, m, h, d, w).
        #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = crate::units::parse_time)]
        before: Option<i64>,
        /// Only events of this channel or kind of log, any case, `*` for any text.
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// Delete their files at once. Programs that are reading the store may fail.
        #[arg(long)]
        now: bool,
    },
}

/// Formats a case can be converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The HTML report, one file. Give the logs with --logs to include raw records.
    Html,
    /// A layer for the ATT&CK Navigator.
    Navigator,
    /// A STIX 2.1 bundle.
    Stix,
    /// Events for Timesketch, JSON lines.
    Timesketch,
    /// Detection Findings of OCSF 1.5.0, JSON lines: findings and reported paths.
    Ocsf,
    /// Hosts, accounts and movements for BloodHound, OpenGraph JSON.
    Opengraph,
    /// Alerts for DFIR-IRIS, JSON lines: reported paths and notable findings.
    IrisAlerts,
    /// Events for the timeline of a DFIR-IRIS case, CSV.
    IrisTimeline,
    /// The timeline for spreadsheets, with formulas defused.
    Csv,
    /// Hosts and hops as GraphML.
    Graphml,
    /// Hosts and hops for Graphviz.
    Dot,
    /// A summary for a ticket.
    Markdown,
}

/// Arguments of `explain`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk explain path-1 case/case.json\n  \
    crabwalk explain hop-9 case/case.json\n  \
    crabwalk hunt evidence/ --explain path-1           without writing the case\n\n\
    `hunt` prints the ids of paths and movements, and with --verbose those of findings."
)]
pub struct Explain {
    /// The id of a path (`path-1`), a movement (`hop-9`) or a finding (`f-…`).
    #[arg(value_name = "ID")]
    pub what: String,
    /// A case.json written by `hunt --out`; `-` is standard input.
    pub case: PathBuf,
}

/// Arguments of `export`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk export markdown case/case.json\n  \
    crabwalk export stix case/case.json -o case/stix.json\n  \
    crabwalk export html case/case.json --logs evidence/ -o report.html\n  \
    crabwalk export dot case/case.json | dot -Tsvg > hops.svg"
)]
pub struct Export {
    /// The format.
    #[arg(value_enum)]
    pub format: ExportFormat,
    /// A case.json written by `hunt --out`; `-` is standard input.
    pub case: PathBuf,
    /// Write to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// For html: the logs or store of the hunt, for raw records; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub logs: Vec<PathBuf>,
}

/// Arguments of `ui`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk hunt evidence/ --out case && crabwalk ui case\n  \
    crabwalk ui case/case.json --no-open --port 8080     on another machine, to be reached through `ssh -L 8080:localhost:8080`"
)]
pub struct Ui {
    /// A folder written by `hunt --out`, or its case.json.
    #[arg(value_name = "CASE")]
    pub case: PathBuf,
    /// Print the address, and start no browser.
    #[arg(long)]
    pub no_open: bool,
    /// The port on this machine; 0 is any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
}

/// Arguments of `mcp`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk mcp case/case.json                        a case of `hunt --out`\n  \
    crabwalk mcp case/case.json --logs evidence/       the same, with its records, and searches over its logs\n  \
    crabwalk mcp store                                 a store or logs, hunted when the assistant asks\n\n\
    The assistant's client starts this command. Many read a file such as:\n  \
    {\"mcpServers\": {\"crabwalk\": {\"command\": \"crabwalk\", \"args\": [\"mcp\", \"/cases/7/case.json\"]}}}\n\n\
    The assistant sees what is given here and nothing else, and changes nothing. docs/assistants.md has more."
)]
pub struct Mcp {
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub known: Known,
    /// If PATH is a case.json: the logs or the store of its hunt; may be repeated.
    #[arg(long = "logs", value_name = "PATH")]
    pub of_case: Vec<PathBuf>,
    /// Findings to hide: a YAML file; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
}

/// Output format of a dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DossierFormat {
    /// For people.
    Table,
    /// One JSON document, as `dossiers` in case.json.
    Json,
}

/// Arguments of `dossier`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk dossier WS01 evidence/                    the host: logons, process tree, services, tasks, files, connections\n  \
    crabwalk dossier 'CORP\\adm.ann' evidence/         the account: where it logged on, what is new, where it was exposed\n  \
    crabwalk dossier WS01 evidence/ --format json"
)]
pub struct Dossier {
    /// A host (name or address) or an account (name, `DOMAIN\name` or SID).
    #[arg(value_name = "HOST|ACCOUNT")]
    pub name: String,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub known: Known,
    /// Findings to hide: a YAML file; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub exceptions: Vec<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = DossierFormat::Table)]
    pub format: DossierFormat,
    /// Print every entry; by default long lists are cut short.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `search`.
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  \
    crabwalk search 'EventCode=4624 Logon_Type=3 | stats count by user, src, dest' logs/\n  \
    crabwalk search '| tstats count from datamodel=Endpoint.Processes by Processes.dest Processes.process_name' logs/ --format csv\n  \
    crabwalk search 'sourcetype=zeek:conn dest_port=445' conn.log --format jsonl\n  \
    crabwalk search '`notable` | stats count by rule_name, dest' logs/            over what the detections find\n  \
    crabwalk search '| tstats sum(All_Risk.risk_score) from datamodel=Risk.All_Risk by All_Risk.risk_object' case/case.json"
)]
pub struct Search {
    /// The search, in SPL.
    ///
    /// A search over `datamodel=Risk.All_Risk`, `index=risk` or the macro `notable` searches what the detections find in the
    /// logs; they run first. If PATH is the case.json of an earlier hunt, its findings are searched.
    #[arg(value_name = "SPL", allow_hyphen_values = true)]
    pub search: String,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub known: Known,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub cluster: Cluster,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Print only the results.
    #[arg(long, short)]
    pub quiet: bool,
}

/// The workers that share a search.
#[cfg(feature = "cluster")]
#[derive(Debug, Clone, ClapArgs)]
pub struct Cluster {
    /// Share searches with these workers (`crabwalk worker`), which have the same store.
    #[arg(
        long = "cluster",
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        env = "CRABWALK_CLUSTER"
    )]
    pub workers: Vec<crabwalk_cluster::Address>,
    #[command(flatten)]
    pub trust: Trust,
    /// Stop a shared search after this many seconds.
    #[arg(
        long = "cluster-timeout",
        value_name = "SECONDS",
        default_value_t = 600,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub timeout: u64,
    /// Share a search that reads at least this many events; smaller ones run here.
    #[arg(
        long = "cluster-from",
        value_name = "EVENTS",
        default_value_t = 100_000
    )]
    pub from: u64,
}

/// What the machines of a cluster trust each other by.
#[cfg(feature = "cluster")]
#[derive(Debug, Clone, ClapArgs)]
pub struct Trust {
    /// A file with the token that all machines of the cluster share: a word of at least 16 characters.
    #[arg(long = "cluster-token", value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// A file with the certificates, PEM, that sign those of workers, or are these themselves. With it, connections are
    /// encrypted.
    #[arg(long = "cluster-ca", value_name = "FILE")]
    pub authorities: Option<PathBuf>,
}

/// Arguments of `worker`.
#[cfg(feature = "cluster")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
      crabwalk worker --store /srv/store                   for searches from this machine\n  \
      crabwalk search 'EventCode=4624 | stats count by host' /srv/store --cluster 127.0.0.1:8090\n\n\
      docs/scale.md shows how to set up three machines.")]
pub struct Worker {
    /// The store, or a copy of the one that is searched.
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
    /// The address to listen on. Any address but a loopback one needs --cluster-token, --cluster-ca and --tls-cert.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    pub listen: std::net::SocketAddr,
    #[command(flatten)]
    pub trust: Trust,
    /// This worker's certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub known: Known,
    #[command(flatten)]
    pub search: SearchMemory,
    /// Log each piece of a search.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `content`.
#[derive(Debug, ClapArgs)]
pub struct Content {
    #[command(subcommand)]
    pub command: ContentCommand,
}

/// What to do with content.
#[derive(Debug, Subcommand)]
pub enum ContentCommand {
    /// List detections and stories.
    List {
        #[command(flatten)]
        known: Known,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Show a detection, baseline or story in full.
    Show {
        /// Name or id, any case, `*` for any text.
        name: String,
        #[command(flatten)]
        known: Known,
    },
    /// Check that every file loads and every search runs. Exit status 1 if not.
    ///
    /// A detection runs, runs but names a field that no known event type has, or cannot run. Likely mistakes in a search are
    /// reported as warnings.
    Check {
        /// Check only the detections in these directories or files; they may use what Crabwalk ships and what --content
        /// names.
        #[arg(value_name = "DIR")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        known: Known,
        /// Output format.
        #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
        format: ReportFormat,
    },
    /// Run the tests of detections. Exit status 1 if one fails.
    ///
    /// Case files (keys `detection`, `fires`, `quiet`) hold made-up events on which a detection must or must not fire.
    /// `tests:` of a detection names recorded attacks on which it must fire; a test without a local copy is
    /// skipped.
    Test {
        /// Directories or files with detections, case files, or both.
        #[arg(required = true, value_name = "DIR")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        known: Known,
        /// Where the recorded attacks are: a YAML file of `URL or URL prefix: local path`.
        #[arg(long, value_name = "FILE")]
        data_map: Option<PathBuf>,
        /// Test only this detection (name or id, any case, `*` for any text); may be repeated.
        #[arg(long, value_name = "NAME")]
        detection: Vec<String>,
        /// Write the results as JUnit XML.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Threads to use; by default all of the machine's.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
        threads: Option<u16>,
        /// Name passed tests too.
        #[arg(long, short)]
        verbose: bool,
    },
}

/// Formats of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// Arguments of `baseline`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    crabwalk baseline rdp logs/                           machines that make and receive RDP\n  \
    crabwalk baseline rdp logs/ --write-assets rdp.csv    the same, as a file for `hunt --assets`\n\n\
    Use logs of an intrusion-free period, and review the file before you use it: everything in it counts as normal.")]
pub struct Baseline {
    /// Which baselines: part of the name or asset category, such as `rdp`.
    pub name: String,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub known: Known,
    /// Write the machines found, with their categories, to a CSV file with Splunk ES headers.
    #[arg(long, value_name = "FILE")]
    pub write_assets: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

fn budget(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "not a number from 0 on, such as 1 or 0.5".to_owned())
}
