//! The list of the ways of moving.

/// Passes all ways to a macro: the families in the order in which simultaneous evidence is sorted, each with the type
/// that implements it, as `crate::techniques` names it. A new way is one line here.
macro_rules! every_way {
    ($then:ident) => {
        $then! {
            Service => service::Service,
            Task => task::Task,
            Wmi => wmi::Wmi,
            Dcom => dcom::Dcom,
            WinRm => winrm::WinRm,
            Rdp => rdp::Rdp,
            Ssh => ssh::Ssh,
            Vnc => vnc::Vnc,
            RemoteTool => remote_tool::RemoteTool,
            Registry => registry::Registry,
            Mssql => mssql::Mssql,
            Printer => printer::Printer,
            Guest => guest::Guest,
            Exploit => exploit::Exploit,
            DirectoryReplication => replication::Replication,
            Credential => forged::Forged,
            Pipe => smb::Pipes,
            Tunnel => relay::Relay,
            Smb => smb::Smb,
        }
    };
}
pub(crate) use every_way;

macro_rules! family {
    ($($family:ident => $technique:path,)*) => {
        /// The way of moving that an observation belongs to. Observations of one family, hosts, account and time are
        /// one hop.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Family {
            $($family,)*
            /// Does not reveal the way.
            Any,
        }
    };
}

every_way!(family);
