//! The general path of a command: load, decide, sign, commit; again if something moved (architecture, picture).

use std::sync::Arc;

use tracing::Instrument as _;

use crate::domain::event::Event;
use crate::domain::{Command, Context, Refusal, ToSign};
use crate::keys::Signature;
use crate::log::{
    Commit, CommitId, EventData, Metadata, Position, Receipt, Recorded, RequestDigest, Revision, StoreError,
};

use super::recorder::DecisionRecord;
use super::session::{Decision, Session, inconsistent};
use super::{Call, Done, Error, Pca, time};

/// How often a command is decided before the caller is told that others are always quicker.
const ATTEMPTS: u32 = 64;

/// A command that was carried out, or what stands of an earlier one.
pub(super) struct Carried {
    pub(super) events: Vec<Event>,
    pub(super) signed: Vec<(ToSign, Signature)>,
    pub(super) receipt: Option<Receipt>,
    pub(super) repeated: bool,
}

/// What identifies a call in the log.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) commit: CommitId,
    pub(super) request: RequestDigest,
    /// Randomness that was drawn with the commit id.
    pub(super) seed: [u8; 32],
    /// Whether the commit id is the caller's: then it may have been carried out before.
    pub(super) chosen: bool,
}

/// Randomness for an identity: a commit id and a seed. Drawn in one piece: a draw costs more than what is drawn.
pub(super) type Random = [u8; 48];

impl Identity {
    pub(super) fn new(chosen: Option<CommitId>, request: RequestDigest, random: &Random) -> Self {
        let (mut id, mut seed) = ([0; 16], [0; 32]);
        let (for_id, for_seed) = random.split_at(id.len());
        id.copy_from_slice(for_id);
        seed.copy_from_slice(for_seed);
        Self { commit: chosen.unwrap_or_else(|| CommitId::new(id)), request, seed, chosen: chosen.is_some() }
    }
}

impl Pca {
    /// Carries out a command: its events are durable when this answers.
    ///
    /// Dropping the future before the commit leaves nothing behind but perhaps an unused key, which a repeat with the
    /// same idempotency key finds again and [`sweep`](Self::sweep_keys) removes; dropping it afterwards leaves the
    /// command done, and a repeat with the same idempotency key answers.
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule, or trouble of a store.
    pub async fn execute<C: Command>(&self, command: C, call: &Call) -> Result<Done<C::Answer>, Error> {
        let carried = self.carry_out(&command, call).await?;
        let answer = C::answer(&carried.events).ok_or_else(|| inconsistent("the events do not answer the command"))?;
        let receipt = carried.receipt.ok_or_else(|| inconsistent("the command changed nothing"))?;
        Ok(Done { answer, receipt, repeated: carried.repeated })
    }

    /// Carries out a command and gives its events and signatures.
    pub(super) async fn carry_out<C: Command>(&self, command: &C, call: &Call) -> Result<Carried, Error> {
        let span = tracing::debug_span!("command", name = C::NAME, commit = tracing::field::Empty);
        self.try_carry_out(command, call).instrument(span).await.inspect_err(|error| self.journal(C::NAME, call, error))
    }

    async fn try_carry_out<C: Command>(&self, command: &C, call: &Call) -> Result<Carried, Error> {
        let inner = &*self.inner;
        self.authorize(call, C::NAME, command.scope()).await?;
        let identity = self.identify(C::NAME, &command.canonical(), call)?;
        if let Some(receipt) = self.landed(&identity).await? {
            return self.repeat(receipt).await;
        }
        let (context, mut metadata) = self.draw(C::NAME, C::WHATEVER_THE_CLOCK, &identity, call).await?;
        let mut session = Session::new(inner, context);
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let Decision { plan, guards } = match session.decide(command).await? {
                Ok(decision) => decision,
                Err(refusal) => match self.landed(&identity).await? {
                    Some(receipt) => return self.repeat(receipt).await,
                    None => return Err(refusal.into()),
                },
            };
            time::check_founding(call, plan.events()).map_err(Refusal::from)?;
            if turn.is_none()
                && let Some(stream) = inner.lines.of(plan.events())
            {
                turn = Some(self.turn(stream).await?);
                self.catch_up::<C>(&mut session, &mut metadata, &identity, call).await?;
                continue;
            }
            let signatures = match inner.sign(plan.to_sign(), &session.world).await {
                Ok(signatures) => signatures,
                // The key may have come to its end meanwhile: then there is a refusal to tell, or another key.
                Err(Error::Key(_)) if session.refresh().await? => continue,
                Err(error) => return Err(error),
            };
            let signed = plan.to_sign().iter().cloned().zip(signatures.iter().cloned()).collect();
            if plan.events().is_empty() {
                let position = plan.stands_at().ok_or_else(|| inconsistent("the command changed nothing"))?;
                let (events, receipt) = (plan.standing().to_vec(), self.recorded_at(position).await?.receipt());
                return Ok(Carried { events, signed, receipt: Some(receipt), repeated: true });
            }
            let events = plan.complete(&signatures);
            let encoded = events.iter().map(EventData::encode).collect::<Result<Vec<_>, _>>()?;
            let commit = Commit::new(identity.commit, identity.request, metadata.clone(), guards, &encoded)?;
            let answered = inner.store.commit(vec![commit]).await.into_iter().next();
            match answered.ok_or_else(|| inconsistent("the store did not answer"))? {
                Ok(receipt) => {
                    tracing::debug!(position = receipt.last.get(), "committed");
                    let Session { context, evidence, .. } = &session;
                    self.record(|| DecisionRecord::of(command, context, evidence, &signatures, &events, receipt));
                    inner.learn_policy(&mut session.world, &events, &metadata, receipt.time);
                    return Ok(Carried { events, signed, receipt: Some(receipt), repeated: false });
                }
                Err(StoreError::Repeated(receipt)) => return self.repeat(receipt).await,
                Err(StoreError::Conflict { stream, expected, .. }) => {
                    tracing::debug!(%stream, "conflict, deciding again");
                    if expected == Revision::ZERO && session.world.revision(&stream).is_none() {
                        session.context.seed = inner.seed()?;
                    }
                    if stream.category() == "key" {
                        session.load(core::slice::from_ref(&stream)).await?;
                    }
                    if turn.as_ref().is_none_or(|turn| !turn.is_at(&stream)) {
                        // One at a time: who had several could wait for another who waits for them.
                        drop(turn.take());
                        turn = Some(self.turn(stream).await?);
                    }
                    self.catch_up::<C>(&mut session, &mut metadata, &identity, call).await?;
                }
                Err(other) => return Err(reused(other)),
            }
        }
        Err(Error::Contended { command: C::NAME, attempts: ATTEMPTS })
    }

    /// Brings a command up to date that others came before, and its time where that has grown too old (rule L9).
    async fn catch_up<C: Command>(
        &self,
        session: &mut Session<'_>,
        metadata: &mut Metadata,
        identity: &Identity,
        call: &Call,
    ) -> Result<(), Error> {
        let inner = &*self.inner;
        session.refresh().await?;
        let head = inner.store.head().await?;
        if time::is_stale(session.context.time, head.time, &inner.policy(&session.world)) {
            let (context, redrawn) = self.draw(C::NAME, C::WHATEVER_THE_CLOCK, identity, call).await?;
            session.context.time = context.time;
            *metadata = redrawn;
        }
        Ok(())
    }

    /// The commit id and request digest of a call.
    pub(super) fn identify(&self, name: &str, canonical: &[u8], call: &Call) -> Result<Identity, Error> {
        let mut random: Random = [0; 48];
        self.inner.entropy.fill(&mut random)?;
        Ok(Identity::new(call.chosen_commit(), call.digest(name, canonical), &random))
    }

    /// Draws what is kept over retries: the time that rules go by, and randomness (rule L9).
    pub(super) async fn draw(
        &self,
        name: &str,
        whatever_the_clock: bool,
        identity: &Identity,
        call: &Call,
    ) -> Result<(Context, Metadata), Error> {
        let inner = &*self.inner;
        let head = inner.store.head().await?;
        let mut clock = inner.clock.now();
        if call.now.is_some() {
            clock = time::clock_of(call, clock, &*inner.enterprise().await?).map_err(Refusal::from)?;
        }
        if !whatever_the_clock {
            time::check_gap(call, clock, &head, &inner.current_policy().await?).map_err(Refusal::from)?;
        }
        let time = time::decided_at(clock, &head);
        let context = Context { time, commit: identity.commit, seed: identity.seed };
        Ok((context, call.metadata(name, time, clock)))
    }

    /// The receipt of a request that was carried out before, or while it was decided once more: a repeat gets the first
    /// answer, and not the refusal that the first one has brought about (rule O6).
    pub(super) async fn landed(&self, identity: &Identity) -> Result<Option<Receipt>, Error> {
        if !identity.chosen {
            return Ok(None);
        }
        self.inner.store.receipt(identity.commit, identity.request).await.map_err(reused)
    }

    /// The answer to a request that was carried out before, from the events of its receipt.
    pub(super) async fn repeat(&self, receipt: Receipt) -> Result<Carried, Error> {
        let events = self.events_of(&receipt).await?;
        Ok(Carried { events, signed: Vec::new(), receipt: Some(receipt), repeated: true })
    }

    /// The events of a commit.
    pub(super) async fn events_of(&self, receipt: &Receipt) -> Result<Vec<Event>, Error> {
        let recorded = self.recorded_at(receipt.first).await?;
        if recorded.commit().id() != receipt.commit {
            return Err(inconsistent("a receipt names a commit that the log lacks"));
        }
        Ok(recorded.commit().events().map(|view| Event::decode(&view)).collect::<Result<_, _>>()?)
    }

    /// The commit that holds a position.
    async fn recorded_at(&self, position: Position) -> Result<Arc<Recorded>, Error> {
        let before = Position::new(position.get().saturating_sub(1));
        let found = self.inner.store.follow(before, 1).await?.into_iter().next();
        found.ok_or_else(|| inconsistent("the log lacks a position that it told of"))
    }

    pub(super) fn journal(&self, name: &'static str, call: &Call, error: &Error) {
        if let Error::Refused(refusal) = error {
            tracing::debug!(command = name, %refusal, "refused");
            self.inner.journal.note(self.inner.clock.now(), &call.actor, name, refusal);
        }
    }
}

/// An idempotency key that was used for another request is a refusal (rule O6).
pub(super) fn reused(error: StoreError) -> Error {
    use crate::domain::{BrokenRule, Rule};
    match error {
        StoreError::IdReused { position, .. } => {
            let message = format!(
                "the idempotency key was used for another request, committed at position {position}; use another key for another request"
            );
            Error::Refused(BrokenRule::new(Rule::new("O6"), "idempotency-key-reused", message).into())
        }
        other => Error::Store(other),
    }
}
