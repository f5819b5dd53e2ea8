//! Issuing through the lanes.

use std::sync::{Arc, PoisonError};

use crate::domain::certificate::{IssueCertificate, Issued, KeySource};
use crate::domain::{Command, Context, Desk, Evidence, Halt, Need, Plan, Refusal, State, stream};
use crate::keys::{KeyId, KeyRequest};
use crate::log::{Position, Revision, StoreError, StreamId, World};

use super::execute::{Carried, Identity, reused};
use super::lane::{Again, Entry, Lane, Reply};
use super::recorder::DecisionRecord;
use super::session::inconsistent;
use super::{Call, Done, Error, Inner, Pca, time};

/// How often a request goes back and forth before its caller is told that others are always quicker.
const ATTEMPTS: u32 = 64;

/// What a request needs before it can be handed to the lane.
pub(super) enum Prepared {
    /// A signature, or nothing, since a refusal is in the air, which only the lane can tell.
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
        match self.enter(request, call, false).await? {
            Entered::New(entry) => self.pass(&self.lane(&entry.request), entry, call).await,
            Entered::Repeated(done) => Ok(*done),
        }
    }

    /// Prepares, signs and hands to the lane, until it is done or refused.
    async fn pass(&self, lane: &Lane, mut entry: Box<Entry>, call: &Call) -> Result<Done<Issued>, Error> {
        let identity = entry.identity;
        let mut refreshed = false;
        for _ in 0..ATTEMPTS {
            while let Prepared::Key(request, ordinal) = self.prepare(lane, &mut entry).await? {
                let made = self.inner.keys.generate(core::slice::from_ref(&request)).await.into_iter().next();
                entry.evidence.keys.insert(ordinal, made.ok_or_else(|| inconsistent("the key store made no key"))??);
            }
            let to_sign: Vec<_> = entry.signed.iter().map(|(to_sign, _)| to_sign.clone()).collect();
            match self.inner.sign(&to_sign, &lane.view()).await {
                Ok(signatures) => entry.signed = to_sign.into_iter().zip(signatures).collect(),
                Err(Error::Key(_)) if !refreshed => {
                    refreshed = true;
                    entry.look_again();
                }
                Err(error) => return Err(error),
            }
            let seat = lane.sit();
            let reply = seat.wait(seat.submit(entry)).await;
            drop(seat);
            let reply = reply.map_err(|_| inconsistent("the lane forgot a request"))?;
            entry = match self.conclude(reply, &identity, call).await? {
                Concluded::Done(done) => return Ok(*done),
                Concluded::Again(entry, why) => self.again(lane, entry, &why, call).await?,
            };
        }
        Err(Error::Contended { command: IssueCertificate::NAME, attempts: ATTEMPTS })
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
        self.pass(lane, entry, call).await
    }

    /// Draws what a request needs, or finds that it was carried out before.
    pub(super) async fn enter(&self, request: IssueCertificate, call: &Call, in_batch: bool) -> Result<Entered, Error> {
        let inner = &*self.inner;
        let name = IssueCertificate::NAME;
        inner.authorizer.authorize(&call.actor, name, request.about()).map_err(Refusal::from)?;
        let identity = self.identify(name, &request.canonical(), call)?;
        if call.chosen_commit().is_some()
            && let Some(receipt) = inner.store.receipt(identity.commit, identity.request).await.map_err(reused)?
        {
            return Ok(Entered::Repeated(Box::new(answer(self.repeat(receipt).await?)?)));
        }
        let (context, metadata) = self.draw(name, false, &identity, call).await?;
        let (evidence, beside, signed) = (Evidence::default(), World::default(), Vec::new());
        let mut entry = Box::new(Entry {
            request,
            identity,
            context,
            metadata,
            evidence,
            beside,
            signed,
            in_batch,
            prepared: false,
            outdated: false,
        });
        if let KeySource::Csr(csr) = &entry.request.key {
            let stream = stream::spki(&csr.public_key().digest());
            self.load_beside(&mut entry, stream).await?;
            // A request in a batch is decided in the lane only; all that it needs of its own is here.
            entry.prepared = in_batch;
        }
        Ok(Entered::New(entry))
    }

    async fn load_beside(&self, entry: &mut Entry, stream: StreamId) -> Result<(), Error> {
        let read = self.inner.store.read(&[(stream, Revision::ZERO)], Position::MAX).await?;
        for slice in &read.streams {
            entry.beside.apply(slice)?;
        }
        Ok(())
    }

    /// Decides on the lane's view in order to learn what must be signed; loads what that needs.
    pub(super) async fn prepare(&self, lane: &Lane, entry: &mut Entry) -> Result<Prepared, Error> {
        if entry.prepared && !lane.view().is_empty() {
            return Ok(Prepared::Ready);
        }
        loop {
            match decide(lane, entry) {
                Ok(_) if entry.in_batch => {
                    entry.prepared = true;
                    return Ok(Prepared::Ready);
                }
                Ok(plan) => {
                    entry.signed = plan.to_sign().iter().map(|to_sign| (to_sign.clone(), Vec::new())).collect();
                    return Ok(Prepared::Ready);
                }
                Err(Halt::Refused(_)) => {
                    entry.prepared = entry.in_batch;
                    entry.signed.clear();
                    return Ok(Prepared::Ready);
                }
                Err(Halt::Needs(Need::Key { ordinal, algorithm, key_use })) => {
                    if self.is_refused_by_now(lane, entry).await? {
                        entry.look_again();
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
        Ok(matches!(entry.request.decide(&desk, &entry.context), Err(Halt::Refused(_))))
    }

    /// Makes ready again what came back from the lane.
    pub(super) async fn again(
        &self,
        lane: &Lane,
        mut entry: Box<Entry>,
        why: &Again,
        call: &Call,
    ) -> Result<Box<Entry>, Error> {
        // It was one of a batch; from here on it goes by itself.
        entry.in_batch = false;
        entry.prepared = false;
        match why {
            Again::Redraw => entry.context.seed = self.inner.seed()?,
            Again::Reload => entry.beside = World::default(),
            Again::Taken(stream) => self.load_beside(&mut entry, stream.clone()).await?,
            Again::Sign | Again::Fetch(_) | Again::Stale(_) => {}
        }
        let stale = matches!(why, Again::Stale(_)) || self.inner.is_stale(&entry.context, &lane.view()).await?;
        if stale {
            let (context, metadata) = self.draw(IssueCertificate::NAME, false, &entry.identity, call).await?;
            entry.context.time = context.time;
            entry.metadata = metadata;
        }
        if let Again::Stale(newest) = why
            && entry.context.time < *newest
        {
            // What is in flight is dated later than the clock shows.
            entry.metadata.wall_clock.get_or_insert(entry.context.time);
            entry.metadata.decided_at = *newest;
            entry.context.time = *newest;
        }
        Ok(entry)
    }

    /// What a reply of the lane means to the caller.
    pub(super) async fn conclude(&self, reply: Reply, identity: &Identity, call: &Call) -> Result<Concluded, Error> {
        match reply {
            Reply::Landed { entry, events, receipt } => {
                let signatures: Vec<_> = entry.signed.iter().map(|(_, signature)| signature.clone()).collect();
                let Entry { request, context, evidence, .. } = *entry;
                self.record(|| DecisionRecord::of(&request, &context, &evidence, &signatures, &events, receipt));
                let carried = Carried { events, signed: Vec::new(), receipt: Some(receipt), repeated: false };
                answer(carried).map(|done| Concluded::Done(Box::new(done)))
            }
            Reply::Repeated(receipt) => answer(self.repeat(receipt).await?).map(|done| Concluded::Done(Box::new(done))),
            Reply::Again { entry, why } => Ok(Concluded::Again(entry, why)),
            Reply::Refused(refusal) => match self.landed_meanwhile(identity, call).await? {
                Some(receipt) => answer(self.repeat(receipt).await?).map(|done| Concluded::Done(Box::new(done))),
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

    fn new_lane(&self) -> Lane {
        Lane::new(Arc::clone(&self.inner.store), Arc::clone(&self.inner.keys))
    }

    /// The lane of the CA that a request goes to.
    pub(super) fn lane(&self, request: &IssueCertificate) -> Arc<Lane> {
        let mut lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
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
    entry.request.decide(&desk, &entry.context)
}

fn answer(carried: Carried) -> Result<Done<Issued>, Error> {
    let Carried { events, receipt, repeated, .. } = carried;
    let answer =
        IssueCertificate::answer(&events).ok_or_else(|| inconsistent("the events do not answer the command"))?;
    let receipt = receipt.ok_or_else(|| inconsistent("issuing left no receipt"))?;
    Ok(Done { answer, receipt, repeated })
}
