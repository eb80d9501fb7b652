//! Eval expressions.

use super::ast::{BinaryOp, CompareOp, Expr, ExprKind};
use super::parser::{Parsed, Parser};

/// How high the tree of one expression may grow; whoever walks it recursively relies on this.
const MAX_HEIGHT: u32 = 500;

/// A token of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A double-quoted string, or a hexadecimal number, which eval takes as text.
    Text(String),
    /// A field in single quotes.
    Quoted(String),
    Word(String),
    Sign(&'static str),
    /// Whatever ends an expression.
    Other,
}

const SIGNS: [&str; 17] = [
    "==", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/", "%", ".", "!",
];

// Binding powers. The later bind tighter.
const OR: u8 = 1;
const XOR: u8 = 2;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const CONCAT: u8 = 6;
const ADD: u8 = 7;
const MULTIPLY: u8 = 8;
const UNARY: u8 = 9;

impl Parser<'_> {
    /// An expression, up to whatever cannot be part of it.
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        Ok(self.binary(0)?.0)
    }

    /// The token at the cursor, which moves past whitespace only.
    fn token(&mut self) -> Parsed<&Token> {
        self.skip_space();
        let start = self.pos;
        if self.token.as_ref().is_none_or(|(at, ..)| *at != start) {
            let token = self.lex()?;
            self.token = Some((start, token, self.pos));
            self.pos = start;
        }
        static OTHER: Token = Token::Other;
        Ok(self.token.as_ref().map_or(&OTHER, |(_, token, _)| token))
    }

    /// Moves past the token that [`Self::token`] gave.
    fn advance(&mut self) {
        if let Some((start, _, end)) = &self.token
            && *start == self.pos
        {
            self.pos = *end;
        }
    }

    fn eat_sign(&mut self, sign: &str) -> Parsed<bool> {
        let there = matches!(self.token()?, Token::Sign(other) if *other == sign);
        if there {
            self.advance();
        }
        Ok(there)
    }

    fn lex(&mut self) -> Parsed<Token> {
        let text = self.text;
        let rest = &text[self.pos..];
        let Some(first) = rest.chars().next() else {
            return Ok(Token::Other);
        };
        match first {
            '"' => return self.string(b'"').map(Token::Text),
            '\'' => return self.string(b'\'').map(Token::Quoted),
            // `$a.b$` is a field, too.
            '$' if let Some((inner, _)) = rest[1..].split_once('$')
                && !inner.is_empty()
                && !inner.contains(|c: char| c.is_whitespace() || "\"'()".contains(c)) =>
            {
                self.pos += inner.len() + 2;
                return Ok(Token::Quoted(inner.to_owned()));
            }
            '0'..='9' => return self.number(),
            '.' if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                // A number such as .5 where a value is expected; behind a value it is a concatenation.
                self.pos += 1;
                return Ok(Token::Sign("."));
            }
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                self.pos += length;
                return Ok(Token::Word(rest[..length].to_owned()));
            }
            _ => {}
        }
        match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            Some(sign) => {
                self.pos += sign.len();
                Ok(Token::Sign(sign))
            }
            None => Ok(Token::Other),
        }
    }

    fn number(&mut self) -> Parsed<Token> {
        let start = self.pos;
        let text = self.text;
        let digits = |parser: &mut Self| {
            while parser.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                parser.pos += 1;
            }
        };
        digits(self);
        if self.peek() == Some(b'.') && self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
            digits(self);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some(b'+' | b'-')));
            if self
                .peek_at(1 + sign)
                .is_some_and(|byte| byte.is_ascii_digit())
            {
                self.pos += 1 + sign;
                digits(self);
            }
        }
        let number_end = self.pos;
        // Names may begin with digits: 4625_count.
        let length = text[self.pos..]
            .find(|c| !is_word(c))
            .unwrap_or(text.len() - self.pos);
        if length > 0 {
            self.pos += length;
            let word = &text[start..self.pos];
            let hexadecimal = word.len() > 2
                && word.is_char_boundary(2)
                && word[..2].eq_ignore_ascii_case("0x")
                && word[2..].bytes().all(|byte| byte.is_ascii_hexdigit());
            return Ok(if hexadecimal {
                Token::Text(word.to_owned())
            } else {
                Token::Word(word.to_owned())
            });
        }
        match text[start..number_end].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Number(number)),
            _ => Err(self.error("this number is too large", start, number_end)),
        }
    }

    /// An expression of operators that bind at least as tightly as `least`, with its height.
    fn binary(&mut self, least: u8) -> Parsed<(Expr, u32)> {
        self.descend()?;
        let (mut left, mut height) = self.prefix()?;
        loop {
            let start = self.pos;
            let Some((infix, power)) = self.infix()? else {
                break;
            };
            if power < least {
                self.pos = start;
                break;
            }
            let right_height = match infix {
                Infix::Op(op) => {
                    let (right, right_height) = self.binary(power + 1)?;
                    let span = left.span.to(right.span);
                    let kind = ExprKind::Binary {
                        op,
                        left: Box::new(left),
                        right: Box::new(right),
                    };
                    left = Expr { kind, span };
                    right_height
                }
                Infix::Like { negated, word } => {
                    let (right, right_height) = self.binary(power + 1)?;
                    let span = left.span.to(right.span);
                    let name_span = self.span(word, word + 4);
                    let kind = ExprKind::Call {
                        name: "like".to_owned(),
                        name_span,
                        args: vec![left, right],
                    };
                    left = not_if(negated, Expr { kind, span });
                    right_height
                }
                Infix::In { negated } => {
                    if !self.eat_sign("(")? {
                        return Err(self.expected("`(` and a list after `IN`"));
                    }
                    let open = self.pos - 1;
                    let (list, list_height) = self.arguments_in(open)?;
                    if list.is_empty() {
                        return Err(self.error("this list is empty", open, self.pos));
                    }
                    let span = left.span.to(self.span_from(open));
                    left = not_if(
                        negated,
                        Expr {
                            kind: ExprKind::In {
                                value: Box::new(left),
                                list,
                            },
                            span,
                        },
                    );
                    list_height
                }
            };
            height = height.max(right_height) + 1;
            if height > MAX_HEIGHT {
                return Err(self
                    .error(
                        "this expression has too many operators in a row",
                        start,
                        self.pos,
                    )
                    .with_help("use IN (…) or a lookup, or group parts of it in parentheses"));
            }
        }
        self.ascend();
        Ok((left, height))
    }

    /// The infix operator at the cursor, which moves past it.
    fn infix(&mut self) -> Parsed<Option<(Infix, u8)>> {
        let compare = |op| (Infix::Op(BinaryOp::Compare(op)), COMPARE);
        let found = match self.token()? {
            Token::Sign(sign) => match *sign {
                "=" | "==" => compare(CompareOp::Eq),
                "!=" => compare(CompareOp::Ne),
                "<" => compare(CompareOp::Lt),
                "<=" => compare(CompareOp::Le),
                ">" => compare(CompareOp::Gt),
                ">=" => compare(CompareOp::Ge),
                "." => (Infix::Op(BinaryOp::Concat), CONCAT),
                "+" => (Infix::Op(BinaryOp::Add), ADD),
                "-" => (Infix::Op(BinaryOp::Subtract), ADD),
                "*" => (Infix::Op(BinaryOp::Multiply), MULTIPLY),
                "/" => (Infix::Op(BinaryOp::Divide), MULTIPLY),
                "%" => (Infix::Op(BinaryOp::Modulo), MULTIPLY),
                _ => return Ok(None),
            },
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "or" => (Infix::Op(BinaryOp::Or), OR),
                "xor" => (Infix::Op(BinaryOp::Xor), XOR),
                "and" => (Infix::Op(BinaryOp::And), AND),
                "like" => (
                    Infix::Like {
                        negated: false,
                        word: self.pos,
                    },
                    COMPARE,
                ),
                "in" => (Infix::In { negated: false }, COMPARE),
                "not" => {
                    // `x NOT IN (…)` and `x NOT LIKE y`.
                    let start = self.pos;
                    self.advance();
                    let infix = match self.token()? {
                        Token::Word(word) if word.eq_ignore_ascii_case("in") => {
                            Infix::In { negated: true }
                        }
                        Token::Word(word) if word.eq_ignore_ascii_case("like") => Infix::Like {
                            negated: true,
                            word: self.pos,
                        },
                        _ => {
                            self.pos = start;
                            return Ok(None);
                        }
                    };
                    (infix, COMPARE)
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(found))
    }

    fn prefix(&mut self) -> Parsed<(Expr, u32)> {
        let token = self.token()?.clone();
        let start = self.pos;
        let kind = match token {
            Token::Number(number) => ExprKind::Number(number),
            Token::Text(text) => ExprKind::Text(text),
            Token::Quoted(name) => ExprKind::Field(name),
            Token::Sign("(") => {
                self.advance();
                let inner = self.binary(0)?;
                if !self.eat_sign(")")? {
                    return Err(self.unclosed(start, "`)` or an operator"));
                }
                return Ok(inner);
            }
            Token::Sign(sign @ ("-" | "+")) => {
                self.advance();
                let (inner, height) = self.binary(UNARY)?;
                if sign == "+" {
                    return Ok((inner, height));
                }
                let span = self.span(start, start + 1).to(inner.span);
                return Ok((
                    Expr {
                        kind: ExprKind::Negate(Box::new(inner)),
                        span,
                    },
                    height + 1,
                ));
            }
            Token::Sign("!") => return self.not(start),
            Token::Sign(".") if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.pos += 1;
                let digits = self.word_of(|byte| byte.is_ascii_digit());
                let number = format!("0.{digits}").parse().unwrap_or_default();
                let expr = Expr {
                    kind: ExprKind::Number(number),
                    span: self.span_from(start),
                };
                return Ok((expr, 1));
            }
            Token::Word(word) => {
                let lower = word.to_lowercase();
                if lower == "not" {
                    return self.not(start);
                }
                self.advance();
                let name_end = self.pos;
                if matches!(self.token()?, Token::Sign("(")) {
                    let open = self.pos;
                    self.advance();
                    return self.call(lower, start, name_end, open);
                }
                self.pos = name_end;
                if matches!(lower.as_str(), "and" | "or" | "xor" | "like" | "in") {
                    self.pos = start;
                    return Err(self.expected("an expression"));
                }
                let kind = match lower.as_str() {
                    "null" => ExprKind::Null,
                    "true" => ExprKind::Bool(true),
                    "false" => ExprKind::Bool(false),
                    _ => ExprKind::Field(word),
                };
                return Ok((
                    Expr {
                        kind,
                        span: self.span(start, name_end),
                    },
                    1,
                ));
            }
            Token::Other if self.peek() == Some(b'[') => {
                let pipeline = self.bracketed()?;
                let expr = Expr {
                    kind: ExprKind::Subsearch(Box::new(pipeline)),
                    span: self.span_from(start),
                };
                return Ok((expr, 1));
            }
            Token::Sign(_) | Token::Other => return Err(self.expected("an expression")),
        };
        self.advance();
        Ok((
            Expr {
                kind,
                span: self.span_from(start),
            },
            1,
        ))
    }

    fn word_of(&mut self, part: impl Fn(u8) -> bool) -> &str {
        let start = self.pos;
        while self.peek().is_some_and(&part) {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    fn not(&mut self, start: usize) -> Parsed<(Expr, u32)> {
        self.advance();
        let (inner, height) = self.binary(NOT)?;
        let span = self.span(start, start + 1).to(inner.span);
        Ok((
            Expr {
                kind: ExprKind::Not(Box::new(inner)),
                span,
            },
            height + 1,
        ))
    }

    /// The call of a function; the cursor is behind its `(`.
    fn call(
        &mut self,
        name: String,
        start: usize,
        name_end: usize,
        open: usize,
    ) -> Parsed<(Expr, u32)> {
        let (mut args, height) = self.arguments_in(open)?;
        let span = self.span_from(start);
        let kind = match (name.as_str(), args.len()) {
            ("null", 0) => ExprKind::Null,
            ("true", 0) => ExprKind::Bool(true),
            ("false", 0) => ExprKind::Bool(false),
            ("in", 2..) => {
                let list = args.split_off(1);
                ExprKind::In {
                    value: Box::new(args.swap_remove(0)),
                    list,
                }
            }
            _ => ExprKind::Call {
                name,
                name_span: self.span(start, name_end),
                args,
            },
        };
        Ok((Expr { kind, span }, height + 1))
    }

    /// Arguments up to and with the `)`.
    fn arguments_in(&mut self, open: usize) -> Parsed<(Vec<Expr>, u32)> {
        let mut args = Vec::new();
        let mut height = 0;
        if self.eat_sign(")")? {
            return Ok((args, height));
        }
        loop {
            let (arg, arg_height) = self.binary(0)?;
            args.push(arg);
            height = height.max(arg_height);
            if self.eat_sign(")")? {
                return Ok((args, height));
            }
            if !self.eat_sign(",")? {
                return Err(self.unclosed(open, "`,`, `)` or an operator"));
            }
        }
    }

    fn unclosed(&mut self, open: usize, what: &str) -> super::Diagnostic {
        if self.at_end() {
            return self.error("unclosed parenthesis", open, open + 1);
        }
        self.expected(what)
    }
}

enum Infix {
    Op(BinaryOp),
    Like { negated: bool, word: usize },
    In { negated: bool },
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if !negated {
        return expr;
    }
    let span = expr.span;
    Expr {
        kind: ExprKind::Not(Box::new(expr)),
        span,
    }
}

/// What an unquoted name in an expression is made of. Not the dot: `a.b` concatenates.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '{' | '}' | '@' | '$' | '#')
}
