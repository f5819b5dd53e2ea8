//! What takes several commits: the end of a CA (rule C7), and keys whose end is decided (rule K3).

use std::collections::BTreeSet;

use crate::domain::ca::{EndedGeneration, EndingAnswer, ResetCa, RetireKey, RevokeCa, Step, outlived, unfinished};
use crate::domain::certificate::key_end_due;
use crate::domain::crl::PublishLastCrl;
use crate::domain::event::{CertificateRemoved, Event, KeyDelivered, KeyDestroyed, KeyOwner, ResponderCertified};
use crate::domain::key::{AbandonKey, ConfirmKeyDestroyed, KeyState};
use crate::domain::{CaId, Command, Desk, Scope};
use crate::keys::KeyId;
use crate::log::{CommitId, EventData as _, Payload as _, Position, Timestamp};

use super::session::Session;
use super::{Call, Done, Error, Pca};

/// A step of a process that was carried out, or what hindered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The step.
    pub step: Step,
    /// Whether it is done; what is not is tried again by [`Pca::resume`].
    pub outcome: Result<(), Error>,
}

/// A command whose consequences are a process, and how far that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The command itself: durable.
    pub done: Done<EndingAnswer>,
    /// The steps that followed it, in order.
    pub steps: Vec<Finished>,
    /// What kept further steps from being found; [`Pca::resume`] goes on.
    pub trouble: Option<Error>,
}

impl Pca {
    /// Resets a CA (rules C7, C8): commits the end, then signs last CRLs, then destroys keys.
    ///
    /// # Errors
    /// [`Error::Refused`], or trouble of a store; trouble after the commit is told in [`Ended::steps`].
    pub async fn reset_ca(&self, command: ResetCa, call: &Call) -> Result<Ended, Error> {
        self.end(command, call).await
    }

    /// Revokes a CA for good (rules C8, C9): commits the end, then signs last CRLs, then destroys keys.
    ///
    /// # Errors
    /// As [`reset_ca`](Self::reset_ca).
    pub async fn revoke_ca(&self, command: RevokeCa, call: &Call) -> Result<Ended, Error> {
        self.end(command, call).await
    }

    /// Finishes what a crash interrupted: last CRLs, destruction of keys, and its confirmation; and ends keys of CAs that
    /// were renewed with another one, once their last certificate has expired (rule C11).
    ///
    /// # Errors
    /// Trouble of the event store; trouble of a step is told in [`Finished::outcome`].
    pub async fn resume(&self, call: &Call) -> Result<Vec<Finished>, Error> {
        let mut steps = Vec::new();
        for ca in self.authorities().await? {
            steps.extend(self.finish(&ca, self.inner.random_commit()?, call).await?);
        }
        Ok(steps)
    }

    /// Looks through the key store and the log: destroys keys whose end is due and not carried out (rules K3, K4), gives
    /// up keys that no event names and that are older than `orphaned_before`, and writes down what was destroyed without
    /// being written down.
    ///
    /// It reads the whole log.
    ///
    /// # Errors
    /// Trouble of the stores.
    pub async fn sweep_keys(&self, orphaned_before: Timestamp, call: &Call) -> Result<Vec<SweptKey>, Error> {
        let mut swept = Vec::new();
        for entry in self.inner.keys.list().await? {
            let (state, due) = self.key_standing(&entry.id, call).await?;
            let Some(why) = Swept::of(&state, due, entry.created < orphaned_before) else { continue };
            let confirm = ConfirmKeyDestroyed { key: entry.id.clone() };
            // Asked before anything is written: a log that tells of an end that may not be carried out would be wrong.
            self.authorize(call, ConfirmKeyDestroyed::NAME, Scope::Key(&entry.id)).await?;
            match &state {
                KeyState::Unknown => {
                    self.execute(AbandonKey { key: entry.id.clone() }, &call.unkeyed()).await?;
                }
                // No event tells of this end but the confirmation: it comes first, so that a crash leaves a key that the
                // next sweep finds, and not a log that counts on a key that is gone.
                KeyState::Living(_) => match self.execute(confirm.clone(), &call.unkeyed()).await {
                    Err(error) if is_kept(&error) => continue,
                    other => drop(other?),
                },
                _ => {}
            }
            self.inner.keys.destroy(&entry.id).await?;
            if matches!(state, KeyState::Ending(_)) {
                self.execute(confirm, &call.unkeyed()).await?;
            }
            swept.push(SweptKey { key: entry.id, why });
        }
        for key in self.unconfirmed_keys().await? {
            // The key store does not list it; that again is harmless.
            self.destroy_key(&key, call).await?;
            self.execute(ConfirmKeyDestroyed { key: key.clone() }, &call.unkeyed()).await?;
            swept.push(SweptKey { key, why: Swept::Due });
        }
        Ok(swept)
    }

    /// Tells what [`sweep_keys`](Self::sweep_keys) would destroy; no key is touched, and nothing is written (rule L7).
    ///
    /// It reads the whole log.
    ///
    /// # Errors
    /// Trouble of the stores.
    pub async fn preview_sweep(&self, orphaned_before: Timestamp, call: &Call) -> Result<Vec<SweptKey>, Error> {
        let mut swept: Vec<SweptKey> = Vec::new();
        for entry in self.inner.keys.list().await? {
            let (state, due) = self.key_standing(&entry.id, call).await?;
            let Some(why) = Swept::of(&state, due, entry.created < orphaned_before) else { continue };
            if matches!(state, KeyState::Living(_)) {
                let confirm = ConfirmKeyDestroyed { key: entry.id.clone() };
                match self.preview(&confirm, &call.unkeyed()).await {
                    Err(error) if is_kept(&error) => continue,
                    other => drop(other?),
                }
            }
            swept.push(SweptKey { key: entry.id, why });
        }
        for key in self.unconfirmed_keys().await? {
            if !swept.iter().any(|known| known.key == key) {
                swept.push(SweptKey { key, why: Swept::Due });
            }
        }
        Ok(swept)
    }

    /// Keys of holders and OCSP responders whose end was decided and not confirmed, in order; what is left of a CA's end is `resume`'s matter.
    async fn unconfirmed_keys(&self) -> Result<Vec<KeyId>, Error> {
        let mut ending = BTreeSet::new();
        let kinds = [KeyDelivered::KIND, CertificateRemoved::KIND, ResponderCertified::KIND, KeyDestroyed::KIND];
        self.replay(Position::ZERO, Position::MAX, |recorded| {
            for view in recorded.commit().events().filter(|view| kinds.contains(&view.kind())) {
                match Event::decode(&view)? {
                    Event::KeyDelivered(KeyDelivered { key, destroy_after: true, .. })
                    | Event::CertificateRemoved(CertificateRemoved { key: Some(key), .. })
                    | Event::ResponderCertified(ResponderCertified { replaces: Some(key), .. }) => {
                        ending.insert(key);
                    }
                    Event::KeyDestroyed(destroyed) => {
                        ending.remove(&destroyed.key);
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await?;
        Ok(ending.into_iter().collect())
    }

    /// Every CA that was ever bought: each root, then its intermediates.
    ///
    /// # Errors
    /// Trouble of the event store.
    pub async fn authorities(&self) -> Result<Vec<CaId>, Error> {
        let found = self
            .question(|desk, _| {
                let mut found = Vec::new();
                for root in desk.enterprise()?.roots() {
                    found.push(root.clone());
                    found.extend(desk.ca(root)?.intermediates().iter().cloned());
                }
                Ok(found)
            })
            .await?;
        Ok(found)
    }

    async fn end<C: Command<Answer = EndingAnswer>>(&self, command: C, call: &Call) -> Result<Ended, Error> {
        let done = self.execute(command, call).await?;
        let mut steps = Vec::new();
        let mut trouble = None;
        for ended in &done.answer.ended {
            match self.finish(&ended.ca, done.receipt.commit, call).await {
                Ok(finished) => steps.extend(finished),
                Err(error) => {
                    tracing::warn!(ca = %ended.ca, %error, "the end of a CA is not finished; resume() goes on");
                    trouble = trouble.or(Some(error));
                }
            }
        }
        Ok(Ended { done, steps, trouble })
    }

    /// Carries out every step that a CA's end has left, one after the other; the first that fails ends it.
    async fn finish(&self, ca: &CaId, first: CommitId, call: &Call) -> Result<Vec<Finished>, Error> {
        let mut finished: Vec<Finished> = Vec::new();
        loop {
            let clock = call.now.unwrap_or_else(|| self.now());
            let left = |desk: &Desk<'_>, now| {
                let ca = desk.ca(ca)?;
                Ok(unfinished(ca).into_iter().chain(outlived(ca, now)).collect::<Vec<_>>())
            };
            let steps = self.question_at(clock, left).await?;
            // A step that destroys a key leaves no trace in the log: the one behind it does.
            let step = steps.into_iter().find(|step| !finished.iter().any(|done| done.step == *step));
            let Some(step) = step else { return Ok(finished) };
            let outcome = self.carry_out_step(&step, &call.step(step_commit(first, ca, &step), 0)).await;
            let failed = outcome.is_err();
            finished.push(Finished { step, outcome });
            if failed {
                return Ok(finished);
            }
        }
    }

    async fn carry_out_step(&self, step: &Step, call: &Call) -> Result<(), Error> {
        match step {
            Step::PublishLastCrl { ca, generation } => {
                let command = PublishLastCrl { ca: ca.clone(), generation: *generation };
                self.execute(command, call).await.map(drop)
            }
            Step::RetireKey { ca, key } => {
                self.execute(RetireKey { ca: ca.clone(), key: key.clone() }, call).await.map(drop)
            }
            Step::DestroyKey { key } => self.destroy_key(key, call).await,
            Step::ConfirmKeyDestroyed { key } => {
                self.execute(ConfirmKeyDestroyed { key: key.clone() }, call).await.map(drop)
            }
        }
    }

    /// Destroys a key whose end is decided. Nobody does that who may not confirm it afterwards (rule G1).
    pub(super) async fn destroy_key(&self, key: &KeyId, call: &Call) -> Result<(), Error> {
        self.authorize(call, ConfirmKeyDestroyed::NAME, Scope::Key(key)).await?;
        Ok(self.inner.keys.destroy(key).await?)
    }

    /// Where a key stands and, if it is in use, whether its end is due all the same (rule K4).
    async fn key_standing(&self, key: &KeyId, call: &Call) -> Result<(KeyState, bool), Error> {
        let clock = call.now.unwrap_or_else(|| self.now());
        self.question_at(clock, |desk, now| {
            let state = desk.key(key)?.clone();
            let due = match &state {
                KeyState::Living(KeyOwner::Certificate(id)) => {
                    let certificate = desk.certificate(id)?;
                    match certificate.issued() {
                        Some(issued) => key_end_due(certificate, desk.ca(&issued.ca)?, desk.policy()?, now).is_some(),
                        None => false,
                    }
                }
                KeyState::Living(KeyOwner::Responder(issuer)) => desk.ocsp(issuer)?.is_key_over(key, now),
                KeyState::Ending(KeyOwner::Ca(ca)) => {
                    let unsigned = |ended: &EndedGeneration| ended.end.key == *key && !ended.last_crl;
                    !desk.ca(ca)?.ended().iter().any(unsigned)
                }
                _ => false,
            };
            Ok((state, due))
        })
        .await
    }

    /// Answers a question of one's own on folded streams, as of now: a consistent, durable state.
    ///
    /// # Errors
    /// Trouble of the event store, [`Error::Refused`] if the question refuses to be answered.
    pub async fn question<T>(
        &self,
        question: impl Fn(&crate::domain::Desk<'_>, Timestamp) -> Result<T, crate::domain::Halt>,
    ) -> Result<T, Error> {
        self.question_at(self.now(), question).await
    }

    /// Answers a question as of now, at the time of a clock, or of the newest commit if that is later.
    async fn question_at<T>(
        &self,
        clock: Timestamp,
        question: impl Fn(&crate::domain::Desk<'_>, Timestamp) -> Result<T, crate::domain::Halt>,
    ) -> Result<T, Error> {
        let inner = &*self.inner;
        let head = inner.store.head().await?;
        let time = clock.max(head.time);
        let context = crate::domain::Context { time, commit: CommitId::new([0; 16]), seed: [0; 32] };
        let mut session = Session::rehearsing(inner, context);
        loop {
            let answer = session.ask(|desk, context| question(desk, context.time)).await??;
            if session.is_consistent() || !session.refresh().await? {
                return Ok(answer);
            }
        }
    }
}

/// A key that [`Pca::sweep_keys`] destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptKey {
    /// The key.
    pub key: KeyId,
    /// Why.
    pub why: Swept,
}

impl Swept {
    /// Why a key in the key store has come to its end, if it has.
    const fn of(state: &KeyState, due: bool, is_old: bool) -> Option<Self> {
        match state {
            KeyState::Unknown if is_old => Some(Self::Orphan),
            KeyState::Living(_) if due => Some(Self::Due),
            KeyState::Unknown | KeyState::Living(_) => None,
            // Its last CRL is not signed yet: that is for `resume`, and without the key it never could be (rule C7).
            KeyState::Ending(KeyOwner::Ca(_)) if !due => None,
            KeyState::Ending(_) => Some(Self::Due),
            KeyState::Ended(_) => Some(Self::Left),
        }
    }
}

/// It is kept all the same (rule K4), such as by a policy adopted meanwhile: for a later sweep.
fn is_kept(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.names("K4"))
}

/// Why a key was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Swept {
    /// No event names it.
    Orphan,
    /// Its end was decided.
    Due,
    /// Its end had even been confirmed.
    Left,
}

/// The commit from which the id of a step derives: the same step has the same id, in whatever order steps are done.
fn step_commit(first: CommitId, ca: &CaId, step: &Step) -> CommitId {
    let label = match step {
        Step::PublishLastCrl { generation, .. } => format!("{ca}/last-crl/{generation}"),
        Step::RetireKey { key, .. } => format!("{ca}/retire/{key}"),
        Step::DestroyKey { key } => format!("{ca}/destroy/{key}"),
        Step::ConfirmKeyDestroyed { key } => format!("{ca}/confirm/{key}"),
    };
    label.bytes().fold(first, |commit, octet| commit.step(u64::from(octet)))
}
