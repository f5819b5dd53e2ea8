//! The life of a root and two intermediates against a plain model (rules C1, C7 to C10, R6).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::testing::Scene;
use super::*;
use crate::domain::crl::PublishLastCrl;
use crate::domain::key::{ConfirmKeyDestroyed, KeyState};

/// 0 is the root, 1 and 2 are its intermediates.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enable(usize),
    Renew(usize, bool),
    Disable(usize),
    Reenable(usize),
    Reset(usize, bool),
    Revoke(usize, bool),
    Remove(usize),
    Resume(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..3_usize;
    let one = prop_oneof![
        6 => which.clone().prop_map(Step::Enable),
        4 => (which.clone(), any::<bool>()).prop_map(|(which, new_key)| Step::Renew(which, new_key)),
        2 => which.clone().prop_map(Step::Disable),
        2 => which.clone().prop_map(Step::Reenable),
        2 => (which.clone(), any::<bool>()).prop_map(|(which, cascade)| Step::Reset(which, cascade)),
        1 => (which.clone(), any::<bool>()).prop_map(|(which, cascade)| Step::Revoke(which, cascade)),
        1 => which.clone().prop_map(Step::Remove),
        2 => which.prop_map(Step::Resume),
    ];
    proptest::collection::vec(one, 1..25)
}

fn is_live(state: CaState) -> bool {
    matches!(state, CaState::Enabled | CaState::Disabled)
}

/// What the rules say, as plainly as can be: whether it may happen, and what stands afterwards.
fn expected(states: [CaState; 3], step: Step) -> Option<[CaState; 3]> {
    use CaState as S;
    let mut after = states;
    let end = |which: usize, cascade: bool, to: CaState| {
        let below = which == 0 && states[1..].iter().copied().any(is_live);
        if !is_live(states[which]) || (below && !cascade) {
            return None;
        }
        let mut after = states;
        after[which] = to;
        if which == 0 {
            after[1..].iter_mut().filter(|state| is_live(**state)).for_each(|state| *state = to);
        }
        Some(after)
    };
    match step {
        Step::Enable(which) => {
            let possible = states[which] == S::NotEnabled && (which == 0 || states[0] == S::Enabled);
            after[which] = S::Enabled;
            possible.then_some(after)
        }
        Step::Renew(which, _) => {
            let possible = states[which] == S::Enabled && states[0] == S::Enabled;
            possible.then_some(after)
        }
        Step::Disable(which) => {
            after[which] = S::Disabled;
            (states[which] == S::Enabled).then_some(after)
        }
        Step::Reenable(which) => {
            after[which] = S::Enabled;
            (states[which] == S::Disabled).then_some(after)
        }
        Step::Reset(which, cascade) => end(which, cascade, S::NotEnabled),
        Step::Revoke(which, cascade) => end(which, cascade, S::Revoked),
        Step::Remove(which) => {
            after[which] = S::Removed;
            (states[which] == S::Revoked).then_some(after)
        }
        Step::Resume(_) => Some(states),
    }
}

/// What `resume()` does.
fn resume(scene: &mut Scene, ca: &CaId) {
    while let Some(step) = unfinished(scene.ca(ca)).first().cloned() {
        match step {
            super::Step::PublishLastCrl { ca, generation } => {
                scene.run(&PublishLastCrl { ca, generation }).unwrap();
            }
            super::Step::DestroyKey { key } => {
                scene.destroy(&key);
                scene.run(&ConfirmKeyDestroyed { key }).unwrap();
            }
            super::Step::RetireKey { .. } => panic!("no key has outlived its certificates"),
            super::Step::ConfirmKeyDestroyed { .. } => panic!("a key is destroyed before that is confirmed"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn the_life_of_cas_follows_a_plain_model(steps in steps()) {
        let mut scene = Scene::new();
        let (root, first) = scene.buy_root(Family::Ecc);
        let second = scene.buy_intermediate(&root);
        let cas = [root, first, second];
        let mut states = [CaState::NotEnabled; 3];
        let mut generations = [0; 3];
        for step in steps {
            let outcome = match step {
                Step::Enable(which) => scene.run(&scene.enabling(&cas[which], &format!("CA {which}"))),
                Step::Renew(which, new_key) => {
                    scene.run(&RenewCa { new_key, ..RenewCa::same_key(cas[which].clone()) })
                }
                Step::Disable(which) => scene.run(&DisableCa { ca: cas[which].clone() }),
                Step::Reenable(which) => scene.run(&ReenableCa { ca: cas[which].clone() }),
                Step::Reset(which, cascade) if is_live(states[which]) => {
                    let command = ResetCa { cascade, ..scene.resetting(&cas[which]) };
                    scene.run(&command)
                }
                Step::Revoke(which, cascade) if is_live(states[which]) => {
                    let command = RevokeCa { cascade, ..scene.revoking(&cas[which]) };
                    scene.run(&command)
                }
                Step::Reset(which, _) => Err(scene.preview_refused(&cas[which], Ending::Reset)),
                Step::Revoke(which, _) => Err(scene.preview_refused(&cas[which], Ending::Revoke)),
                Step::Remove(which) => scene.run(&RemoveCa { ca: cas[which].clone() }),
                Step::Resume(which) => {
                    resume(&mut scene, &cas[which]);
                    Ok(Vec::new())
                }
            };
            let after = expected(states, step);
            prop_assert_eq!(outcome.is_ok(), after.is_some(), "{:?} in {:?}: {:?}", step, states, outcome);
            states = after.unwrap_or(states);
            if let (Step::Enable(which) | Step::Renew(which, _), Ok(_)) = (step, &outcome) {
                generations[which] += 1;
            }
            for (index, id) in cas.iter().enumerate() {
                let ca = scene.ca(id);
                prop_assert_eq!(ca.state(), states[index]);
                prop_assert_eq!(ca.generation().is_some(), is_live(states[index]));
                prop_assert_eq!(ca.next_generation(), generations[index] + 1, "every generation is counted");
                if index > 0 && is_live(states[index]) {
                    prop_assert!(is_live(states[0]), "no intermediate lives without its root");
                }
                for generation in ca.living_generations() {
                    prop_assert!(matches!(scene.key_state(&generation.key), KeyState::Living(_)));
                }
                for ended in ca.ended() {
                    let state = scene.key_state(&ended.end.key);
                    prop_assert_eq!(matches!(state, KeyState::Ended(_)), ended.key_destroyed);
                    let mut with_it = ca.ended().iter().filter(|other| other.end.key == ended.end.key);
                    let signed = with_it.any(|other| other.published.is_some());
                    prop_assert!(!ended.key_destroyed || signed, "first the last CRL");
                    let own = scene.certificate(&ended.generation.id).revocation().is_some();
                    prop_assert_eq!(own, index > 0, "the root revokes what ended below it, and never itself");
                }
            }
        }
    }
}
