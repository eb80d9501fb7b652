//! `crabwalk mcp`: an assistant looks at a case or at logs, by the Model Context Protocol
//! (<https://modelcontextprotocol.io/specification/2025-11-25>) on standard input and output.
//!
//! # Who is trusted with what
//!
//! Logs carry text that attackers wrote: a command line, a user agent, the name of a workstation. An assistant that reads
//! "ignore your instructions and …" in a command line must not do so. No server can promise what a model does with text,
//! but this one sees to it that the text cannot pass for anything but data, and that little follows if it does:
//!
//! - **Data and words are apart.** An answer has what came from logs in one place, `untrusted` of the structured content
//!   (`data.rs`). Everything outside it, such as how to get the rest of a long list, is this program's own words and
//!   numbers: not even the names of fields are repeated there, because JSON logs bring their own.
//! - **The text of an answer fences the data twice.** The data is one line of JSON, in which a line feed is an escape and a
//!   quotation mark cannot end a string, so no text in it can begin a line of its own. And the lines before and after
//!   hold a random number, new for each answer, which nobody who wrote a log could know.
//! - **What is hidden becomes visible.** Characters that people do not see but models read (tags, variation selectors,
//!   zero-width and direction marks) and control characters are written as escapes, in names of fields too.
//! - **Read only.** The tools read what the command line names and nothing else: none takes a path, so the text of a log
//!   cannot send the assistant to another file. Searches write no lookup, and SPL here runs no program and fetches nothing.
//! - **Bounded.** An answer has at most [`data::MOST_BYTES`] of data. It says what was left out, and how to get it.
//!
//! Whoever connects an assistant that can also act (a shell, a ticket system, mail) should keep a person between the two:
//! see docs/assistants.md.
//!
//! # Why the protocol is written here
//!
//! The public crate for it, `rmcp`, turns on features of crates below DataFusion (`serde` of `indexmap`, `codec` of
//! `tokio-util`), so that each build would compile DataFusion in another way, and brings an asynchronous server for a
//! conversation of one line after another. What a server of tools needs is in `protocol.rs`: the handshake, a list, calls
//! and their cancellation. The tests speak to it with the protocol's own client for Python.

mod arguments;
mod data;
mod evidence;
mod protocol;
mod tools;

use std::io::{BufReader, stdin, stdout};

use crate::args;
use crate::outcome::{Done, Failure};

/// Runs the command: answers until standard input ends.
pub fn run(args: &args::Mcp) -> Result<Done, Failure> {
    let tools = tools::Tools::new(evidence::Evidence::open(args)?);
    protocol::serve(BufReader::new(stdin()), stdout(), tools)?;
    Ok(Done::Whole)
}
