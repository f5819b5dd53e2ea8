//! `AbandonKey`: gives up a key that no event names.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, KeyAbandoned};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};
use crate::keys::KeyId;

use super::KeyState;

const K3: Rule = Rule::new("K3");

/// Gives up a key of the key store that no event names, left behind by a command that was not carried out (rule K3). The
/// sweeper commits this first and destroys the key then: a command that is about to introduce the key meets a conflict.
#[derive(Clone, Debug, Serialize)]
pub struct AbandonKey {
    /// The key.
    pub key: KeyId,
}

/// What [`AbandonKey`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedKey {
    /// The key, which is to be destroyed now.
    pub key: KeyId,
}

impl Command for AbandonKey {
    type Answer = AbandonedKey;

    const NAME: &'static str = "AbandonKey";

    fn scope(&self) -> Scope<'_> {
        Scope::Key(&self.key)
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let in_words = match desk.key(&self.key)? {
            KeyState::Unknown => None,
            KeyState::Living(_) => Some("is in use"),
            KeyState::Ending(_) => Some("comes to its end by itself"),
            KeyState::Ended(_) => Some("was destroyed or given up before"),
        };
        if let Some(in_words) = in_words {
            let message = format!("the key {} {in_words}; only a key that no event names is given up", self.key);
            objections.add(BrokenRule::new(K3, "key-named", message));
        }
        objections.verdict()?;
        Ok(Plan::new().and(KeyAbandoned { key: self.key.clone() }))
    }

    fn answer(events: &[Event]) -> Option<AbandonedKey> {
        events.iter().find_map(|event| match event {
            Event::KeyAbandoned(abandoned) => Some(AbandonedKey { key: abandoned.key.clone() }),
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
    use crate::log::CommitId;

    #[test]
    fn k3_an_orphan_is_given_up_once() {
        let mut scene = Scene::new();
        let key = KeyId::derive(&CommitId::new([7; 16]), 0);
        let events = scene.run(&AbandonKey { key: key.clone() }).unwrap();
        assert_eq!(events, [KeyAbandoned { key: key.clone() }.into()]);
        assert_eq!(AbandonKey::answer(&events), Some(AbandonedKey { key: key.clone() }));
        assert_eq!(scene.key_state(&key), KeyState::Ended(None));
        let refusal = scene.refused(&AbandonKey { key });
        assert_eq!(scene.codes(&refusal), ["K3 key-named"]);
    }

    #[test]
    fn k3_a_key_that_an_event_names_is_not_given_up() {
        let mut scene = Scene::new();
        let (root, intermediate) = scene.enabled_pair(Family::Ecc);
        let living = scene.ca(&root).generation().unwrap().key.clone();
        let refusal = scene.refused(&AbandonKey { key: living });
        assert_eq!(scene.codes(&refusal), ["K3 key-named"]);
        let ending = scene.ca(&intermediate).generation().unwrap().key.clone();
        scene.reset(&intermediate, false);
        let refusal = scene.refused(&AbandonKey { key: ending });
        assert_eq!(scene.codes(&refusal), ["K3 key-named"]);
    }
}
