//! Commands about the order and number of rows.

use crate::syntax::ast::{CommandKind, Head, SortKey, SortOrder};
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{Usage, count, flag};

/// The commands.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "dedup",
        also: &[],
        syntax: "dedup [<number>] <fields> [<options>] [sortby <keys>]",
        meaning: "Keeps the first rows of each group that has the same values.",
        options: &[
            flag(
                "keepevents",
                "Keeps the other rows and takes the values away.",
            ),
            flag("keepempty", "Keeps rows that lack one of the fields."),
            flag("consecutive", "Compares a row with the one before it only."),
        ],
    },
    Usage {
        name: "head",
        also: &[],
        syntax: "head [<number> | <expression>] [<options>]",
        meaning: "Keeps the first rows: 10, or so many, or those up to the first for which an expression does not hold.",
        options: &[
            count("limit", "Most rows."),
            flag(
                "null",
                "An expression that is NULL counts as one that holds.",
            ),
            flag(
                "keeplast",
                "Keeps the row too for which the expression did not hold.",
            ),
        ],
    },
    Usage {
        name: "sort",
        also: &[],
        syntax: "sort [<number>] [+|-]<field> … [desc]",
        meaning: "Sorts rows by fields: numbers, then IP addresses, then text, or as `num(…)`, `ip(…)`, `str(…)`, `auto(…)` say. \
                  Keeps 10,000 rows, or as many as it says; 0 for all.",
        options: &[count("limit", "Most rows; 0 for all.")],
    },
];

impl Parser<'_> {
    pub(super) fn sort(&mut self) -> Parsed<CommandKind> {
        let mut limit = 10_000;
        self.skip_space();
        let start = self.pos;
        match self.option_name() {
            Some(option) => {
                if self.takes("sort", &option)? {
                    limit = self.count_value("limit")?;
                }
            }
            None => {
                let word = self.word();
                match word.parse() {
                    Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => limit = number,
                    _ => self.pos = start,
                }
            }
        }
        let mut keys = self.sort_keys(|parser| {
            let start = parser.pos;
            let words = ["d", "desc", "a", "asc"];
            let last = words.iter().any(|word| parser.eat_keyword(word)) && parser.at_end();
            parser.pos = start;
            last
        })?;
        if keys.is_empty() {
            return Err(self.expected("a field to sort by"));
        }
        if !self.at_end() {
            let word = self.word().to_ascii_lowercase();
            if word.starts_with('d') {
                for key in &mut keys {
                    key.descending = !key.descending;
                }
            }
        }
        Ok(CommandKind::Sort { limit, keys })
    }

    pub(super) fn sort_keys(
        &mut self,
        mut stop: impl FnMut(&mut Self) -> bool,
    ) -> Parsed<Vec<SortKey>> {
        let mut keys = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || !keys.is_empty() && stop(self) {
                return Ok(keys);
            }
            let descending = self.peek() == Some(b'-');
            if matches!(self.peek(), Some(b'-' | b'+')) {
                self.pos += 1;
                self.skip_space();
            }
            let start = self.pos;
            let word = self.word().to_ascii_lowercase();
            let order = match word.as_str() {
                "auto" => Some(SortOrder::Auto),
                "num" => Some(SortOrder::Number),
                "str" => Some(SortOrder::Text),
                "ip" => Some(SortOrder::Address),
                _ => None,
            };
            match order.filter(|_| self.peek() == Some(b'(')) {
                Some(order) => {
                    self.pos += 1;
                    let field = self.name("a field")?;
                    if !self.eat(b')') {
                        return Err(self.expected("`)`"));
                    }
                    keys.push(SortKey {
                        field,
                        descending,
                        order,
                    });
                }
                None => {
                    self.pos = start;
                    keys.push(SortKey {
                        field: self.column("a field")?,
                        descending,
                        order: SortOrder::Auto,
                    });
                }
            }
        }
    }

    pub(super) fn dedup(&mut self) -> Parsed<CommandKind> {
        let mut count = 1;
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        match word.parse() {
            Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => count = number,
            _ => self.pos = start,
        }
        let (mut keep_events, mut keep_empty, mut consecutive) = (false, false, false);
        let (mut fields, mut sort) = (Vec::new(), Vec::new());
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                if !self.takes("dedup", &option)? {
                    continue;
                }
                let value = self.bool_value(&option.text)?;
                match option.text.as_str() {
                    "keepevents" => keep_events = value,
                    "keepempty" => keep_empty = value,
                    _ => consecutive = value,
                }
            } else if !fields.is_empty() && self.eat_keyword("sortby") {
                sort = self.sort_keys(|_| false)?;
                if sort.is_empty() {
                    return Err(self.expected("a field to sort by"));
                }
            } else {
                fields.push(self.column("a field")?);
            }
        }
        if fields.is_empty() {
            return Err(self.expected("a field"));
        }
        if count == 0 {
            return Err(self.error(
                "`dedup` keeps at least one row of each group",
                start,
                start + 1,
            ));
        }
        Ok(CommandKind::Dedup {
            count,
            fields,
            keep_events,
            keep_empty,
            consecutive,
            sort,
        })
    }

    /// `head [n | condition] [limit=n] [null=bool] [keeplast=bool]`.
    pub(super) fn head(&mut self) -> Parsed<CommandKind> {
        let mut head = Head::default();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let start = self.pos;
            if let Some(option) = self.option_name() {
                match option.text.as_str() {
                    "limit" => head.count = Some(self.count_value("limit")?),
                    "null" => head.null = self.bool_value("null")?,
                    "keeplast" => head.keep_last = self.bool_value("keeplast")?,
                    _ => self.pos = start,
                }
                if self.pos > start {
                    continue;
                }
            }
            if head.count.is_none() && head.condition.is_none() {
                match self.count() {
                    Some(count) => {
                        head.count = Some(count);
                        continue;
                    }
                    None => self.pos = start,
                }
            }
            if head.condition.is_some() {
                return Err(self.expected("the end of the command, or an option of `head`"));
            }
            head.condition = Some(self.expr()?);
        }
        if head.count.is_none() && head.condition.is_none() {
            head.count = Some(10);
        }
        Ok(CommandKind::Head(head))
    }

    /// A whole number that is all of an argument.
    fn count(&mut self) -> Option<u64> {
        let start = self.pos;
        let word = self.word();
        let count = word
            .parse()
            .ok()
            .filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()));
        // `1==1` and `5 > x` are conditions.
        self.skip_space();
        if count.is_none()
            || !self.at_end()
                && self
                    .peek()
                    .is_some_and(|next| b"=<>!+-*/%.".contains(&next))
        {
            self.pos = start;
            return None;
        }
        count
    }
}
