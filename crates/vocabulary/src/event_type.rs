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
    /// The family of its log.
    pub fn family(&self) -> Family<'_> {
        Family::of(&self.channel)
    }

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

/// The family that a log belongs to, with its name there. Logs that are not of Windows are called `family:log`; no Windows
/// channel has a colon in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family<'c> {
    /// A channel of Windows.
    Windows,
    /// A log of Zeek: `conn`.
    Zeek(&'c str),
    /// Lines of syslog, by the program that wrote them: `sshd`.
    Syslog(&'c str),
    /// Another log of a Unix machine about itself: `wtmp`, `audit`.
    Linux(&'c str),
    /// A file that a program or service keeps on a machine about what happened there: `anydesk`.
    Program(&'c str),
    /// Events that came with the CIM's names, by a source type without a colon: `access_combined`.
    Cim(&'c str),
    /// Events that are made from findings, by Splunk's index for them: `risk`, `notable`.
    Stash(&'c str),
    /// Another log, of a sensor.
    Other(&'c str),
    /// Records that no reader recognises.
    Unknown,
}

impl<'c> Family<'c> {
    /// The family of a channel.
    pub fn of(channel: &'c str) -> Self {
        let Some((family, log)) = channel.split_once(':') else {
            return if channel == "unknown" {
                Self::Unknown
            } else {
                Self::Windows
            };
        };
        let is = |name: &str| family.eq_ignore_ascii_case(name);
        if is("zeek") {
            Self::Zeek(log)
        } else if is("syslog") {
            Self::Syslog(log)
        } else if is("linux") {
            Self::Linux(log)
        } else if is("program") {
            Self::Program(log)
        } else if is("cim") {
            Self::Cim(log)
        } else if is("stash") {
            Self::Stash(log)
        } else {
            Self::Other(log)
        }
    }
}

/// The writer of a channel's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A Windows machine, about itself.
    Windows,
    /// A machine with another system, about itself: the content of syslog.
    Host,
    /// A program on a machine with whatever system, about that machine.
    Program,
    /// A sensor, about other machines' traffic.
    Network,
    /// Unknown: records that no reader recognises.
    Unknown,
}

impl Origin {
    /// The origin of a channel.
    pub fn of(channel: &str) -> Self {
        match Family::of(channel) {
            Family::Windows => Self::Windows,
            Family::Syslog(_) | Family::Linux(_) => Self::Host,
            Family::Program(_) => Self::Program,
            Family::Cim(_) | Family::Unknown => Self::Unknown,
            Family::Zeek(_) | Family::Stash(_) | Family::Other(_) => Self::Network,
        }
    }

    /// Whether the host named in such events wrote them itself.
    pub fn is_of_host(self) -> bool {
        !matches!(self, Self::Network)
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
            ("linux:wtmp", Origin::Host, true),
            ("program:anydesk", Origin::Program, true),
            ("zeek:conn", Origin::Network, false),
            ("unknown", Origin::Unknown, true),
            ("cim:access_combined", Origin::Unknown, true),
        ] {
            assert_eq!(Origin::of(channel), origin, "{channel}");
            assert_eq!(origin.is_of_host(), of_host, "{channel}");
        }
    }

    #[test]
    fn families() {
        for (channel, family) in [
            ("Security", Family::Windows),
            ("zeek:conn", Family::Zeek("conn")),
            ("syslog:sshd", Family::Syslog("sshd")),
            ("linux:wtmp", Family::Linux("wtmp")),
            ("program:anydesk", Family::Program("anydesk")),
            ("cim:access_combined", Family::Cim("access_combined")),
            ("stash:risk", Family::Stash("risk")),
            ("pan:traffic", Family::Other("traffic")),
            ("unknown", Family::Unknown),
        ] {
            assert_eq!(Family::of(channel), family, "{channel}");
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
