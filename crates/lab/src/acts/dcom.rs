//! Objects of other programs, used to start a program.

use super::{Approach, Part, Program, Running};
use crate::evtx_writer::{Body, Value};
use crate::sim::{Process, SECOND, Session, Sim};

impl Sim {
    /// An MMC object is created on the destination and told to start a program.
    pub(crate) fn dcom_console(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let launcher = self.part(dst, Part::DcomLaunch);
        // The server's process exists before the client contacts it; its session is the activation's.
        let image = "C:\\Windows\\System32\\mmc.exe";
        let pid_of = Process {
            host: dst,
            image: image.into(),
            command: "C:\\Windows\\system32\\mmc.exe -Embedding".into(),
            user: format!("{}\\{}", self.domain.netbios, approach.account.name),
            pid: self.new_pid(dst),
            guid: self.random.guid(),
        };
        let port = 50_000 + u16::try_from(self.random.below(9_000)).unwrap_or(0);
        let from = self.pending.len();
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &pid_of, port, false);
        let to = self.pending.len();
        let console = self.spawn_as(
            time + 60_000,
            &launcher,
            &first.session,
            Program {
                image,
                original: "mmc.exe",
                command: "C:\\Windows\\system32\\mmc.exe -Embedding",
            },
        );
        // The connection's event names the process that was started.
        for index in from..to {
            let event = &self.pending[index].event;
            let own = event.event_id == 3
                && matches!(&event.body, Body::EventData(fields)
                    if fields.contains(&("ProcessGuid".to_owned(), Value::Guid(pid_of.guid))));
            if own {
                self.amend(index, "ProcessGuid", Value::Guid(console.guid));
                self.amend(index, "ProcessId", Value::U32(console.pid));
            }
        }
        let process = self.spawn(
            time + 600_000,
            &console,
            &first.session,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until, &process, &first.session);
        self.exit(until + SECOND, &console, &first.session);
        self.logoff(time + 20 * SECOND, &second.session);
        self.logoff(until + 2 * SECOND, &first.session);
        Running {
            process,
            session: first.session,
        }
    }

    /// The shell of a user logged on to the destination is told to start a program, which runs as that user.
    pub(crate) fn dcom_shell(
        &mut self,
        approach: &Approach<'_>,
        seat: (&Process, &Session),
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let time = approach.time;
        let port = 50_000 + u16::try_from(self.random.below(9_000)).unwrap_or(0);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], seat.0, port, false);
        let process = self.spawn(
            time + 500_000,
            seat.0,
            seat.1,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until, &process, seat.1);
        self.logoff(time + 10 * SECOND, &first.session);
        self.logoff(time + 12 * SECOND, &second.session);
        Running {
            process,
            session: seat.1.clone(),
        }
    }
}
