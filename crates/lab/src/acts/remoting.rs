//! Shells over WS-Management.

use super::{Address, Approach, Entry, Part, Program, Running};
use crate::sim::{Channel, SECOND, Sim, s};

impl Sim {
    /// A shell over WS-Management: logons without an address, the shell's creation, its host process.
    pub(crate) fn remoting(
        &mut self,
        approach: &Approach<'_>,
        program: Option<Program<'_>>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let src = approach.client.host;
        let connection = format!("{}/wsman?PSVersion=5.1.17763.1", self.hosts[dst].name);
        let index = self.log(
            src,
            Channel::WinRm,
            time - 200_000,
            (6, 0, 3),
            vec![("connection", s(connection))],
        );
        self.pending[index].event.user_sid = Some(approach.actor.sid.clone());
        let key = self.ticket_key(approach);
        // Also with the session's own credentials.
        let given = Approach {
            explicit: true,
            ..*approach
        };
        let image = approach.client.image.clone();
        let pid = approach.client.pid;
        if approach.explicit {
            self.announce(&given, (&image, pid), &["HTTP", "HTTP"], key);
        } else {
            let server = self.hosts[dst].fqdn();
            for (number, ticket) in [key.unwrap_or_default(), [0; 16]].into_iter().enumerate() {
                let at = time - 15_000 + i64::try_from(number).unwrap_or(0) * 300_000;
                let info = format!("HTTP/{server}");
                self.explicit(
                    at,
                    approach.actor,
                    (&image, pid),
                    approach.account,
                    (&server, info),
                    ticket,
                );
            }
        }
        let server = self.hosts[dst].system.clone();
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let mut sessions = Vec::new();
        for number in 0..3 {
            let entered = self.enter(&Entry {
                time: time + number * 250_000,
                client: approach.client,
                server: &server,
                dst,
                account: approach.account,
                port: 5985,
                package: approach.package,
                ticket: if number == 0 { key } else { None },
                address: Address::Hidden,
                workstation: workstation.clone(),
                guid,
            });
            sessions.push(entered.session);
        }
        let session = sessions[0].clone();
        let data = vec![
            (
                "resourceUri",
                s("http://schemas.microsoft.com/powershell/Microsoft.PowerShell"),
            ),
            ("shellId", s(crate::sim::guid_text(&self.random.guid()))),
        ];
        let index = self.log(dst, Channel::WinRm, time + 350_000, (91, 0, 9), data);
        self.pending[index].event.user_sid = Some(session.sid.clone());
        let launcher = self.part(dst, Part::DcomLaunch);
        let host = self.spawn_as(
            time + 450_000,
            &launcher,
            &session,
            Program {
                image: "C:\\Windows\\System32\\wsmprovhost.exe",
                original: "wsmprovhost.exe",
                command: "C:\\Windows\\system32\\wsmprovhost.exe -Embedding",
            },
        );
        let process = program.map(|program| {
            self.spawn(
                time + 4 * SECOND,
                &host,
                &session,
                program.image,
                program.original,
                program.command,
            )
        });
        if let Some(process) = &process {
            self.exit(until - SECOND, process, &session);
        }
        self.exit(until, &host, &session);
        self.logoff(until + SECOND, &session);
        for one in &sessions[1..] {
            self.logoff(until + 2 * SECOND, one);
        }
        Running {
            process: process.unwrap_or(host),
            session,
        }
    }
}
