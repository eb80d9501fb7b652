//! A bucket of object storage that speaks S3.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::http::Hyper;
use super::{Object, Objects, Part, Writers};
use crate::error::StoreError;

/// How a URL of a bucket begins.
pub(super) const SCHEME: &str = "s3://";
/// Bytes that are read from the end of a file when it is opened: small files, and what describes larger ones.
const TAIL: u64 = 64 << 10;
/// Minimum bytes of a request for part of a file.
const LEAST: u64 = 256 << 10;
/// Most files on their way at a time, in either direction.
const AT_ONCE: usize = 16;
/// How long a failing request is repeated.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a failing request is repeated.
const RETRIES: usize = 8;

/// A prefix of a bucket: `s3://BUCKET/PREFIX`. Region, credentials and another endpoint come from the environment, under
/// the names that Amazon's own tools use (`docs/store.md` lists them).
///
/// Files never change once they are written, and a commit is published under a name that must be new (`If-None-Match`).
/// So many machines can write at once without a lock.
#[derive(Debug)]
pub struct Bucket {
    storage: AmazonS3,
    prefix: String,
    /// Files on their way: a commit has one for each event type, and each takes as long as the network is far.
    sending: Mutex<VecDeque<Answer<()>>>,
}

/// A request that was sent.
type Answer<T> = mpsc::Receiver<Result<T, Error>>;

/// Runs requests. One for the process, because a runtime must not be dropped on a thread of another.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("object-storage")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

fn send<T: Send + 'static>(
    request: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> io::Result<Answer<T>> {
    let (tell, told) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // Nobody waits any more if that thread has ended.
        let _ = tell.send(request.await);
    });
    Ok(told)
}

/// Waits for the answer, on whatever thread this is.
fn received<T>(answer: &Answer<T>) -> io::Result<T> {
    let answer = answer.recv();
    let answer = answer.map_err(|_| io::Error::other("the request was given up"))?;
    answer.map_err(io_error)
}

fn wait<T: Send + 'static>(
    request: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> io::Result<T> {
    received(&send(request)?)
}

fn io_error(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

impl Bucket {
    /// The prefix at a URL, with the settings of the environment.
    ///
    /// # Errors
    /// If it is not of the form `s3://BUCKET/PREFIX`, or the settings do not fit together.
    pub fn at(url: &str) -> Result<Self, StoreError> {
        Self::with(
            url,
            std::env::vars_os().filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let is_own = name.starts_with("AWS_");
                Some((name, value.into_string().ok()?)).filter(|_| is_own)
            }),
        )
    }

    /// The prefix at a URL, with settings by their names in the environment. Those that mean nothing to it are ignored.
    ///
    /// # Errors
    /// Like [`at`](Self::at).
    pub fn with(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::Location {
            path: PathBuf::from(url),
            why,
        };
        let rest = url.strip_prefix(SCHEME).unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() {
            return Err(bad("name the bucket: s3://BUCKET/PREFIX".to_owned()));
        }
        Path::parse(prefix).map_err(|error| bad(error.to_string()))?;
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_retry(retry)
            .with_http_connector(Hyper);
        for (name, value) in settings {
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        let storage = builder
            .with_bucket_name(bucket)
            .build()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self {
            storage,
            prefix: prefix.to_owned(),
            sending: Mutex::default(),
        })
    }

    fn full(&self, path: &str) -> io::Result<Path> {
        let full = match (self.prefix.as_str(), path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        };
        Path::parse(full).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> io::Result<Answer<()>> {
        let (storage, path) = (self.storage.clone(), self.full(path)?);
        let bytes = Bytes::copy_from_slice(bytes);
        send(async move {
            let put = storage.put_opts(&path, bytes.into(), mode.into()).await;
            put.map(drop)
        })
    }
}

impl Objects for Bucket {
    fn make(&self) -> io::Result<bool> {
        let (storage, prefix) = (self.storage.clone(), self.full("")?);
        wait(async move {
            let mut there = storage.list(Some(&prefix));
            Ok(there.next().await.transpose()?.is_none())
        })
    }

    fn begin_writing(&self) -> io::Result<Writers> {
        Ok(Writers::Many)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        let (storage, folder) = (self.storage.clone(), self.full(folder)?);
        let found = wait(async move { storage.list(Some(&folder)).try_collect::<Vec<_>>().await })?;
        let mut all: Vec<Object> = found
            .into_iter()
            .filter_map(|meta| {
                let path = meta.location.as_ref().strip_prefix(&self.prefix)?;
                Some(Object {
                    path: path.trim_start_matches('/').to_owned(),
                    size: meta.size,
                    written: meta.last_modified.timestamp_micros(),
                })
            })
            .collect();
        all.sort();
        Ok(all)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Part>> {
        let (storage, path) = (self.storage.clone(), self.full(path)?);
        let own = path.clone();
        let (size, tail) = wait(async move {
            let options = GetOptions {
                range: Some(GetRange::Suffix(TAIL)),
                ..GetOptions::default()
            };
            let answer = storage.get_opts(&own, options).await?;
            Ok((answer.meta.size, answer.bytes().await?))
        })?;
        let start = size.saturating_sub(tail.len() as u64);
        Ok(Box::new(Remote {
            storage: self.storage.clone(),
            path,
            size,
            held: Mutex::new(BTreeMap::from([(start, tail)])),
        }))
    }

    fn open_known(&self, path: &str, size: u64) -> io::Result<Box<dyn Part>> {
        Ok(Box::new(Remote {
            storage: self.storage.clone(),
            path: self.full(path)?,
            size,
            held: Mutex::default(),
        }))
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        while sending.len() >= AT_ONCE
            && let Some(first) = sending.pop_front()
        {
            received(&first)?;
        }
        sending.push_back(self.put(path, bytes, PutMode::Overwrite)?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *sending);
        // All of them: nothing of a failed commit is to arrive after it was given up.
        let results: Vec<io::Result<()>> = all.iter().map(received).collect();
        results.into_iter().collect()
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        received(&self.put(path, bytes, PutMode::Create)?)
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        // It may be on its way. If it failed, that was told or will be.
        let _ = self.sync();
        let (storage, path) = (self.storage.clone(), self.full(path)?);
        match wait(async move { storage.delete(&path).await }) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A file in a bucket, and what was read of it.
struct Remote {
    storage: AmazonS3,
    path: Path,
    size: u64,
    /// By offset.
    held: Mutex<BTreeMap<u64, Bytes>>,
}

impl Remote {
    /// The part of what was read that covers a range.
    fn held(&self, range: &Range<u64>) -> Option<Bytes> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Some later one may be too short.
        held.range(..=range.start).rev().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start - start).ok()?;
            let to = usize::try_from(range.end - start).ok()?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }

    fn get(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let (storage, path) = (self.storage.clone(), self.path.clone());
        let asked = ranges.to_vec();
        let got = wait(async move { storage.get_ranges(&path, &asked).await })?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (range, bytes) in ranges.iter().zip(got) {
            held.insert(range.start, bytes);
        }
        Ok(())
    }
}

impl Part for Remote {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = offset..offset.saturating_add(buffer.len() as u64);
        if range.end > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = match self.held(&range) {
            Some(bytes) => bytes,
            None => {
                let end = range.end.max(range.start.saturating_add(LEAST));
                let more = range.start..end.min(self.size);
                self.get(std::slice::from_ref(&more))?;
                self.held(&range).ok_or(io::ErrorKind::UnexpectedEof)?
            }
        };
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn prepare(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let mut missing: Vec<Range<u64>> = ranges
            .iter()
            .filter(|range| range.end <= self.size && self.held(range).is_none())
            .cloned()
            .collect();
        missing.sort_by_key(|range| (range.start, range.end));
        // Columns that lie side by side are one request, and one piece in memory.
        let mut joined: Vec<Range<u64>> = Vec::new();
        for range in missing {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        match joined.is_empty() {
            true => Ok(()),
            false => self.get(&joined),
        }
    }
}
