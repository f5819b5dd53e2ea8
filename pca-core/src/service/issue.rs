//! Issuing through the lanes.

use std::sync::{Arc, PoisonError};

use crate::domain::certificate::{IssueCertificate, Issued, decide_renewal};
use crate::domain::event::Event;
use crate::domain::{Command, Context, Desk, Halt, Need, Plan, Refusal, State, stream};
use crate::keys::{KeyId, KeyRequest};
use crate::log::{CommitId, Metadata, Position, Revision, StoreError, StreamId, Timestamp, World};

use super::execute::{Carried, Identity, Random, reused};
use super::lane::{Again, Entry, Lane, Reply};
use super::recorder::DecisionRecord;
use super::session::inconsistent;
use super::{Call, Done, Error, Inner, Pca, time};

/// How often a request goes back and forth before its caller is told that others are always quicker.
const ATTEMPTS: u32 = 64;

/// How many lanes are kept before those are forgotten that nobody is at.
const LANES: usize = 1024;

/// What a request needs before it can be handed to the lane.
pub(super) enum Prepared {
    /// Nothing.
    Ready,
    /// A new key.
    Key(KeyRequest, u32),
}

impl Pca {
    /// Issues one certificate; durable when this answers. Many callers at once share signing, commits and syncs.
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule, or trouble of a store.
    pub async fn issue(&self, request: IssueCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        self.try_issue(request, call).await.inspect_err(|error| self.journal(IssueCertificate::NAME, call, error))
    }

    async fn try_issue(&self, request: IssueCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        match self.enter(request, call).await? {
            Entered::New(entry) => self.pass(&self.lane(&entry.request), entry, call, false).await,
            Entered::Repeated(done) => Ok(*done),
        }
    }

    /// Prepares and hands to the lane, until it is done or refused. A signature that the key store fails is asked for once
    /// more, unless it was `retried`.
    pub(super) async fn pass(
        &self,
        lane: &Lane,
        mut entry: Box<Entry>,
        call: &Call,
        mut retried: bool,
    ) -> Result<Done<Issued>, Error> {
        let (identity, command) = (entry.identity, entry.command());
        for _ in 0..ATTEMPTS {
            while let Prepared::Key(request, ordinal) = self.prepare(lane, &mut entry).await? {
                let made = self.inner.keys.generate(core::slice::from_ref(&request)).await.into_iter().next();
                entry.evidence.keys.insert(ordinal, made.ok_or_else(|| inconsistent("the key store made no key"))??);
                entry.prepared = true;
            }
            let seat = lane.sit();
            let reply = seat.wait(seat.submit(entry)).await;
            drop(seat);
            let reply = reply.map_err(|_| inconsistent("the lane forgot a request"))?;
            entry = match self.conclude(reply, &identity).await? {
                Concluded::Done(done) => return Ok(*done),
                Concluded::Again(_, Again::Sign(error)) if retried => return Err(error.into()),
                Concluded::Again(entry, why) => {
                    retried |= matches!(why, Again::Sign(_));
                    self.again(lane, entry, &why, call).await?
                }
            };
        }
        Err(Error::Contended { command, attempts: ATTEMPTS })
    }

    /// Goes on with a request that came back from the lane.
    pub(super) async fn go_on(
        &self,
        lane: &Lane,
        entry: Box<Entry>,
        why: Again,
        call: &Call,
    ) -> Result<Done<Issued>, Error> {
        let entry = self.again(lane, entry, &why, call).await?;
        self.pass(lane, entry, call, matches!(why, Again::Sign(_))).await
    }

    /// Draws what a request needs, or finds that it was carried out before.
    async fn enter(&self, request: IssueCertificate, call: &Call) -> Result<Entered, Error> {
        let mut random: Random = [0; 48];
        self.inner.entropy.fill(&mut random)?;
        let mut entered = self.enter_one(request, call.chosen_commit(), &random, call, &mut None).await?;
        if let Entered::New(entry) = &mut entered
            && let Some(stream) = entry.own.clone()
        {
            self.load_beside(entry, stream).await?;
            entry.prepared = true;
        }
        Ok(entered)
    }

    /// Draws what the requests of a window need, all at once, and finds those that were carried out before. Each has the
    /// commit id that its caller chose for it, if so.
    pub(super) async fn enter_all(
        &self,
        requests: Vec<(IssueCertificate, Option<CommitId>)>,
        call: &Call,
    ) -> Vec<Result<Entered, Error>> {
        let mut entered = Vec::with_capacity(requests.len());
        let mut drawn: Option<Result<(Timestamp, Arc<Metadata>), Error>> = None;
        let mut random: Vec<Random> = vec![[0; 48]; requests.len()];
        let filled = self.inner.entropy.fill(random.as_flattened_mut());
        for ((request, chosen), random) in requests.into_iter().zip(&random) {
            let entry = match &filled {
                Ok(()) => self.enter_one(request, chosen, random, call, &mut drawn).await,
                Err(error) => Err(error.clone().into()),
            };
            entered.push(entry);
        }
        if let Err(error) = self.load_beside_all(&mut entered).await {
            let needs = |entered: &&mut Result<Entered, Error>| matches!(entered, Ok(Entered::New(entry)) if entry.own.is_some());
            entered.iter_mut().filter(needs).for_each(|entered| *entered = Err(error.clone()));
        }
        entered
    }

    /// Takes a request in, and draws the time, unless it was drawn for another one of the same window.
    async fn enter_one(
        &self,
        request: IssueCertificate,
        chosen: Option<CommitId>,
        random: &Random,
        call: &Call,
        drawn: &mut Option<Result<(Timestamp, Arc<Metadata>), Error>>,
    ) -> Result<Entered, Error> {
        call.check()?;
        let name = IssueCertificate::NAME;
        self.inner.authorizer.authorize(&call.actor, name, request.about()).map_err(Refusal::from)?;
        let identity = Identity::new(chosen, call.digest(name, &request.canonical()), random);
        if let Some(receipt) = self.landed(&identity).await? {
            return Ok(Entered::Repeated(Box::new(answered(self.repeat(receipt).await?)?)));
        }
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => {
                let fresh = self.draw(name, false, &identity, call).await;
                drawn.insert(fresh.map(|(context, metadata)| (context.time, Arc::new(metadata))))
            }
        };
        let (time, metadata) = drawn.clone()?;
        Ok(Entered::New(Entry::new(request, identity, time, metadata)))
    }

    /// Loads the streams of all keys that holders bring along, in one read.
    async fn load_beside_all(&self, entered: &mut [Result<Entered, Error>]) -> Result<(), Error> {
        let new = entered.iter().flatten().filter_map(|entered| match entered {
            Entered::New(entry) => entry.own.clone(),
            Entered::Repeated(_) => None,
        });
        let mut streams: Vec<_> = new.map(|stream| (stream, Revision::ZERO)).collect();
        streams.sort_unstable();
        streams.dedup();
        if streams.is_empty() {
            return Ok(());
        }
        let read = self.inner.store.read(&streams, Position::MAX).await?;
        let mut beside = World::default();
        for slice in &read.streams {
            beside.apply(slice)?;
        }
        let beside = Arc::new(beside);
        for entered in entered.iter_mut().flatten() {
            if let Entered::New(entry) = entered
                && entry.own.is_some()
            {
                entry.beside = Arc::clone(&beside);
                // All that it needs of its own is here.
                entry.prepared = true;
            }
        }
        Ok(())
    }

    async fn load_beside(&self, entry: &mut Entry, stream: StreamId) -> Result<(), Error> {
        let read = self.inner.store.read(&[(stream, Revision::ZERO)], Position::MAX).await?;
        let beside = Arc::make_mut(&mut entry.beside);
        for slice in &read.streams {
            beside.apply(slice)?;
        }
        Ok(())
    }

    /// Decides on the lane's view in order to learn what a request needs, and fetches that. One that brings its holder's
    /// key needs nothing that was not fetched when it was taken in: it is decided in the lane only.
    pub(super) async fn prepare(&self, lane: &Lane, entry: &mut Entry) -> Result<Prepared, Error> {
        if entry.prepared && lane.is_loaded() {
            return Ok(Prepared::Ready);
        }
        loop {
            match decide(lane, entry) {
                // A refusal is told by the lane, on durable state.
                Ok(_) | Err(Halt::Refused(_)) => {
                    entry.prepared = true;
                    return Ok(Prepared::Ready);
                }
                Err(Halt::Needs(Need::Key { ordinal, algorithm, key_use })) => {
                    if self.is_refused_by_now(lane, entry).await? {
                        entry.outdated = true;
                        return Ok(Prepared::Ready);
                    }
                    let id = KeyId::derive(&entry.context.commit, ordinal);
                    return Ok(Prepared::Key(KeyRequest { id, algorithm, key_use }, ordinal));
                }
                Err(Halt::Needs(Need::Stream(stream))) if Lane::shares(&stream) => {
                    lane.load(&self.inner, &stream).await?
                }
                Err(Halt::Needs(Need::Stream(stream))) => self.load_beside(entry, stream).await?,
                Err(Halt::Needs(_)) => return Err(inconsistent("issuing asked for what it never needs")),
            }
        }
    }

    /// Whether what others have written since the lane's view stands against a request: no key is made for it then.
    async fn is_refused_by_now(&self, lane: &Lane, entry: &Entry) -> Result<bool, Error> {
        let view = lane.view();
        let read = self.inner.store.read(&view.revisions(), Position::MAX).await?;
        if read.streams.iter().all(|slice| slice.events.is_empty()) {
            return Ok(false);
        }
        let mut world = (*view).clone();
        for slice in &read.streams {
            world.apply(slice)?;
        }
        let desk = Desk::new(world.desk_beside(&entry.beside), &entry.evidence);
        Ok(matches!(entry.decide(&desk), Err(Halt::Refused(_))))
    }

    /// Makes ready again what came back from the lane.
    pub(super) async fn again(
        &self,
        lane: &Lane,
        mut entry: Box<Entry>,
        why: &Again,
        call: &Call,
    ) -> Result<Box<Entry>, Error> {
        entry.prepared = false;
        match why {
            Again::Redraw => entry.context.seed = self.inner.seed()?,
            Again::Reload => entry.beside = Arc::default(),
            Again::Taken(stream) => self.load_beside(&mut entry, stream.clone()).await?,
            Again::Sign(_) => entry.outdated = true,
            Again::Fetch(_) | Again::Stale(_) => {}
        }
        let stale = matches!(why, Again::Stale(_)) || self.inner.is_stale(&entry.context, &lane.view()).await?;
        if stale {
            let (context, metadata) = self.draw(entry.command(), false, &entry.identity, call).await?;
            entry.context.time = context.time;
            entry.metadata = Arc::new(metadata);
        }
        if let Again::Stale(newest) = why
            && entry.context.time < *newest
        {
            // What is in flight is dated later than the clock shows.
            let metadata = Arc::make_mut(&mut entry.metadata);
            metadata.wall_clock.get_or_insert(entry.context.time);
            metadata.decided_at = *newest;
            entry.context.time = *newest;
        }
        Ok(entry)
    }

    /// What a reply of the lane means to the caller.
    pub(super) async fn conclude(&self, reply: Reply, identity: &Identity) -> Result<Concluded, Error> {
        match reply {
            Reply::Landed { entry, events, receipt } => {
                self.inner.save_due().await;
                self.record(|| {
                    let Entry { request, renews, context, evidence, .. } = &*entry;
                    let signatures = entry.signatures();
                    match renews {
                        None => DecisionRecord::of(request, context, evidence, &signatures, &events, receipt),
                        Some(of) => {
                            let (of, request) = (*of, request.clone());
                            let decide =
                                move |desk: &Desk<'_>, context: &Context| decide_renewal(of, &request, desk, context);
                            DecisionRecord::decided(
                                entry.command(),
                                decide,
                                context,
                                evidence,
                                &signatures,
                                &events,
                                receipt,
                            )
                        }
                    }
                });
                let issued = events.into_iter().find_map(|event| match event {
                    Event::CertificateIssued(issued) => Some(Issued::from(issued)),
                    _ => None,
                });
                let answer = issued.ok_or_else(unanswered)?;
                Ok(Concluded::Done(Box::new(Done { answer, receipt, repeated: false })))
            }
            Reply::Repeated(receipt) => {
                answered(self.repeat(receipt).await?).map(|done| Concluded::Done(Box::new(done)))
            }
            Reply::Again { entry, why } => Ok(Concluded::Again(entry, why)),
            Reply::Refused(refusal) => match self.landed(identity).await? {
                Some(receipt) => answered(self.repeat(receipt).await?).map(|done| Concluded::Done(Box::new(done))),
                None => Err(refusal.into()),
            },
            Reply::Failed(Error::Store(error @ StoreError::IdReused { .. })) => Err(reused(error)),
            Reply::Failed(error) => Err(error),
        }
    }

    /// The lane that writes to a stream, if there is one.
    pub(super) fn lane_of(&self, stream: &StreamId) -> Option<Arc<Lane>> {
        let lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().find(|(ca, _)| stream::quota(ca) == *stream).map(|(_, lane)| Arc::clone(lane))
    }

    /// Every lane.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        let lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values().cloned().collect()
    }

    fn new_lane(&self) -> Lane {
        Lane::new(Arc::clone(&self.inner.store), Arc::clone(&self.inner.keys), Arc::clone(&self.inner.shelf))
    }

    /// The lane of the CA that a request goes to.
    pub(super) fn lane(&self, request: &IssueCertificate) -> Arc<Lane> {
        let mut lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= LANES && !lanes.contains_key(&request.ca) {
            // Ids can be made up without end. What nobody is at is read again when it is wanted.
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        Arc::clone(lanes.entry(request.ca.clone()).or_insert_with(|| Arc::new(self.new_lane())))
    }
}

impl Inner {
    /// Whether a decision has become too old for the log (rule L9).
    async fn is_stale(&self, context: &Context, world: &World<State>) -> Result<bool, Error> {
        let head = self.store.head().await?;
        Ok(time::is_stale(context.time, head.time, &self.policy(world)))
    }
}

/// A request that was taken in.
pub(super) enum Entered {
    New(Box<Entry>),
    Repeated(Box<Done<Issued>>),
}

/// Where a request stands after the lane has replied.
pub(super) enum Concluded {
    Done(Box<Done<Issued>>),
    Again(Box<Entry>, Again),
}

fn decide(lane: &Lane, entry: &Entry) -> Result<Plan, Halt> {
    let view = lane.view();
    let desk = Desk::new(view.desk_beside(&entry.beside), &entry.evidence);
    entry.decide(&desk)
}

fn unanswered() -> Error {
    inconsistent("the events do not answer the command")
}

pub(super) fn answered(carried: Carried) -> Result<Done<Issued>, Error> {
    let Carried { events, receipt, repeated, .. } = carried;
    let answer = IssueCertificate::answer(&events).ok_or_else(unanswered)?;
    let receipt = receipt.ok_or_else(|| inconsistent("issuing left no receipt"))?;
    Ok(Done { answer, receipt, repeated })
}
