//! Aggregations against plain reckoning. The rows are spread over partitions, so that partial results are merged: no
//! result may depend on how.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where its own tables cannot be made"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_spl::expr::{Typed, collect_refs, plan_aggregate};
use crabwalk_spl::syntax::ast::Span;
use crabwalk_spl::value::display_values;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionConfig, SessionContext, ident};
use proptest::prelude::*;

/// A row: group, time, values of the field, number.
#[derive(Debug, Clone)]
struct Row {
    group: u8,
    time: f64,
    values: Vec<String>,
    number: Option<f64>,
}

const FUNCTIONS: [&str; 14] = [
    "count", "dc", "values", "list", "min", "max", "latest", "earliest", "mode", "sum", "stdev",
    "median", "p90", "range",
];

/// Rows of a batch.
const BATCH: usize = 3;

type Answers = BTreeMap<String, Vec<Vec<String>>>;

/// All aggregations of the field for each group, over rows in so many partitions.
fn run(rows: &[Row], field: &str, partitions: usize, refs: bool) -> Answers {
    let item = Field::new("item", DataType::Utf8, true);
    let list = DataType::List(Arc::new(item.clone()));
    let schema = Arc::new(Schema::new(vec![
        Field::new("group", DataType::Utf8, true),
        Field::new("time", DataType::Float64, true),
        Field::new("text", DataType::Utf8, true),
        Field::new("many", list.clone(), true),
        Field::new("number", DataType::Float64, true),
        Field::new("ref", DataType::UInt64, true),
    ]));
    let mut parts: Vec<Vec<RecordBatch>> = vec![Vec::new(); partitions];
    for (part, batches) in parts.iter_mut().enumerate() {
        let own: Vec<(usize, &Row)> = rows
            .iter()
            .enumerate()
            .filter(|(at, _)| at % partitions == part)
            .collect();
        let mut many = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(item.clone()));
        for (_, row) in &own {
            for value in &row.values {
                many.values().append_value(value);
            }
            many.append(!row.values.is_empty());
        }
        let groups: StringArray = own
            .iter()
            .map(|(_, row)| Some(row.group.to_string()))
            .collect();
        let times: Float64Array = own.iter().map(|(_, row)| Some(row.time)).collect();
        let texts: StringArray = own
            .iter()
            .map(|(_, row)| row.values.first().cloned())
            .collect();
        let numbers: Float64Array = own.iter().map(|(_, row)| row.number).collect();
        let refs: UInt64Array = own.iter().map(|(at, _)| Some(*at as u64 / 2)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(groups),
            Arc::new(times),
            Arc::new(texts),
            Arc::new(many.finish()),
            Arc::new(numbers),
            Arc::new(refs),
        ];
        // Small batches: after the first ones DataFusion gives up grouping what has as many groups as rows, and passes the
        // rows on as states.
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("a batch");
        let starts = (0..batch.num_rows().max(1)).step_by(BATCH);
        batches.extend(starts.map(|start| batch.slice(start, BATCH.min(batch.num_rows() - start))));
    }
    let data_type = schema
        .field_with_name(field)
        .expect("a field")
        .data_type()
        .clone();
    let argument = Typed {
        expr: ident(field),
        data_type,
    };
    let mut calls: Vec<Expr> = FUNCTIONS
        .iter()
        .map(|function| {
            let typed = plan_aggregate(
                function,
                Span::default(),
                Some(argument.clone()),
                Some(ident("time")),
            )
            .unwrap_or_else(|error| panic!("{function}: {error}"));
            typed.expr.alias(*function)
        })
        .collect();
    if refs {
        let column = Typed {
            expr: ident("ref"),
            data_type: DataType::UInt64,
        };
        calls.push(collect_refs(column).alias("refs"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let batches = runtime.block_on(async {
        let mut config = SessionConfig::new().with_target_partitions(partitions.max(1));
        let execution = &mut config.options_mut().execution;
        execution.skip_partial_aggregation_probe_rows_threshold = BATCH;
        execution.skip_partial_aggregation_probe_ratio_threshold = 0.5;
        let context = SessionContext::new_with_config(config);
        let table = MemTable::try_new(Arc::clone(&schema), parts).expect("a table");
        let frame = context.read_table(Arc::new(table)).expect("a frame");
        let frame = frame
            .aggregate(vec![ident("group")], calls)
            .expect("a plan");
        frame.collect().await.expect("results")
    });
    let mut answers = Answers::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let mut cells = batch
                .columns()
                .iter()
                .map(|column| display_values(column, row));
            let group = cells.next().unwrap_or_default().concat();
            answers.insert(group, cells.collect());
        }
    }
    answers
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn shown(number: f64) -> String {
    if number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        format!("{:.14e}", number)
            .parse::<f64>()
            .expect("a number")
            .to_string()
    }
}

/// What the aggregations of one group should be, in the order of [`FUNCTIONS`].
fn expected(rows: &[&Row]) -> Vec<Vec<String>> {
    let all: Vec<(f64, &str)> = rows
        .iter()
        .flat_map(|row| row.values.iter().map(|value| (row.time, value.as_str())))
        .collect();
    let texts: Vec<&str> = all.iter().map(|(_, value)| *value).collect();
    let distinct: BTreeSet<&str> = texts.iter().copied().collect();
    let mut numbers: Vec<f64> = texts.iter().filter_map(|text| number(text)).collect();
    numbers.sort_by(f64::total_cmp);
    let numeric = numbers.len() == texts.len();
    let extreme = |largest: bool| {
        if numeric {
            if largest {
                numbers.last()
            } else {
                numbers.first()
            }
            .map(|number| shown(*number))
        } else {
            if largest {
                distinct.last()
            } else {
                distinct.first()
            }
            .map(|text| (*text).to_owned())
        }
    };
    let at = |time: Option<f64>| {
        let time = time?;
        // Of one time, the least value.
        all.iter()
            .filter(|(own, _)| *own == time)
            .map(|(_, value)| *value)
            .min()
            .map(str::to_owned)
    };
    let times = || all.iter().map(|(time, _)| *time);
    let mode = distinct
        .iter()
        .rev()
        .max_by_key(|value| texts.iter().filter(|text| text == value).count())
        .map(|value| (*value).to_owned());
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    let some = |value: f64| (count > 0.0).then(|| shown(value));
    let percentile = |percent: f64| {
        let at = (percent * count / 100.0).floor() as usize;
        let at = at.min(numbers.len().checked_sub(1)?);
        numbers.get(at).map(|number| shown(*number))
    };
    let mut listed = all.clone();
    listed.sort_by(|a, b| b.0.total_cmp(&a.0));
    let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
    vec![
        vec![texts.len().to_string()],
        vec![distinct.len().to_string()],
        distinct.iter().map(|text| (*text).to_owned()).collect(),
        listed
            .iter()
            .take(100)
            .map(|(_, value)| (*value).to_owned())
            .collect(),
        one(extreme(false)),
        one(extreme(true)),
        one(at(times()
            .min_by(f64::total_cmp)
            .and(times().max_by(f64::total_cmp)))),
        one(at(times().min_by(f64::total_cmp))),
        one(mode),
        one(some(numbers.iter().sum())),
        one(some(if count > 1.0 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        })),
        one(percentile(50.0)),
        one(percentile(90.0)),
        one(some(
            numbers.last().copied().unwrap_or(0.0) - numbers.first().copied().unwrap_or(0.0),
        )),
    ]
}

fn close(left: &[String], right: &[String]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left == right
                || matches!((number(left), number(right)), (Some(left), Some(right)) if (left - right).abs() <= 1e-9 * left.abs().max(1.0))
        })
}

fn check(rows: &[Row], field: &str, partitions: usize) {
    let answers = run(rows, field, partitions, false);
    let groups: BTreeSet<u8> = rows.iter().map(|row| row.group).collect();
    assert_eq!(answers.len(), groups.len());
    for group in groups {
        let own: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        let expected = expected(&own);
        let got = &answers[&group.to_string()];
        for ((function, expected), got) in FUNCTIONS.iter().zip(&expected).zip(got) {
            if *function == "list" {
                // Values of one time stand in any order.
                let (mut expected, mut got) = (expected.clone(), got.clone());
                expected.sort();
                got.sort();
                assert_eq!(
                    got, expected,
                    "list({field}) of group {group} in {partitions} partitions"
                );
                continue;
            }
            assert!(
                close(got, expected),
                "{function}({field}) of group {group} in {partitions} partitions: {got:?}, not {expected:?}"
            );
        }
    }
}

fn rows(most_values: usize) -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        3 => (0..12_i32).prop_map(|number| number.to_string()),
        1 => (-40..40_i32).prop_map(|number| format!("{}", f64::from(number) / 4.0)),
        1 => "[a-c]{1,2}",
    ];
    let row = (
        0..3_u8,
        0..6_u8,
        prop::collection::vec(value, 0..=most_values),
    );
    prop::collection::vec(row, 1..20).prop_map(|rows| {
        let row = |(group, time, values)| Row {
            group,
            // Microseconds apart: they must not be rounded away.
            time: 1_700_000_000.0 + f64::from(time) * 1e-6,
            values,
            number: None,
        };
        rows.into_iter().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn single_values(rows in rows(1), partitions in 1..4_usize) {
        check(&rows, "text", partitions);
    }

    #[test]
    fn several_values(rows in rows(3), partitions in 1..4_usize) {
        check(&rows, "many", partitions);
    }
}

/// `min` over values that include text compares them all as text, wherever the text was.
#[test]
fn one_text_makes_all_text() {
    let row = |value: &str| Row {
        group: 0,
        time: 0.0,
        values: vec![value.to_owned()],
        number: None,
    };
    for order in [["10", "abc", "9"], ["9", "10", "abc"], ["abc", "9", "10"]] {
        let rows: Vec<Row> = order.into_iter().map(row).collect();
        for partitions in 1..4 {
            let answers = run(&rows, "text", partitions, false);
            let got = &answers["0"];
            assert_eq!(
                (&got[4], &got[5]),
                (&vec!["10".to_owned()], &vec!["abc".to_owned()]),
                "{order:?} in {partitions}"
            );
        }
    }
}

/// Numbers stay numbers, and none of their digits is lost.
#[test]
fn numbers_stay_numbers() {
    let row = |at: u8, number: Option<f64>| Row {
        group: 0,
        time: f64::from(at),
        values: Vec::new(),
        number,
    };
    let rows = [
        row(0, Some(10.0)),
        row(1, Some(9.5)),
        row(2, None),
        row(3, Some(1e-3)),
    ];
    let answers = run(&rows, "number", 2, false);
    let got: BTreeMap<&str, String> = FUNCTIONS
        .iter()
        .copied()
        .zip(answers["0"].iter().map(|values| values.join(",")))
        .collect();
    for (function, expected) in [
        ("count", "3"),
        ("dc", "3"),
        ("values", "0.001,10,9.5"),
        ("list", "0.001,9.5,10"),
        ("min", "0.001"),
        ("max", "10"),
        ("latest", "0.001"),
        ("earliest", "10"),
        ("sum", "19.501"),
        ("range", "9.999"),
        ("median", "9.5"),
    ] {
        assert_eq!(got[function], expected, "{function}");
    }
}

/// References are united, sorted, distinct, and at most a thousand.
#[test]
fn references() {
    let row = Row {
        group: 0,
        time: 0.0,
        values: Vec::new(),
        number: None,
    };
    for (rows, partitions, kept) in [(5, 1, 3), (5, 3, 3), (9000, 3, 1000)] {
        let rows = vec![row.clone(); rows];
        let answers = run(&rows, "text", partitions, true);
        let expected: Vec<String> = (0..kept)
            .map(|reference: usize| reference.to_string())
            .collect();
        assert_eq!(answers["0"].last(), Some(&expected));
    }
}
