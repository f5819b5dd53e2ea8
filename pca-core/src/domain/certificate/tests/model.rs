//! The life of a certificate against a plain model of rules A2, A5 and C7.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Revoke(RevocationReason),
    Release,
    Remove,
    Reset,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::sample::select(&RevocationReason::ALL[..]).prop_map(Step::Revoke),
        3 => Just(Step::Revoke(RevocationReason::CertificateHold)),
        3 => Just(Step::Release),
        2 => Just(Step::Remove),
        1 => Just(Step::Reset),
        2 => (1_i64..60).prop_map(Step::Wait),
    ]
}

/// What a reader of the rules would keep on paper.
#[derive(Debug, Default)]
struct Paper {
    own: Option<RevocationReason>,
    /// Its CA was reset, and whether it ended with it: not if it had expired before.
    reset: bool,
    with_ca: bool,
    removed: bool,
    days: i64,
}

impl Paper {
    /// 90 days after issue it has expired; the story begins a minute after issue.
    fn status(&self) -> &'static str {
        match self.own {
            Some(reason) if reason != RevocationReason::CertificateHold => "revoked",
            _ if self.with_ca => "revoked",
            _ if self.days >= 90 => "expired",
            Some(_) => "on-hold",
            None => "valid",
        }
    }

    /// Whether the rules allow the step; it is done then.
    fn take(&mut self, step: Step) -> bool {
        use RevocationReason::{CaCompromise, CertificateHold, KeyCompromise, RemoveFromCrl};
        let final_own = self.own.filter(|reason| *reason != CertificateHold);
        let allowed = match step {
            Step::Revoke(CaCompromise | RemoveFromCrl) => false,
            Step::Revoke(KeyCompromise) => final_own != Some(KeyCompromise),
            Step::Revoke(CertificateHold) => self.own.is_none() && !self.with_ca,
            Step::Revoke(_) => final_own.is_none() && !self.with_ca,
            Step::Release => self.own == Some(CertificateHold) && !self.with_ca,
            Step::Remove => !self.removed && matches!(self.status(), "revoked" | "expired"),
            Step::Reset => !self.reset,
            Step::Wait(_) => true,
        };
        match step {
            _ if !allowed => {}
            Step::Revoke(reason) => self.own = Some(reason),
            Step::Release => self.own = None,
            Step::Remove => self.removed = true,
            Step::Reset => (self.reset, self.with_ca) = (true, self.days < 90),
            Step::Wait(days) => self.days += days,
        }
        allowed
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_certificates_life_follows_the_rules(steps in proptest::collection::vec(step(), 1..14)) {
        let (mut story, issued) = with_certificate();
        let (id, mut paper) = (issued.id, Paper::default());
        for step in steps {
            let allowed = paper.take(step);
            let done = match step {
                Step::Revoke(reason) => story.try_run(&revoke(id, reason)).map(drop),
                Step::Release => story.try_run(&ReleaseHold { id }).map(drop),
                Step::Remove => story.try_run(&RemoveCertificate { id }).map(drop),
                Step::Reset if allowed => {
                    story = reset(story, RevocationReason::Superseded);
                    Ok(())
                }
                Step::Reset => continue,
                Step::Wait(days) => {
                    story = story.days_later(days);
                    Ok(())
                }
            };
            prop_assert_eq!(done.is_ok(), allowed, "{:?} on {:?}: {:?}", step, paper, done);
            prop_assert_eq!(status(&story, id).name(), paper.status(), "after {:?}: {:?}", step, paper);
            prop_assert_eq!(story.certificate(&id).is_removed(), paper.removed);
        }
    }
}
