//! Users: who may look at the pages, how people authenticate, and how guessing passwords is slowed down.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use crate::listed::{ListError, Listed};
use crate::secret::{self, NoRandom};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May look at what was found.
    Viewer,
    /// Search too.
    Analyst,
    /// Everything.
    Admin,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What is stored of the password: salt and Argon2id hash, in hexadecimal.
    password: (String, String),
}

/// Why a login or a new account is refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Wrong name or password; which of the two is not revealed.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many tries.
    #[error("too many failed tries; wait {0} seconds")]
    Wait(u64),
    /// The name is taken or invalid.
    #[error(
        "{0:?} is not a valid name: use 1 to 64 letters, digits, `-`, `_`, `.` and `@`, and a name that is not taken"
    )]
    Name(String),
    /// There is no such account.
    #[error("there is no account {0:?}")]
    Unknown(String),
    /// It is the only administrator.
    #[error("this is the only administrator; make another one first")]
    Last,
    /// The password is too short or too long.
    #[error("a password has 12 to 1024 characters")]
    Password,
    /// The link was used already, or is wrong.
    #[error("this link is no longer valid; restart the server for a new one")]
    Link,
    /// The file of accounts.
    #[error(transparent)]
    File(#[from] ListError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// A session ends after this long without use, and at this age.
const IDLE: Duration = Duration::from_secs(8 * 3600);
const OLDEST: Duration = Duration::from_secs(24 * 3600);
const MOST_SESSIONS: usize = 10_000;

struct Login {
    user: String,
    began: Instant,
    used: Instant,
}

#[derive(Default)]
struct Tries {
    failed: u32,
    last: Option<Instant>,
}

/// All people and their sessions.
pub struct Users {
    users: Listed<User>,
    sessions: Mutex<HashMap<String, Login>>,
    /// Failed attempts, by name and by address.
    tries: Mutex<HashMap<String, Tries>>,
    /// The secret of the one-time link, while there is no account.
    link: Mutex<Option<String>>,
    /// Hashing takes memory, so only one runs at a time.
    hashing: Mutex<()>,
}

/// RFC 9106 recommends more memory; OWASP's minimum is 19 MiB and two passes, which a small machine can afford.
fn hash(password: &str, salt: &[u8]) -> Option<String> {
    let params = Params::new(19 * 1024, 2, 1, None).ok()?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .ok()?;
    Some(secret::hex(&out))
}

/// Whether somebody can administer the server.
fn administered(all: &[User]) -> Result<(), AccountError> {
    match all.iter().any(|one| one.role == Role::Admin) {
        true => Ok(()),
        false => Err(AccountError::Last),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Users {
    /// The accounts in a data folder.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(data: &Path) -> Result<Self, ListError> {
        Ok(Self {
            users: Listed::open(&data.join("users.json"))?,
            sessions: Mutex::default(),
            tries: Mutex::default(),
            link: Mutex::default(),
            hashing: Mutex::default(),
        })
    }

    /// A secret for creating the first account, while there is none.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub fn first_link(&self) -> Result<Option<String>, NoRandom> {
        if !self.users.all().is_empty() {
            return Ok(None);
        }
        let word = secret::word()?;
        *lock(&self.link) = Some(secret::digest(&word));
        Ok(Some(word))
    }

    /// Whether the first account has yet to be created.
    pub fn is_new(&self) -> bool {
        self.users.all().is_empty()
    }

    /// Creates the first account, an administrator, with the secret of the one-time link.
    ///
    /// # Errors
    /// If the link is not valid, or name or password are not acceptable.
    pub fn first(&self, link: &str, name: &str, password: &str) -> Result<(), AccountError> {
        let mut known = lock(&self.link);
        let is_right = known
            .as_deref()
            .is_some_and(|digest| secret::same(&secret::digest(link), digest));
        if !is_right || !self.is_new() {
            return Err(AccountError::Link);
        }
        self.add(name, password, Role::Admin)?;
        *known = None;
        Ok(())
    }

    /// Makes an account.
    ///
    /// # Errors
    /// If name or password are not acceptable, or the file cannot be written.
    pub fn add(&self, name: &str, password: &str, role: Role) -> Result<(), AccountError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        let refused = || AccountError::Name(name.chars().take(64).collect());
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
            return Err(refused());
        }
        let password = self.kept(password)?;
        self.users.change(|all| {
            if all.iter().any(|one| one.name == name) {
                return Err(refused());
            }
            all.push(User {
                name: name.to_owned(),
                role,
                password,
            });
            Ok(())
        })
    }

    /// Everyone, by name.
    pub fn all(&self) -> Vec<(String, Role)> {
        let all = self.users.all();
        let mut all: Vec<_> = all.iter().map(|one| (one.name.clone(), one.role)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Whether there is an account of this name.
    pub fn has(&self, name: &str) -> bool {
        self.users.all().iter().any(|one| one.name == name)
    }

    /// Gives an account another role, another password, or both. Another password ends its sessions.
    ///
    /// # Errors
    /// If there is no such account, the password is not acceptable, nobody could administer the server any more, or the
    /// file cannot be written.
    pub fn change(
        &self,
        name: &str,
        role: Option<Role>,
        password: Option<&str>,
    ) -> Result<(), AccountError> {
        let password = password.map(|password| self.kept(password)).transpose()?;
        let is_new = password.is_some();
        self.users.change(|all| {
            let one = all.iter_mut().find(|one| one.name == name);
            let one = one.ok_or_else(|| AccountError::Unknown(name.chars().take(64).collect()))?;
            one.role = role.unwrap_or(one.role);
            if let Some(password) = password {
                one.password = password;
            }
            administered(all)
        })?;
        if is_new {
            self.end_all(name);
        }
        Ok(())
    }

    /// Removes an account, which ends its sessions.
    ///
    /// # Errors
    /// If there is no such account, nobody could administer the server without it, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), AccountError> {
        self.users.change(|all| {
            let before = all.len();
            all.retain(|one| one.name != name);
            if all.len() == before {
                return Err(AccountError::Unknown(name.chars().take(64).collect()));
            }
            administered(all)
        })?;
        // An account made later under this name is somebody else's.
        self.end_all(name);
        Ok(())
    }

    fn end_all(&self, name: &str) {
        lock(&self.sessions).retain(|_, one| one.user != name);
    }

    /// What is stored of a password.
    fn kept(&self, password: &str) -> Result<(String, String), AccountError> {
        if !(12..=1024).contains(&password.chars().count()) {
            return Err(AccountError::Password);
        }
        let salt = secret::random::<16>()?;
        let hash = self.hashed(password, &salt).ok_or(AccountError::Password)?;
        Ok((secret::hex(&salt), hash))
    }

    fn hashed(&self, password: &str, salt: &[u8]) -> Option<String> {
        let _alone = lock(&self.hashing);
        hash(password, salt)
    }

    /// Logs somebody in if the password is right. This takes a while, so do not call it on a thread that serves others.
    ///
    /// # Errors
    /// If the password is wrong, or there were too many attempts from this address or for this name.
    pub fn check(&self, name: &str, password: &str, peer: &str) -> Result<User, AccountError> {
        let name: String = name.chars().take(64).collect();
        let keys = [format!("name {name}"), format!("peer {peer}")];
        {
            let mut tries = lock(&self.tries);
            if tries.len() > 10_000 {
                tries.retain(|_, one| one.last.is_some_and(|last| last.elapsed() < IDLE));
            }
            for key in &keys {
                if let Some(wait) = tries.get(key).and_then(Tries::wait) {
                    return Err(AccountError::Wait(wait.as_secs() + 1));
                }
            }
        }
        let all = self.users.all();
        let user = all.iter().find(|one| one.name == name);
        // Do the same work for an unknown name, so that timing reveals nothing.
        let salt = user.map_or_else(|| secret::hex(&[7; 16]), |one| one.password.0.clone());
        let salt: Vec<u8> = (0..salt.len() / 2)
            .filter_map(|at| u8::from_str_radix(salt.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        let hash = self.hashed(password, &salt);
        let known = user.filter(|one| {
            hash.as_deref()
                .is_some_and(|hash| secret::same(hash, &one.password.1))
        });
        let mut tries = lock(&self.tries);
        match known {
            Some(user) => {
                for key in &keys {
                    tries.remove(key);
                }
                Ok(user.clone())
            }
            None => {
                for key in keys {
                    let one = tries.entry(key).or_default();
                    one.failed = one.failed.saturating_add(1);
                    one.last = Some(Instant::now());
                }
                Err(AccountError::Wrong)
            }
        }
    }

    /// Begins a session and returns its secret.
    ///
    /// # Errors
    /// If the system provides no random bytes.
    pub fn begin(&self, user: &User) -> Result<String, NoRandom> {
        let word = secret::word()?;
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, one| one.is_valid());
        if sessions.len() >= MOST_SESSIONS
            && let Some(oldest) = sessions
                .iter()
                .min_by_key(|(_, one)| one.used)
                .map(|(key, _)| key.clone())
        {
            sessions.remove(&oldest);
        }
        let now = Instant::now();
        sessions.insert(
            secret::digest(&word),
            Login {
                user: user.name.clone(),
                began: now,
                used: now,
            },
        );
        Ok(word)
    }

    /// The user of a session.
    pub fn of_session(&self, word: &str) -> Option<User> {
        let mut sessions = lock(&self.sessions);
        let session = sessions
            .get_mut(&secret::digest(word))
            .filter(|session| session.is_valid())?;
        session.used = Instant::now();
        let all = self.users.all();
        all.iter().find(|one| one.name == session.user).cloned()
    }

    /// Ends a session.
    pub fn end(&self, word: &str) {
        lock(&self.sessions).remove(&secret::digest(word));
    }
}

impl Login {
    fn is_valid(&self) -> bool {
        self.used.elapsed() < IDLE && self.began.elapsed() < OLDEST
    }
}

impl Tries {
    /// How long the next attempt must wait: not at all for five attempts, then one second, two, four, up to a quarter
    /// of an hour.
    fn wait(&self) -> Option<Duration> {
        let over = self.failed.checked_sub(5)?;
        let wait = Duration::from_secs(1 << over.min(10)).min(Duration::from_secs(900));
        wait.checked_sub(self.last?.elapsed())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    #[test]
    fn the_first_account_is_made_once_and_lets_in() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Users::open(folder.path()).unwrap();
        let link = accounts.first_link().unwrap().unwrap();
        let good = "correct horse battery";
        assert!(accounts.first("guess", "ida", good).is_err());
        assert!(accounts.first(&link, "ida", "short").is_err());
        accounts.first(&link, "ida", good).unwrap();
        assert!(matches!(
            accounts.first(&link, "eve", good),
            Err(AccountError::Link)
        ));
        assert_eq!(accounts.first_link().unwrap(), None);

        let user = accounts.check("ida", good, "192.0.2.1").unwrap();
        assert_eq!(user.role, Role::Admin);
        let session = accounts.begin(&user).unwrap();
        assert_eq!(accounts.of_session(&session).unwrap().name, "ida");
        assert!(accounts.of_session("guess").is_none());
        accounts.end(&session);
        assert!(accounts.of_session(&session).is_none());
        // The file contains nothing of the password or of sessions.
        let file = std::fs::read_to_string(folder.path().join("users.json")).unwrap();
        assert!(!file.contains(good) && !file.contains(&session));
    }

    #[test]
    fn sessions_end_with_their_account_and_with_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Users::open(folder.path()).unwrap();
        let (good, other) = ("correct horse battery", "staple horse battery");
        accounts.add("ida", good, Role::Admin).unwrap();
        accounts.add("ole", good, Role::Viewer).unwrap();
        let session = |name: &str, password: &str| {
            let user = accounts.check(name, password, "192.0.2.1").unwrap();
            accounts.begin(&user).unwrap()
        };
        let (first, own) = (session("ole", good), session("ida", good));
        accounts.change("ole", Some(Role::Analyst), None).unwrap();
        assert_eq!(accounts.of_session(&first).unwrap().role, Role::Analyst);
        accounts.change("ole", None, Some(other)).unwrap();
        assert!(accounts.of_session(&first).is_none());
        assert!(accounts.of_session(&own).is_some());
        assert!(accounts.check("ole", good, "192.0.2.1").is_err());
        let second = session("ole", other);
        accounts.remove("ole").unwrap();
        accounts.add("ole", good, Role::Admin).unwrap();
        assert!(accounts.of_session(&second).is_none());

        accounts.remove("ole").unwrap();
        for (role, password) in [(Some(Role::Viewer), None), (None, Some("short"))] {
            assert!(accounts.change("ida", role, password).is_err());
        }
        assert_eq!(accounts.of_session(&own).unwrap().role, Role::Admin);
        assert!(matches!(accounts.remove("ida"), Err(AccountError::Last)));
        assert!(accounts.of_session(&own).is_some());
    }

    #[test]
    fn guessing_is_slowed_down() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Users::open(folder.path()).unwrap();
        accounts
            .add("ida", "correct horse battery", Role::Viewer)
            .unwrap();
        for _ in 0..5 {
            let tried = accounts.check("ida", "wrong", "192.0.2.1");
            assert!(matches!(tried, Err(AccountError::Wrong)));
        }
        // Even with the right one, and for other names from the same address.
        for name in ["ida", "someone"] {
            let tried = accounts.check(name, "correct horse battery", "192.0.2.1");
            assert!(matches!(tried, Err(AccountError::Wait(_))), "{name}");
        }
    }
}
