//! `lookup`, `inputlookup`, and other sources of rows: `from`, `join`.

use crate::syntax::ast::{CommandKind, Join, Lookup, LookupOutput, Name, Outputlookup};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};

impl Parser<'_> {
    pub(super) fn lookup(&mut self) -> Parsed<Lookup> {
        while let Some(option) = self.option_name() {
            match option.text.as_str() {
                // Where and how fresh Splunk reads the table; here there is one.
                "local" | "update" => {
                    self.bool_value(&option.text)?;
                }
                _ => return Err(self.unknown_option("lookup", &option)),
            }
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
        let (mut append, mut max, mut lookup, mut filter) = (false, None, None, None);
        while !self.at_end() {
            if let Some(option) = self.option_name() {
                match option.text.as_str() {
                    "append" => append = self.bool_value("append")?,
                    "max" => max = Some(self.count_value("max")?),
                    "strict" => {
                        self.bool_value("strict")?;
                    }
                    "start" => {
                        if self.count_value("start")? > 0 {
                            return Err(self.not_run("`start=` of `inputlookup`", &option));
                        }
                    }
                    _ => return Err(self.unknown_option("inputlookup", &option)),
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
                match option.text.as_str() {
                    "append" => append = self.bool_value("append")?,
                    "override_if_empty" => {
                        override_if_empty = self.bool_value("override_if_empty")?;
                    }
                    "key_field" => key_field = Some(self.value("key_field")?),
                    "max" => max = Some(self.count_value("max")?),
                    // Where Splunk writes the file; here it is a table of the run.
                    "create_empty" | "createinapp" | "create_context" | "output_format" => {
                        self.value(&option.text)?;
                    }
                    _ => return Err(self.unknown_option("outputlookup", &option)),
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
                "overwrite" => overwrite = self.bool_value("overwrite")?,
                "usetime" | "earlier" => {
                    if self.bool_value(&option.text)? && option.text == "usetime" {
                        return Err(self.not_run("`usetime=` of `join`", &option));
                    }
                }
                "left" | "right" => {
                    return Err(self.not_run("`join` with aliases for its sides", &option));
                }
                _ => return Err(self.unknown_option("join", &option)),
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
