//! [`Budget`] and [`Permit`]: the memory budget as a type. Memory is reserved before it is allocated.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{CancelToken, Error, Result};

/// A number of bytes that all parts of a run share. Clones share the same bytes.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: u64,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug)]
struct State {
    free: u64,
    most_used: u64,
}

/// Bytes taken from a [`Budget`]; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    bytes: u64,
    budget: Budget,
}

impl Budget {
    /// A budget of that many bytes.
    pub fn new(bytes: u64) -> Budget {
        let state = Mutex::new(State { free: bytes, most_used: 0 });
        Budget(Arc::new(Inner { total: bytes, state, returned: Condvar::new() }))
    }

    /// All bytes, taken or not.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// Bytes not taken now.
    pub fn free(&self) -> u64 {
        self.lock().free
    }

    /// The most bytes that were ever taken at once.
    pub fn most_used(&self) -> u64 {
        self.lock().most_used
    }

    /// Takes bytes if they are free now.
    pub fn try_take(&self, bytes: u64) -> Option<Permit> {
        self.take_from(&mut self.lock(), bytes)
    }

    /// Takes bytes, waiting until they are free.
    ///
    /// # Errors
    /// [`Error::Budget`] where the whole budget is smaller; [`Error::Cancelled`] once `cancel` is set and
    /// [`wake`](Budget::wake) was called or a permit came back.
    pub fn take(&self, bytes: u64, cancel: &CancelToken) -> Result<Permit> {
        if bytes > self.0.total {
            return Err(Error::Budget { needed: bytes, budget: self.0.total });
        }
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if let Some(permit) = self.take_from(&mut state, bytes) {
                return Ok(permit);
            }
            state = self.0.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes whoever waits in [`take`](Budget::take), to look at its cancel token.
    pub fn wake(&self) {
        drop(self.lock());
        self.0.returned.notify_all();
    }

    fn take_from(&self, state: &mut State, bytes: u64) -> Option<Permit> {
        state.free = state.free.checked_sub(bytes)?;
        state.most_used = state.most_used.max(self.0.total - state.free);
        Some(Permit { bytes, budget: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Bytes that this permit holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.lock().free += self.bytes;
        self.budget.0.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_when_a_permit_is_dropped() {
        let budget = Budget::new(10);
        let a = budget.try_take(6).unwrap();
        assert!(budget.try_take(5).is_none());
        drop(a);
        assert!(budget.try_take(10).is_some());
        assert_eq!((budget.free(), budget.most_used()), (10, 10));
    }

    #[test]
    fn what_can_never_fit_is_refused_at_once() {
        let cancel = CancelToken::new();
        assert!(matches!(Budget::new(10).take(11, &cancel), Err(Error::Budget { needed: 11, budget: 10 })));
    }

    #[test]
    fn a_waiter_gets_what_is_returned_and_hears_a_cancel() {
        let (budget, cancel) = (Budget::new(10), CancelToken::new());
        let held = budget.try_take(10).unwrap();
        std::thread::scope(|s| {
            let waiter = s.spawn(|| budget.take(4, &cancel).map(|p| p.bytes()));
            drop(held);
            assert_eq!(waiter.join().unwrap().unwrap(), 4);
            let _held = budget.try_take(10).unwrap();
            let waiter = s.spawn(|| budget.take(4, &cancel).map(|p| p.bytes()));
            cancel.cancel(2);
            budget.wake();
            assert!(matches!(waiter.join().unwrap(), Err(Error::Cancelled)));
        });
    }
}
