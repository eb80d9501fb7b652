//! Which events of a table fit a condition, found out without a plan.
//!
//! The searches of a hunt compare the same columns of the same tables with many values. So each column, and each field
//! that an alias computes from columns, is evaluated once for all searches; if its values repeat, a condition is decided
//! once for each distinct value.
//!
//! Most detections match nothing in most logs, and most others match little. Planning over the tables, with a branch for
//! each event type, takes milliseconds; reading a few matches takes microseconds. So if few events match, the plan starts
//! from those rows and does not refer to the tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crabwalk_events::catalog::{ALWAYS, Catalog, Events};
use crabwalk_vocabulary::EventType;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::compute::kernels::boolean::{
    and_kleene, is_not_null, is_null, not, or_kleene,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::create_physical_expr;

use crate::ops::as_text_condition;

/// The key of an event that has no value.
const NOTHING: u32 = u32::MAX;
/// Distinct values are kept where they are at most one for so many events.
const REPEATS: usize = 2;
/// Bytes of values that hardly repeat and are kept all the same.
const MOST_KEPT: usize = 16 << 20;

/// Values of a field in a batch.
#[derive(Debug)]
enum Values {
    /// Distinct texts, and which of them each event has.
    Distinct(StringArray, Vec<u32>),
    /// One by one.
    Plain(ArrayRef),
}

/// Events that fit a condition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fitting {
    /// These, by their references, which rise.
    Few(Vec<u64>),
    /// More than were asked for, or it cannot be told.
    Many,
}

/// Fields that were worked out, by the first event of a batch and the expression.
#[derive(Debug)]
pub(crate) struct Glances {
    largest: usize,
    values: Mutex<HashMap<u64, HashMap<Expr, Arc<Values>>>>,
}

impl Glances {
    /// For tables of at most so many events.
    pub fn new(largest: usize) -> Self {
        Self {
            largest,
            values: Mutex::default(),
        }
    }

    /// The most events that a table has that is worth a look.
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// The events of a type that fit a condition over its columns, all events where there is none, if they are at most
    /// `most`.
    pub fn fitting(
        &self,
        catalog: &dyn Catalog,
        event_type: &EventType,
        condition: Option<&Expr>,
        most: usize,
    ) -> Fitting {
        let columns = condition.map(columns_of).unwrap_or_default();
        let mut found: Vec<u64> = Vec::new();
        for events in catalog.scan(event_type, &columns, &ALWAYS) {
            let Ok(events) = events else {
                return Fitting::Many;
            };
            let rows = events.rows();
            if rows == 0 {
                continue;
            }
            let Some(condition) = condition else {
                if found.len() + rows > most {
                    return Fitting::Many;
                }
                found.extend((0..rows).map(|row| events.reference(row)));
                continue;
            };
            let glance = Glance { all: self, events };
            let Ok(fits) = glance.condition(condition) else {
                return Fitting::Many;
            };
            let count = fits.true_count();
            if found.len() + count > most {
                return Fitting::Many;
            }
            if count > 0 {
                let places = (0..rows).filter(|row| fits.is_valid(*row) && fits.value(*row));
                found.extend(places.map(|row| glance.events.reference(row)));
            }
        }
        Fitting::Few(found)
    }
}

/// The columns that an expression reads, each once.
fn columns_of(expr: &Expr) -> Vec<&str> {
    let all = expr.column_refs();
    let mut columns: Vec<&str> = all.into_iter().map(|column| column.name.as_str()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The values of these expressions for some events of a type, given by their references in ascending order: for each
/// expression an array with one value per event.
pub(crate) fn values_of(
    catalog: &dyn Catalog,
    event_type: &EventType,
    references: &[u64],
    exprs: &[Expr],
) -> Result<Vec<ArrayRef>> {
    let mut columns: Vec<&str> = exprs.iter().flat_map(columns_of).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut batches = Vec::new();
    let mut left = references;
    for events in catalog.scan(event_type, &columns, &ALWAYS) {
        let events = events.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let Some(last) = events.rows().checked_sub(1) else {
            continue;
        };
        let here = left.partition_point(|one| *one <= events.reference(last));
        let (here, behind) = left.split_at(here);
        left = behind;
        if !here.is_empty() {
            batches.push(events.of_references(here)?.plain_of(&columns)?);
        }
        if left.is_empty() {
            break;
        }
    }
    let Some(first) = batches.first() else {
        return plan_err!("matched events of {event_type} could not be read again");
    };
    let batch = concat_batches(&first.schema(), &batches)?;
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
    let properties = ExecutionProps::new();
    let planning = PhysicalPlanningContext::default();
    exprs
        .iter()
        .map(|expr| {
            create_physical_expr(expr, &schema, &properties, &planning)?
                .evaluate(&batch)?
                .into_array(batch.num_rows())
        })
        .collect()
}

/// One batch of events.
struct Glance<'a> {
    all: &'a Glances,
    events: Events,
}

impl Glance<'_> {
    fn condition(&self, expr: &Expr) -> Result<BooleanArray> {
        match expr {
            Expr::BinaryExpr(binary) if binary.op == Operator::And => {
                let left = self.condition(&binary.left)?;
                if left.true_count() == 0 && left.null_count() == 0 {
                    return Ok(left);
                }
                Ok(and_kleene(&left, &self.condition(&binary.right)?)?)
            }
            Expr::BinaryExpr(binary) if binary.op == Operator::Or => {
                let left = self.condition(&binary.left)?;
                Ok(or_kleene(&left, &self.condition(&binary.right)?)?)
            }
            Expr::Not(inner) => Ok(not(&self.condition(inner)?)?),
            Expr::IsTrue(inner) => {
                let inner = self.condition(inner)?;
                Ok(inner
                    .iter()
                    .map(|holds| Some(holds == Some(true)))
                    .collect())
            }
            Expr::IsNotNull(inner) => match self.values(inner)?.as_ref() {
                Values::Plain(array) => Ok(is_not_null(array)?),
                Values::Distinct(_, keys) => {
                    Ok(keys.iter().map(|key| Some(*key != NOTHING)).collect())
                }
            },
            Expr::IsNull(inner) => match self.values(inner)?.as_ref() {
                Values::Plain(array) => Ok(is_null(array)?),
                Values::Distinct(_, keys) => {
                    Ok(keys.iter().map(|key| Some(*key == NOTHING)).collect())
                }
            },
            Expr::ScalarFunction(call) => {
                let prepared = as_text_condition(&call.func, &call.args);
                let holds = prepared
                    .as_ref()
                    .and_then(|prepared| prepared.as_condition());
                let Some((holds, argument)) = holds.zip(call.args.first()) else {
                    return self.evaluated(expr).map(|array| as_booleans(&array));
                };
                match self.values(argument)?.as_ref() {
                    Values::Distinct(texts, keys) => {
                        let decided: Vec<bool> =
                            texts.iter().map(|text| text.is_some_and(holds)).collect();
                        Ok(keys
                            .iter()
                            .map(|key| decided.get(*key as usize).copied())
                            .collect())
                    }
                    Values::Plain(array) => match array.as_string_opt::<i32>() {
                        Some(texts) => Ok(texts.iter().map(|text| text.map(holds)).collect()),
                        None => self.evaluated(expr).map(|array| as_booleans(&array)),
                    },
                }
            }
            other => self.evaluated(other).map(|array| as_booleans(&array)),
        }
    }

    /// The values of an expression, worked out once for all who ask.
    fn values(&self, expr: &Expr) -> Result<Arc<Values>> {
        let lock = || {
            self.all
                .values
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let first = self.events.reference(0);
        if let Some(known) = lock().get(&first).and_then(|known| known.get(expr)) {
            return Ok(Arc::clone(known));
        }
        let values = Arc::new(distinct(self.evaluated(expr)?));
        // Texts that hardly repeat are large: of large tables they are made again for each who asks.
        let keep = match values.as_ref() {
            Values::Distinct(..) => true,
            Values::Plain(array) => array.get_array_memory_size() <= MOST_KEPT,
        };
        if keep {
            let mut all = lock();
            let known = all.entry(first).or_default();
            known.insert(expr.clone(), Arc::clone(&values));
        }
        Ok(values)
    }

    fn evaluated(&self, expr: &Expr) -> Result<ArrayRef> {
        let batch = self.events.plain_of(&columns_of(expr))?;
        let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
        let properties = ExecutionProps::new();
        let planning = PhysicalPlanningContext::default();
        create_physical_expr(expr, &schema, &properties, &planning)?
            .evaluate(&batch)?
            .into_array(batch.num_rows())
    }
}

/// An expression that is not a condition keeps every row: as NULL it would keep none, and the plan decides later.
fn as_booleans(array: &ArrayRef) -> BooleanArray {
    match array.as_boolean_opt() {
        Some(array) => array.clone(),
        None => BooleanArray::from(vec![true; array.len()]),
    }
}

fn distinct(array: ArrayRef) -> Values {
    if *array.data_type() != DataType::Utf8 {
        return Values::Plain(array);
    }
    let texts = array.as_string::<i32>();
    let most = texts.len() / REPEATS;
    let mut index: HashMap<&str, u32> = HashMap::new();
    let mut keys = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            keys.push(NOTHING);
            continue;
        };
        let next = u32::try_from(index.len()).unwrap_or(NOTHING);
        let key = *index.entry(text).or_insert(next);
        if index.len() > most.max(16) {
            return Values::Plain(array);
        }
        keys.push(key);
    }
    let mut ordered: Vec<(&str, u32)> = index.into_iter().collect();
    ordered.sort_by_key(|(_, key)| *key);
    let values = StringArray::from_iter_values(ordered.into_iter().map(|(text, _)| text));
    Values::Distinct(values, keys)
}
