//! Connections: accepted, encrypted if requested, served with limits, and closed gracefully.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use axum::http::{Extensions, HeaderValue, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::limits::Limits;

/// The origin of a request.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Address and port of the other end.
    pub address: SocketAddr,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
}

impl Peer {
    /// The peer's address as text; empty if there is none.
    pub fn of(extensions: &Extensions) -> String {
        extensions
            .get::<Self>()
            .map(|peer| peer.address.ip().to_canonical().to_string())
            .unwrap_or_default()
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{file}: {why}; expected PEM")]
    File {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// The certificate and key do not match, or are invalid.
    #[error("the certificate and the key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// A certificate and its key in files, which are read again when they change.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    /// What is served, and the files' times and sizes when they were read.
    current: RwLock<(Arc<CertifiedKey>, Stamps)>,
}

type Stamps = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// Reads a certificate (with its chain) and its key, both PEM.
    ///
    /// # Errors
    /// If they cannot be read or do not match.
    pub fn read(chain: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let stamps = stamps(chain, key);
        let current = load(chain, key, &provider)?;
        Ok(Arc::new(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            provider,
            current: RwLock::new((current, stamps)),
        }))
    }

    /// Reads the files again if they have changed. What cannot be used is reported, and the certificate before it is
    /// served on.
    pub fn refresh(&self) {
        let stamps = stamps(&self.chain, &self.key);
        let known = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .1;
        // A file that is missing for a moment is being replaced.
        if stamps == known || stamps.contains(&None) {
            return;
        }
        let loaded = load(&self.chain, &self.key, &self.provider);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.1 = stamps;
        match loaded {
            Ok(loaded) => {
                current.0 = loaded;
                tracing::info!(file = %self.chain.display(), "the certificate was read again");
            }
            Err(error) => {
                tracing::error!(%error, "the changed certificate cannot be used; the one before is served on");
            }
        }
    }

    /// What connections need.
    ///
    /// # Errors
    /// If TLS is not available.
    pub fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.0))
    }
}

fn stamps(chain: &Path, key: &Path) -> Stamps {
    [chain, key].map(|path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn load(
    chain: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let failed = |path: &Path, why: &dyn std::fmt::Display| TlsError::File {
        file: path.display().to_string(),
        why: why.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(chain, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let pair = CertifiedKey::from_der(certificates, private, provider)?;
    pair.keys_match()?;
    Ok(Arc::new(pair))
}

/// What a listener needs to know.
#[derive(Clone)]
pub struct Serving {
    /// What answers.
    pub router: Router,
    /// Limits.
    pub limits: Arc<Limits>,
    /// Encryption.
    pub tls: Option<Arc<ServerConfig>>,
    /// Becomes true when the server is to stop.
    pub stop: watch::Receiver<bool>,
    /// Connections of all listeners together.
    pub connections: Arc<Semaphore>,
}

/// Returns when the server is to stop.
pub async fn stopping(stop: &mut watch::Receiver<bool>) {
    // The only other reason is that the sender is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Accepts connections until the server stops, then waits for requests in progress.
pub async fn serve(listener: TcpListener, serving: Serving) {
    let graceful = GracefulShutdown::new();
    let mut stop = serving.stop.clone();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&serving.connections).acquire_owned() => permit,
            () = stopping(&mut stop) => break,
        };
        let Ok(permit) = permit else { break };
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // For instance too many open files: it passes when some are closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = stopping(&mut stop) => break,
        };
        // Responses are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let watcher = graceful.watcher();
        let serving = serving.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let peer = Peer {
                address,
                encrypted: serving.tls.is_some(),
            };
            let Some(config) = &serving.tls else {
                return connection(stream, peer, &serving, watcher).await;
            };
            let accepting = TlsAcceptor::from(Arc::clone(config)).accept(stream);
            match timeout(serving.limits.patience, accepting).await {
                Ok(Ok(stream)) => connection(stream, peer, &serving, watcher).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS"),
                Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    if timeout(serving.limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("abandoning requests still in progress");
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    serving: &Serving,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let router = serving.router.clone();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move { Ok::<_, io::Error>(answered(router, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(serving.limits.patience)
        .max_headers(100)
        .max_buf_size(256 << 10)
        .half_close(true);
    let served = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
    if let Err(error) = served.await {
        tracing::debug!(peer = %peer.address, %error, "a connection was dropped");
    }
}

async fn answered(router: Router, request: Request) -> Response {
    use tower_service::Service as _;
    let mut router = router;
    let mut response = match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The parameters of a query or a form, decoded: `+` and `%20` are spaces.
pub fn parameters(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// A part of a URL, unescaped. Invalid escapes stay as they are.
pub fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match (digit(bytes.get(at)), digit(bytes.get(at + 1))) {
                (Some(high), Some(low)) => {
                    out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out() {
        for (text, plain) in [
            ("a+b%20c", "a b c"),
            ("%C3%BC", "ü"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(text), plain, "{text}");
        }
        let all = parameters("index=win&&channel&a=b=c");
        let all: Vec<(&str, &str)> = all.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(all, [("index", "win"), ("channel", ""), ("a", "b=c")]);
    }
}
