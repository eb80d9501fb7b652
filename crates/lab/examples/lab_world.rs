//! Makes a world: `cargo run -p crabwalk-lab --example lab_world -- DIRECTORY [EVTX_BYTES]`.

use crabwalk_lab::{Options, build};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("give the directory to write to")?;
    let target_bytes = arguments.next().map(|bytes| bytes.parse()).transpose()?;
    let truth = build(
        &Options {
            target_bytes,
            ..Options::default()
        },
        directory.as_ref(),
    )?;
    println!(
        "{} events, {} bytes of EVTX, {} hops",
        truth.events,
        truth.evtx_bytes,
        truth.hops().count()
    );
    Ok(())
}
