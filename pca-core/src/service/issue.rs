//! Issuing through the lanes.

use std::sync::{Arc, PoisonError};

use crate::domain::certificate::{IssueCertificate, Issued, KeySource};
use crate::domain::{Command, Desk, Evidence, Halt, Need, Plan, Refusal, stream};
use crate::keys::{KeyId, KeyRequest};
use crate::log::{Position, Revision, StoreError, StreamId, World};

use super::execute::{Carried, reused};
use super::lane::{Again, Entry, Lane, Reply};
use super::recorder::DecisionRecord;
use super::session::inconsistent;
use super::{Call, Done, Error, Pca};

/// How often a request goes back and forth before its caller is told that others are always quicker.
const ATTEMPTS: u32 = 64;

/// What a request needs before it can be handed to the lane.
pub(super) enum Prepared {
    /// Nothing, as far as can be told; if a refusal is in the air, only the lane can tell it.
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
            Entered::New(entry) => self.pass(&self.lane(&entry.request), entry, call).await,
            Entered::Repeated(done) => Ok(done),
        }
    }

    /// Prepares, signs and hands to the lane, until it is done or refused.
    async fn pass(&self, lane: &Lane, mut entry: Box<Entry>, call: &Call) -> Result<Done<Issued>, Error> {
        for _ in 0..ATTEMPTS {
            if entry.wants_preparing(lane)
                && let Prepared::Key(request, ordinal) = self.prepare(lane, &mut entry).await?
            {
                let made = self.inner.keys.generate(core::slice::from_ref(&request)).await.into_iter().next();
                entry.evidence.keys.insert(ordinal, made.ok_or_else(|| inconsistent("the key store made no key"))??);
            }
            let reply = lane.submit(entry);
            let reply = lane.wait(&self.inner, reply).await.map_err(|_| inconsistent("the lane forgot a request"))?;
            entry = match self.conclude(reply).await? {
                Concluded::Done(done) => return Ok(done),
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
    pub(super) async fn enter(&self, request: IssueCertificate, call: &Call) -> Result<Entered, Error> {
        let inner = &*self.inner;
        let name = IssueCertificate::NAME;
        inner.authorizer.authorize(&call.actor, name, request.about()).map_err(Refusal::from)?;
        let identity = self.identify(name, &request.canonical(), call)?;
        if call.chosen_commit().is_some()
            && let Some(receipt) = inner.store.receipt(identity.commit, identity.request).await.map_err(reused)?
        {
            return Ok(Entered::Repeated(answer(self.repeat(receipt).await?)?));
        }
        let (context, metadata) = self.draw(name, false, identity.commit, call).await?;
        let (evidence, beside, signed) = (Evidence::default(), World::default(), Vec::new());
        let prepared = matches!(request.key, KeySource::Csr(_));
        let mut entry = Box::new(Entry { request, identity, context, metadata, evidence, beside, signed, prepared });
        if let Some(stream) = entry.key_stream() {
            self.load_beside(&mut entry, stream).await?;
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

    /// Decides on the lane's view in order to learn what the request needs, and loads that.
    pub(super) async fn prepare(&self, lane: &Lane, entry: &mut Entry) -> Result<Prepared, Error> {
        loop {
            match decide(lane, entry) {
                Ok(_) | Err(Halt::Refused(_)) => return Ok(Prepared::Ready),
                Err(Halt::Needs(Need::Key { ordinal, algorithm, key_use })) => {
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

    /// Makes ready again what came back from the lane.
    pub(super) async fn again(
        &self,
        lane: &Lane,
        mut entry: Box<Entry>,
        why: &Again,
        call: &Call,
    ) -> Result<Box<Entry>, Error> {
        match why {
            Again::Redraw => entry.context.seed = self.inner.seed()?,
            Again::Reload => {
                entry.beside = World::default();
                entry.prepared = false;
            }
            Again::Fetch(need) => {
                tracing::trace!(?need, "the lane needs more of a request");
                entry.prepared = false;
            }
            Again::Stale => {}
        }
        if *why == Again::Stale || self.inner.is_stale(&entry.context, &lane.view()).await? {
            let (context, metadata) = self.draw(IssueCertificate::NAME, false, entry.identity.commit, call).await?;
            entry.context.time = context.time;
            entry.metadata = metadata;
        }
        Ok(entry)
    }

    /// What a reply of the lane means to the caller.
    pub(super) async fn conclude(&self, reply: Reply) -> Result<Concluded, Error> {
        match reply {
            Reply::Landed { entry, events, receipt } => {
                let signatures: Vec<_> = entry.signed.iter().map(|(_, signature)| signature.clone()).collect();
                let Entry { request, context, evidence, .. } = *entry;
                self.record(|| DecisionRecord::of(&request, &context, &evidence, &signatures, &events, receipt));
                let carried = Carried { events, signed: Vec::new(), receipt: Some(receipt), repeated: false };
                answer(carried).map(Concluded::Done)
            }
            Reply::Repeated(receipt) => answer(self.repeat(receipt).await?).map(Concluded::Done),
            Reply::Again { entry, why } => Ok(Concluded::Again(entry, why)),
            Reply::Refused(refusal) => Err(refusal.into()),
            Reply::Failed(Error::Store(error @ StoreError::IdReused { .. })) => Err(reused(error)),
            Reply::Failed(error) => Err(error),
        }
    }

    /// The lane of the CA that a request goes to.
    pub(super) fn lane(&self, request: &IssueCertificate) -> Arc<Lane> {
        let mut lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(request.ca.clone()).or_insert_with(|| Arc::new(Lane::new())))
    }
}

/// A request that was taken in.
pub(super) enum Entered {
    New(Box<Entry>),
    Repeated(Done<Issued>),
}

/// Where a request stands after the lane has replied.
pub(super) enum Concluded {
    Done(Done<Issued>),
    Again(Box<Entry>, Again),
}

impl Entry {
    /// Whether it must be decided outside of the lane first: a key may have to be made, or a stream to be loaded.
    pub(super) fn wants_preparing(&mut self, lane: &Lane) -> bool {
        !core::mem::replace(&mut self.prepared, true) || lane.view().is_empty()
    }

    /// The stream of the request's key, if the request brings one.
    pub(super) fn key_stream(&self) -> Option<StreamId> {
        match &self.request.key {
            KeySource::Csr(csr) => Some(stream::spki(&csr.public_key().digest())),
            KeySource::Platform(_) => None,
        }
    }
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
