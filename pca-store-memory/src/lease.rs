//! Turns at streams, strictly first come, first served.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;
use pca_core::log::{StoreError, StreamId};

/// Who waits for a turn at which stream. A stream is here while its turn is taken.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: Mutex<HashMap<StreamId, VecDeque<oneshot::Sender<Turn>>>>,
}

/// A turn at a stream; dropped, it goes to whoever has waited longest.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Absent once the turn was passed on.
    turns: Option<Arc<Turns>>,
    stream: StreamId,
}

impl Turns {
    /// Waits for a turn. A future that is dropped gives up its place, and a turn that reached it moves on.
    pub(crate) async fn take(self: &Arc<Self>, stream: &StreamId) -> Result<Turn, StoreError> {
        let turn = {
            let mut waiting = self.lock();
            match waiting.get_mut(stream) {
                None => {
                    waiting.insert(stream.clone(), VecDeque::new());
                    return Ok(self.turn(stream));
                }
                Some(queue) => {
                    let (sender, receiver) = oneshot::channel();
                    queue.retain(|waiter| !waiter.is_canceled());
                    queue.push_back(sender);
                    receiver
                }
            }
        };
        turn.await.map_err(|_| StoreError::Closed { reason: "the turn at the stream was given up".into() })
    }

    fn turn(self: &Arc<Self>, stream: &StreamId) -> Turn {
        Turn { turns: Some(Arc::clone(self)), stream: stream.clone() }
    }

    /// The next in the queue; without one, the stream is free.
    fn next(&self, stream: &StreamId) -> Option<oneshot::Sender<Turn>> {
        let mut waiting = self.lock();
        let next = waiting.get_mut(stream).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.remove(stream);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, VecDeque<oneshot::Sender<Turn>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        while let Some(waiter) = turns.next(&self.stream) {
            match waiter.send(turns.turn(&self.stream)) {
                Ok(()) => return,
                // Nobody waits there any more: this turn is not to be passed on by its own drop.
                Err(mut refused) => refused.turns = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_kept_of_a_stream_whose_turn_is_free() {
        let turns = Arc::new(Turns::default());
        let stream = StreamId::parse("a").unwrap();
        let turn = pollster::block_on(turns.take(&stream)).unwrap();
        assert_eq!(turns.lock().len(), 1);
        drop(turn);
        assert!(turns.lock().is_empty());
    }
}
