//! `lookup`, `inputlookup`, and other sources of rows: `from`, `join`.

use crate::syntax::ast::{CommandKind, Join, Lookup, LookupOutput, Name, Outputlookup};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{Usage, count, flag, no_effect, obeyed, only, refused};

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "from",
        also: &[],
        syntax: "from datamodel:<Model.Node> | from lookup:<name>",
        meaning: "The events of a data model, or the rows of a lookup.",
        options: &[],
    },
    Usage {
        name: "inputlookup",
        also: &[],
        syntax: "inputlookup [<options>] <name> [where <conditions>]",
        meaning: "The rows of a lookup.",
        options: &[
            flag("append", "Puts them below the rows before."),
            obeyed("start", "Leaves so many rows out at the start."),
            count("max", "Most rows."),
            no_effect(
                "strict",
                "a lookup that is not there is an error either way",
            ),
        ],
    },
    Usage {
        name: "join",
        also: &[],
        syntax: "join [<options>] [<fields>] [ <subsearch> ]",
        meaning: "Joins rows with those of a subsearch that have the same values of the fields, or of all fields in common.",
        options: &[
            obeyed(
                "type",
                "`inner`, or `left` (the same as `outer`), which keeps rows without a partner.",
            ),
            count(
                "max",
                "Most partners of a row; 1 if it is not given, 0 for all.",
            ),
            flag(
                "overwrite",
                "Whether the subsearch's values win, which they do if it is not given.",
            ),
            only(
                "usetime",
                "false",
                "compare `_time` with `where` behind a join with `max=0`",
            ),
            no_effect(
                "earlier",
                "it says which partner `usetime=true` takes, and that is refused",
            ),
            refused(
                "left",
                "rename the fields before, and join by their common names",
            ),
            refused(
                "right",
                "rename the fields before, and join by their common names",
            ),
        ],
    },
    Usage {
        name: "lookup",
        also: &[],
        syntax: "lookup [<options>] <name> <column> [as <field>] … [OUTPUT|OUTPUTNEW <column> [as <field>] …]",
        meaning: "Adds columns of a lookup where its key columns have the values of fields.",
        options: &[
            no_effect("local", "there is one machine"),
            no_effect("update", "a lookup is read as it is when the search runs"),
        ],
    },
    Usage {
        name: "outputlookup",
        also: &[],
        syntax: "outputlookup [<options>] <name>",
        meaning: "Writes the rows as a lookup, which later searches of the run read. Nothing is written to disk.",
        options: &[
            flag("append", "Keeps the rows that are there."),
            flag(
                "override_if_empty",
                "Whether no rows empty the lookup, which they do if it is not given.",
            ),
            obeyed(
                "key_field",
                "A row whose key is there already replaces that row.",
            ),
            count("max", "Most rows."),
            only(
                "create_empty",
                "true",
                "without rows there is a lookup without rows; `override_if_empty=false` keeps the old one",
            ),
            no_effect("createinapp", "it says where Splunk keeps the file"),
            no_effect("create_context", "it says where Splunk keeps the file"),
            only(
                "output_format",
                "splunk_sv_csv",
                "several values of a field become the lines of a cell",
            ),
        ],
    },
];

impl Parser<'_> {
    pub(super) fn lookup(&mut self) -> Parsed<Lookup> {
        while let Some(option) = self.option_name() {
            self.takes("lookup", &option)?;
        }
        let table = self.name("the name of a lookup")?;
        let keys =
            self.pairs(|parser| parser.at_keyword("output") || parser.at_keyword("outputnew"))?;
        if keys.is_empty() {
            return Err(self.expected("a field to look up"));
        }
        let new = self.at_keyword("outputnew");
        if !new && !self.at_keyword("output") {
            return Ok(Lookup {
                table,
                keys,
                output: LookupOutput::All,
            });
        }
        self.word();
        let output = self.pairs(|_| false)?;
        if output.is_empty() {
            return Err(self.expected("a column of the lookup"));
        }
        let output = if new {
            LookupOutput::KeepExisting(output)
        } else {
            LookupOutput::Overwrite(output)
        };
        Ok(Lookup {
            table,
            keys,
            output,
        })
    }

    /// `a as b, c`: (a, b), (c, c).
    pub(super) fn pairs(
        &mut self,
        mut stop: impl FnMut(&mut Self) -> bool,
    ) -> Parsed<Vec<(Name, Name)>> {
        let mut pairs = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || stop(self) {
                return Ok(pairs);
            }
            let column = self.name("a field")?;
            let field = if self.eat_keyword("as") {
                self.name("a name after `as`")?
            } else {
                column.clone()
            };
            pairs.push((column, field));
        }
    }

    pub(super) fn inputlookup(&mut self) -> Parsed<CommandKind> {
        let (mut append, mut start, mut max) = (false, 0, None);
        let (mut lookup, mut filter) = (None, None);
        while !self.at_end() {
            if let Some(option) = self.option_name() {
                if !self.takes("inputlookup", &option)? {
                    continue;
                }
                match option.text.as_str() {
                    "append" => append = self.bool_value("append")?,
                    "start" => start = self.count_value("start")?,
                    _ => max = Some(self.count_value("max")?),
                }
            } else if lookup.is_none() {
                lookup = Some(self.name("the name of a lookup")?);
            } else if filter.is_none() && self.eat_keyword("where") {
                filter = Some(self.search_clause(false)?);
            } else {
                return Err(self.expected("`where` or the end of the command"));
            }
        }
        match lookup {
            Some(lookup) => Ok(CommandKind::Inputlookup {
                append,
                lookup,
                filter,
                start,
                max,
            }),
            None => Err(self.expected("the name of a lookup")),
        }
    }

    pub(super) fn outputlookup(&mut self) -> Parsed<Outputlookup> {
        let (mut append, mut override_if_empty, mut key_field, mut max, mut lookup) =
            (false, true, None, None, None);
        while !self.at_end() {
            if let Some(option) = self.option_name() {
                if !self.takes("outputlookup", &option)? {
                    continue;
                }
                match option.text.as_str() {
                    "append" => append = self.bool_value("append")?,
                    "override_if_empty" => {
                        override_if_empty = self.bool_value("override_if_empty")?;
                    }
                    "key_field" => key_field = Some(self.value("key_field")?),
                    _ => max = Some(self.count_value("max")?),
                }
            } else if lookup.is_none() {
                lookup = Some(self.name("the name of a lookup")?);
            } else {
                return Err(self.expected("the end of the command"));
            }
        }
        match lookup {
            Some(lookup) => Ok(Outputlookup {
                lookup,
                append,
                override_if_empty,
                key_field,
                max,
            }),
            None => Err(self.expected("the name of a lookup")),
        }
    }

    pub(super) fn from(&mut self) -> Parsed<CommandKind> {
        self.skip_space();
        let start = self.pos;
        let mut name = self.name("`datamodel:` and a name")?;
        let (kind, rest) = match name.text.split_once(':') {
            Some((kind, rest)) => (kind.trim().to_lowercase(), rest.trim().to_owned()),
            None => (name.text.to_lowercase(), String::new()),
        };
        if !matches!(
            kind.as_str(),
            "datamodel" | "lookup" | "inputlookup" | "savedsearch"
        ) {
            return Err(self
                .error(
                    format!("`from` does not know a source of kind `{kind}`"),
                    start,
                    self.pos,
                )
                .with_help("write `from datamodel:Model.Node` or `from lookup:name`"));
        }
        if rest.is_empty() {
            self.eat(b':');
            name = self.name(&format!("the name of a {kind}"))?;
        } else {
            name.text = rest;
        }
        // "Model"."Node"
        while self.peek() == Some(b'.') && self.peek_at(1) == Some(b'"') {
            self.pos += 1;
            let node = self.name("the name of a node")?;
            name = Name {
                text: format!("{}.{}", name.text, node.text),
                span: name.span.to(node.span),
            };
        }
        Ok(CommandKind::From { kind, name })
    }

    pub(super) fn join(&mut self) -> Parsed<Join> {
        let (mut outer, mut max, mut overwrite) = (false, 1, true);
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || self.peek() == Some(b'[') {
                break;
            }
            let Some(option) = self.option_name() else {
                fields.push(self.column("a field to join by, or a subsearch in brackets")?);
                continue;
            };
            if !self.takes("join", &option)? {
                continue;
            }
            match option.text.as_str() {
                "type" => {
                    let kind = self.value("type")?;
                    outer = match kind.text.to_lowercase().as_str() {
                        "inner" => false,
                        "left" | "outer" => true,
                        _ => {
                            return Err(Diagnostic::new(
                                format!("`{}` is not a type of join", kind.text),
                                kind.span,
                            )
                            .with_help("there are inner, left and outer (the same as left)"));
                        }
                    };
                }
                "max" => max = self.count_value("max")?,
                _ => overwrite = self.bool_value("overwrite")?,
            }
        }
        Ok(Join {
            outer,
            max,
            overwrite,
            fields,
            subsearch: self.bracketed()?,
        })
    }
}
