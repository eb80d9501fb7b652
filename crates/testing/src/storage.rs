//! Object storage for tests: a server of Amazon's protocol that is not ours, and a bad network before it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::program::tool;

/// Serves object storage from memory until its input ends.
const SERVER: &str = "
import sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
boto3.client('s3', endpoint_url=f'http://127.0.0.1:{port}', region_name='us-east-1', aws_access_key_id='test',
             aws_secret_access_key='test').create_bucket(Bucket='logs')
print(port, flush=True)
sys.stdin.read()
";

/// A server with a bucket `logs`, stopped when it is dropped.
#[derive(Debug)]
pub struct ObjectStorage {
    child: Child,
    port: u16,
}

impl ObjectStorage {
    /// Starts it; `None` with a message where it is not installed.
    ///
    /// # Panics
    /// If it is installed and does not start.
    pub fn start() -> Option<Self> {
        let mut child = Command::new(tool("s3-server")?)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("s3-server: {error}"));
        let mut told = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut told);
        }
        let port = told.trim().parse();
        let port = port.unwrap_or_else(|_| panic!("s3-server does not start: {told}"));
        Some(Self { child, port })
    }

    /// Its port on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What whoever speaks to it has in the environment, through this port.
    pub fn settings(port: u16) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

impl Drop for ObjectStorage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A network that breaks off connections, before requests and in the middle of answers.
#[derive(Debug)]
pub struct BadNetwork {
    port: u16,
    broken: Arc<AtomicU64>,
}

impl BadNetwork {
    /// In front of a port of this machine. Of `of` connections one survives; the others break off after some bytes in
    /// one direction. A request arrives whole or not at all: the server used here takes half a file for a file, which no
    /// other does.
    ///
    /// # Panics
    /// If this machine has no port for it.
    pub fn before(port: u16, seed: u64, of: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|e| panic!("{e}"));
        let own = listener.local_addr().map_or(0, |address| address.port());
        let broken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&broken);
        thread::spawn(move || {
            let mut state = seed | 1;
            let mut random = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    return;
                };
                let (mut asked, mut answered) = (u64::MAX, u64::MAX);
                if !random().is_multiple_of(of) {
                    match random().is_multiple_of(2) {
                        true => asked = 1 + random() % (16 << 10),
                        false => answered = 1 + random() % (32 << 10),
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                if let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) {
                    thread::spawn(move || pass(from, to, asked, request, false));
                }
                thread::spawn(move || pass(server, client, answered, <[u8]>::len, true));
            }
        });
        Self { port: own, broken }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections it broke off, or would have if they had lasted.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Length of the whole request at the beginning of these bytes; 0 if it is not whole yet.
fn request(bytes: &[u8]) -> usize {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
        return 0;
    };
    let text = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).to_lowercase();
    let mut lengths = text.lines().filter_map(|line| {
        let value = line.strip_prefix("content-length:")?;
        value.trim().parse::<usize>().ok()
    });
    let length = head + 4 + lengths.next().unwrap_or(0);
    if length <= bytes.len() { length } else { 0 }
}

/// Passes on what comes, piece by piece, up to so many bytes; then both directions end. The last piece may be cut.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: u64, piece: fn(&[u8]) -> usize, cut: bool) {
    let (mut left, mut held) = (limit, Vec::new());
    let mut buffer = vec![0; 16 << 10];
    let mut step = || -> io::Result<bool> {
        let read = from.read(&mut buffer)?;
        held.extend_from_slice(buffer.get(..read).unwrap_or_default());
        loop {
            let whole = piece(&held);
            let passed = usize::try_from(left).map_or(whole, |left| whole.min(left));
            if whole == 0 {
                return Ok(read > 0);
            }
            if passed == whole || cut {
                to.write_all(held.get(..passed).unwrap_or_default())?;
            }
            if passed < whole {
                return Ok(false);
            }
            held.drain(..whole);
            left -= passed as u64;
        }
    };
    while matches!(step(), Ok(true)) {}
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
