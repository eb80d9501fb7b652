//! Shells over OpenSSH.

use super::{Approach, Part, Program, Running};
use crate::evtx_writer::Value;
use crate::sim::{Channel, Logon, SECOND, Sim, s};

impl Sim {
    /// A shell over OpenSSH with a password.
    pub(crate) fn ssh(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let server = self.part(dst, Part::Sshd);
        let port = self.new_port(src, time);
        self.connect(
            time,
            approach.client,
            &server,
            (port, 22),
            "ssh",
            until - time,
        );
        let how = Logon {
            kind: 8,
            process: "Advapi  ",
            package: "Negotiate",
            workstation: self.hosts[dst].name.clone(),
            ip: "-".into(),
            port: "-".into(),
            outbound: "-",
            subject: None,
        };
        let (session, index) = self.logon(time + 3 * SECOND, dst, approach.account, &how);
        self.amend(index, "ProcessId", Value::Hex64(u64::from(server.pid)));
        self.amend(index, "ProcessName", s(server.image.clone()));
        let user = format!(
            "{}\\\\{}",
            self.domain.netbios.to_lowercase(),
            approach.account.name
        );
        let ip = self.hosts[src].seen_ip(time);
        let line = format!("Accepted password for {user} from {ip} port {port} ssh2");
        let data = vec![("process", s("sshd")), ("payload", s(line))];
        self.log(
            dst,
            Channel::OpenSsh,
            time + 3 * SECOND + 90_000,
            (4, 0, 0),
            data,
        );
        let child = self.spawn_as(
            time + 3 * SECOND + 200_000,
            &server,
            &session,
            Program {
                image: "C:\\Windows\\System32\\OpenSSH\\sshd.exe",
                original: "-",
                command: "C:\\Windows\\System32\\OpenSSH\\sshd.exe -y",
            },
        );
        let process = self.spawn(
            time + 4 * SECOND,
            &child,
            &session,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until - SECOND, &process, &session);
        self.exit(until, &child, &session);
        self.logoff(until + SECOND, &session);
        Running { process, session }
    }
}
