//! Stands in for the retention: everything is kept.

use crate::error::AppendError;
use crate::log::Engine;

#[derive(Debug, Default)]
pub(crate) struct Retention;

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    NowAndThen,
}

impl Retention {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as the log's own")]
    pub(crate) const fn trim_if(&self, _: &mut Engine, _: When) -> Result<(), AppendError> {
        Ok(())
    }
}
