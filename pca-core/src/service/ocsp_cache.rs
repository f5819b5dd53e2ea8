//! OCSP answers that are handed out again: without a nonce, until half of their time has passed (RFC 5019 section 4).
//!
//! An answer is kept in memory, with the revisions of all streams that it was made of. It is handed out only after the store
//! has said that none of them has moved, so that a revocation, a policy or another responder is in the very next answer;
//! what is saved is the signature.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::domain::CaId;
use crate::log::{Digest, Revision, StreamId, Timestamp};
use crate::x509::OcspCertId;

use super::ocsp::OcspAnswer;

/// How many answers are kept; the oldest goes first.
const KEPT: usize = 4096;

/// What was asked: a CA, and certificates as they were named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Digest);

impl Key {
    pub(super) fn of(ca: &CaId, asked: &[OcspCertId]) -> Self {
        let mut hash = Sha256::new();
        hash.update(ca.as_str());
        hash.update([0]);
        // Each is one DER value, so that no two lists run together to the same octets.
        asked.iter().for_each(|asked| hash.update(asked.der()));
        Self(Digest::new(hash.finalize().into()))
    }
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Key, Answer>,
    order: VecDeque<Key>,
}

#[derive(Debug)]
struct Answer {
    answer: OcspAnswer,
    made_of: Vec<(StreamId, Revision)>,
    since: Timestamp,
    until: Timestamp,
}

impl Answers {
    /// An answer whose time has not passed, and what it was made of.
    pub(super) fn find(&self, key: &Key, now: Timestamp) -> Option<(OcspAnswer, Vec<(StreamId, Revision)>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.answers.get(key).filter(|found| found.since <= now && now < found.until)?;
        Some((found.answer.clone(), found.made_of.clone()))
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, key: Key, answer: &OcspAnswer, made_of: Vec<(StreamId, Revision)>) {
        let Some(facts) = &answer.facts else { return };
        let (since, half) = (facts.this_update, (facts.next_update.secs() - facts.this_update.secs()) / 2);
        let answer = Answer { answer: answer.clone(), made_of, since, until: since.plus_secs(half) };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.insert(key, answer).is_none() {
            kept.order.push_back(key);
        }
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.answers.remove(&oldest);
        }
    }
}
