use std::sync::Arc;

use super::*;
use crate::content::Content;
use crabwalk_spl::Readers;

/// The lints of a search, in short form.
fn said(text: &str) -> Vec<String> {
    let content = Content::load(true, &[]);
    let knowledge = Arc::new(content.knowledge);
    let search = Search::parse("test", text, &knowledge).unwrap_or_else(|error| panic!("{error}"));
    let readers = Readers::new(&knowledge);
    let reader = readers.of(&search);
    let known: Vec<EventType> = knowledge
        .mappings
        .known_types()
        .into_iter()
        .filter(|one| one.is_windows() && reader.reads(one))
        .collect();
    let read: Vec<&EventType> = known.iter().collect();
    lint(&search, &read, &knowledge)
        .into_iter()
        .map(|one| {
            let place = &text[one.span.start as usize..one.span.end as usize];
            let kind = one.message.split([' ', ',']).next().unwrap_or_default();
            format!("{kind} {place}")
        })
        .collect()
}

#[test]
fn likely_mistakes_are_reported_and_nothing_else() {
    let security = "`wineventlog_security` EventCode=4624";
    for (search, expected) in [
        // Groups that may be null.
        ("| stats count by src", vec!["`stats` src"]),
        ("| stats count by user, LogonType", vec![]),
        ("| fillnull value=x src | stats count by src", vec![]),
        ("| fillnull | stats count by src", vec![]),
        ("src=* | stats count by src", vec![]),
        ("NOT src=10.0.0.1 | stats count by src", vec!["`stats` src"]),
        ("| where isnotnull(src) | stats count by src", vec![]),
        (
            "| eval src=coalesce(src, \"x\") | stats count by src",
            vec![],
        ),
        // OR and AND.
        ("LogonType=3 OR LogonType=10 user=x*", vec![]),
        (
            "LogonType=3 OR IpPort=0 user=x*",
            vec!["OR LogonType=3 OR IpPort=0"],
        ),
        ("(LogonType=3 OR IpPort=0) user=x*", vec![]),
        ("((LogonType=3 IpPort=0) OR LogonType=9)", vec![]),
        // Searches inside commands are looked into, whichever command it is.
        (
            "| append [ search LogonType=3 OR IpPort=0 user=x* ]",
            vec!["OR LogonType=3 OR IpPort=0"],
        ),
        (
            "| set union [ search LogonType=3 OR IpPort=0 user=x* ] [ search user=y* ]",
            vec!["OR LogonType=3 OR IpPort=0"],
        ),
        (
            "| where LogonType=3 OR LogonType=10 AND IpPort=0",
            vec!["AND LogonType=10 AND IpPort=0"],
        ),
        ("| where (LogonType=3 OR LogonType=10) AND IpPort=0", vec![]),
        ("| where LogonType=3 OR (LogonType=10 AND IpPort=0)", vec![]),
        ("| where LogonType=3 OR IpPort=0 AND KeyLength=0", vec![]),
        // Case.
        ("| where user=\"Ann\"", vec!["this user=\"Ann\""]),
        ("| where \"Ann\"!=user", vec!["this \"Ann\"!=user"]),
        ("| where lower(user)=\"ann\"", vec![]),
        ("| where LogonType=\"3\" AND IpPort=\"x\"", vec![]),
        ("| where user IN (\"Ann\", \"1\")", vec!["this user"]),
        (
            "| where match(ProcessName, \"cmd\\.exe$\")",
            vec!["this match(ProcessName, \"cmd\\.exe$\")"],
        ),
        ("| where match(ProcessName, \"(?i)cmd\\.exe$\")", vec![]),
        (
            "| where match(user, \"\\$$\") OR match(user, \"^[A-Z]+\\d\")",
            vec![],
        ),
        (
            "| where like(user, \"adm%\")",
            vec!["this like(user, \"adm%\")"],
        ),
        ("| eval user=lower(user) | where user=\"ann\"", vec![]),
        (
            "| eval u=lower(user) | rename u as dest | where dest=\"ws1\"",
            vec![],
        ),
    ] {
        assert_eq!(said(&format!("{security} {search}")), expected, "{search}");
    }
    // Some event types have it and others do not.
    assert_eq!(
        said("`wineventlog_security` EventCode IN (4624, 4697) | stats count by LogonType"),
        ["`stats` LogonType"]
    );
    // Macros are units.
    assert_eq!(
        said(
            "| tstats count from datamodel=Endpoint.Processes where `process_psexec` Processes.process=*x* by Processes.dest"
        ),
        Vec::<String>::new()
    );
}
