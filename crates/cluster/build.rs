//! Computes the build's id: a hash of the sources that give plans their meaning, and of the versions of dependencies.
//! Machines with the same id understand a plan alike, whatever their systems and compilers.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The crates in which plans are made, written, read and run.
const CRATES: [&str; 6] = ["vocabulary", "sources", "events", "store", "spl", "cluster"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_DISTRIBUTED").is_none() {
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("Cargo.lock")];
    for name in CRATES {
        let sources = root.join("crates").join(name).join("src");
        println!("cargo::rerun-if-changed={}", sources.display());
        walk(&sources, &mut files)?;
    }
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.lock").display()
    );
    let mut files: Vec<(String, PathBuf)> = files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap_or(&path);
            (name.to_string_lossy().replace('\\', "/"), path)
        })
        .collect();
    files.sort();
    // FNV-1a.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, path) in files {
        name.bytes().chain([0]).for_each(&mut add);
        // Line ends differ between checkouts.
        let bytes = fs::read(path)?.into_iter().filter(|byte| *byte != b'\r');
        bytes.chain([0]).for_each(&mut add);
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=CRABWALK_BUILD={version}-{hash:016x}");
    Ok(())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
