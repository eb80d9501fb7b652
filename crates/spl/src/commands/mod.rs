//! The commands, each whole in its file: what it is called, its syntax, options and documentation, what it reads and makes,
//! and how it is planned. The list `ALL` has them; the parser, the printer, the demand on the readers, the planner and the
//! user's reference go by that list.
//!
//! A new command is a file with a [`Whole`] and a line in the list. One of options, names and subsearches has
//! [`Arguments`](crate::syntax::usage::Arguments); one with more to say has a type of its own, which is a
//! [`Syntax`](crate::syntax::command::Syntax).

mod accum;
mod addcoltotals;
mod addinfo;
mod addtotals;
mod append;
mod appendcols;
mod appendpipe;
mod autoregress;
pub(crate) mod bin;
mod cluster;
mod convert;
mod datamodel;
mod dedup;
mod delta;
mod extract;
mod fieldformat;
mod fields;
mod fieldsummary;
mod filldown;
mod fillnull;
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
mod metadata;
mod multikv;
mod mvcombine;
mod mvexpand;
mod nomv;
mod outlier;
mod outputlookup;
mod rangemap;
mod rare;
mod regex;
mod rename;
mod replace;
mod reverse;
mod rex;
mod set;
mod sort;
mod spath;
mod strcat;
mod table;
mod tail;
mod timewrap;
mod tojson;
mod top;
mod transpose;
mod trendline;
mod union;
mod uniq;
mod untable;
mod xmlkv;
mod xyseries;

use crate::syntax::usage::Whole;

pub use append::Append;
pub use appendpipe::Appendpipe;
pub use bin::Bin;
pub use convert::{Conversion, Convert};
pub use from::FromDataset;
pub use inputlookup::Inputlookup;
pub use join::Join;
pub use lookup::{Lookup, LookupOutput};
pub use outputlookup::Outputlookup;
pub use regex::Regex;
pub use rex::{Rex, RexAction};
pub use union::Union;

/// The commands.
pub(crate) static ALL: &[&Whole] = &[
    &accum::COMMAND,
    &addcoltotals::COMMAND,
    &addinfo::COMMAND,
    &addtotals::COMMAND,
    &append::COMMAND,
    &appendcols::COMMAND,
    &appendpipe::COMMAND,
    &autoregress::COMMAND,
    &bin::COMMAND,
    &cluster::COMMAND,
    &convert::COMMAND,
    &datamodel::COMMAND,
    &dedup::COMMAND,
    &delta::COMMAND,
    &extract::COMMAND,
    &fieldformat::COMMAND,
    &fields::COMMAND,
    &fieldsummary::COMMAND,
    &filldown::COMMAND,
    &fillnull::COMMAND,
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
    &metadata::COMMAND,
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
    &reverse::COMMAND,
    &rex::COMMAND,
    &set::COMMAND,
    &sort::COMMAND,
    &spath::COMMAND,
    &strcat::COMMAND,
    &table::COMMAND,
    &tail::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &top::COMMAND,
    &transpose::COMMAND,
    &trendline::COMMAND,
    &union::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
    &xmlkv::COMMAND,
    &xyseries::COMMAND,
];
