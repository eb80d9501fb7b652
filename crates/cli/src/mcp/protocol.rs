//! The protocol: JSON-RPC 2.0, a message on each line.
//!
//! A reader answers what needs no thought at once, so that a client which pings during a long hunt gets its answer; calls
//! of tools wait for one worker, which takes them in order. A client that asked for it is told that a call goes on, so that
//! it does not give up on a long hunt. Lines, and the number of calls that wait, are bounded.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crabwalk_detect::Stop;
use serde_json::{Map, Value, json};

/// Revisions of the protocol that begin with a handshake, oldest first. Clients of later ones fall back to it.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// Maximum bytes of a line.
const MOST_LINE: u64 = 1 << 20;
/// Maximum calls that wait.
const MOST_WAITING: usize = 32;
/// How often a client is told that a call goes on.
const BEAT: Duration = Duration::from_secs(5);
/// Stack of the worker; content is parsed and logs are read on it.
const STACK: usize = 16 << 20;

/// Codes of errors (JSON-RPC 2.0, section 5.1).
mod code {
    pub const PARSE: i64 = -32700;
    pub const REQUEST: i64 = -32600;
    pub const METHOD: i64 = -32601;
    pub const ARGUMENTS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    /// Of the range for servers.
    pub const BUSY: i64 = -32000;
}

/// A server's tools.
pub trait Service: Send {
    /// Who it is (`serverInfo`) and what its user should know (`instructions`), as members of the handshake's result.
    fn about(&self) -> Map<String, Value>;
    /// The definitions of its tools.
    fn tools(&self) -> Value;
    /// The result of a call; none if no tool has this name. `stop` tells that nobody waits any more.
    fn call(&mut self, name: &str, arguments: &Map<String, Value>, stop: &Stop) -> Option<Value>;
}

/// A call of a tool.
struct Call {
    id: Value,
    name: String,
    arguments: Map<String, Value>,
    /// How the client recognises news of this call, if it wants any.
    progress: Option<Value>,
    stop: Stop,
}

/// What the reader and the worker share.
struct Conversation<W> {
    out: Mutex<W>,
    /// Calls that have no answer yet, by id.
    open: Mutex<HashMap<String, Stop>>,
    /// How often a client is told that a call goes on.
    beat: Duration,
}

impl<W: Write + Send> Conversation<W> {
    fn say(&self, message: &Value) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        crabwalk_case::to_json_line(message, &mut *out)?;
        out.flush()
    }

    fn answer(&self, id: &Value, result: &Value) -> io::Result<()> {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }

    fn refuse(&self, id: &Value, code: i64, message: &str) -> io::Result<()> {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
    }

    /// Ends a call. Returns whether somebody waits for its answer.
    fn close(&self, id: &Value) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&id.to_string())
            .is_some_and(|stop| !stop.is_stopped())
    }

    /// Makes a call, and tells the client meanwhile that it goes on, if it asked for that.
    fn call(&self, call: &Call, service: &mut impl Service) -> Option<Value> {
        let Some(token) = &call.progress else {
            return service.call(&call.name, &call.arguments, &call.stop);
        };
        thread::scope(|scope| {
            let (over, wait) = channel::<()>();
            scope.spawn(move || {
                let began = Instant::now();
                while wait.recv_timeout(self.beat) == Err(RecvTimeoutError::Timeout) {
                    let seconds = began.elapsed().as_secs_f64();
                    if !call.stop.is_stopped() {
                        // If nobody reads any more, the answer notices.
                        let _ = self.say(&json!({
                            "jsonrpc": "2.0",
                            "method": "notifications/progress",
                            "params": {
                                "progressToken": token,
                                "progress": seconds,
                                "message": format!("working for {seconds:.0} seconds"),
                            },
                        }));
                    }
                }
            });
            let result = service.call(&call.name, &call.arguments, &call.stop);
            drop(over);
            result
        })
    }

    fn work(&self, calls: &Receiver<Call>, service: &mut impl Service) -> io::Result<()> {
        for call in calls {
            let result = if call.stop.is_stopped() {
                None
            } else {
                Some(self.call(&call, service))
            };
            if !self.close(&call.id) {
                continue;
            }
            match result.flatten() {
                Some(result) => self.answer(&call.id, &result)?,
                None => self.refuse(
                    &call.id,
                    code::ARGUMENTS,
                    "there is no tool of this name; ask tools/list",
                )?,
            }
        }
        Ok(())
    }
}

/// Answers the messages of the input until it ends, and the calls in it.
///
/// # Errors
/// If the input cannot be read or the output cannot be written.
pub fn serve(
    input: impl BufRead,
    output: impl Write + Send,
    service: impl Service,
) -> io::Result<()> {
    converse(input, output, service, BEAT)
}

fn converse(
    mut input: impl BufRead,
    output: impl Write + Send,
    mut service: impl Service,
    beat: Duration,
) -> io::Result<()> {
    let (about, tools) = (service.about(), service.tools());
    let (send, calls) = sync_channel::<Call>(MOST_WAITING);
    let conversation = Conversation {
        out: Mutex::new(output),
        open: Mutex::default(),
        beat,
    };
    thread::scope(|scope| {
        let own = &conversation;
        let worker = thread::Builder::new()
            .name("tools".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, move || own.work(&calls, &mut service))?;
        let accept = |call: Call| match send.try_send(call) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(call)) => {
                own.close(&call.id);
                own.refuse(
                    &call.id,
                    code::BUSY,
                    "too many calls wait: wait for their answers first",
                )
            }
            Err(TrySendError::Disconnected(call)) => {
                own.close(&call.id);
                own.refuse(&call.id, code::INTERNAL, "the server fails: start it again")
            }
        };
        let read = loop {
            let mut line = Vec::new();
            match read_line(&mut input, &mut line) {
                Err(error) => break Err(error),
                Ok(Line::End) => break Ok(()),
                Ok(Line::TooLong) => {
                    let message = "a message has at most 1 MiB";
                    if let Err(error) = own.refuse(&Value::Null, code::REQUEST, message) {
                        break Err(error);
                    }
                }
                Ok(Line::Whole) => {
                    if let Err(error) = take(own, &line, &about, &tools, &accept) {
                        break Err(error);
                    }
                }
            }
        };
        drop(send);
        let worked = worker
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a call ended early")));
        read.and(worked)
    })
}

enum Line {
    Whole,
    TooLong,
    End,
}

fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    let read = input.by_ref().take(MOST_LINE).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if line.ends_with(b"\n") || (read as u64) < MOST_LINE {
        return Ok(Line::Whole);
    }
    // The rest of it is of no use.
    input.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

/// Acts on one message.
fn take<W: Write + Send>(
    own: &Conversation<W>,
    line: &[u8],
    about: &Map<String, Value>,
    tools: &Value,
    accept: &dyn Fn(Call) -> io::Result<()>,
) -> io::Result<()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let message: Value = match serde_json::from_slice(line) {
        Ok(message) => message,
        Err(error) => {
            let message = format!("the line is no JSON: {error}");
            return own.refuse(&Value::Null, code::PARSE, &message);
        }
    };
    let Some(object) = message.as_object() else {
        return own.refuse(
            &Value::Null,
            code::REQUEST,
            "a message is an object; batches are not accepted",
        );
    };
    let none = Map::new();
    let params = match object.get("params") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(params)) => params,
        Some(_) => {
            let id = object.get("id").unwrap_or(&Value::Null);
            return own.refuse(id, code::ARGUMENTS, "`params` must be an object");
        }
    };
    let method = object.get("method").and_then(Value::as_str);
    match (method, object.get("id")) {
        // An answer, although nothing was asked.
        (None, Some(_)) if object.contains_key("result") || object.contains_key("error") => Ok(()),
        (Some(method), Some(id @ (Value::String(_) | Value::Number(_)))) => {
            request(own, method, id, params, about, tools, accept)
        }
        (Some("notifications/cancelled"), None) => {
            let id = params.get("requestId").unwrap_or(&Value::Null).to_string();
            let open = own.open.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(stop) = open.get(&id) {
                stop.stop();
            }
            Ok(())
        }
        // Other notifications ask for nothing.
        (Some(_), None) => Ok(()),
        _ => own.refuse(
            &Value::Null,
            code::REQUEST,
            "a request has a `method`, and an `id` that is a text or a number",
        ),
    }
}

fn request<W: Write + Send>(
    own: &Conversation<W>,
    method: &str,
    id: &Value,
    params: &Map<String, Value>,
    about: &Map<String, Value>,
    tools: &Value,
    accept: &dyn Fn(Call) -> io::Result<()>,
) -> io::Result<()> {
    match method {
        "initialize" => {
            let asked = params.get("protocolVersion").and_then(Value::as_str);
            let newest = REVISIONS.last().copied();
            let revision = REVISIONS
                .into_iter()
                .find(|one| Some(*one) == asked)
                .or(newest);
            let mut result = Map::new();
            result.insert("protocolVersion".to_owned(), revision.into());
            result.insert("capabilities".to_owned(), json!({"tools": {}}));
            result.extend(about.clone());
            own.answer(id, &Value::Object(result))
        }
        "ping" => own.answer(id, &json!({})),
        "tools/list" => own.answer(id, &json!({ "tools": tools })),
        "tools/call" => {
            let name = params.get("name").and_then(Value::as_str);
            let arguments = match params.get("arguments") {
                None | Some(Value::Null) => Some(Map::new()),
                Some(Value::Object(arguments)) => Some(arguments.clone()),
                Some(_) => None,
            };
            let (Some(name), Some(arguments)) = (name, arguments) else {
                let message = "a call has the `name` of a tool, and `arguments` that are an object";
                return own.refuse(id, code::ARGUMENTS, message);
            };
            let stop = Stop::default();
            {
                let mut open = own.open.lock().unwrap_or_else(PoisonError::into_inner);
                if open.contains_key(&id.to_string()) {
                    drop(open);
                    return own.refuse(id, code::REQUEST, "a call with this `id` is still open");
                }
                open.insert(id.to_string(), stop.clone());
            }
            accept(Call {
                id: id.clone(),
                name: name.to_owned(),
                arguments,
                progress: params
                    .get("_meta")
                    .and_then(|meta| meta.get("progressToken"))
                    .filter(|token| token.is_string() || token.is_number())
                    .cloned(),
                stop,
            })
        }
        _ => own.refuse(
            id,
            code::METHOD,
            "this server has tools only: initialize, ping, tools/list, tools/call",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Service for Echo {
        fn about(&self) -> Map<String, Value> {
            Map::from_iter([("serverInfo".to_owned(), json!({"name": "echo"}))])
        }

        fn tools(&self) -> Value {
            json!([{"name": "echo"}])
        }

        fn call(
            &mut self,
            name: &str,
            arguments: &Map<String, Value>,
            stop: &Stop,
        ) -> Option<Value> {
            match name {
                "echo" => Some(Value::Object(arguments.clone())),
                "slow" => {
                    thread::sleep(Duration::from_millis(100));
                    Some(json!("done"))
                }
                // Until it is cancelled.
                "wait" => {
                    while !stop.is_stopped() {
                        thread::yield_now();
                    }
                    Some(json!("late"))
                }
                _ => None,
            }
        }
    }

    fn talk(lines: &[u8]) -> Vec<Value> {
        let mut out = Vec::new();
        let beat = Duration::from_millis(5);
        converse(lines, &mut out, Echo, beat).unwrap_or_else(|error| panic!("{error}"));
        let text = String::from_utf8(out).unwrap_or_else(|error| panic!("{error}"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}")))
            .collect()
    }

    fn one(message: &Value) -> Value {
        let mut all = talk(message.to_string().as_bytes());
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn the_handshake_agrees_on_a_revision() {
        for (asked, agreed) in [
            (json!("2025-06-18"), "2025-06-18"),
            (json!("2024-11-05"), "2024-11-05"),
            (json!("2099-01-01"), "2025-11-25"),
            (Value::Null, "2025-11-25"),
        ] {
            let answer = one(
                &json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": {"protocolVersion": asked}}),
            );
            assert_eq!(answer["id"], "a");
            assert_eq!(answer["result"]["protocolVersion"], agreed);
            assert_eq!(answer["result"]["serverInfo"]["name"], "echo");
            assert!(answer["result"]["capabilities"]["tools"].is_object());
        }
    }

    #[test]
    fn calls_are_answered_and_others_refused() {
        let call = |params: Value| {
            one(&json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}))
        };
        let answer = call(json!({"name": "echo", "arguments": {"a": [1]}}));
        assert_eq!(answer["result"], json!({"a": [1]}));
        for (params, code) in [
            (json!({"name": "nothing"}), code::ARGUMENTS),
            (json!({"arguments": {}}), code::ARGUMENTS),
            (json!({"name": "echo", "arguments": [1]}), code::ARGUMENTS),
            (json!([1]), code::ARGUMENTS),
        ] {
            assert_eq!(call(params)["error"]["code"], code);
        }
        let other = one(&json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}));
        assert_eq!(other["error"]["code"], code::METHOD);
        for (line, code) in [
            (&b"nonsense"[..], code::PARSE),
            (b"[]", code::REQUEST),
            (b"{\"id\": null, \"method\": \"ping\"}", code::REQUEST),
            (b"{\"id\": 1}", code::REQUEST),
            (&[b'['; 5000], code::PARSE),
            (&[b' ', 0xff, b'"'], code::PARSE),
        ] {
            let said = talk(line);
            assert_eq!(
                said.first().map(|one| &one["error"]["code"]),
                Some(&json!(code)),
                "{said:?}"
            );
        }
        let long = [
            vec![b'x'; 3 << 20],
            b"\n{\"id\":2,\"method\":\"ping\"}\n".to_vec(),
        ]
        .concat();
        let said = talk(&long);
        assert_eq!(said.len(), 2);
        assert_eq!(
            said.last(),
            Some(&json!({"jsonrpc": "2.0", "id": 2, "result": {}}))
        );
        assert!(
            talk(b"\n  \n{\"method\":\"notifications/initialized\"}\n{\"id\":1,\"result\":{}}\n")
                .is_empty()
        );
    }

    #[test]
    fn a_call_can_be_cancelled_and_gets_no_answer() {
        let lines = [
            json!({"id": 1, "method": "tools/call", "params": {"name": "wait"}}),
            json!({"id": 2, "method": "tools/call", "params": {"name": "echo"}}),
            json!({"id": 2, "method": "tools/call", "params": {"name": "echo"}}),
            json!({"id": 3, "method": "tools/call", "params": {"name": "echo"}}),
            json!({"id": 4, "method": "ping"}),
            json!({"method": "notifications/cancelled", "params": {"requestId": 2}}),
            json!({"method": "notifications/cancelled", "params": {"requestId": 1}}),
        ];
        let text: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let said = talk(text.concat().as_bytes());
        // A ping is answered although a call runs, a second call of an id is refused, and what was cancelled is silent.
        let [refused, ping, third] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_eq!(refused["error"]["code"], code::REQUEST);
        assert_eq!(*ping, json!({"jsonrpc": "2.0", "id": 4, "result": {}}));
        assert_eq!(*third, json!({"jsonrpc": "2.0", "id": 3, "result": {}}));
    }

    #[test]
    fn a_client_that_asks_is_told_that_a_call_goes_on() {
        let call = |meta: Value| json!({"id": 1, "method": "tools/call", "params": {"name": "slow", "_meta": meta}});
        let said = talk(call(json!({"progressToken": "t"})).to_string().as_bytes());
        let Some((answer, news)) = said.split_last() else {
            panic!("no answer");
        };
        assert_eq!(answer["result"], "done");
        assert!(!news.is_empty());
        let mut before = 0.0;
        for one in news {
            assert_eq!(one["method"], "notifications/progress");
            assert_eq!(one["params"]["progressToken"], "t");
            let now = one["params"]["progress"].as_f64().unwrap_or(0.0);
            assert!(now > before, "{news:?}");
            before = now;
        }
        // Nobody else is.
        for meta in [json!({}), json!({"progressToken": {"a": 1}}), Value::Null] {
            assert_eq!(talk(call(meta).to_string().as_bytes()).len(), 1);
        }
    }
}
