//! WMI: processes created through it, and queries.

use super::{Address, Approach, Entry, Part, Program, Running};
use crate::sim::{Process, SECOND, Session, Sim};

impl Sim {
    /// A process is created through WMI: several logons with one ticket, and a child of the provider host in one of
    /// their sessions.
    pub(crate) fn wmi(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let server = self.part(dst, Part::Winmgmt);
        let port = Self::rpc_port(dst, 2);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &server, port, true);
        let host = self.provider_host(time + 200_000, dst);
        let process = self.spawn_as(time + 350_000, &host, &second.session, program);
        self.exit(until, &process, &second.session);
        self.logoff(time + 8 * SECOND, &first.session);
        self.logoff(until + SECOND, &second.session);
        self.exit_network_service(until + 90 * SECOND, &host);
        Running {
            process,
            session: second.session,
        }
    }

    /// A WMI query, as monitoring makes it: logons, but no process.
    pub(crate) fn wmi_query(&mut self, approach: &Approach<'_>) {
        let server = self.part(approach.dst, Part::Winmgmt);
        let port = Self::rpc_port(approach.dst, 2);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &server, port, true);
        self.logoff(approach.time + 3 * SECOND, &first.session);
        self.logoff(approach.time + 4 * SECOND, &second.session);
    }

    /// One query to a service that already listens on port 135, as monitoring makes every few minutes: one logon.
    pub(crate) fn probe(&mut self, approach: &Approach<'_>) {
        let key = self.ticket_key(approach);
        let server = self.part(approach.dst, Part::RpcSs);
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let entered = self.enter(&Entry {
            time: approach.time,
            client: approach.client,
            server: &server,
            dst: approach.dst,
            account: approach.account,
            port: 135,
            package: approach.package,
            ticket: key,
            address: Address::Full,
            workstation,
            guid,
        });
        self.logoff(approach.time + 2 * SECOND, &entered.session);
    }

    fn network_service(&self, host: usize) -> Session {
        Session {
            luid: 0x3e4,
            sid: "S-1-5-20".into(),
            shown: "NT AUTHORITY\\NETWORK SERVICE".into(),
            ..self.system_session(host)
        }
    }

    fn provider_host(&mut self, time: i64, host: usize) -> Process {
        let launcher = self.part(host, Part::DcomLaunch);
        let session = self.network_service(host);
        self.spawn_as(
            time,
            &launcher,
            &session,
            Program {
                image: "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe",
                original: "Wmiprvse.exe",
                command: "C:\\Windows\\system32\\wbem\\wmiprvse.exe -secured -Embedding",
            },
        )
    }

    fn exit_network_service(&mut self, time: i64, process: &Process) {
        let session = self.network_service(process.host);
        self.exit(time, process, &session);
    }
}
