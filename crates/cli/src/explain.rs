//! `crabwalk explain` and `hunt --explain`: the evidence for one movement, path or finding, down to the records.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crabwalk_case::{Case, FindingInfo, HopInfo, Kind, LinkKind, Names, PathInfo, Reference};
use crabwalk_detect::attack;

use crate::args;
use crate::export::read;
use crate::outcome::{Done, Failure};
use crate::paths::{accounts, line};
use crate::summary::{heading, more, one, place, when};
use crate::term::{self, Ink, Look, count, paragraph, safe};

/// Maximum records to print for one statement; more are counted.
const MOST_EVENTS: usize = 5;
/// Maximum programs to print for one movement; more are counted.
const MOST_PROGRAMS: usize = 40;
/// Maximum movements of a path to explain; more are counted.
const MOST_HOPS: usize = 20;

/// Runs the command.
pub fn run(args: &args::Explain) -> Result<Done, Failure> {
    let case = read(&args.case)?;
    let text = explain(&case, &args.what, &Look::stdout())?;
    term::show(&text)?;
    Ok(Done::Whole)
}

/// The evidence for what has an id in the case.
///
/// # Errors
/// If nothing has it.
pub fn explain(case: &Case, id: &str, look: &Look) -> Result<String, Failure> {
    let mut page = Page {
        case,
        names: Names::new(case),
        look,
        out: String::new(),
    };
    if let Some(hop) = case.hops.iter().find(|hop| hop.id == id) {
        page.hop(hop);
    } else if let Some(path) = case.paths.iter().find(|path| path.id == id) {
        page.path(path);
    } else if let Some(finding) = case.findings.iter().find(|finding| finding.id == id) {
        page.finding(finding);
    } else {
        return Err(unknown(case, id));
    }
    Ok(page.out)
}

/// Says that nothing has an id, and which ids there are.
pub(crate) fn unknown(case: &Case, id: &str) -> Failure {
    let span = |first: Option<&String>, last: Option<&String>| match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(first), _) => first.clone(),
        _ => "none".to_owned(),
    };
    Failure::new(format!(
        "nothing in the case is called `{id}`; it has paths: {}, movements: {}, and {} (`hunt --verbose` shows their ids)",
        span(
            case.paths.first().map(|one| &one.id),
            case.paths.last().map(|one| &one.id)
        ),
        span(
            case.hops.first().map(|one| &one.id),
            case.hops.last().map(|one| &one.id)
        ),
        count(case.findings.len() as u64, "finding"),
    ))
}

struct Page<'a> {
    case: &'a Case,
    names: Names<'a>,
    look: &'a Look,
    out: String,
}

impl Page<'_> {
    fn dim(&mut self, indent: &str, text: &str) {
        let text = self.look.paint(Ink::Dim, &safe(text));
        let _ = writeln!(self.out, "{indent}{text}");
    }

    /// The records behind a statement. The rest, if any, are counted.
    fn events(&mut self, indent: &str, events: &[Reference], unlisted: u64) {
        for event in events.iter().take(MOST_EVENTS) {
            let text = format!(
                "{}  {}",
                when(event.time.as_deref()),
                place(self.case, event)
            );
            self.dim(indent, &text);
        }
        let left = events.len().saturating_sub(MOST_EVENTS) as u64 + unlisted;
        if left > 0 {
            self.dim(indent, &format!("… and {left} more"));
        }
    }

    fn techniques(&mut self, ids: &[String]) {
        for id in ids {
            let name = attack::technique(id).map_or("", |technique| technique.name);
            let _ = writeln!(self.out, "  {}", safe(&format!("{id}  {name}")));
        }
    }

    fn hop(&mut self, hop: &HopInfo) {
        let src = hop.src.as_deref().map_or("?", |id| self.names.host(id));
        let title = format!("{} → {}", src, self.names.host(&hop.dst));
        let rest = format!(
            "{}  {}, confidence {:.2}{}",
            hop.id,
            hop.standing.name(),
            hop.confidence,
            if hop.attempted { ", refused" } else { "" }
        );
        heading(&mut self.out, self.look, &safe(&title), &safe(&rest));
        let _ = writeln!(
            self.out,
            "  {} to {} UTC",
            when(hop.first.as_deref()),
            when(hop.last.as_deref())
        );
        let _ = writeln!(self.out, "  {}", safe(&accounts(&self.names, hop)));
        if let Some(why) = &hop.actor_inferred {
            self.dim("    ", why);
        }
        self.techniques(&hop.techniques);
        for path in &self.case.paths {
            if path.hops.contains(&hop.id) {
                let text = match &hop.follows {
                    Some(before) => format!("on {}, after {before}", path.id),
                    None => format!("on {}", path.id),
                };
                self.dim("  ", &text);
            }
        }
        self.witnesses(hop);
        self.missing(hop);
        self.programs(hop);
        let about: BTreeSet<&str> = hop.findings.iter().map(String::as_str).collect();
        self.findings(&about);
    }

    fn witnesses(&mut self, hop: &HopInfo) {
        let kinds: BTreeSet<Kind> = hop.witnesses.iter().map(|witness| witness.kind).collect();
        let rest = format!("{} of {}", kinds.len(), Kind::ALL.len());
        heading(&mut self.out, self.look, "WITNESSES", &rest);
        for kind in Kind::ALL {
            let own = hop.witnesses.iter().filter(|one| one.kind == kind);
            let mut first = true;
            for witness in own {
                if std::mem::take(&mut first) {
                    let title = kind.name().replace('-', " ");
                    let _ = writeln!(self.out, "  {}", self.look.paint(Ink::Bold, &title));
                }
                paragraph(
                    &mut self.out,
                    "    ",
                    &safe(&witness.what),
                    self.look.page(),
                );
                self.events("      ", &witness.events, witness.more.unwrap_or(0));
            }
        }
    }

    fn missing(&mut self, hop: &HopInfo) {
        if hop.missing.is_empty() {
            return;
        }
        heading(&mut self.out, self.look, "NOT SEEN", "");
        for missing in &hop.missing {
            let text = format!("{}: {}", missing.kind.name().replace('-', " "), missing.why);
            paragraph(&mut self.out, "  ", &safe(&text), self.look.page());
        }
    }

    fn programs(&mut self, hop: &HopInfo) {
        if hop.processes.is_empty() {
            return;
        }
        heading(&mut self.out, self.look, "IT RAN", "");
        for ran in hop.processes.iter().take(MOST_PROGRAMS) {
            let depth = usize::try_from(ran.depth).unwrap_or(0).min(12);
            let command = match ran.command_line.as_str() {
                "" => &ran.image,
                command => command,
            };
            let account = ran
                .account
                .as_deref()
                .map_or("?", |id| self.names.account(id));
            let text = format!("{command}  as {account}");
            let indent = format!("  {}  {}", when(ran.time.as_deref()), "  ".repeat(depth));
            let _ = writeln!(self.out, "{indent}{}", safe(&text));
        }
        if let Some(left) = hop.processes.len().checked_sub(MOST_PROGRAMS + 1) {
            more(&mut self.out, left + 1, "program", "programs", self.look);
        }
    }

    fn findings(&mut self, ids: &BTreeSet<&str>) {
        let case = self.case;
        let own: Vec<&FindingInfo> = case
            .findings
            .iter()
            .filter(|finding| ids.contains(finding.id.as_str()))
            .collect();
        if own.is_empty() {
            return;
        }
        heading(&mut self.out, self.look, "FINDINGS", &own.len().to_string());
        for finding in own {
            one(&mut self.out, case, finding, self.look);
            self.dim("                ", &finding.id);
        }
    }

    fn path(&mut self, path: &PathInfo) {
        let told = if path.told {
            "reported"
        } else {
            "does not stand out from daily work"
        };
        let rest = format!("{}  score {}, {told}", path.id, path.score);
        heading(&mut self.out, self.look, &safe(&path.way), &safe(&rest));
        for why in &path.why {
            let _ = writeln!(self.out, "  {}", safe(why));
        }
        for term in &path.rank {
            self.dim("  ", &format!("{:.4}  {}", term.probability, term.what));
        }
        let case = self.case;
        let hops: Vec<&HopInfo> = path
            .hops
            .iter()
            .filter_map(|id| case.hops.iter().find(|hop| hop.id == *id))
            .collect();
        heading(
            &mut self.out,
            self.look,
            "MOVEMENTS",
            &hops.len().to_string(),
        );
        for hop in &hops {
            line(&mut self.out, &self.names, hop, self.look);
            for link in path.links.iter().filter(|link| link.to == hop.id) {
                let how = match link.kind {
                    LinkKind::ProcessCausal => "a program that it brought made this one",
                    LinkKind::SessionCausal => "made in the session that it opened",
                    LinkKind::TimePossible => "it had reached the source before",
                };
                let text = format!("follows {}: {how}, certainty {}", link.from, link.certainty);
                self.dim("      ", &text);
            }
        }
        for hop in hops.iter().take(MOST_HOPS) {
            self.hop(hop);
        }
        if let Some(left) = hops.len().checked_sub(MOST_HOPS + 1) {
            more(&mut self.out, left + 1, "movement", "movements", self.look);
        }
    }

    fn finding(&mut self, finding: &FindingInfo) {
        heading(
            &mut self.out,
            self.look,
            &safe(&finding.detection),
            &safe(&finding.id),
        );
        one(&mut self.out, self.case, finding, self.look);
        if let Some(why) = &finding.everyday {
            paragraph(&mut self.out, "  ", &safe(why), self.look.page());
        }
        self.techniques(&finding.techniques);
        let width = self.look.page();
        for (title, text) in [
            ("WHAT IT LOOKS FOR", &finding.description),
            ("WHAT ELSE LOOKS LIKE IT", &finding.known_false_positives),
        ] {
            if !text.is_empty() {
                heading(&mut self.out, self.look, title, "");
                paragraph(&mut self.out, "  ", &safe(text), width);
            }
        }
        heading(&mut self.out, self.look, "ROW", "");
        for (name, value) in &finding.fields {
            let text = match value {
                serde_json::Value::Null => continue,
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(items) => {
                    let texts = items.iter().filter_map(serde_json::Value::as_str);
                    texts.collect::<Vec<&str>>().join(", ")
                }
                other => other.to_string(),
            };
            paragraph(
                &mut self.out,
                "  ",
                &safe(&format!("{name} = {text}")),
                width,
            );
        }
        let rest = finding.event_count.to_string();
        heading(&mut self.out, self.look, "RECORDS", &rest);
        for event in &finding.events {
            let text = format!(
                "{}  {}",
                when(event.time.as_deref()),
                place(self.case, event)
            );
            self.dim("  ", &text);
        }
        let about = self.case.hops.iter();
        let about: Vec<&HopInfo> = about
            .filter(|hop| hop.findings.contains(&finding.id))
            .collect();
        if !about.is_empty() {
            heading(&mut self.out, self.look, "ABOUT", "");
            for hop in about {
                line(&mut self.out, &self.names, hop, self.look);
            }
        }
        if !finding.references.is_empty() {
            heading(&mut self.out, self.look, "TO READ", "");
            for link in &finding.references {
                let _ = writeln!(self.out, "  {}", safe(link));
            }
        }
    }
}
