//! Parses the command line and runs the command.

use std::process::ExitCode;

use clap::Parser;
use doorstep::{cli::Cli, commands, memory, turns};

fn main() -> ExitCode {
    let cli = Cli::parse();
    memory::share_heaps();
    turns::be_short();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => commands::failed(&error),
    }
}
