//! Details of hops and paths.

use std::collections::BTreeSet;

use crabwalk_events::assets::Assets;
use crabwalk_movement::{Hop, Kind};

use crabwalk_testing::scene;

use crate::logs;
use crate::{OfAll, Scene};

pub const ALL: [OfAll; 2] = [
    (
        "details: what is missing is said, and why",
        what_is_missing_is_said_and_why,
    ),
    (
        "details: paths to what matters come first",
        paths_to_what_matters_come_first,
    ),
];

fn what_is_missing_is_said_and_why(scenes: &[Scene]) {
    let first = |name: &str| {
        let is = |scene: &&Scene| {
            let own = scene.name.split_once(": ");
            own.is_some_and(|(_, own)| own.starts_with(name))
        };
        let scene = scenes.iter().find(is);
        let hops = scene.map(|scene| logs::movement(&scene.events).hops);
        hops.into_iter()
            .flatten()
            .next()
            .unwrap_or_else(|| panic!("no hop of {name}"))
    };
    let service = first("a service over TCP");
    let kinds: BTreeSet<Kind> = service.witnesses.iter().map(|one| one.kind).collect();
    let all_but = |kind| Kind::ALL.into_iter().filter(|own| *own != kind).collect();
    assert_eq!(kinds, all_but(Kind::DomainController));
    let why = |kind: Kind, hop: &Hop| {
        let missing = hop.missing.iter().find(|one| one.kind == kind);
        missing.map(|one| one.why.to_string()).unwrap_or_default()
    };
    for (name, kind, expected) in [
        (
            "a service over TCP",
            Kind::DomainController,
            "no log of a domain controller was read",
        ),
        (
            "a launch that was refused",
            Kind::Source,
            "no log of 10.1.0.5 was read",
        ),
        (
            "a launch that was refused",
            Kind::DestinationExecution,
            "it was refused",
        ),
        (
            "the same in Sysmon alone",
            Kind::DestinationLogon,
            "the Security log of ws6 was not read",
        ),
        (
            "the same in Sysmon alone",
            Kind::Network,
            "no log of a network sensor was read",
        ),
        (
            "the Security log is gone",
            Kind::Source,
            "nothing names the source",
        ),
        (
            "a ticket is used elsewhere",
            Kind::Network,
            "no log of a network sensor was read",
        ),
        (
            "RC4 where nobody has AES",
            Kind::DomainController,
            "the domain controllers' logs do not reach that time",
        ),
    ] {
        assert_eq!(why(kind, &first(name)), expected, "{name}");
    }
}

fn paths_to_what_matters_come_first(_: &[Scene]) {
    let copies = [
        ("WS6", "21", "anna"),
        ("SRV7", "22", "bert"),
        ("WS8", "23", "cora"),
    ];
    let text = copies.map(|(host, client, account)| {
        format!(
            "0 {host} logon {account} 3 NTLM 0x10{client} 10.1.0.{client}:50{client}\n\
             1 {host} Security/5145 by={account}:0x10{client} from=10.1.0.{client}:50{client} \
             ShareName=\\\\*\\C$ RelativeTargetName=Temp\\x.exe AccessMask=0x2\n"
        )
    });
    let events = scene::parse(text.iter().flat_map(|lines| lines.lines()));
    for (hosts, accounts, expected) in [
        (
            "SRV7,critical,\nWS8,high,\nWS6,low,\n",
            "",
            ["srv7", "ws8", "ws6"],
        ),
        (
            "SRV7,low,\nWS8,low,crown_jewels\nWS6,high,\n",
            "",
            ["ws8", "ws6", "srv7"],
        ),
        ("", "cora,high\nbert,critical\n", ["srv7", "ws8", "ws6"]),
        ("WS6,high,\n", "cora,critical\n", ["ws8", "ws6", "srv7"]),
    ] {
        let mut assets = Assets::default();
        assets
            .add_assets(format!("nt_host,priority,category\n{hosts}").as_bytes())
            .and_then(|()| {
                assets.add_identities(format!("identity,priority\n{accounts}").as_bytes())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        let movement = logs::valued(&events, &assets);
        let reached = movement.paths.iter().map(|path| {
            let hop = movement.hops.iter().find(|hop| path.hops.contains(&hop.id));
            hop.map_or("", |hop| hop.dst.as_str())
        });
        assert_eq!(
            reached.collect::<Vec<_>>(),
            expected,
            "{hosts} and {accounts}"
        );
    }
}
