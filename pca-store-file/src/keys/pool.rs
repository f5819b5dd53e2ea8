//! Threads that sign. Work waits in one queue, and each piece of work gets its turns: a thread takes a few items of the
//! first, and puts the rest at the end of the queue, so that one caller's thousands do not stand before another's one.
//!
//! A busy pool is not woken: a thread that ends one turn finds the next without sleeping. Answers travel by a channel
//! that knows no runtime.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;

/// A pool of threads; dropping it lets what was begun end, and joins them.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads.
    pub(super) fn start(name: &str, threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = (0..threads.max(1))
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::Builder::new().name(format!("{name}-{number}")).spawn(move || shared.work())
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shared, threads })
    }

    /// Applies a function to every input, `turn` of them at a time, and answers in order. The answer is lost if the
    /// function panics.
    pub(super) fn map<I, O, F>(&self, inputs: Vec<I>, turn: usize, apply: F) -> oneshot::Receiver<Vec<O>>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&I) -> O + Send + Sync + 'static,
    {
        let (done, answer) = oneshot::channel();
        if inputs.is_empty() {
            drop(done.send(Vec::new()));
            return answer;
        }
        let collected = Collected { parts: Vec::new(), missing: inputs.len(), done: Some(done) };
        let work = Mapped { inputs, turn: turn.max(1), apply, collected: Mutex::new(collected) };
        self.shared.push(Turn { work: Arc::new(work), next: 0 });
        answer
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.ready.notify_all();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    turns: VecDeque<Turn>,
    /// Threads that sleep.
    asleep: usize,
    /// Threads that sleep, but were already told to wake.
    called: usize,
    closed: bool,
}

impl Queue {
    /// Whether one more thread should be woken, which the caller then does.
    fn call_one(&mut self) -> bool {
        let call = !self.turns.is_empty() && self.asleep > self.called;
        self.called += usize::from(call);
        call
    }
}

struct Turn {
    work: Arc<dyn Work>,
    next: usize,
}

impl Shared {
    fn push(&self, turn: Turn) {
        let mut queue = lock(&self.queue);
        queue.turns.push_back(turn);
        let call = queue.call_one();
        drop(queue);
        if call {
            self.ready.notify_one();
        }
    }

    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            let Some(turn) = queue.turns.pop_front() else {
                if queue.closed {
                    return;
                }
                queue.asleep += 1;
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.asleep = queue.asleep.saturating_sub(1);
                queue.called = queue.called.saturating_sub(1);
                continue;
            };
            let (from, to) = (turn.next, turn.work.end_of_turn(turn.next));
            let work = Arc::clone(&turn.work);
            if to < work.len() {
                queue.turns.push_back(Turn { work: turn.work, next: to });
            }
            let call = queue.call_one();
            drop(queue);
            if call {
                self.ready.notify_one();
            }
            // A panic ends this piece of work (its answer is lost, which its caller sees), never the thread.
            drop(catch_unwind(AssertUnwindSafe(|| work.run(from, to))));
            drop(work);
            queue = lock(&self.queue);
        }
    }
}

trait Work: Send + Sync {
    fn len(&self) -> usize;
    fn end_of_turn(&self, from: usize) -> usize;
    fn run(&self, from: usize, to: usize);
}

struct Mapped<I, O, F> {
    inputs: Vec<I>,
    turn: usize,
    apply: F,
    collected: Mutex<Collected<O>>,
}

struct Collected<O> {
    parts: Vec<(usize, Vec<O>)>,
    missing: usize,
    done: Option<oneshot::Sender<Vec<O>>>,
}

impl<I, O, F> Work for Mapped<I, O, F>
where
    I: Send + Sync,
    O: Send,
    F: Fn(&I) -> O + Send + Sync,
{
    fn len(&self) -> usize {
        self.inputs.len()
    }

    fn end_of_turn(&self, from: usize) -> usize {
        from.saturating_add(self.turn).min(self.inputs.len())
    }

    fn run(&self, from: usize, to: usize) {
        let inputs = self.inputs.get(from..to).unwrap_or_default();
        if lock(&self.collected).done.as_ref().is_none_or(oneshot::Sender::is_canceled) {
            return; // Nobody waits any more.
        }
        let made: Vec<O> = inputs.iter().map(&self.apply).collect();
        let mut collected = lock(&self.collected);
        collected.missing = collected.missing.saturating_sub(made.len());
        collected.parts.push((from, made));
        if collected.missing > 0 {
            return;
        }
        let mut parts = std::mem::take(&mut collected.parts);
        let done = collected.done.take();
        drop(collected);
        parts.sort_unstable_by_key(|(from, _)| *from);
        let all = match parts.pop() {
            Some((0, only)) => only,
            Some(last) => parts.into_iter().chain([last]).flat_map(|(_, made)| made).collect(),
            None => Vec::new(),
        };
        if let Some(done) = done {
            drop(done.send(all));
        }
    }
}

/// Locks; what a panicking thread left is as good as any, because every change under these locks is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_inputs() {
        let pool = Pool::start("test", 3).unwrap();
        for len in [0, 1, 7, 8, 9, 1000] {
            let answer = pool.map((0..len).collect(), 8, |input: &usize| input * 2);
            assert_eq!(pollster::block_on(answer).unwrap(), (0..len).map(|input| input * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn many_callers_get_their_own_answers() {
        let pool = Pool::start("test", 2).unwrap();
        thread::scope(|scope| {
            for caller in 0..16 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..200 {
                        let answer = pool.map(vec![caller, round], 1, |input: &usize| *input);
                        assert_eq!(pollster::block_on(answer).unwrap(), [caller, round]);
                    }
                });
            }
        });
    }

    #[test]
    fn a_small_piece_of_work_does_not_wait_for_the_end_of_a_large_one() {
        let pool = Pool::start("test", 1).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let (begun, counter) = (Arc::new(Barrier::new(2)), Arc::clone(&done));
        let gate = Arc::clone(&begun);
        let large = pool.map((0..100_usize).collect(), 1, move |input| {
            if *input == 0 {
                gate.wait();
                gate.wait();
            }
            counter.fetch_add(1, Ordering::SeqCst)
        });
        begun.wait();
        let seen = Arc::clone(&done);
        let small = pool.map(vec![()], 1, move |()| seen.load(Ordering::SeqCst));
        begun.wait();
        assert!(pollster::block_on(small).unwrap().first().unwrap() < &100);
        assert_eq!(pollster::block_on(large).unwrap().len(), 100);
    }

    #[test]
    fn a_panic_loses_its_answer_and_nothing_else() {
        let pool = Pool::start("test", 1).unwrap();
        let lost = pool.map(vec![1], 1, |_: &i32| -> i32 { panic!("on purpose") });
        assert!(pollster::block_on(lost).is_err());
        assert_eq!(pollster::block_on(pool.map(vec![1], 1, |input: &i32| *input)).unwrap(), [1]);
    }

    #[test]
    fn what_was_begun_ends_before_the_pool_does() {
        let pool = Pool::start("test", 2).unwrap();
        let answer = pool.map((0..100_u32).collect(), 3, |input| *input);
        drop(pool);
        assert_eq!(pollster::block_on(answer).unwrap().len(), 100);
    }
}
