//! Threads that sign. Work waits in one queue, and each piece of work gets its turns: a thread takes a few items of the
//! first, and puts the rest at the end of the queue, so that one caller's thousands do not stand before another's one.
//!
//! A busy pool is not woken: a thread that ends one turn finds the next without sleeping. Answers travel by a channel
//! that knows no runtime.
//!
//! Waking a thread and being woken by it costs as much as a fast signature. So small work may be *offered*: it is queued,
//! and its caller gives way once to whatever else its executor has to do. If the pool then has no other work of the same
//! calling thread, the caller takes its own back and does it itself. One caller alone, or many on threads of their own,
//! never sleep; many on one thread find the work of each other, and the pool does all of it on every core.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle, ThreadId};

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
        let (answer, work) = mapped(inputs, turn, apply);
        if let Some(work) = work {
            self.shared.push(work, None);
            self.shared.wake();
        }
        answer
    }

    /// As [`Pool::map`], for work of a few microseconds: done by the caller if nobody else has any.
    pub(super) async fn map_small<I, O, F>(&self, inputs: Vec<I>, apply: F) -> Result<Vec<O>, oneshot::Canceled>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&I) -> O + Send + Sync + 'static,
    {
        let (answer, work) = mapped(inputs, usize::MAX, apply);
        if let Some(work) = work {
            self.shared.push(Arc::clone(&work), Some(thread::current().id()));
            give_way().await;
            if self.shared.take_back(&work) {
                run(&*work, 0, work.len());
            } else {
                self.shared.wake();
            }
        }
        answer.await
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
    /// Whose work the threads are at.
    serving: Vec<Option<ThreadId>>,
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
    /// The thread that offered it.
    owner: Option<ThreadId>,
}

impl Shared {
    /// Queues work without waking a thread for it.
    fn push(&self, work: Arc<dyn Work>, owner: Option<ThreadId>) {
        lock(&self.queue).turns.push_back(Turn { work, next: 0, owner });
    }

    /// Wakes a thread if there is work and one that sleeps.
    fn wake(&self) {
        let call = lock(&self.queue).call_one();
        if call {
            self.ready.notify_one();
        }
    }

    /// Takes work out of the queue again, unless its owner has other work in the pool or it was begun.
    fn take_back(&self, work: &Arc<dyn Work>) -> bool {
        let mut queue = lock(&self.queue);
        let Some(at) = queue.turns.iter().position(|turn| Arc::ptr_eq(&turn.work, work)) else { return false };
        let owner = queue.turns.get(at).and_then(|turn| turn.owner);
        let others = queue.turns.iter().enumerate().any(|(other, turn)| other != at && turn.owner == owner);
        if others || queue.serving.contains(&owner) {
            return false;
        }
        queue.turns.remove(at).is_some()
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
            let (from, to, owner) = (turn.next, turn.work.end_of_turn(turn.next), turn.owner);
            let work = Arc::clone(&turn.work);
            if to < work.len() {
                queue.turns.push_back(Turn { next: to, ..turn });
            }
            queue.serving.push(owner);
            let call = queue.call_one();
            drop(queue);
            if call {
                self.ready.notify_one();
            }
            run(&*work, from, to);
            drop(work);
            queue = lock(&self.queue);
            if let Some(at) = queue.serving.iter().position(|served| *served == owner) {
                queue.serving.swap_remove(at);
            }
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

fn mapped<I, O, F>(inputs: Vec<I>, turn: usize, apply: F) -> (oneshot::Receiver<Vec<O>>, Option<Arc<dyn Work>>)
where
    I: Send + Sync + 'static,
    O: Send + 'static,
    F: Fn(&I) -> O + Send + Sync + 'static,
{
    let (done, answer) = oneshot::channel();
    if inputs.is_empty() {
        drop(done.send(Vec::new()));
        return (answer, None);
    }
    let collected = Collected { parts: Vec::new(), missing: inputs.len(), done: Some(done) };
    let work = Mapped { inputs, turn: turn.max(1), apply, collected: Mutex::new(collected) };
    (answer, Some(Arc::new(work)))
}

/// A panic ends a piece of work (its answer is lost, which its caller sees), never the thread.
fn run(work: &dyn Work, from: usize, to: usize) {
    drop(catch_unwind(AssertUnwindSafe(|| work.run(from, to))));
}

/// Lets an executor turn to its other tasks once.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
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
    fn small_work_is_done_by_one_caller_alone_and_by_the_pool_for_many_on_one_thread() {
        let pool = Pool::start("test", 2).unwrap();
        let here = |(): &()| thread::current().id();
        // A thread that has just been started looks for work before it sleeps, and may find the first piece.
        while lock(&pool.shared.queue).asleep < 2 {
            thread::yield_now();
        }
        for _ in 0..100 {
            assert_eq!(pollster::block_on(pool.map_small(vec![()], here)).unwrap(), [thread::current().id()]);
        }
        // Two tasks that are polled in turn by one thread.
        let mut one = Box::pin(pool.map_small(vec![()], here));
        let mut other = Box::pin(pool.map_small(vec![()], here));
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(one.as_mut().poll(context).is_pending() && other.as_mut().poll(context).is_pending());
        // The first sees the other's work beside its own, and wakes the pool.
        let done = match one.as_mut().poll(context) {
            Poll::Ready(done) => done,
            Poll::Pending => pollster::block_on(one),
        };
        assert_ne!(done.unwrap(), [thread::current().id()]);
        assert_eq!(pollster::block_on(other).unwrap().len(), 1);
    }

    #[test]
    fn offered_work_that_is_given_up_stops_nobody() {
        let pool = Pool::start("test", 1).unwrap();
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let mut given_up = Box::pin(pool.map_small(vec![1], |input: &i32| *input));
        assert!(given_up.as_mut().poll(context).is_pending());
        drop(given_up);
        assert_eq!(pollster::block_on(pool.map_small(vec![2], |input: &i32| *input)).unwrap(), [2]);
        assert_eq!(pollster::block_on(pool.map(vec![3], 1, |input: &i32| *input)).unwrap(), [3]);
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
