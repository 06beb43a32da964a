//! `edgelog schema`: how the schemas of events may change.

use crate::failure::Unreadable;
use crate::fbs::{conform, load};
use crate::say;
use crate::units::plural;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Tell whether a FlatBuffers schema changed so that old and new programs still understand each other, and which one an event has
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Schema {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    Check(Check),
    Fingerprint(Fingerprint),
}

/// Print the fingerprint that events carry which were written with a schema file
#[derive(Debug, Args)]
struct Fingerprint {
    /// The schema, byte for byte as the writer has it
    #[arg(value_name = "FILE.fbs")]
    file: PathBuf,
}

/// Say which changes between two schemas break old data or old readers
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Check {
    /// The schema that events were written by
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The schema that comes after it
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  edgelog schema check door.fbs door-new.fbs
  git show v1:door.fbs > old.fbs && edgelog schema check old.fbs door.fbs
  edgelog schema fingerprint door.fbs     the schema_fingerprint that `tail --schema` shows of events written with it

OLD and NEW are FILE.fbs, which needs flatc, or FILE.bfbs, which flatc made. What breaks somebody is a line that begins with `breaks`: where,
what, whom, and what to do instead. Lines that begin with `note` break nobody. What both sides understand, such as a new field, is not told.

Exit codes:
  0  NEW conforms to OLD
  1  it does not
  2  the command line was wrong, or a schema cannot be read; the reason is on standard error";

impl Schema {
    /// Needs no log.
    pub(crate) fn execute(self) -> anyhow::Result<()> {
        match self.command {
            SchemaCommand::Check(check) => check.execute(),
            SchemaCommand::Fingerprint(Fingerprint { file }) => {
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read {}", file.display()))
                    .context(Unreadable)?;
                say::result(&format!("{:016x}", edgelog::record::fingerprint(&text)))
            }
        }
    }
}

impl Check {
    fn execute(self) -> anyhow::Result<()> {
        let Self { old, new } = self;
        let read = |path| load(path).context(Unreadable);
        let changes = conform::compare(&read(&old)?, &read(&new)?);
        for change in &changes {
            let kind = if change.breaks { "breaks" } else { "note  " };
            say::result(&format!("{kind}  {}", change.told))?;
        }
        let (old, new) = (old.display(), new.display());
        match changes.iter().filter(|change| change.breaks).count() {
            0 => say::result(&format!("{new} conforms to {old}")),
            count => bail!("{new} does not conform to {old}: {}", plural(count as u64, "change")),
        }
    }
}
