//! Narrowing a case to one host or account.

use crabwalk_vocabulary::account::plain;
use crabwalk_vocabulary::is_address;
use std::collections::BTreeSet;

use crate::document::Case;

impl Case {
    /// Keeps only the parts of a case that involve a host or an account. Both are compared case-insensitively, hosts
    /// also by all their names and addresses, accounts also without their domain.
    pub fn narrow(&mut self, host: Option<&str>, account: Option<&str>) {
        let same = |own: &str, wanted: &str| own.eq_ignore_ascii_case(wanted);
        let hosts: Option<BTreeSet<String>> = host.map(|wanted| {
            self.hosts
                .iter()
                .filter(|one| {
                    same(&one.id, wanted)
                        || one.ips.iter().any(|own| same(own, wanted))
                        || one.names.iter().any(|own| {
                            same(own, wanted)
                                || !is_address(own)
                                    && own.split('.').next().is_some_and(|own| same(own, wanted))
                        })
                })
                .map(|one| one.id.clone())
                .collect()
        });
        let accounts: Option<BTreeSet<String>> = account.map(|wanted| {
            self.accounts
                .iter()
                .filter(|one| {
                    same(&one.id, wanted)
                        || one.sid.as_deref().is_some_and(|own| same(own, wanted))
                        || one.names.iter().chain([&one.id]).any(|own| {
                            same(own, wanted)
                                || (!wanted.contains('\\')
                                    && plain(own).eq_ignore_ascii_case(plain(wanted)))
                        })
                })
                .map(|one| one.id.clone())
                .collect()
        });
        self.hops.retain(|hop| {
            hosts.as_ref().is_none_or(|hosts| {
                hosts.contains(&hop.dst) || hop.src.as_ref().is_some_and(|src| hosts.contains(src))
            }) && accounts.as_ref().is_none_or(|accounts| {
                [&hop.actor, &hop.used, &hop.effective]
                    .into_iter()
                    .flatten()
                    .any(|id| accounts.contains(id))
            })
        });
        let kept: BTreeSet<String> = self.hops.iter().map(|hop| hop.id.clone()).collect();
        for hop in &mut self.hops {
            hop.follows = hop.follows.take().filter(|id| kept.contains(id));
        }
        for path in &mut self.paths {
            path.hops.retain(|id| kept.contains(id));
            path.links
                .retain(|link| kept.contains(&link.from) && kept.contains(&link.to));
        }
        self.paths.retain(|path| !path.hops.is_empty());
        self.say_ways();
        let attached: BTreeSet<String> = self
            .hops
            .iter()
            .flat_map(|hop| hop.findings.clone())
            .collect();
        self.findings.retain(|finding| {
            let touches = hosts
                .as_ref()
                .is_none_or(|hosts| finding.hosts.iter().any(|id| hosts.contains(id)));
            let names = accounts.as_ref().is_none_or(|_| {
                account.is_some_and(|wanted| {
                    finding.risk_objects.iter().any(|object| {
                        same(&object.value, wanted)
                            || object
                                .value
                                .rsplit('\\')
                                .next()
                                .is_some_and(|own| same(own, wanted))
                    })
                })
            });
            attached.contains(&finding.id) || (touches && names)
        });
    }
}
