//! Who one is, accounts, and senders' tokens, for the pages and for programs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::account::{AccountError, Role, User};
use crate::audit::Act;
use crate::http::{Peer, decoded};
use crate::jobs::Allowed;
use crate::shared::Server;
use crate::token::{Token, TokenError};
use crate::web::{allowed, note, note_refused, said, small, wrong};

/// Who asks, and what their searches may use.
pub async fn me(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Viewer).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let limits = Allowed::of(user.role);
    let told = json!({
        "name": user.name,
        "role": user.role,
        "limits": {
            "at_once": limits.at_once,
            "rows": limits.rows,
            "bytes": limits.bytes,
            "memory": limits.memory,
            "seconds": limits.time.as_secs(),
        },
    });
    said(StatusCode::OK, &told)
}

/// What a request's body says. Errors do not quote it: it might hold a password.
async fn body<T: DeserializeOwned>(
    server: &Server,
    body: Body,
    expected: &str,
) -> Result<T, Response> {
    let read = small(server, body).await;
    let read = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| wrong(StatusCode::BAD_REQUEST, &format!("expected {expected}")))
}

/// Changes one's own password: `{"old": "…", "new": "…"}`. All sessions of the account end.
pub async fn change_password(State(server): State<Arc<Server>>, request: Request) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Passwords {
        old: String,
        new: String,
    }
    let (parts, sent) = request.into_parts();
    let user = match allowed(&server, &parts, Role::Viewer).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let passwords: Passwords = match body(&server, sent, "old and new").await {
        Ok(passwords) => passwords,
        Err(response) => return response,
    };
    let (shared, name) = (Arc::clone(&server), user.name.clone());
    let peer = Peer::of(&parts.extensions);
    let done = tokio::task::spawn_blocking(move || {
        let checked = shared.accounts.check(&name, &passwords.old, &peer);
        note_refused(&shared, &checked, &name, &peer);
        checked?;
        shared.accounts.change(&name, None, Some(&passwords.new))
    });
    let about = format!("{}: password", user.name);
    changed(
        &server,
        &parts,
        &user,
        Act::ChangeUser,
        &about,
        done.await.ok(),
    )
}

/// The accounts.
pub async fn users(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Admin).await {
        return response;
    }
    let all: Vec<Value> = (server.accounts.all().into_iter())
        .map(|(name, role)| json!({"name": name, "role": role}))
        .collect();
    said(StatusCode::OK, &json!({ "users": all }))
}

/// Creates an account: `{"name": "…", "password": "…", "role": "viewer"}`.
pub async fn add_user(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, sent) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    #[derive(Deserialize)]
    struct New {
        name: String,
        password: String,
        role: Role,
    }
    let expected = "name, password and role (viewer, analyst, admin)";
    let new: New = match body(&server, sent, expected).await {
        Ok(new) => new,
        Err(response) => return response,
    };
    let shared = Arc::clone(&server);
    let about = format!("{} ({:?})", new.name, new.role);
    let made = tokio::task::spawn_blocking(move || {
        shared.accounts.add(&new.name, &new.password, new.role)
    });
    changed(
        &server,
        &parts,
        &admin,
        Act::AddUser,
        &about,
        made.await.ok(),
    )
}

/// Changes an account: `{"role": "analyst", "password": "…"}`, or one of both. Another password ends its sessions.
pub async fn change_user(State(server): State<Arc<Server>>, request: Request) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        role: Option<Role>,
        password: Option<String>,
    }
    let (parts, sent) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let expected = "role (viewer, analyst, admin), password, or both";
    let change: Change = match body(&server, sent, expected).await {
        Ok(change) => change,
        Err(response) => return response,
    };
    let name = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let mut about = vec![name.clone()];
    about.extend(change.role.map(|role| format!("role {role:?}")));
    about.extend(change.password.as_ref().map(|_| "password".to_owned()));
    let shared = Arc::clone(&server);
    let done = tokio::task::spawn_blocking(move || {
        let password = change.password.as_deref();
        shared.accounts.change(&name, change.role, password)
    });
    changed(
        &server,
        &parts,
        &admin,
        Act::ChangeUser,
        &about.join(", "),
        done.await.ok(),
    )
}

/// Removes an account.
pub async fn remove_user(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let name = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let shared = Arc::clone(&server);
    let about = name.clone();
    let gone = tokio::task::spawn_blocking(move || shared.accounts.remove(&name));
    changed(
        &server,
        &parts,
        &admin,
        Act::RemoveUser,
        &about,
        gone.await.ok(),
    )
}

/// The answer to a change of accounts; `None` if it broke off.
fn changed(
    server: &Server,
    parts: &Parts,
    admin: &User,
    act: Act,
    about: &str,
    done: Option<Result<(), AccountError>>,
) -> Response {
    match done {
        Some(Ok(())) => {
            note(server, parts, admin, act, about);
            said(StatusCode::OK, &json!({"error": null}))
        }
        Some(Err(error)) => wrong(StatusCode::BAD_REQUEST, &error.to_string()),
        None => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

fn token_refused(error: &TokenError) -> Response {
    let status = match error {
        TokenError::Exists(_) => StatusCode::CONFLICT,
        TokenError::Unknown(_) => StatusCode::NOT_FOUND,
        TokenError::Name(_) => StatusCode::BAD_REQUEST,
        TokenError::File(_) | TokenError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    wrong(status, &error.to_string())
}

/// The tokens of senders, without their secrets.
pub async fn tokens(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(response) = allowed(&server, &parts, Role::Admin).await {
        return response;
    }
    let all: Vec<Value> = (server.tokens.all().iter())
        .map(|token| {
            json!({
                "name": token.name,
                "begins": token.begins,
                "disabled": token.disabled,
                "acknowledges": token.acknowledges,
                "in_query": token.in_query,
                "indexes": token.indexes,
                "index": token.index,
                "source": token.source,
                "sourcetype": token.sourcetype,
                "made": jiff::Timestamp::from_microsecond(token.made).ok().map(|time| time.to_string()),
            })
        })
        .collect();
    said(StatusCode::OK, &json!({ "tokens": all }))
}

/// Makes a token, and tells its secret, which is not shown again.
pub async fn add_token(State(server): State<Arc<Server>>, request: Request) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct New {
        name: String,
        #[serde(default)]
        acknowledges: bool,
        #[serde(default)]
        in_query: bool,
        #[serde(default)]
        indexes: Vec<String>,
        #[serde(default)]
        index: String,
        #[serde(default)]
        source: String,
        #[serde(default)]
        sourcetype: String,
    }
    let (parts, sent) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let expected = "name, and perhaps acknowledges, in_query, indexes, index, source, sourcetype";
    let new: New = match body(&server, sent, expected).await {
        Ok(new) => new,
        Err(response) => return response,
    };
    let (shared, name) = (Arc::clone(&server), new.name.clone());
    let token = Token {
        name: new.name,
        acknowledges: new.acknowledges,
        in_query: new.in_query,
        indexes: new.indexes,
        index: new.index,
        source: new.source,
        sourcetype: new.sourcetype,
        ..Token::default()
    };
    match tokio::task::spawn_blocking(move || shared.tokens.add(token, None)).await {
        Ok(Ok(secret)) => {
            note(&server, &parts, &admin, Act::AddToken, &name);
            said(StatusCode::CREATED, &json!({"name": name, "token": secret}))
        }
        Ok(Err(error)) => token_refused(&error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}

/// Revokes a token.
pub async fn remove_token(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let admin = match allowed(&server, &parts, Role::Admin).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let name = decoded(parts.uri.path().rsplit('/').next().unwrap_or_default());
    let (shared, about) = (Arc::clone(&server), name.clone());
    match tokio::task::spawn_blocking(move || shared.tokens.remove(&name)).await {
        Ok(Ok(())) => {
            note(&server, &parts, &admin, Act::RemoveToken, &about);
            said(StatusCode::OK, &json!({"error": null}))
        }
        Ok(Err(error)) => token_refused(&error),
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "try again"),
    }
}
