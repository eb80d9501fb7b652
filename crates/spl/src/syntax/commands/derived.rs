//! Commands that others can stand for. They are read into the text of those others, which is then parsed in their place;
//! what is wrong with that text points to the whole command.

use std::fmt::Write as _;

use crate::syntax::ast::{Command, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{Usage, count, flag, no_effect, obeyed, only, refused};

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "accum",
        also: &[],
        syntax: "accum <field> [as <name>]",
        meaning: "The sum of a field's values up to each row.",
        options: &[],
    },
    Usage {
        name: "addcoltotals",
        also: &[],
        syntax: "addcoltotals [labelfield=<field>] [label=<text>] [<fields>]",
        meaning: "Adds a row of the sums of the columns.",
        options: &[
            obeyed("labelfield", "Field in which that row has its label."),
            obeyed("label", "That label; `Total` if it is not given."),
        ],
    },
    Usage {
        name: "addinfo",
        also: &[],
        syntax: "addinfo",
        meaning: "Adds `info_min_time`, `info_max_time`, `info_search_time` and `info_sid`.",
        options: &[],
    },
    Usage {
        name: "appendcols",
        also: &[],
        syntax: "appendcols [<options>] [ <subsearch> ]",
        meaning: "Puts the columns of a subsearch beside the rows: the first beside the first, and so on.",
        options: &[
            flag("override", "The subsearch's values win."),
            count(
                "maxout",
                "Most rows of the subsearch; 0 for all. All if it is not given.",
            ),
            no_effect(
                "extendtimerange",
                "a subsearch reads all times unless it says which",
            ),
            no_effect("maxtime", super::PATIENCE),
            no_effect("timeout", super::PATIENCE),
        ],
    },
    Usage {
        name: "datamodel",
        also: &[],
        syntax: "datamodel <model> <node> search|flat [<options>]",
        meaning: "The events of a data model, with names such as `Node.field`, or with `flat` without the node.",
        options: &[
            no_effect(
                "summariesonly",
                "all events count as summarised, old and new",
            ),
            no_effect(
                "allow_old_summaries",
                "all events count as summarised, old and new",
            ),
            only(
                "strict_fields",
                "true",
                "search the events themselves for other fields than those of the model",
            ),
        ],
    },
    Usage {
        name: "fieldformat",
        also: &[],
        syntax: "fieldformat <field>=<expression>",
        meaning: "Is read and does nothing: how a value is shown is not for the rows.",
        options: &[],
    },
    Usage {
        name: "filldown",
        also: &[],
        syntax: "filldown <fields>",
        meaning: "Gives fields without a value that of the row before.",
        options: &[],
    },
    Usage {
        name: "highlight",
        also: &[],
        syntax: "highlight <words>",
        meaning: "Is read and does nothing: how a value is shown is not for the rows.",
        options: &[],
    },
    Usage {
        name: "metadata",
        also: &[],
        syntax: "metadata type=hosts|sources|sourcetypes",
        meaning: "When each host, source or source type was seen first and last, and how many events it has.",
        options: &[
            obeyed("type", "Of what."),
            only(
                "index",
                "*",
                "name the index in a search, and use `stats min(_time) max(_time) count by …`",
            ),
            no_effect("splunk_server", "there is one machine"),
            no_effect("splunk_server_group", "there is one machine"),
            refused("datatype", "search the metrics with `mstats`"),
        ],
    },
    Usage {
        name: "outlier",
        also: &[],
        syntax: "outlier [<options>] [<fields>]",
        meaning: "Cuts numbers that lie far outside the middle half of a field's numbers, or leaves out their rows; of all fields where none is named.",
        options: &[
            obeyed(
                "action",
                "`remove` (`rm`) leaves out rows, `transform` (`tf`) cuts numbers to the limit, which is done if it is not given.",
            ),
            obeyed(
                "param",
                "How many times the distance of the quartiles a number may lie beyond them; 2.5 if it is not given.",
            ),
            flag("uselower", "Numbers far below count as well."),
            flag("mark", "Numbers that are cut begin with `000`."),
            only("type", "iqr", "there is no other kind of outliers"),
        ],
    },
    Usage {
        name: "rangemap",
        also: &[],
        syntax: "rangemap field=<field> <name>=<number>-<number> … [default=<name>]",
        meaning: "Adds `range`: the names of the ranges in which a number lies.",
        options: &[
            obeyed("field", "The field of the number."),
            obeyed(
                "default",
                "What it is called where it lies in none; `None` if it is not given.",
            ),
        ],
    },
    Usage {
        name: "strcat",
        also: &[],
        syntax: "strcat [allrequired=<bool>] <field or \"text\"> … <name>",
        meaning: "Joins fields and texts.",
        options: &[flag(
            "allrequired",
            "Where a field has no value there is no result.",
        )],
    },
    Usage {
        name: "trendline",
        also: &[],
        syntax: "trendline sma<number>(<field>) [as <name>] …",
        meaning: "Simple moving averages.",
        options: &[],
    },
];

/// A field where a command takes names.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text in an expression.
fn literal(text: &str) -> String {
    quoted(text)
}

impl Parser<'_> {
    /// The commands that stand for the one whose arguments are at the cursor.
    pub(in crate::syntax) fn derived(
        &mut self,
        name: &str,
        start: usize,
    ) -> Parsed<Option<Vec<Command>>> {
        if !USAGES.iter().any(|usage| usage.name == name) {
            return Ok(None);
        }
        let text = match name {
            "accum" => self.accum()?,
            "addcoltotals" => self.addcoltotals(),
            // All of the data is searched, and there is no job.
            "addinfo" => "eval info_min_time=0, info_max_time=\"+Infinity\", info_search_time=now(), info_sid=\"\""
                .to_owned(),
            "appendcols" => self.appendcols()?,
            "datamodel" => self.datamodel()?,
            // How a value is shown is not for the rows.
            "fieldformat" => {
                self.eval()?;
                "fields *".to_owned()
            }
            "filldown" => self.filldown()?,
            "highlight" => {
                self.skip_arguments();
                "fields *".to_owned()
            }
            "metadata" => self.metadata()?,
            "outlier" => self.outlier()?,
            "rangemap" => self.rangemap()?,
            "strcat" => self.strcat()?,
            _ => self.trendline()?,
        };
        if !self.at_end() {
            return Err(self.expected("`|` or the end of the command"));
        }
        self.stand_in(&text, start).map(Some)
    }

    /// A field of an expression: in single quotes, which cannot be escaped.
    fn field_of_expression(&self, name: &Name) -> Parsed<String> {
        if name.text.contains('\'') {
            return Err(Diagnostic::new(
                "a field with an apostrophe in its name cannot be used here",
                name.span,
            )
            .with_help("rename it before"));
        }
        Ok(format!("'{}'", name.text))
    }

    fn as_name(&mut self) -> Parsed<Option<Name>> {
        if self.eat_keyword("as") {
            self.name("a field").map(Some)
        } else {
            Ok(None)
        }
    }

    fn accum(&mut self) -> Parsed<String> {
        let field = self.name("a field")?;
        let new = self.as_name()?;
        Ok(format!(
            "streamstats sum({}) as {}",
            quoted(&field.text),
            quoted(&new.as_ref().unwrap_or(&field).text)
        ))
    }

    fn addcoltotals(&mut self) -> String {
        self.skip_space();
        let start = self.pos;
        self.skip_arguments();
        format!(
            "addtotals row=f col=t {}",
            self.text[start..self.pos].trim()
        )
    }

    /// Rows are put beside each other by their number.
    fn appendcols(&mut self) -> Parsed<String> {
        let (mut overwrite, mut most) = (false, 0);
        while let Some(option) = self.option_name() {
            if self.takes("appendcols", &option)? {
                match option.text.as_str() {
                    "override" => overwrite = self.bool_value("override")?,
                    _ => most = self.count_value("maxout")?,
                }
            }
        }
        self.skip_space();
        let start = self.pos;
        if !self.eat(b'[') {
            return Err(self.expected("a subsearch in brackets"));
        }
        let outside = self.enter_brackets();
        let inner = self.pos;
        self.skip_pipeline();
        let end = self.pos;
        self.leave_brackets(outside);
        if !self.eat(b']') {
            return Err(self
                .error("this bracket is never closed", start, start + 1)
                .with_help("end the subsearch with ]"));
        }
        let most = if most > 0 {
            format!("| head {most} ")
        } else {
            String::new()
        };
        Ok(format!(
            "streamstats count as \"cols:row\" | join type=left overwrite={overwrite} \"cols:row\" \
             [ {} {most}| streamstats count as \"cols:row\" | fields - _time _raw ] | fields - \"cols:row\"",
            self.text[inner..end].trim()
        ))
    }

    fn datamodel(&mut self) -> Parsed<String> {
        let model = self.name("a data model")?;
        if self.at_end() {
            return Err(self.expected("a dataset of the data model"));
        }
        let dataset = self.name("a dataset of the data model")?;
        let flat = if self.eat_keyword("search") {
            false
        } else if self.eat_keyword("flat") {
            true
        } else {
            return Err(self.expected("`search` or `flat`"));
        };
        while let Some(option) = self.option_name() {
            self.takes("datamodel", &option)?;
        }
        let mut text = format!("from datamodel:\"{}.{}\"", model.text, dataset.text);
        if !flat {
            let _ = write!(
                text,
                " | rename * as {}",
                quoted(&format!("{}.*", dataset.text))
            );
        }
        Ok(text)
    }

    fn filldown(&mut self) -> Parsed<String> {
        let fields = self.names("a field", |_| false)?;
        if fields.is_empty() {
            return Err(self
                .expected("the fields to fill")
                .with_help("name them: `filldown user dest`"));
        }
        let mut text = "streamstats".to_owned();
        for field in fields {
            if field.text.contains('*') {
                return Err(
                    Diagnostic::new("`filldown` takes no wildcards here", field.span)
                        .with_help("name the fields"),
                );
            }
            let name = quoted(&field.text);
            let _ = write!(text, " last({name}) as {name}");
        }
        Ok(text)
    }

    fn metadata(&mut self) -> Parsed<String> {
        let mut kind = None;
        while let Some(option) = self.option_name() {
            if self.takes("metadata", &option)? {
                kind = Some(self.value("type")?);
            }
        }
        let Some(kind) = kind else {
            return Err(self.expected("`type=hosts`, `type=sources` or `type=sourcetypes`"));
        };
        let field = match kind.text.as_str() {
            "hosts" => "host",
            "sources" => "source",
            "sourcetypes" => "sourcetype",
            _ => {
                return Err(Diagnostic::new(
                    "`type` is hosts, sources or sourcetypes",
                    kind.span,
                ));
            }
        };
        Ok(format!(
            "search * | stats min(_time) as firstTime max(_time) as lastTime count as totalCount by {field} \
             | eval recentTime=lastTime, type=\"{}\"",
            kind.text
        ))
    }

    /// Numbers beyond the quartiles by more than `param` times their distance are cut to that, or their rows left out.
    fn outlier(&mut self) -> Parsed<String> {
        let (mut remove, mut mark, mut lower, mut param) = (false, false, false, 2.5);
        while let Some(option) = self.option_name() {
            if !self.takes("outlier", &option)? {
                continue;
            }
            match option.text.as_str() {
                "mark" => mark = self.bool_value("mark")?,
                "uselower" => lower = self.bool_value("uselower")?,
                "param" => {
                    let value = self.value("param")?;
                    let number = value.text.parse().ok();
                    param = number
                        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
                        .ok_or_else(|| Diagnostic::new("`param` is a number from 0", value.span))?;
                }
                _ => {
                    let value = self.value("action")?;
                    remove = match value.text.to_ascii_lowercase().as_str() {
                        "rm" | "remove" => true,
                        "tf" | "transform" => false,
                        _ => {
                            return Err(Diagnostic::new(
                                "`action` is remove or transform",
                                value.span,
                            ));
                        }
                    };
                }
            }
        }
        let fields = self.names("a field", |_| false)?;
        // What becomes of a field, whose name in an expression is `value` and in front of one `target`.
        let treat = |value: &str, target: &str, low: &str, high: &str| {
            let (up, down) = (
                format!("({high}+{param}*({high}-{low}))"),
                format!("({low}-{param}*({high}-{low}))"),
            );
            let above = format!("tonumber({value})>{up}");
            let below = format!("tonumber({value})<{down}");
            if remove {
                let either = if lower {
                    format!("({above} OR {below})")
                } else {
                    above
                };
                return format!("eval \"outlier:is\"=if({either}, 1, 'outlier:is')");
            }
            let cut = |end: &str| {
                if mark {
                    format!("\"000\".{end}")
                } else {
                    end.to_owned()
                }
            };
            let below = if lower {
                format!("{below}, {}, ", cut(&down))
            } else {
                String::new()
            };
            format!(
                "eval {target}=case({above}, {}, {below}true(), {value})",
                cut(&up)
            )
        };
        let mut quartiles = Vec::new();
        let mut steps = Vec::new();
        if fields.is_empty() {
            quartiles
                .push("perc25(*) as \"outlier:low:*\" perc75(*) as \"outlier:high:*\"".to_owned());
            let step = treat(
                "'<<MATCHSTR>>'",
                "\"<<MATCHSTR>>\"",
                "'outlier:low:<<MATCHSTR>>'",
                "'outlier:high:<<MATCHSTR>>'",
            );
            steps.push(format!("foreach \"outlier:low:*\" [{step}]"));
        }
        for field in &fields {
            let low = format!("outlier:low:{}", field.text);
            let high = format!("outlier:high:{}", field.text);
            let name = quoted(&field.text);
            quartiles.push(format!(
                "perc25({name}) as {} perc75({name}) as {}",
                quoted(&low),
                quoted(&high)
            ));
            let value = self.field_of_expression(field)?;
            steps.push(treat(
                &value,
                &name,
                &format!("'{low}'"),
                &format!("'{high}'"),
            ));
        }
        let mut text = format!("eventstats {}", quartiles.join(" "));
        if remove {
            text.push_str(" | eval \"outlier:is\"=0");
        }
        for step in &steps {
            let _ = write!(text, " | {step}");
        }
        if remove {
            text.push_str(" | where 'outlier:is'=0");
        }
        text.push_str(" | fields - \"outlier:*\"");
        Ok(text)
    }

    fn rangemap(&mut self) -> Parsed<String> {
        let (mut field, mut default, mut ranges) = (None, "None".to_owned(), Vec::new());
        while let Some(option) = self.option_name() {
            let value = self.value(&option.text)?;
            match option.text.as_str() {
                "field" => field = Some(value),
                "default" => default = value.text,
                _ => {
                    // A minus before a number is its own: `-5--1`.
                    let cut = value
                        .text
                        .char_indices()
                        .skip(1)
                        .find(|(_, c)| *c == '-')
                        .map(|(at, _)| at);
                    let ends = cut.and_then(|at| {
                        let (low, high) = value.text.split_at(at);
                        Some((
                            low.trim().parse::<f64>().ok()?,
                            high.get(1..)?.trim().parse::<f64>().ok()?,
                        ))
                    });
                    let Some(ends) = ends else {
                        return Err(Diagnostic::new(
                            format!("`{}` is a range of numbers, such as 1-10", option.text),
                            value.span,
                        ));
                    };
                    ranges.push((option.text, ends));
                }
            }
        }
        let Some(field) = field else {
            return Err(self.expected("`field=` and ranges such as `low=0-10`"));
        };
        if ranges.is_empty() {
            return Err(self.expected("ranges such as `low=0-10`"));
        }
        let value = self.field_of_expression(&field)?;
        let all: Vec<String> = ranges
            .iter()
            .map(|(name, (low, high))| {
                format!(
                    "if(tonumber({value})>={low} AND tonumber({value})<={high}, {}, null())",
                    literal(name)
                )
            })
            .collect();
        Ok(format!(
            "eval range=mvappend({}) | eval range=coalesce(range, {})",
            all.join(", "),
            literal(&default)
        ))
    }

    fn strcat(&mut self) -> Parsed<String> {
        let mut required = false;
        self.skip_space();
        if let Some(option) = self.option_name() {
            self.takes("strcat", &option)?;
            required = self.bool_value("allrequired")?;
        }
        let mut parts = Vec::new();
        loop {
            self.skip_space();
            if self.at_end() {
                break;
            }
            let is_text = self.peek() == Some(b'"');
            parts.push((is_text, self.name("a field or a text in quotes")?));
        }
        let Some((_, new)) = parts.pop().filter(|_| parts.len() >= 2) else {
            return Err(self.expected("fields and texts to join, and the field to make"));
        };
        let mut all = Vec::new();
        for (is_text, part) in &parts {
            all.push(if *is_text {
                literal(&part.text)
            } else {
                let field = self.field_of_expression(part)?;
                if required {
                    field
                } else {
                    format!("coalesce({field}, \"\")")
                }
            });
        }
        Ok(format!("eval {}={}", quoted(&new.text), all.join(" . ")))
    }

    /// Simple moving averages.
    fn trendline(&mut self) -> Parsed<String> {
        let mut text = String::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let start = self.pos;
            let word = self.word().to_ascii_lowercase();
            let period = word
                .strip_prefix("sma")
                .and_then(|period| period.parse::<u64>().ok())
                .filter(|period| (2..=10_000).contains(period));
            let Some(period) = period.filter(|_| self.peek() == Some(b'(')) else {
                return Err(self
                    .error("a simple moving average is written `sma5(field)`", start, self.pos)
                    .with_help("other trends (ema, wma) are not run; `streamstats window=5` has other statistics"));
            };
            self.pos += 1;
            let field = self.name("a field")?;
            if !self.eat(b')') {
                return Err(self.expected("`)`"));
            }
            let name = self
                .as_name()?
                .map_or_else(|| format!("sma{period}({})", field.text), |new| new.text);
            let _ = write!(
                text,
                "{}streamstats window={period} avg({}) as \"trend:mean\" count as \"trend:rows\" \
                 | eval {}=if('trend:rows'={period}, 'trend:mean', null()) | fields - \"trend:mean\" \"trend:rows\"",
                if text.is_empty() { "" } else { " | " },
                quoted(&field.text),
                quoted(&name)
            );
        }
        if text.is_empty() {
            return Err(self.expected("a trend such as `sma5(field)`"));
        }
        Ok(text)
    }
}
