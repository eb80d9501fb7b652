//! State shared by all handlers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::account::Users;
use crate::alert::Alerts;
use crate::audit::Audit;
use crate::batch::Batch;
use crate::elastic::Ids;
use crate::environment::Environment;
use crate::hec::Acks;
use crate::intake::{Intake, Refused, Room, Taken};
use crate::jobs::Jobs;
use crate::keep::Kept;
use crate::limits::Limits;
use crate::saved::SavedSearches;
use crate::schedule::Schedules;
use crate::token::Tokens;
use crate::triage::Triage;
use crate::watch::Watch;

/// A running server, as handlers see it.
pub struct Server {
    /// The way in.
    pub intake: Arc<Intake>,
    /// Where events lie.
    pub kept: Arc<Kept>,
    /// Who may send.
    pub tokens: Tokens,
    /// Acknowledged requests.
    pub acks: Acks,
    /// Created documents.
    pub ids: Ids,
    /// A permanent name of this installation.
    pub instance: String,
    /// Number of syslog messages that could not be taken.
    pub lost: AtomicU64,
    /// People.
    pub accounts: Users,
    /// What people did.
    pub audit: Audit,
    /// The hunter, if there is one.
    pub watch: Option<Watch>,
    /// Detections that run by themselves, if they do.
    pub schedules: Option<Schedules>,
    /// Alerts for people who are not looking.
    pub alerts: Arc<Alerts>,
    /// What people decided about what was found.
    pub triage: Triage,
    /// When it started, in microseconds since 1970-01-01 UTC.
    pub started: i64,
    /// Searches.
    pub jobs: Arc<Jobs>,
    /// What people know about their environment.
    pub environment: Arc<Environment>,
    /// Searches that people saved.
    pub saved: Arc<SavedSearches>,
    /// Limits.
    pub limits: Arc<Limits>,
}

impl Server {
    /// Writes a batch. If this returns `Ok`, the batch is on disk.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn take(&self, batch: Batch, room: Room) -> Result<Taken, Refused> {
        self.intake.take(batch, room).await
    }
}
