//! Logs by name, in lower case, and who writes them.

use crabwalk_vocabulary::Origin;

/// Windows: logons, processes, tickets, shares.
pub const SECURITY: &str = "security";
/// Windows: services, boots, Netlogon.
pub const SYSTEM: &str = "system";
/// Windows: SQL Server and other applications.
pub const APPLICATION: &str = "application";
/// Sysmon.
pub const SYSMON: &str = "microsoft-windows-sysmon/operational";
/// The task scheduler.
pub const TASKS: &str = "microsoft-windows-taskscheduler/operational";
/// Windows Management Instrumentation.
pub const WMI: &str = "microsoft-windows-wmi-activity/operational";
/// Windows Remote Management.
pub const WINRM: &str = "microsoft-windows-winrm/operational";
/// The print spooler: actions.
pub const PRINT_OPERATIONAL: &str = "microsoft-windows-printservice/operational";
/// The print spooler: failures.
pub const PRINT_ADMIN: &str = "microsoft-windows-printservice/admin";
/// PowerShell's engine.
pub const POWERSHELL_ENGINE: &str = "windows powershell";
/// PowerShell.
pub const POWERSHELL: &str = "microsoft-windows-powershell/operational";
/// Remote desktop: accepted connections.
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
/// File and printer sharing: clients that were refused.
pub const SMB_SERVER_SECURITY: &str = "microsoft-windows-smbserver/security";
/// File and printer sharing: servers that refused this client.
pub const SMB_CLIENT_SECURITY: &str = "microsoft-windows-smbclient/security";
/// OpenSSH for Windows.
pub const OPENSSH: &str = "openssh/operational";
/// Lines of OpenSSH's server in syslog or journald.
pub const SSHD: &str = "syslog:sshd";
/// Lines of sudo in syslog or journald.
pub const SUDO: &str = "syslog:sudo";

/// Lines of su in syslog or journald.
pub const SU: &str = "syslog:su";
/// Records of logins on Linux: `wtmp`, `btmp`.
pub const WTMP: &str = "linux:wtmp";
/// Linux's audit log.
pub const AUDIT: &str = "linux:audit";
/// What AnyDesk writes.
pub const ANYDESK: &str = "program:anydesk";
/// What TeamViewer writes.
pub const TEAMVIEWER: &str = "program:teamviewer";
/// Clients of the roles of a server: User Access Logging.
pub const UAL: &str = "program:ual";
/// Files of the task scheduler.
pub const TASK_FILES: &str = "program:task";

/// Whether the machine that writes this log runs what the log is about, and writes under its own name: a Windows
/// channel, or syslog. The logs of network sensors (`zeek:conn`) are about other machines.
pub fn is_of_a_host(channel: &str) -> bool {
    Origin::of(channel).is_of_host()
}

/// Whether a log comes from a machine without Windows: syslog, and what else Unix writes.
pub fn is_syslog(channel: &str) -> bool {
    Origin::of(channel) == Origin::Host
}
