//! `AdoptProfile`: makes a profile of one's own one to issue by (rule I2).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, ProfileAdopted};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};
use crate::x509::{ProfileDefinition, ProfileFlaw};

const I2: Rule = Rule::new("I2");
const G4: Rule = Rule::new("G4");

/// The most profiles of one's own (rule G4): each CA keeps a template for every one that it has issued by.
pub const MAX_PROFILES: usize = 100;

/// Makes a profile of one's own one to issue by, for ever: what stands under a name is never replaced, as certificates
/// name it.
#[derive(Clone, Debug, Serialize)]
pub struct AdoptProfile {
    /// The profile, whole.
    pub profile: ProfileDefinition,
}

impl Command for AdoptProfile {
    type Answer = ProfileDefinition;

    const NAME: &'static str = "AdoptProfile";

    fn scope(&self) -> Scope<'_> {
        Scope::Enterprise
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let profile = &self.profile;
        objections.extend(profile.flaws().iter().map(BrokenRule::from));
        let adopted = desk.profiles()?.all();
        let older = adopted.iter().find(|older| older.name == profile.name);
        objections.require(older.is_none_or(|older| older == profile), || {
            let text = format!(
                "the profile {} was adopted before with other content; certificates name it, so it stays as it is: take another name",
                profile.name
            );
            BrokenRule::new(I2, "profile-known", text)
        });
        objections.require(older.is_some() || adopted.len() < MAX_PROFILES, || {
            let text =
                format!("there are {} profiles of one's own; at most {MAX_PROFILES} are possible", adopted.len());
            BrokenRule::new(G4, "too-many-profiles", text)
        });
        if profile.name.built_in().is_none() {
            desk.profile(profile.name)?;
        }
        objections.verdict()?;
        Ok(Plan::new().and(ProfileAdopted { profile: profile.clone() }))
    }

    fn answer(events: &[Event]) -> Option<ProfileDefinition> {
        events.iter().find_map(|event| match event {
            Event::ProfileAdopted(adopted) => Some(adopted.profile.clone()),
            _ => None,
        })
    }
}

impl From<&ProfileFlaw> for BrokenRule {
    /// The refusal of a profile of one's own (rule I2).
    fn from(flaw: &ProfileFlaw) -> Self {
        Self::new(Rule::new(flaw.rule()), flaw.code(), flaw.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::testing::Story;
    use crate::x509::Profile;

    fn own(name: &str) -> ProfileDefinition {
        ProfileDefinition { name: name.parse().unwrap(), ..Profile::Client.definition().clone() }
    }

    #[test]
    fn i2_a_profile_is_adopted_once_and_for_ever() {
        let mut story = Story::issuing(1);
        let profile = own("vpn");
        let done = story.run(&AdoptProfile { profile: profile.clone() });
        assert_eq!(done.events, [ProfileAdopted { profile: profile.clone() }.into()]);
        assert_eq!(done.answer, profile);
        // The same content may be given again; another one may not.
        assert_eq!(story.run(&AdoptProfile { profile: profile.clone() }).answer, profile);
        let other = ProfileDefinition { description: "another".into(), ..profile };
        assert_eq!(story.refused(&AdoptProfile { profile: other }), ["I2 profile-known"]);
    }

    #[test]
    fn i2_built_in_names_and_nonsense_are_refused() {
        let mut story = Story::issuing(1);
        let server = Profile::Server.definition().clone();
        assert_eq!(story.refused(&AdoptProfile { profile: server }), ["I2 profile-built-in"]);
        let mut profile = own("vpn");
        profile.validity.default_days = 0;
        profile.extended_key_usage.purposes = vec![crate::x509::ObjectIdentifier::new_unwrap("2.5.29.37.0")];
        assert_eq!(story.refused(&AdoptProfile { profile }), ["I2 profile-purpose", "I2 profile-validity"]);
    }

    #[test]
    fn g4_a_hundred_profiles_of_ones_own() {
        let mut story = Story::issuing(1);
        for number in 0..MAX_PROFILES {
            story.run(&AdoptProfile { profile: own(&format!("p{number}")) });
        }
        assert_eq!(story.refused(&AdoptProfile { profile: own("more") }), ["G4 too-many-profiles"]);
        story.run(&AdoptProfile { profile: own("p7") });
    }
}
