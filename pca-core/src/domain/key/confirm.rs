//! `ConfirmKeyDestroyed`: writes down that a key is gone.

use serde::Serialize;

use crate::domain::certificate::key_end_due;
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, KeyDestroyed, KeyOwner};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};
use crate::keys::KeyId;

use super::KeyState;

const K3: Rule = Rule::new("K3");
const K4: Rule = Rule::new("K4");

/// Writes down that a key whose end was decided has been destroyed in the key store: the last step after a CA came to its
/// end, or after a holder's certificate left the list or has been over for long enough (rules K3, K4). Destroy the key
/// first; that again is harmless.
#[derive(Clone, Debug, Serialize)]
pub struct ConfirmKeyDestroyed {
    /// The key.
    pub key: KeyId,
}

/// What [`ConfirmKeyDestroyed`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGone {
    /// The key.
    pub key: KeyId,
    /// What it belonged to.
    pub owner: KeyOwner,
}

impl Command for ConfirmKeyDestroyed {
    type Answer = KeyGone;

    const NAME: &'static str = "ConfirmKeyDestroyed";

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Key(&self.key)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let policy = desk.policy()?;
        let owner = match desk.key(&self.key)? {
            KeyState::Ending(KeyOwner::Ca(ca)) => {
                let unsigned = desk.ca(ca)?.ended().iter().any(|ended| ended.end.key == self.key && !ended.last_crl);
                objections.require(!unsigned, || self.broken("last-crl-missing", "has not signed its last CRL yet"));
                Some(KeyOwner::Ca(ca.clone()))
            }
            KeyState::Ending(owner) => Some(owner.clone()),
            KeyState::Living(KeyOwner::Certificate(id)) => {
                let certificate = desk.certificate(id)?;
                let due = match certificate.issued() {
                    Some(issued) => key_end_due(certificate, desk.ca(&issued.ca)?, policy, context.time),
                    None => None,
                };
                objections.require(due.is_some(), || {
                    let days = policy.key_retention_days;
                    BrokenRule::new(
                        K4,
                        "key-kept",
                        format!(
                            "the key {} is kept for the certificate {id} until that leaves the list, or {days} days after its end",
                            self.key
                        ),
                    )
                });
                Some(KeyOwner::Certificate(*id))
            }
            KeyState::Living(KeyOwner::Responder(issuer)) => {
                let responders = desk.ocsp(issuer)?;
                let until = responders.current().map_or(context.time, |responder| responder.not_after);
                objections.require(responders.is_key_over(&self.key, context.time), || {
                    self.broken("key-in-use", &format!("answers OCSP requests until its certificate ends at {until}"))
                });
                Some(KeyOwner::Responder(*issuer))
            }
            KeyState::Living(_) => {
                objections.add(self.broken("key-in-use", "is in use: reset or revoke its CA first"));
                None
            }
            KeyState::Ended(_) => {
                objections.add(self.broken("key-gone", "was destroyed or given up before"));
                None
            }
            KeyState::Unknown => {
                objections.add(self.broken("key-unknown", "is named by no event: give it up with AbandonKey"));
                None
            }
        };
        objections.verdict()?;
        match owner {
            Some(KeyOwner::Ca(ca)) => desk.ca(&ca).map(|_| KeyOwner::Ca(ca)),
            Some(KeyOwner::Certificate(id)) => desk.certificate(&id).map(|_| KeyOwner::Certificate(id)),
            Some(KeyOwner::Responder(issuer)) => desk.ocsp(&issuer).map(|_| KeyOwner::Responder(issuer)),
            None => Err(Halt::Refused(self.broken("key-unknown", "belongs to nothing").into())),
        }
        .map(|owner| Plan::new().and(KeyDestroyed { key: self.key.clone(), owner }))
    }

    fn answer(events: &[Event]) -> Option<KeyGone> {
        events.iter().find_map(|event| match event {
            Event::KeyDestroyed(gone) => Some(KeyGone { key: gone.key.clone(), owner: gone.owner.clone() }),
            _ => None,
        })
    }
}

impl ConfirmKeyDestroyed {
    fn broken(&self, code: &'static str, what: &str) -> BrokenRule {
        BrokenRule::new(K3, code, format!("the key {} {what}", self.key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::testing::Scene;
    use crate::domain::ca::{Step, unfinished};
    use crate::domain::event::CertificateRemoved;
    use crate::keys::Family;

    #[test]
    fn k3_a_key_in_use_or_unknown_is_not_confirmed_as_destroyed() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        let key = scene.ca(&root).generation().unwrap().key.clone();
        let refusal = scene.refused(&ConfirmKeyDestroyed { key });
        assert_eq!(scene.codes(&refusal), ["K3 key-in-use"]);
        let orphan = KeyId::derive(&crate::log::CommitId::new([7; 16]), 3);
        let refusal = scene.refused(&ConfirmKeyDestroyed { key: orphan });
        assert_eq!(scene.codes(&refusal), ["K3 key-unknown"]);
    }

    #[test]
    fn k3_the_end_of_a_ca_is_confirmed_once_and_ends_the_process() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        let key = scene.ca(&intermediate).generation().unwrap().key.clone();
        scene.reset(&intermediate, true);
        let steps = unfinished(scene.ca(&intermediate));
        assert_eq!(
            steps,
            [Step::DestroyKey { key: key.clone() }, Step::ConfirmKeyDestroyed { key: key.clone() }],
            "without a last CRL"
        );
        let events = scene.run(&ConfirmKeyDestroyed { key: key.clone() }).unwrap();
        assert_eq!(ConfirmKeyDestroyed::answer(&events).unwrap().owner, KeyOwner::Ca(intermediate.clone()));
        assert_eq!(unfinished(scene.ca(&intermediate)), []);
        let refusal = scene.refused(&ConfirmKeyDestroyed { key });
        assert_eq!(scene.codes(&refusal), ["K3 key-gone"]);
        assert_eq!(unfinished(scene.ca(&root)), []);
    }

    #[test]
    fn k3_a_key_signs_its_last_crl_before_it_goes() {
        let mut scene = Scene::new();
        let (_, intermediate) = scene.enabled_pair(Family::Ecc);
        let key = scene.ca(&intermediate).generation().unwrap().key.clone();
        scene.reset(&intermediate, false);
        let refusal = scene.refused(&ConfirmKeyDestroyed { key });
        assert_eq!(scene.codes(&refusal), ["K3 last-crl-missing"]);
    }

    #[test]
    fn k4_the_key_of_a_holder_is_kept_until_removal_or_retention() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 2);
        let removed = scene.issue_with_kept_key(&intermediate, 90);
        let expired = scene.issue_with_kept_key(&intermediate, 10);
        let refusal = scene.refused(&ConfirmKeyDestroyed { key: removed.1.clone() });
        assert_eq!(scene.codes(&refusal), ["K4 key-kept"]);
        scene.happened(CertificateRemoved { id: removed.0, key: None });
        scene.run(&ConfirmKeyDestroyed { key: removed.1 }).unwrap();
        scene.days_pass(39);
        let refusal = scene.refused(&ConfirmKeyDestroyed { key: expired.1.clone() });
        assert_eq!(scene.codes(&refusal), ["K4 key-kept"]);
        scene.days_pass(2);
        scene.run(&ConfirmKeyDestroyed { key: expired.1 }).unwrap();
    }
}
