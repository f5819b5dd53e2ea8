//! `RevokeCa`: ends a CA for good.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::Event;
use crate::domain::{CaId, Scope};
use crate::log::Digest;
use crate::x509::RevocationReason;

use super::ending::{Request, answer};
use super::{Ending, EndingAnswer};

/// Revokes an enabled or disabled CA for good (rule C9). Refused while certificates under it are neither revoked nor
/// expired, unless a cascade is asked for; unused quota is forfeited (rule Q4). Otherwise as
/// [`ResetCa`](super::ResetCa).
#[derive(Clone, Debug, Serialize)]
pub struct RevokeCa {
    /// The CA.
    pub ca: CaId,
    /// The digest of the [`Preview`](super::Preview) that was seen (rule C8).
    pub confirm: Digest,
    /// Whether everything below ends with it, intermediates first (rules C8, C9).
    pub cascade: bool,
    /// Why the certificates end; `cessationOfOperation` if absent. `keyCompromise` becomes `cACompromise` where the CA's
    /// own certificate is revoked.
    pub reason: Option<RevocationReason>,
    /// Whether no last CRL is signed, as the key cannot sign any more (rule C7).
    pub without_last_crl: bool,
}

impl RevokeCa {
    /// The end of this CA alone, as the preview with this digest showed it.
    #[must_use]
    pub fn confirmed(ca: CaId, confirm: Digest) -> Self {
        Self { ca, confirm, cascade: false, reason: None, without_last_crl: false }
    }
}

impl Command for RevokeCa {
    type Answer = EndingAnswer;

    const NAME: &'static str = Ending::Revoke.command();

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let request = Request {
            ending: Ending::Revoke,
            ca: &self.ca,
            confirm: self.confirm,
            cascade: self.cascade,
            reason: self.reason,
            without_last_crl: self.without_last_crl,
        };
        request.decide(desk, context.time)
    }

    fn answer(events: &[Event]) -> Option<EndingAnswer> {
        answer(Ending::Revoke, events)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::LotId;
    use crate::domain::OrderId;
    use crate::domain::ca::testing::Scene;
    use crate::domain::ca::{CaState, ReenableCa, RemoveCa, unfinished};
    use crate::domain::event::{Lot, Money, QuotaForfeited, QuotaOrdered};
    use crate::keys::Family;
    use crate::log::CommitId;

    fn kinds(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(Event::kind).collect()
    }

    #[test]
    fn c9_certificates_in_use_stand_against_it_unless_a_cascade_is_asked_for() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 5);
        let certificate = scene.issue(&intermediate, 90, "Ann");
        let command = RevokeCa { cascade: false, ..scene.revoking(&intermediate) };
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["C9 certificates-exist"]);
        assert!(refusal.broken()[0].message().contains(" are 1 certificates of holders, "), "{refusal}");
        scene.revoke(&certificate, RevocationReason::CertificateHold);
        let command = RevokeCa { cascade: false, ..scene.revoking(&intermediate) };
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["C9 certificates-exist"], "a hold is no end");
        scene.revoke(&certificate, RevocationReason::Superseded);
        let command = RevokeCa { cascade: false, ..scene.revoking(&intermediate) };
        scene.run(&command).unwrap();
        assert_eq!(scene.ca(&intermediate).state(), CaState::Revoked);
    }

    #[test]
    fn c9_expired_certificates_do_not_stand_against_it() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 5);
        scene.issue(&intermediate, 10, "Ann");
        scene.days_pass(11);
        let command = RevokeCa { cascade: false, ..scene.revoking(&intermediate) };
        scene.run(&command).unwrap();
    }

    #[test]
    fn c9_it_is_final_and_q4_forfeits_what_is_unused() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 5);
        scene.issue(&intermediate, 90, "Ann");
        let command = scene.revoking(&intermediate);
        let events = scene.run(&command).unwrap();
        assert_eq!(kinds(&events), ["CertificateRevoked", "CaRevoked", "QuotaForfeited"]);
        assert_eq!(RevokeCa::answer(&events).unwrap().forfeited, 4);
        let quota = scene.quota(&intermediate);
        assert_eq!((quota.received(), quota.consumed(), quota.forfeited()), (5, 1, 4));
        assert_eq!(quota.available(scene.now()), 0);
        assert_eq!(scene.quota(&root).available(scene.now()), 5, "the pool is the root's");
        let refusal = scene.refused(&ReenableCa { ca: intermediate.clone() });
        assert_eq!(scene.codes(&refusal), ["C10 not-enabled"]);
        let refusal = scene.refused(&scene.enabling(&intermediate, "Intermediate"));
        assert_eq!(scene.codes(&refusal), ["C1 not-to-be-enabled"]);
        assert_eq!(unfinished(scene.ca(&intermediate)).len(), 3);
        scene.run(&RemoveCa { ca: intermediate.clone() }).unwrap();
        assert_eq!(unfinished(scene.ca(&intermediate)).len(), 3, "leaving the list finishes nothing");
    }

    #[test]
    fn c8_c9_a_root_is_revoked_with_everything_below_it() {
        let mut scene = Scene::new();
        let (root, first) = scene.enabled_pair(Family::Ecc);
        let second = scene.buy_intermediate(&root);
        scene.enable(&second, "Second");
        scene.assign(&root, &first, 3);
        scene.assign(&root, &second, 2);
        scene.issue(&first, 90, "Ann");
        scene.reset(&second, true);
        let command = scene.revoking(&root);
        let refusal = scene.refused(&RevokeCa { cascade: false, ..command.clone() });
        assert_eq!(scene.codes(&refusal), ["C8 cascade-needed", "C9 certificates-exist"]);
        let seen = scene.preview(&root, Ending::Revoke);
        assert_eq!((seen.certificates, seen.intermediates.len()), (1, 1));
        let told = refusal.broken()[1].message();
        assert!(told.contains("are 1 certificates of holders, ") && told.contains(" and 1 intermediates"), "{told}");
        let refusal = scene.refused(&RevokeCa { confirm: Digest::ZERO, ..command.clone() });
        assert_eq!(scene.codes(&refusal), ["C8 stale-preview"]);
        let told = refusal.to_string();
        assert!(told.contains("(certificates of holders: 1, intermediates: 1)"), "as the preview counts: {told}");
        let events = scene.run(&command).unwrap();
        assert_eq!(
            kinds(&events),
            ["CertificateRevoked", "CaRevoked", "CaRevoked", "QuotaForfeited", "QuotaForfeited", "QuotaForfeited"],
            "intermediates first"
        );
        assert_eq!(RevokeCa::answer(&events).unwrap().forfeited, 2 + 2 + 5, "stranded at the reset one, too");
        assert_eq!(scene.ca(&second).state(), CaState::NotEnabled, "it has nothing to revoke");
        for ca in [&root, &first, &second] {
            assert_eq!(scene.quota(ca).available(scene.now()), 0);
        }
        let refusal = scene.refused(&scene.enabling(&second, "Second"));
        assert_eq!(scene.codes(&refusal), ["C1 root-not-enabled"]);
    }

    #[test]
    fn q4_what_has_lapsed_is_written_down_as_lapsed() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        let commit = CommitId::new([3; 16]);
        let lot = LotId::derive(&commit, 0);
        scene.happened(QuotaOrdered {
            order: OrderId::derive(&commit, 0),
            root: root.clone(),
            lot: Lot { id: lot.clone(), free: false, units: 7, expires: Some(scene.now().plus_secs(86_400)) },
            paid: Money { minor_units: 0, currency: String::new() },
        });
        scene.days_pass(2);
        let command = scene.revoking(&root);
        let events = scene.run(&command).unwrap();
        assert_eq!(&kinds(&events)[events.len() - 2..], ["QuotaLapsed", "QuotaForfeited"]);
        let Some(Event::QuotaForfeited(QuotaForfeited { lots, .. })) = events.last() else { panic!() };
        assert!(lots.iter().all(|units| units.lot != lot));
        let quota = scene.quota(&root);
        assert_eq!((quota.received(), quota.expired(), quota.forfeited()), (17, 7, 10));
    }

    #[test]
    fn c9_only_an_enabled_or_disabled_ca_is_revoked() {
        let mut scene = Scene::new();
        let (root, _) = scene.buy_root(Family::Ecc);
        let command =
            RevokeCa { ca: root, confirm: Digest::ZERO, cascade: true, reason: None, without_last_crl: false };
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["C9 not-enabled"]);
    }
}
