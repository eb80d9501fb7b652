//! The first command: which event types a search reads, and which of their events.
//!
//! A search clause is specialised for each event type: the channel, the event id and what follows from them are known,
//! so that comparisons with them are decided here, and a type that cannot fit is not read at all. A field that a type
//! does not have is NULL.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crabwalk_events::catalog::REF;
use crabwalk_events::mapping::TypeMapping;
use crabwalk_events::{Assets, Catalog, EventType, Table, TableName};
use crabwalk_sources::collect::{OWN_DATA, RECORD, data_column, is_made};
use crabwalk_vocabulary::Family;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, plan_err};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Union, lit};
use datafusion::scalar::ScalarValue;

use super::glance::{Fitting, Glances, values_of};
use super::model::membership;
use super::needs::Needs;
use super::stage::MOST_ROWS;
use super::{
    ORDER, Order, Planner, Result, Rows, at, cast_to, column, common_type, diagnostic, text,
};
use crate::clause::{Folded, Scope, fold, has_word, in_any};
use crate::column::{Fields, Typed};
use crate::expr::plan_expr;
use crate::functions::terms::Term;
use crate::knowledge::Knowledge;
use crate::ops::{apart, call, fixed};
use crate::raw::{InLine, SYSTEM_FIELDS, in_line};
use crate::suggest::did_you_mean;
use crate::syntax::ast::{self, SearchExpr, Span};
use crate::syntax::walk::visit_fields;
use crate::syntax::{Diagnostic, parse_expr};

/// What is known of an event type, whether or not the run has such events.
#[derive(Debug)]
pub(crate) struct TypeInfo {
    pub event_type: EventType,
    pub mapping: TypeMapping,
    constants: Vec<(&'static [&'static str], Vec<String>)>,
    expressions: Mutex<BTreeMap<String, Option<Arc<ast::Expr>>>>,
}

/// The values of an alias that has several in every event, such as `mvappend("one", "two")`.
fn fixed_values(alias: &ast::Expr) -> Option<Vec<String>> {
    let ast::ExprKind::Call { name, args, .. } = &alias.kind else {
        return None;
    };
    if name != "mvappend" {
        return None;
    }
    args.iter()
        .map(|one| match &one.kind {
            ast::ExprKind::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// What is known of event types, worked out once for each.
#[derive(Debug, Default)]
pub(crate) struct TypeInfos {
    known: Mutex<HashMap<EventType, Arc<TypeInfo>>>,
    /// The catalog that searches are planned over.
    tables: OnceLock<Arc<[KnownTable]>>,
}

/// A table, and what is known of its events.
pub(crate) type KnownTable = (Arc<Table>, Arc<TypeInfo>);

impl TypeInfos {
    /// The tables of a catalog, which is the same for each who asks.
    pub fn tables(&self, catalog: &dyn Catalog, knowledge: &Knowledge) -> Arc<[KnownTable]> {
        let known = |table: &Arc<Table>| {
            let info = self.of(&table.event_type, knowledge);
            (Arc::clone(table), info)
        };
        let tables = || catalog.tables().iter().map(known).collect();
        Arc::clone(self.tables.get_or_init(tables))
    }

    pub fn of(&self, event_type: &EventType, knowledge: &Knowledge) -> Arc<TypeInfo> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(info) = known.get(event_type) {
            return Arc::clone(info);
        }
        let info = Arc::new(TypeInfo::new(event_type.clone(), knowledge));
        known.insert(event_type.clone(), Arc::clone(&info));
        info
    }
}

impl TypeInfo {
    pub fn new(event_type: EventType, knowledge: &Knowledge) -> Self {
        let mapping = knowledge
            .mappings
            .of(&event_type.channel, event_type.event_id);
        Self {
            constants: constants(&event_type),
            event_type,
            mapping,
            expressions: Mutex::default(),
        }
    }

    /// The expression of an alias. A mapping that cannot be read is reported when content is loaded, and is not an alias.
    pub fn alias(&self, name: &str) -> Option<Arc<ast::Expr>> {
        let mut expressions = self
            .expressions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = expressions.get(name) {
            return known.clone();
        }
        let text = self.mapping.alias(name);
        let parsed = text.and_then(|text| parse_expr(text).ok()).map(Arc::new);
        expressions.insert(name.to_owned(), parsed.clone());
        parsed
    }

    /// The values that a field has in every event of this type: the first is the one shown, a search may ask for any.
    pub fn constants(&self, name: &str) -> Option<&[String]> {
        let own = self
            .constants
            .iter()
            .find(|(names, _)| names.contains(&name));
        own.map(|(_, values)| values.as_slice())
    }

    /// Whether any event of this type can have the field.
    pub fn can_have(&self, name: &str) -> bool {
        matches!(
            name,
            "_time"
                | "_raw"
                | "host"
                | "index"
                | "linecount"
                | "punct"
                | "splunk_server"
                | "tag"
                | "timestamp"
        ) || crate::raw::is_date_part(name)
            || self
                .mapping
                .event_data()
                .any(|field| is_written_as(field, name))
            || (self.event_type.is_windows()
            // The message stands in events that were rendered before they were collected.
            && (system_field(name).is_some()
                || matches!(name, "EventRecordID" | "RecordNumber")
                || SYSTEM_FIELDS.contains(&name)
                || name == "Message"))
            || self.constants(name).is_some()
            || self.mapping.has_event_data(name)
            || self.mapping.alias(name).is_some()
            || Assets::split_field(name).is_some_and(|(entity, ..)| self.can_have(entity))
            || name
                .strip_prefix(OWN_DATA)
                .is_some_and(|own| self.column_of_data(own).is_none() || self.can_have(own))
    }

    /// The column of the field `EventData.<own>`, where that is the field's plain name.
    fn column_of_data<'n>(&self, own: &'n str) -> Option<&'n str> {
        let EventType { channel, event_id } = &self.event_type;
        match data_column(channel, *event_id, own) {
            Cow::Borrowed(plain) => Some(plain),
            Cow::Owned(_) => None,
        }
    }

    /// Every name that [`can_have`](Self::can_have) agrees to, for suggestions.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.mapping.event_data().chain(self.mapping.alias_names())
    }

    /// The columns that are read when `names` are asked for.
    pub fn columns_behind<'n>(&self, names: impl Iterator<Item = &'n str>) -> BTreeSet<String> {
        let mut columns = BTreeSet::new();
        let mut waiting: Vec<String> = names.map(str::to_owned).collect();
        while let Some(name) = waiting.pop() {
            if columns.contains(&name) {
                continue;
            }
            if let Some((entity, ..)) = Assets::split_field(&name) {
                waiting.push(entity.to_owned());
            }
            if let Some(plain) = name
                .strip_prefix(OWN_DATA)
                .and_then(|own| self.column_of_data(own))
            {
                waiting.push(plain.to_owned());
            }
            if self.event_type.is_windows()
                && let Some(header) = system_field(&name)
            {
                waiting.push(header.to_owned());
            }
            if let Some(expr) = self.alias(&name) {
                visit_fields(&expr, &mut |field, _| waiting.push(field.to_owned()));
            }
            columns.insert(name);
        }
        columns
    }
}

/// Fields that have the same values in every event of a type, and these values.
fn constants(event_type: &EventType) -> Vec<(&'static [&'static str], Vec<String>)> {
    let EventType { channel, event_id } = event_type;
    if event_type.is_windows() {
        let sources = [
            format!("XmlWinEventLog:{channel}"),
            format!("WinEventLog:{channel}"),
        ];
        let [xml, classic] = sources;
        return vec![
            (&["EventCode", "EventID"], vec![event_id.to_string()]),
            (&["Channel", "LogName"], vec![channel.clone()]),
            (
                &["source"],
                vec![xml.clone(), classic.clone(), channel.clone()],
            ),
            (
                &["sourcetype"],
                vec![
                    "XmlWinEventLog".to_owned(),
                    "WinEventLog".to_owned(),
                    xml,
                    classic,
                ],
            ),
        ];
    }
    let family = Family::of(channel);
    let own = match family {
        Family::Cim(source_type) => source_type,
        _ => channel,
    };
    let mut types = vec![own.to_owned()];
    let mut all: Vec<(&'static [&'static str], Vec<String>)> = Vec::new();
    match family {
        Family::Zeek(log) => {
            types.push(format!("zeek:{log}:json"));
            types.push(format!("bro:{log}"));
            types.push(format!("bro:{log}:json"));
            all.push((&["source"], vec![channel.clone()]));
        }
        Family::Syslog(_) => {
            types.push("syslog".to_owned());
            types.push("linux_secure".to_owned());
        }
        _ => {}
    }
    all.push((&["sourcetype"], types));
    all
}

/// Whether a field of this name is called `name` in searches: what cannot be part of the name of a field is `_` there.
fn is_written_as(field: &str, name: &str) -> bool {
    let part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    field.len() == name.len()
        && field
            .bytes()
            .zip(name.bytes())
            .all(|(own, other)| own == other || other == b'_' && !part(char::from(own)))
        && !field.starts_with('_')
}

/// What `splunk_server` says of every event.
pub(crate) const SERVER: &str = "localhost";

/// Hidden column of the event's text, for words that are looked for further down.
pub(crate) const WORDS: &str = hidden!("words");

/// The field of the header that Splunk's add-ons for Windows call so: they name attributes of the event's XML as the XML
/// does (`Provider Name= Guid=`, `Execution ProcessID= ThreadID=`, `Security UserID=`).
fn system_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "Name" => "Provider",
        "Guid" => "ProviderGuid",
        "ProcessID" => "ExecutionProcessID",
        "ThreadID" => "ExecutionThreadID",
        "SecurityID" => "UserID",
        "Computer" | "ComputerName" | "dvc" => "host",
        _ => return None,
    })
}

/// The fields of one table under all their names.
pub(crate) struct TypeView<'a, 'p> {
    planner: &'a Planner<'p>,
    info: &'a TypeInfo,
    table: &'a Table,
    /// Aliases that are being resolved, against circles.
    resolving: RefCell<Vec<String>>,
    cache: RefCell<BTreeMap<String, Option<Typed>>>,
}

impl<'a, 'p> TypeView<'a, 'p> {
    pub fn new(planner: &'a Planner<'p>, info: &'a TypeInfo, table: &'a Table) -> Self {
        Self {
            planner,
            info,
            table,
            resolving: RefCell::default(),
            cache: RefCell::default(),
        }
    }

    fn physical(&self, name: &str) -> Option<Typed> {
        let field = self.table.schema.field_with_name(name).ok()?;
        (name != REF).then(|| Typed {
            expr: column(name),
            data_type: field.data_type().clone(),
        })
    }

    fn resolve(&self, name: &str) -> Option<Typed> {
        if let Some(found) = self.physical(name) {
            return Some(found);
        }
        if self.info.event_type.is_windows()
            && let Some(header) = system_field(name)
            && self.info.mapping.alias(name).is_none()
        {
            return self.physical(header);
        }
        if let Some(values) = self.info.constants(name) {
            return values.first().map(|value| Typed {
                expr: text(value.clone()),
                data_type: DataType::Utf8,
            });
        }
        if let Some(plain) = name
            .strip_prefix(OWN_DATA)
            .and_then(|own| self.info.column_of_data(own))
        {
            return self.physical(plain);
        }
        match name {
            "_raw" => return Some(self.raw()),
            "EventRecordID" | "RecordNumber" => return self.record_number(),
            _ => {}
        }
        if !self.resolving.borrow().iter().any(|busy| busy == name)
            && let Some(expr) = self.info.alias(name)
        {
            self.resolving.borrow_mut().push(name.to_owned());
            let planned = plan_expr(&expr, self, &self.planner.context);
            self.resolving.borrow_mut().pop();
            if let Ok(typed) = planned
                && typed.data_type != DataType::Null
            {
                return Some(super::as_value(typed));
            }
        }
        if let Some(made) = self.default_field(name) {
            return Some(made);
        }
        if let Some(written) = self
            .table
            .schema
            .fields()
            .iter()
            .find(|field| is_written_as(field.name(), name))
        {
            return self.physical(written.name());
        }
        let (entity, identity, attribute) = Assets::split_field(name)?;
        let assets = &self.planner.knowledge.assets;
        let entities = if identity {
            &assets.identities
        } else {
            &assets.assets
        };
        if entities.is_empty() {
            return None;
        }
        let entity = self.field(entity)?;
        Some(crate::enrich::enrich(
            self.planner.resources,
            entity,
            identity,
            attribute,
        ))
    }

    /// The number that the event has in its log.
    fn record_number(&self) -> Option<Typed> {
        if !self.info.event_type.is_windows() {
            return None;
        }
        self.physical(RECORD).map(crate::raw::record_number)
    }

    /// The fields that Splunk gives every event when it is indexed.
    fn default_field(&self, name: &str) -> Option<Typed> {
        match name {
            "index" => {
                let index = match self.info.event_type.family() {
                    Family::Stash(made) => made,
                    _ => "main",
                };
                Some(Typed {
                    expr: text(index),
                    data_type: DataType::Utf8,
                })
            }
            "splunk_server" => Some(Typed {
                expr: text(SERVER),
                data_type: DataType::Utf8,
            }),
            "tag" => self.tags(),
            "linecount" => Some(crate::raw::line_count(self.field("_raw")?)),
            "punct" => Some(crate::raw::punctuation(self.field("_raw")?)),
            _ => crate::raw::date_part(name, column("_time")),
        }
    }

    /// The tags of the nodes of data models that the event belongs to.
    fn tags(&self) -> Option<Typed> {
        let mut always: BTreeSet<&str> = BTreeSet::new();
        let mut sometimes: Vec<(Vec<String>, Expr)> = Vec::new();
        for node in self.planner.knowledge.models.nodes() {
            let member = membership(node, self.info, &self.table.fields_seen);
            let condition = match member {
                None => continue,
                Some(None) => Folded::Known(true),
                Some(Some(clause)) => {
                    let clause = crate::syntax::parse_search(clause).ok()?;
                    fold(&clause, self, &self.planner.context).ok()?
                }
            };
            match condition {
                Folded::Known(false) => {}
                Folded::Known(true) => always.extend(node.tags.iter().map(String::as_str)),
                Folded::Open(condition) => sometimes.push((node.tags.clone(), condition)),
            }
        }
        let always: Vec<String> = always.into_iter().map(str::to_owned).collect();
        let (tags, conditions): (Vec<_>, Vec<_>) = sometimes.into_iter().unzip();
        // One column at least, so that there are as many answers as rows.
        let args = [fixed(&(always, tags))]
            .into_iter()
            .chain(conditions)
            .chain([column(REF)]);
        Some(call("spl_tags", super::list_type(), args.collect()))
    }

    /// The event as text, made from its columns.
    fn raw(&self) -> Typed {
        let names: Vec<String> = self
            .table
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| name != REF && (name != RECORD || self.info.event_type.is_windows()))
            .collect();
        crate::raw::raw(
            &self.info.event_type,
            names
                .iter()
                .map(|name| (name.clone(), column(name)))
                .collect(),
        )
    }
}

impl Fields for TypeView<'_, '_> {
    fn field(&self, name: &str) -> Option<Typed> {
        if let Some(known) = self.cache.borrow().get(name) {
            return known.clone();
        }
        let found = self.resolve(name);
        // While an alias is being resolved its own name means something else.
        if self.resolving.borrow().is_empty() {
            self.cache
                .borrow_mut()
                .insert(name.to_owned(), found.clone());
        }
        found
    }
}

/// The index of events of a type: logs that are read are in none by name, what is made of findings is.
fn index_of(event_type: &EventType) -> Option<&str> {
    match event_type.family() {
        Family::Stash(made) => Some(made),
        Family::Zeek(_) => Some(""),
        _ if event_type.is_windows() => Some(""),
        _ => None,
    }
}

impl Scope for TypeView<'_, '_> {
    fn index(&self) -> Option<&str> {
        match self.physical("index") {
            Some(_) => None,
            None => index_of(&self.info.event_type),
        }
    }

    fn constants(&self, name: &str) -> Option<Cow<'_, [String]>> {
        if self.table.schema.field_with_name(name).is_ok() && name != REF {
            return None;
        }
        if let Some(values) = self.info.constants(name) {
            return Some(values.into());
        }
        if let Some(values) = self.info.alias(name).as_deref().and_then(fixed_values) {
            return Some(values.into());
        }
        // An alias that is a constant of the type, such as `action: "success"`.
        match self.field(name)?.expr {
            Expr::Literal(value, _) => value
                .try_as_str()
                .flatten()
                .map(|value| vec![value.to_owned()].into()),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<Typed> {
        self.field(name)
    }

    /// The columns answer for most terms, and are cheaper to look into than the text that is made of them.
    fn word(&self, term: &Term) -> Folded {
        let mut found = Folded::Known(false);
        if self.info.event_type.is_windows() {
            let mut frame = crate::raw::frame(&self.info.event_type);
            frame.extend(["TimeCreated", "EventRecordID", "Computer"].map(str::to_owned));
            if frame.iter().any(|text| term.is_in(text)) {
                return Folded::Known(true);
            }
            found = in_any(self.record_number(), term);
        }
        let is_line = matches!(self.info.event_type.family(), Family::Syslog(_));
        for field in self.table.schema.fields() {
            let name = field.name().as_str();
            if name == "_time" {
                let time = match is_line {
                    true => crate::raw::syslog_time_text(column(name)),
                    false => crate::raw::time_text(column(name)),
                };
                found = found.or(has_word(time, term));
            }
            if is_made(name) || is_line && in_line(name) == InLine::InMessage {
                continue;
            }
            let is_named = !is_line || in_line(name) == InLine::Named;
            let Some(typed) = self.physical(name) else {
                continue;
            };
            // The text names each field that has a value.
            let written = name.strip_prefix(OWN_DATA).unwrap_or(name);
            found = found.or(match (name, is_named && term.is_in(written)) {
                ("host" | "_raw", _) | (_, false) => has_word(typed, term),
                _ => Folded::Open(typed.expr.is_not_null()),
            });
        }
        // The head of a line is made of several.
        let spans_line = is_line && term.value.text.contains([' ', ':', '[', ']']);
        if (term.spans_fields || spans_line)
            && let Some(raw) = self.field("_raw")
        {
            found = found.or(has_word(raw, term));
        }
        found
    }
}

impl Scope for Rows {
    fn constants(&self, _: &str) -> Option<Cow<'_, [String]>> {
        None
    }

    fn value(&self, name: &str) -> Option<Typed> {
        self.field(name)
    }

    /// In the text of the event, where the rows still have it, else in every field.
    fn word(&self, term: &Term) -> Folded {
        match self.field("_raw").or_else(|| self.field(WORDS)) {
            Some(raw) => has_word(raw, term),
            None => in_any(
                self.names().iter().filter_map(|name| self.field(name)),
                term,
            ),
        }
    }
}

/// What is known of an event type without reading its events: every field may have any value.
pub(crate) struct StaticScope<'a>(pub &'a TypeInfo);

impl Scope for StaticScope<'_> {
    fn index(&self) -> Option<&str> {
        index_of(&self.0.event_type)
    }

    fn constants(&self, name: &str) -> Option<Cow<'_, [String]>> {
        self.0.constants(name).map(Cow::Borrowed)
    }

    fn only_decides(&self) -> bool {
        true
    }

    fn value(&self, name: &str) -> Option<Typed> {
        // The reader of syslog makes the same fields of every line; what others may have, their events tell.
        if matches!(self.0.event_type.family(), Family::Syslog(_))
            && self.0.mapping.event_data().next().is_some()
            && !self.0.can_have(name)
        {
            return None;
        }
        // It is there; nobody runs this expression.
        Some(Typed {
            expr: lit(true),
            data_type: DataType::Utf8,
        })
    }

    fn word(&self, _: &Term) -> Folded {
        Folded::Open(lit(true))
    }
}

/// What is known of an event type, taken for all that tells where its events come from: any field may be mistyped, but what
/// names a log and an event id is for events that have them.
struct KnownScope<'a>(&'a TypeInfo);

impl Scope for KnownScope<'_> {
    fn index(&self) -> Option<&str> {
        index_of(&self.0.event_type)
    }

    fn constants(&self, name: &str) -> Option<Cow<'_, [String]>> {
        self.0.constants(name).map(Cow::Borrowed)
    }

    fn only_decides(&self) -> bool {
        true
    }

    fn value(&self, name: &str) -> Option<Typed> {
        let origin = [
            "EventCode",
            "EventID",
            "Channel",
            "LogName",
            "source",
            "sourcetype",
        ];
        if origin.contains(&name) && !self.0.can_have(name) {
            return None;
        }
        StaticScope(self.0).value(name)
    }

    fn word(&self, term: &Term) -> Folded {
        StaticScope(self.0).word(term)
    }
}

impl Planner<'_> {
    /// The condition of a `search` command further down, `None` where it always holds.
    pub(crate) fn search_condition(
        &mut self,
        expr: &SearchExpr,
        rows: &Rows,
    ) -> Result<Option<Expr>> {
        let expr = &self.resolve_clause(expr)?;
        Ok(match fold(expr, rows, &self.context)? {
            Folded::Known(true) => None,
            Folded::Known(false) => Some(lit(false)),
            Folded::Open(condition) => Some(condition),
        })
    }

    /// `search` as the first command.
    pub(crate) fn raw_search(
        &mut self,
        expr: &SearchExpr,
        needs: &Needs,
        span: Span,
    ) -> Result<Rows> {
        let expr = &self.resolve_clause(expr)?;
        let mut members = Vec::new();
        let tables = self.types.tables(self.catalog, self.knowledge);
        for (table, info) in tables.iter() {
            match fold(expr, &StaticScope(info), &self.context)? {
                Folded::Known(false) => continue,
                Folded::Known(true) | Folded::Open(_) => members.push((table, info.as_ref())),
            }
        }
        self.event_types
            .extend(members.iter().map(|(table, _)| table.event_type.clone()));

        let mut parts = Vec::new();
        for (table, info) in &members {
            if table.rows == 0 {
                continue;
            }
            let view = TypeView::new(self, info, table);
            let filter = match fold(expr, &view, &self.context)? {
                Folded::Known(false) => continue,
                Folded::Known(true) => None,
                Folded::Open(filter) => Some(filter),
            };
            let mut names: Vec<String> = needs
                .names()
                .filter(|name| !is_made(name))
                .map(str::to_owned)
                .collect();
            if needs.all_columns {
                for name in ["host", "source", "sourcetype", "Channel", "EventCode"] {
                    names.push(name.to_owned());
                }
                names.extend(
                    table
                        .schema
                        .fields()
                        .iter()
                        .map(|field| field.name().clone())
                        .filter(|name| !is_made(name)),
                );
            }
            if needs.all_names {
                names.extend(info.mapping.alias_names().map(str::to_owned));
            }
            let mut fields: HashMap<String, Typed> = HashMap::new();
            for name in names {
                if !fields.contains_key(&name)
                    && let Some(typed) = view.field(&name)
                {
                    fields.insert(name, typed);
                }
            }
            if needs.words
                && let Some(raw) = view.field("_raw")
            {
                fields.insert(WORDS.to_owned(), raw);
            }
            parts.push(Part {
                table: Arc::clone(table),
                filter,
                fields,
            });
        }
        // Columns in the order in which the search names them, then the rest by name.
        let mut names: Vec<String> = needs
            .names()
            .filter(|name| !matches!(*name, "_time" | REF))
            .map(str::to_owned)
            .collect();
        let mut more: BTreeSet<String> = parts
            .iter()
            .flat_map(|part| part.fields.keys().cloned())
            .collect();
        if needs.all_columns {
            let first = ["host", "source", "sourcetype", "Channel", "EventCode"].map(str::to_owned);
            names.retain(|name| !first.contains(name));
            names.splice(0..0, first);
        }
        names.iter().for_each(|name| {
            more.remove(name);
        });
        names.extend(more);
        let mut rows = self.union(parts, &names, span)?;
        if !(rows.empty && self.ends_early) {
            self.warn_of_unknown_fields(expr, needs, &members);
        }
        rows.open = needs.all_columns;
        Ok(rows)
    }

    /// All parts below one another, with these columns.
    pub(super) fn union(
        &mut self,
        mut parts: Vec<Part>,
        names: &[String],
        span: Span,
    ) -> Result<Rows> {
        let found = self.glances.map(|glances| {
            let mut found = Found::default();
            parts.retain(|part| found.looks_into(part, self.catalog, glances));
            found
        });
        let types: Vec<DataType> = names
            .iter()
            .map(|name| {
                parts
                    .iter()
                    .filter_map(|part| part.field(name))
                    .map(|typed| typed.data_type.clone())
                    .reduce(|a, b| common_type(&a, &b))
                    .unwrap_or(DataType::Utf8)
            })
            .collect();
        let empty = parts.is_empty();
        let few = found.filter(|found| !found.many).map(|found| found.events);
        let plan = if empty {
            at(span, nothing(names, &types))?
        } else if let Some(events) = few {
            at(span, rows_of(self.catalog, &parts, &events, names, &types))?
        } else {
            self.bounded = false;
            let plans = parts
                .into_iter()
                .map(|part| part.plan(self.catalog, names, &types))
                .collect::<std::result::Result<Vec<_>, _>>();
            let mut plans = at(span, plans)?;
            if plans.len() == 1 {
                plans.remove(0)
            } else {
                LogicalPlan::Union(at(
                    span,
                    Union::try_new(plans.into_iter().map(Arc::new).collect()),
                )?)
            }
        };
        Ok(Rows {
            plan,
            order: Order::Newest,
            empty,
            open: false,
        })
    }

    /// Warns of fields that no event of the search can have: most often they are mistyped.
    fn warn_of_unknown_fields(
        &mut self,
        expr: &SearchExpr,
        needs: &Needs,
        members: &[(&Arc<Table>, &TypeInfo)],
    ) {
        let unknown: Vec<(&str, Span)> = needs
            .named
            .iter()
            .filter_map(|(name, span)| Some((name.as_str(), (*span)?)))
            .filter(|(name, _)| {
                !members.iter().any(|(table, info)| {
                    table.fields_seen.iter().any(|seen| {
                        seen == name
                            || is_written_as(seen, name)
                            || name.strip_prefix(OWN_DATA) == Some(seen.as_str())
                    }) || info.can_have(name)
                })
            })
            .collect();
        if unknown.is_empty() {
            return;
        }
        // The run may lack the events that have the field: ask what the content knows of event types.
        let known: Vec<Arc<TypeInfo>> = self
            .knowledge
            .mappings
            .known_types()
            .into_iter()
            .map(|event_type| self.types.of(&event_type, self.knowledge))
            .filter(|info| {
                matches!(
                    fold(expr, &KnownScope(info), &self.context),
                    Ok(Folded::Known(true) | Folded::Open(_))
                )
            })
            .collect();
        if known.is_empty() && members.is_empty() {
            // A search may well be for events that nobody has told about.
            if let (true, Some((_, span))) = (self.dry, unknown.first()) {
                self.warnings.push(diagnostic(
                    *span,
                    "no known event type matches this search, so its field names cannot be checked",
                ));
            }
            return;
        }
        let mut warnings = Vec::new();
        for (name, span) in unknown {
            if known.iter().any(|info| info.can_have(name)) {
                continue;
            }
            let names = known
                .iter()
                .flat_map(|info| info.names())
                .chain(members.iter().flat_map(|(table, info)| {
                    info.names()
                        .chain(table.fields_seen.iter().map(String::as_str))
                }))
                .chain(["EventCode", "source", "sourcetype", "host", "Channel"]);
            let mut warning = diagnostic(
                span,
                format!("no event type of this search has a field `{name}`"),
            );
            warning.help = did_you_mean(name, names);
            warnings.push(warning);
        }
        self.warnings.extend(warnings);
    }
}

/// The events of one type with the fields that a search needs.
pub(crate) struct Part {
    pub table: Arc<Table>,
    pub filter: Option<Expr>,
    pub fields: HashMap<String, Typed>,
}

impl Part {
    fn field(&self, name: &str) -> Option<&Typed> {
        self.fields.get(name)
    }

    /// A field as this type, NULL where the events do not have it.
    fn value(
        &self,
        name: &str,
        data_type: &DataType,
    ) -> std::result::Result<Expr, DataFusionError> {
        Ok(match self.field(name) {
            Some(typed) => cast_to(typed.clone(), data_type),
            None => lit(ScalarValue::try_from(data_type)?),
        })
    }

    fn plan(
        self,
        catalog: &dyn Catalog,
        names: &[String],
        types: &[DataType],
    ) -> std::result::Result<LogicalPlan, DataFusionError> {
        let event_type = &self.table.event_type;
        let Some(provider) = catalog.provider(event_type) else {
            return plan_err!("no table holds the events of {event_type}");
        };
        let name = TableName::Events(event_type.clone()).reference();
        let mut builder = LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?;
        if let Some(filter) = &self.filter {
            builder = builder.filter(filter.clone())?;
        }
        let mut columns = vec![
            column(REF).alias(REF),
            apart(column("_time"), ORDER).alias(ORDER),
            column("_time").alias("_time"),
        ];
        // Two fields of the same value, such as `host` and `dest`, are kept apart.
        let mut seen: HashSet<Expr> = [column("_time")].into();
        for (name, data_type) in names.iter().zip(types) {
            let expr = self.value(name, data_type)?;
            let expr = match &expr {
                Expr::Literal(..) => expr,
                _ if seen.insert(expr.clone()) => expr,
                _ => apart(expr, name),
            };
            columns.push(expr.alias(name));
        }
        builder.project(columns)?.build()
    }
}

/// What was found of the events that fit the parts of a search.
#[derive(Default)]
struct Found {
    /// References of the events of each part that has some.
    events: Vec<Vec<u64>>,
    rows: usize,
    /// They are too many to start from, or it cannot be told which they are.
    many: bool,
}

impl Found {
    /// Whether some event may fit a part.
    fn looks_into(&mut self, part: &Part, catalog: &dyn Catalog, glances: &Glances) -> bool {
        // Once a plan is needed anyway, one event is enough to know that the part belongs to it.
        if part.table.rows > glances.largest() {
            self.many = true;
            return true;
        }
        let most = if self.many { 0 } else { MOST_ROWS - self.rows };
        let event_type = &part.table.event_type;
        match glances.fitting(catalog, event_type, part.filter.as_ref(), most) {
            Fitting::Few(events) if events.is_empty() => false,
            Fitting::Few(events) => {
                self.rows += events.len();
                self.events.push(events);
                true
            }
            Fitting::Many => {
                self.many = true;
                true
            }
        }
    }
}

/// The fields of the events that were found of each part, as the start of a plan.
fn rows_of(
    catalog: &dyn Catalog,
    parts: &[Part],
    events: &[Vec<u64>],
    names: &[String],
    types: &[DataType],
) -> std::result::Result<LogicalPlan, DataFusionError> {
    let schema = Arc::new(Schema::new(fields(names, types)));
    let mut batches = Vec::with_capacity(parts.len());
    for (part, references) in parts.iter().zip(events) {
        let mut exprs = vec![column(REF), column("_time"), column("_time")];
        for (name, data_type) in names.iter().zip(types) {
            exprs.push(part.value(name, data_type)?);
        }
        let values = values_of(catalog, &part.table.event_type, references, &exprs)?;
        batches.push(RecordBatch::try_new(Arc::clone(&schema), values)?);
    }
    let batch = concat_batches(&schema, &batches)?;
    let provider = MemTable::try_new(schema, vec![vec![batch]])?;
    let own = [REF, ORDER, "_time"].into_iter();
    let names = own.chain(names.iter().map(String::as_str));
    let names = names.map(|name| column(name).alias(name));
    LogicalPlanBuilder::scan("found", provider_as_source(Arc::new(provider)), None)?
        .project(names)?
        .build()
}

/// The columns of a search's first rows.
fn fields(names: &[String], types: &[DataType]) -> Vec<Field> {
    let own = [
        Field::new(REF, DataType::UInt64, false),
        Field::new(ORDER, DataType::Float64, false),
        Field::new("_time", DataType::Float64, false),
    ];
    let named = names.iter().zip(types);
    let named = named.map(|(name, data_type)| Field::new(name, data_type.clone(), true));
    own.into_iter().chain(named).collect()
}

/// No rows, with the columns of a search.
fn nothing(
    names: &[String],
    types: &[DataType],
) -> std::result::Result<LogicalPlan, DataFusionError> {
    let fields = fields(names, types)
        .into_iter()
        .map(|field| (None, Arc::new(field)))
        .collect();
    let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
    Ok(LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema),
    }))
}

/// Whether the search clause of a first command can fit events of this type.
pub(crate) fn may_read(
    expr: &SearchExpr,
    info: &TypeInfo,
    context: &crate::expr::EvalContext,
) -> std::result::Result<bool, Diagnostic> {
    Ok(!matches!(
        fold(expr, &StaticScope(info), context)?,
        Folded::Known(false)
    ))
}
