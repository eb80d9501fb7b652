//! The files of content and rules below a path: sorted, so that runs are alike.

use std::io;
use std::path::Path;

use crate::origin::ContentProblem;

/// Files larger than this are not content (16 MiB; the largest public lookup has 8 MB).
const MAX_FILE: u64 = 16 << 20;
/// Maximum depth of directories.
const MAX_DEPTH: usize = 16;

/// A file in memory.
pub(crate) struct File {
    /// As messages name it.
    pub path: String,
    /// Its bytes.
    pub text: Vec<u8>,
}

/// Whether a file is YAML, by its name.
pub(crate) fn is_yaml_name(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with(".yml") || name.ends_with(".yaml")
}

/// The files below a path whose names are `wanted`, without hidden ones and without what folders named in `ignored` hold.
/// A path that is a file is taken whatever its name. What cannot be read becomes a problem.
pub(crate) fn walk(
    path: &Path,
    ignored: &[&str],
    wanted: fn(&str) -> bool,
    problems: &mut Vec<ContentProblem>,
) -> Vec<File> {
    let mut walk = Walk {
        ignored,
        wanted,
        files: Vec::new(),
        problems,
    };
    walk.visit(path, 0);
    walk.files
}

struct Walk<'a> {
    ignored: &'a [&'a str],
    wanted: fn(&str) -> bool,
    files: Vec<File>,
    problems: &'a mut Vec<ContentProblem>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path, depth: usize) {
        if let Err(message) = self.try_visit(path, depth) {
            self.problem(path, message);
        }
    }

    fn problem(&mut self, path: &Path, message: String) {
        self.problems.push(ContentProblem {
            path: path.display().to_string(),
            line: None,
            column: None,
            message,
            fatal: true,
            detection: None,
        });
    }

    fn try_visit(&mut self, path: &Path, depth: usize) -> Result<(), String> {
        let unread = |error: io::Error| format!("cannot be read: {error}");
        let about = std::fs::metadata(path).map_err(unread)?;
        if !about.is_dir() {
            if about.len() > MAX_FILE {
                return Err(format!("larger than {MAX_FILE} bytes: left out"));
            }
            self.files.push(File {
                path: path.display().to_string(),
                text: std::fs::read(path).map_err(unread)?,
            });
            return Ok(());
        }
        let entries = std::fs::read_dir(path).map_err(unread)?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(unread)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) => {
                    self.problem(&entry.path(), unread(error));
                    continue;
                }
            };
            let chosen = if kind.is_dir() {
                depth < MAX_DEPTH && !self.ignored.contains(&name.as_ref())
            } else {
                // Links are not followed inside the given directory: they may be circular.
                !kind.is_symlink() && (self.wanted)(&name)
            };
            if chosen && !name.starts_with('.') {
                self.visit(&entry.path(), depth + 1);
            }
        }
        Ok(())
    }
}
