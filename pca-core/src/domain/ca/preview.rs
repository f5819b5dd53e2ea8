//! `Preview`: what resetting or revoking a CA would destroy (rule C8). A question; it changes nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::decision::{Desk, Halt};
use crate::domain::{CaId, founded};
use crate::log::{Digest, Timestamp};

use super::survey::{Fate, Survey};
use super::{CaState, Ending};

/// Asks what [`ResetCa`](super::ResetCa) or [`RevokeCa`](super::RevokeCa) would destroy. The command carries the digest
/// of the answer, so that nobody destroys more than they were shown.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The CA.
    pub ca: CaId,
    /// What is intended.
    pub ending: Ending,
}

/// What would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Foreseen {
    /// The CA.
    pub ca: CaId,
    /// What is intended.
    pub ending: Ending,
    /// Confirms that this was seen; stale as soon as anything that was counted moves.
    pub digest: Digest,
    /// Unexpired certificates of holders that are not revoked yet, over all CAs.
    pub certificates: u64,
    /// Different holders among them.
    pub holders: u64,
    /// Units of quota that would be forfeited (rule Q4): on a reset none.
    pub forfeited: u64,
    /// Unused units that stay with the CA and its intermediates.
    pub kept: u64,
    /// The intermediates that would end with their root.
    pub intermediates: Vec<ForeseenCa>,
    /// Whether the command must ask for a cascade (rules C8, C9).
    pub cascade: bool,
    /// Whether something still issues here, so that disabling first keeps the digest fresh.
    pub still_issuing: bool,
}

/// An intermediate that would end with its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeseenCa {
    /// The intermediate.
    pub ca: CaId,
    /// Unexpired certificates of it that are not revoked yet.
    pub certificates: u64,
    /// Different holders among them.
    pub holders: u64,
    /// Its unused units of quota.
    pub unused: u64,
}

impl Preview {
    /// Counts.
    ///
    /// # Errors
    /// [`Halt::Refused`] if there is nothing to reset or revoke, or [`Halt::Needs`].
    pub fn ask(&self, desk: &Desk<'_>, now: Timestamp) -> Result<Foreseen, Halt> {
        let mut objections = founded(desk)?;
        let survey = Survey::take(self.ending, desk, &self.ca, now, &mut objections)?;
        objections.verdict()?;
        let Some(survey) = survey else { return Err(super::rules::unreadable(&self.ca)) };
        let holders: BTreeSet<&str> = survey.fates.iter().flat_map(|fate| fate.holders.iter().copied()).collect();
        let unused: u64 = survey.fates.iter().map(|fate| fate.quota.available(now)).sum();
        let revoke = self.ending == Ending::Revoke;
        Ok(Foreseen {
            ca: self.ca.clone(),
            ending: self.ending,
            digest: survey.digest,
            certificates: survey.certificates(),
            holders: count(holders.len()),
            forfeited: survey.stranded.iter().map(|(_, quota)| quota.available(now)).sum(),
            kept: if revoke { 0 } else { unused },
            intermediates: survey.below().map(|fate| foreseen(fate, now)).collect(),
            cascade: survey.below().next().is_some() || (revoke && !survey.is_bare()),
            still_issuing: survey.fates.iter().any(|fate| fate.ca.state() == CaState::Enabled),
        })
    }
}

fn foreseen(fate: &Fate<'_>, now: Timestamp) -> ForeseenCa {
    ForeseenCa {
        ca: fate.id.clone(),
        certificates: fate.certificates,
        holders: count(fate.holders.len()),
        unused: fate.quota.available(now),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::DisableCa;
    use crate::domain::ca::testing::Scene;
    use crate::keys::Family;
    use crate::x509::RevocationReason;

    #[test]
    fn c8_it_counts_certificates_holders_and_quota() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 6);
        let revoked = scene.issue(&intermediate, 90, "Ann");
        scene.issue(&intermediate, 90, "Ann");
        scene.issue(&intermediate, 90, "Ben");
        let held = scene.issue(&intermediate, 90, "Cid");
        scene.issue(&intermediate, 1, "Dan");
        scene.revoke(&revoked, RevocationReason::Superseded);
        scene.revoke(&held, RevocationReason::CertificateHold);
        scene.days_pass(2);
        let seen = scene.preview(&root, Ending::Reset);
        assert_eq!((seen.certificates, seen.holders), (3, 3), "not the revoked one, not the expired one");
        assert_eq!((seen.kept, seen.forfeited), (5, 0), "4 in the pool, 1 assigned");
        assert_eq!(
            seen.intermediates,
            [ForeseenCa { ca: intermediate.clone(), certificates: 3, holders: 3, unused: 1 }]
        );
        assert!(seen.cascade && seen.still_issuing);
        let seen = scene.preview(&root, Ending::Revoke);
        assert_eq!((seen.kept, seen.forfeited), (0, 5));
        let seen = scene.preview(&intermediate, Ending::Reset);
        assert_eq!((seen.certificates, seen.cascade, seen.kept), (3, false, 1));
        assert!(scene.preview(&intermediate, Ending::Revoke).cascade);
    }

    #[test]
    fn c8_the_digest_covers_command_scope_and_all_that_was_counted() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 6);
        let first = scene.preview(&root, Ending::Reset).digest;
        assert_eq!(scene.preview(&root, Ending::Reset).digest, first, "it stays while nothing moves");
        assert_ne!(scene.preview(&root, Ending::Revoke).digest, first, "the command");
        assert_ne!(scene.preview(&intermediate, Ending::Reset).digest, first, "the scope");
        let mut seen = vec![first];
        let mut fresh = |scene: &mut Scene, what: &str| {
            let digest = scene.preview(&root, Ending::Reset).digest;
            assert!(!seen.contains(&digest), "{what}");
            seen.push(digest);
        };
        let certificate = scene.issue(&intermediate, 90, "Ann");
        fresh(&mut scene, "a certificate was issued");
        scene.revoke(&certificate, RevocationReason::Superseded);
        fresh(&mut scene, "a certificate was revoked");
        scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
        fresh(&mut scene, "an intermediate was disabled");
        scene.run(&DisableCa { ca: root.clone() }).unwrap();
        fresh(&mut scene, "the root was disabled");
    }

    #[test]
    fn c7_there_is_nothing_to_preview_without_a_certificate() {
        let mut scene = Scene::new();
        let (root, _) = scene.buy_root(Family::Ecc);
        let refusal = scene.preview_refused(&root, Ending::Reset);
        assert_eq!(scene.codes(&refusal), ["C7 not-enabled"]);
        let refusal = scene.preview_refused(&root, Ending::Revoke);
        assert_eq!(scene.codes(&refusal), ["C9 not-enabled"]);
    }
}
