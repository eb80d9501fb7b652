//! Answers in the forms of Splunk's REST: Atom in XML, and its equivalent in JSON.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

/// What clients are told to be. From 9.0.2 on they use the newer endpoints for searches.
pub const VERSION: &str = "10.0.0";

const NAMESPACES: &str = "xmlns=\"http://www.w3.org/2005/Atom\" xmlns:s=\"http://dev.splunk.com/ns/rest\" \
    xmlns:opensearch=\"http://a9.com/-/spec/opensearch/1.1/\"";

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The form that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// XML, unless a client asks for something else.
    Xml,
    /// JSON.
    Json,
}

/// A text for XML: escaped, and without the characters that XML cannot have.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // Readers take a bare one for a line feed.
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An answer. Clients read the body by its `Connection` header.
pub fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

pub fn json_answer(status: StatusCode, body: &Value) -> Response {
    answer(status, "application/json; charset=UTF-8", body.to_string())
}

pub fn xml_answer(status: StatusCode, body: &str) -> Response {
    answer(
        status,
        "text/xml; charset=UTF-8",
        format!("{DECLARATION}{body}"),
    )
}

/// A message, such as an error. `kind` is `INFO`, `WARN`, `ERROR` or `FATAL`.
pub fn message(form: Form, status: StatusCode, kind: &str, text: &str) -> Response {
    match form {
        Form::Json => json_answer(status, &json!({"messages": [{"type": kind, "text": text}]})),
        Form::Xml => {
            let text = escaped(text);
            let body = format!(
                "<response>\n  <messages>\n    <msg type=\"{kind}\">{text}</msg>\n  </messages>\n</response>\n"
            );
            xml_answer(status, &body)
        }
    }
}

/// Something that has a name and properties.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its path without `/services`.
    pub path: String,
    /// Whose it is.
    pub owner: String,
    /// Its properties.
    pub content: Map<String, Value>,
    /// What can be asked beneath its path.
    pub links: &'static [&'static str],
}

impl Entry {
    /// An entry with properties, given as an object.
    pub fn new(name: &str, path: &str, owner: &str, content: Value) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            owner: owner.to_owned(),
            content: match content {
                Value::Object(content) => content,
                _ => Map::new(),
            },
            links: &[],
        }
    }

    fn acl(&self) -> Value {
        json!({
            "app": "search",
            "can_list": true,
            "can_write": true,
            "modifiable": true,
            "owner": self.owner,
            "perms": {"read": ["*"], "write": ["admin"]},
            "removable": true,
            "sharing": "global",
        })
    }

    fn place(&self) -> String {
        let parts = self.path.split('/').map(quoted);
        format!("/services{}", parts.collect::<Vec<_>>().join("/"))
    }

    fn xml(&self, is_root: bool) -> String {
        let place = escaped(&self.place());
        let namespaces = match is_root {
            true => format!(" {NAMESPACES}"),
            false => String::new(),
        };
        let mut links = format!("<link href=\"{place}\" rel=\"alternate\"/>");
        for link in self.links {
            links.push_str(&format!("<link href=\"{place}/{link}\" rel=\"{link}\"/>"));
        }
        let mut content = self.content.clone();
        content.insert("eai:acl".to_owned(), self.acl());
        format!(
            "<entry{namespaces}><title>{}</title><id>https://crabwalk{place}</id><updated>{}</updated>{links}\
             <author><name>{}</name></author><content type=\"text/xml\">{}</content></entry>",
            escaped(&self.name),
            updated(),
            escaped(&self.owner),
            value(&Value::Object(content)),
        )
    }

    fn json(&self) -> Value {
        let place = self.place();
        let mut links = Map::new();
        links.insert("alternate".to_owned(), place.clone().into());
        for link in self.links {
            links.insert((*link).to_owned(), format!("{place}/{link}").into());
        }
        json!({
            "name": self.name,
            "id": format!("https://crabwalk{place}"),
            "updated": updated(),
            "links": links,
            "author": self.owner,
            "acl": self.acl(),
            "content": self.content,
        })
    }
}

fn updated() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S+00:00")
        .to_string()
}

/// A segment of a path.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A value as Splunk writes it in XML.
fn value(one: &Value) -> String {
    match one {
        Value::Null => String::new(),
        Value::Bool(is) => u8::from(*is).to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => escaped(text),
        Value::Array(all) => {
            let items = all
                .iter()
                .map(|one| format!("<s:item>{}</s:item>", value(one)));
            format!("<s:list>{}</s:list>", items.collect::<String>())
        }
        Value::Object(all) => {
            let keys = all.iter().map(|(name, one)| {
                format!("<s:key name=\"{}\">{}</s:key>", escaped(name), value(one))
            });
            format!("<s:dict>{}</s:dict>", keys.collect::<String>())
        }
    }
}

/// A list of entries.
pub fn feed(form: Form, status: StatusCode, title: &str, entries: &[Entry]) -> Response {
    page(form, status, title, entries, entries.len(), 0)
}

/// A part of a list of entries, from `offset` on, of `total`.
pub fn page(
    form: Form,
    status: StatusCode,
    title: &str,
    entries: &[Entry],
    total: usize,
    offset: usize,
) -> Response {
    match form {
        Form::Json => {
            let all: Vec<Value> = entries.iter().map(Entry::json).collect();
            let body = json!({
                "links": {},
                "origin": "https://crabwalk/services",
                "updated": updated(),
                "generator": {"build": "0", "version": VERSION},
                "entry": all,
                "paging": {"total": total, "perPage": entries.len(), "offset": offset},
                "messages": [],
            });
            json_answer(status, &body)
        }
        Form::Xml => {
            let all: String = entries.iter().map(|entry| entry.xml(false)).collect();
            let body = format!(
                "<feed {NAMESPACES}><title>{title}</title><id>https://crabwalk/services/{title}</id><updated>{}</updated>\
                 <generator build=\"0\" version=\"{VERSION}\"/><author><name>Crabwalk</name></author>\
                 <opensearch:totalResults>{total}</opensearch:totalResults>\
                 <opensearch:itemsPerPage>{}</opensearch:itemsPerPage>\
                 <opensearch:startIndex>{offset}</opensearch:startIndex><s:messages/>{all}</feed>",
                updated(),
                entries.len(),
            );
            xml_answer(status, &body)
        }
    }
}

/// A single entry, which in XML is the root, as clients expect of a job.
pub fn single(form: Form, entry: &Entry) -> Response {
    match form {
        Form::Json => feed(form, StatusCode::OK, "jobs", std::slice::from_ref(entry)),
        Form::Xml => xml_answer(StatusCode::OK, &entry.xml(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logs_say_cannot_leave_its_element() {
        let text = escaped("</s:key>\u{0}\u{8}&\u{ffff}\"'\r\n\t\u{1b}");
        assert_eq!(
            text,
            "&lt;/s:key&gt;\u{fffd}\u{fffd}&amp;\u{fffd}&quot;&apos;&#13;\n\t\u{fffd}"
        );
        let entry = Entry::new(
            "a/../b c",
            "/saved/searches/x",
            "ida",
            json!({"a": [true, 2]}),
        );
        let xml = entry.xml(true);
        assert!(xml.contains(
            "<s:key name=\"a\"><s:list><s:item>1</s:item><s:item>2</s:item></s:list></s:key>"
        ));
        assert_eq!(quoted("a/../b c"), "a%2F..%2Fb%20c");
    }
}
