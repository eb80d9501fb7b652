//! Zeek logs as tab-separated text. (JSON logs are read by [`crate::json`].)

use crate::record::Sink;
use crate::time;

/// What the header of a Zeek log said.
#[derive(Debug)]
pub(crate) struct Zeek {
    separator: String,
    set_separator: String,
    empty: String,
    unset: String,
    path: String,
    fields: Vec<String>,
    types: Vec<String>,
    open: bool,
}

impl Default for Zeek {
    fn default() -> Self {
        Self {
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
            path: String::new(),
            fields: Vec::new(),
            types: Vec::new(),
            open: false,
        }
    }
}

impl Zeek {
    /// Whether the line begins a Zeek log.
    pub fn is_header(&self, line: &[u8]) -> bool {
        line.starts_with(b"#separator ")
            || line.starts_with(b"#fields\t")
            || line.starts_with(b"#path\t")
    }

    /// Whether the lines that follow are rows of a log.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether a header named the columns of a log.
    pub fn has_header(&self) -> bool {
        !self.fields.is_empty()
    }

    /// Takes a line; says whether it was a row.
    pub fn line(&mut self, line: &str, offset: u64, sink: &mut Sink<'_, '_>) -> bool {
        if let Some(header) = line.strip_prefix('#') {
            self.header(header);
            return false;
        }
        if line.is_empty() {
            return false;
        }
        let cells = line.split(self.separator.as_str());
        if self.fields.is_empty() {
            sink.lost(
                offset,
                "a row of a Zeek log comes before any #fields line and is left out".to_owned(),
            );
            return true;
        }
        if self.path.is_empty() {
            let has = |name: &str| self.fields.iter().any(|field| field == name);
            self.path = kind_of(has, &kinds_of_file(&sink.report.path), None).to_owned();
        }
        let record = &mut sink.record;
        record.clear();
        record.channel.push_str("zeek:");
        record.channel.push_str(&self.path);
        // Zeek writes something into every cell.
        let begun = usize::from(line.ends_with(self.separator.as_str()));
        let count = line.split(self.separator.as_str()).count() - begun;
        for (at, cell) in cells.enumerate() {
            // Of a row that breaks off, part of a text is a text; part of a number is another number.
            let is_part = at + 1 == count && count < self.fields.len() && begun == 0;
            if is_part && !self.is_text(at) {
                break;
            }
            let cell = if is_part { whole_escapes(cell) } else { cell };
            let Some(name) = self.fields.get(at) else {
                continue;
            };
            if cell == self.unset || cell.is_empty() || cell == self.empty {
                continue;
            }
            if name == "ts" {
                record.time = time::parse(cell).map(|written| written.micros);
            }
            if name == "_system_name" {
                record.host = cell.to_owned();
            }
            let many = self
                .types
                .get(at)
                .is_some_and(|kind| kind.starts_with("set[") || kind.starts_with("vector["));
            if many {
                for value in cell.split(self.set_separator.as_str()) {
                    record.data(name, &unescape(value));
                }
            } else {
                record.data(name, &unescape(cell));
            }
        }
        if count < self.fields.len() && record.time.is_none() {
            sink.lost(
                offset,
                "a row of a Zeek log breaks off before its time and is left out".to_owned(),
            );
            return true;
        }
        sink.emit();
        if count != self.fields.len() {
            let message = format!(
                "a row has {count} cells for {} fields; those that are there are kept",
                self.fields.len()
            );
            let record = Some(sink.report.records);
            let loss = count < self.fields.len();
            sink.report.problem(crate::report::Problem {
                offset: Some(offset),
                record,
                message,
                loss,
            });
        }
        true
    }

    /// Whether a column holds text, by its type.
    fn is_text(&self, at: usize) -> bool {
        self.types.get(at).is_some_and(|kind| kind == "string")
    }

    fn header(&mut self, header: &str) {
        if let Some(separator) = header.strip_prefix("separator ") {
            *self = Self::default();
            self.separator = unescape(separator.trim());
            if self.separator.is_empty() {
                "\t".clone_into(&mut self.separator);
            }
            self.open = true;
            return;
        }
        let mut parts = header.split(self.separator.as_str());
        let key = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        let first = || rest.first().copied().unwrap_or_default().to_owned();
        match key {
            "set_separator" if !first().is_empty() => self.set_separator = unescape(&first()),
            "empty_field" => self.empty = first(),
            "unset_field" => self.unset = first(),
            "path" => {
                self.open = true;
                self.path = first();
            }
            "fields" => {
                self.open = true;
                self.fields = rest.iter().map(|name| (*name).to_owned()).collect();
                self.types.clear();
            }
            "types" => self.types = rest.iter().map(|name| (*name).to_owned()).collect(),
            _ => {}
        }
    }
}

/// A text without the beginning of an escape at its end.
fn whole_escapes(text: &str) -> &str {
    let at = text.rfind('\\').filter(|at| {
        let escape = text.get(at + 1..).unwrap_or_default();
        escape.is_empty() || escape.len() < 3 && escape.starts_with('x')
    });
    text.get(..at.unwrap_or(text.len())).unwrap_or(text)
}

/// Resolves Zeek's `\x09`.
fn unescape(text: &str) -> String {
    if !text.contains("\\x") {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = rest
            .strip_prefix(b"\\x")
            .and_then(|code| code.split_at_checked(2))
            .and_then(|(hex, tail)| {
                let hex = std::str::from_utf8(hex).ok()?;
                Some((u8::from_str_radix(hex, 16).ok()?, tail))
            });
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The kind of a Zeek log whose kind cannot be told.
pub(crate) const UNKNOWN: &str = "unknown";

/// Names of Zeek's logs, which are those of their files (Zeek's documentation of its log files, versions 3 to 8).
const LOGS: &[&str] = &[
    "analyzer",
    "broker",
    "capture_loss",
    "cluster",
    "conn",
    "dce_rpc",
    "dhcp",
    "dnp3",
    "dns",
    "dpd",
    "files",
    "ftp",
    "http",
    "intel",
    "irc",
    "kerberos",
    "known_certs",
    "known_devices",
    "known_hosts",
    "known_modbus",
    "known_services",
    "ldap",
    "ldap_search",
    "loaded_scripts",
    "modbus",
    "mqtt_connect",
    "mqtt_publish",
    "mqtt_subscribe",
    "mysql",
    "netcontrol",
    "notice",
    "notice_alarm",
    "ntlm",
    "ntp",
    "ocsp",
    "packet_filter",
    "pe",
    "postgresql",
    "quic",
    "radius",
    "rdp",
    "reporter",
    "rfb",
    "signatures",
    "sip",
    "smb_files",
    "smb_mapping",
    "smtp",
    "snmp",
    "socks",
    "software",
    "ssh",
    "ssl",
    "stats",
    "syslog",
    "telemetry",
    "traceroute",
    "tunnel",
    "weird",
    "weird_stats",
    "x509",
];

/// The kinds of log that the name of a file may tell, in the order in which it names them: `dhcp.log`,
/// `dhcp.2024-03-04-00-00-00.log.gz`, `conn_20240304.json`, `zeek-x509.log`.
pub(crate) fn kinds_of_file(path: &str) -> Vec<&'static str> {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter_map(|part| {
            let part = part
                .strip_prefix("zeek_")
                .or_else(|| part.strip_prefix("bro_"))
                .unwrap_or(part);
            // A date behind the name; `x509` and `dnp3` end in digits themselves.
            let bare = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
            let known = |name: &str| LOGS.binary_search(&name).ok().and_then(|at| LOGS.get(at));
            known(part).or_else(|| known(bare)).copied()
        })
        .collect()
}

/// Columns of logs whose rows may have none that tells of itself that Zeek wrote them (Zeek's documentation of its log files):
/// those that each row has, and those that it may have.
const PLAIN: &[(&str, &[&str], &[&str])] = &[
    (
        "capture_loss",
        &["peer"],
        &["ts_delta", "gaps", "acks", "percent_lost"],
    ),
    ("cluster", &["node", "message"], &[]),
    (
        "dhcp",
        &[],
        &[
            "uids",
            "client_addr",
            "server_addr",
            "mac",
            "host_name",
            "client_fqdn",
            "domain",
            "requested_addr",
            "assigned_addr",
            "assigned_ip",
            "lease_time",
            "trans_id",
            "client_message",
            "server_message",
            "msg_types",
            "msg_orig",
            "duration",
            "client_software",
            "server_software",
            "client_chaddr",
            "circuit_id",
            "agent_remote_id",
            "subscriber_id",
        ],
    ),
    (
        "known_certs",
        &["host"],
        &["port_num", "subject", "issuer_subject", "serial"],
    ),
    ("known_devices", &["mac"], &["dhcp_host_name"]),
    ("known_hosts", &["host"], &[]),
    ("known_modbus", &["host", "device_type"], &[]),
    (
        "known_services",
        &["host"],
        &["port_num", "port_proto", "service"],
    ),
    (
        "notice",
        &["note"],
        &[
            "proto",
            "msg",
            "sub",
            "src",
            "dst",
            "p",
            "n",
            "peer_descr",
            "actions",
            "email_dest",
            "suppress_for",
            "dropped",
            "file_mime_type",
            "file_desc",
            "remote_location.country_code",
            "remote_location.region",
            "remote_location.city",
            "remote_location.latitude",
            "remote_location.longitude",
        ],
    ),
    (
        "packet_filter",
        &["node", "filter"],
        &["init", "success", "failure_reason"],
    ),
    (
        "software",
        &["host", "name"],
        &[
            "host_p",
            "software_type",
            "version.major",
            "version.minor",
            "version.minor2",
            "version.minor3",
            "version.addl",
            "unparsed_version",
            "url",
        ],
    ),
    (
        "stats",
        &["peer", "mem"],
        &[
            "pkts_proc",
            "bytes_recv",
            "pkts_dropped",
            "pkts_link",
            "pkt_lag",
            "pkts_filtered",
            "events_proc",
            "events_queued",
            "active_tcp_conns",
            "active_udp_conns",
            "active_icmp_conns",
            "tcp_conns",
            "udp_conns",
            "icmp_conns",
            "timers",
            "active_timers",
            "files",
            "active_files",
            "dns_requests",
            "active_dns_requests",
            "reassem_tcp_size",
            "reassem_file_size",
            "reassem_frag_size",
            "reassem_unknown_size",
        ],
    ),
    ("weird", &["name", "peer"], &["addl", "notice", "source"]),
    ("weird_stats", &["name", "num_seen"], &[]),
    (
        "x509",
        &[],
        &[
            "id",
            "fingerprint",
            "certificate.version",
            "certificate.serial",
            "certificate.subject",
            "certificate.issuer",
            "certificate.not_valid_before",
            "certificate.not_valid_after",
            "certificate.key_alg",
            "certificate.sig_alg",
            "certificate.key_type",
            "certificate.key_length",
            "certificate.exponent",
            "certificate.curve",
            "san.dns",
            "san.uri",
            "san.email",
            "san.ip",
            "basic_constraints.ca",
            "basic_constraints.path_len",
            "host_cert",
            "client_cert",
        ],
    ),
];

/// Whether a row with these columns is one of the log that its file is named as. The name alone proves nothing: many a program
/// calls a file `stats.json` or `software.json` and a time `ts`.
pub(crate) fn is_row_of<'c>(kind: &str, columns: impl Iterator<Item = &'c str>) -> bool {
    let Some((_, all, some)) = PLAIN.iter().find(|(name, ..)| *name == kind) else {
        return false;
    };
    let (mut found, mut own) = (0, 0);
    for column in columns {
        // What Zeek and who ships its logs put around a row.
        if column == "ts" || column.starts_with(['_', '@']) {
            continue;
        }
        own += 1;
        if all.contains(&column) {
            found += 1;
        } else if !some.contains(&column) {
            return false;
        }
    }
    own > 0 && found >= all.len()
}

/// The kind of a Zeek log that does not say its kind: what its columns prove counts before what its file is called, since a
/// file may be named after anything. `names` are the kinds that the file's name tells, `around` the one that the rows around
/// this one prove.
pub(crate) fn kind_of(
    has: impl Fn(&str) -> bool,
    names: &[&'static str],
    around: Option<&'static str>,
) -> &'static str {
    proven(&has, names)
        .or(around)
        .or(names.first().copied())
        .or_else(|| log_kind(&has))
        .unwrap_or(UNKNOWN)
}

/// The kind of log that the columns prove; of several that they may be of, the one that the file is named as.
pub(crate) fn proven(has: impl Fn(&str) -> bool, names: &[&'static str]) -> Option<&'static str> {
    let fits = |name: &&&'static str| {
        // A `host` is in many logs.
        **name != "known_hosts"
            && KINDS
                .iter()
                .any(|(kind, fields)| kind == *name && fields.iter().all(|field| has(field)))
    };
    names
        .iter()
        .find(fits)
        .copied()
        .or_else(|| log_kind(&has).filter(|kind| *kind != "known_hosts"))
}

/// Columns that tell the kind of a log, the first that are all there.
const KINDS: &[(&str, &[&str])] = &[
    ("conn", &["conn_state"]),
    ("dce_rpc", &["endpoint", "operation"]),
    ("smb_files", &["action", "path", "name"]),
    ("smb_files", &["action", "times.modified"]),
    ("smb_mapping", &["share_type"]),
    ("kerberos", &["request_type", "service"]),
    ("kerberos", &["request_type", "client"]),
    ("ntlm", &["server_nb_computer_name"]),
    ("ntlm", &["hostname", "domainname"]),
    ("rdp", &["cookie", "security_protocol"]),
    ("rdp", &["cookie", "result"]),
    ("ssh", &["auth_attempts"]),
    // Has the columns of requests too.
    ("sip", &["call_id", "seq"]),
    ("http", &["method", "uri"]),
    ("http", &["status_code", "request_body_len"]),
    ("dns", &["query", "qtype"]),
    ("dns", &["trans_id", "rcode"]),
    ("dns", &["AA", "TC", "RD", "RA"]),
    ("ssl", &["cipher", "curve"]),
    ("ssl", &["resumed", "established"]),
    ("x509", &["certificate.version"]),
    ("x509", &["certificate.serial"]),
    ("x509", &["certificate.subject"]),
    ("known_certs", &["issuer_subject", "serial"]),
    ("files", &["fuid", "mime_type"]),
    ("files", &["fuid", "seen_bytes"]),
    ("dhcp", &["lease_time"]),
    ("dhcp", &["msg_types"]),
    ("dhcp", &["mac", "assigned_addr"]),
    ("dhcp", &["mac", "assigned_ip"]),
    ("dhcp", &["uids", "client_addr"]),
    ("notice", &["note", "msg"]),
    ("weird", &["name", "notice", "peer"]),
    ("software", &["software_type"]),
    ("pe", &["machine", "subsystem"]),
    ("smtp", &["mailfrom"]),
    ("ftp", &["command", "reply_code"]),
    ("snmp", &["community"]),
    ("tunnel", &["tunnel_type"]),
    ("known_services", &["port_num", "port_proto"]),
    ("ntp", &["stratum"]),
    ("intel", &["seen.indicator"]),
    ("signatures", &["sig_id"]),
    ("dpd", &["analyzer", "failure_reason"]),
    ("reporter", &["level", "message", "location"]),
    ("traceroute", &["src", "dst", "proto"]),
    ("mysql", &["cmd", "arg"]),
    ("modbus", &["func", "uid"]),
    ("dnp3", &["fc_request"]),
    ("irc", &["nick", "command"]),
    ("rfb", &["client_major_version"]),
    ("ldap_search", &["base_object", "scope"]),
    ("ldap", &["message_id", "opcode"]),
    ("quic", &["client_initial_dcid"]),
    ("ocsp", &["hashAlgorithm"]),
    ("socks", &["bound.host"]),
    ("stats", &["pkts_proc"]),
    ("capture_loss", &["percent_lost"]),
    ("notice_alarm", &["note", "msg"]),
    ("known_hosts", &["host"]),
];

/// The kind of a Zeek log that does not say its kind, from the fields it has.
pub(crate) fn log_kind(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    KINDS
        .iter()
        .find(|(_, fields)| fields.iter().all(|field| has(field)))
        .map(|(kind, _)| *kind)
}
