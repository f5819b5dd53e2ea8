//! What happens in a lane: deciding in order of arrival, sending trains, taking their answers in.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll};
use std::collections::VecDeque;
use std::sync::Arc;

use futures_channel::oneshot;

use crate::domain::event::Event;
use crate::domain::policy::VerifyAfterSigning;
use crate::domain::{Desk, Halt, Plan, State, stream};
use crate::log::{
    Commit, EventData as _, Position, Receipt, Revision, StoreError, StreamId, StreamsRead, Timestamp, World,
};
use crate::ports::Lease;

use super::signing::{Decided, Decision, Unsigned};
use super::{Again, Entry, Error, Lane, Reply, Waiting};
use crate::service::execute::reused;
use crate::service::time;

/// The most commits in a train, and the most requests that are decided and wait for their signatures.
const TRAIN: usize = 1024;
/// How many arrivals are decided before the lane looks whether something else is ready.
const ARRIVALS: usize = 128;
/// For how many trains a lane takes turns by lease after it met somebody else's commit.
const TURNS: u32 = 16;
/// How many streams of single requests the speculative state keeps before it forgets those that have landed.
const TRANSIENTS: usize = 4096;

type Answers = Vec<Result<Receipt, StoreError>>;
type Coming<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Default)]
pub(super) struct Driver {
    /// What is known to be durable of the shared streams.
    durable: World<State>,
    /// The same plus what is in flight and what is next.
    speculative: World<State>,
    flight: Option<Flight>,
    /// What must be there before the next train departs; never while one is in flight.
    before_next: Option<Errand>,
    /// Signed and encoded: the next train.
    next: Vec<Member>,
    /// Decided after those, in this order, and not signed yet.
    unsigned: Unsigned,
    /// Decided for a refusal on speculative state: to be decided again on durable state.
    doubtful: VecDeque<Waiting>,
    /// To be decided again, in this order, once the durable state has been read.
    again: VecDeque<Waiting>,
    /// Whether the speculative state is to be thrown away.
    lost: bool,
    turns: u32,
    /// The time of the newest commit that the lane made, and the same with what is in flight and what is next.
    newest: (Timestamp, Timestamp),
}

/// A request that was decided into a commit.
struct Member {
    sent: Sent,
    commit: Commit,
}

/// What is kept of a request while its commit is on its way.
struct Sent {
    waiting: Waiting,
    events: Vec<Event>,
    /// For each event, the streams that it concerns.
    concerns: Vec<Vec<StreamId>>,
}

struct Flight {
    answers: Coming<Answers>,
    members: Vec<Sent>,
    turn: Option<Lease>,
}

/// Something that the store is asked for.
enum Errand {
    /// This lane's turn among all who write to the CA.
    Turn(Coming<Result<Lease, StoreError>>),
    /// What others have written to the shared streams; with the turn, if one was taken.
    Read(Coming<Result<StreamsRead, StoreError>>, Option<Lease>),
}

impl Driver {
    /// Whether a shared stream is here.
    pub(super) fn has(&self, stream: &StreamId) -> bool {
        self.durable.revision(stream).is_some()
    }

    /// Takes a shared stream in, unless it is here: nothing can have been decided on it then.
    pub(super) fn bring(&mut self, loaded: &World<State>, stream: &StreamId) {
        if !self.has(stream)
            && let Some((revision, fold)) = loaded.share(stream)
        {
            self.durable.insert(stream.clone(), revision, Arc::clone(&fold));
            self.speculative.insert(stream.clone(), revision, fold);
        }
    }

    /// Gives every shared stream as it is known to be durable.
    pub(super) fn durable(&self, mut take: impl FnMut(&StreamId, Revision, Arc<State>)) {
        for (stream, _) in self.durable.revisions() {
            if Lane::shares(&stream)
                && let Some((revision, fold)) = self.durable.share(&stream)
            {
                take(&stream, revision, fold);
            }
        }
    }

    /// The shared streams as of the newest decision.
    pub(super) fn view(&self) -> World<State> {
        let mut view = World::default();
        for (stream, _) in self.durable.revisions() {
            if let Some((revision, fold)) = self.speculative.share(&stream) {
                view.insert(stream, revision, fold);
            }
        }
        view
    }

    /// Goes on as far as it goes without waiting. Whoever is to wake it is told by the task.
    pub(super) fn step(&mut self, lane: &Lane, task: &mut TaskContext<'_>) {
        // Whether the durable state was read in this step: a refusal on it has been told then.
        let mut fresh = false;
        loop {
            self.sign(lane, task);
            if let Some(flight) = &mut self.flight {
                if let Poll::Ready(answers) = flight.answers.as_mut().poll(task) {
                    self.settle(lane, answers);
                    fresh = false;
                    continue;
                }
                if self.take_arrivals(lane) {
                    continue;
                }
                self.sign(lane, task);
                break;
            }
            match self.before_next.take() {
                Some(Errand::Turn(mut coming)) => match coming.as_mut().poll(task) {
                    Poll::Pending => {
                        self.before_next = Some(Errand::Turn(coming));
                        break;
                    }
                    Poll::Ready(Ok(turn)) => {
                        self.turns = self.turns.saturating_sub(1);
                        self.before_next = Some(self.read(lane, Some(turn)));
                    }
                    Poll::Ready(Err(error)) => self.fail(&error.into()),
                },
                Some(Errand::Read(mut coming, turn)) => match coming.as_mut().poll(task) {
                    Poll::Pending => {
                        self.before_next = Some(Errand::Read(coming, turn));
                        break;
                    }
                    Poll::Ready(read) => match read.map_err(Error::from).and_then(|read| self.catch_up(&read)) {
                        Ok(moved) => {
                            if turn.is_none() || moved {
                                self.decide_again();
                                self.encode(lane);
                            }
                            fresh = true;
                            if turn.is_some() && !self.next.is_empty() {
                                self.depart(lane, turn);
                            }
                        }
                        Err(error) => self.fail(&error),
                    },
                },
                None => {
                    if self.take_arrivals(lane) {
                        continue;
                    }
                    self.sign(lane, task);
                    let undecided = !self.again.is_empty() || !self.doubtful.is_empty();
                    if undecided && !fresh {
                        self.before_next = Some(self.read(lane, None));
                    } else if let Some(member) = self.next.first() {
                        if self.turns == 0 {
                            self.depart(lane, None);
                        } else {
                            let quota = stream::quota(&member.sent.waiting.0.request.ca);
                            let store = Arc::clone(&lane.store);
                            let coming = Box::pin(async move { store.lease(&quota).await });
                            self.before_next = Some(Errand::Turn(coming));
                        }
                    } else if undecided && self.unsigned.is_empty() {
                        fresh = false;
                    } else {
                        // Whatever is awaited rings when it comes.
                        break;
                    }
                }
            }
        }
        lane.view.moved(self);
    }

    /// Gives up what nobody waits for: turns, and requests whose callers have left. Tells whether there is something to
    /// be done.
    pub(super) fn abandon(&mut self) -> bool {
        if let Some(flight) = &mut self.flight {
            flight.turn = None;
        }
        let idle =
            self.before_next.is_none() && !self.has_decided() && self.again.is_empty() && self.doubtful.is_empty();
        if idle {
            return false;
        }
        self.before_next = None;
        self.lost = true;
        self.recall();
        self.again.retain(|(_, reply)| !reply.is_canceled());
        self.doubtful.retain(|(_, reply)| !reply.is_canceled());
        !(self.again.is_empty() && self.doubtful.is_empty())
    }

    /// Decides what has arrived; tells whether there may be more.
    fn take_arrivals(&mut self, lane: &Lane) -> bool {
        for _ in 0..ARRIVALS {
            if self.next.len().max(self.unsigned.len()) >= TRAIN {
                return false;
            }
            let Some(mut waiting) = lane.arrivals().pop_front() else { return false };
            if core::mem::take(&mut waiting.0.outdated) || self.lost {
                self.again.push_back(waiting);
            } else {
                self.decide(waiting);
            }
        }
        true
    }

    /// Has what was decided signed, takes in what was signed, and encodes it.
    fn sign(&mut self, lane: &Lane, task: &mut TaskContext<'_>) {
        loop {
            let verify = match self.speculative.get(&stream::policy()) {
                Some(State::Policy(in_force)) => in_force.policy().verify_after_signing,
                _ => VerifyAfterSigning::Everything,
            };
            self.unsigned.ask(&lane.keys);
            let (signed, failed) = self.unsigned.take(task, verify);
            // Before anything is encoded: the key store's threads go on meanwhile.
            self.unsigned.ask(&lane.keys);
            // What was decided behind one that fails stood on it.
            if !failed.is_empty() {
                self.lost = true;
                self.recall();
            }
            for ((entry, reply), error) in failed {
                match error {
                    // Its caller tries once more, and has the lane look again.
                    Error::Key(error) => tell(reply, Reply::Again { entry, why: Again::Sign(error) }),
                    error => tell(reply, Reply::Failed(error)),
                }
            }
            self.encode(lane);
            if !signed {
                return;
            }
        }
    }

    /// Encodes what is signed, in order, for the next train.
    fn encode(&mut self, lane: &Lane) {
        let limit = lane.store.limits().largest_commit;
        while !self.lost
            && self.next.len() < TRAIN
            && let Some(Decided { waiting: (mut entry, reply), decision, signatures }) = self.unsigned.pop_signed()
        {
            let Decision { plan, notes, concerns } = decision;
            let (events, to_sign) = plan.complete_and_keep(&signatures);
            entry.keep(to_sign, signatures);
            match entry.commit(&events, concerns, notes, limit) {
                Ok((commit, concerns)) => {
                    let sent = Sent { waiting: (entry, reply), events, concerns };
                    self.next.push(Member { sent, commit });
                }
                Err(error) => {
                    self.lost = true;
                    self.recall();
                    tell(reply, Reply::Failed(error));
                }
            }
        }
    }

    /// Whether something is decided that has not departed.
    fn has_decided(&self) -> bool {
        !(self.next.is_empty() && self.unsigned.is_empty())
    }

    /// Asks for what others have written to the shared streams.
    fn read(&self, lane: &Lane, turn: Option<Lease>) -> Errand {
        let (store, revisions) = (Arc::clone(&lane.store), self.durable.revisions());
        Errand::Read(Box::pin(async move { store.read(&revisions, Position::MAX).await }), turn)
    }

    /// Takes in what others have written; tells whether anything moved. Only while nothing is in flight.
    fn catch_up(&mut self, read: &StreamsRead) -> Result<bool, Error> {
        let moved = read.streams.iter().any(|slice| !slice.events.is_empty());
        for slice in &read.streams {
            self.durable.apply(slice)?;
        }
        if moved || self.lost {
            self.recall();
            self.begin_afresh();
            self.lost = false;
        }
        Ok(moved)
    }

    /// Throws the speculative state away. Only while nothing is in flight, and nothing next.
    fn begin_afresh(&mut self) {
        self.speculative = self.durable.clone();
        self.newest.1 = self.newest.0;
    }

    /// Puts what was decided but not sent back in front of what is to be decided again; signatures are kept.
    fn recall(&mut self) {
        for waiting in self.unsigned.recall().into_iter().rev() {
            self.again.push_front(waiting);
        }
        for member in self.next.drain(..).rev() {
            self.again.push_front(member.sent.waiting);
        }
    }

    /// Decides what waits for that. The durable state has just been read: a refusal on it may be told.
    fn decide_again(&mut self) {
        for waiting in core::mem::take(&mut self.again) {
            self.decide(waiting);
        }
        for (entry, reply) in core::mem::take(&mut self.doubtful) {
            match decide(&self.durable, &entry) {
                Err(Halt::Refused(refusal)) => tell(reply, Reply::Refused(refusal)),
                _ => {
                    if !self.has_decided() {
                        self.begin_afresh();
                    }
                    self.decide((entry, reply));
                }
            }
        }
    }

    /// Decides a request on the speculative state.
    fn decide(&mut self, waiting: Waiting) {
        let (entry, reply) = waiting;
        if reply.is_canceled() {
            // Whoever leaves before the commit leaves nothing behind.
            return;
        }
        if self.is_stale(&entry) {
            return tell(reply, Reply::Again { entry, why: Again::Stale(self.newest.1) });
        }
        for own in entry.own_streams() {
            // Somebody else has written to it since a request for the same key, or for the same renewal, landed here.
            if self.speculative.revision(&own) < entry.beside.revision(&own) {
                self.speculative.remove(&own);
            }
        }
        let (plan, notes) = match decide(&self.speculative, &entry) {
            Ok(decided) => decided,
            Err(Halt::Refused(_)) => return self.doubtful.push_back((entry, reply)),
            Err(Halt::Needs(need)) => return tell(reply, Reply::Again { entry, why: Again::Fetch(need) }),
        };
        let concerns: Vec<Vec<StreamId>> = plan.events().iter().map(|event| event.streams()).collect();
        let decided_at = entry.metadata.decided_at;
        for (event, streams) in plan.events().iter().zip(&concerns) {
            for stream in streams {
                if self.speculative.revision(stream).is_none()
                    && let Some((revision, fold)) = entry.beside.share(stream)
                {
                    self.speculative.insert(stream.clone(), revision, fold);
                }
            }
            self.speculative.speculate_in(event, streams, &entry.metadata, decided_at);
        }
        self.newest.1 = self.newest.1.max(decided_at);
        self.unsigned.push((entry, reply), Decision { plan, notes, concerns });
    }

    /// Whether a decision has become too old while it waited (rule L9).
    fn is_stale(&self, entry: &Entry) -> bool {
        let decided_at = entry.context.time;
        self.newest.1 > decided_at
            && match self.speculative.get(&stream::policy()) {
                Some(State::Policy(in_force)) => time::is_stale(decided_at, self.newest.1, in_force.policy()),
                _ => false,
            }
    }

    /// Sends the next train, without those who have left: who was decided behind them is decided again.
    fn depart(&mut self, lane: &Lane, turn: Option<Lease>) {
        if self.next.iter().any(|member| member.sent.waiting.1.is_canceled()) {
            self.recall();
            self.begin_afresh();
            for waiting in core::mem::take(&mut self.again) {
                self.decide(waiting);
            }
            self.encode(lane);
        }
        if self.next.is_empty() {
            return;
        }
        let store = Arc::clone(&lane.store);
        let mut train = Vec::with_capacity(self.next.len());
        let mut members = Vec::with_capacity(self.next.len());
        for member in self.next.drain(..) {
            train.push(member.commit);
            members.push(member.sent);
        }
        let answers = Box::pin(async move { store.commit(train).await });
        self.flight = Some(Flight { answers, members, turn });
    }

    /// Takes a train's answers in.
    fn settle(&mut self, lane: &Lane, answers: Answers) {
        let Some(Flight { members, turn, .. }) = self.flight.take() else { return };
        let mut answers = answers.into_iter();
        let mut trouble: Option<Error> = None;
        let mut returned = VecDeque::new();
        let mut moved: Vec<StreamId> = Vec::new();
        let mut at = Position::ZERO;
        let quota = members.first().map(|first| stream::quota(&first.waiting.0.request.ca));
        for Sent { waiting: (entry, reply), events, concerns } in members {
            match answers.next().unwrap_or(Err(StoreError::NotTried)) {
                Ok(receipt) => {
                    for (event, streams) in events.iter().zip(&concerns) {
                        self.durable.speculate_in(event, streams, &entry.metadata, receipt.time);
                    }
                    self.newest.0 = self.newest.0.max(receipt.time);
                    at = receipt.last;
                    if self.speculative.len() > TRANSIENTS {
                        self.forget(&entry.beside, &concerns);
                    }
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
                            moved.push(stream.clone());
                            let why = match stream.category() {
                                _ if entry.beside.revision(&stream).is_some() => Again::Reload,
                                "certificate" => Again::Redraw,
                                _ => Again::Taken(stream),
                            };
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
        if let Some(quota) = quota.filter(|_| at > Position::ZERO)
            && let Some((revision, fold)) = self.durable.share(&quota)
        {
            lane.shelf.offer(&quota, revision, &fold, at);
        }
        if self.lost {
            self.recall();
            for waiting in returned.into_iter().rev() {
                self.again.push_front(waiting);
            }
            self.send_back(&moved);
            if let Some(trouble) = trouble {
                self.fail(&trouble);
            }
        } else if !self.has_decided() && self.speculative.len() > TRANSIENTS {
            self.begin_afresh();
        }
    }

    /// Forgets the streams of a single request that has landed, unless what was decided since moved them: in a bulk without
    /// end they would take memory without end.
    fn forget(&mut self, beside: &World<State>, concerns: &[Vec<StreamId>]) {
        for stream in concerns.iter().flatten().filter(|stream| !Lane::shares(stream)) {
            let landed = beside.revision(stream).map(|before| before.plus(1));
            if landed.is_some() && landed == self.speculative.revision(stream) {
                self.speculative.remove(stream);
            }
        }
    }

    /// Sends back at once all who have read a stream of their own that has moved, such as that of a key that many requests
    /// are for: each of them would end a train by itself.
    fn send_back(&mut self, moved: &[StreamId]) {
        let outdated = |entry: &Entry| entry.own_streams().any(|own| moved.contains(&own));
        for (entry, reply) in core::mem::take(&mut self.again) {
            if outdated(&entry) {
                tell(reply, Reply::Again { entry, why: Again::Reload });
            } else {
                self.again.push_back((entry, reply));
            }
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

/// Decides a request on folded streams; gives what it looked at and claimed, too.
fn decide(world: &World<State>, entry: &Entry) -> Result<(Plan, Vec<(StreamId, Revision)>), Halt> {
    let desk = Desk::new(world.desk_beside(&entry.beside), &entry.evidence);
    let plan = entry.decide(&desk)?;
    Ok((plan, desk.into_notes()))
}

/// Answers a caller; one who has left does not hear it.
fn tell(reply: oneshot::Sender<Reply>, answer: Reply) {
    let _ = reply.send(answer);
}
