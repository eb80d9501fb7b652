//! Puts the built front end (`ui/dist`, made by `make ui`) into the crate. Without it, there is no HTML report.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let ui = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../ui");
    let dist = ui.join("dist");
    let files = ["report.js", "report.css", "THIRD-PARTY.md"].map(|name| dist.join(name));
    let built = files.iter().all(|file| file.is_file());
    if built {
        println!("cargo:rerun-if-changed={}", dist.display());
    } else if ui.is_dir() {
        // A folder that is not there counts as changed each time; its parent changes when it is made.
        println!("cargo:rerun-if-changed={}", ui.display());
    }
    let quoted = |file: &Path| format!("include_str!({:?})", file.display().to_string());
    let [script, style, licences] = &files;
    let value = if built {
        format!(
            "Some(FrontEnd {{ script: {}, style: {}, licences: {} }})",
            quoted(script),
            quoted(style),
            quoted(licences)
        )
    } else {
        "None".to_owned()
    };
    let out = PathBuf::from(env::var("OUT_DIR")?).join("front_end.rs");
    fs::write(
        out,
        format!(
            "/// The front end, if it was built before the program.\nconst FRONT_END: Option<FrontEnd> = {value};\n"
        ),
    )?;
    Ok(())
}
