//! Use of directory rights.

use super::Approach;
use crate::evtx_writer::Value;
use crate::sim::{Channel, SECOND, Session, Sim, luid, s, sid};

impl Sim {
    /// The directory is asked for secrets the way one domain controller asks another.
    pub(crate) fn replicate(&mut self, approach: &Approach<'_>) {
        let (dst, time) = (approach.dst, approach.time);
        let lsass = self.hosts[dst].lsass.clone();
        let (first, second) = self.rpc(approach, &["LDAP"], &lsass, Self::rpc_port(dst, 0), true);
        let object = "%{5ee9c1c2-0c0a-4f4a-9d4b-7d3f6a1f9b21}";
        let all = [
            "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
            "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2",
            "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
        ];
        for (number, right) in all.iter().enumerate() {
            let at = time + 300_000 + i64::try_from(number).unwrap_or(0) * 20_000;
            self.directory_access(at, &second.session, object, right);
        }
        self.logoff(time + 20 * SECOND, &first.session);
        self.logoff(time + 30 * SECOND, &second.session);
    }

    /// Use of a right on a directory object: 4662.
    pub(crate) fn directory_access(
        &mut self,
        time: i64,
        session: &Session,
        object: &str,
        right: &str,
    ) {
        self.log(
            session.host,
            Channel::Security,
            time,
            (4662, 0, 14_080),
            vec![
                ("SubjectUserSid", sid(&session.sid)),
                ("SubjectUserName", s(session.name.clone())),
                ("SubjectDomainName", s(session.domain.clone())),
                ("SubjectLogonId", luid(session.luid)),
                ("ObjectServer", s("DS")),
                ("ObjectType", s("%{19195a5b-6da0-11d0-afd3-00c04fd930c9}")),
                ("ObjectName", s(object)),
                ("OperationType", s("Object Access")),
                ("HandleId", luid(0)),
                ("AccessList", s("%%7688\n\t\t\t\t")),
                ("AccessMask", Value::Hex32(0x100)),
                (
                    "Properties",
                    s(format!(
                        "%%7688\n\t\t{{{right}}}\n\t{{19195a5b-6da0-11d0-afd3-00c04fd930c9}}\n"
                    )),
                ),
                ("AdditionalInfo", s("-")),
                ("AdditionalInfo2", s("")),
            ],
        );
    }
}
