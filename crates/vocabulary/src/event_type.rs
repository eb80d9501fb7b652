//! Event types, and who writes events.

use std::fmt;

/// A kind of event: the channel of a Windows log with the event id, or the kind of log from another source with id 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType {
    /// Channel as its events name it, or a kind of log such as `zeek:conn`.
    pub channel: String,
    /// Event id; 0 if the source has none, and for a few Windows events.
    pub event_id: u32,
}

impl EventType {
    /// Whether Windows wrote its events ([`is_windows`]).
    pub fn is_windows(&self) -> bool {
        is_windows(&self.channel, self.event_id)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.channel, self.event_id)
    }
}

/// Whether Windows writes events of this channel and id, so that they have an event id. It may be 0: services that log
/// with `ReportEvent` and their own text often write 0.
pub fn is_windows(channel: &str, event_id: u32) -> bool {
    event_id != 0 || Origin::of(channel) == Origin::Windows
}

/// The writer of a channel's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A Windows machine, about itself.
    Windows,
    /// A machine with another system, about itself: the content of syslog.
    Host,
    /// A sensor, about other machines' traffic.
    Network,
    /// Unknown: records that no reader recognises.
    Unknown,
}

impl Origin {
    /// The origin of a channel. Non-Windows logs are called `family:log`; no Windows channel has a colon in its name.
    pub fn of(channel: &str) -> Self {
        match channel.split_once(':') {
            Some((family, _)) if family.eq_ignore_ascii_case("syslog") => Self::Host,
            Some((family, _)) if family.eq_ignore_ascii_case("cim") => Self::Unknown,
            Some(_) => Self::Network,
            None if channel == "unknown" => Self::Unknown,
            None => Self::Windows,
        }
    }

    /// Whether the host named in such events wrote them itself.
    pub fn is_of_host(self) -> bool {
        matches!(self, Self::Windows | Self::Host | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (channel, origin, of_host) in [
            ("Security", Origin::Windows, true),
            (
                "Microsoft-Windows-Sysmon/Operational",
                Origin::Windows,
                true,
            ),
            ("syslog:sshd", Origin::Host, true),
            ("zeek:conn", Origin::Network, false),
            ("unknown", Origin::Unknown, true),
            ("cim:access_combined", Origin::Unknown, true),
        ] {
            assert_eq!(Origin::of(channel), origin, "{channel}");
            assert_eq!(origin.is_of_host(), of_host, "{channel}");
        }
    }

    #[test]
    fn the_id_0_is_an_id_too() {
        for (channel, event_id, windows) in [
            ("Application", 0, true),
            ("Security", 4624, true),
            ("unknown", 17, true),
            ("unknown", 0, false),
            ("zeek:conn", 0, false),
            ("syslog:sshd", 0, false),
            ("cim:access_combined", 0, false),
        ] {
            let event_type = EventType {
                channel: channel.to_owned(),
                event_id,
            };
            assert_eq!(event_type.is_windows(), windows, "{event_type}");
        }
    }
}
