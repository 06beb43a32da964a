//! The project's commands as a library, so that tests can start what the commands start.

pub mod bench;
pub mod cargo;
pub mod chaos;
pub mod ci;
pub mod crash;
pub mod firmware;
pub mod fuzz;
pub mod kafka;
pub mod models;
pub mod test;
pub mod tools;
