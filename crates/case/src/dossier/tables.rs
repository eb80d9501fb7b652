//! Reading event tables with DataFusion, batch by batch: what is filtered out is never held.

use std::collections::HashMap;

use crabwalk_events::Catalog;
use crabwalk_events::catalog::REF;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::functions_aggregate::expr_fn::min;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use super::demand::wanted;

const TIME: &str = "_time";
const HOST: &str = "host";

/// Why dossiers could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DossierError {
    /// A plan failed.
    #[error("the events for a dossier could not be read: {0}")]
    Events(#[from] DataFusionError),
    /// The machine gave no runtime.
    #[error("no thread could be started for a dossier: {0}")]
    Thread(#[from] std::io::Error),
}

/// Which events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Which<'a> {
    /// Only those that machines wrote under these names.
    pub hosts: Option<&'a [String]>,
    /// Only those of this time, microseconds since 1970-01-01 UTC.
    pub between: Option<(i64, i64)>,
}

/// How often, where and since when a program was run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The program's path.
    pub image: String,
    /// The machine, as its events name it.
    pub host: String,
    /// The first time, microseconds since 1970-01-01 UTC.
    pub first: i64,
}

/// The events of a run, for dossiers.
pub(super) struct Tables<'c> {
    catalog: &'c Catalog,
    session: SessionContext,
    runtime: Runtime,
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds until the year 2255 fit the 53 bits exactly"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "times fit by construction")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

impl<'c> Tables<'c> {
    pub fn new(catalog: &'c Catalog) -> Result<Self, DossierError> {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let state = SessionStateBuilder::new().with_config(config).build();
        Ok(Self {
            catalog,
            session: SessionContext::new_with_state(state),
            runtime: Builder::new_current_thread().build()?,
        })
    }

    fn frames(
        &self,
        channel: &str,
        event_id: u32,
        which: Which<'_>,
        columns: &[&str],
    ) -> Result<Vec<DataFrame>, DossierError> {
        let mut frames = Vec::new();
        for table in self.catalog.tables() {
            let event_type = &table.event_type;
            if event_type.event_id != event_id
                || !event_type.channel.eq_ignore_ascii_case(channel)
                || table.rows() == 0
            {
                continue;
            }
            let mut frame = self.session.read_table(table.provider())?;
            if let Some(hosts) = which.hosts {
                let names = hosts.iter().map(|name| lit(name.as_str())).collect();
                frame = frame.filter(column(HOST).in_list(names, false))?;
            }
            if let Some((first, last)) = which.between {
                frame = frame.filter(
                    column(TIME)
                        .gt_eq(lit(seconds(first)))
                        .and(column(TIME).lt_eq(lit(seconds(last)))),
                )?;
            }
            let schema = table.schema();
            let there = columns
                .iter()
                .filter(|name| schema.column_with_name(name).is_some());
            let select: Vec<Expr> = [REF, TIME, HOST]
                .iter()
                .chain(there)
                .map(|name| column(name))
                .collect();
            frames.push(frame.select(select)?);
        }
        Ok(frames)
    }

    /// Calls `each` for every event of a type that is meant.
    pub fn each(
        &self,
        channel: &str,
        event_id: u32,
        which: Which<'_>,
        mut each: impl FnMut(&Row<'_>),
    ) -> Result<(), DossierError> {
        let columns = wanted(channel, event_id).unwrap_or_default();
        for frame in self.frames(channel, event_id, which, columns)? {
            self.runtime.block_on(async {
                let mut stream = frame.execute_stream().await?;
                while let Some(batch) = stream.next().await {
                    rows(&batch?, &mut each);
                }
                Ok::<(), DataFusionError>(())
            })?;
        }
        Ok(())
    }

    /// Since when each program was run on each machine, from process creation of Sysmon and the Security log.
    pub fn runs(&self) -> Result<Vec<Run>, DossierError> {
        let mut runs = Vec::new();
        for (channel, event_id, image) in [
            (super::demand::SYSMON, 1, "Image"),
            (super::demand::SECURITY, 4688, "NewProcessName"),
        ] {
            for frame in self.frames(channel, event_id, Which::default(), &[image])? {
                if frame
                    .schema()
                    .field_with_unqualified_name(image)
                    .is_ok_and(|field| *field.data_type() == DataType::Utf8)
                {
                    let grouped = frame.aggregate(
                        vec![column(image), column(HOST)],
                        vec![min(column(TIME)).alias("first")],
                    )?;
                    self.runtime.block_on(async {
                        let mut stream = grouped.execute_stream().await?;
                        while let Some(batch) = stream.next().await {
                            groups(&batch?, &mut runs);
                        }
                        Ok::<(), DataFusionError>(())
                    })?;
                }
            }
        }
        Ok(runs)
    }

    pub fn catalog(&self) -> &'c Catalog {
        self.catalog
    }
}

fn groups(batch: &RecordBatch, runs: &mut Vec<Run>) {
    let (Some(images), Some(hosts), Some(firsts)) = (
        batch.column(0).as_string_opt::<i32>(),
        batch.column(1).as_string_opt::<i32>(),
        batch.column(2).as_primitive_opt::<Float64Type>(),
    ) else {
        return;
    };
    for row in 0..batch.num_rows() {
        if images.is_valid(row) && hosts.is_valid(row) && firsts.is_valid(row) {
            runs.push(Run {
                image: images.value(row).to_owned(),
                host: hosts.value(row).to_owned(),
                first: micros(firsts.value(row)),
            });
        }
    }
}

/// One event.
pub(super) struct Row<'b> {
    batch: &'b RecordBatch,
    names: &'b HashMap<&'b str, &'b ArrayRef>,
    row: usize,
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Leads to the event.
    pub reference: u64,
}

impl Row<'_> {
    /// A field's (first) value without white space around it; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        let Some(array) = self.names.get(name) else {
            return "";
        };
        match array.data_type() {
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                if array.is_valid(self.row) {
                    array.value(self.row).trim()
                } else {
                    ""
                }
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                let (Some(start), Some(end)) = (offsets.get(self.row), offsets.get(self.row + 1))
                else {
                    return "";
                };
                if list.is_null(self.row) || start == end {
                    return "";
                }
                let at = usize::try_from(*start).unwrap_or(0);
                list.values()
                    .as_string_opt::<i32>()
                    .filter(|values| at < values.len())
                    .map_or("", |values| values.value(at).trim())
            }
            _ => "",
        }
    }

    /// A field's value, where it says something.
    pub fn some(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty() && *value != "-")
    }

    /// A number, decimal or hexadecimal with `0x`.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(self.get(name))
    }

    /// The machine that wrote it, as the event names it.
    pub fn host(&self) -> &str {
        self.batch
            .column(2)
            .as_string_opt::<i32>()
            .filter(|hosts| hosts.is_valid(self.row))
            .map_or("", |hosts| hosts.value(self.row))
    }

    /// `DOMAIN\user` of two fields.
    pub fn account(&self, domain: &str, user: &str) -> Option<String> {
        let user = self.some(user)?;
        Some(match self.some(domain) {
            Some(domain) => format!("{domain}\\{user}"),
            None => user.to_owned(),
        })
    }
}

/// A number, decimal or hexadecimal with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn rows(batch: &RecordBatch, each: &mut impl FnMut(&Row<'_>)) {
    let schema = batch.schema();
    let names: HashMap<&str, &ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(batch.columns())
        .collect();
    let (Some(references), Some(times)) = (
        batch.column(0).as_primitive_opt::<UInt64Type>(),
        batch.column(1).as_primitive_opt::<Float64Type>(),
    ) else {
        return;
    };
    for row in 0..batch.num_rows() {
        each(&Row {
            batch,
            names: &names,
            row,
            time: micros(times.value(row)),
            reference: references.value(row),
        });
    }
}
