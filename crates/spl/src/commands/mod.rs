//! The commands, each complete in one file: names, syntax, options, documentation, what it reads and makes, and its
//! planner. The list `ALL` has them; the parser, the printer, the demand on the readers, the planner and the user's
//! reference are derived from it.
//!
//! A new command is a file with a [`Whole`] and a line in the list. A command with only options, names and subsearches
//! uses [`Arguments`](crate::syntax::usage::Arguments); one with a richer syntax has its own type, which implements
//! [`Syntax`](crate::syntax::command::Syntax).

mod accum;
mod addcoltotals;
mod addinfo;
mod addtotals;
mod anomalydetection;
mod append;
mod appendcols;
mod appendpipe;
mod autoregress;
mod bin;
mod chart;
mod cluster;
mod convert;
mod cyberchef;
mod datamodel;
mod dedup;
mod delta;
mod eval;
mod eventstats;
mod extract;
mod fieldformat;
mod fields;
mod fieldsummary;
mod filldown;
mod fillnull;
mod foreach;
mod format;
mod from;
mod fromjson;
mod gentimes;
mod head;
mod highlight;
mod inputlookup;
mod iplocation;
mod join;
mod lookup;
mod makecontinuous;
mod makemv;
mod makeresults;
mod map;
mod metadata;
mod mstats;
mod multikv;
mod mvcombine;
mod mvexpand;
mod nomv;
pub(crate) mod not_run;
mod outlier;
mod outputlookup;
mod rangemap;
mod rare;
mod regex;
mod rename;
mod replace;
mod r#return;
mod reverse;
mod rex;
mod search;
mod set;
mod sort;
mod spath;
mod stats;
mod strcat;
mod streamstats;
mod table;
mod tail;
mod timechart;
mod timewrap;
mod tojson;
mod top;
mod transaction;
mod transpose;
mod trendline;
mod tstats;
mod union;
mod uniq;
mod untable;
mod r#where;
mod xmlkv;
mod xyseries;

use crate::syntax::usage::Whole;

pub use append::Append;
pub use appendpipe::Appendpipe;
pub use bin::Bin;
pub use chart::{Chart, Computed};
pub use convert::{Conversion, Convert};
pub use eval::Eval;
pub use eventstats::Eventstats;
pub use foreach::{Foreach, ForeachMode};
pub use from::FromDataset;
pub use inputlookup::Inputlookup;
pub use join::Join;
pub use lookup::{Lookup, LookupOutput};
pub use map::Map;
pub use mstats::Mstats;
pub use outputlookup::Outputlookup;
pub use regex::Regex;
pub use r#return::Return;
pub use rex::{Rex, RexAction};
pub use search::Search;
pub use stats::Stats;
pub use streamstats::Streamstats;
pub use transaction::{Mark, Transaction};
pub use tstats::Tstats;
pub use union::Union;
pub use r#where::Where;

/// The commands that are run.
pub(crate) static ALL: &[&Whole] = &[
    &accum::COMMAND,
    &addcoltotals::COMMAND,
    &addinfo::COMMAND,
    &addtotals::COMMAND,
    &anomalydetection::COMMAND,
    &append::COMMAND,
    &appendcols::COMMAND,
    &appendpipe::COMMAND,
    &autoregress::COMMAND,
    &bin::COMMAND,
    &chart::COMMAND,
    &cluster::COMMAND,
    &convert::COMMAND,
    &cyberchef::COMMAND,
    &datamodel::COMMAND,
    &dedup::COMMAND,
    &delta::COMMAND,
    &eval::COMMAND,
    &eventstats::COMMAND,
    &extract::COMMAND,
    &fieldformat::COMMAND,
    &fields::COMMAND,
    &fieldsummary::COMMAND,
    &filldown::COMMAND,
    &fillnull::COMMAND,
    &foreach::COMMAND,
    &format::COMMAND,
    &from::COMMAND,
    &fromjson::COMMAND,
    &gentimes::COMMAND,
    &head::COMMAND,
    &highlight::COMMAND,
    &inputlookup::COMMAND,
    &iplocation::COMMAND,
    &join::COMMAND,
    &lookup::COMMAND,
    &makecontinuous::COMMAND,
    &makemv::COMMAND,
    &makeresults::COMMAND,
    &map::COMMAND,
    &metadata::COMMAND,
    &mstats::COMMAND,
    &multikv::COMMAND,
    &mvcombine::COMMAND,
    &mvexpand::COMMAND,
    &nomv::COMMAND,
    &outlier::COMMAND,
    &outputlookup::COMMAND,
    &rangemap::COMMAND,
    &rare::COMMAND,
    &regex::COMMAND,
    &rename::COMMAND,
    &replace::COMMAND,
    &r#return::COMMAND,
    &reverse::COMMAND,
    &rex::COMMAND,
    &search::COMMAND,
    &set::COMMAND,
    &sort::COMMAND,
    &spath::COMMAND,
    &stats::COMMAND,
    &strcat::COMMAND,
    &streamstats::COMMAND,
    &table::COMMAND,
    &tail::COMMAND,
    &timechart::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &top::COMMAND,
    &transaction::COMMAND,
    &transpose::COMMAND,
    &trendline::COMMAND,
    &tstats::COMMAND,
    &union::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
    &r#where::COMMAND,
    &xmlkv::COMMAND,
    &xyseries::COMMAND,
];
