//! Stands in for a store: what its logs meet at is the log's own.

#[path = "../../../crates/edgelog/src/store/budget.rs"]
mod budget;
#[path = "models/store.rs"]
pub(crate) mod models;
#[path = "../../../crates/edgelog/src/store/room.rs"]
mod room;

pub(crate) use budget::Share;

use crate::sync::Arc;
use budget::Budget;
use room::Rooms;

#[derive(Debug)]
pub(crate) struct Shared {
    budget: Arc<Budget>,
    rooms: Rooms,
}
