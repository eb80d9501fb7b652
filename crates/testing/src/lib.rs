//! Shared test support, each thing once: made-up events, cases in text files, running the program, the public corpus.
//!
//! **Cases are text, and each is a test.** Anyone who knows SPL or Windows' logs can read and write a case without
//! reading Rust. [`Suite`] names each one, so that one of a thousand can run alone (`cargo test --workspace --test
//! cases -- 'a service over TCP'`), and `BLESS=1` writes the actual result of a case in place of the expected one: a
//! diff to read, instead of a text to copy by hand.
//!
//! **Made-up events take one route.** [`Events`] puts them into tables as readers do, whoever made them. There are
//! three notations, for three purposes:
//!
//! - searches ([`Event::parse`], `name=value`): any event type, any field, in values the escapes `\n`, `\t`, `\"`, and
//!   lists. These are the edges where SPL is strange, and no event has to make sense.
//! - scenes ([`scene::parse`], `time host what …`): seconds and machines in columns, and words for the events of which
//!   movements are made. Command lines and paths stand as they are: a backslash is a backslash, and `'` and `"` quote each other.
//! - cases of detections (YAML, `crabwalk_detect::cases`): a part of the program, for people who write detections and have
//!   no Rust at hand; a library for tests cannot be below it.
//!
//! Test code builds an [`Event`] with what it needs:
//!
//! ```
//! use crabwalk_events::Catalog;
//! use crabwalk_testing::{Event, Events};
//!
//! let logons = ["ann", "bob"].map(|user| Event::new("Security/4624").host("WS1").with("TargetUserName", user));
//! let catalog = Events::from(logons.to_vec()).catalog();
//! assert_eq!(catalog.tables()[0].rows, 2);
//! ```
//!
//! Use this crate only in `[dev-dependencies]`. It depends on nothing right of `events`, so that the unit tests of
//! every other crate can use it and meet one version of each type; tests of `sources` and `events` that use it are in
//! their `tests/`.

mod cases;
mod corpus;
pub mod ese;
mod events;
mod page;
mod program;
pub mod scene;
mod storage;
mod suite;

pub use cases::{Block, Expected, blocks, files};
pub use corpus::corpus;
pub use events::{Event, Events};
pub use page::assert_fresh;
pub use program::{Ran, crabwalk, crabwalk_reading, program, tool};
pub use storage::{BadNetwork, ObjectStorage};
pub use suite::{Differs, Suite};
