//! What is left to do after a CA came to its end: the steps of the process that a crash may have interrupted (rule C7).

use crate::domain::CaId;
use crate::keys::KeyId;
use crate::log::Timestamp;

use super::Ca;

/// A step that is still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The last CRL is to be signed: [`PublishLastCrl`](crate::domain::crl::PublishLastCrl).
    PublishLastCrl {
        /// The CA.
        ca: CaId,
        /// Which of its generations.
        generation: u32,
    },
    /// The end of an older generation's key is to be written down, as its last certificate has expired:
    /// [`RetireKey`](super::RetireKey).
    RetireKey {
        /// The CA.
        ca: CaId,
        /// The key.
        key: KeyId,
    },
    /// The key is to be destroyed in the key store; an absent one is success.
    DestroyKey {
        /// The key.
        key: KeyId,
    },
    /// That the key is gone is to be written down: [`ConfirmKeyDestroyed`](crate::domain::key::ConfirmKeyDestroyed).
    ConfirmKeyDestroyed {
        /// The key.
        key: KeyId,
    },
}

/// Every step that is left, in the order in which the steps must be done: a key is destroyed only after its last CRL was
/// signed. Doing one twice does no harm.
#[must_use]
pub fn unfinished(ca: &Ca) -> Vec<Step> {
    let Some(id) = ca.id() else { return Vec::new() };
    let unsigned = ca.ended().iter().filter(|ended| !ended.last_crl);
    let mut steps: Vec<Step> =
        unsigned.map(|ended| Step::PublishLastCrl { ca: id.clone(), generation: ended.end.generation }).collect();
    let ended = ca.ended().iter().filter(|ended| !ended.key_destroyed).map(|ended| &ended.end.key);
    let retired = ca.older().iter().filter(|older| older.retired && !older.key_destroyed);
    let mut keys: Vec<&KeyId> = Vec::new();
    for key in ended.chain(retired.map(|older| &older.generation.key)).chain(ca.left_keys()) {
        // Several generations may have had it.
        if !keys.contains(&key) {
            keys.push(key);
            steps.extend(destroy(key));
        }
    }
    steps
}

/// Keys of older generations that have served their time by now, each as a step; what follows from it is [`unfinished`]
/// then (rule C11).
#[must_use]
pub fn outlived(ca: &Ca, now: Timestamp) -> Vec<Step> {
    let Some(id) = ca.id() else { return Vec::new() };
    let mut keys: Vec<&KeyId> = Vec::new();
    for older in ca.older().iter().filter(|older| !older.retired) {
        let key = &older.generation.key;
        if !keys.contains(&key) && has_outlived(ca, key, now) {
            keys.push(key);
        }
    }
    keys.into_iter().map(|key| Step::RetireKey { ca: id.clone(), key: key.clone() }).collect()
}

/// Whether every certificate of a key has expired, and the newest one has another key. The newest generation's key never
/// retires: it can still be renewed.
pub(super) fn has_outlived(ca: &Ca, key: &KeyId, now: Timestamp) -> bool {
    let newest = ca.generation().is_some_and(|newest| newest.key == *key);
    let mut with_it = ca.living_generations().filter(|generation| generation.key == *key);
    !newest && with_it.all(|generation| generation.has_expired(now))
}

fn destroy(key: &KeyId) -> [Step; 2] {
    [Step::DestroyKey { key: key.clone() }, Step::ConfirmKeyDestroyed { key: key.clone() }]
}
