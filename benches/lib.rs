//! What the benches share: a platform that is ready to issue, and a clock that tells the time.
#![allow(clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pca_core::domain::testing::Story;
use pca_core::domain::{CaId, Event};
use pca_core::keys::KeyId;
use pca_core::log::{Commit, CommitId, EventData as _, Metadata, RequestDigest, Revision, StreamId, Timestamp};
use pca_core::ports::{Clock, Entropy, EntropyError, EventStore, KeyStore};

/// The operating system's clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Timestamp::from_micros(i64::try_from(since.as_micros()).expect("it is before the year 294,000"))
    }
}

/// The back end's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(buffer).map_err(|failure| EntropyError { detail: failure.to_string() })
    }
}

/// Writes a story into stores; gives the intermediate that issues.
pub fn tell(story: &Story, store: &impl EventStore, keys: &impl KeyStore) -> CaId {
    let mut revisions: HashMap<StreamId, Revision> = HashMap::new();
    for (number, (event, time)) in story.events().iter().enumerate() {
        if let Event::CaEnabled(enabled) = event {
            let key: &KeyId = &enabled.key;
            pollster::block_on(keys.import(key, story.key(key).clone())).expect("the key is new");
        }
        let streams = event.streams();
        let guards = streams.iter().map(|s| (s.clone(), revisions.get(s).copied().unwrap_or_default()));
        let metadata = Metadata {
            command: "Story".into(),
            actor: "bench".into(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: *time,
            wall_clock: None,
        };
        let id = CommitId::from_idempotency_key(&number.to_string());
        let encoded = [event.encode().expect("events have an encoding")];
        let commit = Commit::new(id, RequestDigest::new([0; 32]), metadata, guards, &encoded).expect("it is guarded");
        pollster::block_on(store.commit(vec![commit])).pop().expect("one answer").expect("it fits");
        for stream in streams {
            let revision = revisions.entry(stream).or_default();
            *revision = revision.plus(1);
        }
    }
    story.intermediate()
}
