//! Logs of Unix: syslog, the journal, `wtmp`, the audit log.

use super::facts;
use crate::channel::{AUDIT, SSHD, SU, SUDO, WTMP};

facts! {
    /// The SSH server accepted or refused somebody.
    SshLogon = [(SSHD, 0)] {
        action: text = "action",
        auth_method: text = "auth_method",
        user: text = "user",
        src_ip: text = "src_ip",
        src_port: port = "src_port",
        fingerprint: text = "fingerprint",
    }

    /// A user ran a command as another.
    SudoCommand = [(SUDO, 0)] {
        src_user: text = "src_user",
        user: text = "user",
        command: text = "command",
        action: text = "action",
    }

    /// A user became another, or was refused.
    UserSwitch = [(SU, 0)] {
        src_user: text = "src_user",
        user: text = "user",
        action: text = "action",
    }

    /// Somebody logged in, or was refused.
    Login = [(WTMP, 0)] {
        action: text = "action",
        user: text = "user",
        line: text = "line",
        src_ip: text = "src_ip",
        src_host: text = "src_host",
    }

    /// A record of the audit log about a login.
    AuditLogin = [(AUDIT, 0)] {
        kind: text = "type",
        exe: text = "exe",
        action: text = "action",
        user: text = "user",
        src_ip: text = "src_ip",
    }
}
