//! Addresses: whether they are free, or whether the server answers at them.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
};

use super::{Check, certificate};
use crate::server::Config;

const NAME: &str = "listen";
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a server could listen.
pub fn bindable(config: &Config) -> Vec<Check> {
    let tcp = |address: &SocketAddr| TcpListener::bind(address).map(drop);
    let udp = |address: &SocketAddr| UdpSocket::bind(address).map(drop);
    let http = config.listen.iter().map(|address| (address, tcp(address)));
    let syslog =
        (config.syslog.iter()).map(|address| (address, tcp(address).and_then(|()| udp(address))));
    let encrypted = config
        .syslog_tls
        .iter()
        .map(|address| (address, tcp(address)));
    (http.chain(syslog).chain(encrypted))
        .map(|(address, bound)| match bound {
            Ok(()) => Check::ok(NAME, format!("{address} is free")),
            Err(error) => {
                let advice = match error.kind() {
                    std::io::ErrorKind::AddrInUse => "another program listens there: `ss -lntup` shows which; stop it, or choose another port",
                    std::io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, which the systemd unit gives",
                    std::io::ErrorKind::AddrNotAvailable => "no network interface has this address (now): correct it, or wait for the network",
                    _ => "choose another address",
                };
                Check::failed(NAME, format!("{address}: {error}"), advice)
            }
        })
        .collect()
}

/// Whether the server that runs answers, and accepts events.
pub fn answers(config: &Config) -> Vec<Check> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    for address in &config.listen {
        if address.port() == 0 {
            checks.push(Check::ok(NAME, "the system chooses the port"));
            continue;
        }
        let ask = |path| {
            runtime
                .block_on(async { timeout(PATIENCE, ask(config, *address, path)).await })
                .unwrap_or_else(|_| Err("no answer in time".to_owned()))
        };
        checks.push(match ask("/readyz") {
            Ok((StatusCode::OK, _)) => Check::ok(NAME, format!("{address} answers, and accepts events")),
            Ok((status, text)) => Check::failed(
                NAME,
                format!("{address} does not accept events ({status}): {}", text.trim()),
                "the server's log has the reason; it accepts events again when that is mended",
            ),
            Err(why) => Check::failed(
                NAME,
                format!("{address}: {why}"),
                "restart the server; if it listens elsewhere, give this the configuration that it runs with",
            ),
        });
        let version = ask("/api/v1/openapi.json").ok().and_then(|(_, text)| {
            let document: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(document.pointer("/info/version")?.as_str()?.to_owned())
        });
        let own = env!("CARGO_PKG_VERSION");
        if let Some(version) = version {
            checks.push(match version == own {
                true => Check::ok("version", format!("{own}, which the server runs too")),
                false => Check::warning(
                    "version",
                    format!("the server runs {version}, and this is {own}"),
                    "restart the server to run the installed release",
                ),
            });
        }
    }
    checks
}

async fn ask(
    config: &Config,
    address: SocketAddr,
    path: &str,
) -> Result<(StatusCode, String), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut to = address;
    if to.ip().is_unspecified() {
        to.set_ip(match to {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let stream = TcpStream::connect(to).await.map_err(failed)?;
    let Some((chain, _)) = &config.tls else {
        return exchange(stream, path).await;
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned {
        expected: certificate::certificates(chain).into_iter().next(),
        provider: Arc::clone(&provider),
    };
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let stream = connector
        .connect(ServerName::from(to.ip()), stream)
        .await
        .map_err(|error| match error.to_string().contains("UnknownIssuer") {
            true => "the server serves another certificate than the one in the file".to_owned(),
            false => error.to_string(),
        })?;
    exchange(stream, path).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
) -> Result<(StatusCode, String), String> {
    let said = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(said)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(said)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), 4 << 20).collect().await;
    connection.abort();
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Accepts exactly the certificate in the server's own file, whatever names it has.
#[derive(Debug)]
struct Pinned {
    expected: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.expected.as_ref() == Some(own) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, own, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, own, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
