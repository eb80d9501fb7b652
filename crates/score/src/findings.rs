//! The findings of detections, compared with the planted acts.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_case::{Case, DetectionType, FindingInfo};
use crabwalk_lab::{Planted, Truth};
use crabwalk_vocabulary::{host_key, is_windows};

use crate::matching::micros;

/// The result of one detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// Its name.
    pub name: String,
    /// Number of acts planted for it.
    pub planted: usize,
    /// Of these, those with a finding.
    pub found: usize,
    /// Findings that rest on no planted act.
    pub other: usize,
}

/// The results of all detections. Correlations are left out, because they are about the findings compared here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Detections for which acts were planted, and others that found something that no intruder did; by name.
    pub detections: Vec<Detection>,
    /// Detections for which nothing was planted, with the number of their findings about the intruder's work; hunts,
    /// which also list normal work, are included.
    pub besides: BTreeMap<String, usize>,
}

impl Findings {
    /// Compares the findings of a case with the truth.
    pub fn of(truth: &Truth, case: &Case) -> Self {
        let compared: Vec<&FindingInfo> = case
            .findings
            .iter()
            .filter(|finding| finding.kind != DetectionType::Correlation)
            .collect();
        let names: BTreeSet<&str> = truth
            .detections
            .keys()
            .map(String::as_str)
            .chain(compared.iter().map(|finding| finding.detection.as_str()))
            .collect();
        let intrusion = AtWork::of(truth);
        let mut all = Self::default();
        for name in names {
            let planted = truth.detections.get(name).map_or(&[][..], Vec::as_slice);
            let findings: Vec<&FindingInfo> = compared
                .iter()
                .copied()
                .filter(|finding| finding.detection == name)
                .collect();
            let is_besides = |finding: &&FindingInfo| {
                finding.kind == DetectionType::Hunting || intrusion.holds(finding)
            };
            if planted.is_empty() && findings.iter().all(is_besides) {
                all.besides.insert(name.to_owned(), findings.len());
                continue;
            }
            let found = planted
                .iter()
                .filter(|act| findings.iter().any(|finding| rests_on(finding, act)))
                .count();
            let other = findings
                .iter()
                .filter(|finding| !planted.iter().any(|act| rests_on(finding, act)))
                .count();
            all.detections.push(Detection {
                name: name.to_owned(),
                planted: planted.len(),
                found,
                other,
            });
        }
        all
    }

    /// Whether everything planted was found, and nothing else.
    pub fn are_right(&self) -> bool {
        let mut all = self.detections.iter();
        all.all(|one| one.found == one.planted && one.other == 0)
    }
}

/// Whether a finding rests on what was planted.
fn rests_on(finding: &FindingInfo, planted: &Planted) -> bool {
    let (start, end) = (micros(Some(&planted.start)), micros(Some(&planted.end)));
    finding.events.iter().any(|event| {
        if !is_windows(&event.channel, event.event_id) {
            let at = micros(event.time.as_deref());
            return !planted.zeek_uids.is_empty() && at.is_some() && start <= at && at <= end;
        }
        planted.evidence.iter().any(|own| {
            own.record_id == event.record
                && u32::from(own.event_id) == event.event_id
                && own.channel.eq_ignore_ascii_case(&event.channel)
                && host_key(&own.host) == host_key(&event.host)
        })
    })
}

/// When intruders were active, and on which machines.
struct AtWork {
    /// First and last time, in microseconds since 1970-01-01 UTC.
    span: Option<(i64, i64)>,
    hosts: BTreeSet<String>,
}

impl AtWork {
    fn of(truth: &Truth) -> Self {
        let planted = || truth.detections.values().flatten();
        let evidence = || truth.hops().flat_map(|hop| &hop.evidence);
        let times: Vec<i64> = planted()
            .flat_map(|act| [&act.start, &act.end])
            .chain(truth.hops().map(|hop| &hop.time))
            .chain(evidence().map(|one| &one.time))
            .filter_map(|text| micros(Some(text)))
            .collect();
        let hops = truth.hops().flat_map(|hop| [&hop.src, &hop.dst]);
        let acts = planted().flat_map(|act| &act.evidence).map(|one| &one.host);
        Self {
            span: times.iter().min().copied().zip(times.iter().max().copied()),
            hosts: hops.chain(acts).map(|name| host_key(name)).collect(),
        }
    }

    /// Whether a finding is about an intruder's act: one of its events is from that time, on one of those machines.
    fn holds(&self, finding: &FindingInfo) -> bool {
        finding.events.iter().any(|event| {
            let at = micros(event.time.as_deref());
            let in_time = self
                .span
                .zip(at)
                .is_some_and(|((start, end), at)| start <= at && at <= end);
            in_time && self.hosts.contains(&host_key(&event.host))
        })
    }
}
