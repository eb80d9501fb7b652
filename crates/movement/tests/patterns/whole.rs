//! What holds for all scenes: order, copies, files and clocks do not matter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crabwalk_events::assets::Assets;
use crabwalk_movement::Movement;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::logs::Logs;
use crate::{Scene, line, scenes};

/// All scenes, one after the other, on hosts of their own.
fn together() -> Logs {
    let mut all = Logs::default();
    for (number, scene) in scenes().iter().enumerate() {
        let day = i64::try_from(number).unwrap_or(0);
        all.extend(scene.logs.elsewhere(number, day));
    }
    all
}

/// All that does not say where events were read.
fn conclusions(mut movement: Movement) -> Movement {
    for witness in movement.hops.iter_mut().flat_map(|hop| &mut hop.witnesses) {
        // References depend on the order of reading; how many there are does not.
        witness.events.iter_mut().for_each(|event| *event = 0);
    }
    for ran in movement.hops.iter_mut().flat_map(|hop| &mut hop.processes) {
        ran.event = 0;
    }
    movement
}

#[test]
fn order_copies_and_files_do_not_matter() {
    let logs = together();
    let count = logs.0.len();
    let expected = conclusions(logs.movement());
    assert!(expected.hops.len() > 80, "{}", expected.hops.len());
    let reading = (
        Just((0..count).collect::<Vec<_>>()).prop_shuffle(),
        prop::collection::vec(0..count, 0..count / 8),
        prop::collection::vec(0..count, 0..4),
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        // Each shrink costs as much as a case, and tells little of a thousand events.
        max_shrink_iters: 0,
        ..Config::with_cases(64)
    });
    let outcome = runner.run(&reading, |(order, twice, cuts)| {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); cuts.len() + 1];
        for (at, event) in order.into_iter().chain(twice).enumerate() {
            let part = cuts.iter().filter(|cut| **cut <= at).count();
            parts[part].push(event);
        }
        let found = conclusions(logs.read(&parts, &Assets::default()));
        for (found, expected) in found.hops.iter().zip(&expected.hops) {
            prop_assert_eq!(found, expected);
        }
        prop_assert!(found == expected, "other hosts, accounts, paths or clocks");
        Ok(())
    });
    if let Err(error) = outcome {
        // With the order of all events the message would be a book.
        let text = error.to_string();
        panic!("{}", text.chars().take(6000).collect::<String>());
    }
}

/// What a hop is known by where more logs are read: they may name the host of an address, and an account.
fn marks(movement: &Movement) -> Vec<(i64, String, String)> {
    let all = movement.hops.iter();
    let tried = |attempted| if attempted { "!" } else { "" };
    all.map(|hop| {
        let technique = hop.techniques.first().map_or("-", String::as_str);
        let what = format!("{technique}{}", tried(hop.attempted));
        (hop.first, hop.dst.clone(), what)
    })
    .collect()
}

#[test]
fn more_logs_hide_no_hop() {
    let scenes = scenes();
    let mut hidden = String::new();
    for (number, scene) in scenes.iter().enumerate() {
        let alone = scene.logs.movement();
        // What other hosts tell of the same accounts, and the same again there: the next day, and weeks later.
        let other = scenes.get((number * 7 + 3) % scenes.len());
        let mut more = vec![scene.logs.elsewhere(number, 1)];
        more.extend(other.map(|other| other.logs.elsewhere(number, 21)));
        for (at, others) in more.into_iter().enumerate() {
            let mut both = scene.logs.clone();
            both.extend(others);
            let both = both.movement();
            let found = marks(&both);
            let lost: Vec<_> = marks(&alone)
                .into_iter()
                .filter(|mark| !found.contains(mark))
                .collect();
            // What is not told is counted.
            let left_out = both.left_out.saturating_sub(alone.left_out);
            if lost.len() > left_out {
                let name = &scene.name;
                let _ = writeln!(
                    hidden,
                    "{name}: of {at} more {lost:?} hidden, {left_out} left out"
                );
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden}");
}

/// Connections that both ends logged, between WS5 and each other host of a scene: enough to compare clocks.
fn measured(scene: &Scene) -> (Logs, Vec<&'static str>) {
    let hosts: BTreeSet<&str> = scene
        .logs
        .0
        .iter()
        .filter_map(|event| event.host.split('.').next())
        .collect();
    let others: Vec<_> = [
        ("WS6", "10.1.0.6"),
        ("SRV7", "10.1.0.7"),
        ("WS8", "10.1.0.8"),
        ("DC1", "10.1.0.1"),
    ]
    .into_iter()
    .filter(|(host, _)| hosts.contains(host))
    .collect();
    let mut lines = Vec::new();
    for (host, ip) in &others {
        for at in 0..5 {
            let ends = format!("10.1.0.5:6000{at}>{ip}:8080");
            lines.push(format!("{at}m WS5 connects C:\\m.exe SYSTEM {ends}"));
            lines.push(format!("{at}m {host} accepts C:\\m.exe SYSTEM {ends}"));
        }
    }
    let mut logs = scene.logs.clone();
    logs.extend(Logs::parse(lines.iter().map(String::as_str)));
    (logs, others.into_iter().map(|(host, _)| host).collect())
}

#[test]
fn clocks_that_are_off_are_set_right() {
    const MINUTE: i64 = 60_000;
    let hops = |movement: &Movement| -> Vec<String> {
        let all = movement.hops.iter();
        all.map(|hop| format!("{} {:.2}", line(hop), hop.confidence))
            .collect()
    };
    let mut measured_hops = 0;
    for scene in scenes() {
        let (logs, hosts) = measured(&scene);
        let expected = logs.movement();
        // Where clocks are off already, nobody says by how much they would be then.
        if !expected.skew.is_empty() {
            continue;
        }
        measured_hops += expected.hops.len();
        for host in hosts {
            for minutes in [3, 60] {
                let found = logs.clone().ahead(host, minutes * MINUTE).movement();
                let what = format!("{}: {host} is {minutes} minutes ahead", scene.name);
                assert_eq!(hops(&found), hops(&expected), "{what}");
                let told: Vec<_> = found
                    .skew
                    .iter()
                    .filter(|one| one.src == "ws5" && one.dst == host.to_lowercase())
                    .map(|one| one.median)
                    .collect();
                assert_eq!(told, [minutes * MINUTE * 1000], "{what}");
            }
        }
    }
    assert!(measured_hops > 60, "{measured_hops}");
}
