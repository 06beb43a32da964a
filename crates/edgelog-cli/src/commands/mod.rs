//! One module a command: its arguments, its help, and what it does.

pub(crate) mod append;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod ship;
pub(crate) mod tail;
pub(crate) mod verify;
