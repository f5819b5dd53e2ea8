//! `ResetCa`: gives up a CA's certificate, subject and key.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::Event;
use crate::domain::{CaId, Scope};
use crate::log::Digest;
use crate::x509::RevocationReason;

use super::ending::{Request, answer};
use super::{Ending, EndingAnswer};

/// Gives up the certificate, subject and key of an enabled or disabled CA (rule C7). All that it issued ends with it; its
/// remaining quota stays, and it may be enabled anew. What follows (last CRL, end of the key) is told by
/// [`unfinished`](super::unfinished).
#[derive(Clone, Debug, Serialize)]
pub struct ResetCa {
    /// The CA.
    pub ca: CaId,
    /// The digest of the [`Preview`](super::Preview) that was seen (rule C8).
    pub confirm: Digest,
    /// Whether the enabled and disabled intermediates of a root are reset with it, before it (rule C8).
    pub cascade: bool,
    /// Why the certificates end; `cessationOfOperation` if absent. `keyCompromise` becomes `cACompromise` where the CA's
    /// own certificate is revoked.
    pub reason: Option<RevocationReason>,
    /// Whether no last CRL is signed, as the key cannot sign any more (rule C7).
    pub without_last_crl: bool,
}

impl ResetCa {
    /// The end of this CA alone, as the preview with this digest showed it.
    #[must_use]
    pub fn confirmed(ca: CaId, confirm: Digest) -> Self {
        Self { ca, confirm, cascade: false, reason: None, without_last_crl: false }
    }
}

impl Command for ResetCa {
    type Answer = EndingAnswer;

    const NAME: &'static str = Ending::Reset.command();

    const WHATEVER_THE_CLOCK: bool = true;

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let request = Request {
            ending: Ending::Reset,
            ca: &self.ca,
            confirm: self.confirm,
            cascade: self.cascade,
            reason: self.reason,
            without_last_crl: self.without_last_crl,
        };
        request.decide(desk, context.time)
    }

    fn answer(events: &[Event]) -> Option<EndingAnswer> {
        answer(Ending::Reset, events)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::testing::Scene;
    use crate::domain::ca::{CaState, DisableCa, Step, unfinished};
    use crate::domain::key::KeyState;
    use crate::keys::Family;

    fn kinds(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(Event::kind).collect()
    }

    #[test]
    fn c7_an_intermediate_gives_up_certificate_and_key_and_keeps_its_quota() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 5);
        scene.issue(&intermediate, 90, "Ann");
        let generation = scene.ca(&intermediate).generation().unwrap().clone();
        let command = scene.resetting(&intermediate);
        let events = scene.run(&ResetCa { cascade: false, ..command }).unwrap();

        assert_eq!(kinds(&events), ["CertificateRevoked", "CaReset"], "one commit");
        let Event::CertificateRevoked(revoked) = &events[0] else { panic!() };
        assert_eq!((revoked.id, &revoked.ca), (generation.id, &root));
        assert_eq!(revoked.reason, RevocationReason::CessationOfOperation);
        let on_the_roots_crl = scene.crl(generation.id.issuer());
        assert!(on_the_roots_crl.entries().contains_key(&generation.id.serial()));
        let Event::CaReset(reset) = &events[1] else { panic!() };
        assert_eq!(reset.end.count, 1);
        assert_eq!(reset.end.cutoff, scene.quota(&intermediate).revision().get());
        assert_eq!(reset.end.reason, RevocationReason::CessationOfOperation);

        let ca = scene.ca(&intermediate);
        assert_eq!(ca.state(), CaState::NotEnabled);
        assert!(ca.generation().is_none());
        assert_eq!(ca.end_of(1).unwrap().generation.id, generation.id);
        assert_eq!(
            scene.quota(&intermediate).available(scene.now()),
            4,
            "remaining quota stays, consumed stays consumed"
        );
        assert!(matches!(scene.key_state(&generation.key), KeyState::Ending(_)));
        assert_eq!(
            unfinished(ca),
            [
                Step::PublishLastCrl { ca: intermediate.clone(), generation: 1 },
                Step::DestroyKey { key: generation.key.clone() },
                Step::ConfirmKeyDestroyed { key: generation.key.clone() },
            ]
        );
        assert_eq!(scene.ca(&root).state(), CaState::Enabled);

        let answer = ResetCa::answer(&events).unwrap();
        assert_eq!((answer.ca, answer.forfeited, answer.ended.len()), (intermediate, 0, 1));
        assert!(answer.trust_anchors.is_empty() && answer.surviving_keys.is_empty());
    }

    #[test]
    fn c7_key_compromise_becomes_ca_compromise_on_the_roots_crl() {
        let mut scene = Scene::new();
        let (_, intermediate) = scene.enabled_pair(Family::Ecc);
        let generation = scene.ca(&intermediate).generation().unwrap().clone();
        let command = scene.resetting(&intermediate);
        let events = scene.run(&ResetCa { reason: Some(RevocationReason::KeyCompromise), ..command }).unwrap();
        let Event::CertificateRevoked(revoked) = &events[0] else { panic!() };
        assert_eq!(revoked.reason, RevocationReason::CaCompromise);
        assert_eq!(revoked.compromised_spki, Some(generation.spki));
        let Event::CaReset(reset) = &events[1] else { panic!() };
        assert_eq!(reset.end.reason, RevocationReason::KeyCompromise, "its certificates end with the reason given");
    }

    #[test]
    fn a2_reasons_that_cannot_end_a_ca_are_refused() {
        let mut scene = Scene::new();
        let (_, intermediate) = scene.enabled_pair(Family::Ecc);
        for reason in RevocationReason::ALL {
            let command = ResetCa { reason: Some(reason), ..scene.resetting(&intermediate) };
            use RevocationReason as R;
            if matches!(reason, R::CaCompromise | R::CertificateHold | R::RemoveFromCrl | R::AaCompromise) {
                let refusal = scene.refused(&command);
                assert_eq!(scene.codes(&refusal), ["A2 reason-impossible"]);
            } else {
                assert!(scene.decide(&command).is_ok(), "{reason}");
            }
        }
    }

    #[test]
    fn c8_a_root_takes_its_intermediates_along_only_when_asked_to() {
        let mut scene = Scene::new();
        let (root, first) = scene.enabled_pair(Family::Ecc);
        let second = scene.buy_intermediate(&root);
        scene.enable(&second, "Second");
        let third = scene.buy_intermediate(&root);
        scene.run(&DisableCa { ca: second.clone() }).unwrap();
        let command = scene.resetting(&root);
        let refusal = scene.refused(&ResetCa { cascade: false, ..command.clone() });
        assert_eq!(scene.codes(&refusal), ["C8 cascade-needed"]);
        assert!(refusal.broken()[0].message().contains("2 intermediates"), "{refusal}");

        let anchor = scene.ca(&root).generation().unwrap().clone();
        let events = scene.run(&command).unwrap();
        assert_eq!(kinds(&events), ["CertificateRevoked", "CaReset", "CertificateRevoked", "CaReset", "CaReset"]);
        let answer = ResetCa::answer(&events).unwrap();
        let order: Vec<_> = answer.ended.iter().map(|ended| ended.ca.clone()).collect();
        assert_eq!(order, [first.clone(), second.clone(), root.clone()], "intermediates first, in one commit");
        assert_eq!(answer.ca, root);
        assert_eq!(answer.trust_anchors.len(), 1);
        assert_eq!(answer.trust_anchors[0].certificate, anchor.id);
        assert_eq!(answer.trust_anchors[0].fingerprint, Digest::of(anchor.certificate.as_bytes()));
        for ca in [&root, &first, &second, &third] {
            assert_eq!(scene.ca(ca).state(), CaState::NotEnabled);
        }
        assert!(unfinished(scene.ca(&third)).is_empty(), "it had nothing to give up");
    }

    #[test]
    fn c8_a_root_without_intermediates_in_use_needs_no_cascade() {
        let mut scene = Scene::new();
        let (root, _) = scene.buy_root(Family::Ecc);
        scene.enable(&root, "Root");
        let command = scene.resetting(&root);
        let events = scene.run(&ResetCa { cascade: false, ..command }).unwrap();
        assert_eq!(kinds(&events), ["CaReset"], "a root cannot revoke itself");
    }

    #[test]
    fn c8_a_stale_preview_is_refused_and_disabling_keeps_it_fresh() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.assign(&root, &intermediate, 5);
        let command = scene.resetting(&intermediate);
        scene.issue(&intermediate, 90, "Ann");
        let refusal = scene.refused(&command);
        assert_eq!(scene.codes(&refusal), ["C8 stale-preview"]);
        assert!(refusal.broken()[0].message().contains("disable"), "{refusal}");
        let refusal = scene.refused(&ResetCa { confirm: Digest::ZERO, ..command });
        assert_eq!(scene.codes(&refusal), ["C8 stale-preview"]);
        scene.run(&DisableCa { ca: intermediate.clone() }).unwrap();
        let command = scene.resetting(&intermediate);
        scene.run(&command).unwrap();
        assert_eq!(scene.ca(&intermediate).state(), CaState::NotEnabled);
    }

    #[test]
    fn c7_only_an_enabled_or_disabled_ca_is_reset() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.buy_root(Family::Ecc);
        let command = |ca: &CaId| ResetCa {
            ca: ca.clone(),
            confirm: Digest::ZERO,
            cascade: true,
            reason: None,
            without_last_crl: false,
        };
        let refusal = scene.refused(&command(&root));
        assert_eq!(scene.codes(&refusal), ["C7 not-enabled"]);
        scene.request_refund(&[&root, &intermediate]);
        let refusal = scene.refused(&command(&root));
        assert_eq!(scene.codes(&refusal), ["R5 frozen"]);
    }

    #[test]
    fn c7_a_key_shows_that_it_still_signs_unless_no_last_crl_is_wanted() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        let command = scene.resetting(&root);
        let (plan, _) = scene.decide(&command).unwrap();
        let probes: Vec<_> = plan.to_sign().iter().map(|probe| probe.key.clone()).collect();
        let keys: Vec<_> = [&intermediate, &root].map(|ca| scene.ca(ca).generation().unwrap().key.clone()).into();
        assert_eq!(probes, keys);
        let (plan, _) = scene.decide(&ResetCa { without_last_crl: true, ..command }).unwrap();
        assert!(plan.to_sign().is_empty());
        let events = scene.reset(&intermediate, true);
        let answer = ResetCa::answer(&events).unwrap();
        assert!(!answer.ended[0].last_crl);
        assert!(scene.ca(&intermediate).end_of(1).unwrap().last_crl, "nothing is left to sign");
    }

    #[test]
    fn o5_resetting_goes_on_after_the_term_and_after_the_certificate() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.days_pass(5 * 365 + 3);
        let events = scene.reset(&intermediate, false);
        assert_eq!(kinds(&events), ["CaReset"], "an expired certificate is not revoked any more");
        scene.reset(&root, false);
    }

    #[test]
    fn c7_a_ca_may_be_enabled_anew_after_a_reset() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        scene.reset(&intermediate, true);
        scene.enable(&intermediate, "Intermediate");
        assert_eq!(scene.ca(&intermediate).generation().unwrap().number, 2, "under the same name");
        scene.reset(&intermediate, true);
        scene.enable(&intermediate, "Another name");
        assert_eq!(scene.ca(&intermediate).generation().unwrap().number, 3);
        scene.reset(&root, true);
        let refusal = scene.refused(&scene.enabling(&root, "Intermediate"));
        assert_eq!(scene.codes(&refusal), ["C4 name-taken"], "the name was another CA's");
        scene.enable(&root, "Root");
    }
}
