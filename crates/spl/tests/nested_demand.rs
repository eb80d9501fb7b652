//! What the readers must decode for searches within searches.

use std::sync::Arc;

use crabwalk_sources::collect::Columns;
use crabwalk_spl::{Knowledge, Search, demand};

/// The columns of an event type that a search needs; `None` for all, empty if it does not read the type.
fn columns(text: &str, channel: &str, id: u32) -> Option<Vec<String>> {
    let mut knowledge = Knowledge::default();
    knowledge.macros.insert("logons", &[], "EventCode=4624");
    let search = match Search::parse("test", text, &knowledge) {
        Ok(search) => search,
        Err(error) => panic!("{error}"),
    };
    let demand = demand(&[search], &Arc::new(knowledge));
    match demand.columns(channel, id) {
        Columns::All => None,
        Columns::None => Some(Vec::new()),
        Columns::Named(names) => Some(names.iter().cloned().collect()),
    }
}

#[test]
fn nested_searches_demand_their_own_events() {
    for (text, id, expected) in [
        (
            "search EventCode=1 | table a | join a [search EventCode=2 | table a b]",
            2,
            &["EventCode", "a", "b"][..],
        ),
        (
            "search EventCode=1 | table a | join a [search EventCode=2 | table a b]",
            1,
            &["EventCode", "a"],
        ),
        (
            "search EventCode=1 | stats count by a | append [search EventCode=2 | stats count by c]",
            2,
            &["EventCode", "c"],
        ),
        (
            "search EventCode=1 | stats count by a | append [search EventCode=2 | append [search EventCode=3 | table d] | table e]",
            3,
            &["EventCode", "d"],
        ),
        (
            "search EventCode=1 [search EventCode=2 | table f] | stats count by a",
            2,
            &["EventCode", "f"],
        ),
        // The rows of the subsearch are compared with the field `f` of the outer events.
        (
            "search EventCode=1 [search EventCode=2 | table f] | stats count by a",
            1,
            &["EventCode", "a", "f"],
        ),
        (
            "search EventCode=1 [search EventCode=2 | stats count by g | rename g as f | fields f] | stats count by a",
            1,
            &["EventCode", "a", "f"],
        ),
        (
            "| tstats count where EventCode=1 [search EventCode=2 | return f] by a",
            1,
            &["EventCode", "a", "f"],
        ),
        (
            "search EventCode=1 | table a | map search=\"search `logons` u=$a$ | table h\"",
            4624,
            &["EventCode", "h", "u"],
        ),
        (
            "search EventCode=1 | table a | map search=\"search EventCode=2 | table h\"",
            1,
            &["EventCode", "a"],
        ),
        (
            "| union [search EventCode=1 | table a] [search EventCode=2 | table b]",
            2,
            &["EventCode", "b"],
        ),
        (
            "search EventCode=1 | stats count by a | appendpipe [search [search EventCode=2 | table a]]",
            2,
            &["EventCode", "a"],
        ),
        (
            "search EventCode=1 | spath input=doc path=x output=y | table y",
            1,
            &["EventCode", "doc"],
        ),
        (
            "search EventCode=1 | spath input=doc | stats count by z",
            1,
            &["EventCode", "doc", "z"],
        ),
        (
            "search EventCode=1 | foreach a b [eval '<<FIELD>>'=c] | table a",
            1,
            &["EventCode", "a", "b", "c"],
        ),
        (
            "search EventCode=1 | transaction u startswith=(s=1) | table duration",
            1,
            &["EventCode", "s", "u"],
        ),
        (
            "search EventCode=1 | timechart sum(n) by u",
            1,
            &["EventCode", "n", "u"],
        ),
        (
            "search EventCode=1 | top u by h",
            1,
            &["EventCode", "h", "u"],
        ),
    ] {
        let found = columns(text, "Security", id);
        let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, Some(expected), "{text}\n{id}");
    }
}

#[test]
fn searches_that_show_everything_demand_everything() {
    for text in [
        "search EventCode=1",
        "search EventCode=2 | table a | append [search EventCode=1]",
        "search EventCode=1 | join [search EventCode=2 | table a]",
        "search EventCode=1 | foreach a* [eval '<<FIELD>>'=1] | table x",
        "search EventCode=1 | spath | table x",
        "search EventCode=1 [search EventCode=2] | table x",
    ] {
        assert_eq!(columns(text, "Security", 1), None, "{text}");
    }
    assert_eq!(
        columns(
            "search EventCode=2 | append [search EventCode=3]",
            "Security",
            1
        ),
        Some(Vec::new())
    );
}

#[test]
fn lookups_that_are_written_inside_a_search_are_known() {
    for (text, expected) in [
        ("search x | outputlookup a", true),
        ("search x | append [ search y | outputlookup a ]", true),
        ("search x | appendpipe [ outputlookup a ]", true),
        (
            "| set union [ search x | outputlookup a ] [ search y ]",
            true,
        ),
        ("search x | map search=\"search y | outputlookup a\"", true),
        (
            "search x | append [ | inputlookup a ] | lookup a user",
            false,
        ),
    ] {
        let search = Search::parse("test", text, &Knowledge::default());
        let writes = search.map(|search| search.writes_lookups());
        assert!(matches!(writes, Ok(writes) if writes == expected), "{text}");
    }
}

#[test]
fn what_is_made_of_the_text_of_an_event_demands_all_of_it() {
    let mut knowledge = Knowledge::default();
    let mapping = "- event_types: [\"Security/1\"]\n  aliases:\n    whole: extract(_raw, \"(.*)\")\n    part: a\n";
    assert_eq!(knowledge.mappings.add_yaml(mapping), Ok(()));
    let knowledge = Arc::new(knowledge);
    for (text, all) in [
        ("search EventCode=1 | stats count by whole", true),
        ("| tstats count where EventCode=1 by whole", true),
        ("| tstats count where EventCode=1 by punct", true),
        ("search EventCode=1 | stats count by part", false),
    ] {
        let search =
            Search::parse("test", text, &knowledge).unwrap_or_else(|error| panic!("{error}"));
        let columns = demand(&[search], &knowledge).columns("Security", 1);
        assert_eq!(columns == Columns::All, all, "{text}");
    }
}
