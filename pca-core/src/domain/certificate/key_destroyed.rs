//! `ConfirmKeyDestroyed`: the end of a holder's key was carried out (rules K3, K4).

use core::fmt;

use serde::Serialize;

use crate::domain::ca::Ca;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan, canonical};
use crate::domain::event::{Event, KeyDestroyed, KeyOwner};
use crate::domain::policy::Policy;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, founded};
use crate::keys::KeyId;
use crate::log::Timestamp;
use crate::x509::{CertificateId, Profile};

use super::Certificate;
use super::find::{find, settle};
use super::status::effective_status;

const K3: Rule = Rule::new("K3");
const K4: Rule = Rule::new("K4");

/// Why a holder's key is to be destroyed (rule K4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEnd {
    /// Its certificate was removed from the list.
    Removed,
    /// It was delivered for the last time, as was asked.
    Delivered,
    /// Its certificate ended, and `policy.key_retention_days` have passed since.
    Retention {
        /// When the certificate was revoked, ended with its CA, or expired.
        ended: Timestamp,
    },
}

impl fmt::Display for KeyEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("its certificate was removed from the list"),
            Self::Delivered => f.write_str("it was delivered for the last time"),
            Self::Retention { ended } => write!(f, "its certificate ended at {ended}"),
        }
    }
}

/// Whether the key that the platform keeps for a certificate's holder is to be destroyed now, and why; nothing if there
/// is none, or it is still kept. Keys for data encryption have no retention: what was encrypted to them outlives the
/// certificate. They end at removal, or at the delivery that asks for it.
#[must_use]
pub fn key_end_due(certificate: &Certificate, issuer: &Ca, policy: &Policy, now: Timestamp) -> Option<KeyEnd> {
    certificate.kept_key()?;
    if certificate.is_removed() {
        return Some(KeyEnd::Removed);
    }
    if certificate.is_key_ending() {
        return Some(KeyEnd::Delivered);
    }
    if certificate.issued()?.profile == Profile::DataEncryption {
        return None;
    }
    let ended = effective_status(certificate, issuer, now).ended()?;
    (now > key_kept_until(ended, policy)).then_some(KeyEnd::Retention { ended })
}

/// Until when a holder's key is kept after its certificate ended.
#[must_use]
pub fn key_kept_until(ended: Timestamp, policy: &Policy) -> Timestamp {
    ended.plus_secs(i64::from(policy.key_retention_days).saturating_mul(86_400))
}

/// Confirms that the key of a holder whose end is due was destroyed in the key store. An end that was not confirmed is
/// carried out and confirmed again at the next opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfirmKeyDestroyed {
    /// The certificate.
    pub id: CertificateId,
}

/// What [`ConfirmKeyDestroyed`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// The certificate.
    pub id: CertificateId,
    /// The key.
    pub key: KeyId,
}

impl Command for ConfirmKeyDestroyed {
    type Answer = Destroyed;

    const NAME: &'static str = "ConfirmKeyDestroyed";

    fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    fn about(&self) -> Option<&CaId> {
        None
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = Objections::new();
        founded(desk, &mut objections)?;
        let policy = desk.policy()?;
        let of_ca = (K3, "the end of a CA's key is its CA's matter");
        let found = find(self.id, K3, of_ca, context.time, desk, &mut objections)?;
        let key = found.as_ref().and_then(|found| found.certificate.kept_key());
        if let Some(found) = &found {
            let id = self.id;
            let due = key_end_due(found.certificate, found.issuer, policy, context.time);
            if key.is_none() {
                let text = format!("the platform has no key for {id}: its holder made it, or it was destroyed");
                objections.add(BrokenRule::new(K3, "no-key", text));
            } else if due.is_none() {
                let text = match found.status.ended() {
                    Some(ended) if found.issued.profile != Profile::DataEncryption => {
                        let until = key_kept_until(ended, policy);
                        format!("the key of {id} is kept until {until}; it is {}", context.time)
                    }
                    _ => format!("the key of {id} is in use: {id} is {}", found.status.name()),
                };
                objections.add(BrokenRule::new(K4, "key-still-kept", text));
            }
        }
        let key = settle(objections, key)?;
        desk.key(key)?;
        Ok(Plan::new().and(KeyDestroyed { key: key.clone(), owner: KeyOwner::Certificate(self.id) }))
    }

    fn answer(events: &[Event]) -> Option<Destroyed> {
        events.iter().find_map(|event| match event {
            Event::KeyDestroyed(KeyDestroyed { key, owner: KeyOwner::Certificate(id) }) => {
                Some(Destroyed { id: *id, key: key.clone() })
            }
            _ => None,
        })
    }
}
