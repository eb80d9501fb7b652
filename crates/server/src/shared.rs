//! What those who answer share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

use crate::account::Accounts;
use crate::alert::Alerts;
use crate::batch::Batch;
use crate::elastic::Ids;
use crate::hec::Acks;
use crate::intake::{Intake, Refused, Room, Taken};
use crate::keep::Kept;
use crate::limits::Limits;
use crate::token::Tokens;
use crate::watch::Watch;

/// A running server, as those who answer see it.
pub struct Server {
    /// The way in.
    pub intake: Arc<Intake>,
    /// Where events lie.
    pub kept: Arc<Kept>,
    /// Who may send.
    pub tokens: Tokens,
    /// What was acknowledged.
    pub acks: Acks,
    /// Documents that were created.
    pub ids: Ids,
    /// A name of this installation that never changes.
    pub instance: String,
    /// Messages of syslog that could not be taken.
    pub lost: AtomicU64,
    /// People.
    pub accounts: Accounts,
    /// What hunts, if something does.
    pub watch: Option<Watch>,
    /// What is told to those who do not look.
    pub alerts: Arc<Alerts>,
    /// Searches that may run at the same time.
    pub searches: Arc<Semaphore>,
    /// Limits.
    pub limits: Arc<Limits>,
}

impl Server {
    /// Writes a batch. When this answers with `Ok`, it is on the disk.
    ///
    /// # Errors
    /// If it was not taken.
    pub async fn take(&self, batch: Batch, room: Room) -> Result<Taken, Refused> {
        self.intake.take(batch, room).await
    }
}
