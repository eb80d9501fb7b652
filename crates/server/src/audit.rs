//! The audit log: what people did, one JSON object a line in `audit.jsonl`.
//!
//! An entry is written before the answer is sent. When the file reaches [`MOST_BYTES`] it becomes `audit.1.jsonl`,
//! replacing the one before, so the log takes at most twice that space.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Size in bytes at which a file is finished.
const MOST_BYTES: u64 = 16 << 20;
/// Maximum number of characters of what an act was about: searches may be long.
const MOST_ABOUT: usize = 4096;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Created the first account.
    SetUp,
    /// Logged in.
    Login,
    /// Tried to log in and was refused.
    Refused,
    /// Logged out.
    Logout,
    /// Ran a search.
    Search,
    /// Sent a test alert.
    TestAlert,
    /// Created an account.
    AddUser,
    /// Removed an account.
    RemoveUser,
    /// Changed an account.
    ChangeUser,
    /// Made a token.
    AddToken,
    /// Revoked a token.
    RemoveToken,
    /// Changed how a detection runs.
    ChangeContent,
    /// Ran a detection by hand.
    RunContent,
    /// Decided about something in the inbox.
    Decide,
    /// Changed the assets.
    ChangeAssets,
    /// Changed the identities.
    ChangeIdentities,
    /// Made an exception.
    AddException,
    /// Changed an exception.
    ChangeException,
    /// Removed an exception.
    RemoveException,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Login => "login",
            Self::Refused => "login-refused",
            Self::Logout => "logout",
            Self::Search => "search",
            Self::TestAlert => "test-alert",
            Self::AddUser => "add-user",
            Self::RemoveUser => "remove-user",
            Self::ChangeUser => "change-user",
            Self::AddToken => "add-token",
            Self::RemoveToken => "remove-token",
            Self::ChangeContent => "change-content",
            Self::RunContent => "run-content",
            Self::Decide => "decide",
            Self::ChangeAssets => "change-assets",
            Self::ChangeIdentities => "change-identities",
            Self::AddException => "add-exception",
            Self::ChangeException => "change-exception",
            Self::RemoveException => "remove-exception",
        }
    }
}

/// The audit log of a data folder.
pub struct Audit {
    path: PathBuf,
    file: Mutex<File>,
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

impl Audit {
    /// Opens the log, or creates it.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = data.join("audit.jsonl");
        let mut file = open(&path)?;
        // A line that a crash cut off must not take the next one with it.
        if file.metadata()?.len() > 0 {
            let (mut written, mut last) = (File::open(&path)?, [0]);
            written.seek(SeekFrom::End(-1))?;
            written.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        let file = Mutex::new(file);
        Ok(Self { path, file })
    }

    /// Notes an act of a user, or of whoever claims to be that user, from an address. Never pass a secret as `about`.
    pub fn note(&self, act: Act, user: &str, peer: &str, about: &str) {
        let short = |text: &str| text.chars().take(MOST_ABOUT).collect::<String>();
        let entry = json!({
            "time": jiff::Timestamp::now().to_string(),
            "act": act.name(),
            "user": short(user),
            "peer": peer,
            "about": short(about),
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut file, &entry) {
            tracing::error!(%error, %entry, "the audit log cannot be written");
        }
    }

    fn write(&self, file: &mut File, entry: &Value) -> io::Result<()> {
        if file.metadata()?.len() >= MOST_BYTES {
            fs::rename(&self.path, self.path.with_extension("1.jsonl"))?;
            *file = open(&self.path)?;
        }
        // One write, so that a crash leaves whole lines before this one.
        file.write_all(format!("{entry}\n").as_bytes())
    }

    /// The last entries, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn last(&self, most: usize) -> io::Result<Vec<Value>> {
        let bytes = fs::read(&self.path)?;
        let lines = bytes.rsplit(|byte| *byte == b'\n');
        // A line cut off by a crash is not an entry.
        let entries = lines.filter_map(|line| serde_json::from_slice(line).ok());
        Ok(entries.take(most).collect())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    #[test]
    fn entries_are_kept_in_order_and_a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        audit.note(Act::Login, "ida", "192.0.2.7", "");
        let path = folder.path().join("audit.jsonl");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        // Cut off within a character.
        file.write_all(b"{\"user\":\"\xc3").unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        let long = "x".repeat(2 * MOST_ABOUT);
        audit.note(Act::Search, "ida\n{\"act\":\"forged\"}", "192.0.2.7", &long);
        let acts: Vec<Value> = audit.last(10).unwrap();
        let acts: Vec<(&str, usize)> = acts
            .iter()
            .map(|one| {
                let about = one["about"].as_str().unwrap_or_default();
                (one["act"].as_str().unwrap_or_default(), about.len())
            })
            .collect();
        assert_eq!(acts, [("search", MOST_ABOUT), ("login", 0)]);
        assert_eq!(audit.last(1).unwrap().len(), 1);
    }

    #[test]
    fn a_full_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut old = File::create(&path).unwrap();
        old.set_len(MOST_BYTES - 1).unwrap();
        old.seek(SeekFrom::End(0)).unwrap();
        old.write_all(b"\n").unwrap();
        let audit = Audit::open(folder.path()).unwrap();
        audit.note(Act::Logout, "ida", "192.0.2.7", "");
        assert_eq!(audit.last(10).unwrap().len(), 1);
        let aside = fs::metadata(folder.path().join("audit.1.jsonl")).unwrap();
        assert_eq!(aside.len(), MOST_BYTES);
    }
}
