//! `AdoptPolicy`: brings a policy into force.

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan, canonical};
use crate::domain::event::{Event, PolicyAdopted};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, founded};

use super::Policy;

/// Brings a policy into force for all that is decided from now on.
#[derive(Clone, Debug, Serialize)]
pub struct AdoptPolicy {
    /// The policy, whole.
    pub policy: Policy,
}

impl Command for AdoptPolicy {
    type Answer = Policy;

    const NAME: &'static str = "AdoptPolicy";

    fn canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    fn about(&self) -> Option<&CaId> {
        None
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = Objections::new();
        founded(desk, &mut objections)?;
        desk.policy()?;
        objections.extend(self.policy.objections());
        objections.verdict()?;
        Ok(Plan::new().and(PolicyAdopted { policy: self.policy.clone() }))
    }

    fn answer(events: &[Event]) -> Option<Policy> {
        events.iter().find_map(|event| match event {
            Event::PolicyAdopted(adopted) => Some(adopted.policy.clone()),
            _ => None,
        })
    }
}

impl Policy {
    /// What speaks against the policy itself: each broken rule.
    #[must_use]
    pub fn objections(&self) -> Vec<BrokenRule> {
        let limits = [
            ("L9", "backdate-seconds", u64::from(self.backdate_seconds), 0, 3600),
            ("L9", "max-clock-skew-seconds", u64::from(self.max_clock_skew_seconds), 1, 86_400),
            ("L9", "max-gap-days", u64::from(self.max_gap_days), 1, 36_500),
            ("I8", "max-atomic", u64::from(self.max_atomic), 1, 10_000),
            ("A3", "crl-validity-days", u64::from(self.crl_validity_days), 1, 3650),
            ("A3", "root-crl-validity-days", u64::from(self.root_crl_validity_days), 1, 3650),
            ("C5", "max-validity-days", self.max_validity_days.map_or(1, u64::from), 1, 36_525),
            ("C5", "free-certificate-days", self.free_certificate_days.map_or(1, u64::from), 1, 36_525),
            ("Q3", "free-quota-days", self.free_quota_days.map_or(1, u64::from), 1, 36_525),
            ("O1", "free-certificates", u64::from(self.free_certificates), 0, 1_000_000),
            ("R1", "refund-window-hours", u64::from(self.refund_window_hours), 0, 87_600),
            ("K4", "key-retention-days", u64::from(self.key_retention_days), 0, 36_500),
        ];
        limits
            .into_iter()
            .filter(|(_, _, value, least, most)| !(least..=most).contains(&value))
            .map(|(rule, code, value, least, most)| {
                let field = code.replace('-', "_");
                BrokenRule::new(Rule::new(rule), code, format!("{field} is {value}; {least} to {most} is possible"))
            })
            .collect()
    }
}
