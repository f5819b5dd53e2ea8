//! What is left to do after a CA came to its end: the steps of the process that a crash may have interrupted (rule C7).

use crate::domain::CaId;
use crate::keys::KeyId;

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
    let mut steps = Vec::new();
    for ended in ca.ended() {
        if !ended.last_crl {
            steps.push(Step::PublishLastCrl { ca: id.clone(), generation: ended.end.generation });
        }
        if !ended.key_destroyed {
            steps.extend(destroy(&ended.end.key));
        }
    }
    steps.extend(ca.left_key().into_iter().flat_map(destroy));
    steps
}

fn destroy(key: &KeyId) -> [Step; 2] {
    [Step::DestroyKey { key: key.clone() }, Step::ConfirmKeyDestroyed { key: key.clone() }]
}
