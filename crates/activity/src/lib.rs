//! What happened on the machines according to their logs, before any question of movement: which host is which
//! ([`Hosts`]), which account ([`Accounts`]), which session ([`Session`]), which process ([`Process`]), which end of a
//! connection ([`Connection`]), and how far clocks are off ([`clocks`]).
//!
//! # One reading
//!
//! Hops and dossiers describe the same records. If each read them by its own rules, a case would contradict itself: a
//! host would be a witness in one place and without logs in another, and the two would swap the ends of a connection.
//! So there is one rule for each such question; it lives here, and gives its reason. What a rule cannot decide from
//! what the systems themselves wrote stays unknown ([`Place::Unknown`]); names sent by a client are claims.
//!
//! The ends of a connection are an example. Windows writes an accepted connection with either side first, depending on
//! the release, so the field names do not reveal the client; addresses and ports do:
//!
//! ```
//! use std::net::IpAddr;
//! use crabwalk_activity::source_serves;
//!
//! let own = IpAddr::from([10, 1, 0, 6]);
//! let client = (IpAddr::from([10, 1, 0, 5]), 50_419);
//! let server = (own, 445);
//! // Security 5156 of one connection, written by two releases of Windows.
//! assert!(source_serves(|ip| ip == own, server, client));
//! assert!(!source_serves(|ip| ip == own, client, server));
//! // Without a known address the port of a service decides.
//! assert!(!source_serves(|_| false, client, server));
//! ```
//!
//! # Declared where it is read
//!
//! Readers decode only columns that somebody asks for. A column that is asked for in one list and read by name somewhere
//! else is sooner or later in one of them alone. So a kind of record is a type ([`facts`]): it declares its columns, each
//! is a method of its rows, and [`demand`] is what all of them declare.

mod activity;
pub mod channel;
pub mod clocks;
mod connections;
mod declared;
pub mod facts;
mod grouped;
mod identity;
mod kerberos;
mod processes;
mod row;
mod sessions;
pub mod tasks;
mod text;

pub use activity::{Activity, Ends, Relations, Span};
pub use clocks::Skew;
pub use connections::{Connection, End, Reported, source_serves};
pub use declared::demand;
pub use identity::{
    Account, AccountId, AccountKind, Accounts, Host, HostId, Hosts, Place, address, kind_of, short,
};
pub use kerberos::{is_certificate, is_refused, ports_of_class, service_of};
pub use processes::{Process, ProcessKey};
pub use row::{Clocks, Log, Row, Tables, for_each};
pub use sessions::{OPEN, Package, Session, SessionKey, is_service_logon, logon_time};
pub use text::{SECOND, base_name, given, number, qualified};
