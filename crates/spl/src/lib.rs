//! The Splunk Processing Language: syntax, and planning onto DataFusion.

pub mod syntax;
