//! What a hunt found, against what really happened.
//!
//! **One predicate says whether a hop that is told is a hop that happened** ([`wrong`]): its ends, its account, its way and
//! its time, each under all the names by which logs may call it. `crabwalk lab score`, `lab evaluate` and the test over
//! recorded attacks ask it. Scorers of their own drift apart, and then two figures that are both called recall cannot be
//! compared. Which techniques may be told of one act is `crabwalk_movement`'s to say ([`crabwalk_movement::same_way`]): whoever
//! adds a way of moving need not know that there is a scorer.
//!
//! [`read`] reads the truth of any made world, [`Score::of`] compares a case with its hops, paths and verdict, and
//! [`Findings::of`] with the acts that were planted for detections.

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
