//! Commands that make, name and choose fields.

use crate::syntax::ast::{
    Bin, BinSpan, CommandKind, Conversion, Convert, Name, TimeSpan, TimeUnit,
};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{Usage, count, obeyed};

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "bin",
        also: &["bucket"],
        syntax: "bin [<options>] <field> [as <name>]",
        meaning: "Puts numbers and times into ranges.",
        options: &[
            obeyed(
                "span",
                "Width of a range: a number, a length of time such as `5m`, or `2log10`.",
            ),
            count(
                "bins",
                "Most ranges where there is no span; 100 if it is not given.",
            ),
            obeyed(
                "minspan",
                "The span that the data gives is at least as wide.",
            ),
            obeyed("start", "Values below are left out."),
            obeyed("end", "Values above are left out."),
            obeyed(
                "aligntime",
                "Where ranges of time begin: `earliest`, `latest`, or a time. Ranges of days and more begin at midnight.",
            ),
        ],
    },
    Usage {
        name: "convert",
        also: &[],
        syntax: "convert [timeformat=<format>] <function>(<field>) [as <name>] …",
        meaning: "Converts values: `auto`, `ctime`, `dur2sec`, `memk`, `mktime`, `mstime`, `none`, `num`, `rmcomma`, `rmunit`.",
        options: &[obeyed(
            "timeformat",
            "How `ctime` writes times and `mktime` reads them.",
        )],
    },
    Usage {
        name: "eval",
        also: &[],
        syntax: "eval <field>=<expression>, …",
        meaning: "Gives fields the values of expressions. `{field}` in a name stands for that field's value.",
        options: &[],
    },
];

const CONVERSIONS: &[&str] = &[
    "auto", "ctime", "dur2sec", "memk", "mktime", "mstime", "none", "num", "rmcomma", "rmunit",
];

impl Parser<'_> {
    pub(super) fn eval(&mut self) -> Parsed<CommandKind> {
        let mut assignments = Vec::new();
        loop {
            let target = self.name("a field to assign to")?;
            if !self.eat(b'=') {
                return Err(self.expected(&format!("`=` after `{}`", target.text)));
            }
            assignments.push((target, self.expr()?));
            if !self.eat(b',') {
                let start = self.pos;
                if self.option_name().is_some() {
                    self.pos = start;
                    let diagnostic = self.expected("`,` or the end of the command");
                    return Err(diagnostic.with_help("separate assignments with commas"));
                }
                break;
            }
            // A comma behind the last one does no harm.
            if self.at_end() {
                break;
            }
        }
        Ok(CommandKind::Eval(assignments))
    }

    pub(super) fn convert(&mut self) -> Parsed<Convert> {
        let mut time_format = None;
        let mut conversions = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                if !self.takes("convert", &option)? {
                    continue;
                }
                time_format = Some(self.value("timeformat")?.text);
                continue;
            }
            let start = self.pos;
            let word = self.word().to_lowercase();
            let function = Name {
                text: word,
                span: self.span_from(start),
            };
            if !CONVERSIONS.contains(&function.text.as_str()) {
                if function.text.is_empty() {
                    return Err(self.expected("a conversion such as `ctime(_time)`"));
                }
                let diagnostic = Diagnostic::new(
                    format!("`{}` is not a conversion", function.text),
                    function.span,
                );
                return Err(
                    match self.closest(&function.text, CONVERSIONS.iter().copied()) {
                        Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
                        None => {
                            diagnostic.with_help(format!("there are {}", CONVERSIONS.join(", ")))
                        }
                    },
                );
            }
            if !self.eat(b'(') {
                return Err(self.expected("`(`"));
            }
            let field = self.name("a field")?;
            if !self.eat(b')') {
                return Err(self.expected("`)`"));
            }
            let output = if self.eat_keyword("as") {
                Some(self.name("a name after `as`")?)
            } else {
                None
            };
            conversions.push(Conversion {
                function,
                field,
                output,
            });
        }
        if conversions.is_empty() {
            return Err(self.expected("a conversion such as `ctime(_time)`"));
        }
        Ok(Convert {
            time_format,
            conversions,
        })
    }

    pub(super) fn bin(&mut self) -> Parsed<Bin> {
        let (mut field, mut output) = (None, None);
        let (mut span, mut bins, mut min_span) = (None, None, None);
        let (mut start, mut end, mut align) = (None, None, None);
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                if !self.takes("bin", &option)? {
                    continue;
                }
                match option.text.as_str() {
                    "span" => span = Some(self.bin_span()?),
                    "bins" => bins = Some(self.count_value("bins")?),
                    "minspan" => min_span = Some(self.bin_span()?),
                    "start" => start = Some(self.number_value("start")?),
                    "end" => end = Some(self.number_value("end")?),
                    _ => align = Some(self.value("aligntime")?),
                }
            } else if field.is_some() && output.is_none() && self.eat_keyword("as") {
                output = Some(self.name("a name after `as`")?);
            } else if field.is_none() {
                field = Some(self.name("a field")?);
            } else {
                return Err(self.expected("the end of the command, as `bin` takes one field"));
            }
        }
        match field {
            Some(field) => Ok(Bin {
                field,
                span,
                bins,
                min_span,
                start,
                end,
                align,
                output,
            }),
            None => Err(self.expected("a field")),
        }
    }

    fn number_value(&mut self, option: &str) -> Parsed<f64> {
        let value = self.value(option)?;
        match value.text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(Diagnostic::new(
                format!("`{option}` is a number, not `{}`", value.text),
                value.span,
            )),
        }
    }

    pub(super) fn bin_span(&mut self) -> Parsed<BinSpan> {
        let value = self.value("span")?;
        parse_span(&value)
    }
}

/// A width such as `5m` or `100`.
pub(in crate::syntax) fn parse_span(value: &Name) -> Parsed<BinSpan> {
    let bad = |what: &str| Diagnostic::new(format!("`{}` {what}", value.text), value.span);
    let help = "write a number, or a number and a unit such as 30s, 5m, 1h, 1d, 1w, 1mon";
    // `1d@d` is aligned as `1d` is anyway.
    let (length, snap) = match value.text.split_once('@') {
        Some((length, snap)) => (length, Some(snap)),
        None => (value.text.as_str(), None),
    };
    let digits = length
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(length.len());
    let (amount, unit) = length.split_at(digits);
    if unit.is_empty() {
        return match amount.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 && snap.is_none() => {
                Ok(BinSpan::Number(number))
            }
            _ => Err(bad("is not a span").with_help(help)),
        };
    }
    let Some(unit) = time_unit(unit) else {
        let Some(base) = unit.to_lowercase().strip_prefix("log").map(str::to_owned) else {
            return Err(bad("is not a span").with_help(help));
        };
        let number = |text: &str, default: f64| {
            if text.is_empty() {
                Some(default)
            } else {
                text.parse::<f64>().ok()
            }
        };
        return match (number(amount, 1.0), number(&base, 10.0)) {
            (Some(coefficient), Some(base))
                if base > 1.0 && coefficient >= 1.0 && coefficient < base && snap.is_none() =>
            {
                Ok(BinSpan::Log { coefficient, base })
            }
            _ => Err(bad("is not a logarithmic span").with_help(
                "write `log10`, or `2log10`: a factor from 1 up to the base, and a base above 1",
            )),
        };
    };
    if snap.is_some_and(|snap| time_unit(snap) != Some(unit)) {
        return Err(bad(
            "is aligned to another unit than its own, which is not supported",
        ));
    }
    let amount = if amount.is_empty() {
        Ok(1)
    } else {
        amount.parse::<u64>()
    };
    match amount {
        Ok(amount) if amount > 0 => Ok(BinSpan::Time(TimeSpan { amount, unit })),
        _ => Err(bad("is not a span").with_help(help)),
    }
}

/// The unit of time that a word of SPL names.
fn time_unit(word: &str) -> Option<TimeUnit> {
    Some(match word.to_lowercase().as_str() {
        "us" => TimeUnit::Microsecond,
        "ms" => TimeUnit::Millisecond,
        "cs" => TimeUnit::Centisecond,
        "ds" => TimeUnit::Decisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => TimeUnit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => TimeUnit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => TimeUnit::Hour,
        "d" | "day" | "days" => TimeUnit::Day,
        "w" | "week" | "weeks" => TimeUnit::Week,
        "mon" | "month" | "months" => TimeUnit::Month,
        "q" | "qtr" | "qtrs" | "quarter" | "quarters" => TimeUnit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => TimeUnit::Year,
        _ => return None,
    })
}
