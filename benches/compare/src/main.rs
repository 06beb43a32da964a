//! Prints the figures of a log on a host, one a line: `name = value`. `cargo xtask bench host` and `cargo xtask bench fanout` run it.

mod contest;
mod edgelog;
mod fanout;
mod host;
mod machine;
mod peers;
mod raw;
mod records;
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
    /// One turn of one subject
    #[command(hide = true)]
    Turn(turn::Turn),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Host(arguments) => host::print(&arguments),
        Command::Fanout(arguments) => fanout::print(&arguments),
        Command::Turn(turn) => turn::run(&turn),
    }
}
