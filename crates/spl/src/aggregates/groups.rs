//! Aggregations over many groups at once.
//!
//! DataFusion can run any [`Accumulator`](datafusion::logical_expr::Accumulator) once for each group, but then it cuts every
//! batch into one piece for each group in it, and makes a state of each: a microsecond and more for each row if there are as
//! many groups as rows, as in `stats values(user) by src dest`. The aggregations that nearly every detection has, distinct
//! values and references of events, therefore hold all groups themselves.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListBuilder, StringBuilder, UInt64Builder,
};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use hashbrown::{HashMap, HashSet};

use super::{Refs, each_value, first};

/// Values up to which a group's set is searched one by one.
const FEW: usize = 16;
/// Bytes of a list or set besides its items, roughly.
const BOX: usize = 48;

/// The distinct values of each group, or how many there are.
#[derive(Debug, Default)]
pub(super) struct DistinctOfGroups {
    /// Whether they are only counted.
    counts: bool,
    /// Values repeat from group to group: each is held once, and called by its place.
    texts: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    groups: Vec<Set>,
    bytes: usize,
}

/// Places of texts. Most groups have a single one, which takes no memory beyond the set's own.
#[derive(Debug, Default)]
enum Set {
    #[default]
    None,
    One(u32),
    Few(Vec<u32>),
    Many(Box<HashSet<u32>>),
}

impl Set {
    fn add(&mut self, place: u32) {
        match self {
            Self::None => *self = Self::One(place),
            Self::One(own) if *own == place => {}
            Self::One(own) => *self = Self::Few(vec![*own, place]),
            Self::Few(all) if all.contains(&place) => {}
            Self::Few(all) => {
                all.push(place);
                if all.len() > FEW {
                    *self = Self::Many(Box::new(all.drain(..).collect()));
                }
            }
            Self::Many(all) => {
                all.insert(place);
            }
        }
    }

    /// Bytes that it takes besides its own size.
    fn bytes(&self) -> usize {
        match self {
            Self::None | Self::One(_) => 0,
            Self::Few(all) => BOX + 4 * all.capacity(),
            Self::Many(all) => BOX + 8 * all.capacity(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Few(all) => all.len(),
            Self::Many(all) => all.len(),
        }
    }

    /// Calls `each` with every place.
    fn for_each(&self, mut each: impl FnMut(u32)) {
        match self {
            Self::None => {}
            Self::One(own) => each(*own),
            Self::Few(all) => all.iter().copied().for_each(each),
            Self::Many(all) => all.iter().copied().for_each(each),
        }
    }
}

impl DistinctOfGroups {
    pub fn new(counts: bool) -> Self {
        Self {
            counts,
            ..Self::default()
        }
    }

    fn place(&mut self, text: &str) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        // More texts than 32 bits can count do not fit into memory.
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let text: Arc<str> = text.into();
        self.bytes += text.len() + 64;
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        place
    }

    /// Takes groups out. Texts stay for the groups that are left, and go with the last.
    fn emitted(
        &mut self,
        emit_to: EmitTo,
        answer: impl FnOnce(&Self, &[Set]) -> ArrayRef,
    ) -> ArrayRef {
        let groups = emit_to.take_needed(&mut self.groups);
        let answer = answer(self, &groups);
        if self.groups.is_empty() {
            *self = Self::new(self.counts);
        } else {
            let taken: usize = groups.iter().map(Set::bytes).sum();
            self.bytes = self.bytes.saturating_sub(taken);
        }
        answer
    }

    /// The values of groups as lists, in lexicographic order if they are `sorted`; an empty group is NULL if `or_null`.
    fn lists(&self, groups: &[Set], sorted: bool, or_null: bool) -> ArrayRef {
        let count = groups.iter().map(Set::len).sum();
        let mut builder = ListBuilder::with_capacity(
            StringBuilder::with_capacity(count, 16 * count),
            groups.len(),
        );
        let mut texts: Vec<&str> = Vec::new();
        for group in groups {
            texts.clear();
            group.for_each(|place| {
                texts.extend(self.texts.get(place as usize).map(AsRef::<str>::as_ref));
            });
            if sorted {
                texts.sort_unstable();
            }
            texts
                .iter()
                .for_each(|text| builder.values().append_value(text));
            builder.append(!(or_null && texts.is_empty()));
        }
        Arc::new(builder.finish())
    }
}

impl GroupsAccumulator for DistinctOfGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Set::default);
        each_value(first(values)?, false, |row, text| {
            if !passes(opt_filter, row) {
                return;
            }
            let place = self.place(text);
            let group = group_indices
                .get(row)
                .and_then(|group| self.groups.get_mut(*group));
            if let Some(group) = group {
                let before = group.bytes();
                group.add(place);
                self.bytes += group.bytes().saturating_sub(before);
            }
        });
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emitted(emit_to, |all, groups| {
            if all.counts {
                let counts = groups.iter().map(|group| i64::try_from(group.len()).ok());
                return Arc::new(counts.collect::<Int64Array>());
            }
            all.lists(groups, true, true)
        }))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emitted(emit_to, |all, groups| {
            all.lists(groups, false, false)
        })])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = first(values)?;
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); values.len()];
        each_value(values, false, |row, text| {
            if passes(opt_filter, row)
                && let Some(texts) = rows.get_mut(row)
            {
                texts.push(text.to_owned());
            }
        });
        let mut builder = ListBuilder::new(StringBuilder::new());
        for texts in rows {
            texts
                .iter()
                .for_each(|text| builder.values().append_value(text));
            builder.append(true);
        }
        Ok(vec![Arc::new(builder.finish())])
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Set>()
    }
}

/// References of the events of each group.
#[derive(Debug, Default)]
pub(super) struct RefsOfGroups {
    groups: Vec<Refs>,
    bytes: usize,
}

impl GroupsAccumulator for RefsOfGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, Refs::default);
        each_reference(first(values)?, |row, reference| {
            let group = group_indices
                .get(row)
                .and_then(|group| self.groups.get_mut(*group));
            if let Some(group) = group.filter(|_| passes(opt_filter, row)) {
                let before = group.refs.capacity();
                group.add(reference);
                self.bytes += 8 * group.refs.capacity().saturating_sub(before);
            }
        })
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut groups = emit_to.take_needed(&mut self.groups);
        groups.iter_mut().for_each(Refs::shrink);
        let count = groups.iter().map(|group| group.refs.len()).sum();
        let mut builder =
            ListBuilder::with_capacity(UInt64Builder::with_capacity(count), groups.len());
        for group in &groups {
            builder.values().append_slice(&group.refs);
            builder.append(true);
            self.bytes = self.bytes.saturating_sub(8 * group.refs.capacity());
        }
        Ok(Arc::new(builder.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = first(values)?;
        let rows: Vec<usize> = (0..values.len()).collect();
        let mut each = Self::default();
        each.update_batch(
            std::slice::from_ref(values),
            &rows,
            opt_filter,
            values.len(),
        )?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Refs>()
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// All references of a column, row by row: one in each row, or a list.
pub(super) fn each_reference(array: &ArrayRef, mut visit: impl FnMut(usize, u64)) -> Result<()> {
    if let Some(references) = array.as_primitive_opt::<UInt64Type>() {
        for (row, reference) in references.iter().enumerate() {
            if let Some(reference) = reference {
                visit(row, reference);
            }
        }
        return Ok(());
    }
    let Some(lists) = array.as_list_opt::<i32>() else {
        return Err(DataFusionError::Internal(format!(
            "references cannot be {}",
            array.data_type()
        )));
    };
    for (row, list) in lists.iter().enumerate() {
        let Some(list) = list else { continue };
        let references = list.as_primitive_opt::<UInt64Type>();
        for reference in references.into_iter().flatten().flatten() {
            visit(row, reference);
        }
    }
    Ok(())
}
