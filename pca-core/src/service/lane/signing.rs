//! What a lane has decided and not signed yet, in the order of decisions.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::domain::event::Event;
use crate::domain::policy::VerifyAfterSigning;
use crate::domain::{Plan, ToSign};
use crate::keys::{KeyError, Signature};
use crate::log::{Commit, EventData, Revision, StoreError, StreamId};
use crate::ports::KeyStore;

use super::{Entry, Error, Identity, Waiting};
use crate::service::session::{checked, sign_request};

/// The most signatures that are asked for at once, and how many such batches are under way.
const BATCH: usize = 128;
const BATCHES: usize = 4;

type Signatures = Vec<Result<Signature, KeyError>>;

/// Where a signature arrives. Whoever needs it looks here, also after their decision was taken again.
#[derive(Clone, Default)]
pub(super) struct Promise(Arc<OnceLock<Result<Signature, Error>>>);

/// A signature that was made or asked for, and what for.
pub(super) type Promised = (ToSign, Promise);

impl Promise {
    fn kept(signature: Signature) -> Self {
        Self(Arc::new(Ok(signature).into()))
    }

    fn signature(&self) -> Option<&Signature> {
        self.0.get()?.as_ref().ok()
    }

    fn failure(&self) -> Option<&Error> {
        self.0.get()?.as_ref().err()
    }
}

/// A request that was decided and signed.
pub(super) struct Decided {
    pub(super) waiting: Waiting,
    pub(super) decision: Decision,
    pub(super) signatures: Vec<Signature>,
}

/// What was decided for a request.
pub(super) struct Decision {
    pub(super) plan: Plan,
    /// What the decision looked at and claimed.
    pub(super) notes: Vec<(StreamId, Revision)>,
    /// For each event, the streams that it concerns.
    pub(super) concerns: Vec<Vec<StreamId>>,
}

/// Requests that were decided, the first of them perhaps signed.
#[derive(Default)]
pub(super) struct Unsigned {
    requests: VecDeque<Request>,
    /// Signatures that are being made.
    batches: Vec<Batch>,
}

struct Request {
    waiting: Waiting,
    decision: Decision,
    /// For each that must be signed; none where it has not been asked for.
    signatures: Vec<Option<Promise>>,
}

struct Batch {
    coming: Pin<Box<dyn Future<Output = Signatures> + Send>>,
    promised: Vec<Promised>,
}

impl Unsigned {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes a request in, with the signatures that were made or asked for.
    pub(super) fn push(&mut self, waiting: Waiting, decision: Decision) {
        let entry = &waiting.0;
        let signatures = decision.plan.to_sign().iter().map(|to_sign| entry.promise(to_sign)).collect();
        self.requests.push_back(Request { waiting, decision, signatures });
    }

    /// Asks for signatures that are missing, in batches.
    pub(super) fn ask(&mut self, keys: &Arc<dyn KeyStore>) {
        while self.batches.len() < BATCHES {
            let mut promised: Vec<Promised> = Vec::new();
            for request in &mut self.requests {
                if promised.len() >= BATCH {
                    break;
                }
                let asked = request.decision.plan.to_sign().iter().zip(&mut request.signatures);
                for (to_sign, signature) in asked.filter(|(_, signature)| signature.is_none()) {
                    promised.push((to_sign.clone(), signature.insert(Promise::default()).clone()));
                }
            }
            if promised.is_empty() {
                return;
            }
            let wanted: Vec<_> = promised.iter().map(|(to_sign, _)| sign_request(to_sign)).collect();
            let keys = Arc::clone(keys);
            self.batches.push(Batch { coming: Box::pin(async move { keys.sign(&wanted).await }), promised });
        }
    }

    /// Takes in the batches that have come; tells whether one had, and which requests failed.
    pub(super) fn take(
        &mut self,
        task: &mut TaskContext<'_>,
        verify: VerifyAfterSigning,
    ) -> (bool, Vec<(Waiting, Error)>) {
        let (mut came, mut failed) = (false, false);
        self.batches.retain_mut(|batch| {
            let Poll::Ready(signatures) = batch.coming.as_mut().poll(task) else { return true };
            // One answer a request, whatever a key store does: nobody waits for ever.
            let signatures = signatures.into_iter().chain(core::iter::repeat_with(|| Err(unanswered())));
            for ((to_sign, promise), signed) in batch.promised.iter().zip(signatures) {
                let signed = signed.map_err(Error::from).and_then(|signature| checked(to_sign, signature, verify));
                failed |= signed.is_err();
                // Each is set once: its batch is gone after this.
                let _ = promise.0.set(signed);
            }
            came = true;
            false
        });
        (came, if failed { self.take_failed() } else { Vec::new() })
    }

    fn take_failed(&mut self) -> Vec<(Waiting, Error)> {
        let mut failed = Vec::new();
        for request in core::mem::take(&mut self.requests) {
            match request.signatures.iter().flatten().find_map(Promise::failure) {
                Some(error) => failed.push((request.waiting, error.clone())),
                None => self.requests.push_back(request),
            }
        }
        failed
    }

    /// The first request, once it is signed.
    pub(super) fn pop_signed(&mut self) -> Option<Decided> {
        let signature = |promise: &Option<Promise>| promise.as_ref()?.signature().cloned();
        let signatures: Vec<_> = self.requests.front()?.signatures.iter().map(signature).collect::<Option<_>>()?;
        let Request { waiting, decision, .. } = self.requests.pop_front()?;
        Some(Decided { waiting, decision, signatures })
    }

    /// Gives all requests back, in order, with the signatures that were made or asked for. What is under way goes on: most
    /// decisions that are taken again need the same octets signed.
    pub(super) fn recall(&mut self) -> Vec<Waiting> {
        let recalled = self.requests.drain(..).map(|request| {
            let Request { waiting: (mut entry, reply), decision, signatures } = request;
            let signed = decision.plan.to_sign().iter().cloned().zip(signatures);
            entry.signed = signed.filter_map(|(to_sign, promise)| Some((to_sign, promise?))).collect();
            (entry, reply)
        });
        recalled.collect()
    }
}

impl Entry {
    /// The signature that was made for these octets by this key or was asked for and has not failed, if there is one.
    fn promise(&self, to_sign: &ToSign) -> Option<Promise> {
        let same = |then: &ToSign| then.key == to_sign.key && then.tbs == to_sign.tbs;
        let mut usable = self.signed.iter().filter(|(_, promise)| promise.failure().is_none());
        usable.find(|(then, _)| same(then)).map(|(_, promise)| promise.clone())
    }

    /// Keeps signatures that were made.
    pub(super) fn keep(&mut self, to_sign: Vec<ToSign>, signatures: Vec<Signature>) {
        self.signed = to_sign.into_iter().zip(signatures.into_iter().map(Promise::kept)).collect();
    }

    /// The signatures that it was carried out with.
    pub(in crate::service) fn signatures(&self) -> Vec<Signature> {
        self.signed.iter().filter_map(|(_, promise)| promise.signature().cloned()).collect()
    }

    /// The commit that carries the request out, and again the streams that its events concern.
    pub(super) fn commit(
        &self,
        events: &[Event],
        concerns: Vec<Vec<StreamId>>,
        notes: Vec<(StreamId, Revision)>,
        limit: usize,
    ) -> Result<(Commit, Vec<Vec<StreamId>>), Error> {
        let encoded = events.iter().zip(concerns).map(|(event, streams)| event.encode_concerning(streams));
        let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
        let Identity { commit, request, .. } = self.identity;
        let commit = Commit::new(commit, request, Arc::clone(&self.metadata), notes, &encoded)?;
        let octets = commit.body().len();
        if octets > limit {
            return Err(StoreError::TooLarge { octets, limit }.into());
        }
        Ok((commit, encoded.into_iter().map(|event| event.streams).collect()))
    }
}

fn unanswered() -> KeyError {
    KeyError::Backend { detail: "the key store answered fewer signatures than were asked for".into() }
}
