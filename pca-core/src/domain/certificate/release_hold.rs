//! `ReleaseHold`: lifts the hold of a certificate (rule A2).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, HoldReleased};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};
use crate::x509::CertificateId;

use super::find::{Found, find, settle};
use super::status::Status;

const A2: Rule = Rule::new("A2");

/// Lifts the hold of a certificate: it is believed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseHold {
    /// The certificate.
    pub id: CertificateId,
}

/// What [`ReleaseHold`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The certificate.
    pub id: CertificateId,
}

impl ReleaseHold {
    fn not_releasable(&self, found: &Found<'_>) -> Option<BrokenRule> {
        let id = self.id;
        let (code, text) = match (found.status, found.certificate.revocation()) {
            (Status::OnHold { .. }, _) | (Status::Expired { .. }, Some(_)) => return None,
            (Status::Revoked { .. }, _) => {
                ("revoked-for-good", format!("{id} is not on hold, but {}; only a hold can be lifted", found.status))
            }
            (status, _) => ("not-on-hold", format!("{id} is not on hold: it is {}", status.name())),
        };
        Some(BrokenRule::new(A2, code, text))
    }
}

impl Command for ReleaseHold {
    type Answer = Released;

    const NAME: &'static str = "ReleaseHold";

    fn scope(&self) -> Scope<'_> {
        Scope::Certificate(&self.id)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let of_ca = (A2, "certificates of CAs are never on hold");
        let found = find(self.id, A2, of_ca, context.time, desk, &mut objections)?;
        objections.extend(found.as_ref().and_then(|found| self.not_releasable(found)));
        settle(objections, found)?;
        desk.crl(self.id.issuer())?;
        Ok(Plan::new().and(HoldReleased { id: self.id }))
    }

    fn answer(events: &[Event]) -> Option<Released> {
        events.iter().find_map(|event| match event {
            Event::HoldReleased(released) => Some(Released { id: released.id }),
            _ => None,
        })
    }
}
