//! The audit timeline: who did what, when and why (rule L3).

use serde::Serialize;

use crate::domain::Event;
use crate::log::{CodecError, CommitId, Digest, EventData, Position, Recorded, StreamId, Timestamp};

use super::Projection;

/// An event as an auditor reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Its position in the log.
    pub position: Position,
    /// The commit's time.
    pub time: Timestamp,
    /// The time that the rules were applied at (rule L9).
    pub decided_at: Timestamp,
    /// What the clock showed, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_clock: Option<Timestamp>,
    /// The commit that it stands in.
    pub commit: CommitId,
    /// The commit's digest in the chain.
    pub digest: Digest,
    /// The command that was carried out.
    pub command: String,
    /// Who is answerable.
    pub actor: String,
    /// Whom the actor claimed to act as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_actor: Option<String>,
    /// Why, in the actor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What ties it to other commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What happened.
    pub kind: String,
    /// The streams that it concerns.
    pub streams: Vec<StreamId>,
    /// What happened, in full.
    pub event: serde_json::Value,
}

/// The events of a commit as an auditor reads them.
///
/// # Errors
/// [`CodecError`] if an event cannot be decoded or has no JSON form.
pub fn entries(recorded: &Recorded) -> Result<Vec<AuditEntry>, CodecError> {
    let (seal, commit) = (recorded.seal(), recorded.commit());
    let metadata = commit.metadata();
    commit
        .events()
        .enumerate()
        .map(|(index, view)| {
            let event = Event::decode(&view)?;
            let kind = event.kind();
            let json = event.to_json().map_err(|source| CodecError::Encode { kind, detail: source.to_string() })?;
            Ok(AuditEntry {
                position: seal.first.plus(u64::try_from(index).unwrap_or(u64::MAX)),
                time: seal.time,
                decided_at: metadata.decided_at,
                wall_clock: metadata.wall_clock,
                commit: commit.id(),
                digest: seal.digest,
                command: metadata.command.clone(),
                actor: metadata.actor.clone(),
                claimed_actor: metadata.claimed_actor.clone(),
                reason: metadata.reason.clone(),
                correlation: metadata.correlation.clone(),
                kind: kind.into(),
                streams: view.streams().cloned().collect(),
                event: json,
            })
        })
        .collect()
}

/// Which events a [`Timeline`] keeps; what is absent does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only events of this stream.
    pub stream: Option<StreamId>,
    /// Only what this actor did, or was claimed to have done.
    pub actor: Option<String>,
    /// Only what this command did.
    pub command: Option<String>,
    /// Only events of this kind.
    pub kind: Option<String>,
    /// Only what bears this correlation.
    pub correlation: Option<String>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only up to this time, it included.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether an event is kept.
    #[must_use]
    pub fn keeps(&self, entry: &AuditEntry) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.stream.as_ref().is_none_or(|stream| entry.streams.contains(stream))
            && self
                .actor
                .as_deref()
                .is_none_or(|actor| entry.actor == actor || entry.claimed_actor.as_deref() == Some(actor))
            && is(&self.command, &entry.command)
            && is(&self.kind, &entry.kind)
            && self.correlation.as_deref().is_none_or(|wanted| entry.correlation.as_deref() == Some(wanted))
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time <= until)
    }
}

/// The events that a filter keeps, in order. For a whole log, go by [`entries`] and keep nothing.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    position: Position,
    filter: AuditFilter,
    entries: Vec<AuditEntry>,
}

impl Timeline {
    /// Keeps what the filter keeps.
    #[must_use]
    pub fn filtered(filter: AuditFilter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// What was kept, in order.
    #[must_use]
    pub fn entries(&self) -> &[AuditEntry] {
        &self.entries
    }
}

impl Projection for Timeline {
    type Error = CodecError;

    fn position(&self) -> Position {
        self.position
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), CodecError> {
        if recorded.seal().first <= self.position {
            return Ok(());
        }
        let filter = &self.filter;
        self.entries.extend(entries(recorded)?.into_iter().filter(|entry| filter.keeps(entry)));
        self.position = recorded.seal().last();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::order::story::Story;
    use crate::domain::stream;
    use crate::keys::Family;

    #[test]
    fn l3_who_did_what_when() {
        let (story, root) = Story::with_enabled_root(Family::Ecc);
        let mut timeline = Timeline::default();
        timeline.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
        let positions: Vec<u64> = timeline.entries().iter().map(|entry| entry.position.get()).collect();
        assert_eq!(positions, (1..=u64::try_from(positions.len()).unwrap()).collect::<Vec<_>>());
        let bought = timeline.entries().iter().find(|entry| entry.kind == "RootOrdered").unwrap();
        assert_eq!((bought.command.as_str(), bought.actor.as_str()), ("BuyRoot", Story::ACTOR));
        assert_eq!(bought.event.get("root").unwrap(), root.root.as_str());
        let term = bought.event.get("term_ends").unwrap();
        assert_eq!(term, "2027-01-01T00:00:00Z", "times are for people");
        let enabled = timeline.entries().iter().find(|entry| entry.kind == "CaEnabled").unwrap();
        assert_eq!(enabled.event.get("certificate").unwrap(), "MAA=", "DER is base 64");
    }

    #[test]
    fn a_filter_keeps_what_it_names() {
        let (story, root) = Story::with_enabled_root(Family::Ecc);
        let kept = |filter: AuditFilter| {
            let mut timeline = Timeline::filtered(filter);
            timeline.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
            timeline.entries().iter().map(|entry| entry.kind.clone()).collect::<Vec<_>>()
        };
        let filter = AuditFilter::default;
        let all = ["EnterpriseFounded", "PolicyAdopted", "RootOrdered", "CaEnabled"];
        assert_eq!(kept(filter()), all);
        assert_eq!(
            kept(AuditFilter { stream: Some(stream::ca(&root.root)), ..filter() }),
            ["RootOrdered", "CaEnabled"]
        );
        assert_eq!(kept(AuditFilter { command: Some("BuyRoot".into()), ..filter() }), ["RootOrdered"]);
        assert_eq!(kept(AuditFilter { kind: Some("CaEnabled".into()), ..filter() }), ["CaEnabled"]);
        assert_eq!(kept(AuditFilter { actor: Some(Story::ACTOR.into()), ..filter() }), all);
        assert!(kept(AuditFilter { actor: Some("nobody".into()), ..filter() }).is_empty());
        assert!(kept(AuditFilter { since: Some(story.now().plus_secs(1)), ..filter() }).is_empty());
        assert_eq!(kept(AuditFilter { until: Some(story.now()), ..filter() }), all);
        assert!(kept(AuditFilter { correlation: Some("x".into()), ..filter() }).is_empty());
    }
}
