//! Scheduled tasks registered over the network.

use super::{Approach, Program, Running};
use crate::evtx_writer::Value;
use crate::sim::{Channel, Process, SECOND, Session, Sim, guid_text, luid, s, sid};

impl Sim {
    /// A task is registered and started over the network.
    pub(crate) fn remote_task(
        &mut self,
        approach: &Approach<'_>,
        task: &str,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let schedule = self.hosts[dst].schedule.clone();
        let (first, second) =
            self.rpc(approach, &["host"], &schedule, Self::rpc_port(dst, 1), true);
        self.register_task(time + 300_000, &second.session, task, program.command);
        let at = time + 5 * SECOND;
        let process = self.run_task(at, dst, task, program, until);
        self.logoff(time + 20 * SECOND, &first.session);
        self.logoff(time + 25 * SECOND, &second.session);
        Running {
            process,
            session: self.system_session(dst),
        }
    }

    /// A task runs as the system until then: 129, 200 and 201, with its process.
    pub(crate) fn run_task(
        &mut self,
        time: i64,
        host: usize,
        task: &str,
        program: Program<'_>,
        until: i64,
    ) -> Process {
        let image = program.image;
        let schedule = self.hosts[host].schedule.clone();
        let system = self.system_session(host);
        let process = self.spawn(
            time,
            &schedule,
            &system,
            image,
            program.original,
            program.command,
        );
        let instance = self.random.guid();
        let pid = process.pid;
        let path = vec![
            ("TaskName", s(task)),
            ("Path", s(image)),
            ("ProcessID", Value::U32(pid)),
            ("Priority", Value::U32(16_384)),
        ];
        self.log(host, Channel::Tasks, time + 10_000, (129, 0, 129), path);
        let start = vec![
            ("TaskName", s(task)),
            ("ActionName", s(image)),
            ("TaskInstanceId", Value::Guid(instance)),
            ("EnginePID", Value::U32(schedule.pid)),
        ];
        self.log(host, Channel::Tasks, time + 12_000, (200, 1, 200), start);
        let end = vec![
            ("TaskName", s(task)),
            ("TaskInstanceId", Value::Guid(instance)),
            ("ActionName", s(image)),
            ("ResultCode", Value::U32(0)),
            ("EnginePID", Value::U32(schedule.pid)),
        ];
        self.log(host, Channel::Tasks, until, (201, 2, 201), end);
        self.exit(until - 20_000, &process, &system);
        process
    }

    /// A task is registered remotely: 4698 and TaskScheduler 106, the file and the registry value.
    pub(crate) fn register_task(
        &mut self,
        time: i64,
        session: &Session,
        task: &str,
        command: &str,
    ) {
        let host = session.host;
        let content = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n  <RegistrationInfo>\r\n    <Author>{}</Author>\r\n    <URI>{task}</URI>\r\n  </RegistrationInfo>\r\n  <Principals>\r\n    <Principal id=\"Author\">\r\n      <UserId>S-1-5-18</UserId>\r\n      <RunLevel>LeastPrivilege</RunLevel>\r\n    </Principal>\r\n  </Principals>\r\n  <Actions Context=\"Author\">\r\n    <Exec>\r\n      <Command>{command}</Command>\r\n    </Exec>\r\n  </Actions>\r\n</Task>",
            session.shown
        );
        self.log(
            host,
            Channel::Security,
            time,
            (4698, 1, 12_804),
            vec![
                ("SubjectUserSid", sid(&session.sid)),
                ("SubjectUserName", s(session.name.clone())),
                ("SubjectDomainName", s(session.domain.clone())),
                ("SubjectLogonId", luid(session.luid)),
                ("TaskName", s(task)),
                ("TaskContent", s(content)),
                ("ClientProcessStartKey", Value::U64(0)),
                ("ClientProcessId", Value::U32(0)),
                ("ParentProcessId", Value::U32(0)),
                ("RpcCallClientLocality", Value::U32(0)),
                ("FQDN", s(self.hosts[host].fqdn())),
            ],
        );
        let data = vec![
            ("TaskName", s(task)),
            ("UserContext", s(session.shown.clone())),
        ];
        self.log(host, Channel::Tasks, time + 4_000, (106, 0, 106), data);
        let schedule = self.hosts[host].schedule.clone();
        self.file(
            time + 2_000,
            &schedule,
            &format!("C:\\Windows\\System32\\Tasks{task}"),
        );
        let id = guid_text(&self.random.guid());
        let key = format!(
            "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree{task}\\Id"
        );
        self.registry(time + 3_000, &schedule, &key, &id);
    }
}
