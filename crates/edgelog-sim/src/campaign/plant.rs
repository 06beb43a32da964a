//! What an engine with a bug would have left on a medium after a cut.

use crate::headers::headers;
use crate::medium::SimMedium;
use crate::model::Model;
use crate::oracle::BUFFER;
use edgelog_core::{Event, Log};

/// All records but the first of the batch that was being appended stand where the batch should. `None` when there was none.
pub(super) fn headless_batch<M: SimMedium>(dark: &M, model: &Model) -> Option<M> {
    let [_, later @ ..] = &*model.in_flight else { return None };
    let medium = dark.restart(0);
    let mut log = Log::mount(medium.clone(), vec![0; BUFFER]).ok()?;
    log.set_full_policy(model.full.policy(log.cursors()));
    // What the cut left of the batch is in the way.
    if later.is_empty() || log.visible() != model.visible {
        return None;
    }
    for attempt in later {
        let content = &attempt.content;
        let topic = log.topics().iter().find(|topic| topic.id.get() == content.topic)?.id;
        let key = content.key.as_deref();
        let event = Event { topic, class: content.class, key, payload: &content.payload };
        log.append(&event, attempt.stamp.floor).ok()?;
    }
    log.sync().ok()?;
    Some(medium.restart(0))
}

/// The oldest segment is erased although it is still wanted. `None` when it is not.
pub(super) fn greedy_ring<M: SimMedium>(dark: &M, model: &Model) -> Option<M> {
    let mut medium = dark.restart(0);
    let headers = headers(&mut medium);
    let [oldest, next, ..] = *headers else { return None };
    if next.base_offset <= model.evictable {
        return None;
    }
    medium.erase(oldest.slot).ok()?;
    medium.sync().ok()?;
    Some(medium.restart(0))
}
