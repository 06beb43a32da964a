//! The `edgelog` command: one thin line of text around the library. The only place of the project with arguments and printed words.

mod commands;
mod decode;
mod failure;
mod fbs;
mod host;
mod intake;
mod json;
mod kafka_names;
mod live;
mod open;
mod reading;
mod render;
mod say;
mod schema;
mod ship;
mod stop;
mod time;
mod units;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// An event log for this machine: stores events durably in a folder, reads them back, ships them to Kafka
#[derive(Debug, Parser)]
#[command(name = "edgelog", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    /// The log's folder, which run, append and import create; tail, verify and info also read an image of a chip
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "EDGELOG_DIR",
        default_value = "./edgelog-data"
    )]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  edgelog run                                   store this machine's readings, once a second
  edgelog tail --follow                         watch them arrive, from another terminal
  echo 'door open' | edgelog append --topic door
  edgelog import machine.csv                    every row becomes an event
  edgelog tail --from earliest --json | jq .    everything, for scripts
  edgelog info                                  what is in the log
  edgelog run --kafka localhost:9092            store and ship
  edgelog schema check door.fbs door-new.fbs    do old and new programs understand each other?
  edgelog --dir chip.img verify                 an image pulled from a flash chip: verify, tail and info read it too

Exit codes:
  0    done
  1    failed, or `verify` found that records are missing, `tail --schema` that some are not what the schema says, or `schema check`
       that a schema does not conform; the reason is on standard error
  2    the command line was wrong, or `schema check` cannot read a schema
  130  Ctrl-C ended tail, verify or info; or a second one (or SIGTERM), more than a second after the first, ended another command
       at once: what that had synced is durable

One process owns a log (run, append, import, ship); any number of others may read it at the same time (tail, verify, info).";

#[derive(Debug, Subcommand)]
enum Command {
    Run(commands::run::Run),
    Append(commands::append::Append),
    Import(commands::import::Import),
    Ship(commands::ship::Ship),
    Tail(commands::tail::Tail),
    Verify(commands::verify::Verify),
    Info(commands::info::Info),
    Schema(commands::schema::Schema),
}

fn main() -> ExitCode {
    let Arguments { dir, command } = Arguments::parse();
    let done = match command {
        Command::Run(run) => run.execute(&dir),
        Command::Append(append) => append.execute(&dir),
        Command::Import(import) => import.execute(&dir),
        Command::Ship(ship) => ship.execute(&dir),
        Command::Tail(tail) => tail.execute(&dir),
        Command::Verify(verify) => verify.execute(&dir),
        Command::Info(info) => info.execute(&dir),
        Command::Schema(schema) => schema.execute(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // `edgelog tail | head` ends because its reader has seen enough.
        Err(error) if failure::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(&format!("edgelog: {}", failure::sentence(&error)));
            failure::exit_code(&error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense_to_its_parser() {
        Arguments::command().debug_assert();
    }
}
