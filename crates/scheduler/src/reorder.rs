//! [`Reorder`]: takes chunks as they come, gives them in the order of the grid.

use std::collections::VecDeque;

/// Holds what came early. As chunks are admitted in order and every one that is admitted ends here, it never holds
/// more than are in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reorder<T> {
    /// The chunk to give next, and what is held of those from it on.
    next: u64,
    held: VecDeque<Option<T>>,
}

impl<T> Reorder<T> {
    /// Nothing held; chunk `first` is given first.
    pub(crate) fn new(first: u64) -> Reorder<T> {
        Reorder { next: first, held: VecDeque::new() }
    }

    /// Takes a chunk that has not been given yet.
    pub(crate) fn put(&mut self, index: u64, item: T) {
        let at = (index - self.next) as usize;
        if at >= self.held.len() {
            self.held.resize_with(at + 1, || None);
        }
        self.held[at] = Some(item);
    }

    /// The next chunk in order, if it has come.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        let item = self.held.front_mut()?.take()?;
        self.held.pop_front();
        self.next += 1;
        Some((self.next - 1, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_order_whatever_order_they_come_in() {
        let mut reorder = Reorder::new(0);
        let mut out = Vec::new();
        for i in [2, 0, 1, 5, 4, 3] {
            reorder.put(i, i * 10);
            out.extend(std::iter::from_fn(|| reorder.pop()));
        }
        assert_eq!(out, [(0, 0), (1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]);
        assert_eq!(reorder.pop(), None);
    }
}
