//! Hosts and hops as a graph: GraphML (<http://graphml.graphdrawing.org/>) and DOT (<https://graphviz.org/doc/info/lang.html>).

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};

use petgraph::dot::{Config, Dot};
use petgraph::graph::{DiGraph, NodeIndex};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::document::{Case, HopInfo};
use crate::names::Names;
use crate::sentences::{accounts, technique, when, witnesses};

/// The label of a node or edge, without characters that a terminal would act on.
struct Label(String);

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn label(text: &str) -> Label {
    Label(
        text.chars()
            .map(|c| {
                if c != '\n' && crabwalk_vocabulary::text::is_acted_on(c) {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect(),
    )
}

/// The hosts that take part in hops, and the hops between them. An unknown source is its own node.
fn graph<'c>(case: &'c Case, names: &Names<'c>) -> DiGraph<(Option<&'c str>, Label), &'c HopInfo> {
    let mut graph = DiGraph::new();
    let mut nodes: HashMap<Option<&str>, NodeIndex> = HashMap::new();
    for hop in &case.hops {
        let mut node = |id: Option<&'c str>| {
            *nodes
                .entry(id)
                .or_insert_with(|| graph.add_node((id, label(names.source(id)))))
        };
        let (src, dst) = (node(hop.src.as_deref()), node(Some(hop.dst.as_str())));
        graph.add_edge(src, dst, hop);
    }
    graph
}

/// Writes DOT, for Graphviz.
///
/// # Errors
/// What writing gives.
pub fn dot(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let labelled = graph(case, &names).map(
        |_, (_, name)| Label(name.0.clone()),
        |_, hop| {
            let who: Vec<&str> = accounts(hop).iter().map(|id| names.account(id)).collect();
            label(&format!(
                "{}\n{}\n{}",
                when(hop.first.as_deref()),
                hop.techniques.first().map_or("", String::as_str),
                who.join(" ⇒ ")
            ))
        },
    );
    let text = Dot::with_attr_getters(
        &labelled,
        &[
            Config::GraphContentOnly,
            Config::RankDir(petgraph::dot::RankDir::LR),
        ],
        &|_, _| String::new(),
        &|_, _| "shape=box".to_owned(),
    );
    writeln!(out, "digraph movement {{\n{text}}}")?;
    out.flush()
}

/// GraphML's keys: their target, name and type.
const KEYS: [(&str, &str, &str); 15] = [
    ("node", "name", "string"),
    ("node", "names", "string"),
    ("node", "addresses", "string"),
    ("node", "role", "string"),
    ("node", "risk", "long"),
    ("edge", "hop", "string"),
    ("edge", "first", "string"),
    ("edge", "last", "string"),
    ("edge", "techniques", "string"),
    ("edge", "actor", "string"),
    ("edge", "used", "string"),
    ("edge", "effective", "string"),
    ("edge", "confidence", "double"),
    ("edge", "witnesses", "long"),
    ("edge", "attempted", "boolean"),
];

/// Writes GraphML, for yEd, Gephi and others. An edge is a hop.
///
/// # Errors
/// What writing gives.
pub fn graphml(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let graph = graph(case, &names);
    let mut writer = Writer::new_with_indent(&mut out, b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("graphml")
        .with_attribute(("xmlns", "http://graphml.graphdrawing.org/xmlns"))
        .write_inner_content(|writer| {
            for (at, (on, name, kind)) in KEYS.iter().enumerate() {
                writer
                    .create_element("key")
                    .with_attribute(("id", format!("d{at}").as_str()))
                    .with_attribute(("for", *on))
                    .with_attribute(("attr.name", *name))
                    .with_attribute(("attr.type", *kind))
                    .write_empty()?;
            }
            writer
                .create_element("graph")
                .with_attribute(("id", "movement"))
                .with_attribute(("edgedefault", "directed"))
                .write_inner_content(|writer| {
                    for index in graph.node_indices() {
                        let Some((id, name)) = graph.node_weight(index) else {
                            continue;
                        };
                        let host = id.and_then(|id| names.host_info(id));
                        writer
                            .create_element("node")
                            .with_attribute(("id", format!("n{}", index.index()).as_str()))
                            .write_inner_content(|writer| {
                                data(writer, "name", &name.0)?;
                                if let Some(host) = host {
                                    data(writer, "names", &host.names.join(", "))?;
                                    data(writer, "addresses", &host.ips.join(", "))?;
                                    data(writer, "role", host.role.as_deref().unwrap_or(""))?;
                                    data(writer, "risk", &host.risk.to_string())?;
                                }
                                Ok(())
                            })?;
                    }
                    for edge in graph.edge_indices() {
                        let (Some((from, to)), Some(hop)) =
                            (graph.edge_endpoints(edge), graph.edge_weight(edge))
                        else {
                            continue;
                        };
                        writer
                            .create_element("edge")
                            .with_attribute(("id", format!("e{}", edge.index()).as_str()))
                            .with_attribute(("source", format!("n{}", from.index()).as_str()))
                            .with_attribute(("target", format!("n{}", to.index()).as_str()))
                            .write_inner_content(|writer| hop_data(writer, hop, &names))?;
                    }
                    Ok(())
                })?;
            Ok(())
        })?;
    writeln!(out)?;
    out.flush()
}

fn hop_data<W: Write>(writer: &mut Writer<W>, hop: &HopInfo, names: &Names<'_>) -> io::Result<()> {
    let account = |id: &Option<String>| id.as_deref().map_or("", |id| names.account(id)).to_owned();
    let techniques: Vec<String> = hop.techniques.iter().map(|id| technique(id)).collect();
    for (name, value) in [
        ("hop", hop.id.clone()),
        ("first", hop.first.clone().unwrap_or_default()),
        ("last", hop.last.clone().unwrap_or_default()),
        ("techniques", techniques.join(", ")),
        ("actor", account(&hop.actor)),
        ("used", account(&hop.used)),
        ("effective", account(&hop.effective)),
        ("confidence", format!("{:.2}", hop.confidence)),
        ("witnesses", witnesses(hop).to_string()),
        ("attempted", hop.attempted.to_string()),
    ] {
        data(writer, name, &value)?;
    }
    Ok(())
}

fn data<W: Write>(writer: &mut Writer<W>, name: &str, value: &str) -> io::Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    let at = KEYS
        .iter()
        .position(|(_, key, _)| *key == name)
        .unwrap_or(0);
    // XML 1.0 does not allow most control characters.
    let text = label(value).0;
    writer
        .create_element("data")
        .with_attribute(("key", format!("d{at}").as_str()))
        .write_text_content(BytesText::new(&text))?;
    Ok(())
}
