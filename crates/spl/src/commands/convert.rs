//! `convert`: converts numbers and times to text and back.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn;
use datafusion::logical_expr::{Expr, WindowFrame, when};

use crate::HIDDEN;
use crate::expr::{Fields, Typed, plan_call};
use crate::ops::units;
use crate::plan::wildcards::{matches, renamed};
use crate::plan::{
    Plan, Planner, Result, Rows, as_value, as_window, at, column, diagnostic, text, typed,
};
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::{list, quoted};
use crate::syntax::usage::{Cursor, Usage, Whole, obeyed};

pub(super) static COMMAND: Whole = typed::<Convert>(Usage {
    name: "convert",
    also: &[],
    syntax: "convert [timeformat=<format>] <function>(<field>) [as <name>] …",
    meaning: "Converts values: `auto`, `ctime`, `dur2sec`, `memk`, `mktime`, `mstime`, `none`, `num`, `rmcomma`, `rmunit`. `auto` and `num` read numbers, numbers with commas between thousands (`1,234.5`), `[D+]HH:MM:SS` and `MM:SS[.SSS]`; `num` removes other values, `auto` leaves a field unchanged if a value is none of these.",
    options: &[obeyed(
        "timeformat",
        "Format in which `ctime` writes times and `mktime` reads them.",
    )],
});

/// `convert`.
#[derive(Debug, Clone, PartialEq)]
pub struct Convert {
    /// strftime format; default `%m/%d/%Y %H:%M:%S`.
    pub time_format: Option<String>,
    /// In the order in which they apply.
    pub conversions: Vec<Conversion>,
}

/// One conversion of `convert`, such as `ctime(firstTime) as first`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// `ctime`, `mktime`, `num`, `auto`, `none`, `rmcomma`, `rmunit`, `memk`, `dur2sec`, `mstime`: lower case.
    pub function: Name,
    /// May hold `*`.
    pub field: Name,
    /// Output name, if given.
    pub output: Option<Name>,
}

const CONVERSIONS: &[&str] = &[
    "auto", "ctime", "dur2sec", "memk", "mktime", "mstime", "none", "num", "rmcomma", "rmunit",
];

/// Splunk's default of `timeformat`.
const DEFAULT_FORMAT: &str = "%m/%d/%Y %H:%M:%S";

impl Syntax for Convert {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut time_format = None;
        let mut conversions = Vec::new();
        while !cursor.ended() {
            if let Some(option) = cursor.option_name() {
                if let Some(value) = cursor.option(usage, &option)? {
                    time_format = Some(value.text);
                }
                continue;
            }
            conversions.push(conversion(cursor)?);
        }
        if conversions.is_empty() {
            return Err(cursor.expected("a conversion such as `ctime(_time)`"));
        }
        Ok(Self {
            time_format,
            conversions,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(format) = &self.time_format {
            write!(f, " timeformat={}", quoted(format))?;
        }
        list(f, &self.conversions, |f, conversion| {
            write!(
                f,
                "{}({})",
                conversion.function.text,
                quoted(&conversion.field.text)
            )?;
            conversion
                .output
                .as_ref()
                .map_or(Ok(()), |output| write!(f, " AS {}", quoted(&output.text)))
        })
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        for conversion in &self.conversions {
            ledger.reads_names([&conversion.field]);
            if let Some(output) = &conversion.output {
                ledger.makes(&output.text);
            }
        }
        false
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Conversion {
    /// What a field is called that it converts.
    fn output_of(&self, field: &str) -> String {
        match &self.output {
            Some(output) => {
                renamed(field, &self.field, output).unwrap_or_else(|| output.text.clone())
            }
            None => field.to_owned(),
        }
    }
}

/// `ctime(firstTime) as first`.
fn conversion(cursor: &mut dyn Cursor) -> Result<Conversion> {
    let start = cursor.place();
    let word = cursor.word().to_lowercase();
    let function = cursor.since(start, word);
    if !CONVERSIONS.contains(&function.text.as_str()) {
        if function.text.is_empty() {
            return Err(cursor.expected("a conversion such as `ctime(_time)`"));
        }
        let diagnostic = diagnostic(
            function.span,
            format!("`{}` is not a conversion", function.text),
        );
        return Err(match cursor.closest(&function.text, CONVERSIONS) {
            Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
            None => diagnostic.with_help(format!("there are {}", CONVERSIONS.join(", "))),
        });
    }
    if !cursor.eat(b'(') {
        return Err(cursor.expected("`(`"));
    }
    let field = cursor.name("a field")?;
    if !cursor.eat(b')') {
        return Err(cursor.expected("`)`"));
    }
    let output = if cursor.eat_keyword("as") {
        Some(cursor.name("a name after `as`")?)
    } else {
        None
    };
    Ok(Conversion {
        function,
        field,
        output,
    })
}

impl Plan for Convert {
    fn plan(&self, planner: &mut Planner<'_>, mut rows: Rows, span: Span) -> Result<Rows> {
        let format = self.time_format.as_deref().unwrap_or(DEFAULT_FORMAT);
        let mut assignments: Vec<(String, Expr)> = Vec::new();
        // `none(…)` keeps fields out of the wildcards of the others.
        let kept: Vec<&Name> = self
            .conversions
            .iter()
            .filter(|conversion| conversion.function.text == "none")
            .map(|conversion| &conversion.field)
            .collect();
        for conversion in &self.conversions {
            let names: Vec<String> = if conversion.field.text.contains('*') {
                let fits = |name: &String| {
                    matches(&conversion.field, name) && !kept.iter().any(|kept| matches(kept, name))
                };
                rows.names().into_iter().filter(fits).collect()
            } else {
                vec![conversion.field.text.clone()]
            };
            if conversion.function.text == "auto" {
                rows = at(span, rows.set(std::mem::take(&mut assignments)))?;
                rows = best(planner, rows, conversion, &names, span)?;
                continue;
            }
            for name in names {
                // A second conversion of a field goes on from the first.
                if assignments.iter().any(|(made, _)| *made == name) {
                    rows = at(span, rows.set(std::mem::take(&mut assignments)))?;
                }
                let Some(value) = rows.field(&name) else {
                    continue;
                };
                let output = conversion.output_of(&name);
                if let Some(converted) = converted(
                    planner,
                    &conversion.function.text,
                    value,
                    format,
                    conversion.function.span,
                )? {
                    assignments.push((output, as_value(converted).expr));
                }
            }
        }
        let timed = assignments.iter().any(|(name, _)| name == "_time");
        let rows = at(span, rows.set(assignments))?;
        if timed {
            return at(span, rows.timed_anew());
        }
        Ok(rows)
    }
}

/// `auto`: numbers in place of the values of each field all of whose values can be read as numbers.
fn best(
    planner: &Planner<'_>,
    rows: Rows,
    conversion: &Conversion,
    fields: &[String],
    span: Span,
) -> Result<Rows> {
    let names = rows.all_names();
    let (mut columns, mut windows, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for (index, field) in fields.iter().enumerate() {
        let Some(value) = rows.field(field) else {
            continue;
        };
        let output = conversion.output_of(field);
        if value.data_type != DataType::Utf8 {
            // It holds numbers, or lists, which have no number.
            outputs.push((output, as_value(value).expr));
            continue;
        }
        let [plain, number, all, read] =
            ["plain", "number", "all", "read"].map(|part| format!("{HIDDEN}{part}{index}"));
        columns.push((plain.clone(), value.expr.clone()));
        columns.push((number.clone(), units::number_text(value).expr));
        for (of, window) in [(&plain, &all), (&number, &read)] {
            let counted = as_window(
                expr_fn::count(column(of)),
                &[],
                &[],
                &WindowFrame::new(None),
            );
            windows.extend(counted.map(|counted| counted.alias(window)));
        }
        let whole = column(&all).eq(column(&read));
        let value = when(whole, column(&number)).otherwise(column(&plain));
        outputs.push((
            output,
            value.map_err(|error| diagnostic(span, error.to_string()))?,
        ));
    }
    let rows = at(span, rows.set(columns))?;
    planner.beside(rows, windows, &names, outputs, span)
}

fn converted(
    planner: &Planner<'_>,
    function: &str,
    value: Typed,
    format: &str,
    span: Span,
) -> Result<Option<Typed>> {
    let literal = |value: &str| Typed {
        expr: text(value),
        data_type: DataType::Utf8,
    };
    let call = |name: &str, args: Vec<Typed>| plan_call(name, args, span, &planner.context);
    Ok(Some(match function {
        "ctime" => call("strftime", vec![value, literal(format)])?,
        "mktime" => call("strptime", vec![value, literal(format)])?,
        "none" => return Ok(None),
        "rmcomma" => call("replace", vec![value, literal(","), literal("")])?,
        "num" | "rmunit" | "memk" | "dur2sec" | "mstime" => {
            return Ok(units::convert(function, value));
        }
        other => {
            return Err(diagnostic(
                span,
                format!(
                    "`convert` knows no function `{other}`: there are auto, ctime, dur2sec, memk, mktime, mstime, \
                     none, num, rmcomma, rmunit"
                ),
            ));
        }
    }))
}
