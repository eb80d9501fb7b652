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
