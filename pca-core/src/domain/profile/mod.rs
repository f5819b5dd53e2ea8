//! Profiles of one's own, recorded in the log when they are adopted (rule I2). What a profile is made of is
//! [`x509`](crate::x509)'s [`ProfileDefinition`].

mod adopt;

pub use adopt::{AdoptProfile, MAX_PROFILES};

use crate::log::{Fold, Moment, StreamId};
use crate::x509::ProfileDefinition;

use super::event::Event;

/// The fold of `profile/<name>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptedProfile {
    definition: Option<ProfileDefinition>,
}

impl AdoptedProfile {
    /// What it is made of; nothing if it was never adopted.
    #[must_use]
    pub const fn definition(&self) -> Option<&ProfileDefinition> {
        self.definition.as_ref()
    }
}

impl Fold for AdoptedProfile {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        if let Event::ProfileAdopted(adopted) = event {
            self.definition = Some(adopted.profile.clone());
        }
    }
}

/// The fold of `profiles`: every profile of one's own, in the order of their adoption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptedProfiles {
    all: Vec<ProfileDefinition>,
}

impl AdoptedProfiles {
    /// The profiles.
    #[must_use]
    pub fn all(&self) -> &[ProfileDefinition] {
        &self.all
    }
}

impl Fold for AdoptedProfiles {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        if let Event::ProfileAdopted(adopted) = event {
            self.all.retain(|profile| profile.name != adopted.profile.name);
            self.all.push(adopted.profile.clone());
        }
    }
}
