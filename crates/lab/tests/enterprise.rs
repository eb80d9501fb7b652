//! An enterprise: the same from the same seed, whole logs, and a truth that its records bear out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test may panic.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crabwalk_lab::enterprise::{
    Attack, EnterpriseOptions, Goal, LogonOptions, Network, Profile, Stealth, Telemetry, Work,
    build_logons,
};
use crabwalk_lab::{Truth, build};
use serde_json::Value as Json;

fn small(seed: u64) -> EnterpriseOptions {
    EnterpriseOptions {
        seed,
        hosts: 24,
        days: 4,
        intrusions: 4,
        volume: 0.3,
        ..EnterpriseOptions::default()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The records of each host, channel and event id, according to the events themselves.
fn records(directory: &Path) -> BTreeMap<(String, String, u64), Vec<Json>> {
    let mut out: BTreeMap<_, Vec<Json>> = BTreeMap::new();
    for path in files(directory) {
        if path.extension().is_none_or(|end| end != "evtx") {
            continue;
        }
        let settings = evtx::ParserSettings::new().validate_checksums(true);
        let mut parser = evtx::EvtxParser::from_path(&path)
            .unwrap()
            .with_configuration(settings);
        for record in parser.records_json_value() {
            let event = &record.unwrap().data["Event"];
            let system = &event["System"];
            let id = match &system["EventID"] {
                Json::Object(parts) => parts["#text"].as_u64().unwrap(),
                id => id.as_u64().unwrap(),
            };
            let text = |name: &str| system[name].as_str().unwrap().to_owned();
            let computer = text("Computer");
            let host = computer.split('.').next().unwrap().to_owned();
            out.entry((host, text("Channel"), id))
                .or_default()
                .push(event.clone());
        }
    }
    out
}

#[test]
fn the_same_seed_makes_the_same_files_and_another_seed_others() {
    let contents = |seed| {
        let directory = tempfile::tempdir().unwrap();
        build(&small(seed), directory.path()).unwrap();
        files(directory.path())
            .into_iter()
            .map(|path| {
                let name = path.strip_prefix(directory.path()).unwrap().to_owned();
                (name, fs::read(&path).unwrap())
            })
            .collect::<BTreeMap<_, _>>()
    };
    let first = contents(3);
    assert!(first == contents(3));
    assert!(first != contents(4));
}

#[test]
fn the_truth_is_borne_out_by_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let truth = build(&small(1), directory.path()).unwrap();
    let written = fs::read_to_string(directory.path().join("truth.json")).unwrap();
    assert_eq!(serde_json::from_str::<Truth>(&written).unwrap(), truth);
    let records = records(directory.path());
    let count: usize = records.values().map(Vec::len).sum();
    assert_eq!(count as u64, truth.events);
    assert_eq!(truth.hosts.len(), 24);
    assert_eq!(truth.intrusions.len(), 4);
    for host in &truth.hosts {
        for channel in &host.not_collected {
            let left = records
                .keys()
                .any(|(own, log, _)| *own == host.name && (channel == "*" || log == channel));
            assert!(!left, "{} {channel}", host.name);
        }
        let sysmon = records
            .keys()
            .any(|(own, log, _)| *own == host.name && log.contains("Sysmon"));
        assert!(host.sysmon || !sysmon, "{}", host.name);
    }
    let names: BTreeSet<&str> = truth.hosts.iter().map(|host| host.name.as_str()).collect();
    for intrusion in &truth.intrusions {
        assert!(!intrusion.hops.is_empty());
        let mut reached = BTreeSet::from([intrusion.entry.as_str()]);
        let mut before = "";
        for hop in &intrusion.hops {
            assert!(names.contains(hop.dst.as_str()));
            assert!(reached.contains(hop.src.as_str()), "{hop:?}");
            assert!(before < hop.time.as_str());
            reached.insert(&hop.dst);
            before = &hop.time;
            for (what, count) in &hop.records {
                let mut parts = what.splitn(2, ' ');
                let host = parts.next().unwrap().to_owned();
                let (channel, id) = parts.next().unwrap().rsplit_once(' ').unwrap();
                let key = (host, channel.to_owned(), id.parse().unwrap());
                let there = records.get(&key).map_or(0, Vec::len) as u64;
                assert!(there >= *count, "{what}: {there} of {count}");
            }
        }
        if let Some(host) = &intrusion.cleared {
            let key = (host.clone(), "Security".to_owned(), 1102);
            let collected = records
                .keys()
                .any(|(own, log, _)| own == host && log == "Security");
            assert!(!collected || records.contains_key(&key), "{host}");
        }
    }
}

#[test]
fn sessions_end_and_refer_to_what_began_them() {
    let directory = tempfile::tempdir().unwrap();
    build(&small(2), directory.path()).unwrap();
    let records = records(directory.path());
    let ids = |id: u64, field: &str| -> BTreeSet<(String, String)> {
        records
            .iter()
            .filter(|((_, channel, own), _)| channel == "Security" && *own == id)
            .flat_map(|((host, ..), events)| {
                events.iter().map(|event| {
                    let id = event["EventData"][field].as_str().unwrap().to_owned();
                    (host.clone(), id)
                })
            })
            .collect()
    };
    let begun = ids(4624, "TargetLogonId");
    assert!(begun.len() > 100);
    // SYSTEM has no beginning in the log; of a log that was cleared the beginnings are gone.
    let cleared: BTreeSet<&String> = records
        .keys()
        .filter(|(_, channel, id)| channel == "Security" && *id == 1102)
        .map(|(host, ..)| host)
        .collect();
    for (id, field) in [
        (4634, "TargetLogonId"),
        (4672, "SubjectLogonId"),
        (5145, "SubjectLogonId"),
        (4778, "LogonID"),
        (4697, "SubjectLogonId"),
        (4662, "SubjectLogonId"),
    ] {
        let known = ids(id, field);
        for (host, logon) in &known {
            let exempt = logon == "0x3e7" || cleared.contains(host);
            assert!(
                exempt || begun.contains(&(host.clone(), logon.clone())),
                "{id} on {host}: {logon}"
            );
        }
    }
}

#[test]
fn workstations_change_their_addresses() {
    let directory = tempfile::tempdir().unwrap();
    let truth = build(
        &EnterpriseOptions {
            days: 12,
            intrusions: 0,
            volume: 0.0,
            ..small(5)
        },
        directory.path(),
    )
    .unwrap();
    let moved = |role: &str| {
        truth
            .hosts
            .iter()
            .filter(|host| host.role == role && host.ips.len() > 1)
            .count()
    };
    assert!(moved("workstation") > 3);
    assert_eq!(moved("file server"), 0);
}

#[test]
fn logon_events_come_in_the_number_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let made = build_logons(
        &LogonOptions {
            seed: 1,
            events: 20_000,
            hosts: 30,
            days: 3,
        },
        directory.path(),
    )
    .unwrap();
    assert!((20_000..21_000).contains(&made.events), "{}", made.events);
    let records = records(directory.path());
    assert_eq!(
        records.values().map(Vec::len).sum::<usize>() as u64,
        made.events
    );
    let ids: BTreeSet<u64> = records.keys().map(|(.., id)| *id).collect();
    assert_eq!(
        ids,
        BTreeSet::from([4624, 4634, 4648, 4672, 4768, 4769, 4776])
    );
}

#[test]
fn options_that_make_no_enterprise_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (options, option) in [
        (
            EnterpriseOptions {
                hosts: 3,
                ..small(1)
            },
            "hosts",
        ),
        (
            EnterpriseOptions {
                days: 1,
                ..small(1)
            },
            "days",
        ),
        (
            EnterpriseOptions {
                intrusions: 40,
                ..small(1)
            },
            "intrusions",
        ),
        (
            EnterpriseOptions {
                volume: f64::NAN,
                ..small(1)
            },
            "volume",
        ),
    ] {
        let error = build(&options, directory.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{option}`")), "{error}");
    }
}

/// The text of a field of an event.
fn field<'a>(event: &'a Json, name: &str) -> &'a str {
    event["EventData"][name].as_str().unwrap_or_default()
}

#[test]
fn a_hard_enterprise_without_an_intruder_has_all_work_that_resembles_one() {
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 40,
        days: 4,
        intrusions: 0,
        volume: 0.5,
        profile: Profile {
            poll: 240,
            ..Profile::hard()
        },
        ..EnterpriseOptions::default()
    };
    let truth = build(&options, directory.path()).unwrap();
    assert!(truth.intrusions.is_empty());
    let kinds: BTreeSet<&str> = truth
        .daily
        .iter()
        .flat_map(|access| access.kinds.keys().map(String::as_str))
        .collect();
    for kind in [
        "monitoring round",
        "vulnerability scan",
        "backup",
        "rollout",
        "configuration management",
        "remote desktop",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
    let records = records(directory.path());
    let logons: Vec<&Json> = records
        .iter()
        .filter(|((_, _, id), _)| *id == 4624)
        .flat_map(|(_, events)| events)
        .collect();
    // Tickets tell the realm, NTLM the NetBIOS name; neither is a part of the other.
    let domains: BTreeSet<&str> = logons
        .iter()
        .map(|event| field(event, "TargetDomainName"))
        .collect();
    assert!(domains.contains("BWGROUP"), "{domains:?}");
    assert!(domains.contains("AD.BRIGHTWATER.EXAMPLE"), "{domains:?}");
    let remote = logons
        .iter()
        .filter(|event| event["EventData"]["LogonType"] == 3);
    assert!(truth.logons >= remote.count() as u64);
    // Both ways of `runas`.
    let secondary: BTreeSet<u64> = logons
        .iter()
        .filter(|event| field(event, "LogonProcessName") == "seclogo")
        .filter_map(|event| event["EventData"]["LogonType"].as_u64())
        .collect();
    assert_eq!(secondary, BTreeSet::from([2, 9]));
}

#[test]
fn nobody_goes_to_the_machine_without_windows() {
    for seed in 1..=3 {
        let directory = tempfile::tempdir().unwrap();
        let options = EnterpriseOptions {
            seed,
            hosts: 48,
            days: 3,
            intrusions: 10,
            volume: 0.4,
            profile: Profile {
                poll: 240,
                ..Profile::hard()
            },
            ..EnterpriseOptions::default()
        };
        let truth = build(&options, directory.path()).unwrap();
        let automation = truth
            .hosts
            .iter()
            .find(|host| host.role == "automation server")
            .unwrap();
        for access in &truth.daily {
            assert_ne!(access.dst, automation.name, "{access:?}");
        }
        for hop in truth.intrusions.iter().flat_map(|one| &one.hops) {
            assert_ne!(hop.dst, automation.name, "{hop:?}");
        }
        // No log shows it either: no ticket for it, no credentials, no connection.
        for ((host, _, id), events) in records(directory.path()) {
            for event in events {
                for name in ["ServiceName", "TargetServerName", "DestinationIp"] {
                    let value = field(&event, name);
                    let meant = value.trim_end_matches('$') == automation.name
                        || automation.ips.iter().any(|ip| ip == value);
                    assert!(!meant, "{id} on {host}: {name} is {value}");
                }
            }
        }
    }
}

#[test]
fn work_that_is_not_asked_for_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 24,
        days: 2,
        intrusions: 0,
        volume: 0.3,
        profile: Profile {
            work: BTreeSet::from([Work::Automation]),
            netbios: "EXMPL".into(),
            ..Profile::default()
        },
        ..EnterpriseOptions::default()
    };
    let truth = build(&options, directory.path()).unwrap();
    assert_eq!(truth.netbios, "EXMPL");
    let from: BTreeSet<&str> = truth
        .daily
        .iter()
        .filter(|access| access.kinds.contains_key("configuration management"))
        .map(|access| access.src.as_str())
        .collect();
    assert_eq!(from.len(), 1);
    let controls = truth
        .hosts
        .iter()
        .find(|host| from.contains(host.name.as_str()));
    assert_eq!(controls.unwrap().not_collected, ["*"]);
    assert!(truth.hosts.iter().all(|host| host.role != "jump host"));
}

#[test]
fn names_and_shares_that_cannot_be_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for profile in [
        Profile {
            dns: "single".into(),
            ..Profile::default()
        },
        Profile {
            netbios: "A-NAME-WITH-SIXTEEN".into(),
            ..Profile::default()
        },
        Profile {
            ntlm: Some(1.5),
            ..Profile::default()
        },
        Profile {
            poll: 0,
            ..Profile::default()
        },
    ] {
        let options = EnterpriseOptions {
            profile,
            ..small(1)
        };
        assert!(build(&options, directory.path()).is_err());
    }
    assert!("wizardry".parse::<Work>().is_err());
}

#[test]
fn attacks_of_the_protocol_keep_to_their_stealth() {
    let attacks: Vec<Attack> = Goal::ALL
        .into_iter()
        .flat_map(|goal| Stealth::ALL.map(|stealth| Attack { goal, stealth }))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 60,
        days: 5,
        intrusions: attacks.len(),
        attacks: attacks.clone(),
        profile: Profile {
            poll: 240,
            work: BTreeSet::from([
                Work::SecondAccounts,
                Work::HelpDesk,
                Work::CheckOut,
                Work::Terminals,
            ]),
            telemetry: Telemetry::LoginOnly,
            ..Profile::hard()
        },
        ..EnterpriseOptions::default()
    };
    let truth = build(&options, directory.path()).unwrap();
    let kinds: BTreeSet<Attack> = truth
        .intrusions
        .iter()
        .filter_map(|one| one.attack)
        .collect();
    assert!(kinds.len() >= 10, "{kinds:?}");
    let edges: BTreeSet<(&str, &str)> = truth
        .daily
        .iter()
        .map(|access| (access.src.as_str(), access.dst.as_str()))
        .collect();
    for intrusion in &truth.intrusions {
        let attack = intrusion.attack.unwrap();
        let mut reached = BTreeSet::from([intrusion.entry.as_str()]);
        for hop in &intrusion.hops {
            assert!(reached.contains(hop.src.as_str()), "{hop:?}");
            reached.insert(&hop.dst);
            if matches!(attack.stealth, Stealth::PriorEdges | Stealth::Full) {
                assert!(edges.contains(&(&hop.src, &hop.dst)), "{hop:?}");
            }
        }
        let accounts: BTreeSet<&str> = intrusion
            .hops
            .iter()
            .map(|hop| hop.account.as_str())
            .collect();
        let last = &intrusion.hops.last().unwrap().dst;
        let role = truth.hosts.iter().find(|host| host.name == *last).unwrap();
        match attack.goal {
            Goal::Exploration => assert!(intrusion.hops.len() > 1 && !accounts.is_empty()),
            Goal::Spread => assert!(intrusion.hops.len() > 2),
            Goal::Targeted => assert!(
                ["domain controller", "database server", "backup server"]
                    .contains(&role.role.as_str()),
                "{role:?}"
            ),
        }
    }
    // Logons alone: no other log, and in Security no event of another kind.
    for (_, channel, id) in records(directory.path()).keys() {
        assert_eq!(channel, "Security");
        assert!(
            (4624..=4672).contains(id) || (4768..=4779).contains(id) || *id == 1102,
            "{id}"
        );
    }
}

#[test]
fn mixed_logs_leave_every_kind_of_host() {
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 60,
        days: 2,
        intrusions: 0,
        volume: 0.2,
        profile: Profile {
            telemetry: Telemetry::Mixed,
            ..Profile::default()
        },
        ..EnterpriseOptions::default()
    };
    let truth = build(&options, directory.path()).unwrap();
    let lacks = |host: &crabwalk_lab::TruthHost, channel: &str| {
        host.not_collected
            .iter()
            .any(|own| own == channel || own == "*")
    };
    let kinds: BTreeSet<(bool, bool)> = truth
        .hosts
        .iter()
        .map(|host| (host.sysmon, lacks(host, "Security")))
        .collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let controllers = truth
        .hosts
        .iter()
        .filter(|host| host.role == "domain controller");
    for host in controllers {
        assert!(!lacks(host, "Security"), "{host:?}");
    }
}

#[test]
fn addresses_of_leases_and_pools_change_their_holder() {
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 60,
        days: 3,
        intrusions: 0,
        volume: 0.3,
        profile: Profile {
            network: Network {
                leases: 0.5,
                vpn: 0.3,
                nat: 0.1,
            },
            telemetry: Telemetry::Full,
            ..Profile::default()
        },
        ..EnterpriseOptions::default()
    };
    let truth = build(&options, directory.path()).unwrap();
    let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in &truth.hosts {
        for ip in &host.ips {
            holders.entry(ip).or_default().insert(&host.name);
        }
    }
    let shared = |net: &str| {
        holders
            .iter()
            .filter(|(ip, hosts)| ip.starts_with(net) && hosts.len() > 1)
            .count()
    };
    assert!(shared("10.40.248.") > 2, "{holders:?}");
    assert!(shared("10.40.1.") > 2, "{holders:?}");
    let branch = &holders["10.40.247.1"];
    // On a host of the branch its own address, on those that it goes to the one of the branch.
    let records = records(directory.path());
    let sources = |of: &dyn Fn(&str) -> bool, initiated: bool| -> BTreeSet<String> {
        records
            .iter()
            .filter(|((host, channel, id), _)| of(host) && channel.contains("Sysmon") && *id == 3)
            .flat_map(|(_, events)| events)
            .filter(|event| event["EventData"]["Initiated"] == initiated)
            .map(|event| field(event, "SourceIp").to_owned())
            .collect()
    };
    let own = sources(&|host| branch.contains(host), true);
    let seen = sources(&|host| !branch.contains(host), false);
    assert!(!own.contains("10.40.247.1") && !own.is_empty());
    assert!(seen.contains("10.40.247.1"));
}

#[test]
fn who_leaves_is_refused_and_who_joins_was_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let options = EnterpriseOptions {
        hosts: 100,
        days: 4,
        intrusions: 0,
        volume: 0.2,
        profile: Profile {
            work: BTreeSet::from([Work::Turnover]),
            ..Profile::default()
        },
        ..EnterpriseOptions::default()
    };
    build(&options, directory.path()).unwrap();
    let records = records(directory.path());
    let of = |wanted: u64| {
        records
            .iter()
            .filter(move |((_, _, id), _)| *id == wanted)
            .flat_map(|(_, events)| events)
    };
    let made: BTreeSet<&str> = of(4720)
        .map(|event| field(event, "TargetUserName"))
        .collect();
    let left: BTreeSet<&str> = of(4725)
        .map(|event| field(event, "TargetUserName"))
        .collect();
    let refused: BTreeSet<&str> = of(4625)
        .filter(|event| field(event, "SubStatus") == "0xc0000072")
        .map(|event| field(event, "TargetUserName"))
        .collect();
    assert!(!made.is_empty() && !left.is_empty());
    assert!(made.is_disjoint(&left));
    assert!(
        !refused.is_empty() && refused.is_subset(&left),
        "{refused:?} {left:?}"
    );
}
