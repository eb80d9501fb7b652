//! Files of the task scheduler (`C:\Windows\System32\Tasks\…`, [MS-TSCH] 2.5): a `<Task>` element each. They do not name their
//! machine, and their date, where there is one, has no zone.

use memchr::memmem;

use crate::piece::Piece;
use crate::record::Record;
use crate::time;
use crate::xml;

/// Elements within elements that are followed; tasks have five.
const DEEPEST: usize = 16;

/// Elements whose text is kept, and the field for it.
const FIELDS: [(&str, &str); 18] = [
    ("RegistrationInfo/Author", "Author"),
    ("RegistrationInfo/Date", "Date"),
    ("RegistrationInfo/URI", "URI"),
    ("RegistrationInfo/Description", "Description"),
    ("RegistrationInfo/Source", "Source"),
    ("Principals/Principal/UserId", "UserId"),
    ("Principals/Principal/GroupId", "GroupId"),
    ("Principals/Principal/LogonType", "LogonType"),
    ("Principals/Principal/RunLevel", "RunLevel"),
    ("Actions/Exec/Command", "Command"),
    ("Actions/Exec/Arguments", "Arguments"),
    ("Actions/Exec/WorkingDirectory", "WorkingDirectory"),
    ("Actions/ComHandler/ClassId", "ClassId"),
    ("Actions/ComHandler/Data", "Data"),
    ("Settings/Enabled", "Enabled"),
    ("Settings/Hidden", "Hidden"),
    ("Triggers/TimeTrigger/StartBoundary", "StartBoundary"),
    ("Triggers/CalendarTrigger/StartBoundary", "StartBoundary"),
];

/// Whether a task opens here.
pub(crate) fn opens(bytes: &[u8]) -> bool {
    let head = bytes.get(..512).unwrap_or(bytes);
    bytes
        .strip_prefix(b"<Task")
        .and_then(<[u8]>::first)
        .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
        && memmem::find(head, b"schemas.microsoft.com/windows/2004/02/mit/task").is_some()
}

/// The end of the task that opens here; broken where another one opens first.
pub(crate) fn find_end(bytes: &[u8], _: bool) -> Piece {
    const CLOSE: &[u8] = b"</Task>";
    let another = memmem::find_iter(bytes, b"<Task ").find(|at| *at > 0);
    let own = bytes.get(..another.unwrap_or(bytes.len())).unwrap_or(bytes);
    match memmem::find(own, CLOSE) {
        Some(at) => Piece::Whole(at + CLOSE.len()),
        None => another.map_or(Piece::Open, Piece::Broken),
    }
}

/// The path of a task in the scheduler's library, by that of its file: `\Updater`.
fn uri_of(path: &str) -> Option<String> {
    let path = path.replace('/', "\\");
    let lower = path.to_ascii_lowercase();
    let at = lower.rfind("\\system32\\tasks\\")? + "\\system32\\tasks".len();
    path.get(at..).map(ToOwned::to_owned)
}

/// Fills a record with a task from the file at `path`, which was last written at `written` (microseconds since 1970-01-01 UTC).
pub(crate) fn read(text: &str, path: &str, written: i64, record: &mut Record) {
    record.clear();
    record.channel.push_str("program:task");
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    let mut found: Vec<(&str, String)> = Vec::new();
    // Deeper elements than these are passed over.
    let mut below = 0_usize;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        // Neither comments nor instructions are elements.
        let other = [("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>")]
            .into_iter()
            .find(|(begin, _)| tag.starts_with(begin));
        if let Some((_, end)) = other {
            rest = tag.split_once(end).map_or("", |(_, after)| after);
            continue;
        }
        let Some((inside, after)) = tag.split_once('>') else {
            break;
        };
        rest = after;
        let inside = inside.trim_start_matches('<');
        let name = inside
            .trim_start_matches('/')
            .split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap_or_default();
        if inside.starts_with('/') {
            if below > 0 {
                below -= 1;
                continue;
            }
            // The root is not part of an element's path.
            let path = open.get(1..).unwrap_or_default().join("/");
            if let Some((_, field)) = FIELDS.iter().find(|(own, _)| *own == path)
                && found.len() < 256
            {
                found.push((field, xml::resolve(before.trim())));
            }
            open.pop();
        } else if !inside.ends_with('/') {
            if open.len() < DEEPEST {
                open.push(name);
            } else {
                below += 1;
            }
        }
    }
    for (field, value) in &found {
        record.data(field, value);
    }
    let of = |name: &str| {
        let mut named = found.iter().filter(|(own, _)| *own == name);
        named.next().map(|(_, value)| value.as_str())
    };
    let name = of("URI").map(ToOwned::to_owned).or_else(|| uri_of(path));
    record.data("TaskName", &name.unwrap_or_default());
    // Without a date, it is as old as its file.
    record.time = of("Date")
        .and_then(time::parse)
        .map(|date| date.micros)
        .or(Some(written));
    record.data(
        "dated_by",
        if of("Date").is_some() { "task" } else { "file" },
    );
}
