//! The real binary, as a person or a script runs it: what it prints, what it stores, and how it ends.

mod append;
mod conform;
mod damage;
mod decode;
mod image;
mod import;
mod places;
mod run;
mod schema;
mod ship;
mod stop;
mod store;
mod support;
mod tail;
mod usage;
