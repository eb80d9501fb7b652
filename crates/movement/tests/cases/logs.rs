//! Conclusions from made events, and variants of the events: other hosts, other clocks.

use crabwalk_activity::Relations;
use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, Input, Tool};
use crabwalk_detect::Outcome;
use crabwalk_events::assets::Assets;
use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_hunt::Conclusion;
use crabwalk_movement::{Budget, Movement, analyse, demand};
use crabwalk_testing::Events;
use crabwalk_testing::scene::AT;

const DAY: i64 = 86_400_000_000;

/// A LogonGuid of Sysmon whose time is later by seconds: its low half stands before its high one.
fn later(guid: &str, by: i64) -> String {
    let mut groups: Vec<String> = guid.split('-').map(str::to_owned).collect();
    if let [_, low, high, ..] = groups.as_mut_slice() {
        let time = i64::from_str_radix(&format!("{high}{low}"), 16).unwrap_or(0) + by;
        *low = format!("{:04x}", time & 0xffff);
        *high = format!("{:04x}", time >> 16);
    }
    groups.join("-")
}

/// The same at a later time, on other hosts with other addresses: scenes that do not meet.
pub fn elsewhere(events: &Events, number: usize, days: i64) -> Events {
    let other = |text: &str| {
        let mut text = text.to_owned();
        // Networks that differ stay different: a host changes its address within one.
        for (place, network) in ["10.1.0.", "10.2.0.", "10.3.0.", "10.9.0."]
            .iter()
            .enumerate()
        {
            let second = 20 + 50 * place + number / 200;
            text = text.replace(network, &format!("10.{second}.{}.", number % 200 + 1));
        }
        for name in ["WS", "SRV", "DC", "ws", "srv", "dc"] {
            for digit in '1'..='9' {
                let own = format!("{name}{digit}");
                text = text.replace(&own, &format!("{own}N{number}"));
            }
        }
        text
    };
    let mut events = events.clone();
    for event in &mut events.0 {
        event.host = other(&event.host);
        event.time += days * DAY;
        for (name, value) in &mut event.fields {
            *value = other(value);
            if name.ends_with("Guid") && name != "LogonGuid" {
                *value = value.replace('}', &format!("-{number}}}"));
            }
        }
    }
    events
}

/// The same where a host's clock is ahead, by microseconds.
pub fn ahead(mut events: Events, host: &str, by: i64) -> Events {
    let own = events.0.iter_mut();
    for event in own.filter(|event| event.host.split('.').next() == Some(host)) {
        event.time += by;
        // It contains the start of the session, by the same clock.
        for (name, value) in &mut event.fields {
            if name == "LogonGuid" {
                *value = later(value, by / 1_000_000);
            }
        }
    }
    events
}

pub fn movement(events: &Events) -> Movement {
    valued(events, &Assets::default())
}

/// The movement in events, with assets.
pub fn valued(events: &Events, assets: &Assets) -> Movement {
    concluded(&events.catalog_of(demand()), assets).0
}

/// The movement in events that are read by several readers, one list each.
pub fn read(events: &Events, parts: &[Vec<usize>]) -> Movement {
    let collected = events.collect_parts(parts, demand());
    let catalog = MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
    concluded(&catalog, &Assets::default()).0
}

fn concluded(catalog: &MemoryCatalog, assets: &Assets) -> (Movement, Relations) {
    analyse(catalog, &[], assets, Budget::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The case of events, with dossiers of all hosts that it names.
pub fn case(events: &Events) -> Case {
    let catalog = events.catalog_of(demand());
    let outcome = Outcome {
        coverage: catalog.coverage().to_vec(),
        ..Outcome::default()
    };
    let (movement, relations) = concluded(&catalog, &Assets::default());
    let conclusion = Conclusion {
        outcome,
        movement,
        relations,
    };
    let asked = Asked {
        hosts: conclusion
            .movement
            .hosts
            .iter()
            .map(|host| host.id.clone())
            .collect(),
        accounts: Vec::new(),
    };
    let input = Input {
        tool: Tool {
            name: "crabwalk",
            version: "0",
        },
        created: AT,
        seconds: 0.0,
        sources: &[],
        conclusion: &conclusion,
        catalog: &catalog,
    };
    Case::new(&input, &asked).unwrap_or_else(|error| panic!("{error}"))
}
