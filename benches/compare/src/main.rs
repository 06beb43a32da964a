//! Prints the figures of a log on a host, one a line: `name = value`. `cargo xtask bench host`, `fanout` and `rest` run it.

mod contest;
mod edgelog;
mod fanout;
mod host;
mod machine;
mod peers;
mod raw;
mod records;
mod rest;
mod stats;
mod store;
mod turn;

use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Appending, syncing, reading, opening: beside plain loops and other libraries
    Host(host::Arguments),
    /// One producer and many consumers in a process: beside channels
    Fanout(fanout::Arguments),
    /// Segments that are kept compressed: beside mapped ones
    Rest(rest::Arguments),
    /// One turn of one subject
    #[command(hide = true)]
    Turn(turn::Turn),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Host(arguments) => host::print(&arguments),
        Command::Fanout(arguments) => fanout::print(&arguments),
        Command::Rest(arguments) => rest::print(&arguments),
        Command::Turn(turn) => turn::run(&turn),
    }
}
