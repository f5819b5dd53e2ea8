//! Checks that several commands share.

use crate::domain::decision::Halt;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, event::Addresses};
use crate::keys::PublicKey;
use crate::log::Timestamp;
use crate::x509::{AuthorityUrls, HttpUrl};

use super::{Bought, Ca, CaState, Generation};

pub(crate) const A3: Rule = Rule::new("A3");
pub(crate) const C1: Rule = Rule::new("C1");
pub(crate) const C2: Rule = Rule::new("C2");
pub(crate) const C3: Rule = Rule::new("C3");
pub(crate) const C5: Rule = Rule::new("C5");
pub(crate) const C7: Rule = Rule::new("C7");
pub(crate) const C8: Rule = Rule::new("C8");
pub(crate) const C9: Rule = Rule::new("C9");
pub(crate) const C10: Rule = Rule::new("C10");
pub(crate) const C11: Rule = Rule::new("C11");
pub(crate) const I5: Rule = Rule::new("I5");
pub(crate) const O5: Rule = Rule::new("O5");
pub(crate) const R5: Rule = Rule::new("R5");

/// What was bought; objects if nobody bought the CA.
pub(crate) fn known<'w>(ca: &'w Ca, id: &CaId, objections: &mut Objections) -> Option<&'w Bought> {
    let bought = ca.bought();
    objections.require(bought.is_some(), || {
        BrokenRule::new(C1, "unknown-ca", format!("{id} is no certificate authority of this log"))
    });
    bought
}

/// Objects while a refund is requested (rule R5).
pub(crate) fn thawed(ca: &Ca, id: &CaId, objections: &mut Objections) {
    objections.require(ca.state() != CaState::RefundRequested, || {
        BrokenRule::new(
            R5,
            "frozen",
            format!(
                "{id} is frozen, as a refund was requested for it: nothing happens until it is returned or declined"
            ),
        )
    });
}

/// The generation of a CA that is enabled or disabled; objects if it is neither.
pub(crate) fn living<'w>(ca: &'w Ca, id: &CaId, rule: Rule, objections: &mut Objections) -> Option<&'w Generation> {
    known(ca, id, objections)?;
    thawed(ca, id, objections);
    let generation = ca.generation().filter(|_| is_live(ca.state()));
    if generation.is_none() && ca.state() != CaState::RefundRequested {
        objections.add(BrokenRule::new(
            rule,
            "not-enabled",
            format!("{id} is {}; only an enabled or disabled CA has a certificate and a key", ca.state().in_words()),
        ));
    }
    generation
}

/// Whether a CA in this state has a certificate and a key in use.
pub(crate) fn is_live(state: CaState) -> bool {
    matches!(state, CaState::Enabled | CaState::Disabled)
}

/// Objects after the end of the service term (rule O5).
pub(crate) fn within_term(bought: &Bought, id: &CaId, now: Timestamp, objections: &mut Objections) {
    objections.require(now <= bought.term_ends, || {
        BrokenRule::new(
            O5,
            "term-ended",
            format!("the service term of {id} ended at {}, and it is {now} now", bought.term_ends),
        )
    });
}

/// The addresses as certificates carry them; objects to each that is no `http:` URL (rule I5).
pub(crate) fn urls(addresses: &Addresses, objections: &mut Objections) -> AuthorityUrls {
    let mut url = |name: &str, address: &Option<String>| {
        let parsed = address.as_deref().map(HttpUrl::parse)?;
        parsed
            .map_err(|error| objections.add(BrokenRule::new(I5, "address", format!("the {name} is wrong: {error}"))))
            .ok()
    };
    AuthorityUrls {
        crl: url("CRL URL", &addresses.crl_url),
        ocsp: url("OCSP URL", &addresses.ocsp_url),
        issuer: url("issuer URL", &addresses.issuer_url),
    }
}

/// The public key of a generation's certificate.
pub(crate) fn public_key(generation: &Generation, id: &CaId) -> Result<PublicKey, Halt> {
    let key = generation.parsed.as_ref().and_then(|parsed| parsed.public_key().ok());
    key.cloned().ok_or_else(|| unreadable(id))
}

/// The refusal for a CA certificate in the log that cannot be read, which nothing that was enabled can be.
pub(crate) fn unreadable(id: &CaId) -> Halt {
    let broken = BrokenRule::new(A3, "certificate-unreadable", format!("the certificate of {id} cannot be read"));
    Halt::Refused(broken.into())
}

impl CaState {
    /// The state as a message names it.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotEnabled => "not enabled",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::RefundRequested => "waiting for a refund",
            Self::Refunded => "refunded",
            Self::Removed => "removed from the list",
        }
    }
}
