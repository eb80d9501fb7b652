//! The vocabulary shared by all crates: what an event type, a host, an account or an address is called, and when two
//! names mean the same.
//!
//! Two crates that implement such a rule differently disagree about the same record, and nobody notices until a report
//! names one host twice. So each rule is written once, here. The crate reads nothing, writes nothing and does not use
//! Arrow: every crate may depend on it, and it depends on none.
//!
//! ```
//! use crabwalk_vocabulary::{Origin, host_key, wildcard};
//!
//! assert_eq!(host_key("WS1.corp.example."), host_key("ws1"));
//! assert_eq!(Origin::of("syslog:sshd"), Origin::Host);
//! assert!(wildcard::matches("*pass the*", "Detect Pass the Hash"));
//! ```

pub mod account;
pub mod address;
pub mod event_type;
pub mod host;
pub mod number;
pub mod severity;
pub mod standing;
pub mod suggest;
pub mod text;
pub mod time;
pub mod wildcard;

pub use account::{AccountKind, AccountRole};
pub use address::{address, is_address};
pub use event_type::{EventType, Family, Origin, is_windows};
pub use host::host_key;
pub use severity::Severity;
pub use standing::{Standing, is_asserted};
