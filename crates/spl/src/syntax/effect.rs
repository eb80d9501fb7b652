//! What becomes of the fields of the rows behind a command, for whoever judges a search by its text.

use super::ast::{Command, CommandKind, Expr, Name, SearchExpr, Span};
use super::command::Ledger;

/// What becomes of the fields.
#[derive(Debug, Default)]
pub struct Effect {
    /// Fields that it makes, or fills where rows lack them.
    pub gives: Vec<String>,
    /// Fields that get another name, with that name; either may hold `*`.
    pub renamed: Vec<(Name, Name)>,
    /// Nothing is known of the fields any more: there may be other rows, or fields of any names.
    pub opaque: bool,
}

impl Effect {
    /// The effect of a command.
    pub fn of(kind: &CommandKind) -> Self {
        match kind {
            CommandKind::Whole(command, arguments) => {
                let reading = (command.reads)(arguments);
                let new = reading.renamed.iter().map(|(_, to)| to.text.clone());
                Self {
                    gives: new.chain(reading.makes).chain(reading.fills).collect(),
                    opaque: reading.ends
                        || reading.adds_rows
                        || reading.makes_any
                        || reading.fills_all,
                    renamed: reading.renamed,
                }
            }
            CommandKind::Typed(_, syntax) => {
                let mut effect = Self::default();
                let ends = syntax.note(&mut effect);
                effect.opaque |= ends || !syntax.needs_rows();
                effect
            }
            CommandKind::Unsupported { .. } => Self {
                opaque: true,
                ..Self::default()
            },
        }
    }
}

impl CommandKind {
    /// Whether the rows behind it are rows before it, with what it adds to them.
    pub(crate) fn passes_rows(&self) -> bool {
        match self {
            Self::Whole(command, arguments) => {
                let reading = (command.reads)(arguments);
                !(reading.ends || reading.keeps || reading.adds_rows)
            }
            Self::Typed(_, syntax) => {
                !syntax.note(&mut Effect::default()) && !syntax.reads_events()
            }
            Self::Unsupported { .. } => false,
        }
    }
}

impl Ledger for Effect {
    fn reads(&mut self, _: &str, _: Span) {}

    fn works_out(&mut self, _: &Expr) {}

    fn looks_for(&mut self, _: &SearchExpr) {}

    fn reads_all(&mut self) {}

    fn makes(&mut self, name: &str) {
        self.gives.push(name.to_owned());
    }

    fn fills(&mut self, name: &str) {
        self.gives.push(name.to_owned());
    }

    fn makes_any(&mut self) {
        self.opaque = true;
    }

    fn runs(&mut self, command: &Command) -> bool {
        let inner = Self::of(&command.kind);
        self.gives.extend(inner.gives);
        self.opaque |= inner.opaque;
        inner.opaque
    }

    fn runs_aside(&mut self, _: &[Command]) {
        self.opaque = true;
    }

    fn lookup_columns(&self, _: &str) -> Option<Vec<String>> {
        None
    }
}
