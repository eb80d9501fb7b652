//! Where readers put their results: one growing table per event type, column by column.
//!
//! A reader asks for the table of an event type once ([`Collector::table`]), begins a row ([`Collector::begin`]) and
//! pushes values into columns ([`Collector::push`]). Events that the run does not need are counted and not stored
//! ([`Demand`]). A record already read from another file is counted and dropped: one with the same host, channel,
//! record number and second or, without record numbers, one with the same content at the same time, to the digits of both.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::{Deref, RangeInclusive};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use crabwalk_vocabulary::{Origin, is_windows};

pub use crate::copies::agree as times_agree;
use crate::copies::{Contents, Noted, Numbered, without_unnumbered};
use crate::pack;

/// Name of the column with the time of the event: microseconds since 1970-01-01 UTC, `Int64`.
pub const TIME: &str = "_time";
/// Name of the column with the machine that wrote the event, as the event names it, `Utf8`.
pub const HOST: &str = "host";
/// Name of the column with the index of the source the event was read from, `UInt32`.
pub const SOURCE: &str = "_source";
/// Name of the column with the record number inside its source, `UInt64`; of a record that has none its place among the
/// records read, with the bit [`UNNUMBERED`].
pub const RECORD: &str = "_record";

/// Set in [`RECORD`] if the record has no number of its own.
pub const UNNUMBERED: u64 = 1 << 63;

/// The number that a record has in its log, from the column [`RECORD`]; `None` if it has none.
pub fn number_in_log(record: u64) -> Option<u64> {
    (record & UNNUMBERED == 0).then_some(record)
}

/// Where a record is in its source, from the column [`RECORD`]: its number, or its place among the records read.
pub fn place_in_source(record: u64) -> u64 {
    record & !UNNUMBERED
}

/// Name of the column that identifies copies of records without a record number, if [`Demand::identities`] requests it,
/// `UInt64`: a hash of the record's full content and of its repetition within the source. NULL if the record has a
/// number ([`number_identity`]), 0 if it has no identity.
pub const IDENTITY: &str = "_identity";

/// Name of the column with the event as XML, if [`Demand::xml`] requests it, `Utf8`.
pub const XML: &str = "_xml";

/// Prefix for a field of the event's data that shares its name with a header field.
pub const OWN_DATA: &str = "EventData.";

/// What every event has besides its data, whoever wrote it.
const METADATA: [&str; 8] = [
    TIME,
    HOST,
    SOURCE,
    RECORD,
    IDENTITY,
    XML,
    "source",
    "sourcetype",
];

/// Whether a column is made while logs are read, and is no field of the event.
pub fn is_made(name: &str) -> bool {
    name.starts_with(RESERVED) || matches!(name, TIME | SOURCE | RECORD | IDENTITY | XML)
}

/// Header fields of a Windows event (its `System` element), and their names in searches.
const HEADER: [&str; 20] = [
    "ActivityID",
    "Channel",
    "Computer",
    "EventCode",
    "EventID",
    "EventRecordID",
    "EventSourceName",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "Keywords",
    "Level",
    "LogName",
    "Opcode",
    "Provider",
    "ProviderGuid",
    "Qualifiers",
    "RelatedActivityID",
    "Task",
    "UserID",
    "Version",
];

/// The column for a field of an event's data (`EventData`, `UserData`, a row of a Zeek log). Header and data are
/// separate namespaces: a plain name means the header if it has such a field, and the data's field is then called
/// `EventData.Provider`, `EventData.host` and so on.
///
/// ```
/// use crabwalk_sources::collect::data_column;
///
/// assert_eq!(data_column("System", 105, "Channel"), "EventData.Channel");
/// assert_eq!(data_column("zeek:http", 0, "host"), "EventData.host");
/// assert_eq!(data_column("zeek:ssh", 0, "Version"), "Version");
/// assert_eq!(data_column("Security", 4624, "TargetUserName"), "TargetUserName");
/// ```
pub fn data_column<'n>(channel: &str, event_id: u32, name: &'n str) -> Cow<'n, str> {
    if METADATA.contains(&name)
        || (HEADER.binary_search(&name).is_ok() && is_windows(channel, event_id))
    {
        Cow::Owned(format!("{OWN_DATA}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether a column of a Windows event holds what the event itself says: it is no field of the header, and was not made of the
/// event or put around it.
pub(crate) fn is_own_data(name: &str) -> bool {
    const MADE: [&str; 6] = [
        "Category",
        "Message",
        "RuleTitle",
        "Severity",
        "SeverityValue",
        "TaskCategory",
    ];
    !METADATA.contains(&name) && HEADER.binary_search(&name).is_err() && !MADE.contains(&name)
}

/// Which columns of an event type a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// Only their number: they are counted, not stored.
    None,
    /// Those with these names; a name made by [`alike`] matches all similar spellings.
    Named(Arc<BTreeSet<String>>),
    /// Every column.
    All,
}

impl Columns {
    /// Whether a field is among them.
    pub fn has(&self, field: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(names) => names.contains(field) || names.contains(&alike(field)),
        }
    }
}

/// First character of names that no field of an event can have: what would begin with it in a log begins with `_` in
/// its place. The names that a run makes for itself stand apart by it.
pub const RESERVED: char = '\u{1}';

/// A name for [`Columns::Named`] that matches all names that differ from it only in case and in characters other than
/// letters and digits: `NewValue` for `New Value`, `id_orig_h` for `id.orig_h`.
pub fn alike(name: &str) -> String {
    let letters = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase);
    std::iter::once(RESERVED).chain(letters).collect()
}

/// What a run needs from the logs. Queried once per event type and reader thread.
pub trait Demand: Send + Sync {
    /// The columns needed from events of `channel` (compared case-insensitively) with this id.
    fn columns(&self, channel: &str, event_id: u32) -> Columns;

    /// Whether this event of a needed type is itself needed; it is counted either way. Queried for each event.
    fn keeps(&self, head: &Head<'_>) -> bool {
        let _ = head;
        true
    }

    /// The record numbers, ascending, needed from the source with this path, if only some are. Others may be skipped
    /// without being decoded or counted.
    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        let _ = path;
        None
    }

    /// The time range, in microseconds since 1970-01-01 UTC, both ends inclusive, outside of which no event is needed.
    /// Such events are counted as soon as their time is known, and not decoded.
    fn window(&self) -> RangeInclusive<i64> {
        i64::MIN..=i64::MAX
    }

    /// Whether events are also needed as XML, in the column [`XML`]. Sources with binary or textual event XML can
    /// provide it.
    fn xml(&self) -> bool {
        false
    }

    /// Whether the identities of copies are needed after reading, in the column [`IDENTITY`]: required by anyone who
    /// stores events and reads more of them later.
    fn identities(&self) -> bool {
        false
    }
}

/// A demand for everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everything;

impl Demand for Everything {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }
}

/// Another demand restricted to a time range. `P` points to that other demand.
#[derive(Debug, Clone)]
pub struct Within<P> {
    demand: P,
    window: RangeInclusive<i64>,
}

impl<P> Within<P>
where
    P: Deref<Target: Demand>,
{
    /// The needs of `demand` for events not before `since` and not after `until` (microseconds since 1970-01-01 UTC);
    /// `None` leaves that side open.
    pub fn new(demand: P, since: Option<i64>, until: Option<i64>) -> Self {
        let own = demand.window();
        let since = since.unwrap_or(i64::MIN).max(*own.start());
        let until = until.unwrap_or(i64::MAX).min(*own.end());
        Self {
            demand,
            window: since..=until,
        }
    }
}

impl<P> Demand for Within<P>
where
    P: Deref<Target: Demand> + Send + Sync,
{
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        self.demand.columns(channel, event_id)
    }

    fn keeps(&self, head: &Head<'_>) -> bool {
        self.demand.keeps(head)
    }

    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        self.demand.record_numbers(path)
    }

    fn window(&self) -> RangeInclusive<i64> {
        self.window.clone()
    }

    fn xml(&self) -> bool {
        self.demand.xml()
    }

    fn identities(&self) -> bool {
        self.demand.identities()
    }
}

/// The union of several demands: everything that any of them needs is read. `P` points to each of them.
///
/// ```
/// use crabwalk_sources::collect::{All, Columns, Demand};
///
/// struct Of(u32);
///
/// impl Demand for Of {
///     fn columns(&self, _: &str, event_id: u32) -> Columns {
///         if event_id == self.0 { Columns::All } else { Columns::None }
///     }
/// }
///
/// let (logons, processes): (&dyn Demand, &dyn Demand) = (&Of(4624), &Of(4688));
/// let both = All::of([logons, processes]);
/// assert_eq!(both.columns("Security", 4688), Columns::All);
/// assert_eq!(both.columns("Security", 4698), Columns::None);
/// ```
#[derive(Debug, Clone)]
pub struct All<P>(Vec<P>);

impl<P> All<P> {
    /// The union of `parts`.
    pub fn of(parts: impl IntoIterator<Item = P>) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl<P> Demand for All<P>
where
    P: Deref<Target: Demand> + Send + Sync,
{
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        let mut all = Columns::None;
        for part in &self.0 {
            all = match (all, part.columns(channel, event_id)) {
                (Columns::All, _) | (_, Columns::All) => return Columns::All,
                (Columns::None, one) | (one, Columns::None) => one,
                (Columns::Named(a), Columns::Named(b)) => {
                    Columns::Named(Arc::new(a.union(&b).cloned().collect()))
                }
            };
        }
        all
    }

    fn keeps(&self, head: &Head<'_>) -> bool {
        self.0.iter().any(|part| part.keeps(head))
    }

    /// Numbers only for a single demand: they are not merged, so with several all records are read.
    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        match self.0.as_slice() {
            [one] => one.record_numbers(path),
            _ => None,
        }
    }

    /// From the earliest to the latest that any of them needs.
    fn window(&self) -> RangeInclusive<i64> {
        self.0
            .iter()
            .map(|part| part.window())
            .reduce(|a, b| *a.start().min(b.start())..=*a.end().max(b.end()))
            .unwrap_or(i64::MIN..=i64::MAX)
    }

    fn xml(&self) -> bool {
        self.0.iter().any(|part| part.xml())
    }

    fn identities(&self) -> bool {
        self.0.iter().any(|part| part.identities())
    }
}

/// Handle of an event type's table in one [`Collector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u32);

/// Handle of a column in one table of one [`Collector`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(u32);

/// What every event has.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// The machine that wrote the event, as the event names it.
    pub host: &'a str,
    /// Index of the source (file, archive member) it was read from.
    pub source: u32,
    /// Record number: the event's own if it has one, otherwise its ordinal in the source, from 1.
    pub record: u64,
    /// Whether `record` is the event's own number, which identifies copies of the event in other files.
    pub numbered: bool,
}

/// The result of beginning a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Push its values now.
    Row,
    /// It was counted; its values are not needed.
    Counted,
    /// The same record was read before.
    Duplicate,
}

/// The coverage of a host's log channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The machine, as its events name it.
    pub host: String,
    /// The channel, or the kind of log, such as `zeek:conn`.
    pub channel: String,
    /// Time of the earliest event, in microseconds since 1970-01-01 UTC.
    pub first: i64,
    /// Time of the latest event, in microseconds since 1970-01-01 UTC.
    pub last: i64,
    /// Number of distinct events.
    pub records: u64,
    /// When the log was cleared (Security 1102, System 104), in microseconds since 1970-01-01 UTC.
    pub cleared: Vec<i64>,
}

/// All events of one type that a run keeps.
#[derive(Debug, Clone)]
pub struct EventTable {
    /// The log channel, or the kind of log from another source (`zeek:conn`).
    pub channel: String,
    /// Event id; 0 if the source has none.
    pub event_id: u32,
    /// Names of all fields of such events, stored or not.
    pub fields_seen: BTreeSet<String>,
    /// Columns of all batches: `_time`, `host`, `_source`, `_record`, then fields as `Utf8`, or as `List<Utf8>` if an
    /// event repeats the field.
    pub schema: Arc<Schema>,
    /// Machines whose events of this type are all outside of [`Demand::window`], and so not in `batches`.
    pub hosts_outside: BTreeSet<String>,
    /// The events, in reading order. In large batches text columns may be packed ([`crate::pack`]).
    pub batches: Vec<RecordBatch>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// The events, by type, sorted by channel and id.
    pub tables: Vec<EventTable>,
    /// The coverage of each log of each host, sorted by host and channel.
    pub coverage: Vec<Coverage>,
    /// Records dropped because they had been read before: from another file or, for numbered records, from the same.
    pub duplicates: u64,
}

/// The identity of a record, which reveals copies.
#[derive(Debug, Clone, Copy)]
enum Identity {
    /// Its number, with its host, channel, id and time.
    Number,
    /// The same, of a record that quotes part of the event.
    Quote,
    /// A hash of its full content.
    Content(u64),
    /// Nothing.
    Unknown,
}

/// Uses a 64-bit key as its own hash: the keys here are hashes already.
#[derive(Default)]
pub(crate) struct Through(u64);

impl Hasher for Through {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
    /// A text is hashed as its bytes and one more, the same for all texts, which must not replace their hash.
    fn write_u8(&mut self, byte: u8) {
        self.0 ^= u64::from(byte);
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

type Seen = HashMap<u64, u32, BuildHasherDefault<Through>>;

/// A list whose members are called by their place. It only grows: every place that it gave out stays.
#[derive(Debug)]
struct Places<T>(Vec<T>);

impl<T> Places<T> {
    /// Adds a member, and says where it is.
    fn push(&mut self, member: T) -> u32 {
        let place = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push(member);
        place
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "a place comes from `push` of the same list alone, and nothing is taken out of it"
)]
mod places {
    use std::ops::{Index, IndexMut};

    use super::Places;

    impl<T> Index<u32> for Places<T> {
        type Output = T;

        fn index(&self, place: u32) -> &T {
            &self.0[place as usize]
        }
    }

    impl<T> IndexMut<u32> for Places<T> {
        fn index_mut(&mut self, place: u32) -> &mut T {
            &mut self.0[place as usize]
        }
    }
}

/// A table while parts are joined.
#[derive(Default)]
struct Joined {
    channel: String,
    fields_seen: BTreeSet<String>,
    hosts_outside: BTreeSet<String>,
    batches: Vec<Numbered>,
}

/// Rows of a table that are a batch already.
#[derive(Debug)]
struct Done {
    batch: RecordBatch,
    keys: Vec<u64>,
    /// Of each row whether its record has a number; nothing where all have.
    numbered: Option<Vec<bool>>,
}

#[derive(Debug, Default)]
struct Column {
    name: String,
    data: Vec<u8>,
    /// End of each value in `data`.
    ends: Vec<u32>,
    /// Row of each value; ascending, repeated if a row has several values.
    rows: Vec<u32>,
}

#[derive(Debug)]
struct Table {
    channel: String,
    event_id: u32,
    wanted: Columns,
    fields_seen: BTreeSet<String>,
    hosts_outside: BTreeSet<String>,
    columns: Places<Column>,
    by_name: HashMap<String, Option<ColumnId>>,
    times: Vec<i64>,
    hosts: Column,
    sources: Vec<u32>,
    records: Vec<u64>,
    keys: Vec<u64>,
    numbered: Vec<bool>,
    bytes: usize,
    done: Vec<Done>,
}

/// Number of rows, and of bytes, after which a table's columns become a batch.
const BATCH_ROWS: usize = 1 << 17;
const BATCH_BYTES: usize = 64 << 20;

/// A record that was begun and can be taken back.
#[derive(Debug, Clone, Copy)]
struct Current {
    identity: Identity,
    /// Whether it took the place of one that quotes it.
    overtook: bool,
    key: u64,
    /// Key in `contents`.
    content: u64,
    time: i64,
    /// Place in `coverage`.
    coverage: u32,
    has_row: bool,
}

/// Collects the events that one thread reads. See the module's documentation.
pub struct Collector<'d> {
    demand: &'d dyn Demand,
    /// What [`Demand::window`] says.
    window: RangeInclusive<i64>,
    tables: Places<Table>,
    by_type: HashMap<(String, u32), TableId>,
    coverage: Places<Coverage>,
    coverage_index: HashMap<(String, String), u32>,
    last_coverage: Option<u32>,
    /// Key of each record read, with its index in `coverage`.
    seen: Seen,
    /// Those of `seen` that were only quoted so far.
    quoted: Seen,
    /// Keys of rows ([`key_of_quote`]) that quote what was read in full later.
    overtaken: Copies,
    /// What records without a number say.
    contents: Contents,
    /// What [`Demand::identities`] says.
    keeps_identities: bool,
    duplicates: u64,
    /// The record begun last.
    current: Option<Current>,
    /// [`Demand::record_numbers`] for the current source.
    numbers: Option<&'d [u64]>,
    scratch: String,
}

/// Demands select records by their place in the source, with or without a number.
fn is_demanded(demand: &dyn Demand, head: &Head<'_>) -> bool {
    demand.keeps(&Head {
        record: place_in_source(head.record),
        ..*head
    })
}

impl<'d> Collector<'d> {
    /// An empty collector for a run that needs `demand`.
    pub fn new(demand: &'d dyn Demand) -> Self {
        Self {
            demand,
            window: demand.window(),
            tables: Places(Vec::new()),
            by_type: HashMap::new(),
            coverage: Places(Vec::new()),
            coverage_index: HashMap::new(),
            last_coverage: None,
            seen: Seen::default(),
            quoted: Seen::default(),
            overtaken: Copies::default(),
            contents: Contents::default(),
            keeps_identities: demand.identities(),
            duplicates: 0,
            current: None,
            numbers: None,
            scratch: String::new(),
        }
    }

    /// The table of an event type. The channel is compared case-insensitively.
    pub fn table(&mut self, channel: &str, event_id: u32) -> TableId {
        let key = (channel.to_lowercase(), event_id);
        if let Some(id) = self.by_type.get(&key) {
            return *id;
        }
        let id = TableId(self.tables.push(Table {
            channel: channel.to_owned(),
            event_id,
            wanted: self.demand.columns(channel, event_id),
            fields_seen: BTreeSet::new(),
            hosts_outside: BTreeSet::new(),
            columns: Places(Vec::new()),
            by_name: HashMap::new(),
            times: Vec::new(),
            hosts: Column {
                name: HOST.to_owned(),
                ..Column::default()
            },
            sources: Vec::new(),
            records: Vec::new(),
            keys: Vec::new(),
            numbered: Vec::new(),
            bytes: 0,
            done: Vec::new(),
        }));
        self.by_type.insert(key, id);
        id
    }

    /// The column of a field, or `None` if the run does not need it. Either way the field is recorded as existing.
    pub fn column(&mut self, table: TableId, name: &str) -> Option<ColumnId> {
        if name == XML {
            return None;
        }
        if let Some(rest) = name.strip_prefix(RESERVED) {
            return self.column(table, &format!("_{rest}"));
        }
        let table = &mut self.tables[table.0];
        if let Some(known) = table.by_name.get(name) {
            return *known;
        }
        table.fields_seen.insert(name.to_owned());
        let reserved = matches!(name, TIME | HOST | SOURCE | RECORD | IDENTITY);
        let needed = !reserved && table.wanted.has(name);
        let id = needed.then(|| {
            ColumnId(table.columns.push(Column {
                name: name.to_owned(),
                ..Column::default()
            }))
        });
        table.by_name.insert(name.to_owned(), id);
        id
    }

    /// Like [`column`](Self::column), for a field of the event's data ([`data_column`]).
    pub fn own_column(&mut self, table: TableId, name: &str) -> Option<ColumnId> {
        let own = &self.tables[table.0];
        match data_column(&own.channel, own.event_id, name) {
            Cow::Borrowed(name) => self.column(table, name),
            Cow::Owned(name) => self.column(table, &name),
        }
    }

    /// Whether the run needs any column of this table.
    pub fn wants(&self, table: TableId) -> bool {
        self.tables[table.0].wanted != Columns::None
    }

    /// Sets the source of what is read next.
    pub(crate) fn reads(&mut self, path: &str) {
        self.numbers = self.demand.record_numbers(path);
    }

    /// Whether the run needs only some records of the current source.
    pub(crate) fn is_selective(&self) -> bool {
        self.numbers.is_some()
    }

    /// Whether the run does not need the record with this number from the current source.
    pub(crate) fn passes_over(&self, number: u64) -> bool {
        self.numbers
            .is_some_and(|numbers| numbers.binary_search(&number).is_err())
    }

    /// Whether the run may need a record with a number from `first` to `last` from the current source.
    pub(crate) fn wants_any(&self, first: u64, last: u64) -> bool {
        self.numbers.is_none_or(|numbers| {
            let at = numbers.partition_point(|number| *number < first);
            numbers.get(at).is_some_and(|number| *number <= last)
        })
    }

    /// Whether the run also needs events as XML, in the column [`XML`].
    pub(crate) fn wants_xml(&self) -> bool {
        self.demand.xml()
    }

    /// Whether the run needs this event, so that readers need not decode others.
    pub fn keeps(&self, head: &Head<'_>) -> bool {
        self.window.contains(&head.time) && is_demanded(self.demand, head)
    }

    /// Counts an event and begins its row. Push its values only if this returns [`Begun::Row`].
    pub fn begin(&mut self, table: TableId, head: &Head<'_>) -> Begun {
        let identity = match head.numbered {
            true => Identity::Number,
            false => Identity::Unknown,
        };
        self.begin_as(table, head, identity)
    }

    /// Like [`begin`](Self::begin), for a record without a number. `content` is a hash of its full content.
    pub fn begin_unnumbered(&mut self, table: TableId, head: &Head<'_>, content: u64) -> Begun {
        self.begin_as(table, head, Identity::Content(content))
    }

    /// Like [`begin`](Self::begin), for a numbered record that quotes part of the event: the event itself takes its place,
    /// whichever is read first.
    pub fn begin_quoted(&mut self, table: TableId, head: &Head<'_>) -> Begun {
        self.begin_as(table, head, Identity::Quote)
    }

    fn begin_as(&mut self, table: TableId, head: &Head<'_>, identity: Identity) -> Begun {
        use std::collections::hash_map::Entry;

        let coverage = self.coverage_of(table, head);
        let own = &self.tables[table.0];
        let (channel, event_id) = (&own.channel, own.event_id);
        let mut overtook = None;
        let (key, content, is_copy) = match identity {
            Identity::Number | Identity::Quote => {
                let key = number_identity(head.host, channel, event_id, head.record, head.time);
                let is_quote = matches!(identity, Identity::Quote);
                let is_copy = match self.seen.entry(key) {
                    Entry::Occupied(_) if !is_quote => {
                        overtook = self.quoted.remove(&key);
                        overtook.is_none()
                    }
                    Entry::Occupied(_) => true,
                    Entry::Vacant(place) => {
                        place.insert(coverage);
                        if is_quote {
                            self.quoted.insert(key, coverage);
                        }
                        false
                    }
                };
                (key, 0, is_copy)
            }
            Identity::Content(content) => {
                // Some forms of a sensor's log name the sensor, others do not.
                let host = match Origin::of(channel) {
                    Origin::Network => "",
                    _ => head.host,
                };
                let seconds = head.time.div_euclid(1_000_000);
                let content = record_key(host, channel, event_id, content, seconds);
                let noted = Noted {
                    time: head.time,
                    finest: head.time,
                    by: head.source,
                    place: coverage,
                };
                match self.contents.add(content, noted) {
                    Some(ordinal) => (
                        content_identity(content, head.time, ordinal),
                        content,
                        false,
                    ),
                    None => (0, content, true),
                }
            }
            Identity::Unknown => (0, 0, false),
        };
        if is_copy {
            self.duplicates += 1;
            self.current = None;
            return Begun::Duplicate;
        }
        if let Some(place) = overtook {
            self.duplicates += 1;
            self.overtaken.insert(key_of_quote(key));
            let covered = &mut self.coverage[place];
            covered.records = covered.records.saturating_sub(1);
        }
        self.current = Some(Current {
            identity,
            overtook: overtook.is_some(),
            key,
            content,
            time: head.time,
            coverage,
            has_row: false,
        });
        let covered = &mut self.coverage[coverage];
        covered.records += 1;
        covered.first = covered.first.min(head.time);
        covered.last = covered.last.max(head.time);
        let table = &mut self.tables[table.0];
        if matches!(table.event_id, 1102 | 104) && is_clearing(&table.channel, table.event_id) {
            covered.cleared.push(head.time);
        }
        if table.wanted == Columns::None {
            return Begun::Counted;
        }
        if !self.window.contains(&head.time) {
            if !table.hosts_outside.contains(head.host) {
                table.hosts_outside.insert(head.host.to_owned());
            }
            return Begun::Counted;
        }
        if !is_demanded(self.demand, head) {
            return Begun::Counted;
        }
        if let Some(current) = &mut self.current {
            current.has_row = true;
        }
        if table.times.len() >= BATCH_ROWS || table.bytes >= BATCH_BYTES {
            table.flush(self.keeps_identities);
        }
        table.times.push(head.time);
        let row = table.row();
        table.hosts.push(row, head.host);
        table.sources.push(head.source);
        table.records.push(head.record);
        table.keys.push(match identity {
            Identity::Quote => key_of_quote(key),
            _ => key,
        });
        table
            .numbered
            .push(matches!(identity, Identity::Number | Identity::Quote));
        table.bytes += 32 + head.host.len();
        Begun::Row
    }

    /// Puts the event's XML into the row begun last in this table.
    pub(crate) fn push_xml(&mut self, table: TableId, xml: &str) {
        let own = &mut self.tables[table.0];
        let column = match own.by_name.get(XML) {
            Some(Some(column)) => *column,
            _ => {
                let column = ColumnId(own.columns.push(Column {
                    name: XML.to_owned(),
                    ..Column::default()
                }));
                own.by_name.insert(XML.to_owned(), Some(column));
                column
            }
        };
        self.push(table, column, xml);
    }

    /// Appends a value to a column of the row begun last in this table. Repeated pushes make the field multivalued.
    pub fn push(&mut self, table: TableId, column: ColumnId, value: &str) {
        let table = &mut self.tables[table.0];
        let row = table.row();
        table.bytes += value.len() + 8;
        table.columns[column.0].push(row, value);
    }

    /// Like [`push`](Self::push), but the reader writes the value's text into the (empty) string.
    pub fn push_with(&mut self, table: TableId, column: ColumnId, write: impl FnOnce(&mut String)) {
        let table = &mut self.tables[table.0];
        let row = table.row();
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        write(&mut text);
        table.bytes += text.len() + 8;
        table.columns[column.0].push(row, &text);
        self.scratch = text;
    }

    /// Takes back the row begun last in this table, because its record proved unreadable.
    pub fn abort(&mut self, table: TableId) {
        // Nothing was begun since the last call, or it was a copy.
        let Some(current) = self.current.take() else {
            return;
        };
        match current.identity {
            Identity::Number if current.overtook => {
                self.duplicates = self.duplicates.saturating_sub(1);
                self.overtaken.remove(&key_of_quote(current.key));
                self.quoted.insert(current.key, current.coverage);
                self.coverage[current.coverage].records += 1;
            }
            Identity::Number | Identity::Quote => {
                self.seen.remove(&current.key);
                self.quoted.remove(&current.key);
            }
            Identity::Content(_) => self.contents.take_back(current.content, current.time),
            Identity::Unknown => {}
        }
        let covered = &mut self.coverage[current.coverage];
        covered.records = covered.records.saturating_sub(1);
        let table = &mut self.tables[table.0];
        if !current.has_row || table.times.is_empty() {
            return;
        }
        let row = table.row();
        for column in table.columns.0.iter_mut().chain([&mut table.hosts]) {
            while column.rows.last() == Some(&row) {
                column.rows.pop();
                column.ends.pop();
                column
                    .data
                    .truncate(column.ends.last().copied().unwrap_or(0) as usize);
            }
        }
        table.times.pop();
        table.sources.pop();
        table.records.pop();
        table.keys.pop();
        table.numbered.pop();
    }

    fn coverage_of(&mut self, table: TableId, head: &Head<'_>) -> u32 {
        let channel = &self.tables[table.0].channel;
        if let Some(last) = self.last_coverage {
            let covered = &self.coverage[last];
            if covered.host == head.host && covered.channel.eq_ignore_ascii_case(channel) {
                return last;
            }
        }
        let key = (head.host.to_owned(), channel.to_lowercase());
        let index = *self.coverage_index.entry(key).or_insert_with(|| {
            self.coverage.push(Coverage {
                host: head.host.to_owned(),
                channel: channel.clone(),
                first: head.time,
                last: head.time,
                records: 0,
                cleared: Vec::new(),
            })
        });
        self.last_coverage = Some(index);
        index
    }

    /// Merges the collections of several threads, in this order: the first copy of a record stays, unless it only quotes
    /// what a later one has in full. Everything read from one source without record numbers must be in one part.
    ///
    /// # Errors
    /// An Arrow error if a column cannot be built (a value over 2 GiB).
    pub fn merge(parts: Vec<Collector<'_>>) -> Result<Collected, ArrowError> {
        let mut tables: BTreeMap<(String, u32), Joined> = BTreeMap::new();
        let mut coverage: BTreeMap<(String, String), Coverage> = BTreeMap::new();
        let (mut parts, copies, mut duplicates) = copies_of(parts);
        let mut said_before = Contents::default();
        for ((number, part), mut copies) in (0_u32..).zip(&mut parts).zip(copies) {
            for (content, record) in std::mem::take(&mut part.contents).into_records() {
                let noted = Noted {
                    time: record.time,
                    finest: record.finest,
                    by: number,
                    place: record.place,
                };
                if said_before.add(content, noted).is_none() {
                    copies.insert(content_identity(content, record.time, record.ordinal));
                    if let Some(covered) = part.coverage.0.get_mut(record.place as usize) {
                        covered.records = covered.records.saturating_sub(1);
                    }
                    duplicates += 1;
                }
            }
            for covered in std::mem::take(&mut part.coverage.0) {
                coverage
                    .entry((covered.host.clone(), covered.channel.to_lowercase()))
                    .and_modify(|all| {
                        all.first = all.first.min(covered.first);
                        all.last = all.last.max(covered.last);
                        all.records += covered.records;
                        all.cleared.extend(&covered.cleared);
                    })
                    .or_insert(covered);
            }
            for mut table in std::mem::take(&mut part.tables.0) {
                table.flush(part.keeps_identities);
                let entry = tables
                    .entry((table.channel.to_lowercase(), table.event_id))
                    .or_insert_with(|| Joined {
                        channel: table.channel.clone(),
                        ..Joined::default()
                    });
                entry.fields_seen.append(&mut table.fields_seen);
                entry.hosts_outside.append(&mut table.hosts_outside);
                for done in table.done {
                    entry.batches.push(without_copies(done, &copies)?);
                }
            }
        }
        let mut collected = Collected {
            duplicates,
            ..Collected::default()
        };
        for ((channel, event_id), mut joined) in tables {
            if is_windows(&joined.channel, event_id) {
                for host in without_unnumbered(&mut joined.batches)? {
                    collected.duplicates += 1;
                    if let Some(covered) = coverage.get_mut(&(host, channel.clone())) {
                        covered.records = covered.records.saturating_sub(1);
                    }
                }
            }
            let batches = joined.batches.into_iter().map(|(batch, _)| batch);
            let (schema, batches) = same_schema(batches.collect())?;
            collected.tables.push(EventTable {
                channel: joined.channel,
                event_id,
                fields_seen: joined.fields_seen,
                hosts_outside: joined.hosts_outside,
                schema,
                batches,
            });
        }
        collected.coverage = coverage
            .into_values()
            .filter(|covered| covered.records > 0)
            .collect();
        for covered in &mut collected.coverage {
            covered.cleared.sort_unstable();
            covered.cleared.dedup();
        }
        Ok(collected)
    }
}

/// Security 1102 (audit log cleared) and System 104 (another log cleared).
fn is_clearing(channel: &str, event_id: u32) -> bool {
    (event_id == 1102 && channel.eq_ignore_ascii_case("Security"))
        || (event_id == 104 && channel.eq_ignore_ascii_case("System"))
}

/// The identity of a numbered record. `time` is in microseconds; exports write it with more or fewer digits, truncated,
/// so only whole seconds are the same in all of them.
pub fn number_identity(host: &str, channel: &str, event_id: u32, number: u64, time: i64) -> u64 {
    let seconds = time.div_euclid(1_000_000);
    record_key(host, channel, event_id, number, seconds)
}

/// What tells a record without a number, the `ordinal`th with this content and time.
fn content_identity(content: u64, time: i64, ordinal: u32) -> u64 {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&content.to_le_bytes());
    bytes[8..].copy_from_slice(&ordinal.to_le_bytes());
    identity_at_any_time(xxhash_rust::xxh3::xxh3_64(&bytes), time)
}

/// What the identity of a record without a number ([`IDENTITY`]) is apart from its time, in microseconds: the same for copies
/// whose times lie in one second and are written with more or fewer digits ([`times_agree`]).
pub fn identity_at_any_time(identity: u64, time: i64) -> u64 {
    identity ^ xxhash_rust::xxh3::xxh3_64(&time.to_le_bytes())
}

/// Identity of a record, wherever it was copied to; `own` is its number or content hash. 64 bits: among ten million
/// records the odds of a chance match are about 1 in 370,000.
fn record_key(host: &str, channel: &str, event_id: u32, own: u64, time: i64) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    let mut lower = [0_u8; 256];
    for text in [host, channel] {
        for part in text.as_bytes().chunks(lower.len()) {
            #[expect(
                clippy::indexing_slicing,
                reason = "a part has at most the length of `lower`"
            )]
            let lower = &mut lower[..part.len()];
            lower.copy_from_slice(part);
            lower.make_ascii_lowercase();
            hasher.update(lower);
        }
        hasher.update(&[0]);
    }
    hasher.update(&own.to_le_bytes());
    hasher.update(&time.to_le_bytes());
    hasher.update(&event_id.to_le_bytes());
    hasher.digest()
}

impl Table {
    /// Index of the row begun last.
    fn row(&self) -> u32 {
        u32::try_from(self.times.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// Makes a batch of the rows; `identities`: with [`IDENTITY`].
    fn flush(&mut self, identities: bool) {
        let rows = self.times.len();
        if rows == 0 {
            return;
        }
        let mut fields = vec![
            Field::new(TIME, DataType::Int64, false),
            Field::new(HOST, DataType::Utf8, true),
            Field::new(SOURCE, DataType::UInt32, false),
            Field::new(RECORD, DataType::UInt64, false),
        ];
        let mut hosts = self.hosts.finish(rows);
        if rows >= pack::LEAST_ROWS
            && let Some(packed) = pack::pack(&hosts)
        {
            hosts = packed;
        }
        if let Some(field) = fields.get_mut(1) {
            *field = Field::new(HOST, hosts.data_type().clone(), true);
        }
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.times))),
            hosts,
            Arc::new(UInt32Array::from(std::mem::take(&mut self.sources))),
            Arc::new(UInt64Array::from(std::mem::take(&mut self.records))),
        ];
        let keys = std::mem::take(&mut self.keys);
        let numbered = std::mem::take(&mut self.numbered);
        if identities {
            let own = keys.iter().zip(&numbered);
            fields.push(Field::new(IDENTITY, DataType::UInt64, true));
            arrays.push(Arc::new(UInt64Array::from_iter(
                own.map(|(key, numbered)| (!numbered).then_some(*key)),
            )));
        }
        for column in &mut self.columns.0 {
            if column.rows.is_empty() {
                continue;
            }
            let mut array = column.finish(rows);
            if rows >= pack::LEAST_ROWS
                && let Some(packed) = pack::pack(&array)
            {
                array = packed;
            }
            fields.push(Field::new(
                column.name.clone(),
                array.data_type().clone(),
                true,
            ));
            arrays.push(array);
        }
        // All arrays have `rows` rows by construction, so this cannot fail; an empty batch would be the only loss.
        if let Ok(batch) = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays) {
            self.done.push(Done {
                batch,
                keys,
                numbered: numbered.contains(&false).then_some(numbered),
            });
        }
        self.bytes = 0;
    }
}

impl Column {
    fn push(&mut self, row: u32, value: &str) {
        // A column of one batch stays far below 4 GiB (see BATCH_BYTES); a larger single value is cut.
        let room = (u32::MAX as usize / 2).saturating_sub(self.data.len());
        let value = value.get(..value.floor_char_boundary(room));
        self.data
            .extend_from_slice(value.unwrap_or_default().as_bytes());
        self.ends
            .push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
        self.rows.push(row);
    }

    /// Turns the values into an array of `rows` rows, and empties the column.
    fn finish(&mut self, rows: usize) -> ArrayRef {
        let values = self.ends.len();
        let multivalued = !self.rows.is_sorted_by(|row, next| row < next);
        let ends = self
            .ends
            .iter()
            .map(|end| i32::try_from(*end).unwrap_or(i32::MAX));
        let data = Buffer::from_vec(std::mem::take(&mut self.data));
        let array: ArrayRef = if multivalued {
            let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
            let items = string_array(offsets, data, None);
            let mut list_offsets = Vec::with_capacity(rows + 1);
            let mut valid = Vec::with_capacity(rows);
            list_offsets.push(0_i32);
            let mut at = 0;
            for row in 0..rows {
                let start = at;
                while self.rows.get(at).is_some_and(|own| *own as usize == row) {
                    at += 1;
                }
                list_offsets.push(i32::try_from(at).unwrap_or(i32::MAX));
                valid.push(at > start);
            }
            Arc::new(ListArray::new(
                Arc::new(Field::new("item", DataType::Utf8, true)),
                OffsetBuffer::new(ScalarBuffer::from(list_offsets)),
                Arc::new(items),
                Some(NullBuffer::from(valid)),
            ))
        } else if values == rows {
            let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
            Arc::new(string_array(offsets, data, None))
        } else {
            let mut offsets = Vec::with_capacity(rows + 1);
            let mut valid = Vec::with_capacity(rows);
            offsets.push(0_i32);
            let mut values = self.rows.iter().zip(ends).peekable();
            let mut end = 0;
            for row in 0..rows {
                let here = values.next_if(|(own, _)| **own as usize == row);
                end = here.map_or(end, |(_, end)| end);
                offsets.push(end);
                valid.push(here.is_some());
            }
            Arc::new(string_array(offsets, data, Some(NullBuffer::from(valid))))
        };
        self.ends.clear();
        self.rows.clear();
        array
    }
}

fn string_array(offsets: Vec<i32>, data: Buffer, nulls: Option<NullBuffer>) -> StringArray {
    StringArray::new(OffsetBuffer::new(ScalarBuffer::from(offsets)), data, nulls)
}

/// The key of a row that quotes the event with this key.
fn key_of_quote(key: u64) -> u64 {
    !key
}

/// Keys of rows to leave out.
type Copies = HashSet<u64, BuildHasherDefault<Through>>;

/// For each part the numbered records that another part has, too: of two in full, or two quotes, the first stays, and of a
/// quote and the event itself the event. Also counts all that are left out.
fn copies_of(mut parts: Vec<Collector<'_>>) -> (Vec<Collector<'_>>, Vec<Copies>, u64) {
    let mut duplicates = 0;
    let mut copies: Vec<Copies> = Vec::new();
    for at in 0..parts.len() {
        let (before, rest) = parts.split_at_mut(at);
        let Some(part) = rest.first_mut() else {
            break;
        };
        duplicates += part.duplicates;
        let mut own = std::mem::take(&mut part.overtaken);
        for (key, place) in &part.seen {
            if !before.iter().any(|other| other.seen.contains_key(key)) {
                continue;
            }
            duplicates += 1;
            let is_quote = part.quoted.remove(key).is_some();
            let quoted = before
                .iter_mut()
                .zip(&mut copies)
                .find_map(|(other, copies)| {
                    if is_quote {
                        return None;
                    }
                    Some((other.quoted.remove(key)?, other, copies))
                });
            let covered = match quoted {
                Some((place, other, copies)) => {
                    copies.insert(key_of_quote(*key));
                    other.coverage.0.get_mut(place as usize)
                }
                None => {
                    own.insert(if is_quote { key_of_quote(*key) } else { *key });
                    part.coverage.0.get_mut(*place as usize)
                }
            };
            if let Some(covered) = covered {
                covered.records = covered.records.saturating_sub(1);
            }
        }
        copies.push(own);
    }
    (parts, copies, duplicates)
}

fn without_copies(done: Done, copies: &Copies) -> Result<Numbered, ArrowError> {
    let Done {
        batch,
        keys,
        mut numbered,
    } = done;
    let is_copy = |key: &u64| *key != 0 && copies.contains(key);
    if copies.is_empty() || !keys.iter().any(is_copy) {
        return Ok((batch, numbered));
    }
    if let Some(flags) = &mut numbered {
        let mut own = keys.iter();
        flags.retain(|_| own.next().is_none_or(|key| !is_copy(key)));
    }
    let keep: arrow_array::BooleanArray = keys.iter().map(|key| Some(!is_copy(key))).collect();
    Ok((
        arrow_select::filter::filter_record_batch(&batch, &keep)?,
        numbered,
    ))
}

/// Gives all batches the union of their columns; a column is a list if it is one in any of them.
fn same_schema(batches: Vec<RecordBatch>) -> Result<(Arc<Schema>, Vec<RecordBatch>), ArrowError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for batch in &batches {
        for field in batch.schema().fields() {
            let known = by_name.get(field.name());
            match known.and_then(|at| fields.get_mut(*at)) {
                Some(known) if matches!(field.data_type(), DataType::List(_)) => {
                    *known = field.as_ref().clone();
                }
                Some(_) => {}
                None => {
                    by_name.insert(field.name().clone(), fields.len());
                    fields.push(
                        field
                            .as_ref()
                            .clone()
                            .with_data_type(pack::plain_type(field.data_type())),
                    );
                }
            }
        }
    }
    let schema = Arc::new(Schema::new(fields));
    let batches = batches
        .into_iter()
        .filter(|batch| batch.num_rows() > 0)
        .map(|batch| {
            // A record's author can give it any number of fields.
            let own = batch.schema();
            let places: HashMap<&str, &ArrayRef> = own
                .fields()
                .iter()
                .zip(batch.columns())
                .map(|(field, column)| (field.name().as_str(), column))
                .collect();
            let columns = schema
                .fields()
                .iter()
                .map(|field| match places.get(field.name().as_str()).copied() {
                    None => Ok(pack::nothing(batch.num_rows(), field.data_type())),
                    Some(column) if pack::plain_type(column.data_type()) == *field.data_type() => {
                        Ok(Arc::clone(column))
                    }
                    Some(column) => as_list(&pack::unpacked(column)?),
                })
                .collect::<Result<Vec<_>, ArrowError>>()?;
            // As in the table, except for packed columns.
            let own: Vec<Field> = schema
                .fields()
                .iter()
                .zip(&columns)
                .map(|(field, column)| {
                    field
                        .as_ref()
                        .clone()
                        .with_data_type(column.data_type().clone())
                })
                .collect();
            RecordBatch::try_new(Arc::new(Schema::new(own)), columns)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((schema, batches))
}

/// A column of single values as a list column with one value each.
///
/// # Errors
/// An Arrow error if `column` cannot be converted.
pub fn as_list(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let rows = column.len();
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut at = 0_i32;
    offsets.push(at);
    for row in 0..rows {
        at += i32::from(column.is_valid(row));
        offsets.push(at);
    }
    let values = arrow_select::filter::filter(
        column,
        &arrow_array::BooleanArray::from_iter((0..rows).map(|row| Some(column.is_valid(row)))),
    )?;
    Ok(Arc::new(ListArray::try_new(
        Arc::new(Field::new("item", DataType::Utf8, true)),
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        values,
        column.nulls().cloned(),
    )?))
}
