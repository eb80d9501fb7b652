//! `PsExec`: a service that provides a program's input and output over pipes.

use super::service::Service;
use super::{Approach, Program, Running};
use crate::sim::Sim;

impl Sim {
    /// PsExec's service, under any name, runs a program as the system until then. The tool itself is the approach's
    /// client, whatever its image is called.
    pub(crate) fn psexec(
        &mut self,
        approach: &Approach<'_>,
        name: &str,
        payload: Program<'_>,
        over_tcp: bool,
        until: i64,
    ) -> Running {
        let file = format!("{name}.exe");
        let path = format!("C:\\Windows\\{file}");
        let source = &self.hosts[approach.client.host].name;
        let pipes = format!("{name}-{source}-{}", approach.client.pid);
        let service = Service {
            name,
            path: &format!("%SystemRoot%\\{file}"),
            program: Program {
                image: &path,
                original: "psexesvc.exe",
                command: &path,
            },
            file: Some(&file),
            pipes: Some(&pipes),
            over_tcp,
            payload: Some(payload),
        };
        self.remote_service(approach, &service, until)
    }
}
