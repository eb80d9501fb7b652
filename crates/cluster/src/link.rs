//! Connections between machines: addresses, the shared token, TLS, and the greeting.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use crabwalk_vocabulary::text::causes;
use datafusion::error::DataFusionError;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tonic::body::Body;
use tonic::service::Interceptor;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig,
};
use tonic::{Request, Status};
use tower_service::Service;
use url::Url;

use crate::error::ClusterError;

/// What tells this build from others: machines exchange plans only if it is the same.
pub const BUILD: &str = env!("CRABWALK_BUILD");

/// Headers of requests.
const TOKEN: &str = "x-crabwalk-token";
pub(crate) const BUILD_HEADER: &str = "x-crabwalk-build";
pub(crate) const STORE_HEADER: &str = "x-crabwalk-store";

/// Minimum length of a token.
const SHORTEST: usize = 16;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How often an open connection is tried, and how long the other end may take to answer that.
const TRY_EVERY: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Host and port of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    is_loopback: bool,
}

impl FromStr for Address {
    type Err = ClusterError;

    fn from_str(text: &str) -> Result<Self, ClusterError> {
        let wrong = || ClusterError::Address(text.to_owned());
        let url = Url::parse(&format!("http://{text}")).map_err(|_| wrong())?;
        let is_bare = text.rsplit_once(':').is_some_and(|(host, port)| {
            port.parse::<u16>().is_ok_and(|port| port > 0) && !host.contains(['/', '@', '?', '#'])
        });
        if !is_bare {
            return Err(wrong());
        }
        let is_loopback = match url.host().ok_or_else(wrong)? {
            url::Host::Domain(name) => name == "localhost",
            url::Host::Ipv4(ip) => ip.is_loopback(),
            url::Host::Ipv6(ip) => IpAddr::V6(ip).to_canonical().is_loopback(),
        };
        Ok(Self {
            text: text.to_owned(),
            is_loopback,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What machines trust each other by.
#[derive(Clone, Default)]
pub struct Trust {
    token: Option<HeaderValue>,
    /// Certificates, PEM, that sign those of workers, or are these themselves.
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// A file with the token that all machines share, and one with the certificates, PEM, that workers are known by.
    ///
    /// # Errors
    /// If a file cannot be read, or the token is too short or not of visible ASCII characters.
    pub fn read(token: Option<&Path>, authorities: Option<&Path>) -> Result<Self, ClusterError> {
        Ok(Self {
            token: token.map(read_token).transpose()?,
            authorities: authorities.map(read).transpose()?,
        })
    }

    /// Where a worker is reached.
    ///
    /// # Errors
    /// If it is on another machine, and there is no token or no TLS.
    pub(crate) fn url(&self, address: &Address) -> Result<Url, ClusterError> {
        if !address.is_loopback && (self.token.is_none() || self.authorities.is_none()) {
            return Err(ClusterError::Unprotected(address.to_string()));
        }
        let scheme = match self.authorities {
            Some(_) => "https",
            None => "http",
        };
        Url::parse(&format!("{scheme}://{address}"))
            .map_err(|_| ClusterError::Address(address.to_string()))
    }

    /// Whether a worker may listen on an address with this protection.
    ///
    /// # Errors
    /// If others can reach it, and there is no token or no TLS.
    pub(crate) fn check_listening(
        &self,
        address: SocketAddr,
        has_certificate: bool,
    ) -> Result<(), ClusterError> {
        let is_safe = self.token.is_some() && self.authorities.is_some() && has_certificate;
        match is_safe || address.ip().to_canonical().is_loopback() {
            true => Ok(()),
            false => Err(ClusterError::Unprotected(address.to_string())),
        }
    }

    pub(crate) fn gate(&self) -> Gate {
        let digest = |token: &HeaderValue| Sha256::digest(token.as_bytes()).into();
        Gate(self.token.as_ref().map(digest))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(file).map_err(|error| ClusterError::File {
        file: file.to_owned(),
        why: error.to_string(),
    })
}

fn read_token(file: &Path) -> Result<HeaderValue, ClusterError> {
    let wrong = |why: &str| ClusterError::File {
        file: file.to_owned(),
        why: why.to_owned(),
    };
    let bytes = read(file)?;
    let token = bytes.trim_ascii();
    if token.len() < SHORTEST {
        return Err(wrong("a token has at least 16 characters"));
    }
    let is_visible = token.iter().all(u8::is_ascii_graphic);
    let mut value = HeaderValue::from_bytes(token).ok().filter(|_| is_visible);
    if let Some(value) = &mut value {
        value.set_sensitive(true);
    }
    value.ok_or_else(|| wrong("a token is one word of visible ASCII characters"))
}

/// The certificate of a worker and its key, PEM.
#[derive(Clone)]
pub(crate) struct Own(Identity);

impl Own {
    pub fn read(chain: &Path, key: &Path) -> Result<Self, ClusterError> {
        Ok(Self(Identity::from_pem(read(chain)?, read(key)?)))
    }

    pub fn config(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(self.0.clone())
    }
}

/// Lets requests in that carry the token.
#[derive(Clone)]
pub(crate) struct Gate(Option<[u8; 32]>);

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(expected) = &self.0 else {
            return Ok(request);
        };
        let given = request.metadata().get(TOKEN);
        let given = given.map_or(&[][..], |value| value.as_bytes());
        match bool::from(Sha256::digest(given).as_slice().ct_eq(expected)) {
            true => Ok(request),
            false => Err(Status::unauthenticated("the token is missing or wrong")),
        }
    }
}

/// What a worker says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// [`BUILD`].
    pub build: String,
    /// The id of its store.
    pub store: String,
    /// Differs each time that a worker is started.
    pub instance: String,
}

/// Connections to workers, kept open.
#[derive(Debug)]
pub(crate) struct Links {
    trust: Trust,
    open: Mutex<HashMap<Url, BoxCloneSyncChannel>>,
}

impl Links {
    pub fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self {
            trust,
            open: Mutex::default(),
        })
    }

    fn channel(&self, url: &Url) -> Result<BoxCloneSyncChannel, DataFusionError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        // A plan from elsewhere must not make this machine show its token to just anybody.
        let address = url.authority().parse().map_err(external)?;
        self.trust.url(&address).map_err(external)?;
        let failed = |error: tonic::transport::Error| {
            DataFusionError::Execution(format!("the worker {address}: {}", causes(&error)))
        };
        let mut endpoint = Endpoint::from_shared(url.to_string())
            .map_err(failed)?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(TRY_EVERY)
            .keep_alive_timeout(ANSWER_WITHIN);
        if let Some(authorities) = &self.trust.authorities {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities));
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        let channel = BoxCloneSyncChannel::new(WithToken {
            inner: endpoint.connect_lazy(),
            token: self.trust.token.clone(),
        });
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

fn external(error: ClusterError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl ChannelResolver for Links {
    async fn get_worker_client_for_url(
        &self,
        url: &Url,
    ) -> Result<Box<dyn WorkerChannel>, DataFusionError> {
        self.channel(url).map(create_worker_client)
    }
}

/// Adds the token to requests.
#[derive(Clone)]
struct WithToken {
    inner: Channel,
    token: Option<HeaderValue>,
}

impl Service<http::Request<Body>> for WithToken {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(token) = &self.token {
            request.headers_mut().insert(TOKEN, token.clone());
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, is_loopback) in [
            ("127.0.0.1:7001", true),
            ("localhost:7001", true),
            ("[::1]:7001", true),
            ("[::ffff:127.0.0.1]:7001", true),
            ("10.0.0.7:7001", false),
            ("worker-2.example:7001", false),
            ("localhost.example:7001", false),
        ] {
            let address: Result<Address, _> = text.parse();
            assert!(
                address.is_ok_and(|address| address.is_loopback == is_loopback),
                "{text}"
            );
        }
        for text in [
            "",
            "host",
            "host:",
            ":7001",
            "host:0",
            "a/b:1",
            "me@host:1",
            "http://host:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn other_machines_need_a_token_and_tls() {
        let near: Address = "127.0.0.1:1"
            .parse()
            .unwrap_or_else(|error| panic!("{error}"));
        let far: Address = "10.0.0.7:1"
            .parse()
            .unwrap_or_else(|error| panic!("{error}"));
        let trust = |token: bool, authorities: bool| Trust {
            token: token.then(|| HeaderValue::from_static("0123456789abcdef")),
            authorities: authorities.then(Vec::new),
        };
        for (token, authorities) in [(false, false), (true, false), (false, true)] {
            assert!(trust(token, authorities).url(&far).is_err());
            assert!(trust(token, authorities).url(&near).is_ok());
            let everywhere = SocketAddr::from(([0, 0, 0, 0], 1));
            let trust = trust(token, authorities);
            assert!(trust.check_listening(everywhere, true).is_err());
        }
        let url = trust(true, true).url(&far);
        assert!(url.is_ok_and(|url| url.scheme() == "https"));
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 1));
        assert!(
            trust(true, true)
                .check_listening(everywhere, false)
                .is_err()
        );
        assert!(trust(true, true).check_listening(everywhere, true).is_ok());
    }

    #[test]
    fn only_the_token_opens_the_gate() {
        let trust = Trust {
            token: Some(HeaderValue::from_static("0123456789abcdef")),
            authorities: None,
        };
        let ask = |trust: &Trust, token: Option<&str>| {
            let mut request = Request::new(());
            if let Some(token) = token.and_then(|token| token.parse().ok()) {
                request.metadata_mut().insert(TOKEN, token);
            }
            trust.gate().call(request).is_ok()
        };
        assert!(ask(&trust, Some("0123456789abcdef")));
        for wrong in [
            None,
            Some(""),
            Some("0123456789abcdeF"),
            Some("0123456789abcdef0"),
        ] {
            assert!(!ask(&trust, wrong), "{wrong:?}");
        }
        assert!(ask(&Trust::default(), None));
    }
}
