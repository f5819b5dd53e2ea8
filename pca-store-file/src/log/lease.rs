//! Fair turns among those who want to write to a stream.
//!
//! One process writes to the log, so that turns among its tasks are all that is needed. Who asks first comes first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use pca_core::log::StreamId;

/// The streams that somebody has a turn at, each with those who wait for it.
#[derive(Default)]
pub(crate) struct Leases {
    queues: Mutex<HashMap<StreamId, VecDeque<oneshot::Sender<Turn>>>>,
}

impl Leases {
    /// Waits for a turn. Whoever stops waiting is passed over.
    pub(crate) async fn turn(self: &Arc<Self>, stream: &StreamId) -> Turn {
        loop {
            let mine = Turn { leases: Some(Arc::clone(self)), stream: stream.clone() };
            let (sender, receiver) = oneshot::channel();
            {
                let mut queues = self.queues();
                match queues.get_mut(stream) {
                    Some(queue) => queue.push_back(sender),
                    None => {
                        queues.insert(stream.clone(), VecDeque::new());
                        return mine;
                    }
                }
            }
            mine.forget();
            if let Ok(turn) = receiver.await {
                return turn;
            }
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<StreamId, VecDeque<oneshot::Sender<Turn>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(self: Arc<Self>, stream: &StreamId) {
        loop {
            let next = {
                let mut queues = self.queues();
                let next = queues.get_mut(stream).and_then(VecDeque::pop_front);
                if next.is_none() {
                    queues.remove(stream);
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn { leases: Some(Arc::clone(&self)), stream: stream.clone() }) {
                Ok(()) => return,
                Err(refused) => refused.forget(),
            }
        }
    }
}

/// A turn at a stream; passed on when dropped.
pub(crate) struct Turn {
    leases: Option<Arc<Leases>>,
    stream: StreamId,
}

impl Turn {
    /// Drops it without passing anything on.
    fn forget(mut self) {
        self.leases = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(leases) = self.leases.take() {
            leases.pass_on(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn turns_are_given_in_order_and_who_left_is_passed_over() {
        let leases = Arc::new(Leases::default());
        let stream = StreamId::parse("quota/a").unwrap();
        let Poll::Ready(first) = poll(pin!(leases.turn(&stream))) else { unreachable!("nobody has it") };
        let mut gone = Box::pin(leases.turn(&stream));
        assert!(poll(gone.as_mut()).is_pending());
        let mut second = pin!(leases.turn(&stream));
        assert!(poll(second.as_mut()).is_pending());
        let mut third = pin!(leases.turn(&stream));
        assert!(poll(third.as_mut()).is_pending());
        drop(gone);
        drop(first);
        assert!(poll(third.as_mut()).is_pending(), "the second comes first");
        let Poll::Ready(turn) = poll(second.as_mut()) else { unreachable!("it is its turn") };
        drop(turn);
        let Poll::Ready(turn) = poll(third.as_mut()) else { unreachable!("it is its turn") };
        drop(turn);
        assert!(leases.queues().is_empty(), "nothing is kept of a stream that nobody wants");
        let other = StreamId::parse("quota/b").unwrap();
        assert!(poll(pin!(leases.turn(&other))).is_ready());
    }
}
