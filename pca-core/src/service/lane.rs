//! The hot path: many callers issuing from one CA (architecture, *lanes and trains*).
//!
//! Each caller decides on the newest view in order to learn what must be signed, has it signed, and hands both to the
//! CA's lane. In the lane the requests are decided again, in order of arrival, on the *speculative* state: the durable
//! one plus what the lane has sent but not been answered. What needs the same signature keeps it; the rest goes back.
//! One train is in flight; the next is decided meanwhile.
//!
//! A lane has no thread and no task: whoever waits for an answer drives it, one at a time. The train in flight belongs to
//! the lane, so that a caller who leaves cancels nothing, and the next waiter goes on.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context as TaskContext, Poll, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_lock::Mutex as AsyncMutex;
use futures_channel::oneshot;
use futures_util::future::{self, Either};

use crate::domain::certificate::IssueCertificate;
use crate::domain::event::Event;
use crate::domain::{Command, Context, Desk, Evidence, Halt, Need, Plan, Refusal, State, ToSign, stream};
use crate::keys::Signature;
use crate::log::{Commit, EventData, Metadata, Position, Receipt, Revision, StoreError, StreamId, World};
use crate::ports::Lease;

use super::execute::{Identity, reused};
use super::{Error, Inner, time};

/// The most commits in a train.
const TRAIN: usize = 1024;
/// For how many trains a lane takes turns by lease after it met somebody else's commit.
const TURNS: u32 = 16;
/// How many streams of single requests the speculative state keeps before it forgets those of trains that have landed.
const TRANSIENTS: usize = 4096;

/// A request on its way through the lane.
pub(super) struct Entry {
    pub(super) request: IssueCertificate,
    pub(super) identity: Identity,
    pub(super) context: Context,
    pub(super) metadata: Metadata,
    pub(super) evidence: Evidence,
    /// Streams of this request alone, such as that of its key.
    pub(super) beside: World<State>,
    pub(super) signed: Vec<(ToSign, Signature)>,
}

/// What the lane answers.
pub(super) enum Reply {
    /// Durable.
    Landed { entry: Box<Entry>, events: Vec<Event>, receipt: Receipt },
    /// It was done before.
    Repeated(Receipt),
    /// Something is needed first, or what was signed fits no more: prepare it again.
    Again { entry: Box<Entry>, why: Again },
    /// The rules say no, on durable state.
    Refused(Refusal),
    /// Trouble.
    Failed(Error),
}

/// Why a request goes back to its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It must be signed, or signed anew.
    Sign,
    /// Something must be fetched.
    Fetch(Need),
    /// The serial number is taken: draw another.
    Redraw,
    /// What was read of its own streams has moved: read it anew.
    Reload,
    /// The decision has become too old (rule L9).
    Stale,
}

type Waiting = (Box<Entry>, oneshot::Sender<Reply>);
type Answers = Vec<Result<Receipt, StoreError>>;

pub(super) struct Lane {
    /// The streams that all requests share, as of the newest train.
    view: RwLock<Arc<World<State>>>,
    arrivals: Mutex<Arrivals>,
    driver: AsyncMutex<Driver>,
}

#[derive(Default)]
struct Arrivals {
    waiting: VecDeque<Waiting>,
    /// The driver, while it sleeps.
    driver: Option<Waker>,
}

#[derive(Default)]
struct Driver {
    /// What is known to be durable of the shared streams.
    durable: World<State>,
    /// The same plus what is in flight and what is next.
    speculative: World<State>,
    flight: Option<Flight>,
    next: Vec<Member>,
    /// Decided for a refusal on speculative state: to be decided again on durable state.
    doubtful: VecDeque<Waiting>,
    /// To be decided again, in this order, once the durable state has been read.
    again: VecDeque<Waiting>,
    /// Whether the speculative state is to be thrown away.
    lost: bool,
    turns: u32,
}

/// A request that was decided into a commit.
struct Member {
    waiting: Waiting,
    events: Vec<Event>,
    commit: Commit,
}

struct Flight {
    answers: Pin<Box<dyn Future<Output = Answers> + Send>>,
    members: Vec<(Waiting, Vec<Event>)>,
    turn: Option<Lease>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { view: RwLock::default(), arrivals: Mutex::default(), driver: AsyncMutex::default() }
    }

    /// The newest view of the shared streams.
    pub(super) fn view(&self) -> Arc<World<State>> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a stream is one of those that all requests of a lane share.
    pub(super) fn shares(stream: &StreamId) -> bool {
        matches!(stream.category(), "enterprise" | "policy" | "ca" | "quota")
    }

    /// Loads a shared stream, unless it is here.
    pub(super) async fn load(&self, inner: &Inner, stream: &StreamId) -> Result<(), Error> {
        let mut driver = self.driver.lock().await;
        if driver.durable.revision(stream).is_none() {
            let known = inner.known(stream);
            let revision = known.as_ref().map_or_else(Default::default, |(revision, _)| *revision);
            let read = inner.store.read(&[(stream.clone(), revision)], Position::MAX).await?;
            let mut loaded = World::default();
            if let Some((revision, fold)) = known {
                loaded.insert(stream.clone(), revision, fold);
            }
            for slice in &read.streams {
                loaded.apply(slice)?;
            }
            inner.learn(&loaded, stream);
            if let Some((revision, fold)) = loaded.share(stream) {
                driver.durable.insert(stream.clone(), revision, Arc::clone(&fold));
                driver.speculative.insert(stream.clone(), revision, fold);
            }
        }
        self.publish(&driver);
        Ok(())
    }

    /// Hands a request to the lane.
    pub(super) fn submit(&self, entry: Box<Entry>) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        let driver = {
            let mut arrivals = self.arrivals();
            arrivals.waiting.push_back((entry, sender));
            arrivals.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        receiver
    }

    /// Waits for something that the lane will bring about, driving the lane while nobody else does.
    pub(super) async fn wait<F: Future>(&self, inner: &Inner, wanted: F) -> F::Output {
        let _leaving = Leaving { lane: self };
        let mut wanted = pin!(wanted);
        match future::select(wanted.as_mut(), pin!(self.driver.lock())).await {
            Either::Left((done, _)) => done,
            Either::Right((mut driver, _)) => driver.drive(self, inner, wanted).await,
        }
    }

    fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, driver: &Driver) {
        let mut view = World::default();
        for (stream, _) in driver.durable.revisions() {
            if let Some((revision, fold)) = driver.speculative.share(&stream) {
                view.insert(stream, revision, fold);
            }
        }
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }
}

/// Whoever stops waiting looks whether a turn is held for a train that nobody waits for, and gives it back: other
/// processes' lanes would wait for it in vain.
struct Leaving<'a> {
    lane: &'a Lane,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(mut driver) = self.lane.driver.try_lock()
            && let Some(flight) = &mut driver.flight
            && flight.members.iter().all(|((_, reply), _)| reply.is_canceled())
        {
            flight.turn = None;
        }
    }
}

/// What woke the driver.
enum Woken<T> {
    Wanted(T),
    Answered(Answers),
    Arrived,
}

impl Driver {
    /// Drives the lane until `wanted` is there. Whatever is under way stays in `self` when this future is dropped.
    async fn drive<F: Future>(&mut self, lane: &Lane, inner: &Inner, mut wanted: Pin<&mut F>) -> F::Output {
        loop {
            if let Err(error) = self.advance(lane, inner).await {
                self.fail(&error);
            }
            let woken = future::poll_fn(|task| self.poll(lane, wanted.as_mut(), task)).await;
            match woken {
                Woken::Wanted(done) => return done,
                Woken::Answered(answers) => self.settle(answers),
                Woken::Arrived => {}
            }
        }
    }

    fn poll<F: Future>(
        &mut self,
        lane: &Lane,
        wanted: Pin<&mut F>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Woken<F::Output>> {
        if let Some(flight) = &mut self.flight
            && let Poll::Ready(answers) = flight.answers.as_mut().poll(task)
        {
            return Poll::Ready(Woken::Answered(answers));
        }
        if let Poll::Ready(done) = wanted.poll(task) {
            return Poll::Ready(Woken::Wanted(done));
        }
        let mut arrivals = lane.arrivals();
        if arrivals.waiting.is_empty() || self.next.len() >= TRAIN {
            arrivals.driver = Some(task.waker().clone());
            Poll::Pending
        } else {
            Poll::Ready(Woken::Arrived)
        }
    }

    /// Decides what has arrived and, if no train is in flight, sends the next.
    async fn advance(&mut self, lane: &Lane, inner: &Inner) -> Result<(), Error> {
        self.take_arrivals(lane, inner);
        while self.flight.is_none() {
            if self.lost || !self.doubtful.is_empty() || !self.again.is_empty() {
                self.catch_up(inner).await?;
                self.decide_again(inner);
            }
            if self.next.is_empty() {
                break;
            }
            let turn = if self.turns > 0 { self.take_turn(inner).await? } else { None };
            if !self.next.is_empty() {
                self.depart(inner, turn);
            }
            self.take_arrivals(lane, inner);
        }
        lane.publish(self);
        Ok(())
    }

    fn take_arrivals(&mut self, lane: &Lane, inner: &Inner) {
        while self.next.len() < TRAIN {
            let Some(waiting) = lane.arrivals().waiting.pop_front() else { break };
            if self.lost {
                self.again.push_back(waiting);
                break;
            }
            self.decide(waiting, inner);
        }
    }

    /// Waits for this lane's turn among all who write to the CA, and decides again on what the others have left.
    async fn take_turn(&mut self, inner: &Inner) -> Result<Option<Lease>, Error> {
        let Some(member) = self.next.first() else { return Ok(None) };
        let quota = stream::quota(&member.waiting.0.request.ca);
        let turn = inner.store.lease(&quota).await?;
        self.turns = self.turns.saturating_sub(1);
        if self.catch_up(inner).await? {
            self.recall();
            self.decide_again(inner);
        }
        Ok(Some(turn))
    }

    /// Reads what others have written to the shared streams; tells whether anything moved. Only while nothing is in
    /// flight.
    async fn catch_up(&mut self, inner: &Inner) -> Result<bool, Error> {
        let read = inner.store.read(&self.durable.revisions(), Position::MAX).await?;
        let moved = read.streams.iter().any(|slice| !slice.events.is_empty());
        for slice in &read.streams {
            self.durable.apply(slice)?;
        }
        if moved || self.lost {
            self.recall();
            self.speculative = self.durable.clone();
            self.lost = false;
        }
        Ok(moved)
    }

    /// Puts what was decided but not sent back in front of what is to be decided again.
    fn recall(&mut self) {
        for member in self.next.drain(..).rev() {
            self.again.push_front(member.waiting);
        }
    }

    /// Decides what waits for that. The durable state has just been read: a refusal on it may be told.
    fn decide_again(&mut self, inner: &Inner) {
        for waiting in core::mem::take(&mut self.again) {
            self.decide(waiting, inner);
        }
        for (entry, reply) in core::mem::take(&mut self.doubtful) {
            let outcome = decide(&self.durable, &entry).0;
            match outcome {
                Err(Halt::Refused(refusal)) => tell(reply, Reply::Refused(refusal)),
                _ => {
                    if self.next.is_empty() {
                        self.speculative = self.durable.clone();
                    }
                    self.decide((entry, reply), inner);
                }
            }
        }
    }

    /// Decides a request on the speculative state.
    fn decide(&mut self, waiting: Waiting, inner: &Inner) {
        let (entry, reply) = waiting;
        let (decided, guards) = decide(&self.speculative, &entry);
        let plan = match decided {
            Ok(plan) => plan,
            Err(Halt::Refused(_)) => return self.doubtful.push_back((entry, reply)),
            Err(Halt::Needs(need)) => return tell(reply, Reply::Again { entry, why: Again::Fetch(need) }),
        };
        let same = plan.to_sign().len() == entry.signed.len()
            && plan
                .to_sign()
                .iter()
                .zip(&entry.signed)
                .all(|(now, (then, _))| now.key == then.key && now.tbs == then.tbs);
        if !same {
            return tell(reply, Reply::Again { entry, why: Again::Sign });
        }
        let signatures: Vec<Signature> = entry.signed.iter().map(|(_, signature)| signature.clone()).collect();
        let events = plan.complete(&signatures);
        let encoded: Result<Vec<_>, _> = events.iter().map(EventData::encode).collect();
        let commit = encoded.map_err(Error::from).and_then(|encoded| {
            let Identity { commit, request } = entry.identity;
            Commit::new(commit, request, entry.metadata.clone(), guards, &encoded).map_err(Error::from)
        });
        let commit = match commit {
            Ok(commit) if commit.body().len() <= inner.store.limits().largest_commit => commit,
            Ok(commit) => {
                let (octets, limit) = (commit.body().len(), inner.store.limits().largest_commit);
                return tell(reply, Reply::Failed(StoreError::TooLarge { octets, limit }.into()));
            }
            Err(error) => return tell(reply, Reply::Failed(error)),
        };
        for stream in events.iter().flat_map(EventData::streams) {
            if self.speculative.revision(&stream).is_none()
                && let Some((revision, fold)) = entry.beside.share(&stream)
            {
                self.speculative.insert(stream, revision, fold);
            }
        }
        self.speculative.speculate(&events, &entry.metadata, entry.metadata.decided_at);
        self.next.push(Member { waiting: (entry, reply), events, commit });
    }

    /// Sends the next train.
    fn depart(&mut self, inner: &Inner, turn: Option<Lease>) {
        let store = Arc::clone(&inner.store);
        let mut train = Vec::with_capacity(self.next.len());
        let mut members = Vec::with_capacity(self.next.len());
        for member in self.next.drain(..) {
            train.push(member.commit);
            members.push((member.waiting, member.events));
        }
        let answers = Box::pin(async move { store.commit(train).await });
        self.flight = Some(Flight { answers, members, turn });
    }

    /// Takes a train's answers in.
    fn settle(&mut self, answers: Answers) {
        let Some(Flight { members, turn, .. }) = self.flight.take() else { return };
        let mut answers = answers.into_iter();
        let mut trouble: Option<Error> = None;
        let mut returned = VecDeque::new();
        for ((entry, reply), events) in members {
            match answers.next().unwrap_or(Err(StoreError::NotTried)) {
                Ok(receipt) => {
                    self.durable.speculate(&events, &entry.metadata, receipt.time);
                    tell(reply, Reply::Landed { entry, events, receipt });
                }
                Err(failure) => {
                    self.lost = true;
                    match failure {
                        StoreError::NotTried => match &trouble {
                            Some(trouble) => tell(reply, Reply::Failed(trouble.clone())),
                            None => returned.push_back((entry, reply)),
                        },
                        StoreError::Repeated(receipt) => tell(reply, Reply::Repeated(receipt)),
                        StoreError::Conflict { stream, .. } if Lane::shares(&stream) => {
                            self.turns = TURNS;
                            returned.push_back((entry, reply));
                        }
                        StoreError::Conflict { stream, .. } => {
                            let why =
                                if entry.beside.revision(&stream).is_some() { Again::Reload } else { Again::Redraw };
                            tell(reply, Reply::Again { entry, why });
                        }
                        own @ (StoreError::IdReused { .. } | StoreError::TooLarge { .. }) => {
                            tell(reply, Reply::Failed(reused(own)));
                        }
                        other => {
                            let error = Error::from(other);
                            trouble = Some(error.clone());
                            tell(reply, Reply::Failed(error));
                        }
                    }
                }
            }
        }
        drop(turn);
        if self.lost {
            self.recall();
            for waiting in returned.into_iter().rev() {
                self.again.push_front(waiting);
            }
            if let Some(trouble) = trouble {
                self.fail(&trouble);
            }
        } else if self.next.is_empty() && self.speculative.len() > TRANSIENTS {
            self.speculative = self.durable.clone();
        }
    }

    /// Tells everybody who waits for a decision that there is trouble; the next caller begins afresh.
    fn fail(&mut self, error: &Error) {
        self.lost = true;
        self.recall();
        for (_, reply) in self.again.drain(..).chain(self.doubtful.drain(..)) {
            tell(reply, Reply::Failed(error.clone()));
        }
    }
}

impl Inner {
    /// Whether a decision has become too old for the log (rule L9).
    pub(super) async fn is_stale(&self, context: &Context, world: &World<State>) -> Result<bool, Error> {
        let head = self.store.head().await?;
        Ok(time::is_stale(context.time, &head, &self.policy(world)))
    }
}

/// Decides a request on folded streams; gives the streams that it read, too.
fn decide(world: &World<State>, entry: &Entry) -> (Result<Plan, Halt>, BTreeMap<StreamId, Revision>) {
    let desk = Desk::new(world.desk_beside(&entry.beside), &entry.evidence);
    (entry.request.decide(&desk, &entry.context), desk.guards())
}

/// Answers a caller; one who has left does not hear it.
fn tell(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _ = reply.send(answer);
}
