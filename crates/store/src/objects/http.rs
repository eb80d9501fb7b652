//! HTTP for object storage, with the client and the TLS that the server's alerts and its own pages use already.

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use crabwalk_vocabulary::text::causes;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Connector;
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take, with its body and that of the answer: a file of events has some hundred megabytes at
/// most.
const REQUEST: Duration = Duration::from_secs(300);
/// How long an unused connection stays open.
const IDLE: Duration = Duration::from_secs(30);

/// Makes clients.
#[derive(Debug)]
pub(super) struct Hyper;

impl HttpConnector for Hyper {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options
            .get_config_value(&ClientConfigKey::AllowHttp)
            .is_some_and(|value| value == "true");
        let trusted = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|source| object_store::Error::Generic {
                store: "S3",
                source: Box::new(source),
            })?;
        let scheme = match plain {
            true => trusted.https_or_http(),
            false => trusted.https_only(),
        };
        let mut connector = Connector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .build(scheme.enable_http1().wrap_connector(connector));
        Ok(HttpClient::new(Requests(client)))
    }
}

/// "client error (Connect)" alone helps nobody.
fn failed(kind: HttpErrorKind, error: &dyn std::error::Error) -> HttpError {
    HttpError::new(kind, io::Error::other(causes(error)))
}

struct Requests(Client<HttpsConnector<Connector>, HttpRequestBody>);

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = async {
            // A store may ask for everything twice: it writes files under names of their own, and a commit knows its own.
            let answer = self.0.request(request).await.map_err(|error| {
                let kind = match error.is_connect() {
                    true => HttpErrorKind::Connect,
                    false => HttpErrorKind::Request,
                };
                failed(kind, &error)
            })?;
            let (head, body) = answer.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| failed(HttpErrorKind::Request, &error))?;
            let body = Full::new(body.to_bytes()).map_err(|never| match never {});
            Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
        };
        match tokio::time::timeout(REQUEST, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                let late = io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no complete answer within {} seconds", REQUEST.as_secs()),
                );
                Err(HttpError::new(HttpErrorKind::Timeout, late))
            }
        }
    }
}
