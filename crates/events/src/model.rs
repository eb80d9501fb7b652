//! Data models: nodes of the Splunk Common Information Model as views over event types.
//!
//! Models are content (`models/*.yml`):
//!
//! ```yaml
//! model: Endpoint
//! nodes:
//!   Processes:
//!     tags: [process, report]
//!     events:
//!       - types: ["Microsoft-Windows-Sysmon/Operational/1"]
//!         where: 'Image=*'
//!     cim_requires: [[process_name, dest]]
//!     fields: [process_name, dest]
//!     unknown: [dest]
//!     children: {Shells: 'process_name=cmd.exe'}
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::mapping::TypePattern;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    model: String,
    #[serde(default)]
    description: Option<String>,
    nodes: BTreeMap<String, RawNode>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    events: Vec<RawMember>,
    #[serde(default)]
    cim_requires: Vec<Vec<String>>,
    fields: Vec<String>,
    #[serde(default)]
    unknown: Vec<String>,
    #[serde(default)]
    children: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMember {
    types: Vec<String>,
    #[serde(default, rename = "where")]
    filter: Option<String>,
}

/// Event types that belong to a node, with the condition for their events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which event types.
    pub types: Vec<TypePattern>,
    /// A search clause over the event type's fields; `None` for all events.
    pub filter: Option<String>,
}

/// A node of a data model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The model's name, such as `Endpoint`.
    pub model: String,
    /// The node's name, such as `Processes`.
    pub name: String,
    /// The tags of its events, which `tag=` searches for.
    pub tags: Vec<String>,
    /// Where its events come from.
    pub members: Vec<Member>,
    /// Events with CIM names belong to the node if they have all fields of one of these lists.
    pub cim_requires: Vec<Vec<String>>,
    /// The fields that the node promises, by their CIM names.
    pub fields: Vec<String>,
    /// Fields that have the value `unknown` if the event has none.
    pub unknown: Vec<String>,
    /// Child nodes: name → search clause.
    pub children: BTreeMap<String, String>,
}

/// All data models of a run.
#[derive(Debug, Clone, Default)]
pub struct DataModels {
    nodes: Vec<Node>,
}

impl DataModels {
    /// Adds the model of one YAML text; its nodes replace nodes of the same name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: RawModel = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        drop(raw.description);
        for (name, node) in raw.nodes {
            drop(node.description);
            let members = node
                .events
                .into_iter()
                .map(|member| {
                    let types = member
                        .types
                        .iter()
                        .map(|text| TypePattern::parse(text))
                        .collect::<Result<_, _>>()?;
                    Ok(Member {
                        types,
                        filter: member.filter,
                    })
                })
                .collect::<Result<_, String>>()?;
            let node = Node {
                model: raw.model.clone(),
                name,
                tags: node.tags,
                members,
                cim_requires: node.cim_requires,
                fields: node.fields,
                unknown: node.unknown,
                children: node.children,
            };
            self.nodes
                .retain(|old| !(old.model == node.model && old.name == node.name));
            self.nodes.push(node);
        }
        Ok(())
    }

    /// The node that `datamodel=name` means: `Endpoint.Processes`, the model alone if it has one node
    /// (`Authentication`, `Network_Traffic`), or a child node (`Authentication.Failed_Authentication`), narrowed by its
    /// [`child_condition`](Self::child_condition).
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.find(name).map(|(node, _)| node)
    }

    /// The search clause that narrows a node to the child that `datamodel=name` means; `None` if it means the whole
    /// node.
    pub fn child_condition(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(|(_, condition)| condition)
    }

    fn find(&self, name: &str) -> Option<(&Node, Option<&str>)> {
        let mut parts = name.split('.');
        let model = parts.next()?;
        let of_model = || self.nodes.iter().filter(move |node| node.model == model);
        let Some(second) = parts.next() else {
            let mut nodes = of_model();
            let only = nodes.next()?;
            return nodes.next().is_none().then_some((only, None));
        };
        let child = |node: &'_ Node, name: &str| node.children.contains_key(name);
        let (node, last) = match of_model().find(|node| node.name == second) {
            Some(node) => (node, parts.next()),
            None => (of_model().find(|node| child(node, second))?, Some(second)),
        };
        match last {
            None => Some((node, None)),
            Some(last) => Some((node, Some(node.children.get(last)?.as_str()))),
        }
    }

    /// The names that [`node`](Self::node) understands.
    pub fn names(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| format!("{}.{}", node.model, node.name))
            .collect()
    }

    /// The nodes of all models, in load order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_name() {
        let mut models = DataModels::default();
        for text in [
            "model: Endpoint\nnodes:\n  Processes: {events: [{types: ['Security/4688']}], fields: [dest]}\n  Ports: {events: [], fields: []}\n",
            "model: Authentication\nnodes:\n  Authentication: {events: [], fields: [user], children: {Failed: 'action=failure'}}\n",
        ] {
            models
                .add_yaml(text)
                .unwrap_or_else(|error| panic!("{error}"));
        }
        for (name, found) in [
            ("Endpoint.Processes", Some("Processes")),
            ("Endpoint", None),
            ("Authentication", Some("Authentication")),
            ("Authentication.Authentication", Some("Authentication")),
            ("Authentication.Failed", Some("Authentication")),
            (
                "Authentication.Authentication.Failed",
                Some("Authentication"),
            ),
            ("Authentication.Authentication.Lost", None),
            ("Endpoint.Nothing", None),
        ] {
            assert_eq!(
                models.node(name).map(|node| node.name.as_str()),
                found,
                "{name}"
            );
        }
        assert_eq!(
            models.child_condition("Authentication.Failed"),
            Some("action=failure")
        );
        assert_eq!(models.child_condition("Authentication"), None);
    }
}
