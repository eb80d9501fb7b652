//! The `crabwalk` program.

mod args;
mod baseline;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod content;
mod content_test;
mod demo;
mod doctor;
mod dossier;
mod evaluate;
mod explain;
mod export;
mod hunt;
mod ingest;
mod input;
mod interrupt;
mod lab;
mod manual;
mod mcp;
mod outcome;
mod paths;
mod progress;
mod protocol;
mod search;
mod serve;
mod serve_config;
mod serve_demo;
mod store;
mod summary;
mod term;
mod ui;
mod units;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq(["hunt"]) {
        return commands::first_hunt();
    }
    let args = args::Args::parse();
    term::wish(args.color, !args.no_pager);
    commands::run(args)
}
