//! Revoking a cross-certificate: the one certificate of a CA that ends by itself (rules A2, C11).

use crate::domain::CaId;
use crate::domain::decision::{Desk, Halt, Plan};
use crate::domain::event::CertificateRevoked;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::log::Timestamp;
use crate::x509::RevocationReason;

use super::RevokeCertificate;

const A2: Rule = Rule::new("A2");

impl RevokeCertificate {
    /// The certificate goes onto the list of the root that signed it; both roots stay as they are. `keyCompromise` becomes
    /// `cACompromise`, as the key is a CA's. Final, and once.
    pub(super) fn decide_cross(
        &self,
        by: CaId,
        desk: &Desk<'_>,
        now: Timestamp,
        mut objections: Objections,
    ) -> Result<Plan, Halt> {
        let id = self.id;
        let certificate = desk.certificate(&id)?;
        let impossible = match self.reason {
            RevocationReason::CertificateHold => Some("the end of a CA's certificate is final"),
            RevocationReason::RemoveFromCrl => Some("removeFromCRL stands only in delta CRLs, for released holds"),
            RevocationReason::AaCompromise => Some("aACompromise is for attribute authorities"),
            _ => None,
        };
        objections.extend(impossible.map(|why| {
            let text = format!("the cross-certificate {id} cannot be revoked with {}: {why}", self.reason);
            BrokenRule::new(A2, "reason-impossible", text)
        }));
        if let Some(before) = certificate.revocation() {
            let text = format!("{id} was revoked at {} ({}); nothing else can still be told", before.at, before.reason);
            objections.add(BrokenRule::new(A2, "already-revoked", text));
        }
        if let Some(date) = self.invalidity_date.filter(|date| *date > now) {
            let text = format!("the invalidity date {date} lies in the future; it is {now}");
            objections.add(BrokenRule::new(A2, "invalidity-date-in-future", text));
        }
        objections.verdict()?;
        desk.crl(id.issuer())?;
        let reason = match self.reason {
            RevocationReason::KeyCompromise => RevocationReason::CaCompromise,
            other => other,
        };
        Ok(Plan::new().and(CertificateRevoked {
            id,
            ca: by,
            reason,
            invalidity_date: self.invalidity_date,
            not_after: certificate.authority().map_or(now, |authority| authority.not_after),
            // The root goes on with its key: who thinks that compromised ends the root.
            compromised_spki: None,
            partition: None,
        }))
    }
}
