//! Receipts: how whoever handed something in learns that its effects are durable.
//!
//! A request may become several batches. Each carries a clone of its receipt; the outbox settles a
//! clone when the journal position behind its batch is durable. When the last clone is gone, the
//! one who waits is told: durable if every clone was settled, otherwise not, so that he says so to
//! the sender, who tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// Travels with one batch of a request.
#[derive(Debug)]
pub struct Receipt {
    request: Arc<Request>,
}

#[derive(Debug)]
struct Request {
    /// Clones that were given out and not settled.
    open: AtomicU64,
    outcome: Option<oneshot::Sender<bool>>,
}

/// Waits for all receipts of a request: `true` when everything is durable.
pub type Outcome = oneshot::Receiver<bool>;

impl Receipt {
    /// The receipt of a request, and where its outcome comes out. Settle or drop this first clone
    /// too, after the last batch was handed in.
    #[must_use]
    pub fn new() -> (Self, Outcome) {
        let (sender, outcome) = oneshot::channel();
        let request = Request { open: AtomicU64::new(1), outcome: Some(sender) };
        (Self { request: Arc::new(request) }, outcome)
    }

    /// What it stands for is durable.
    pub fn settle(self) {
        self.request.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        self.request.open.fetch_add(1, Ordering::AcqRel);
        Self { request: Arc::clone(&self.request) }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let is_durable = self.open.load(Ordering::Acquire) == 0;
        if let Some(outcome) = self.outcome.take() {
            // Whoever asked may have gone away.
            let _ = outcome.send(is_durable);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_durable_when_every_batch_of_it_is() {
        let (receipt, mut outcome) = Receipt::new();
        let batches = [receipt.clone(), receipt.clone()];
        receipt.settle();
        let [first, second] = batches;
        first.settle();
        assert!(outcome.try_recv().is_err(), "one batch is still under way");
        second.settle();
        assert_eq!(outcome.try_recv(), Ok(true));
    }

    #[test]
    fn a_batch_that_was_lost_makes_the_request_fail() {
        let (receipt, mut outcome) = Receipt::new();
        let batches = [receipt.clone(), receipt.clone()];
        receipt.settle();
        let [first, second] = batches;
        first.settle();
        drop(second);
        assert_eq!(outcome.try_recv(), Ok(false));
    }
}
