//! Invariants over all scenes: order, copies, files and clocks do not matter.

#![expect(clippy::indexing_slicing, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;

use crabwalk_movement::Movement;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crabwalk_testing::{Events, scene};

use crate::expected::line;
use crate::logs;
use crate::{OfAll, OfOne, Scene};

pub const OF_ONE: [OfOne; 2] = [
    ("more logs", more_logs_hide_no_hop),
    ("clocks", clocks_that_are_off_are_set_right),
];

pub const OF_ALL: [OfAll; 2] = [
    (
        "all: order, copies and files do not matter",
        order_copies_and_files_do_not_matter,
    ),
    (
        "all: enough hops are told by clocks that are off",
        enough_hops_are_told_by_clocks_that_are_off,
    ),
];

/// All scenes one after another, each on its own hosts.
fn together(scenes: &[Scene]) -> Events {
    let mut all = Events::default();
    for (number, scene) in scenes.iter().enumerate() {
        let day = i64::try_from(number).unwrap_or(0);
        all.extend(logs::elsewhere(&scene.events, number, day));
    }
    all
}

/// The parts that do not depend on where events were read.
fn conclusions(mut movement: Movement) -> Movement {
    for witness in movement.hops.iter_mut().flat_map(|hop| &mut hop.witnesses) {
        // References depend on the order of reading; their number does not.
        witness.events.iter_mut().for_each(|event| *event = 0);
    }
    for ran in movement.hops.iter_mut().flat_map(|hop| &mut hop.processes) {
        ran.event = 0;
    }
    movement
}

fn order_copies_and_files_do_not_matter(scenes: &[Scene]) {
    let events = together(scenes);
    let count = events.0.len();
    let expected = conclusions(logs::movement(&events));
    assert!(expected.hops.len() > 80, "{}", expected.hops.len());
    let reading = (
        Just((0..count).collect::<Vec<_>>()).prop_shuffle(),
        prop::collection::vec(0..count, 0..count / 8),
        prop::collection::vec(0..count, 0..4),
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        // Each shrink costs as much as a case and reveals little among a thousand events.
        max_shrink_iters: 0,
        ..Config::with_cases(64)
    });
    let outcome = runner.run(&reading, |(order, twice, cuts)| {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); cuts.len() + 1];
        for (at, event) in order.into_iter().chain(twice).enumerate() {
            let part = cuts.iter().filter(|cut| **cut <= at).count();
            parts[part].push(event);
        }
        let found = conclusions(logs::read(&events, &parts));
        for (found, expected) in found.hops.iter().zip(&expected.hops) {
            prop_assert_eq!(found, expected);
        }
        prop_assert!(found == expected, "other hosts, accounts, paths or clocks");
        Ok(())
    });
    if let Err(error) = outcome {
        // The order of all events would make the message unreadable.
        let text = error.to_string();
        panic!("{}", text.chars().take(6000).collect::<String>());
    }
}

/// What identifies a hop if more logs are read: they may name an address's host, and an account.
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

fn more_logs_hide_no_hop(scenes: &[Scene], number: usize) {
    let scene = &scenes[number];
    let alone = logs::movement(&scene.events);
    // The same accounts on other hosts, and again there the next day and weeks later.
    let other = &scenes[(number * 7 + 3) % scenes.len()];
    for (at, others) in [(scene, 1), (other, 21)]
        .map(|(scene, days)| logs::elsewhere(&scene.events, number, days))
        .into_iter()
        .enumerate()
    {
        let mut both = scene.events.clone();
        both.extend(others);
        let both = logs::movement(&both);
        let found = marks(&both);
        let lost: Vec<_> = marks(&alone)
            .into_iter()
            .filter(|mark| !found.contains(mark))
            .collect();
        // Unreported movements are counted.
        let left_out = both.left_out.saturating_sub(alone.left_out);
        assert!(
            lost.len() <= left_out,
            "of {at} more {lost:?} hidden, {left_out} left out"
        );
    }
}

/// Connections that both ends logged, between WS5 and each other host of a scene: enough to compare clocks.
fn measured(scene: &Scene) -> (Events, Vec<&'static str>) {
    let hosts: BTreeSet<&str> = scene
        .events
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
    let mut events = scene.events.clone();
    events.extend(scene::parse(lines.iter().map(String::as_str)));
    (events, others.into_iter().map(|(host, _)| host).collect())
}

fn clocks_that_are_off_are_set_right(scenes: &[Scene], number: usize) {
    const MINUTE: i64 = 60_000_000;
    let hops = |movement: &Movement| -> Vec<String> {
        let all = movement.hops.iter();
        all.map(|hop| format!("{} {:.2}", line(hop), hop.confidence))
            .collect()
    };
    let (events, hosts) = measured(&scenes[number]);
    let expected = logs::movement(&events);
    // If clocks are wrong already, the new error is unknown.
    if !expected.skew.is_empty() {
        return;
    }
    for host in hosts {
        for minutes in [3, 60] {
            let found = logs::movement(&logs::ahead(events.clone(), host, minutes * MINUTE));
            let what = format!("{host} is {minutes} minutes ahead");
            assert_eq!(hops(&found), hops(&expected), "{what}");
            let told: Vec<_> = found
                .skew
                .iter()
                .filter(|one| one.src == "ws5" && one.dst == host.to_lowercase())
                .map(|one| one.median)
                .collect();
            assert_eq!(told, [minutes * MINUTE], "{what}");
        }
    }
}

fn enough_hops_are_told_by_clocks_that_are_off(scenes: &[Scene]) {
    let movements = scenes
        .iter()
        .map(|scene| logs::movement(&measured(scene).0));
    let straight = movements.filter(|movement| movement.skew.is_empty());
    let hops: usize = straight.map(|movement| movement.hops.len()).sum();
    assert!(hops > 60, "{hops}");
}
