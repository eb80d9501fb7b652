//! Observations: single pieces of evidence for a movement.

pub(crate) use crate::family::Family;
use crate::words::Sentence;
use crate::world::World;
use crabwalk_activity::{AccountId, HostId, Place, ProcessKey, Session, SessionKey};
use serde::{Deserialize, Serialize};

/// Who witnessed a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Logs of the source host.
    Source,
    /// The logon on the destination.
    DestinationLogon,
    /// What ran or was written at the destination.
    DestinationExecution,
    /// A domain controller's tickets and validations.
    DomainController,
    /// A network sensor, or an end's log of the connection.
    Network,
}

impl Kind {
    /// In display order.
    pub const ALL: [Self; 5] = [
        Self::Source,
        Self::DestinationLogon,
        Self::DestinationExecution,
        Self::DomainController,
        Self::Network,
    ];

    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::DestinationLogon => "destination-logon",
            Self::DestinationExecution => "destination-execution",
            Self::DomainController => "domain-controller",
            Self::Network => "network",
        }
    }
}

/// The class of an observation. Observations of one class add to a hop's confidence once: ten records of one share
/// prove no more than one. The weight depends on the circumstances, and is set where the observation is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// Not set; adds nothing.
    None,
    /// A client program's command line, script or log names the destination.
    Client,
    /// The client's log names the account it uses to log on.
    ClientUser,
    /// An end logged the connection, or it matches by time.
    Connection,
    /// A program ran for the caller.
    Execution,
    /// The print spooler installed or loaded a driver.
    Driver,
    /// 4648 on the source.
    ExplicitCredentials,
    /// A file was written over a share.
    File,
    /// A remote desktop gateway forwarded the connection.
    Gateway,
    /// Evidence that ties an account to a forged or borrowed identity.
    Identity,
    /// The destination logged a logon, or an event that names the client.
    Logon,
    /// A controller's Netlogon error or password change.
    Netlogon,
    /// A sensor saw the remote procedure call.
    NetworkCall,
    /// A sensor saw only a connection.
    NetworkConnection,
    /// A sensor saw a file opened over a share.
    NetworkFile,
    /// A sensor saw who authenticated.
    NetworkLogon,
    /// A sensor saw the protocol's session.
    NetworkSession,
    /// A sensor saw a share mapped.
    NetworkShare,
    /// A connection of an object's server to its client.
    ObjectConnection,
    /// A setting that enables the way.
    Option,
    /// The source's session has another account's credentials.
    OtherCredentials,
    /// The program runs as an account that only the caller can have supplied.
    OwnAccount,
    /// The account's password was reset just before.
    PasswordReset,
    /// A named pipe of a service was opened.
    Pipe,
    /// A port proxy or relay on the way.
    Proxy,
    /// TerminalServices 1149 and similar events.
    RdpAuthentication,
    /// The client's own log of a remote desktop connection.
    RdpConnect,
    /// The session manager's record of the client's address.
    RdpSession,
    /// A refused logon or act.
    Refused,
    /// The registry was written from elsewhere.
    Registry,
    /// A host accepts a connection and makes another at the same time.
    Relay,
    /// What was requested by replication.
    Replicated,
    /// Something other than a controller requested directory replication.
    Replication,
    /// Tickets with weak encryption were requested.
    Roast,
    /// A role of the destination was used, on that day.
    Role,
    /// A program of the destination acted in the client's session.
    Served,
    /// A service was installed or changed.
    Service,
    /// A service's program was started.
    ServiceProcess,
    /// Settings of a remote desktop client.
    Settings,
    /// A session was watched.
    Shadow,
    /// A share was opened, but nothing written.
    Share,
    /// A remote shell was created.
    Shell,
    /// The only account seen at an end: it names who, but does not show a movement.
    Sighting,
    /// A session was taken over.
    Takeover,
    /// A task was registered or changed.
    Task,
    /// A domain controller issued a ticket for the destination.
    Ticket,
    /// A ticket was requested from the source's address.
    TicketClient,
    /// Where a used ticket was requested.
    TicketOrigin,
    /// Both ends logged the connection: addresses and ports match.
    Tuple,
    /// A file that arrived over a share was run or loaded.
    UsedFile,
    /// A domain controller, or the destination for its own accounts, validated a password hash.
    Validated,
    /// WinRM authenticated somebody.
    WinrmLogon,
    /// WMI logged a client's operation.
    WmiOperation,
    /// A permanent WMI subscription was made.
    WmiSubscription,
}

/// How strongly an observation by itself shows that somebody moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    /// It only supports other observations.
    None,
    /// It may be ordinary administration, or only an intention.
    Weak,
    /// It is a movement.
    Strong,
}

/// The statement of one record about a movement. It refers to sessions and processes by key, so that the evidence of a
/// day can be kept without the day.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub kind: Kind,
    pub family: Family,
    pub act: Act,
    /// Observations of one class add to the confidence once.
    pub class: Class,
    /// The class's contribution to the confidence.
    pub weight: f64,
    pub techniques: Vec<&'static str>,
    pub what: Sentence,
    pub time: i64,
    pub refs: Vec<u64>,
    pub dst: HostId,
    pub src: Place,
    pub actor: Option<AccountId>,
    pub used: Option<AccountId>,
    pub effective: Option<AccountId>,
    /// The session on the destination.
    pub session: Option<SessionKey>,
    /// LogonId of the session on the source that did it.
    pub source_logon: Option<u64>,
    /// The process on the source that did it.
    pub source_process: Option<ProcessKey>,
    /// The process on the destination that it started.
    pub process: Option<ProcessKey>,
    /// Path of the program that arrived at the destination ([`crate::programs::program`]).
    pub program: Option<String>,
    /// The same for the program that acted on the source.
    pub source_program: Option<String>,
    /// When the client must have connected, if this differs from the logged time.
    pub connected: Option<i64>,
    /// It was attempted and refused.
    pub attempt: bool,
    /// The address seen is the near end of a tunnel.
    pub tunnel: bool,
}

impl Evidence {
    pub fn new(
        kind: Kind,
        family: Family,
        act: Act,
        dst: HostId,
        time: i64,
        reference: u64,
        what: impl Into<Sentence>,
    ) -> Self {
        Self {
            kind,
            family,
            act,
            class: Class::None,
            weight: 0.0,
            techniques: Vec::new(),
            what: what.into(),
            time,
            refs: vec![reference],
            dst,
            src: Place::Unknown,
            actor: None,
            used: None,
            effective: None,
            session: None,
            source_logon: None,
            source_process: None,
            process: None,
            program: None,
            source_program: None,
            connected: None,
            attempt: false,
            tunnel: false,
        }
    }

    pub fn weighs(mut self, class: Class, weight: f64) -> Self {
        self.class = class;
        self.weight = weight;
        self
    }

    pub fn technique(mut self, ids: &[&'static str]) -> Self {
        self.techniques.extend_from_slice(ids);
        self
    }

    pub fn from(mut self, src: Place) -> Self {
        self.src = src;
        self
    }

    pub fn used(mut self, account: Option<AccountId>) -> Self {
        self.used = account;
        self
    }

    pub fn actor(mut self, account: Option<AccountId>) -> Self {
        self.actor = account;
        self
    }

    pub fn effective(mut self, account: Option<AccountId>) -> Self {
        self.effective = account;
        self
    }

    /// Joins the session of a LogonId.
    pub fn in_session(mut self, world: &World<'_>, logon_id: u64) -> Self {
        let session = world.session(self.dst, logon_id, self.time);
        if let Some(session) = session.and_then(|at| world.sessions.get(at)) {
            self.session = Some(session.key());
            self.take_session(session);
        }
        self
    }

    pub fn take_session(&mut self, session: &Session) {
        match (self.src, session.source) {
            (Place::Unknown, source) if source != Place::Unknown => self.src = source,
            // Nobody came from elsewhere into a session that was opened here.
            (Place::Unknown, Place::Unknown) if !session.is_remote() && session.logon_type != 0 => {
                self.src = Place::Local;
            }
            _ => {}
        }
        if self.used.is_none() {
            self.used = session.account;
        }
    }
}

/// Collects the techniques' observations.
pub(crate) type Sink = Vec<Evidence>;
