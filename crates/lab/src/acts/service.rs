//! A service installed over the network.

use super::{Approach, Program, Running};
use crate::sim::{SECOND, Share, Sim};

/// A service to install.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) name: &'a str,
    /// As it is registered.
    pub(crate) path: &'a str,
    /// As it runs.
    pub(crate) program: Program<'a>,
    /// Copied to `ADMIN$` beforehand, under this name.
    pub(crate) file: Option<&'a str>,
    /// Stem of the pipes for its input and output.
    pub(crate) pipes: Option<&'a str>,
    /// Whether the service manager is contacted over TCP instead of the pipe.
    pub(crate) over_tcp: bool,
    /// The program it starts; without it, there is only the service.
    pub(crate) payload: Option<Program<'a>>,
}

impl Sim {
    /// A service is installed over the network, started, and stopped at `until`.
    pub(crate) fn remote_service(
        &mut self,
        approach: &Approach<'_>,
        service: &Service<'_>,
        until: i64,
    ) -> Running {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let entered = self.smb(approach);
        let (session, port) = (entered.session, entered.port);
        let dropper = self.hosts[dst].system.clone();
        if let Some(file) = service.file {
            let share = Share {
                name: "ADMIN$",
                local: "\\??\\C:\\Windows",
                paths: &[(file, 0x12_0196)],
            };
            self.share(time + 100_000, src, port, &session, share);
            self.file(time + 160_000, &dropper, &format!("C:\\Windows\\{file}"));
        }
        let manager = self.hosts[dst].services.clone();
        let mut caller = session.clone();
        if service.over_tcp {
            let (_, over) = self.rpc(
                &Approach {
                    time: time + 200_000,
                    ticket: false,
                    explicit: false,
                    ..*approach
                },
                &[],
                &manager,
                Self::rpc_port(dst, 4),
                true,
            );
            caller = over.session;
        } else {
            let share = Share {
                name: "IPC$",
                local: "",
                paths: &[("svcctl", 0x12_019f)],
            };
            self.share(time + 220_000, src, port, &session, share);
        }
        self.install_service(
            time + 400_000,
            &caller,
            service.name,
            service.path,
            "demand start",
        );
        let system = self.system_session(dst);
        let running = self.spawn(
            time + 500_000,
            &manager,
            &system,
            service.program.image,
            service.program.original,
            service.program.command,
        );
        self.service_state(time + 550_000, dst, service.name, "running");
        if let Some(stem) = service.pipes {
            let names: Vec<String> = ["stdin", "stdout", "stderr"]
                .iter()
                .map(|end| format!("{stem}-{end}"))
                .collect();
            for name in &names {
                self.pipe(time + 570_000, &running, &format!("\\{name}"), false);
                self.pipe(time + 590_000, &dropper, &format!("\\{name}"), true);
            }
            let paths: Vec<(&str, u32)> = names
                .iter()
                .map(|name| (name.as_str(), 0x12_019f))
                .collect();
            let share = Share {
                name: "IPC$",
                local: "",
                paths: &paths,
            };
            self.share(time + 600_000, src, port, &session, share);
        }
        let payload = service.payload.map(|program| {
            self.spawn(
                time + 800_000,
                &running,
                &system,
                program.image,
                program.original,
                program.command,
            )
        });
        if let Some(payload) = &payload {
            self.exit(until - SECOND, payload, &system);
        }
        self.exit(until, &running, &system);
        self.service_state(until + 100_000, dst, service.name, "stopped");
        self.logoff(until + 2 * SECOND, &session);
        if service.over_tcp {
            self.logoff(time + 15 * SECOND, &caller);
        }
        Running {
            process: payload.unwrap_or(running),
            session: system,
        }
    }
}
