//! Accounts and tokens, as an administrator manages them in the pages.

use serde_json::{Value, json};

use crate::served::{Answer, PASSWORD, Served, folder};

const OTHER: &str = "another long password";

/// Logs in as a browser does; the cookie.
fn log_in(served: &Served, name: &str, password: &str) -> Option<String> {
    let form = format!("name={name}&password={}", password.replace(' ', "+"));
    let answer = served.ask("POST", "/login", &[], form.as_bytes());
    let cookie = answer.header("set-cookie")?.split(';').next()?;
    Some(cookie.to_owned())
}

fn with_session(served: &Served, cookie: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("Cookie", cookie), ("X-Crabwalk", "1")];
    served.ask(method, path, &headers, body.to_string().as_bytes())
}

#[test]
fn an_account_gets_another_role_and_password_and_its_sessions_end() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    served.first_account();
    let user = json!({"name": "ole", "password": PASSWORD, "role": "viewer"});
    let users = "/api/v1/users";
    assert_eq!(served.api("POST", users, &user.to_string()).status, 200);
    let ole = log_in(&served, "ole", PASSWORD).unwrap();
    let me = |cookie: &str| with_session(&served, cookie, "GET", "/api/v1/me", &Value::Null);
    assert_eq!(me(&ole).json()["role"], "viewer");
    // From one request to the next.
    let change = |name: &str, body: &Value| {
        let path = format!("{users}/{name}");
        served.api("PATCH", &path, &body.to_string()).status
    };
    assert_eq!(change("ole", &json!({"role": "analyst"})), 200);
    assert_eq!(me(&ole).json()["role"], "analyst");
    assert!(me(&ole).json()["limits"]["rows"].as_u64().unwrap() > 0);
    assert_eq!(change("ole", &json!({"password": OTHER})), 200);
    assert_eq!(me(&ole).status, 401);
    assert!(log_in(&served, "ole", PASSWORD).is_none());

    // One's own, if one knows the old one.
    let ole = log_in(&served, "ole", OTHER).unwrap();
    let own = |old: &str, new: &str| {
        let body = json!({"old": old, "new": new});
        with_session(&served, &ole, "POST", "/api/v1/me/password", &body).status
    };
    let unsigned = served.ask(
        "POST",
        "/api/v1/me/password",
        &[("Cookie", ole.as_str())],
        b"{}",
    );
    assert_eq!(unsigned.status, 403);
    assert_eq!(own("a guess of somebody", PASSWORD), 400);
    assert_eq!(own(OTHER, "short"), 400);
    assert_eq!(own(OTHER, PASSWORD), 200);
    assert_eq!(me(&ole).status, 401);
    let ole = log_in(&served, "ole", PASSWORD).unwrap();

    // The server keeps an administrator, and what is wrong changes nothing.
    assert_eq!(change("ida", &json!({"role": "viewer"})), 400);
    assert_eq!(change("nobody", &json!({"role": "viewer"})), 400);
    assert_eq!(change("ole", &json!({"role": "god"})), 400);
    assert_eq!(change("ole", &json!({"password": "short"})), 400);
    for (method, path) in [("PATCH", "/api/v1/users/ole"), ("GET", "/api/v1/tokens")] {
        let body = json!({"role": "admin"});
        assert_eq!(with_session(&served, &ole, method, path, &body).status, 403);
    }
    // Somebody else of the same name is not let in by an old session.
    assert_eq!(
        served.api("DELETE", &format!("{users}/ole"), "").status,
        200
    );
    assert_eq!(me(&ole).status, 401);
    assert_eq!(served.api("POST", users, &user.to_string()).status, 200);
    assert_eq!(me(&ole).status, 401);
    let file = std::fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    assert!(file.contains("ole, role Analyst"), "{file}");
    assert!(!file.contains(OTHER) && !file.contains(PASSWORD), "{file}");
}

#[test]
fn a_token_is_made_shown_once_and_revoked() {
    let folder = folder();
    let served = Served::start(folder.path(), &["--no-hunt"]);
    served.first_account();
    let tokens = "/api/v1/tokens";
    let made = served.api("POST", tokens, r#"{"name": "laptops", "index": "main"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    let secret = made.json()["token"].as_str().unwrap().to_owned();
    let send = || {
        let token = format!("Splunk {secret}");
        let headers = [("Authorization", token.as_str())];
        let path = "/services/collector/event";
        served
            .ask("POST", path, &headers, br#"{"event": "one"}"#)
            .status
    };
    assert_eq!(send(), 200);
    let all = served.api("GET", tokens, "");
    assert!(!all.text().contains(&secret));
    let names: Vec<Value> = (all.json()["tokens"].as_array().unwrap().iter())
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["default", "laptops"]);
    let again = |body: &str| served.api("POST", tokens, body).status;
    assert_eq!(again(r#"{"name": "laptops"}"#), 409);
    assert_eq!(again(r#"{"name": "a b"}"#), 400);
    assert_eq!(again(r#"{"name": "x", "secret": "mine"}"#), 400);
    let one = format!("{tokens}/laptops");
    assert_eq!(served.api("DELETE", &one, "").status, 200);
    assert_eq!(served.api("DELETE", &one, "").status, 404);
    // The file is looked at twice a second.
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(send(), 403);
}
