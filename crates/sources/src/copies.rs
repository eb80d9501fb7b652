//! What tells copies of records apart that have no number of their own.
//!
//! Such a record is what it says. Exports write its time with more or fewer digits, so that two are the same where they say
//! the same and their times agree as far as the coarser one goes. A log may well hold the same line twice, and then it
//! happened twice: what counts is how often the source that has it most often holds it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasherDefault;

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::ArrowError;

use crate::collect::{HOST, TIME, Through, is_own_data};
use crate::pack;

const SECOND: i64 = 1_000_000;

/// How finely a time is written, in microseconds: seconds, milliseconds or microseconds.
fn unit_of(time: i64) -> i64 {
    match time {
        _ if time.rem_euclid(SECOND) == 0 => SECOND,
        _ if time.rem_euclid(1000) == 0 => 1000,
        _ => 1,
    }
}

/// Whether two times, microseconds since 1970-01-01, may be the same one written with different numbers of digits.
pub fn agree(a: i64, b: i64) -> bool {
    let unit = unit_of(a).max(unit_of(b));
    a.div_euclid(unit) == b.div_euclid(unit)
}

/// What says the same at the same time, as far as is known, and has happened one or several times.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// How many were kept.
    kept: u32,
    /// Who said it last, and how often: a source, or while parts are joined one of them.
    by: u32,
    here: u32,
}

impl Said {
    /// Said once, by this one.
    fn once(by: u32) -> Self {
        Self {
            kept: 1,
            by,
            here: 1,
        }
    }

    /// Whether this one says it no oftener than somebody before did.
    fn is_copy(&mut self, by: u32) -> bool {
        if self.by != by {
            self.by = by;
            self.here = 0;
        }
        let is_copy = self.here < self.kept;
        self.here += u32::from(is_copy);
        is_copy
    }
}

/// All that say the same within the same second; mostly one.
#[derive(Debug)]
enum Sayings {
    One { time: i64, place: u32, said: Said },
    More(Box<Several>),
}

/// Records that say the same within the same second.
///
/// A record may prove to be of a finer time than it was kept with: that of a copy. From then on only copies that agree with the
/// finer time are copies of it.
#[derive(Debug, Default)]
struct Several {
    /// By the finest time that is known.
    said: BTreeMap<i64, Said>,
    /// For each of these times the times that the records were kept with, and how many were kept with each.
    kept_at: BTreeMap<(i64, i64), u32>,
    /// Of each time that records were kept with, how many, and the place of the first in the collector's coverage.
    kept: BTreeMap<i64, (u32, u32)>,
}

impl Several {
    /// Keeps a record. Answers which of those kept with its time it is, from 1.
    fn keep(&mut self, noted: Noted) -> u32 {
        let Noted {
            time,
            finest,
            by,
            place,
        } = noted;
        self.said
            .entry(finest)
            .and_modify(|said| {
                said.kept = said.kept.saturating_add(1);
                said.by = by;
                said.here = said.kept;
            })
            .or_insert(Said::once(by));
        let at = self.kept_at.entry((finest, time)).or_default();
        *at = at.saturating_add(1);
        let (kept, _) = self.kept.entry(time).or_insert((0, place));
        *kept = kept.saturating_add(1);
        *kept
    }

    /// Whether what `by` says at this time somebody else has said, who may have written the time otherwise.
    fn is_copy(&mut self, time: i64, by: u32) -> bool {
        /// How many times within a second or millisecond are compared: an attacker may write any number.
        const MOST: usize = 64;
        let mut says = |time: i64| {
            let said = self.said.get_mut(&time);
            said.is_some_and(|said| said.is_copy(by))
        };
        if says(time) {
            return true;
        }
        let unit = unit_of(time);
        let coarser = [1000, SECOND]
            .into_iter()
            .filter(|other| *other > unit)
            .map(|other| (other, time.div_euclid(other) * other))
            .find(|(other, coarse)| unit_of(*coarse) >= *other && says(*coarse));
        if let Some((_, coarse)) = coarser {
            self.refine(coarse, time, by);
            return true;
        }
        unit > 1
            && self
                .said
                .range_mut(time + 1..time + unit)
                .take(MOST)
                .any(|(_, said)| said.is_copy(by))
    }

    /// Notes that one of the records of a time, which this one just said, is of a finer time.
    fn refine(&mut self, coarse: i64, fine: i64, by: u32) {
        if let Some(said) = self.said.get_mut(&coarse) {
            said.kept = said.kept.saturating_sub(1);
            said.here = said.here.saturating_sub(1);
            if said.kept == 0 {
                self.said.remove(&coarse);
            }
        }
        self.said
            .entry(fine)
            .and_modify(|said| {
                said.kept = said.kept.saturating_add(1);
                said.here = said.here.saturating_add(1);
            })
            .or_insert(Said::once(by));
        let of_coarse = self
            .kept_at
            .range_mut((coarse, i64::MIN)..=(coarse, i64::MAX));
        if let Some((&(_, time), count)) = of_coarse.into_iter().find(|(_, count)| **count > 0) {
            *count -= 1;
            let at = self.kept_at.entry((fine, time)).or_default();
            *at = at.saturating_add(1);
        }
    }

    /// Takes back a record that was kept with this time.
    fn take_back(&mut self, time: i64) {
        if let Some(said) = self.said.get_mut(&time) {
            said.kept = said.kept.saturating_sub(1);
            said.here = said.here.saturating_sub(1);
        }
        if let Some(at) = self.kept_at.get_mut(&(time, time)) {
            *at = at.saturating_sub(1);
        }
        if let Some((kept, _)) = self.kept.get_mut(&time) {
            *kept = kept.saturating_sub(1);
        }
    }

    /// All records; one of several parts is named by its time and which of those with this time it is.
    fn into_records(self) -> Vec<Record> {
        let mut ordinals: HashMap<i64, u32> = HashMap::new();
        let mut records = Vec::new();
        for ((finest, time), count) in self.kept_at {
            let place = self.kept.get(&time).map_or(0, |(_, place)| *place);
            for _ in 0..count {
                let ordinal = ordinals.entry(time).or_default();
                *ordinal += 1;
                records.push(Record {
                    time,
                    finest,
                    ordinal: *ordinal,
                    place,
                });
            }
        }
        records
    }
}

impl Sayings {
    /// The same as several.
    fn into_several(self) -> Box<Several> {
        match self {
            Self::More(several) => several,
            Self::One { time, place, said } => Box::new(Several {
                said: [(time, said)].into(),
                kept_at: [((time, time), said.kept)].into(),
                kept: [(time, (said.kept, place))].into(),
            }),
        }
    }
}

/// Records without numbers, by a hash of what they say, of whom, and of the second of their time.
#[derive(Debug, Default)]
pub(crate) struct Contents(HashMap<u64, Sayings, BuildHasherDefault<Through>>);

/// A record as it is noted: when it was (microseconds since 1970-01-01 UTC), the same as finely as any copy of it writes it, who
/// says it (a source, or while parts are joined one of them), and its place in the collector's coverage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub time: i64,
    pub finest: i64,
    pub by: u32,
    pub place: u32,
}

/// A record that was kept: its time, the same as finely as any copy writes it, which of those with this content and time it is,
/// from 1, and its place in the collector's coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub time: i64,
    pub finest: i64,
    pub ordinal: u32,
    pub place: u32,
}

impl Contents {
    /// Notes a record. Answers which of those with its time it is, from 1; nothing where it is a copy of one that somebody
    /// else said.
    pub fn add(&mut self, content: u64, noted: Noted) -> Option<u32> {
        use std::collections::hash_map::Entry;

        match self.0.entry(content) {
            Entry::Vacant(place) if noted.time == noted.finest => {
                place.insert(Sayings::One {
                    time: noted.time,
                    place: noted.place,
                    said: Said::once(noted.by),
                });
                Some(1)
            }
            Entry::Vacant(place) => {
                let mut several = Several::default();
                let ordinal = several.keep(noted);
                place.insert(Sayings::More(Box::new(several)));
                Some(ordinal)
            }
            Entry::Occupied(mut place) => {
                let known = place.get_mut();
                if let Sayings::One { time, said, .. } = known
                    && [noted.time, noted.finest] == [*time; 2]
                {
                    if said.is_copy(noted.by) {
                        return None;
                    }
                    said.kept = said.kept.saturating_add(1);
                    said.here = said.kept;
                    return Some(said.kept);
                }
                let before = std::mem::replace(known, Sayings::More(Box::default()));
                let mut several = before.into_several();
                let is_copy = several.is_copy(noted.finest, noted.by);
                let ordinal = (!is_copy).then(|| several.keep(noted));
                *known = Sayings::More(several);
                ordinal
            }
        }
    }

    /// Takes a record back that was noted with this content and time.
    pub fn take_back(&mut self, content: u64, time: i64) {
        match self.0.get_mut(&content) {
            Some(Sayings::One { said, .. }) => {
                said.kept = said.kept.saturating_sub(1);
                said.here = said.here.saturating_sub(1);
            }
            Some(Sayings::More(several)) => several.take_back(time),
            None => {}
        }
    }

    /// All records, with their content.
    pub fn into_records(self) -> impl Iterator<Item = (u64, Record)> {
        self.0.into_iter().flat_map(|(content, all)| {
            let records = match all {
                Sayings::One { time, place, said } => (1..=said.kept)
                    .map(|ordinal| Record {
                        time,
                        finest: time,
                        ordinal,
                        place,
                    })
                    .collect(),
                Sayings::More(several) => several.into_records(),
            };
            records.into_iter().map(move |record| (content, record))
        })
    }
}

/// One batch of a table, and of each row whether its record has a number of its own; nothing where all have.
pub(crate) type Numbered = (RecordBatch, Option<Vec<bool>>);

/// Leaves the records without a number out that are in the table with their number, too: an export that lost the numbers,
/// beside the log itself. Of two that have the same machine and second it compares what both say of the event. Answers the
/// machines of those left out.
pub(crate) fn without_unnumbered(batches: &mut [Numbered]) -> Result<Vec<String>, ArrowError> {
    let mut left_out = Vec::new();
    let has = |wanted: bool| {
        batches.iter().any(|(batch, numbered)| match numbered {
            Some(flags) => flags.contains(&wanted),
            None => wanted && batch.num_rows() > 0,
        })
    };
    if !has(false) || !has(true) {
        return Ok(left_out);
    }
    let heads: Vec<Option<Heads>> = batches
        .iter()
        .map(|(batch, _)| Heads::of(batch))
        .collect::<Result<_, _>>()?;
    let rows =
        |wanted: bool| {
            batches.iter().zip(&heads).enumerate().flat_map(
                move |(at, ((batch, numbered), heads))| {
                    (0..batch.num_rows()).filter_map(move |row| {
                        let is = numbered
                            .as_ref()
                            .is_none_or(|flags| flags.get(row).copied().unwrap_or(true));
                        let heads = heads.as_ref().filter(|_| is == wanted)?;
                        Some((at, row, heads.key(row)))
                    })
                },
            )
        };
    let wanted: HashSet<u64> = rows(false).map(|(_, _, key)| key).collect();
    let mut originals: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
    for (at, row, key) in rows(true).filter(|(_, _, key)| wanted.contains(key)) {
        originals.entry(key).or_default().push((at, row));
    }
    let mut columns: Vec<Option<Columns>> = batches.iter().map(|_| None).collect();
    let mut copies: Vec<HashSet<usize>> = batches.iter().map(|_| HashSet::new()).collect();
    for (at, row, key) in rows(false) {
        let Some(candidates) = originals.get_mut(&key) else {
            continue;
        };
        for of in candidates.iter().map(|(of, _)| *of).chain([at]) {
            if let (Some(place), Some((batch, _))) = (columns.get_mut(of), batches.get(of))
                && place.is_none()
            {
                *place = Some(Columns::of(batch)?);
            }
        }
        let same = candidates.iter().position(|(of, other)| {
            let (Some(Some(a)), Some(Some(b))) = (heads.get(at), heads.get(*of)) else {
                return false;
            };
            let (Some(Some(mine)), Some(Some(its))) = (columns.get(at), columns.get(*of)) else {
                return false;
            };
            agree(a.time(row), b.time(*other))
                && a.host(row).eq_ignore_ascii_case(&b.host(*other))
                && mine.says_the_same(row, its, *other)
        });
        if let Some(same) = same {
            // It is the original of no other.
            candidates.swap_remove(same);
            left_out.extend(
                heads
                    .get(at)
                    .and_then(Option::as_ref)
                    .map(|heads| heads.host(row).into_owned()),
            );
            if let Some(copies) = copies.get_mut(at) {
                copies.insert(row);
            }
        }
    }
    for ((batch, numbered), copies) in batches.iter_mut().zip(&copies) {
        if copies.is_empty() {
            continue;
        }
        let kept: BooleanArray = (0..batch.num_rows())
            .map(|row| Some(!copies.contains(&row)))
            .collect();
        if let Some(flags) = numbered {
            let mut row = 0;
            flags.retain(|_| {
                row += 1;
                !copies.contains(&(row - 1))
            });
        }
        *batch = arrow_select::filter::filter_record_batch(batch, &kept)?;
    }
    Ok(left_out)
}

/// Machine and time of the rows of a batch.
struct Heads {
    hosts: ArrayRef,
    times: Int64Array,
}

impl Heads {
    fn of(batch: &RecordBatch) -> Result<Option<Self>, ArrowError> {
        let times = batch
            .column_by_name(TIME)
            .and_then(|column| column.as_any().downcast_ref::<Int64Array>());
        Ok(match (batch.column_by_name(HOST), times) {
            (Some(hosts), Some(times)) => Some(Self {
                hosts: pack::unpacked(hosts)?,
                times: times.clone(),
            }),
            _ => None,
        })
    }

    fn time(&self, row: usize) -> i64 {
        self.times.value(row)
    }

    fn host(&self, row: usize) -> Cow<'_, str> {
        value(&self.hosts, row).unwrap_or_default()
    }

    /// A hash of machine and second.
    fn key(&self, row: usize) -> u64 {
        let host = self.host(row).to_ascii_lowercase();
        xxhash_rust::xxh3::xxh3_64_with_seed(
            host.as_bytes(),
            self.time(row).div_euclid(SECOND).cast_unsigned(),
        )
    }
}

/// What the rows of a batch say of the event itself, by name.
struct Columns(HashMap<String, ArrayRef>);

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let schema = batch.schema();
        let own = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(field, _)| is_own_data(field.name()));
        let columns =
            own.map(|(field, column)| Ok((field.name().clone(), pack::unpacked(column)?)));
        columns.collect::<Result<_, ArrowError>>().map(Self)
    }

    /// Whether two rows say the same in all fields that both have, and have any, or neither has one.
    fn says_the_same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        let mut common = 0;
        let mut own = 0;
        for (name, column) in &self.0 {
            let Some(mine) = value(column, row) else {
                continue;
            };
            own += 1;
            let Some(its) = other
                .0
                .get(name)
                .and_then(|column| value(column, other_row))
            else {
                continue;
            };
            // The number of a text of Windows, which a rendered message has in words.
            let is_text = its.starts_with("%%") || mine.starts_with("%%");
            if !is_text && !mine.trim().eq_ignore_ascii_case(its.trim()) {
                return false;
            }
            common += 1;
        }
        common > 0
            || (own == 0
                && other
                    .0
                    .values()
                    .all(|column| value(column, other_row).is_none()))
    }
}

/// A cell as text; several values one after another.
fn value(column: &ArrayRef, row: usize) -> Option<Cow<'_, str>> {
    if column.is_null(row) {
        return None;
    }
    let any = column.as_any();
    if let Some(texts) = any.downcast_ref::<StringArray>() {
        return Some(Cow::Borrowed(texts.value(row)));
    }
    let list = any.downcast_ref::<ListArray>()?.value(row);
    let texts = list.as_any().downcast_ref::<StringArray>()?;
    let all: Vec<&str> = texts.iter().flatten().collect();
    Some(Cow::Owned(all.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::agree;

    #[test]
    fn times_agree_as_far_as_the_coarser_goes() {
        let second = 1_772_359_200_000_000;
        for (a, b, same) in [
            (123_456, 123_456, true),
            (123_456, 123_000, true),
            (123_456, 0, true),
            (123_000, 0, true),
            (123_456, 123_457, false),
            (123_000, 124_000, false),
            (123_456, 124_000, false),
            (999_999, 1_000_000, false),
        ] {
            assert_eq!(agree(second + a, second + b), same, "{a} {b}");
            assert_eq!(agree(second + b, second + a), same, "{b} {a}");
        }
    }
}
