//! Data models: a node is a view over the event types that belong to it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_events::model::Member;
use crabwalk_events::{Assets, Node};
use crabwalk_vocabulary::Family;
use datafusion::arrow::datatypes::DataType;

use super::events::{Part, StaticScope, TypeInfo, TypeView};
use super::needs::Needs;
use super::{Planner, Result, Rows, cast_to, diagnostic, text};
use crate::clause::{Folded, Scope, fold};
use crate::expr::{EvalContext, Fields, Typed};
use crate::functions::terms::Term;
use crate::knowledge::Knowledge;
use crate::suggest::did_you_mean;
use crate::syntax::ast::{CompareOp, Name, SearchExpr, Span};
use crate::syntax::{Diagnostic, parse_search};

/// Fields that every event has besides those of its node.
const COMMON: [&str; 13] = [
    "EventCode",
    "EventID",
    "Channel",
    "LogName",
    "Computer",
    "ComputerName",
    "dvc",
    "_time",
    "host",
    "source",
    "sourcetype",
    "index",
    "_raw",
];

/// One event type as a member of a node.
pub(crate) struct NodeView<'a, 'v, 'p> {
    pub node: &'a Node,
    pub view: &'v TypeView<'a, 'p>,
}

impl Fields for NodeView<'_, '_, '_> {
    fn field(&self, name: &str) -> Option<Typed> {
        let own = field_of(self.node, name);
        let found = self.view.field(own);
        if !self.node.unknown.iter().any(|field| field == own) {
            return found;
        }
        Some(match found {
            None => Typed {
                expr: text("unknown"),
                data_type: DataType::Utf8,
            },
            Some(typed) => {
                let unknown = Typed {
                    expr: text("unknown"),
                    data_type: DataType::Utf8,
                };
                let data_type = super::common_type(&typed.data_type, &DataType::Utf8);
                let (value, unknown) = (cast_to(typed, &data_type), cast_to(unknown, &data_type));
                Typed {
                    expr: super::coalesce(vec![value, unknown]),
                    data_type,
                }
            }
        })
    }
}

impl Scope for NodeView<'_, '_, '_> {
    fn index(&self) -> Option<&str> {
        self.view.index()
    }

    fn constants(&self, name: &str) -> Option<Cow<'_, [String]>> {
        self.view.constants(field_of(self.node, name))
    }

    fn value(&self, name: &str) -> Option<Typed> {
        self.field(name)
    }

    fn word(&self, term: &Term) -> Folded {
        self.view.word(term)
    }

    fn unequal_when_missing(&self) -> bool {
        true
    }
}

/// A node's field without the node's name before it.
pub(crate) fn field_of<'n>(node: &Node, name: &'n str) -> &'n str {
    let mut rest = name;
    while let Some((prefix, after)) = rest.split_once('.') {
        if prefix == node.name || prefix == node.model || node.children.contains_key(prefix) {
            rest = after;
        } else {
            break;
        }
    }
    rest
}

/// The node that a search names, or what is wrong.
pub(crate) fn find_node<'k>(knowledge: &'k Knowledge, name: &Name) -> Result<&'k Node> {
    // `Model.Node`, `Model`, or a child: `Model.Node.Child` / `Model.Child`.
    if let Some(node) = knowledge.models.node(&name.text) {
        return Ok(node);
    }
    let mut unknown = diagnostic(
        name.span,
        format!("there is no data model node `{}`", name.text),
    );
    let names = knowledge.models.names();
    unknown.help = did_you_mean(&name.text, names.iter().map(String::as_str))
        .or_else(|| Some(format!("the nodes are {}", names.join(", "))));
    Err(unknown)
}

/// Whether events of a type can belong to a node, and under which condition.
pub(crate) fn membership<'n>(
    node: &'n Node,
    info: &TypeInfo,
    fields_seen: &BTreeSet<String>,
) -> Option<Option<&'n str>> {
    let event_type = &info.event_type;
    let fits = |member: &&Member| {
        member
            .types
            .iter()
            .any(|pattern| pattern.matches(&event_type.channel, event_type.event_id))
    };
    if let Some(member) = node.members.iter().find(fits) {
        return Some(member.filter.as_deref());
    }
    // Events that come with CIM names already.
    let cim = !event_type.is_windows() && !matches!(event_type.family(), Family::Zeek(_));
    let has_all = |fields: &Vec<String>| fields.iter().all(|field| fields_seen.contains(field));
    (cim && node.cim_requires.iter().any(has_all)).then_some(None)
}

/// Replaces `nodename=…` by the condition of that child node.
pub(crate) fn without_nodename(expr: &SearchExpr, node: &Node) -> Result<SearchExpr> {
    Ok(match expr {
        SearchExpr::And(all) => SearchExpr::And(
            all.iter()
                .map(|expr| without_nodename(expr, node))
                .collect::<Result<_>>()?,
        ),
        SearchExpr::Or(any) => SearchExpr::Or(
            any.iter()
                .map(|expr| without_nodename(expr, node))
                .collect::<Result<_>>()?,
        ),
        SearchExpr::Not(inner) => SearchExpr::Not(Box::new(without_nodename(inner, node)?)),
        SearchExpr::Compare {
            field,
            op: CompareOp::Eq,
            value,
        } if field.text == "nodename" => {
            let name = value.text.rsplit('.').next().unwrap_or(&value.text);
            match node.children.get(name) {
                Some(clause) => parsed_clause(clause, value.span)?,
                None if name == node.name || name == node.model => SearchExpr::And(Vec::new()),
                None => {
                    let mut unknown = diagnostic(
                        value.span,
                        format!("{}.{} has no child node `{name}`", node.model, node.name),
                    );
                    unknown.help = did_you_mean(name, node.children.keys().map(String::as_str));
                    return Err(unknown);
                }
            }
        }
        other => other.clone(),
    })
}

/// A search clause of the content.
fn parsed_clause(clause: &str, span: Span) -> Result<SearchExpr> {
    parse_search(clause).map_err(|errors| {
        let why = errors
            .into_iter()
            .map(|error| error.message)
            .collect::<Vec<_>>()
            .join("; ");
        diagnostic(
            span,
            format!("the data model's condition `{clause}` cannot be read: {why}"),
        )
    })
}

impl Planner<'_> {
    /// The condition of the child node that a search names; one that always holds where it names a whole node.
    pub(crate) fn child_filter(&self, name: &Name) -> Result<SearchExpr> {
        match self.knowledge.models.child_condition(&name.text) {
            Some(clause) => parsed_clause(clause, name.span),
            None => Ok(SearchExpr::And(Vec::new())),
        }
    }

    /// The events of a node that fit a clause, with these fields, named as the search names them.
    pub(crate) fn node_rows(
        &mut self,
        node: &Node,
        filter: &SearchExpr,
        fields: &[String],
        span: Span,
    ) -> Result<Rows> {
        let mut parts = Vec::new();
        let tables = self.types.tables(self.catalog, self.knowledge);
        for (table, info) in tables.iter() {
            let Some(condition) = membership(node, info, &table.fields_seen) else {
                continue;
            };
            self.event_types.push(table.event_type.clone());
            if table.rows == 0 {
                continue;
            }
            let view = TypeView::new(self, info, table);
            let node_view = NodeView { node, view: &view };
            let member = match condition {
                Some(clause) => fold(&parsed_clause(clause, span)?, &view, &self.context)?,
                None => Folded::Known(true),
            };
            let filter = match Folded::all([Ok(member), fold(filter, &node_view, &self.context)])? {
                Folded::Known(false) => continue,
                Folded::Known(true) => None,
                Folded::Open(filter) => Some(filter),
            };
            let fields = fields
                .iter()
                .filter(|name| *name != "_time")
                .filter_map(|name| Some((name.clone(), node_view.field(name)?)))
                .collect();
            parts.push(Part {
                table: Arc::clone(table),
                filter,
                fields,
            });
        }
        let names: Vec<String> = fields
            .iter()
            .filter(|name| *name != "_time")
            .cloned()
            .collect();
        self.union(parts, &names, span)
    }

    /// Warns of a field that the node does not have.
    pub(crate) fn warn_of_unknown_node_field(&mut self, node: &Node, name: &str, span: Span) {
        let own = field_of(node, name);
        let known =
            |field: &str| COMMON.contains(&field) || node.fields.iter().any(|known| known == field);
        if own.contains('*')
            || own == "nodename"
            || known(own)
            || Assets::split_field(own).is_some_and(|(entity, ..)| known(entity))
        {
            return;
        }
        let mut warning = diagnostic(
            span,
            format!("{}.{} has no field `{own}`", node.model, node.name),
        );
        warning.help = did_you_mean(own, node.fields.iter().map(String::as_str));
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Whether events of a type may be in the node of a name, going by what is known without them.
pub(crate) fn may_be_in(
    node: &str,
    info: &TypeInfo,
    knowledge: &Knowledge,
    context: &EvalContext,
) -> bool {
    let node = knowledge.models.node(node);
    node.is_some_and(|node| may_read(node, info, context).unwrap_or(true))
}

/// Whether a search over a node can read events of a type, going by what is known without them.
fn may_read(
    node: &Node,
    info: &TypeInfo,
    context: &EvalContext,
) -> std::result::Result<bool, Diagnostic> {
    let seen: BTreeSet<String> = node.cim_requires.iter().flatten().cloned().collect();
    // Only of events with CIM names does it matter which fields they have; suppose the best.
    let Some(condition) = membership(node, info, &seen) else {
        return Ok(false);
    };
    let member = match condition {
        Some(clause) => fold(
            &parsed_clause(clause, Span::default())?,
            &StaticScope(info),
            context,
        )?,
        None => Folded::Known(true),
    };
    Ok(!matches!(member, Folded::Known(false)))
}

/// The fields that the conditions of a node's members and children read.
pub(crate) fn condition_fields(node: &Node) -> Vec<String> {
    let mut names: Vec<String> = node.cim_requires.iter().flatten().cloned().collect();
    let clauses = node
        .members
        .iter()
        .filter_map(|member| member.filter.as_ref())
        .chain(node.children.values());
    for clause in clauses {
        if let Ok(expr) = parse_search(clause) {
            let mut needs = Needs::default();
            needs.search_clause(&expr);
            names.extend(needs.names().map(str::to_owned));
        }
    }
    names
}
