//! The files of a world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::civil::Date;

use crate::LabError;
use crate::clock::rfc3339;
use crate::evtx_writer::{Body, Event, EvtxWriter, Value};
use crate::sim::{Channel, Conn, Random, SECOND, Sim};
use crate::truth::PlantedRecord;

/// The open files of a world.
pub(crate) struct Output<'a> {
    directory: &'a Path,
    writers: BTreeMap<(usize, Channel), (EvtxWriter, u64)>,
    pub(crate) last_zeek: Option<String>,
    /// Logs that nobody collected.
    pub(crate) left_out: BTreeSet<(usize, Channel)>,
    /// When logs were cleared; older events are gone.
    pub(crate) cleared: BTreeMap<(usize, Channel), i64>,
    /// The only event ids that were collected.
    pub(crate) only: Option<&'static [u16]>,
    /// Number of logons from other hosts written.
    logons: u64,
}

impl<'a> Output<'a> {
    pub(crate) fn new(directory: &'a Path) -> Result<Self, LabError> {
        fs::create_dir_all(directory).map_err(|error| LabError::io("create", directory, error))?;
        Ok(Self {
            directory,
            writers: BTreeMap::new(),
            last_zeek: None,
            left_out: BTreeSet::new(),
            cleared: BTreeMap::new(),
            only: None,
            logons: 0,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.writers
            .values()
            .map(|(writer, _)| writer.bytes())
            .sum()
    }

    pub(crate) fn events(&self) -> u64 {
        self.writers
            .values()
            .map(|(writer, _)| writer.records())
            .sum()
    }

    pub(crate) fn logons(&self) -> u64 {
        self.logons
    }

    /// Writes everything before `until`, in chronological order.
    pub(crate) fn flush(&mut self, sim: &mut Sim, until: i64) -> Result<(), LabError> {
        let mut pending = std::mem::take(&mut sim.pending);
        pending.sort_by_key(|entry| entry.event.time);
        let later = pending.partition_point(|entry| entry.event.time < until);
        sim.pending = pending.split_off(later);
        for mut entry in pending {
            let key = (entry.host, entry.channel);
            let gone = self
                .cleared
                .get(&key)
                .is_some_and(|at| entry.event.time < *at);
            let other = self
                .only
                .is_some_and(|only| !only.contains(&entry.event.event_id));
            if gone || other || self.left_out.contains(&key) {
                continue;
            }
            if !self.writers.contains_key(&key) {
                let directory = self.directory.join(&sim.hosts[entry.host].name);
                fs::create_dir_all(&directory)
                    .map_err(|error| LabError::io("create", &directory, error))?;
                let path =
                    directory.join(format!("{}.evtx", entry.channel.name().replace('/', "%4")));
                let first =
                    1_000 + Random(entry.host as u64 * 31 + entry.channel as u64).below(90_000);
                self.writers
                    .insert(key, (EvtxWriter::create(&path)?, first));
            }
            let Some((writer, next)) = self.writers.get_mut(&key) else {
                continue;
            };
            entry.event.record_id = *next;
            *next += 1;
            writer.write(&entry.event)?;
            self.logons += u64::from(remote_logon(&entry.event));
            for mark in entry.marks {
                sim.marks[mark].push(PlantedRecord {
                    host: sim.hosts[entry.host].name.clone(),
                    channel: entry.channel.name().to_owned(),
                    event_id: entry.event.event_id,
                    record_id: entry.event.record_id,
                    time: rfc3339(entry.event.time),
                });
            }
        }
        Ok(())
    }

    /// Writes the connections of a day.
    pub(crate) fn zeek(&mut self, sim: &mut Sim, date: Date) -> Result<(), LabError> {
        let mut conns = std::mem::take(&mut sim.conns);
        conns.sort_by_key(|conn| conn.time);
        let name = format!("conn.{date}.log");
        let zeek = self.directory.join("zeek");
        fs::create_dir_all(&zeek).map_err(|error| LabError::io("create", &zeek, error))?;
        let path = zeek.join(&name);
        let text = conn_log(&conns, date);
        fs::write(&path, text).map_err(|error| LabError::io("write", &path, error))?;
        self.last_zeek = Some(name);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), LabError> {
        for (writer, _) in self.writers.into_values() {
            writer.finish()?;
        }
        if let Some(last) = self.last_zeek {
            // Zeek's log of the current day has no date.
            let (from, to) = (
                self.directory.join("zeek").join(last),
                self.directory.join("zeek/conn.log"),
            );
            fs::rename(&from, &to).map_err(|error| LabError::io("rename", &from, error))?;
        }
        Ok(())
    }
}

/// Whether an event shows an arrival from another host: 4624 of type 3, 8 or 10.
fn remote_logon(event: &Event) -> bool {
    event.event_id == 4624
        && matches!(&event.body, Body::EventData(fields)
        if fields.iter().any(|(name, value)| {
            name == "LogonType" && matches!(value, Value::U32(3 | 8 | 10))
        }))
}

fn conn_log(conns: &[Conn], date: Date) -> String {
    let names = [
        ("ts", "time"),
        ("uid", "string"),
        ("id.orig_h", "addr"),
        ("id.orig_p", "port"),
        ("id.resp_h", "addr"),
        ("id.resp_p", "port"),
        ("proto", "enum"),
        ("service", "string"),
        ("duration", "interval"),
        ("orig_bytes", "count"),
        ("resp_bytes", "count"),
        ("conn_state", "string"),
        ("local_orig", "bool"),
        ("local_resp", "bool"),
        ("missed_bytes", "count"),
        ("history", "string"),
        ("orig_pkts", "count"),
        ("orig_ip_bytes", "count"),
        ("resp_pkts", "count"),
        ("resp_ip_bytes", "count"),
        ("tunnel_parents", "set[string]"),
    ];
    let mut out = String::from(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n",
    );
    let open = date.strftime("%Y-%m-%d-00-00-00");
    let _ = writeln!(out, "#open\t{open}");
    let _ = writeln!(out, "#fields\t{}", names.map(|(name, _)| name).join("\t"));
    let _ = writeln!(out, "#types\t{}", names.map(|(_, kind)| kind).join("\t"));
    let seconds = |time: i64| format!("{}.{:06}", time.div_euclid(SECOND), time.rem_euclid(SECOND));
    for conn in conns {
        let local = if conn.dst.starts_with("10.") {
            "T"
        } else {
            "F"
        };
        let (sent, received) = (conn.sent / 700 + 4, conn.received / 900 + 4);
        let _ = writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\ttcp\t{}\t{}\t{}\t{}\tSF\tT\t{local}\t0\tShADadFf\t{sent}\t{}\t{received}\t{}\t-",
            seconds(conn.time),
            conn.uid,
            conn.src,
            conn.src_port,
            conn.dst,
            conn.dst_port,
            conn.service,
            seconds(conn.duration),
            conn.sent,
            conn.received,
            conn.sent + sent * 40,
            conn.received + received * 40,
        );
    }
    let _ = writeln!(out, "#close\t{}", date.strftime("%Y-%m-%d-23-59-59"));
    out
}
