//! Rebuilds the crate when the content that it embeds changes.

fn main() {
    println!("cargo:rerun-if-changed=../../content");
}
