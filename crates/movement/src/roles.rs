//! Which account used which roles of a server from where, on which days (User Access Logging). The record reaches back
//! for years and has
//! a time of day only for the first and the last use.

use crabwalk_activity::{AccountId, AccountKind, Activity, HostId, Place, SECOND, facts, for_each};
use hashbrown::{HashMap, HashSet};

use crate::family::Family;
use crate::history::{Days, HABIT, day};

/// Roles by GUID, with the way of moving whose server they are: shares and whatever is done over SMB, printers,
/// databases.
const SERVERS: [(&str, Family); 3] = [
    ("10a9226f-50ee-49d8-a393-9a501d47ce04", Family::Smb),
    ("7fb09bd3-7fe6-435e-8348-7d8aefb6cea3", Family::Printer),
    ("bd7f7c0d-7c36-4721-afa8-0ba700e26d9e", Family::Mssql),
];
/// Microseconds of half a day.
const HALF_A_DAY: i64 = 12 * 3600 * SECOND;

/// A use of a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoleUse<'a> {
    pub used: AccountId,
    /// Microseconds since 1970-01-01 UTC; of a day its beginning.
    pub time: i64,
    /// Whether the time is that of a use, and not only its day.
    pub exact: bool,
    /// Whether it is the first of this account from this address.
    pub first: bool,
    role: &'a str,
    /// The way of moving that it serves.
    pub family: Family,
    pub reference: u64,
}

impl<'a> RoleUse<'a> {
    /// The role's name, for people.
    pub fn role(&self) -> &'a str {
        if self.role.is_empty() {
            "without a name"
        } else {
            self.role
        }
    }
}

/// Uses of roles by people from other hosts.
#[derive(Debug, Default)]
pub(crate) struct Roles<'a> {
    /// Of roles that serve a way of moving, by server and client, in order of time.
    uses: HashMap<(HostId, HostId), Vec<RoleUse<'a>>>,
    /// The days on which anybody used a role of a server.
    days: HashMap<HostId, Days>,
    /// Where accounts came from, on which days, whatever the role.
    pub came: Vec<(HostId, AccountId, i64)>,
}

impl<'a> Roles<'a> {
    pub fn read(activity: &mut Activity<'a>) -> Self {
        let mut all = Self::default();
        let mut came: HashSet<(HostId, AccountId, i64)> = HashSet::new();
        let catalog = activity.catalog;
        for_each(catalog, facts::RoleUse, |row| {
            if row.host.is_empty() {
                return;
            }
            let server = activity.hosts.writer(row.host);
            let exact = row.dated_by() != "day";
            // A day is over at whatever hour; who had the address at noon is likeliest to have had it then.
            let noon = if exact {
                row.time
            } else {
                row.time + HALF_A_DAY
            };
            let today = day(noon);
            all.days.entry(server).or_default().add(today);
            let Place::Host(client) = activity.hosts.place(row.address(), server, noon) else {
                return;
            };
            let used = activity.accounts.of_text(row.user());
            let Some(used) = used.filter(|id| activity.accounts.kind(*id) == AccountKind::User)
            else {
                return;
            };
            came.insert((client, used, today));
            let role = row.role_guid();
            let served = SERVERS
                .iter()
                .find(|(guid, _)| role.eq_ignore_ascii_case(guid));
            let Some((_, family)) = served else { return };
            let own = all.uses.entry((server, client)).or_default();
            own.push(RoleUse {
                used,
                time: row.time,
                exact,
                first: row.dated_by() == "InsertDate",
                role: row.role_name(),
                family: *family,
                reference: row.reference,
            });
        });
        for own in all.uses.values_mut() {
            own.sort_unstable_by_key(|one| (one.time, one.exact, one.reference));
        }
        all.came = came.into_iter().collect();
        all.came.sort_unstable();
        all
    }

    /// Servers and clients with the uses of each, in order.
    pub fn all(&self) -> Vec<(HostId, HostId, &[RoleUse<'a>])> {
        let mut all: Vec<_> = self
            .uses
            .iter()
            .map(|((server, client), uses)| (*server, *client, uses.as_slice()))
            .collect();
        all.sort_unstable_by_key(|(server, client, _)| (*server, *client));
        all
    }

    /// What one host used of another, in order of time.
    pub fn between(&self, client: HostId, server: HostId) -> &[RoleUse<'a>] {
        self.uses.get(&(server, client)).map_or(&[], Vec::as_slice)
    }

    /// Whether a server's record has enough days to show what is new there.
    pub fn is_long_at(&self, server: HostId) -> bool {
        /// A week and a day: every weekday has come round.
        const LEAST: usize = 8;
        self.days
            .get(&server)
            .is_some_and(|days| days.all().count() >= LEAST)
    }
}

/// The days of some uses.
pub(crate) fn days<'u>(uses: impl Iterator<Item = &'u RoleUse<'u>>) -> Days {
    let mut days = Days::default();
    for one in uses {
        days.add(day(one.time));
    }
    days
}

/// Whether days include so many others that this one is like them.
pub(crate) fn is_often(days: &Days, time: i64) -> bool {
    days.others(day(time)) >= HABIT
}
