//! What resetting and revoking a CA have in common: who is hit, what is counted, which events follow (rules C7 to C9).

use serde::{Deserialize, Serialize};

use crate::domain::decision::{Desk, Halt, Plan};
use crate::domain::event::{Event, GenerationEnd};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, founded};
use crate::keys::KeyId;
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, RevocationReason};

use super::rules::{C7, C8, C9};
use super::survey::Survey;

const A2: Rule = Rule::new("A2");

/// In which way a CA comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// It may be enabled anew (rule C7).
    Reset,
    /// For good (rule C9).
    Revoke,
}

impl Ending {
    /// The command's name.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Reset => "ResetCa",
            Self::Revoke => "RevokeCa",
        }
    }

    pub(super) const fn rule(self) -> Rule {
        match self {
            Self::Reset => C7,
            Self::Revoke => C9,
        }
    }
}

/// What [`ResetCa`](super::ResetCa) and [`RevokeCa`](super::RevokeCa) answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingAnswer {
    /// The CA that the command was about.
    pub ca: CaId,
    /// In which way it came to its end.
    pub ending: Ending,
    /// Every CA that came to its end, intermediates first, the one that the command was about last.
    pub ended: Vec<EndedCa>,
    /// Units of quota that were forfeited (rule Q4).
    pub forfeited: u64,
    /// What relying parties must remove, as a root cannot revoke itself (rule C7): of every generation, newest first.
    pub trust_anchors: Vec<TrustAnchor>,
    /// CAs that were uploaded, or whose key is kept elsewhere: that copy of the key survives (rule C7).
    pub surviving_keys: Vec<CaId>,
}

/// A CA that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCa {
    /// The CA.
    pub ca: CaId,
    /// Its newest generation; those before it ended with it.
    pub generation: u32,
    /// How many unexpired certificates ended with it that had not been revoked before.
    pub certificates: u64,
    /// Why.
    pub reason: RevocationReason,
    /// The newest generation's key, which is destroyed next with those of the generations before it.
    pub key: KeyId,
    /// Whether a last CRL is signed before.
    pub last_crl: bool,
}

/// The certificate of a root, as relying parties know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// The root.
    pub ca: CaId,
    /// Its certificate.
    pub certificate: CertificateId,
    /// SHA-256 of it.
    pub fingerprint: Digest,
}

/// What the two commands ask for.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) ending: Ending,
    pub(super) ca: &'a CaId,
    pub(super) confirm: Digest,
    pub(super) cascade: bool,
    pub(super) reason: Option<RevocationReason>,
    pub(super) without_last_crl: bool,
}

impl Request<'_> {
    /// Applies the rules.
    pub(super) fn decide(&self, desk: &Desk<'_>, now: Timestamp) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let survey = Survey::take(self.ending, desk, self.ca, now, &mut objections)?;
        let reason = self.reason.unwrap_or(RevocationReason::CessationOfOperation);
        check_reason(reason, &mut objections);
        if let Some(survey) = &survey {
            self.check_cascade(survey, &mut objections);
            self.check_confirmation(survey, &mut objections);
        }
        objections.verdict()?;
        match survey {
            Some(survey) => survey.plan(desk, now, reason, !self.without_last_crl),
            None => Ok(Plan::new()),
        }
    }

    fn check_cascade(&self, survey: &Survey<'_>, objections: &mut Objections) {
        if self.cascade {
            return;
        }
        let below: Vec<_> = survey.below().map(|fate| fate.id.to_string()).collect();
        objections.require(below.is_empty(), || {
            BrokenRule::new(
                C8,
                "cascade-needed",
                format!(
                    "{} intermediates of {} have certificates in use ({}): end them first, or ask for a cascade",
                    below.len(),
                    self.ca,
                    below.join(", ")
                ),
            )
        });
        objections.require(self.ending != Ending::Revoke || survey.is_bare(), || {
            BrokenRule::new(
                C9,
                "certificates-exist",
                format!(
                    "under {} are {} certificates of holders, neither revoked nor expired, and {} intermediates: end them first, or ask for a cascade",
                    self.ca,
                    survey.certificates(),
                    survey.intermediates()
                ),
            )
        });
    }

    fn check_confirmation(&self, survey: &Survey<'_>, objections: &mut Objections) {
        objections.require(self.confirm == survey.digest, || {
            BrokenRule::new(
                C8,
                "stale-preview",
                format!(
                    "the digest is not that of a preview of {} as things stand now (certificates of holders: {}, intermediates: {}): disable {} first, so that nothing is issued meanwhile, then preview again and confirm what that shows",
                    self.ending.command(),
                    survey.certificates(),
                    survey.intermediates(),
                    self.ca
                ),
            )
        });
    }
}

fn check_reason(reason: RevocationReason, objections: &mut Objections) {
    use RevocationReason as R;
    let instead = match reason {
        R::CaCompromise => "give keyCompromise, which becomes cACompromise where the CA's own certificate is revoked",
        R::CertificateHold | R::RemoveFromCrl => "the end of a CA is final",
        R::AaCompromise => "it is for attribute authorities",
        _ => return,
    };
    objections.add(BrokenRule::new(
        A2,
        "reason-impossible",
        format!("certificates of a CA that ends cannot be revoked with {reason}: {instead}"),
    ));
}

/// Rebuilds the answer from the events of either command.
pub(super) fn answer(ending: Ending, events: &[Event]) -> Option<EndingAnswer> {
    let ends: Vec<&GenerationEnd> = events
        .iter()
        .filter_map(|event| match (ending, event) {
            (Ending::Reset, Event::CaReset(reset)) => Some(&reset.end),
            (Ending::Revoke, Event::CaRevoked(revoked)) => Some(&revoked.end),
            _ => None,
        })
        .collect();
    let forfeited = events.iter().filter_map(|event| match event {
        Event::QuotaForfeited(forfeited) => Some(forfeited.lots.iter().map(|lot| lot.units).sum::<u64>()),
        _ => None,
    });
    Some(EndingAnswer {
        ca: ends.last()?.ca.clone(),
        ending,
        forfeited: forfeited.sum(),
        trust_anchors: ends
            .iter()
            .filter(|end| end.root)
            .flat_map(|end| end.each().into_iter().rev())
            .map(|end| TrustAnchor { ca: end.ca, certificate: end.certificate, fingerprint: end.fingerprint })
            .collect(),
        surviving_keys: ends
            .iter()
            .filter(|end| end.external || end.each().iter().any(|end| end.uploaded))
            .map(|end| end.ca.clone())
            .collect(),
        ended: ends
            .into_iter()
            .map(|end| EndedCa {
                ca: end.ca.clone(),
                generation: end.generation,
                certificates: end.each().iter().map(|end| end.count).sum(),
                reason: end.reason,
                key: end.key.clone(),
                last_crl: end.last_crl,
            })
            .collect(),
    })
}
