//! What a stream of the domain amounts to: one fold for each category of streams.

use crate::log::{Fold, Moment, StreamId};

use super::ca::Ca;
use super::certificate::Certificate;
use super::crl::Crl;
use super::enterprise::Enterprise;
use super::event::Event;
use super::key::{KeyRole, KeyState, NameOwner};
use super::ocsp::Responders;
use super::order::Order;
use super::policy::PolicyInForce;
use super::profile::{AdoptedProfile, AdoptedProfiles};
use super::quota::Quota;

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident($fold:ident) = $category:literal,)+) => {
        /// The fold of a stream, by the stream's category.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        // Each lies behind an `Arc` of its own: a box inside would save little, and cost the hot path a step.
        #[allow(clippy::large_enum_variant)]
        pub enum State {
            $($(#[$doc])* $state($fold),)+
            /// A category that no decision looks at.
            Other,
        }

        impl Fold for State {
            type Event = Event;

            fn begin(stream: &StreamId) -> Self {
                match stream.category() {
                    $($category => Self::$state($fold::begin(stream)),)+
                    _ => Self::Other,
                }
            }

            fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
                match self {
                    $(Self::$state(fold) => fold.evolve(event, moment),)+
                    Self::Other => {}
                }
            }
        }
    };
}

states! {
    /// `enterprise`
    Enterprise(Enterprise) = "enterprise",
    /// `policy`
    Policy(PolicyInForce) = "policy",
    /// `profile/<name>`
    Profile(AdoptedProfile) = "profile",
    /// `profiles`
    Profiles(AdoptedProfiles) = "profiles",
    /// `order/<id>`
    Order(Order) = "order",
    /// `ca/<id>`
    Ca(Ca) = "ca",
    /// `quota/<id>`
    Quota(Quota) = "quota",
    /// `certificate/<issuer name hash>/<serial>`
    Certificate(Certificate) = "certificate",
    /// `crl/<issuer name hash>`
    Crl(Crl) = "crl",
    /// `ocsp/<issuing key digest>`
    Ocsp(Responders) = "ocsp",
    /// `key/<id>`
    Key(KeyState) = "key",
    /// `spki/<digest>`
    Spki(KeyRole) = "spki",
    /// `name/<subject name hash>`
    Name(NameOwner) = "name",
}
