//! What drives a lane: decides, asks for signatures, sends trains and takes their answers in.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_channel::oneshot;
use futures_util::future;

use crate::domain::event::Event;
use crate::domain::{Command, Desk, Halt, Plan, State, stream};
use crate::keys::{KeyError, Signature};
use crate::log::{Commit, EventData, Position, Receipt, Revision, StoreError, StreamId, World};
use crate::ports::Lease;

use super::execute::reused;
use super::lane::{Again, Entry, Lane, Reply, Waiting};
use super::session::sign_request;
use super::{Error, Inner};

/// The most commits in a train, and the most requests that are decided and wait for their signatures.
const TRAIN: usize = 1024;
/// The most signatures that are asked for at once, and how many such batches are under way.
const BATCH: usize = 256;
const BATCHES: usize = 2;
/// How many arrivals are decided before the lane looks whether something else is ready.
const ARRIVALS: usize = 64;
/// For how many trains a lane takes turns by lease after it met somebody else's commit.
const TURNS: u32 = 16;
/// How many streams of single requests the speculative state keeps before it forgets those of trains that have landed.
const TRANSIENTS: usize = 4096;

type Answers = Vec<Result<Receipt, StoreError>>;
type Signatures = Vec<Result<Signature, KeyError>>;

/// The state of a lane, held by whoever drives it.
#[derive(Default)]
pub(super) struct Driver {
    /// What is known to be durable of the shared streams.
    pub(super) durable: World<State>,
    /// The same plus what is in flight and what is next.
    pub(super) speculative: World<State>,
    pub(super) flight: Option<Flight>,
    /// Signed and encoded: the next train.
    next: Vec<Member>,
    /// Decided after those, in this order: to be signed.
    decided: VecDeque<Decided>,
    /// Signatures that are being made, for the first of `decided` that wait for any.
    signing: VecDeque<Signing>,
    /// Decided for a refusal on speculative state: to be decided again on durable state.
    doubtful: VecDeque<Waiting>,
    /// To be decided again, in this order, once the durable state has been read.
    again: VecDeque<Waiting>,
    /// Whether the speculative state is to be thrown away.
    lost: bool,
    turns: u32,
}

/// A request that was decided into a plan.
struct Decided {
    waiting: Waiting,
    plan: Plan,
    guards: BTreeMap<StreamId, Revision>,
    signatures: Vec<Option<Signature>>,
    /// Whether those that are missing have been asked for.
    asked: bool,
}

/// A batch of signatures that is being made.
struct Signing {
    future: Pin<Box<dyn Future<Output = Signatures> + Send>>,
    done: Option<Signatures>,
}

/// A request that was decided, signed and encoded.
struct Member {
    waiting: Waiting,
    events: Vec<Event>,
    commit: Commit,
}

pub(super) struct Flight {
    answers: Pin<Box<dyn Future<Output = Answers> + Send>>,
    pub(super) members: Vec<(Waiting, Vec<Event>)>,
    pub(super) turn: Option<Lease>,
}

/// What woke the driver.
enum Woken<T> {
    Wanted(T),
    Answered(Answers),
    Signed(Signatures),
    Arrived,
}

impl Driver {
    /// Drives the lane until `wanted` is there. Whatever is under way stays in `self` when this future is dropped.
    pub(super) async fn drive<F: Future>(&mut self, lane: &Lane, inner: &Inner, mut wanted: Pin<&mut F>) -> F::Output {
        loop {
            if let Err(error) = self.advance(lane, inner).await {
                self.fail(&error);
            }
            let woken = future::poll_fn(|task| self.poll(lane, wanted.as_mut(), task)).await;
            match woken {
                Woken::Wanted(done) => return done,
                Woken::Answered(answers) => self.settle(answers),
                Woken::Signed(signatures) => self.take_signatures(inner, signatures),
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
        for batch in &mut self.signing {
            if batch.done.is_none()
                && let Poll::Ready(signatures) = batch.future.as_mut().poll(task)
            {
                batch.done = Some(signatures);
            }
        }
        if self.signing.front().is_some_and(|batch| batch.done.is_some())
            && let Some(signatures) = self.signing.pop_front().and_then(|batch| batch.done)
        {
            return Poll::Ready(Woken::Signed(signatures));
        }
        if let Poll::Ready(done) = wanted.poll(task) {
            return Poll::Ready(Woken::Wanted(done));
        }
        let mut arrivals = lane.arrivals();
        if arrivals.waiting.is_empty() || self.decided.len() >= TRAIN {
            arrivals.driver = Some(task.waker().clone());
            Poll::Pending
        } else {
            Poll::Ready(Woken::Arrived)
        }
    }

    /// Decides what has arrived, has it signed, and sends the next train if none is in flight.
    async fn advance(&mut self, lane: &Lane, inner: &Inner) -> Result<(), Error> {
        self.take_arrivals(lane);
        loop {
            if self.flight.is_none() && (self.lost || !self.doubtful.is_empty() || !self.again.is_empty()) {
                self.catch_up(inner).await?;
                self.decide_again();
            }
            self.ask_for_signatures(inner);
            self.encode(inner);
            if self.flight.is_some() || self.next.is_empty() || self.lost {
                break;
            }
            let turn = if self.turns > 0 { self.take_turn(inner).await? } else { None };
            if !self.next.is_empty() {
                self.depart(inner, turn);
            }
        }
        lane.publish(self);
        Ok(())
    }

    fn take_arrivals(&mut self, lane: &Lane) {
        for _ in 0..ARRIVALS {
            if self.decided.len() >= TRAIN {
                break;
            }
            let Some(waiting) = lane.arrivals().waiting.pop_front() else { break };
            if self.lost {
                self.again.push_back(waiting);
            } else {
                self.decide(waiting);
            }
        }
    }

    /// Asks for the signatures that are missing, in batches; what is asked for first is answered first.
    fn ask_for_signatures(&mut self, inner: &Inner) {
        while self.signing.len() < BATCHES {
            let mut requests = Vec::new();
            for decided in self.decided.iter_mut().filter(|decided| !decided.asked) {
                if requests.len() >= BATCH {
                    break;
                }
                decided.asked = true;
                let missing = decided.plan.to_sign().iter().zip(&decided.signatures).filter(|(_, kept)| kept.is_none());
                requests.extend(missing.map(|(to_sign, _)| sign_request(to_sign)));
            }
            if requests.is_empty() {
                break;
            }
            let keys = Arc::clone(&inner.keys);
            let future = Box::pin(async move {
                let mut signatures = keys.sign(&requests).await;
                // One answer a request, whatever a key store does: nobody waits for ever.
                signatures.resize_with(requests.len(), || Err(unanswered()));
                signatures
            });
            self.signing.push_back(Signing { future, done: None });
        }
    }

    /// Gives a batch of signatures to those who wait for them: the first that lack any.
    fn take_signatures(&mut self, inner: &Inner, signatures: Signatures) {
        let mut failed = Vec::new();
        let mut signatures = signatures.into_iter();
        for (number, decided) in self.decided.iter_mut().enumerate().filter(|(_, decided)| decided.asked) {
            let missing = decided.plan.to_sign().iter().zip(&mut decided.signatures).filter(|(_, kept)| kept.is_none());
            for (to_sign, kept) in missing {
                let Some(signed) = signatures.next() else { break };
                match signed.map_err(Error::from).and_then(|it| inner.check(to_sign, &it).map(|()| it)) {
                    Ok(signature) => *kept = Some(signature),
                    Err(error) => failed.push((number, error)),
                }
            }
            if signatures.len() == 0 {
                break;
            }
        }
        // What was decided behind one that fails stood on it.
        for (number, error) in failed.into_iter().rev() {
            self.lost = true;
            if let Some(decided) = self.decided.remove(number) {
                tell(decided.waiting.1, Reply::Failed(error));
            }
        }
    }

    /// Encodes what is signed, in order, for the next train.
    fn encode(&mut self, inner: &Inner) {
        while !self.lost
            && self.next.len() < TRAIN
            && self.decided.front().is_some_and(|front| front.signatures.iter().all(Option::is_some))
            && let Some(Decided { waiting: (mut entry, reply), plan, guards, signatures, .. }) =
                self.decided.pop_front()
        {
            let signatures: Vec<Signature> = signatures.into_iter().flatten().collect();
            entry.signed = plan.to_sign().iter().cloned().zip(signatures.iter().cloned()).collect();
            let events = plan.complete(&signatures);
            match entry.commit(&events, guards, inner.store.limits().largest_commit) {
                Ok(commit) => self.next.push(Member { waiting: (entry, reply), events, commit }),
                Err(error) => {
                    self.lost = true;
                    tell(reply, Reply::Failed(error));
                }
            }
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
            self.decide_again();
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

    /// Puts what was decided but not sent back in front of what is to be decided again; signatures are kept.
    fn recall(&mut self) {
        self.signing.clear();
        for decided in self.decided.drain(..).rev() {
            let Decided { waiting: (mut entry, reply), plan, signatures, .. } = decided;
            let signed = plan.to_sign().iter().cloned().zip(signatures);
            entry.signed = signed.filter_map(|(to_sign, kept)| Some((to_sign, kept?))).collect();
            self.again.push_front((entry, reply));
        }
        for member in self.next.drain(..).rev() {
            self.again.push_front(member.waiting);
        }
    }

    /// Decides what waits for that. The durable state has just been read: a refusal on it may be told.
    fn decide_again(&mut self) {
        for waiting in core::mem::take(&mut self.again) {
            self.decide(waiting);
        }
        for (entry, reply) in core::mem::take(&mut self.doubtful) {
            let outcome = decide(&self.durable, &entry).0;
            match outcome {
                Err(Halt::Refused(refusal)) => tell(reply, Reply::Refused(refusal)),
                _ => {
                    if self.next.is_empty() && self.decided.is_empty() {
                        self.speculative = self.durable.clone();
                    }
                    self.decide((entry, reply));
                }
            }
        }
    }

    /// Decides a request on the speculative state.
    fn decide(&mut self, waiting: Waiting) {
        let (entry, reply) = waiting;
        let (decided, guards) = decide(&self.speculative, &entry);
        let plan = match decided {
            Ok(plan) => plan,
            Err(Halt::Refused(_)) => return self.doubtful.push_back((entry, reply)),
            Err(Halt::Needs(need)) => return tell(reply, Reply::Again { entry, why: Again::Fetch(need) }),
        };
        let signatures: Vec<Option<Signature>> =
            plan.to_sign().iter().map(|to_sign| entry.signature(to_sign)).collect();
        let asked = signatures.iter().all(Option::is_some);
        for stream in plan.events().iter().flat_map(EventData::streams) {
            if self.speculative.revision(&stream).is_none()
                && let Some((revision, fold)) = entry.beside.share(&stream)
            {
                self.speculative.insert(stream, revision, fold);
            }
        }
        self.speculative.speculate(plan.events(), &entry.metadata, entry.metadata.decided_at);
        self.decided.push_back(Decided { waiting: (entry, reply), plan, guards, signatures, asked });
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
        } else if self.next.is_empty() && self.decided.is_empty() && self.speculative.len() > TRANSIENTS {
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

/// Decides a request on folded streams; gives the streams that it read, too.
fn decide(world: &World<State>, entry: &Entry) -> (Result<Plan, Halt>, BTreeMap<StreamId, Revision>) {
    let desk = Desk::new(world.desk_beside(&entry.beside), &entry.evidence);
    (entry.request.decide(&desk, &entry.context), desk.guards())
}

/// Answers a caller; one who has left does not hear it.
fn tell(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _ = reply.send(answer);
}

fn unanswered() -> KeyError {
    KeyError::Backend { detail: "the key store answered fewer signatures than were asked for".into() }
}
