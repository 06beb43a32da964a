//! The project's commands as a library, so that tests can start what the commands start.

pub mod kafka;
