//! `wtmp`, `btmp` and `utmp` of Linux (utmp(5)), as glibc writes them on x86-64: records of 384 bytes. They do not name
//! their machine.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::archive::fill;
use crate::record::Sink;
use crate::report::SourceKind;
use crate::time;

/// Bytes of a record.
const SIZE: usize = 384;

/// Names of `ut_type`.
const TYPES: [&str; 10] = [
    "EMPTY",
    "RUN_LVL",
    "BOOT_TIME",
    "NEW_TIME",
    "OLD_TIME",
    "INIT_PROCESS",
    "LOGIN_PROCESS",
    "USER_PROCESS",
    "DEAD_PROCESS",
    "ACCOUNTING",
];

/// A record.
struct Login {
    kind: &'static str,
    pid: i32,
    line: String,
    user: String,
    host: String,
    session: i32,
    /// Microseconds since 1970-01-01 UTC.
    time: i64,
    address: Option<IpAddr>,
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    let four = bytes.get(at..at + 4)?;
    Some(i32::from_le_bytes(four.try_into().ok()?))
}

/// A text that ends at a zero byte or with its space; none if it has control characters. What is behind the zero may be
/// left over from an earlier record.
fn text(bytes: &[u8], at: usize, length: usize) -> Option<String> {
    let space = bytes.get(at..at + length)?;
    let end = space.iter().position(|byte| *byte == 0);
    let text = space.get(..end.unwrap_or(length))?;
    let printable = !text.iter().any(|byte| *byte < 0x20 || *byte == 0x7f);
    printable.then(|| String::from_utf8_lossy(text).into_owned())
}

/// The address in four words, of which IPv4 uses the first. None if they are zero.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let words = bytes.get(348..364)?;
    let (first, rest) = words.split_first_chunk::<4>()?;
    if rest.iter().all(|byte| *byte == 0) {
        let ip = Ipv4Addr::from(*first);
        return (!ip.is_unspecified()).then_some(IpAddr::V4(ip));
    }
    let ip = Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?);
    Some(ip.to_canonical())
}

fn login(bytes: &[u8]) -> Option<Login> {
    let kind = i16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let kind = TYPES.get(usize::try_from(kind).ok()?)?;
    let (seconds, micros) = (int(bytes, 340)?, int(bytes, 344)?);
    let unused = bytes.get(364..SIZE)?;
    // Seconds are read as unsigned, as glibc has done since the time ran out of 31 bits.
    let seconds = i64::from(seconds.cast_unsigned());
    if !(0..1_000_000).contains(&micros) || unused.iter().any(|byte| *byte != 0) {
        return None;
    }
    Some(Login {
        kind,
        pid: int(bytes, 4)?,
        line: text(bytes, 8, 32)?,
        user: text(bytes, 44, 32)?,
        host: text(bytes, 76, 256)?,
        session: int(bytes, 336)?,
        time: time::possible(seconds * 1_000_000 + i64::from(micros))?,
        address: address(bytes),
    })
}

impl Login {
    /// Nothing at all: the space of a terminal in `utmp` that nobody has used.
    fn is_empty(&self) -> bool {
        self.time == 0 && self.line.is_empty() && self.user.is_empty()
    }

    fn is_plausible(&self) -> bool {
        /// 1990-01-01, in microseconds.
        const EARLIEST: i64 = 631_152_000_000_000;
        self.is_empty()
            || (self.time >= EARLIEST
                && (self.kind == "EMPTY" || !self.line.is_empty() || !self.user.is_empty()))
    }

    /// Whether somebody was let in or refused, if this is about a login. Refused ones are recorded, in `btmp`, like what
    /// waits at a terminal, which has no user but `LOGIN`.
    fn action(&self) -> &'static str {
        match self.kind {
            "USER_PROCESS" => "success",
            "LOGIN_PROCESS"
                if !matches!(self.user.as_str(), "" | "LOGIN") || self.line.ends_with(":notty") =>
            {
                "failure"
            }
            _ => "",
        }
    }
}

/// Whether data begins with such records.
pub(crate) fn is_logins(prefix: &[u8]) -> bool {
    /// How many records must be as they should.
    const LOOK_AT: usize = 16;
    let (records, _) = prefix.as_chunks::<SIZE>();
    let mut used = false;
    for record in records.iter().take(LOOK_AT) {
        match login(record).filter(Login::is_plausible) {
            Some(login) => used |= !login.is_empty(),
            None => return false,
        }
    }
    used
}

/// Reads records to the end of the file.
pub(crate) fn read(mut input: impl Read, sink: &mut Sink<'_, '_>) {
    sink.report.kind = SourceKind::Syslog;
    let mut buffer = [0_u8; SIZE];
    let mut offset = 0;
    loop {
        let bytes = match fill(&mut input, &mut buffer) {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("reading stopped here: {error}; everything before was kept");
                sink.lost(offset, message);
                break;
            }
        };
        let length = bytes.len() as u64;
        if bytes.len() < SIZE {
            sink.lost(
                offset,
                "the last record breaks off and is left out".to_owned(),
            );
            break;
        }
        match login(bytes) {
            Some(login) if login.is_empty() => {}
            Some(login) => emit(&login, sink),
            None => sink.lost(
                offset,
                "a record of a login is damaged and left out".to_owned(),
            ),
        }
        offset += length;
    }
    sink.finish();
}

fn emit(login: &Login, sink: &mut Sink<'_, '_>) {
    let record = &mut sink.record;
    record.clear();
    record.channel.push_str("linux:wtmp");
    record.time = Some(login.time);
    record.data("ut_type", login.kind);
    record.data("user", &login.user);
    record.data("line", &login.line);
    record.data("pid", &login.pid.to_string());
    if login.session != 0 {
        record.data("session", &login.session.to_string());
    }
    // Records of the system itself have the kernel's version there.
    let of_system = matches!(login.kind, "BOOT_TIME" | "RUN_LVL");
    record.data(if of_system { "kernel" } else { "src_host" }, &login.host);
    if let Some(address) = login.address {
        record.data("src_ip", &address.to_string());
    }
    record.data("action", login.action());
    sink.emit();
}
