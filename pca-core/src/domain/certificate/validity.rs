//! From when to when a new certificate is valid (rules C5, O5, L9).

use core::fmt;

use crate::domain::CaId;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::log::Timestamp;
use crate::x509::{ProfileName, Validity};

/// How many days a certificate is valid if nothing is asked for.
pub const DEFAULT_DAYS: u32 = 90;

const C5: Rule = Rule::new("C5");
const I2: Rule = Rule::new("I2");
const O5: Rule = Rule::new("O5");
const DAY: i64 = 86_400;

/// Something that no certificate may outlive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    /// The last second that is allowed.
    pub(super) end: Timestamp,
    /// What ends then.
    pub(super) kind: LimitKind<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum LimitKind<'a> {
    Intermediate(&'a CaId),
    Root(&'a CaId),
    Term(&'a CaId),
    Policy { days: u32 },
    FreeUnit { days: u32 },
    Profile { name: ProfileName, days: u32 },
}

impl<'a> Limit<'a> {
    /// A number of days from the beginning.
    pub(super) fn days(not_before: Timestamp, days: u32, kind: LimitKind<'a>) -> Self {
        Self { end: not_before.plus_secs(i64::from(days).saturating_mul(DAY).saturating_sub(1)), kind }
    }
}

impl LimitKind<'_> {
    const fn rule(self) -> Rule {
        match self {
            Self::Term(_) => O5,
            Self::Profile { .. } => I2,
            _ => C5,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Intermediate(_) => "outlives-intermediate",
            Self::Root(_) => "outlives-root",
            Self::Term(_) => "outlives-term",
            Self::Policy { .. } => "beyond-policy-maximum",
            Self::FreeUnit { .. } => "beyond-free-maximum",
            Self::Profile { .. } => "beyond-profile-maximum",
        }
    }
}

impl fmt::Display for Limit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.end;
        match self.kind {
            LimitKind::Intermediate(ca) => write!(f, "the certificate of intermediate {ca} ends at {end}"),
            LimitKind::Root(ca) => write!(f, "the certificate of root {ca} ends at {end}"),
            LimitKind::Term(ca) => {
                write!(f, "the service term of {ca} ends at {end}, and the policy lets no certificate outlive it")
            }
            LimitKind::Policy { days } => write!(f, "the policy allows {days} days at most, until {end}"),
            LimitKind::Profile { name, days } => {
                write!(f, "the profile {name} allows {days} days at most, until {end}")
            }
            LimitKind::FreeUnit { days } => {
                write!(f, "a free unit pays for it, which the policy allows {days} days at most, until {end}")
            }
        }
    }
}

/// Fits a validity into all limits: what does not fit is refused with every limit that it breaks, the binding one first,
/// or cut to the binding one if that was asked for (`clamp`); never to a certificate that is expired already.
pub(super) fn fit(
    now: Timestamp,
    not_before: Timestamp,
    days: u32,
    clamp: bool,
    mut limits: Vec<Limit<'_>>,
    objections: &mut Objections,
) -> Option<Validity> {
    let asked = match Validity::for_days(not_before, days) {
        Ok(asked) => asked,
        Err(error) => {
            let text = format!("{days} days are asked for from {not_before}: {error}; ask for 1 day or more");
            objections.add(BrokenRule::new(C5, "validity", text));
            return None;
        }
    };
    limits.retain(|limit| asked.not_after() > limit.end);
    limits.sort_by_key(|limit| limit.end);
    let Some(binding) = limits.first() else {
        // Only a decision whose beginning lies back further than the validity is long gets here.
        return not_expired(asked, now, objections, || format!("{days} days from {not_before}"));
    };
    if clamp {
        return match Validity::new(not_before, binding.end) {
            Ok(clamped) => not_expired(clamped, now, objections, || binding.to_string()),
            Err(_) => {
                objections.add(expired(now, &binding.to_string()));
                None
            }
        };
    }
    let room = (binding.end.secs() - not_before.secs() + 1).div_euclid(DAY);
    let advice = if room > 0 {
        format!("ask for at most {room} days, or for what is possible (clamp)")
    } else if binding.end > now {
        "ask for what is possible (clamp)".to_owned()
    } else {
        "no certificate is possible any more".to_owned()
    };
    for limit in &limits {
        let text = format!("{days} days end at {}, but {limit}; {advice}", asked.not_after());
        objections.add(BrokenRule::new(limit.kind.rule(), limit.kind.code(), text));
    }
    None
}

fn not_expired(
    validity: Validity,
    now: Timestamp,
    objections: &mut Objections,
    binding: impl FnOnce() -> String,
) -> Option<Validity> {
    if validity.not_after() < now.floor_to_second() {
        objections.add(expired(now, &binding()));
        return None;
    }
    Some(validity)
}

fn expired(now: Timestamp, binding: &str) -> BrokenRule {
    let text = format!("the certificate would be expired already: it is {now}, and {binding}");
    BrokenRule::new(C5, "would-be-expired", text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::testing::reasons;
    use crate::log::CommitId;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn ca() -> CaId {
        CaId::derive(&CommitId::new([0; 16]), 0)
    }

    fn outcome(days: u32, clamp: bool, limits: Vec<Limit<'_>>) -> Result<Validity, Vec<String>> {
        let mut objections = Objections::new();
        let fitted = fit(NOW, NOW, days, clamp, limits, &mut objections);
        match objections.verdict() {
            Ok(()) => Ok(fitted.unwrap()),
            Err(refusal) => {
                assert_eq!(fitted, None);
                Err(reasons(&refusal))
            }
        }
    }

    #[test]
    fn c5_the_end_is_included() {
        assert_eq!(outcome(1, false, vec![]).unwrap().not_after(), NOW.plus_secs(DAY - 1));
        assert_eq!(outcome(0, false, vec![]), Err(vec!["C5 validity".into()]));
        assert_eq!(outcome(u32::MAX, false, vec![]), Err(vec!["C5 validity".into()]));
    }

    #[test]
    fn c5_what_does_not_fit_is_refused_naming_every_limit_or_clamped_to_the_binding_one() {
        let ca = ca();
        let limits = || {
            vec![
                Limit { end: NOW.plus_secs(80 * DAY), kind: LimitKind::Root(&ca) },
                Limit { end: NOW.plus_secs(40 * DAY), kind: LimitKind::Intermediate(&ca) },
                Limit::days(NOW, 60, LimitKind::Policy { days: 60 }),
                Limit { end: NOW.plus_secs(200 * DAY), kind: LimitKind::Term(&ca) },
            ]
        };
        let all = ["C5 beyond-policy-maximum", "C5 outlives-intermediate", "C5 outlives-root"];
        assert_eq!(outcome(90, false, limits()), Err(all.map(str::to_owned).to_vec()));
        assert_eq!(outcome(90, true, limits()).unwrap().not_after(), NOW.plus_secs(40 * DAY));
        assert_eq!(outcome(40, false, limits()).unwrap().not_after(), NOW.plus_secs(40 * DAY - 1));
        assert_eq!(outcome(41, false, limits()), Err(vec!["C5 outlives-intermediate".into()]));
        assert_eq!(outcome(300, false, limits()).unwrap_err().len(), 4);
    }

    #[test]
    fn c5_clamping_never_yields_an_expired_certificate() {
        let ca = ca();
        for end in [NOW.plus_secs(-1), NOW.plus_secs(-DAY)] {
            let limits = vec![Limit { end, kind: LimitKind::Intermediate(&ca) }];
            assert_eq!(outcome(90, true, limits), Err(vec!["C5 would-be-expired".into()]));
        }
        let limits = vec![Limit { end: NOW, kind: LimitKind::Intermediate(&ca) }];
        assert_eq!(outcome(90, true, limits).unwrap().not_after(), NOW, "its last second has begun");
    }

    proptest! {
        #[test]
        fn what_fits_nests_in_every_limit(
            days in 0_u32..500,
            clamp: bool,
            ends in proptest::collection::vec(-100 * DAY..400 * DAY, 0..5),
        ) {
            let ca = ca();
            let limits: Vec<Limit<'_>> = ends
                .iter()
                .map(|secs| Limit { end: NOW.plus_secs(*secs), kind: LimitKind::Root(&ca) })
                .collect();
            if let Ok(fitted) = outcome(days, clamp, limits.clone()) {
                prop_assert!(fitted.not_after() >= NOW);
                prop_assert!(limits.iter().all(|limit| fitted.not_after() <= limit.end));
                prop_assert!(fitted.seconds() <= i64::from(days) * DAY);
                prop_assert!(clamp || fitted.seconds() == i64::from(days) * DAY);
            }
        }
    }
}
