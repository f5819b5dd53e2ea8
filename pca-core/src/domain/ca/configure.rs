//! `ConfigureCa`: the addresses that a CA writes into certificates.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Addresses, CaConfigured, Event};
use crate::domain::{CaId, Scope, founded};

use super::rules::{C1, living, urls};

/// Replaces the addresses that an enabled or disabled CA writes into the certificates that it issues from now on. Each
/// is an absolute `http:` URL (rule I5).
#[derive(Clone, Debug, Serialize)]
pub struct ConfigureCa {
    /// The CA.
    pub ca: CaId,
    /// All of its addresses; what is absent is not written into certificates any more.
    pub addresses: Addresses,
}

/// What [`ConfigureCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The CA.
    pub ca: CaId,
    /// Its addresses.
    pub addresses: Addresses,
}

impl Command for ConfigureCa {
    type Answer = Configured;

    const NAME: &'static str = "ConfigureCa";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        living(desk.ca(&self.ca)?, &self.ca, C1, &mut objections);
        urls(&self.addresses, &mut objections);
        objections.verdict()?;
        Ok(Plan::new().and(CaConfigured { ca: self.ca.clone(), addresses: self.addresses.clone() }))
    }

    fn answer(events: &[Event]) -> Option<Configured> {
        events.iter().find_map(|event| match event {
            Event::CaConfigured(configured) => {
                Some(Configured { ca: configured.ca.clone(), addresses: configured.addresses.clone() })
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use crate::domain::ca::testing::Scene;
    use crate::keys::Family;

    fn addresses(crl: &str, ocsp: &str) -> Addresses {
        Addresses { crl_url: Some(crl.into()), ocsp_url: Some(ocsp.into()), issuer_url: None }
    }

    #[test]
    fn i5_addresses_are_replaced_as_a_whole() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        let first = addresses("http://crl.example/root.crl", "http://ocsp.example/");
        let events = scene.run(&ConfigureCa { ca: root.clone(), addresses: first.clone() }).unwrap();
        assert_eq!(events, [CaConfigured { ca: root.clone(), addresses: first.clone() }.into()]);
        assert_eq!(ConfigureCa::answer(&events).unwrap().addresses, first);
        assert_eq!(scene.ca(&root).addresses(), &first);
        scene.run(&ConfigureCa { ca: root.clone(), addresses: Addresses::default() }).unwrap();
        assert_eq!(scene.ca(&root).addresses(), &Addresses::default());
    }

    #[test]
    fn i5_every_address_that_is_not_http_is_named() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        let refusal = scene.refused(&ConfigureCa {
            ca: root,
            addresses: Addresses {
                crl_url: Some("https://crl.example/".into()),
                ocsp_url: Some("http://ocsp.example/".into()),
                issuer_url: Some("/relative".into()),
            },
        });
        assert_eq!(scene.codes(&refusal), ["I5 address", "I5 address"]);
    }

    #[test]
    fn c1_only_a_ca_with_a_certificate_has_addresses() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.buy_root(Family::Ecc);
        let refusal = scene.refused(&ConfigureCa { ca: root, addresses: Addresses::default() });
        assert_eq!(scene.codes(&refusal), ["C1 not-enabled"]);
        scene.request_refund(&[&intermediate]);
        let refusal = scene.refused(&ConfigureCa { ca: intermediate, addresses: Addresses::default() });
        assert_eq!(scene.codes(&refusal), ["R5 frozen"]);
        let nobody = CaId::derive(&crate::log::CommitId::new([9; 16]), 0);
        let refusal = scene.refused(&ConfigureCa { ca: nobody, addresses: Addresses::default() });
        assert_eq!(scene.codes(&refusal), ["C1 unknown-ca"]);
    }

    #[test]
    fn l3_nothing_happens_in_a_log_of_nobody() {
        let mut scene = Scene::unfounded();
        let nobody = CaId::derive(&crate::log::CommitId::new([9; 16]), 0);
        let refusal = scene.refused(&ConfigureCa { ca: nobody, addresses: Addresses::default() });
        assert_eq!(scene.codes(&refusal), ["L3 not-founded", "C1 unknown-ca"]);
    }
}
