//! What a lane has decided and not signed yet, in the order of decisions.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll};
use std::collections::VecDeque;
use std::sync::Arc;

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
    /// Signatures that are being made, in order, for those that were asked for.
    batches: VecDeque<Batch>,
}

struct Request {
    waiting: Waiting,
    decision: Decision,
    signatures: Vec<Option<Signature>>,
    /// Whether what is missing has been asked for.
    asked: bool,
}

struct Batch {
    coming: Pin<Box<dyn Future<Output = Signatures> + Send>>,
    done: Option<Signatures>,
}

impl Unsigned {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes a request in, with the signatures that it has.
    pub(super) fn push(&mut self, waiting: Waiting, decision: Decision, signatures: Vec<Option<Signature>>) {
        let asked = signatures.iter().all(Option::is_some);
        self.requests.push_back(Request { waiting, decision, signatures, asked });
    }

    /// Asks for signatures that are missing, in batches.
    pub(super) fn ask(&mut self, keys: &Arc<dyn KeyStore>) {
        while self.batches.len() < BATCHES {
            let mut wanted = Vec::new();
            for request in self.requests.iter_mut().filter(|request| !request.asked) {
                if wanted.len() >= BATCH {
                    break;
                }
                request.asked = true;
                wanted.extend(request.missing().map(|(to_sign, _)| sign_request(to_sign)));
            }
            if wanted.is_empty() {
                return;
            }
            let keys = Arc::clone(keys);
            let coming = Box::pin(async move {
                let mut signatures = keys.sign(&wanted).await;
                // One answer a request, whatever a key store does: nobody waits for ever.
                signatures.resize_with(wanted.len(), || Err(unanswered()));
                signatures
            });
            self.batches.push_back(Batch { coming, done: None });
        }
    }

    /// Takes in a batch that has come, if one has, for the first requests that lack signatures; tells whether one had, and
    /// which requests failed.
    pub(super) fn take(
        &mut self,
        task: &mut TaskContext<'_>,
        verify: VerifyAfterSigning,
    ) -> (bool, Vec<(Waiting, Error)>) {
        for batch in self.batches.iter_mut().filter(|batch| batch.done.is_none()) {
            if let Poll::Ready(signatures) = batch.coming.as_mut().poll(task) {
                batch.done = Some(signatures);
            }
        }
        let Some(signatures) = self.batches.front_mut().and_then(|batch| batch.done.take()) else {
            return (false, Vec::new());
        };
        self.batches.pop_front();
        let mut signatures = signatures.into_iter();
        let mut failed = Vec::new();
        for (number, request) in self.requests.iter_mut().enumerate().filter(|(_, request)| request.asked) {
            for (to_sign, kept) in request.missing() {
                let Some(signed) = signatures.next() else { break };
                match signed.map_err(Error::from).and_then(|signature| checked(to_sign, signature, verify)) {
                    Ok(signature) => *kept = Some(signature),
                    Err(error) => failed.push((number, error)),
                }
            }
            if signatures.len() == 0 {
                break;
            }
        }
        let failed = failed.into_iter().rev();
        let failed =
            failed.filter_map(|(number, error)| Some((self.requests.remove(number)?.waiting, error))).collect();
        (true, failed)
    }

    /// The first request, once it is signed.
    pub(super) fn pop_signed(&mut self) -> Option<Decided> {
        if !self.requests.front()?.signatures.iter().all(Option::is_some) {
            return None;
        }
        let Request { waiting, decision, signatures, .. } = self.requests.pop_front()?;
        Some(Decided { waiting, decision, signatures: signatures.into_iter().flatten().collect() })
    }

    /// Gives all requests back, in order, with the signatures that they have got.
    pub(super) fn recall(&mut self) -> Vec<Waiting> {
        self.batches.clear();
        let recalled = self.requests.drain(..).map(|request| {
            let Request { waiting: (mut entry, reply), decision, signatures, .. } = request;
            let signed = decision.plan.to_sign().iter().cloned().zip(signatures);
            entry.signed = signed.filter_map(|(to_sign, kept)| Some((to_sign, kept?))).collect();
            (entry, reply)
        });
        recalled.collect()
    }
}

impl Request {
    fn missing(&mut self) -> impl Iterator<Item = (&ToSign, &mut Option<Signature>)> {
        self.decision.plan.to_sign().iter().zip(&mut self.signatures).filter(|(_, kept)| kept.is_none())
    }
}

impl Entry {
    /// The signature that was made for these bytes by this key, if there is one.
    pub(super) fn signature(&self, to_sign: &ToSign) -> Option<Signature> {
        let same = |then: &ToSign| then.key == to_sign.key && then.tbs == to_sign.tbs;
        self.signed.iter().find(|(then, _)| same(then)).map(|(_, signature)| signature.clone())
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
