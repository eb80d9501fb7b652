//! Logs by name, lower case, and whose they are.

use crabwalk_vocabulary::Origin;

/// Windows: logons, processes, tickets, shares.
pub const SECURITY: &str = "security";
/// Windows: services, boots, Netlogon.
pub const SYSTEM: &str = "system";
/// Windows: SQL Server and other programs.
pub const APPLICATION: &str = "application";
/// Sysmon.
pub const SYSMON: &str = "microsoft-windows-sysmon/operational";
/// The task scheduler.
pub const TASKS: &str = "microsoft-windows-taskscheduler/operational";
/// Windows Management Instrumentation.
pub const WMI: &str = "microsoft-windows-wmi-activity/operational";
/// Windows Remote Management.
pub const WINRM: &str = "microsoft-windows-winrm/operational";
/// The print spooler: what it did.
pub const PRINT_OPERATIONAL: &str = "microsoft-windows-printservice/operational";
/// The print spooler: what failed.
pub const PRINT_ADMIN: &str = "microsoft-windows-printservice/admin";
/// PowerShell's engine.
pub const POWERSHELL_ENGINE: &str = "windows powershell";
/// PowerShell.
pub const POWERSHELL: &str = "microsoft-windows-powershell/operational";
/// Remote desktop: connections that were accepted.
pub const RCM: &str = "microsoft-windows-terminalservices-remoteconnectionmanager/operational";
/// Remote desktop: sessions.
pub const LSM: &str = "microsoft-windows-terminalservices-localsessionmanager/operational";
/// Remote desktop: the protocol.
pub const RDP_CORE: &str = "microsoft-windows-remotedesktopservices-rdpcorets/operational";
/// Remote desktop: the client.
pub const RDP_CLIENT: &str = "microsoft-windows-terminalservices-rdpclient/operational";
/// Remote desktop: the gateway.
pub const RDP_GATEWAY: &str = "microsoft-windows-terminalservices-gateway/operational";
/// NTLM: what controllers validate for servers.
pub const NTLM: &str = "microsoft-windows-ntlm/operational";
/// OpenSSH for Windows.
pub const OPENSSH: &str = "openssh/operational";
/// Lines of OpenSSH's server in syslog or journald.
pub const SSHD: &str = "syslog:sshd";

/// Lines of sudo in syslog or journald.
pub const SUDO: &str = "syslog:sudo";

/// Whether a machine that runs what it logs writes this log under its own name: a channel of Windows, or syslog. What
/// network sensors write (`zeek:conn`) is about others.
pub fn is_of_a_host(channel: &str) -> bool {
    Origin::of(channel).is_of_host()
}

/// Whether a log is of a machine that runs no Windows: syslog.
pub fn is_syslog(channel: &str) -> bool {
    Origin::of(channel) == Origin::Host
}
