//! Logs for tests of projections.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use crate::domain::Event;
use crate::domain::certificate::IssueCertificate;
use crate::domain::event::CertificateIssued;
use crate::domain::testing::Story;
use crate::log::{Commit, CommitId, EventData, Head, Metadata, Recorded, RequestDigest, Revision, StreamId, Timestamp};

/// Seals each event as a commit of its own.
pub(super) fn record(events: &[(Event, Timestamp)]) -> Vec<Recorded> {
    let mut head = Head::GENESIS;
    let mut revisions: HashMap<StreamId, Revision> = HashMap::new();
    events
        .iter()
        .enumerate()
        .map(|(number, (event, time))| {
            let metadata = Metadata {
                command: "Test".into(),
                actor: "tester".into(),
                claimed_actor: None,
                reason: None,
                correlation: None,
                decided_at: *time,
                wall_clock: None,
            };
            let guards: BTreeMap<_, _> = event
                .streams()
                .into_iter()
                .map(|stream| {
                    let revision = revisions.entry(stream.clone()).or_default();
                    let guard = (stream, *revision);
                    *revision = revision.plus(1);
                    guard
                })
                .collect();
            let id = CommitId::from_idempotency_key(&number.to_string());
            let encoded = [event.encode().unwrap()];
            let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata, guards, &encoded).unwrap();
            let seal = head.seal(&commit);
            head = seal.head();
            Recorded::new(seal, commit)
        })
        .collect()
}

/// A certificate that the story's intermediate would issue next.
pub(super) fn some_certificate(story: &Story) -> CertificateIssued {
    let mut story = story.clone();
    let ca = story.intermediate();
    let done = story.run(&IssueCertificate::server(ca, ["www.example.com"]));
    done.events
        .into_iter()
        .find_map(|event| match event {
            Event::CertificateIssued(issued) => Some(issued),
            _ => None,
        })
        .unwrap()
}
