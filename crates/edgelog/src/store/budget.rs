//! Who has how many of the bytes that several logs share.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::collections::BTreeMap;

/// The bytes of one store.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    accounts: Mutex<BTreeMap<String, Account>>,
}

/// What one log has of them.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// The lengths of its segment files.
    files: u64,
    /// What is kept for its next file.
    kept: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, accounts: Mutex::default() }
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// The lengths of all segment files, by log.
    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        self.accounts().iter().map(|(name, account)| (name.clone(), account.files)).collect()
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        // Each change is one assignment, so nobody's panic leaves half of one.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One log's part in a budget. Clones are handles of the same. It is asked with a log's lock held and takes no other.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    name: Arc<String>,
    refusals: Arc<AtomicU64>,
}

impl Share {
    pub(crate) fn new(budget: &Arc<Budget>, name: &str) -> Self {
        let (budget, name) = (Arc::clone(budget), Arc::new(name.to_owned()));
        Self { budget, name, refusals: Arc::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The log's files were counted.
    pub(crate) fn set_files(&self, bytes: u64) {
        self.account(|account| account.files = bytes);
    }

    /// Keeps `bytes` for the log's next file, unless they are kept already; false when the others have left too little.
    pub(crate) fn claim(&self, bytes: u64) -> bool {
        let mut accounts = self.budget.accounts();
        let used: u64 = accounts.values().map(|account| account.files + account.kept).sum();
        let kept = accounts.get(self.name()).map_or(0, |account| account.kept);
        let more = bytes.saturating_sub(kept);
        if more > self.budget.limit.saturating_sub(used) && more > 0 {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        accounts.entry(self.name().to_owned()).or_default().kept += more;
        true
    }

    /// A file came into being out of what was kept for it.
    pub(crate) fn made(&self, bytes: u64) {
        self.account(|account| {
            account.kept = account.kept.saturating_sub(bytes);
            account.files += bytes;
        });
    }

    /// There are more bytes, which nobody was asked for.
    pub(crate) fn grew(&self, bytes: u64) {
        self.account(|account| account.files += bytes);
    }

    /// A file is gone.
    pub(crate) fn gone(&self, bytes: u64) {
        self.account(|account| account.files = account.files.saturating_sub(bytes));
    }

    /// The log is closed: nothing is kept for it.
    pub(crate) fn let_go(&self) {
        self.account(|account| account.kept = 0);
    }

    /// How often the log was told that there is too little. Whoever is refused something can tell by it whether that was why.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    fn account(&self, change: impl FnOnce(&mut Account)) {
        change(self.budget.accounts().entry(self.name().to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_log_keeps_the_others_do_not_get_and_a_file_is_counted_once() {
        let budget = Arc::new(Budget::new(100));
        let (a, b) = (Share::new(&budget, "a"), Share::new(&budget, "b"));
        b.set_files(50);
        assert!(a.claim(40) && a.claim(40), "twice is once");
        assert!(!b.claim(20) && b.claim(10));
        assert_eq!((a.refusals(), b.refusals()), (0, 1));
        a.made(40);
        assert_eq!(budget.files(), [("a".to_owned(), 40), ("b".to_owned(), 50)]);
        assert!(!a.claim(1));
        b.let_go();
        assert!(a.claim(10));
        b.gone(50);
        assert!(b.claim(50) && !b.claim(51));
    }
}
