//! Scores a hunt against what really happened.
//!
//! **One predicate decides whether a reported hop is a hop that happened** ([`wrong`]): it compares the ends, the
//! account, the way and the time, each under all names that logs may use. `crabwalk lab score`, `lab evaluate` and the
//! test over recorded attacks all use it. Separate scorers drift apart, and then two figures both called recall cannot
//! be compared. Which techniques count as the same act is decided by `crabwalk_movement`
//! ([`crabwalk_movement::same_way`]): whoever adds a way of moving need not know about the scorer.
//!
//! [`read`] reads the truth of any generated world, [`Score::of`] compares a case with its hops, paths and verdict, and
//! [`Findings::of`] with the acts planted for detections.
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use crabwalk_score::{Stated, Told, Wrong, account_key, wrong};
//!
//! let names = |all: &[&str]| -> BTreeSet<String> { all.iter().map(|one| (*one).to_owned()).collect() };
//! let stated = Stated {
//!     src: names(&["ws1"]),
//!     dst: names(&["srv1", "10.0.0.5"]),
//!     account: "CORP\\ann",
//!     technique: "T1021.002", // a service's file was copied there
//!     times: vec![1_000_000],
//!     tolerance: 60_000_000,
//! };
//! let techniques = ["T1569.002".to_owned()]; // the service was started
//! let mut told = Told {
//!     hop: &(),
//!     src: names(&["ws1"]),
//!     dst: names(&["srv1"]),
//!     accounts: names(&[&account_key("ann@corp.example")]),
//!     actor: BTreeSet::new(),
//!     techniques: &techniques,
//!     span: Some((2_000_000, 3_000_000)),
//! };
//! // One movement under other names: another name of the account, and another half of the same way.
//! assert!(wrong(&stated, &told).is_empty());
//! told.src = names(&["ws2"]);
//! assert_eq!(wrong(&stated, &told), [Wrong::Source]);
//! ```

mod findings;
mod matching;
mod report;
mod truth;

pub use findings::{Detection, Findings};
pub use matching::{
    Stated, Told, Wrong, account_key, places, told_of_case, told_of_movement, wrong,
};
pub use report::{FalseHop, FoundIntrusion, Hops, Missed, Paths, Score, Share, ToldScore, ratio};
pub use truth::{TruthError, read};
