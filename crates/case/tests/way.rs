//! Which way a path leads, in words.

use std::collections::BTreeSet;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, Input, Tool};
use crabwalk_events::MemoryCatalog;
use crabwalk_hunt::Conclusion;
use crabwalk_movement::{Hop, Link, LinkKind, Movement, Path};
use proptest::prelude::*;

/// A case with one path over hops `source>destination`; a link is the places of the two hops that it joins.
fn case(hops: &[(String, String)], links: &[(usize, usize)]) -> Case {
    let id = |at: usize| format!("hop-{}", at + 1);
    let hops: Vec<Hop> = hops
        .iter()
        .enumerate()
        .map(|(at, (src, dst))| Hop {
            id: id(at),
            src: (src != "?").then(|| src.clone()),
            dst: dst.clone(),
            techniques: vec!["T1021.002".to_owned()],
            first: i64::try_from(at).unwrap_or(0) * 60_000_000,
            last: i64::try_from(at).unwrap_or(0) * 60_000_000,
            confidence: 0.9,
            ..Hop::default()
        })
        .collect();
    let movement = Movement {
        paths: vec![Path {
            id: "path-1".to_owned(),
            score: 1.0,
            why: Vec::new(),
            hops: hops.iter().map(|hop| hop.id.clone()).collect(),
            links: links
                .iter()
                .map(|(from, to)| Link {
                    from: id(*from),
                    to: id(*to),
                    kind: LinkKind::SessionCausal,
                    certainty: 0.85,
                })
                .collect(),
            rank: Vec::new(),
        }],
        hops,
        ..Movement::default()
    };
    let input = Input {
        tool: Tool {
            name: "crabwalk",
            version: "0",
        },
        created: 0,
        seconds: 0.0,
        sources: &[],
        conclusion: &Conclusion {
            movement,
            ..Conclusion::default()
        },
        catalog: &MemoryCatalog::default(),
    };
    Case::new(&input, &Asked::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn way(hops: &str, links: &[(usize, usize)]) -> String {
    let hops: Vec<(String, String)> = hops
        .split_whitespace()
        .filter_map(|hop| hop.split_once('>'))
        .map(|(src, dst)| (src.to_owned(), dst.to_owned()))
        .collect();
    case(&hops, links).paths.remove(0).way
}

#[test]
fn an_arrow_stands_only_where_there_is_a_hop() {
    for (hops, links, said) in [
        ("a>b", &[][..], "a → b"),
        ("a>b b>c", &[(0, 1)], "a → b → c"),
        ("a>b a>c a>d", &[], "from a to 3 hosts: b, c and d"),
        ("a>b b>a", &[(0, 1)], "a → b → a"),
        ("a>b a>b b>c", &[(1, 2)], "a → b → c"),
        (
            "a>b b>c b>d",
            &[(0, 1), (0, 2)],
            "a → b; from b to 2 hosts: c and d",
        ),
        ("a>b a>c c>d", &[(1, 2)], "a → b; a → c → d"),
        ("a>b c>d", &[], "a → b; c → d"),
        ("?>b b>c", &[(0, 1)], "an unknown host → b → c"),
        // Links that go in a circle explain nothing.
        ("a>b b>a", &[(0, 1), (1, 0)], "a → b; b → a"),
        (
            "a>b a>c a>d a>e a>f a>g a>h a>i",
            &[],
            "from a to 8 hosts: b, c, d, e, f, g and 2 more",
        ),
    ] {
        assert_eq!(way(hops, links), said, "{hops}");
    }
}

proptest! {
    #[test]
    fn every_arrow_is_a_hop_of_the_path(parents in prop::collection::vec((0usize..12, 0usize..6), 1..12)) {
        // Each hop goes on from an earlier one, or begins somewhere.
        let mut hops: Vec<(String, String)> = Vec::new();
        let mut links = Vec::new();
        for (at, (parent, host)) in parents.iter().enumerate() {
            let src = if *parent < at {
                links.push((*parent, at));
                hops.get(*parent).map(|(_, dst)| dst.clone()).unwrap_or_default()
            } else {
                format!("h{}", host + 1)
            };
            let mut dst = format!("h{host}");
            if dst == src {
                dst.push('x');
            }
            hops.push((src, dst));
        }
        let known: BTreeSet<(String, String)> = hops.iter().cloned().collect();
        let way = case(&hops, &links).paths.remove(0).way;
        for piece in way.split("; ") {
            let row: Vec<&str> = piece.split(" → ").collect();
            for pair in row.windows(2) {
                let to = pair[1].split(" and ").next().unwrap_or_default();
                prop_assert!(
                    known.contains(&(pair[0].to_owned(), to.to_owned())),
                    "{} → {} in {way}", pair[0], to
                );
            }
        }
    }
}
