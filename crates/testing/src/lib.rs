//! What the tests of the other crates share, each thing once: made events, cases in text files, the program, the public corpus.
//!
//! **Cases are text, and each is a test.** Who knows SPL or Windows' logs can read and write a case without reading Rust.
//! [`Suite`] gives each one a name, so that one of a thousand can be run alone
//! (`cargo test --workspace --test cases -- 'a service over TCP'`), and `BLESS=1` writes what came of a case where it says
//! what must come of it: a diff to be read, instead of a text to be copied by hand.
//!
//! **Made events go one way.** [`Events`] puts them into tables as readers do, whoever made them. There are three texts for
//! them, because three things are said:
//!
//! - searches ([`Event::parse`], `name=value`): any event type, any field, in values the escapes `\n`, `\t`, `\"`, and
//!   lists. These are the edges where SPL is strange, and no event has to make sense.
//! - scenes ([`scene::parse`], `time host what …`): seconds and machines in columns, and words for the events of which
//!   movements are made. Command lines and paths stand as they are: a backslash is a backslash, and `'` and `"` quote each other.
//! - cases of detections (YAML, `crabwalk_detect::cases`): a part of the program, for people who write detections and have
//!   no Rust at hand; a library for tests cannot be below it.
//!
//! Test code makes an [`Event`] and says what it needs:
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
//! This crate is for `[dev-dependencies]` only. It uses nothing right of `events`, so that the unit tests of every other
//! crate can use it and meet one version of each type; tests of `sources` and `events` that use it lie in their `tests/`.

mod cases;
mod corpus;
mod events;
mod program;
pub mod scene;
mod suite;

pub use cases::{Block, Expected, blocks, files};
pub use corpus::corpus;
pub use events::{Event, Events};
pub use program::{Ran, crabwalk, crabwalk_reading, program};
pub use suite::{Differs, Suite};
