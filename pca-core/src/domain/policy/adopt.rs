//! `AdoptPolicy`: brings a policy into force.

use core::fmt::Display;

use serde::Serialize;
use serde_json::Value;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, PolicyAdopted};
use crate::domain::refusal::{BrokenRule, Rule};
use crate::domain::{Scope, founded};

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

    fn scope(&self) -> Scope<'_> {
        Scope::Enterprise
    }

    fn decide(&self, desk: &Desk<'_>, _: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
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

/// The bounds of each number: the rule, the code (the field with hyphens), the least and the most.
const BOUNDS: [(&str, &str, u64, u64); 16] = [
    ("L9", "backdate-seconds", 0, 3600),
    ("L9", "max-clock-skew-seconds", 1, 86_400),
    ("L9", "max-gap-days", 1, 36_500),
    ("I8", "max-atomic", 1, 10_000),
    ("A3", "crl-validity-days", 1, 3650),
    ("A3", "root-crl-validity-days", 1, 3650),
    ("A3", "crl-partitions", 0, 1024),
    ("A3", "delta-crl-validity-hours", 1, 8760),
    ("A3", "ocsp-validity-hours", 1, 240),
    ("C5", "max-validity-days", 1, 36_525),
    ("C5", "free-certificate-days", 1, 36_525),
    ("Q3", "free-quota-days", 1, 36_525),
    ("O1", "free-certificates", 0, 1_000_000),
    ("R1", "refund-window-hours", 0, 87_600),
    ("K4", "key-retention-days", 0, 36_500),
    ("O6", "free-after-purchased", 0, u64::MAX),
];

fn out_of_bounds((rule, code, least, most): (&'static str, &'static str, u64, u64), value: &dyn Display) -> BrokenRule {
    let field = code.replace('-', "_");
    BrokenRule::new(Rule::new(rule), code, format!("{field} is {value}; {least} to {most} is possible"))
}

impl Policy {
    /// What speaks against the policy itself: each broken rule.
    #[must_use]
    pub fn objections(&self) -> Vec<BrokenRule> {
        let values = [
            Some(u64::from(self.backdate_seconds)),
            Some(u64::from(self.max_clock_skew_seconds)),
            Some(u64::from(self.max_gap_days)),
            Some(u64::from(self.max_atomic)),
            Some(u64::from(self.crl_validity_days)),
            Some(u64::from(self.root_crl_validity_days)),
            Some(u64::from(self.crl_partitions)),
            Some(u64::from(self.delta_crl_validity_hours)),
            Some(u64::from(self.ocsp_validity_hours)),
            self.max_validity_days.map(u64::from),
            self.free_certificate_days.map(u64::from),
            self.free_quota_days.map(u64::from),
            Some(u64::from(self.free_certificates)),
            Some(u64::from(self.refund_window_hours)),
            Some(u64::from(self.key_retention_days)),
            self.free_after_purchased,
        ];
        let given = BOUNDS.into_iter().zip(values).filter_map(|(bounds, value)| Some((bounds, value?)));
        given
            .filter(|((_, _, least, most), value)| !(least..=most).contains(&value))
            .map(|(bounds, value)| out_of_bounds(bounds, &value))
            .collect()
    }

    /// Reads a policy from JSON; fields that are absent are as in [`Policy::default`].
    ///
    /// Whole numbers within what the fields can hold are taken as they are; whether the rules allow them is for
    /// [`objections`](Self::objections), which [`AdoptPolicy`] asks.
    ///
    /// # Errors
    /// [`PolicyJsonError::Rule`] if whole numbers are below 0 or beyond what a field can hold, with every broken rule of
    /// the policy; [`PolicyJsonError::Syntax`] for all else, such as a field that there is not.
    pub fn from_json(text: &str) -> Result<Self, PolicyJsonError> {
        if !text.trim_start().starts_with('{') {
            let error = serde::de::Error::custom("a policy is a JSON object");
            return Err(PolicyJsonError::Syntax(error));
        }
        let error = match serde_json::from_str(text) {
            Ok(policy) => return Ok(policy),
            Err(error) => error,
        };
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
            return Err(PolicyJsonError::Syntax(error));
        };
        let mut broken = Vec::new();
        for bounds in BOUNDS {
            let field = bounds.1.replace('-', "_");
            let most = if bounds.1 == "free-after-purchased" { u64::MAX } else { u64::from(u32::MAX) };
            if fields.get(&field).is_some_and(|value| is_beyond(value, most))
                && let Some(value) = fields.remove(&field)
            {
                broken.push(out_of_bounds(bounds, &value));
            }
        }
        // What is left must be a policy, else there is more wrong than numbers.
        match serde_json::from_value::<Self>(Value::Object(fields)) {
            Ok(rest) if !broken.is_empty() => {
                broken.extend(rest.objections());
                Err(PolicyJsonError::Rule(broken))
            }
            _ => Err(PolicyJsonError::Syntax(error)),
        }
    }
}

/// Whether it is a whole number below 0 or above `most`. JSON has numbers of any size: those beyond 64 bits come as
/// floating-point numbers.
fn is_beyond(value: &Value, most: u64) -> bool {
    let Value::Number(number) = value else { return false };
    match (number.as_u64(), number.is_i64()) {
        (Some(number), _) => number > most,
        (None, true) => true,
        (None, false) => number.as_f64().is_some_and(|number| number.abs() >= BEYOND_64_BITS),
    }
}

/// 2⁶³: floating-point numbers from here on are whole, and no field holds those that JSON gives as such.
const BEYOND_64_BITS: f64 = 9_223_372_036_854_775_808.0;

/// Why JSON is no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyJsonError {
    /// Numbers that the rules do not allow; at least one.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rule(Vec<BrokenRule>),
    /// It is no JSON, or no policy.
    #[error("{0}")]
    Syntax(serde_json::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    fn broken(text: &str) -> Vec<(String, String)> {
        match Policy::from_json(text) {
            Err(PolicyJsonError::Rule(broken)) => {
                broken.iter().map(|broken| (broken.code().to_owned(), broken.to_string())).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_that_no_field_holds_break_the_fields_rule() {
        for (field, value, rule) in [
            ("max_atomic", "-1", "I8"),
            ("max_atomic", "4294967296", "I8"),
            ("crl_validity_days", "99999999999999999999", "A3"),
            ("free_quota_days", "-99999999999999999999", "Q3"),
            ("free_after_purchased", "-5", "O6"),
        ] {
            let told = broken(&format!("{{\"{field}\": {value}}}"));
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].0, field.replace('_', "-"));
            assert!(told[0].1.starts_with(&format!("{rule}: {field} is ")), "{told:?}");
            assert!(told[0].1.ends_with(" is possible"), "{told:?}");
        }
        let told = broken(r#"{"max_gap_days": 5000000000, "backdate_seconds": -1, "max_atomic": 10001}"#);
        let codes: Vec<&str> = told.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, ["backdate-seconds", "max-gap-days", "max-atomic"], "those that a field holds, too");
    }

    #[test]
    fn all_else_that_is_wrong_is_syntax() {
        for text in [
            "",
            "[]",
            "7",
            r#"{"max_atomics": 5}"#,
            r#"{"max_atomic": "5"}"#,
            r#"{"max_atomic": 1.5}"#,
            r#"{"max_atomic": null}"#,
            r#"{"max_atomic": 5, "max_atomic": 6}"#,
            r#"{"max_atomic": -1, "max_atomics": 5}"#,
            r#"{"max_atomic": 5} x"#,
        ] {
            let read = Policy::from_json(text);
            assert!(matches!(read, Err(PolicyJsonError::Syntax(_))), "{text}: {read:?}");
        }
    }

    #[test]
    fn a_policy_comes_back_from_its_json() {
        let extras = Policy::with_published_extras();
        assert_eq!(Policy::from_json(&serde_json::to_string(&extras).unwrap()).unwrap(), extras);
        assert_eq!(Policy::from_json("{}").unwrap(), Policy::default());
        let policy = Policy::from_json(r#"{"max_atomic": 0}"#).unwrap();
        assert_eq!(policy.objections().len(), 1, "what a field holds is for the command to refuse");
    }
}
