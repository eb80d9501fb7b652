//! The list of the ways of moving.

/// Hands all ways to a macro: the families in the order in which evidence of one time is sorted, and of each the type that
/// knows it, as `crate::techniques` names it. A new way is a line here.
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
        /// Which way of moving an observation belongs to. Observations of one family, hosts, account and time are one hop.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Family {
            $($family,)*
            /// Says nothing of the way.
            Any,
        }
    };
}

every_way!(family);
