//! Search clauses: `search`, the start of a pipeline, `where` in `tstats` and `inputlookup`.

use super::ast::{CompareOp, Directive, Name, SearchExpr, SearchValue};
use super::parser::{Parsed, Parser, is_delimiter};
use super::usage::single;

/// Most conditions in a row: each becomes one level of the plan.
const MAX_CONDITIONS: usize = 1000;

impl Parser<'_> {
    fn too_many(&self, count: usize) -> Parsed<()> {
        if count < MAX_CONDITIONS {
            return Ok(());
        }
        Err(self
            .error(
                format!("more than {MAX_CONDITIONS} conditions in a row"),
                self.pos,
                self.pos + 1,
            )
            .with_help("use IN (…) or a lookup"))
    }

    /// Conditions until the command ends, or at `by` if it ends the clause.
    ///
    /// `NOT` binds tighter than `OR`, which binds tighter than `AND` and than no word at all.
    pub(super) fn search_clause(&mut self, ends_at_by: bool) -> Parsed<SearchExpr> {
        let mut all = Vec::new();
        let mut operator: Option<usize> = None;
        loop {
            self.skip_separators();
            if self.at_end()
                || matches!(self.peek(), Some(b')' | b']'))
                || ends_at_by && self.at_by()
            {
                break;
            }
            if self.at_operator("AND") {
                if all.is_empty() || operator.is_some() {
                    return Err(self.expected("a condition before `AND`"));
                }
                operator = Some(self.pos);
                self.pos += 3;
                continue;
            }
            operator = None;
            self.too_many(all.len())?;
            all.push(self.search_or()?);
        }
        if operator.is_some() {
            return Err(self.expected("a condition after `AND`"));
        }
        Ok(if all.len() == 1 {
            all.swap_remove(0)
        } else {
            SearchExpr::And(all)
        })
    }

    pub(super) fn at_by(&mut self) -> bool {
        self.at_keyword("by") || self.at_keyword("groupby")
    }

    /// `AND`, `OR`, `NOT` count only in upper case.
    fn at_operator(&self, word: &str) -> bool {
        self.text[self.pos..].starts_with(word)
            && self
                .peek_at(word.len())
                .is_none_or(|byte| is_delimiter(byte) && byte != b'=')
    }

    fn search_or(&mut self) -> Parsed<SearchExpr> {
        let first = self.search_not()?;
        self.skip_space();
        if !self.at_operator("OR") {
            return Ok(first);
        }
        let mut one = vec![first];
        while self.at_operator("OR") {
            self.too_many(one.len())?;
            self.pos += 2;
            one.push(self.search_not()?);
            self.skip_space();
        }
        Ok(SearchExpr::Or(one))
    }

    fn search_not(&mut self) -> Parsed<SearchExpr> {
        self.skip_separators();
        if self.at_operator("NOT") {
            self.pos += 3;
            self.descend()?;
            let inner = self.search_not()?;
            self.ascend();
            return Ok(SearchExpr::Not(Box::new(inner)));
        }
        self.condition()
    }

    fn condition(&mut self) -> Parsed<SearchExpr> {
        self.skip_separators();
        if self.at_operator("AND") || self.at_operator("OR") {
            return Err(self.expected("a condition"));
        }
        match self.peek() {
            Some(b'(') => {
                let start = self.pos;
                self.pos += 1;
                self.descend()?;
                let inner = self.search_clause(false)?;
                self.ascend();
                if !self.eat(b')') {
                    return Err(self.error("unclosed parenthesis", start, start + 1));
                }
                Ok(inner)
            }
            Some(b'[') => Ok(SearchExpr::Subsearch(Box::new(self.bracketed()?))),
            _ => self.comparison(),
        }
    }

    /// `field op value`, `field IN (…)`, or a term.
    fn comparison(&mut self) -> Parsed<SearchExpr> {
        let in_quotes = self.peek() == Some(b'"');
        let left = self.search_value(Side::Left)?;
        if matches!(left.text.as_str(), "TERM" | "CASE")
            && !left.quoted
            && self.peek() == Some(b'(')
        {
            return Ok(SearchExpr::Term(self.in_parentheses(&left)?));
        }
        self.skip_space();
        let op = match (self.peek(), self.peek_at(1)) {
            (Some(b'='), Some(b'=')) => {
                return Err(self
                    .error(
                        "`==` is not an operator in a search clause",
                        self.pos,
                        self.pos + 2,
                    )
                    .with_help("write `=` here; `==` belongs to `eval` and `where`"));
            }
            (Some(b'='), _) => Some((CompareOp::Eq, 1)),
            (Some(b'!'), Some(b'=')) => Some((CompareOp::Ne, 2)),
            (Some(b'<'), Some(b'=')) => Some((CompareOp::Le, 2)),
            (Some(b'<'), _) => Some((CompareOp::Lt, 1)),
            (Some(b'>'), Some(b'=')) => Some((CompareOp::Ge, 2)),
            (Some(b'>'), _) => Some((CompareOp::Gt, 1)),
            _ => None,
        };
        if let Some((op, length)) = op {
            self.pos += length;
            self.skip_space();
            let field = compared(left)?;
            if op == CompareOp::Eq && self.peek() == Some(b'(') {
                let values = self.condition()?;
                return self.distribute(&field, values);
            }
            if self.peek() == Some(b'[') {
                return Ok(SearchExpr::Given {
                    field,
                    op: Some(op),
                    subsearch: Box::new(self.bracketed()?),
                });
            }
            let value = self.search_value(Side::Right)?;
            let value = self.directed(value)?;
            return Ok(SearchExpr::Compare { field, op, value });
        }
        let start = self.pos;
        let negated = self.eat_keyword("not");
        if self.eat_keyword("in") && self.eat(b'(') {
            let field = compared(left)?;
            self.skip_space();
            let inside = if self.peek() == Some(b'[') {
                let subsearch = Box::new(self.bracketed()?);
                if !self.eat(b')') {
                    return Err(self.expected("`)`: a list holds either one subsearch or values"));
                }
                SearchExpr::Given {
                    field,
                    op: None,
                    subsearch,
                }
            } else {
                SearchExpr::In {
                    field,
                    values: self.in_list(start)?,
                }
            };
            return Ok(if negated {
                SearchExpr::Not(Box::new(inside))
            } else {
                inside
            });
        }
        self.pos = start;
        if let Some((field, value)) = left.text.split_once("::").filter(|_| !in_quotes)
            && INDEXED.contains(&field)
            && !value.is_empty()
        {
            let span = left.span;
            return Ok(SearchExpr::Compare {
                field: Name {
                    text: field.to_owned(),
                    span,
                },
                op: CompareOp::Eq,
                value: SearchValue {
                    text: value.to_owned(),
                    ..left
                },
            });
        }
        Ok(SearchExpr::Term(left))
    }

    /// `field=(a OR b)`: what stands in the parentheses are values of the field.
    fn distribute(&self, field: &Name, values: SearchExpr) -> Parsed<SearchExpr> {
        let all = |parser: &Self, values: Vec<SearchExpr>| {
            values
                .into_iter()
                .map(|value| parser.distribute(field, value))
                .collect::<Parsed<Vec<_>>>()
        };
        Ok(match values {
            SearchExpr::Term(value) => SearchExpr::Compare {
                field: field.clone(),
                op: CompareOp::Eq,
                value,
            },
            SearchExpr::Or(values) => SearchExpr::Or(all(self, values)?),
            SearchExpr::And(values) if !values.is_empty() => SearchExpr::And(all(self, values)?),
            SearchExpr::Not(value) => SearchExpr::Not(Box::new(self.distribute(field, *value)?)),
            _ => {
                return Err(super::Diagnostic::new(
                    format!(
                        "the parentheses after `{}=` may contain only values",
                        field.text
                    ),
                    field.span,
                ));
            }
        })
    }

    /// The values behind `IN (`. Commas may be left out.
    fn in_list(&mut self, start: usize) -> Parsed<Vec<SearchValue>> {
        let mut values = Vec::new();
        loop {
            self.skip_separators();
            match self.peek() {
                Some(b')') => {
                    if values.is_empty() {
                        return Err(self.expected("a value"));
                    }
                    self.pos += 1;
                    return Ok(values);
                }
                None | Some(b'|') => {
                    return Err(self.error("unclosed list", start, self.pos));
                }
                _ => {
                    let value = self.search_value(Side::List)?;
                    values.push(self.directed(value)?);
                }
            }
        }
    }

    /// The value that stands in `TERM(…)` or `CASE(…)`, if this word begins one.
    fn directed(&mut self, value: SearchValue) -> Parsed<SearchValue> {
        if matches!(value.text.as_str(), "TERM" | "CASE")
            && !value.quoted
            && self.peek() == Some(b'(')
        {
            return self.in_parentheses(&value);
        }
        Ok(value)
    }

    /// `(text)` behind `TERM` or `CASE`.
    fn in_parentheses(&mut self, word: &SearchValue) -> Parsed<SearchValue> {
        let open = self.pos;
        self.pos += 1;
        self.skip_space();
        let text = if self.peek() == Some(b'"') {
            self.string(b'"')?
        } else {
            let start = self.pos;
            while self
                .peek()
                .is_some_and(|byte| !matches!(byte, b')' | b'"' | b'|'))
            {
                self.pos += 1;
            }
            self.text[start..self.pos].trim_end().to_owned()
        };
        if !self.eat(b')') {
            return Err(self.error("unclosed parenthesis", open, open + 1));
        }
        Ok(SearchValue {
            text,
            quoted: true,
            directive: Some(if word.text == "CASE" {
                Directive::Case
            } else {
                Directive::Term
            }),
            span: word.span.to(self.span_from(open)),
        })
    }

    fn search_value(&mut self, side: Side) -> Parsed<SearchValue> {
        let start = self.pos;
        if self.peek() == Some(b'"') {
            let text = self.string(b'"')?;
            return Ok(SearchValue {
                text,
                quoted: true,
                directive: None,
                span: self.span_from(start),
            });
        }
        let mut text = String::new();
        let mut quoted = false;
        let mut copied = start;
        let source = self.text;
        while let Some(byte) = self.peek() {
            let ends = match byte {
                b'"' => {
                    // Quotes within a word, as in *"two words"*.
                    text.push_str(&source[copied..self.pos]);
                    text.push_str(&self.string(b'"')?);
                    quoted = true;
                    copied = self.pos;
                    continue;
                }
                b'\\' if matches!(self.peek_at(1), Some(b'\\' | b'"')) => {
                    text.push_str(&source[copied..self.pos]);
                    copied = self.pos + 1;
                    self.pos += 2;
                    continue;
                }
                b'=' | b'<' | b'>' => side == Side::Left,
                b'!' => side == Side::Left && self.peek_at(1) == Some(b'='),
                b',' => {
                    side == Side::List
                        || self
                            .peek_at(1)
                            .is_none_or(|next| is_delimiter(next) && next != b'=')
                }
                // A function of time: latest=now()
                b'(' if side == Side::Right
                    && self.pos > start
                    && self.peek_at(1) == Some(b')') =>
                {
                    self.pos += 2;
                    continue;
                }
                byte => is_delimiter(byte),
            };
            if ends {
                break;
            }
            self.pos += 1;
        }
        text.push_str(&source[copied..self.pos]);
        if self.pos == start {
            return Err(self.expected(if side == Side::Left {
                "a condition"
            } else {
                "a value"
            }));
        }
        Ok(SearchValue {
            text,
            quoted,
            directive: None,
            span: self.span_from(start),
        })
    }
}

/// The field on the left of an operator. Wildcards stand for parts of values, not of names.
fn compared(left: SearchValue) -> Parsed<Name> {
    single(Name {
        text: left.text,
        span: left.span,
    })
    .map_err(|diagnostic| {
        diagnostic.with_help("name each field, or look for the value in the whole event: *value*")
    })
}

/// Fields that Splunk keeps in its index, of which `field::value` is said; other words with `::` may be addresses.
const INDEXED: [&str; 5] = ["host", "index", "source", "sourcetype", "splunk_server"];

/// Where a word stands, which decides what may be part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// A field or a term: ends before an operator.
    Left,
    /// A value behind an operator.
    Right,
    /// A value in a list: ends at a comma.
    List,
}
