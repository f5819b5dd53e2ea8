//! One command on its way: the streams that it has looked at, what it needed, what was drawn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::policy::VerifyAfterSigning;
use crate::domain::{
    CaId, Command, Context, Desk, Evidence, Halt, Need, Plan, Refusal, State, ToSign, Verification, stream,
};
use crate::keys::{Algorithm, KeyId, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature, software};
use crate::log::{CommitId, Position, Revision, StreamId, StreamSlice, Timestamp, World};

use super::roll::enroll;
use super::{Error, Inner};

/// The state of one command between its decisions.
pub(super) struct Session<'a> {
    inner: &'a Inner,
    pub(super) world: World<State>,
    pub(super) evidence: Evidence,
    pub(super) context: Context,
    rehearsed: bool,
    /// Whether all that was looked at is as of one position.
    consistent: bool,
}

/// What a decision came to.
pub(super) struct Decision {
    pub(super) plan: Plan,
    pub(super) guards: BTreeMap<StreamId, Revision>,
}

impl<'a> Session<'a> {
    pub(super) fn new(inner: &'a Inner, context: Context) -> Self {
        Self {
            inner,
            world: World::default(),
            evidence: Evidence::default(),
            context,
            rehearsed: false,
            consistent: true,
        }
    }

    /// A session that changes nothing: keys are made for its eyes only, and forgotten.
    pub(super) fn rehearsing(inner: &'a Inner, context: Context) -> Self {
        Self { rehearsed: true, ..Self::new(inner, context) }
    }

    /// A session for a question to which time is no matter.
    pub(super) fn asking(inner: &'a Inner) -> Self {
        Self::rehearsing(inner, Context { time: Timestamp::EPOCH, commit: CommitId::new([0; 16]), seed: [0; 32] })
    }

    /// Decides, fetching what the decision needs, until there is a plan or a refusal on a consistent, durable state.
    pub(super) async fn decide<C: Command>(&mut self, command: &C) -> Result<Result<Decision, Refusal>, Error> {
        let brought = |ordinal| command.private_key(ordinal).cloned();
        let decide = |desk: &Desk<'_>, context: &Context| {
            command.decide(desk, context).map(|plan| Decision { plan, guards: desk.guards() })
        };
        self.settle(decide, brought).await
    }

    /// Answers a question, fetching what it needs.
    pub(super) async fn ask<T>(
        &mut self,
        question: impl Fn(&Desk<'_>, &Context) -> Result<T, Halt>,
    ) -> Result<Result<T, Refusal>, Error> {
        self.settle(question, |_| None).await
    }

    async fn settle<T>(
        &mut self,
        decide: impl Fn(&Desk<'_>, &Context) -> Result<T, Halt>,
        brought: impl Fn(u32) -> Option<PrivateKey>,
    ) -> Result<Result<T, Refusal>, Error> {
        let mut fresh = false;
        loop {
            let outcome = decide(&Desk::new(self.world.desk(), &self.evidence), &self.context);
            match outcome {
                Ok(decided) => return Ok(Ok(decided)),
                Err(Halt::Needs(Need::Import { ordinal })) => self.import(ordinal, brought(ordinal)).await?,
                Err(Halt::Needs(need)) => self.fetch(need).await?,
                Err(Halt::Refused(refusal)) => {
                    // Either nothing has moved, or what moved was read as of one position: then the next refusal stands,
                    // however busy the streams are.
                    if fresh && self.consistent || !self.refresh().await? {
                        return Ok(Err(refusal));
                    }
                    fresh = true;
                }
            }
        }
    }

    /// Answers a question on a state that is as of one position.
    pub(super) async fn ask_consistently<T>(
        &mut self,
        question: impl Fn(&Desk<'_>, Timestamp) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        loop {
            let answer = self.ask(|desk, context| question(desk, context.time)).await??;
            if self.is_consistent() || !self.refresh().await? {
                return Ok(answer);
            }
        }
    }

    /// Whether all that was looked at is as of one position.
    pub(super) fn is_consistent(&self) -> bool {
        self.consistent
    }

    /// Brings every stream that was looked at up to date, all as of one position; tells whether anything moved.
    pub(super) async fn refresh(&mut self) -> Result<bool, Error> {
        let revisions = self.world.revisions();
        if revisions.is_empty() {
            return Ok(false);
        }
        let read = self.inner.store.read(&revisions, Position::MAX).await?;
        self.consistent = true;
        let mut moved = false;
        for slice in &read.streams {
            moved |= !slice.events.is_empty();
            self.apply(slice)?;
        }
        Ok(moved)
    }

    /// Folds what was read; a roll that was read of the same stream goes along, so that it is not read again from its
    /// beginning whenever a busy CA has moved.
    fn apply(&mut self, slice: &StreamSlice) -> Result<(), Error> {
        self.world.apply(slice)?;
        let known = self.evidence.rolls.iter_mut().find(|(ca, _)| stream::quota(ca) == slice.stream);
        known.map_or(Ok(()), |(_, roll)| enroll(Arc::make_mut(roll), slice))
    }

    /// Loads streams, on top of what is known of them from earlier commands or snapshots.
    pub(super) async fn load(&mut self, streams: &[StreamId]) -> Result<(), Error> {
        self.consistent = self.world.is_empty();
        let read = self.inner.read_on(&mut self.world, streams).await?;
        for slice in &read.streams {
            self.apply(slice)?;
            self.inner.learn_read(&self.world, slice, read.at);
        }
        self.inner.save_due().await;
        Ok(())
    }

    /// Reads what a CA has issued, with its quota and all else that was looked at as of the same position: however many
    /// CAs are asked for and however busy they are, the decision sees them as they were at one time.
    async fn load_roll(&mut self, ca: CaId) -> Result<(), Error> {
        let quota = stream::quota(&ca);
        self.world.remove(&quota);
        self.evidence.rolls.insert(ca, Arc::default());
        let mut wanted = self.world.revisions();
        wanted.push((quota, Revision::ZERO));
        let read = self.inner.store.read(&wanted, Position::MAX).await?;
        self.consistent = true;
        read.streams.iter().try_for_each(|slice| self.apply(slice))
    }

    async fn import(&mut self, ordinal: u32, key: Option<PrivateKey>) -> Result<(), Error> {
        let key = key.ok_or_else(|| inconsistent("the request brings no such key"))?;
        let public_key = if self.rehearsed {
            key.public_key().clone()
        } else {
            self.inner.keys.import(&KeyId::derive(&self.context.commit, ordinal), key).await?
        };
        self.evidence.keys.insert(ordinal, public_key);
        Ok(())
    }

    /// Fetches what a decision needs: streams in one read, keys in one batch.
    async fn fetch(&mut self, need: Need) -> Result<(), Error> {
        let mut needs = Needs::default();
        needs.sort(need);
        if !needs.streams.is_empty() {
            self.load(&needs.streams).await?;
        }
        if !needs.keys.is_empty() {
            self.generate(&needs.keys).await?;
        }
        for asked in needs.verifications {
            let verdict = software::verify(&asked.key, asked.algorithm, &asked.message, &asked.signature).is_ok();
            self.evidence.verified.insert(asked.digest(), verdict);
        }
        for ca in needs.rolls {
            self.load_roll(ca).await?;
        }
        for (ca, cutoff, as_of) in needs.ended_rolls {
            let roll = self.inner.roll(&ca, as_of).await?;
            if roll.revision < cutoff {
                return Err(inconsistent("a CA ended after more events than its quota had"));
            }
            self.evidence.rolls.insert(ca, Arc::new(roll));
        }
        if needs.import {
            return Err(inconsistent("a key is imported only by itself, from the request that brings it"));
        }
        Ok(())
    }

    async fn generate(&mut self, wanted: &[(u32, Algorithm, KeyUse)]) -> Result<(), Error> {
        if self.rehearsed {
            for (ordinal, algorithm, _) in wanted {
                self.evidence.keys.insert(*ordinal, rehearse_key(*algorithm)?);
            }
            return Ok(());
        }
        let requests: Vec<KeyRequest> = wanted
            .iter()
            .map(|(ordinal, algorithm, key_use)| KeyRequest {
                id: KeyId::derive(&self.context.commit, *ordinal),
                algorithm: *algorithm,
                key_use: *key_use,
            })
            .collect();
        let made = self.inner.keys.generate(&requests).await;
        if made.len() != wanted.len() {
            return Err(inconsistent("the key store made another number of keys than was asked for"));
        }
        for ((ordinal, ..), made) in wanted.iter().zip(made) {
            self.evidence.keys.insert(*ordinal, made?);
        }
        Ok(())
    }
}

/// Needs by kind.
#[derive(Default)]
struct Needs {
    streams: Vec<StreamId>,
    keys: Vec<(u32, Algorithm, KeyUse)>,
    verifications: Vec<Verification>,
    rolls: Vec<CaId>,
    ended_rolls: Vec<(CaId, Revision, Position)>,
    import: bool,
}

impl Needs {
    fn sort(&mut self, need: Need) {
        match need {
            Need::Stream(stream) => self.streams.push(stream),
            Need::Key { ordinal, algorithm, key_use } => self.keys.push((ordinal, algorithm, key_use)),
            Need::Verification(verification) => self.verifications.push(verification),
            Need::Roll(ca) => self.rolls.push(ca),
            Need::EndedRoll { ca, cutoff, as_of } => self.ended_rolls.push((ca, cutoff, as_of)),
            Need::Import { .. } => self.import = true,
            Need::All(needs) => needs.into_iter().for_each(|need| self.sort(need)),
        }
    }
}

/// A public key for a preview: one for each algorithm, made when first asked for, whose private half is forgotten.
fn rehearse_key(algorithm: Algorithm) -> Result<PublicKey, Error> {
    static KEYS: Mutex<BTreeMap<Algorithm, PublicKey>> = Mutex::new(BTreeMap::new());
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = keys.get(&algorithm) {
        return Ok(key.clone());
    }
    let made = software::default_backend().generate(algorithm);
    let key = made.map_err(|failure| inconsistent(&failure.to_string()))?.public_key().clone();
    keys.insert(algorithm, key.clone());
    Ok(key)
}

pub(super) fn inconsistent(detail: &str) -> Error {
    Error::Inconsistent { detail: detail.into() }
}

impl Inner {
    /// Signs what a plan asks for and, where the policy that it was decided under says so, verifies what was signed.
    pub(super) async fn sign(&self, to_sign: &[ToSign], world: &World<State>) -> Result<Vec<Signature>, Error> {
        if to_sign.is_empty() {
            return Ok(Vec::new());
        }
        let requests: Vec<SignRequest> = to_sign.iter().map(sign_request).collect();
        let signatures = self.keys.sign(&requests).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        if signatures.len() != to_sign.len() {
            return Err(inconsistent("the key store answered another number of signatures than was asked for"));
        }
        let verify = self.policy(world).verify_after_signing;
        to_sign.iter().zip(signatures).map(|(to_sign, signature)| checked(to_sign, signature, verify)).collect()
    }
}

/// A signature right after it was made, verified where the policy says so.
pub(super) fn checked(to_sign: &ToSign, signature: Signature, verify: VerifyAfterSigning) -> Result<Signature, Error> {
    let wanted = match verify {
        VerifyAfterSigning::Nothing => false,
        VerifyAfterSigning::Authorities => !to_sign.end_entity,
        VerifyAfterSigning::Everything => true,
    };
    if wanted {
        let ToSign { public_key, algorithm, tbs, sha256, .. } = to_sign;
        let verified =
            software::default_backend().verify_known(public_key, *algorithm, tbs, sha256.as_ref(), &signature);
        verified.map_err(|_| Error::BadSignature { key: to_sign.key.to_string() })?;
    }
    Ok(signature)
}

pub(super) fn sign_request(to_sign: &ToSign) -> SignRequest {
    let (algorithm, message, sha256) = (to_sign.algorithm, Arc::clone(&to_sign.tbs), to_sign.sha256);
    SignRequest { key: to_sign.key.clone(), algorithm, message, sha256 }
}
