//! Syslog over UDP, TCP and TLS, and JSON lines on the same ports.
//!
//! These protocols acknowledge nothing. Over TCP and TLS a sender is slowed down while the log is busy, because nothing
//! is read; over UDP messages are then lost, and counted. The contents of the sender's or the kernel's buffers are lost
//! when a machine stops: HTTP is the transport that loses nothing.

mod framing;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::batch::{Batch, Event, Sender};
use crate::http::stopping;
use crate::intake::Refused;
use crate::shared::Server;
use framing::Framer;

/// Maximum number of messages and bytes per write to the log, and how long the first of them waits for others.
const TOGETHER: usize = 2_000;
const BYTES: usize = 4 << 20;
const WAIT: Duration = Duration::from_millis(50);
/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(3600);
/// The first byte of a zlib stream: rsyslog can be configured to compress whole connections.
const ZLIB: u8 = 0x78;

fn event(message: &[u8], peer: &str) -> Event {
    Event {
        host: peer.to_owned(),
        text: String::from_utf8_lossy(message).into_owned(),
        ..Event::default()
    }
}

/// What happens to messages while the log is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    /// They wait, and so does their sender. When the server stops they are still taken.
    Wait,
    /// They are lost: nobody can be told to wait.
    Lose,
    /// They are taken anyway: they are the last of a connection.
    Take,
}

/// Number of peers that datagrams are told apart by. The store keeps every sender, and anyone can forge addresses.
const MOST_PEERS: usize = 4096;
/// The sender of datagrams from further peers.
const OTHERS: &str = "others";

/// Messages of one peer on their way into the log.
struct Gathered {
    /// The address, which labels events that name no host.
    peer: String,
    /// The name of the sender in the store.
    sender: String,
    events: Vec<Event>,
    bytes: usize,
}

impl Gathered {
    fn new(peer: SocketAddr) -> Self {
        let peer = peer.ip().to_canonical().to_string();
        Self {
            sender: peer.clone(),
            peer,
            events: Vec::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, message: &[u8]) {
        self.bytes += message.len();
        self.events.push(event(message, &self.peer));
    }

    fn is_full(&self) -> bool {
        self.events.len() >= TOGETHER || self.bytes >= BYTES
    }

    /// Writes the collected messages.
    async fn write(&mut self, server: &Server, mut busy: Busy) -> Result<(), Refused> {
        let bytes = std::mem::take(&mut self.bytes);
        let events = std::mem::take(&mut self.events);
        if events.is_empty() {
            return Ok(());
        }
        let batch = Batch {
            received: jiff::Timestamp::now().as_microsecond(),
            sender: Sender {
                way: "syslog".to_owned(),
                token: String::new(),
                peer: self.sender.clone(),
            },
            key: 0,
            events,
        };
        loop {
            let room = match busy {
                Busy::Take => Ok(server.intake.admit_last(bytes)),
                _ => server.intake.admit(bytes),
            };
            let written = match room {
                Ok(room) => server.take(batch.clone(), room).await.map(|_| ()),
                Err(why) => Err(why),
            };
            match written {
                Err(Refused::Busy | Refused::Disk(_)) if busy == Busy::Wait => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(Refused::Stopping) if busy == Busy::Wait => busy = Busy::Take,
                Err(why) => {
                    let count = batch.events.len() as u64;
                    server.lost.fetch_add(count, Ordering::Relaxed);
                    return Err(why);
                }
                Ok(()) => return Ok(()),
            }
        }
    }
}

/// Receives datagrams until the server stops.
pub async fn datagrams(socket: UdpSocket, server: Arc<Server>, mut stop: watch::Receiver<bool>) {
    let mut buffer = vec![0; 65_536];
    let mut peers: HashMap<SocketAddr, Gathered> = HashMap::new();
    let mut known: HashSet<IpAddr> = HashSet::new();
    loop {
        let first = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stopping(&mut stop) => return,
        };
        let until = Instant::now() + WAIT;
        let mut next = first;
        let mut count = 0;
        loop {
            match next {
                Ok((length, peer)) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    let message = message.trim_ascii_end();
                    if !message.is_empty() {
                        let gathered = peers.entry(peer).or_insert_with(|| {
                            let mut gathered = Gathered::new(peer);
                            if known.len() < MOST_PEERS {
                                known.insert(peer.ip());
                            } else if !known.contains(&peer.ip()) {
                                OTHERS.clone_into(&mut gathered.sender);
                            }
                            gathered
                        });
                        gathered.add(message);
                        count += 1;
                    }
                }
                // For instance because a peer's port is closed.
                Err(error) => tracing::debug!(%error, "a datagram could not be received"),
            }
            if count >= TOGETHER {
                break;
            }
            match timeout_at(until, socket.recv_from(&mut buffer)).await {
                Ok(received) => next = received,
                Err(_) => break,
            }
        }
        for (_, mut gathered) in peers.drain() {
            if let Err(error) = gathered.write(&server, Busy::Lose).await {
                tracing::warn!(%error, "datagrams are lost");
            }
        }
    }
}

/// Accepts connections until the server stops.
pub async fn streams(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    server: Arc<Server>,
    mut stop: watch::Receiver<bool>,
    connections: Arc<Semaphore>,
) {
    let mut running = tokio::task::JoinSet::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            () = stopping(&mut stop) => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while running.try_join_next().is_some() {}
        let (server, stop, tls) = (Arc::clone(&server), stop.clone(), tls.clone());
        running.spawn(async move {
            let _permit = permit;
            let Some(config) = tls else {
                return messages(stream, peer, &server, stop).await;
            };
            let accepting = TlsAcceptor::from(config).accept(stream);
            match timeout(server.limits.patience, accepting).await {
                Ok(Ok(stream)) => messages(stream, peer, &server, stop).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    // Each has seen the stop, and writes what it has.
    let ended = async { while running.join_next().await.is_some() {} };
    let _ = timeout(server.limits.drain, ended).await;
}

/// Reads the messages of one connection.
async fn messages(
    mut stream: impl AsyncRead + Unpin,
    peer: SocketAddr,
    server: &Server,
    mut stop: watch::Receiver<bool>,
) {
    let mut framer = Framer::new(server.limits.message);
    let mut gathered = Gathered::new(peer);
    let mut buffer = vec![0; 64 << 10];
    let mut first = true;
    let mut since: Option<Instant> = None;
    loop {
        let until = since.map_or_else(|| Instant::now() + SILENCE, |since| since + WAIT);
        let read = tokio::select! {
            read = timeout_at(until, stream.read(&mut buffer)) => read,
            () = stopping(&mut stop) => break,
        };
        match read {
            Ok(Ok(0)) => {
                framer.finish(|message| gathered.add(message));
                break;
            }
            Ok(Ok(count)) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if std::mem::take(&mut first) && bytes.first() == Some(&ZLIB) {
                    tracing::warn!(%peer, "this sender compresses its connection (compression.mode), which is not supported");
                    return;
                }
                framer.push(bytes, |message| gathered.add(message));
                if !gathered.events.is_empty() {
                    since = since.or_else(|| Some(Instant::now()));
                }
                if !gathered.is_full() {
                    continue;
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a connection was dropped");
                break;
            }
            // Write what there is, or nothing arrived for long.
            Err(_) if since.is_none() => break,
            Err(_) => {}
        }
        since = None;
        if gathered.write(server, Busy::Wait).await.is_err() {
            return;
        }
    }
    if framer.lost > 0 {
        server.lost.fetch_add(framer.lost, Ordering::Relaxed);
        tracing::warn!(%peer, lost = framer.lost, "messages were truncated: too long, or cut off by the end of the connection");
    }
    if let Err(error) = gathered.write(server, Busy::Take).await {
        tracing::warn!(%peer, %error, "the last messages of a connection are lost");
    }
}
