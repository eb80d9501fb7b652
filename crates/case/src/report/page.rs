//! The page around the data: its head, with a policy that allows nothing in, and its content without JavaScript.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use sha2::{Digest, Sha256};

use super::text::visible;
use crate::document::Case;
use crate::sentences;

/// The built front end.
#[derive(Debug, Clone, Copy)]
pub struct FrontEnd {
    /// The script.
    pub(super) script: &'static str,
    /// The style sheet.
    pub(super) style: &'static str,
    /// Licences of the script's components.
    pub(super) licences: &'static str,
}

impl FrontEnd {
    /// The script, for servers that deliver it as a separate file.
    pub fn script(&self) -> &'static str {
        self.script
    }

    /// The style sheet, likewise.
    pub fn style(&self) -> &'static str {
        self.style
    }
}

include!(concat!(env!("OUT_DIR"), "/front_end.rs"));

/// The reason why there is no HTML report, if [`front_end`] returns none.
pub const WITHOUT_FRONT_END: &str = "this crabwalk was built without its front end, so it writes no HTML report: \
    build it with Node 20.19 or newer (`make demo` or `make release`), or run `make ui` first";

/// The front end, or `None` if the program was built without it.
pub fn front_end() -> Option<&'static FrontEnd> {
    const BUILT: Option<&FrontEnd> = match &FRONT_END {
        Some(front_end) => Some(front_end),
        None => None,
    };
    BUILT
}

/// Number of hops to list without JavaScript.
const MOST_HOPS: usize = 200;

/// The page's content without JavaScript.
#[derive(Debug)]
pub(super) struct Outline {
    pub sentences: Vec<String>,
    hops: Vec<String>,
}

impl Outline {
    pub fn new(case: &Case) -> Self {
        Self {
            sentences: sentences::summary(case),
            hops: sentences::hop_lines(case)
                .into_iter()
                .take(MOST_HOPS)
                .collect(),
        }
    }
}

/// Text between tags that must not end its element: JavaScript and CSS read the escaped form as the same.
fn inside(text: &str, tag: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let ends = from
            .get(2..2 + tag.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(tag));
        out.push_str(if ends { "<\\/" } else { "</" });
        rest = &from[2..];
    }
    out.push_str(rest);
    out
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Writes the page up to its data.
pub(super) fn head(
    out: &mut impl Write,
    front_end: &FrontEnd,
    outline: &Outline,
) -> io::Result<()> {
    let style = inside(front_end.style, "style");
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&inside(front_end.script, "script")),
        hash(&style),
    );
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>Crabwalk case</title>\n<style>{style}</style>\n</head>\n<body>"
    )?;
    let line = |text: &str| escape(visible(text, 2000)).into_owned();
    writeln!(out, "<noscript>\n<h1>What happened</h1>")?;
    for sentence in &outline.sentences {
        writeln!(out, "<p>{}</p>", line(sentence))?;
    }
    writeln!(out, "<ol>")?;
    for hop in &outline.hops {
        writeln!(out, "<li>{}</li>", line(hop))?;
    }
    writeln!(
        out,
        "</ol>\n<p>Showing the evidence needs JavaScript, which runs only from this file and fetches nothing.</p>\n</noscript>\n\
         <div id=\"app\"></div>\n<div id=\"paper\"></div>"
    )
}

/// Writes what follows the data.
pub(super) fn foot(out: &mut impl Write, front_end: &FrontEnd) -> io::Result<()> {
    writeln!(
        out,
        "<script>{}</script>\n</body>\n</html>",
        inside(front_end.script, "script")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_its_element() {
        for (text, tag, safe) in [
            ("a</b>", "script", "a</b>"),
            ("'</script>'", "script", "'<\\/script>'"),
            ("</SCRIPT </scrip", "script", "<\\/SCRIPT </scrip"),
            ("</style>", "style", "<\\/style>"),
            ("</", "style", "</"),
        ] {
            assert_eq!(inside(text, tag), safe, "{text}");
        }
    }
}
