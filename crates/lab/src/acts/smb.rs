//! Sessions over SMB, and files copied in them.

use super::{Address, Approach, Entered, Entry};
use crate::sim::{FILE_GENERIC_READ, Share, Sim};

impl Sim {
    /// A session over SMB.
    pub(crate) fn smb(&mut self, approach: &Approach<'_>) -> Entered {
        let key = self.ticket_key(approach);
        self.announce(approach, ("", 4), &["cifs"], key);
        let src = approach.client.host;
        let system = self.hosts[src].system.clone();
        let server = self.hosts[approach.dst].system.clone();
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        self.enter(&Entry {
            time: approach.time,
            client: if approach.foreign {
                approach.client
            } else {
                &system
            },
            server: &server,
            dst: approach.dst,
            account: approach.account,
            port: 445,
            package: approach.package,
            ticket: key,
            address: Address::Full,
            workstation,
            guid,
        })
    }

    /// A file is written to the destination's system drive over SMB.
    pub(crate) fn copy_to(&mut self, approach: &Approach<'_>, path: &str, until: i64) -> Entered {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let entered = self.smb(approach);
        for (later, name, local, paths) in [
            (40_000, "IPC$", "", vec![("srvsvc", 0x12_019f)]),
            (
                90_000,
                "C$",
                "\\??\\C:\\",
                vec![(path, 0x12_0196), (path, FILE_GENERIC_READ)],
            ),
        ] {
            let share = Share {
                name,
                local,
                paths: &paths,
            };
            self.share(time + later, src, entered.port, &entered.session, share);
        }
        let system = self.hosts[dst].system.clone();
        self.file(time + 180_000, &system, &format!("C:\\{path}"));
        self.logoff(until, &entered.session);
        entered
    }
}
