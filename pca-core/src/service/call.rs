//! Who calls, why, and under which idempotency key (rules L3 and O6).

use crate::log::{CommitId, Metadata, RequestDigest, Timestamp};

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
