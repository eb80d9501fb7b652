//! What a scheduled task starts, from the XML that defines it (\[MS-TSCH\] section 2.5.7, "Actions").

use std::fmt;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// One action of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Starts a program.
    Exec {
        /// Its path, without quotes unless the task has them.
        command: String,
        /// Empty if there are none.
        arguments: String,
    },
    /// Runs code inside another process: the object of this class.
    ComHandler {
        /// `{GUID}`.
        class: String,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec { command, arguments } if arguments.is_empty() => f.write_str(command),
            Self::Exec { command, arguments } => write!(f, "{command} {arguments}"),
            Self::ComHandler { class } => write!(f, "COM class {class}"),
        }
    }
}

/// The actions of a task, in order. From XML that is cut off or broken, as far as it goes; programs count also without
/// the `Exec` around them, which exports shorten away.
pub fn actions(xml: &str) -> Vec<Action> {
    let mut reader = Reader::from_str(xml);
    let mut all = Vec::new();
    let (mut command, mut arguments, mut class) = (String::new(), String::new(), String::new());
    let mut text = String::new();
    let (mut inside, mut leaf) = (false, String::new());
    loop {
        match reader.read_event() {
            Err(_) | Ok(Event::Eof) => break,
            Ok(event) => match event {
                Event::Start(tag) => {
                    text.clear();
                    tag.local_name().as_ref().clone_into(&mut leaf);
                    if matches!(tag.local_name().as_ref(), "Exec" | "ComHandler") {
                        inside = true;
                        command.clear();
                        arguments.clear();
                        class.clear();
                    }
                }
                Event::End(tag) => match tag.local_name().as_ref() {
                    "Command" if !inside => all.push(Action::Exec {
                        command: text.trim().to_owned(),
                        arguments: String::new(),
                    }),
                    "Arguments" if !inside => {
                        if let Some(Action::Exec { arguments, .. }) = all.last_mut() {
                            text.trim().clone_into(arguments);
                        }
                    }
                    "Command" => text.trim().clone_into(&mut command),
                    "Arguments" => text.trim().clone_into(&mut arguments),
                    "ClassId" => text.trim().clone_into(&mut class),
                    "Exec" | "ComHandler" => {
                        inside = false;
                        let (command, class) =
                            (std::mem::take(&mut command), std::mem::take(&mut class));
                        if !command.is_empty() {
                            let arguments = std::mem::take(&mut arguments);
                            all.push(Action::Exec { command, arguments });
                        } else if !class.is_empty() {
                            all.push(Action::ComHandler { class });
                        }
                    }
                    _ => {}
                },
                other => gather(&mut text, other),
            },
        }
    }
    if inside && !command.is_empty() {
        if leaf == "Arguments" && arguments.is_empty() {
            text.trim().clone_into(&mut arguments);
        }
        all.push(Action::Exec { command, arguments });
    }
    all
}

/// As whom a task runs: the account of its first principal, a SID or a name. None if it runs for the members of a group, or
/// if its definition does not say.
pub fn principal(xml: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    let (mut text, mut inside) = (String::new(), false);
    loop {
        match reader.read_event() {
            Err(_) | Ok(Event::Eof) => return None,
            Ok(Event::Start(tag)) => {
                text.clear();
                inside |= tag.local_name().as_ref() == "Principal";
            }
            Ok(Event::End(tag)) => match tag.local_name().as_ref() {
                "UserId" if inside => {
                    let name = text.trim();
                    return (!name.is_empty()).then(|| name.to_owned());
                }
                "Principal" => return None,
                _ => {}
            },
            Ok(other) => gather(&mut text, other),
        }
    }
}

/// Adds what an event has of an element's text.
fn gather(text: &mut String, event: Event<'_>) {
    match event {
        Event::Text(part) => text.push_str(&part.xml10_content()),
        Event::CData(part) => text.push_str(&part.xml10_content()),
        Event::GeneralRef(name) => {
            let written = format!("&{};", name.into_inner());
            text.push_str(&unescape(&written).unwrap_or((&written).into()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(xml: &str) -> String {
        let all: Vec<String> = actions(xml).iter().map(Action::to_string).collect();
        all.join("; ")
    }

    #[test]
    fn a_task_runs_as_its_principal() {
        for (xml, expected) in [
            (
                "<Task><Triggers><LogonTrigger><UserId>X\\trigger</UserId></LogonTrigger></Triggers><Principals>\
                 <Principal id=\"Author\"><UserId> S-1-5-18 </UserId><RunLevel>HighestAvailable</RunLevel></Principal>\
                 </Principals></Task>",
                Some("S-1-5-18"),
            ),
            (
                "<Principals><Principal><GroupId>S-1-5-32-545</GroupId></Principal></Principals><UserId>x</UserId>",
                None,
            ),
            ("<Principal><UserId></UserId></Principal>", None),
            (
                "<Principal><UserId>CORP\\a&amp;b</UserId></Principal>",
                Some("CORP\\a&b"),
            ),
            ("<Principal><UserId>CORP\\a", None),
            ("", None),
        ] {
            assert_eq!(principal(xml).as_deref(), expected, "{xml}");
        }
    }

    #[test]
    fn actions_are_read_with_their_arguments() {
        for (xml, expected) in [
            (
                "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<Task xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\
                 <Actions Context=\"Author\"><Exec id=\"a\"><Command>cmd.exe</Command><Arguments>/c a &amp;&amp; b &#62; c</Arguments>\
                 </Exec><Exec>\n<Command> \"C:\\x y.exe\" </Command></Exec></Actions></Task>",
                "cmd.exe /c a && b > c; \"C:\\x y.exe\"",
            ),
            (
                "<Task><Actions><ComHandler><ClassId>{A-1}</ClassId></ComHandler></Actions></Task>",
                "COM class {A-1}",
            ),
            (
                "<t:Task><t:Exec><t:Command><![CDATA[a&b.exe]]></t:Command></t:Exec></t:Task>",
                "a&b.exe",
            ),
            ("<Task><Exec><Command>x</Task>", ""),
            ("<Task><Exec><Command>x</Command></Exec><Exec><Comm", "x"),
            (
                "<Task><Exec><Command>cmd.exe</Command><Arguments>/c whoami &gt; C",
                "cmd.exe /c whoami > C",
            ),
            ("<Task><Exec><Command>cmd.exe</Command><Argu", "cmd.exe"),
            ("<Task><Exec><Arguments>/only</Arguments></Exec></Task>", ""),
            (
                "<Command>a.exe</Command><Arguments>/b</Arguments><Command>c.exe</Command>",
                "a.exe /b; c.exe",
            ),
            ("<Arguments>/b</Arguments>", ""),
            ("", ""),
            ("no XML", ""),
        ] {
            assert_eq!(text(xml), expected, "{xml}");
        }
    }
}
