//! Lines of syslog and the journal.

use super::facts;
use crate::channel::{SSHD, SUDO};

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
    }
}
