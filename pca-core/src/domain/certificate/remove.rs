//! `RemoveCertificate`: takes a certificate off the list (rule A5).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{CertificateRemoved, Event};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};
use crate::keys::KeyId;
use crate::x509::CertificateId;

use super::find::{find, settle};

const A5: Rule = Rule::new("A5");
const R6: Rule = Rule::new("R6");

/// Takes a certificate that was revoked, ended with its CA, or has expired off the list. The log keeps it for ever, and
/// so do CRL and OCSP as long as they must (rule A3). A key that the platform kept for the holder comes to its end
/// (rule K4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoveCertificate {
    /// The certificate.
    pub id: CertificateId,
}

/// What [`RemoveCertificate`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The certificate.
    pub id: CertificateId,
    /// The holder's key that is to be destroyed now; [`ConfirmKeyDestroyed`](crate::domain::key::ConfirmKeyDestroyed) follows.
    pub key: Option<KeyId>,
}

impl Command for RemoveCertificate {
    type Answer = Removed;

    const NAME: &'static str = "RemoveCertificate";

    fn scope(&self) -> Scope<'_> {
        Scope::Certificate(&self.id)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let of_ca = (R6, "it leaves the list with its CA; remove the CA");
        let found = find(self.id, A5, of_ca, context.time, desk, &mut objections)?;
        if let Some(found) = &found {
            let id = self.id;
            objections.require(!found.certificate.is_removed(), || {
                BrokenRule::new(A5, "already-removed", format!("{id} was removed from the list already"))
            });
            objections.require(found.status.ended().is_some(), || {
                let (status, end) = (found.status.name(), found.issued.not_after);
                let text = format!(
                    "{id} is {status} until {end}; only a certificate that was revoked or has expired can be removed"
                );
                BrokenRule::new(A5, "still-in-force", text)
            });
        }
        let found = settle(objections, found)?;
        let key = found.certificate.kept_key().cloned();
        if let Some(key) = &key {
            desk.key(key)?;
        }
        Ok(Plan::new().and(CertificateRemoved { id: self.id, key }))
    }

    fn answer(events: &[Event]) -> Option<Removed> {
        events.iter().find_map(|event| match event {
            Event::CertificateRemoved(removed) => Some(Removed { id: removed.id, key: removed.key.clone() }),
            _ => None,
        })
    }
}
