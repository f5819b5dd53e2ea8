//! `ConfigureCa`: the addresses that a CA writes into certificates, and the profiles that it may issue by.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Addresses, CaConfigured, Event, ProfilesPermitted};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::x509::ProfileName;

use super::Ca;
use super::rules::{C1, living, urls};

const I2: Rule = Rule::new("I2");

/// Replaces the addresses that an enabled or disabled CA writes into the certificates that it issues from now on. Each
/// is an absolute `http:` URL (rule I5).
#[derive(Clone, Debug, Serialize)]
pub struct ConfigureCa {
    /// The CA.
    pub ca: CaId,
    /// All of its addresses; what is absent is not written into certificates any more.
    pub addresses: Addresses,
    /// By which profiles it may issue from now on; absent: as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiles: Option<PermittedProfiles>,
}

/// By which profiles an intermediate may issue (rule I2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PermittedProfiles {
    /// By all that there are and will be; so it begins.
    All,
    /// By these, at least one.
    Only(Vec<ProfileName>),
}

impl ConfigureCa {
    /// Replaces the addresses alone.
    #[must_use]
    pub const fn addresses(ca: CaId, addresses: Addresses) -> Self {
        Self { ca, addresses, profiles: None }
    }

    fn check_profiles(&self, ca: &Ca, desk: &Desk<'_>, objections: &mut Objections) -> Result<(), Halt> {
        let Some(permitted) = &self.profiles else { return Ok(()) };
        objections.require(!ca.is_root(), || {
            let text = format!("{} is a root, which issues only intermediates, by no profile", self.ca);
            BrokenRule::new(I2, "root-has-no-profiles", text)
        });
        let PermittedProfiles::Only(names) = permitted else { return Ok(()) };
        objections.require(!names.is_empty(), || {
            let text = "an intermediate without any profile could issue nothing; disable it instead (`pca disable`)";
            BrokenRule::new(I2, "no-profile", text)
        });
        for (at, name) in names.iter().enumerate() {
            if desk.profile(*name)?.is_none() {
                let text = format!("there is no profile `{name}`; adopt it first (`pca profile add`)");
                objections.add(BrokenRule::new(I2, "unknown-profile", text));
            }
            objections.require(!names.iter().take(at).any(|before| before == name), || {
                BrokenRule::new(I2, "profile-twice", format!("the profile {name} is named twice"))
            });
        }
        Ok(())
    }
}

/// What [`ConfigureCa`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// The CA.
    pub ca: CaId,
    /// Its addresses.
    pub addresses: Addresses,
    /// By which profiles it may issue, if that was decided.
    pub profiles: Option<PermittedProfiles>,
}

impl Command for ConfigureCa {
    type Answer = Configured;

    const NAME: &'static str = "ConfigureCa";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        living(ca, &self.ca, C1, &mut objections);
        urls(&self.addresses, &mut objections);
        self.check_profiles(ca, desk, &mut objections)?;
        objections.verdict()?;
        let plan = Plan::new().and(CaConfigured { ca: self.ca.clone(), addresses: self.addresses.clone() });
        let profiles = match &self.profiles {
            None => return Ok(plan),
            Some(PermittedProfiles::All) => None,
            Some(PermittedProfiles::Only(names)) => Some(names.clone()),
        };
        Ok(plan.and(ProfilesPermitted { ca: self.ca.clone(), profiles }))
    }

    fn answer(events: &[Event]) -> Option<Configured> {
        events.iter().find_map(|event| match event {
            Event::CaConfigured(configured) => {
                let (ca, addresses) = (configured.ca.clone(), configured.addresses.clone());
                let profiles = events.iter().find_map(|event| match event {
                    Event::ProfilesPermitted(permitted) => Some(match &permitted.profiles {
                        None => PermittedProfiles::All,
                        Some(names) => PermittedProfiles::Only(names.clone()),
                    }),
                    _ => None,
                });
                Some(Configured { ca, addresses, profiles })
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
        let events = scene.run(&ConfigureCa::addresses(root.clone(), first.clone())).unwrap();
        assert_eq!(events, [CaConfigured { ca: root.clone(), addresses: first.clone() }.into()]);
        assert_eq!(ConfigureCa::answer(&events).unwrap().addresses, first);
        assert_eq!(scene.ca(&root).addresses(), &first);
        scene.run(&ConfigureCa::addresses(root.clone(), Addresses::default())).unwrap();
        assert_eq!(scene.ca(&root).addresses(), &Addresses::default());
    }

    #[test]
    fn i5_every_address_that_is_not_http_is_named() {
        let mut scene = Scene::new();
        let (root, _) = scene.enabled_pair(Family::Ecc);
        let refusal = scene.refused(&ConfigureCa {
            profiles: None,
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
        let refusal = scene.refused(&ConfigureCa::addresses(root, Addresses::default()));
        assert_eq!(scene.codes(&refusal), ["C1 not-enabled"]);
        scene.request_refund(&[&intermediate]);
        let refusal = scene.refused(&ConfigureCa::addresses(intermediate, Addresses::default()));
        assert_eq!(scene.codes(&refusal), ["R5 frozen"]);
        let nobody = CaId::derive(&crate::log::CommitId::new([9; 16]), 0);
        let refusal = scene.refused(&ConfigureCa::addresses(nobody, Addresses::default()));
        assert_eq!(scene.codes(&refusal), ["C1 unknown-ca"]);
    }

    #[test]
    fn l3_nothing_happens_in_a_log_of_nobody() {
        let mut scene = Scene::unfounded();
        let nobody = CaId::derive(&crate::log::CommitId::new([9; 16]), 0);
        let refusal = scene.refused(&ConfigureCa::addresses(nobody, Addresses::default()));
        assert_eq!(scene.codes(&refusal), ["L3 not-founded", "C1 unknown-ca"]);
    }

    #[test]
    fn i2_profiles_are_permitted_to_an_intermediate() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        let configure = |ca: &CaId, profiles| ConfigureCa {
            ca: ca.clone(),
            addresses: Addresses::default(),
            profiles: Some(profiles),
        };
        let only = |names: &[&str]| PermittedProfiles::Only(names.iter().map(|name| name.parse().unwrap()).collect());
        assert!(scene.ca(&intermediate).permits("anything".parse().unwrap()));
        let events = scene.run(&configure(&intermediate, only(&["server", "spiffe"]))).unwrap();
        assert_eq!(ConfigureCa::answer(&events).unwrap().profiles, Some(only(&["server", "spiffe"])));
        let ca = scene.ca(&intermediate);
        assert!(ca.permits(crate::x509::Profile::Spiffe.into()) && !ca.permits(crate::x509::Profile::Client.into()));
        // Addresses alone leave it as it is.
        scene.run(&ConfigureCa::addresses(intermediate.clone(), Addresses::default())).unwrap();
        assert_eq!(scene.ca(&intermediate).profiles().unwrap().len(), 2);
        scene.run(&configure(&intermediate, PermittedProfiles::All)).unwrap();
        assert_eq!(scene.ca(&intermediate).profiles(), None);

        let mut refused = |ca, profiles| {
            let refusal = scene.refused(&configure(ca, profiles));
            scene.codes(&refusal)
        };
        assert_eq!(refused(&root, only(&["server"])), ["I2 root-has-no-profiles"]);
        assert_eq!(refused(&intermediate, only(&[])), ["I2 no-profile"]);
        assert_eq!(
            refused(&intermediate, only(&["vpn", "client", "client"])),
            ["I2 unknown-profile", "I2 profile-twice"]
        );
    }
}
