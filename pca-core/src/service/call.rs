//! Who calls, why, and under which idempotency key (rules L3 and O6).

use crate::domain::{BrokenRule, Objections, Refusal, Rule};
use crate::log::{CommitId, Metadata, RequestDigest, Timestamp};

const L3: Rule = Rule::new("L3");
const O6: Rule = Rule::new("O6");
/// How many characters a name, a correlation or an idempotency key has, at most.
const MAX_NAME: usize = 256;
/// How many characters a reason has, at most.
const MAX_REASON: usize = 4096;

/// Who calls and why. There is no default actor: the embedding program says who is answerable.
///
/// ```
/// use pca_core::Call;
///
/// // `ada` was authenticated by your program; the request may be sent again after a lost answer.
/// let call = Call::by("ada")
///     .because("the portal moved to another server")
///     .correlated("ticket 4711")
///     .idempotent("ticket 4711, first certificate");
/// # drop(call);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub(crate) actor: String,
    pub(crate) claimed_actor: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) correlation: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) commit: Option<CommitId>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) clock_confirmed: bool,
}

impl Call {
    /// A call by somebody whom the embedding program has established, such as a user's name.
    #[must_use]
    pub fn by(actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            key: None,
            commit: None,
            now: None,
            clock_confirmed: false,
        }
    }

    /// Whom the actor claims to act as; recorded beside the actor, never instead.
    #[must_use]
    pub fn claiming(mut self, actor: impl Into<String>) -> Self {
        self.claimed_actor = Some(actor.into());
        self
    }

    /// Why, in the actor's words.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// What ties this call to others.
    #[must_use]
    pub fn correlated(mut self, correlation: impl Into<String>) -> Self {
        self.correlation = Some(correlation.into());
        self
    }

    /// The idempotency key: the same key with the same request by the same actor answers with the first result; with
    /// another request it is refused (rule O6).
    #[must_use]
    pub fn idempotent(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The time, on a rehearsal log, or for a question or preview (rule L9). On any other log a command with a time is
    /// refused.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Confirms that the clock is right although it is further ahead of the newest commit than `policy.max_gap_days`
    /// (rule L9).
    #[must_use]
    pub fn confirming_clock(mut self) -> Self {
        self.clock_confirmed = true;
        self
    }

    /// Whether what a commit would keep of the call for ever can be kept, and read by people (rules L3 and O6): names,
    /// correlation and idempotency key of 1 to 256 characters, a reason of 1 to 4,096; not blank, and without control
    /// characters, but for line breaks and tabs in a reason.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let mut objections = Objections::new();
        let texts = [
            (L3, "the actor", Some(&self.actor), MAX_NAME),
            (L3, "the claimed actor", self.claimed_actor.as_ref(), MAX_NAME),
            (L3, "the reason", self.reason.as_ref(), MAX_REASON),
            (L3, "the correlation", self.correlation.as_ref(), MAX_NAME),
            (O6, "the idempotency key", self.key.as_ref(), MAX_NAME),
        ];
        for (rule, what, text, most) in texts {
            if let Some(text) = text {
                objections.extend(unfit(rule, what, text, most));
            }
        }
        objections.verdict()
    }

    /// The call of the `step`-th commit of a process: idempotent if this one is.
    #[must_use]
    pub(crate) fn step(&self, first: CommitId, step: u64) -> Self {
        Self { commit: Some(first.step(step)), key: None, ..self.clone() }
    }

    /// The same call without its idempotency key.
    pub(crate) fn unkeyed(&self) -> Self {
        Self { commit: None, key: None, ..self.clone() }
    }

    /// The commit id that the idempotency key stands for, if there is one.
    pub(crate) fn chosen_commit(&self) -> Option<CommitId> {
        self.commit.or_else(|| self.key.as_deref().map(CommitId::from_idempotency_key))
    }

    /// The digest of a request: command, actor and the request as asked; not the time (rule O6).
    pub(crate) fn digest(&self, command: &str, canonical: &[u8]) -> RequestDigest {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new_with_prefix(b"pca-request-v1\0");
        let claimed = self.claimed_actor.as_deref().unwrap_or_default();
        for part in [command.as_bytes(), self.actor.as_bytes(), claimed.as_bytes(), canonical] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        RequestDigest::new(hash.finalize().into())
    }

    pub(crate) fn metadata(&self, command: &str, decided_at: Timestamp, clock: Timestamp) -> Metadata {
        Metadata {
            command: command.into(),
            actor: self.actor.clone(),
            claimed_actor: self.claimed_actor.clone(),
            reason: self.reason.clone(),
            correlation: self.correlation.clone(),
            decided_at,
            wall_clock: (clock != decided_at).then_some(clock),
        }
    }
}

/// Why a text cannot be kept.
fn unfit(rule: Rule, what: &str, text: &str, most: usize) -> Option<BrokenRule> {
    let characters = text.chars().count();
    let of_a_reason = |character: char| most == MAX_REASON && matches!(character, '\n' | '\r' | '\t');
    if text.trim().is_empty() {
        let message = format!("{what} is blank; give 1 to {most} characters");
        return Some(BrokenRule::new(rule, "call-text-blank", message));
    }
    if characters > most {
        let message = format!("{what} has {characters} characters; at most {most} are kept");
        return Some(BrokenRule::new(rule, "call-text-too-long", message));
    }
    let control = text.chars().find(|character| character.is_control() && !of_a_reason(*character))?;
    let message = format!("{what} has the control character U+{:04X} in it", u32::from(control));
    Some(BrokenRule::new(rule, "call-control-character", message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn codes(call: &Call) -> Vec<(&'static str, &'static str)> {
        let refusal = call.check().err();
        let broken = refusal.iter().flat_map(|refusal| refusal.broken().iter());
        broken.map(|broken| (broken.rule().number(), broken.code())).collect()
    }

    #[test]
    fn l3_what_is_said_of_a_call_is_short_and_can_be_read() {
        let call = Call::by("ada")
            .claiming("grace")
            .because("it moved\n\tto another server")
            .correlated("t-1")
            .idempotent("k");
        assert_eq!(codes(&call), []);
        assert_eq!(codes(&Call::by("ä".repeat(256)).because("x".repeat(4096))), []);
        assert_eq!(codes(&Call::by("")), [("L3", "call-text-blank")]);
        assert_eq!(codes(&Call::by("\u{2003} ").claiming(" ")), [("L3", "call-text-blank"); 2]);
        assert_eq!(codes(&Call::by("ä".repeat(257)).because("x".repeat(4097))), [("L3", "call-text-too-long"); 2]);
        assert_eq!(codes(&Call::by("ada\nroot").because("bell\u{7}")), [("L3", "call-control-character"); 2]);
        assert_eq!(
            codes(&Call::by("ada").correlated("").idempotent("a\tb")),
            [("L3", "call-text-blank"), ("O6", "call-control-character")]
        );
        let told = Call::by("ada").idempotent("\u{1b}[31m").check().unwrap_err().to_string();
        assert!(told.contains("the idempotency key has the control character U+001B"), "{told}");
    }
}
