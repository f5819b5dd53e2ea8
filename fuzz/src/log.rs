//! The log: segments with their frames, the small files beside them, bodies of commits, events.

use std::sync::Arc;

use pca_core::domain::event::Event;
use pca_core::log::{Commit, Digest, EncodedEvent, EventData as _, Head, Recorded};
use pca_store_file::fuzzing;

/// A whole segment, as it is and with checksums that fit: most mutants would not come past them.
pub(crate) fn segment(data: &[u8]) {
    check_segment(data);
    let mut mended = data.to_vec();
    fuzzing::mend(&mut mended);
    check_segment(&mended);
}

fn check_segment(data: &[u8]) {
    if let Some(written) = fuzzing::walk(data) {
        assert!(data.starts_with(&written), "what was read of a segment is written otherwise");
    }
}

/// The format file, the header of a segment, the file of a closed log, the mark.
pub(crate) fn small_files(data: &[u8]) {
    let check = |data: &[u8]| {
        if let Some(written) = fuzzing::mark_file(data) {
            assert_eq!(
                fuzzing::mark_file(&written),
                Some(written.clone()),
                "a mark is read otherwise than it was written"
            );
        }
        for written in fuzzing::small_files(data) {
            assert_eq!(written, data, "a small file is written otherwise");
        }
    };
    check(data);
    let mut mended = data.to_vec();
    fuzzing::mend_small(&mut mended);
    check(&mended);
}

/// An index file.
pub(crate) fn index(data: &[u8]) {
    let check = |data: &[u8]| {
        if let Some(written) = fuzzing::index(data) {
            assert!(written == data, "an index file is written otherwise");
        }
    };
    check(data);
    let mut mended = data.to_vec();
    fuzzing::mend_index(&mut mended);
    check(&mended);
}

/// The body of a commit.
pub(crate) fn commit_body(data: &[u8]) {
    let body: Arc<[u8]> = data.into();
    let Ok(commit) = Commit::decode(Arc::clone(&body)) else { return };
    let events: Vec<EncodedEvent> = commit
        .events()
        .map(|event| EncodedEvent {
            kind: event.kind().to_owned().into(),
            schema: event.schema(),
            streams: event.streams().cloned().collect(),
            payload: event.payload().to_vec(),
        })
        .collect();
    let guards = commit.guards().iter().map(|guard| (guard.stream.clone(), guard.revision));
    let again = Commit::new(commit.id(), commit.request(), commit.metadata().clone(), guards, &events);
    assert_eq!(again.expect("what was read can be written").body(), &body, "a body is written otherwise");
    let seal = Head::GENESIS.seal(&commit);
    let restore = |digest| Recorded::restore(Arc::clone(&body), seal.previous, seal.first, seal.time, digest);
    assert_eq!(restore(seal.digest).expect("it was sealed like this").receipt().commit, commit.id());
    assert!(restore(Digest::ZERO).is_err());
    assert!(commit.moves().count() >= events.len());
}

/// An event: an octet that chooses the kind, one for the number of the schema, the payload.
pub(crate) fn event(data: &[u8]) {
    let [kind, schema, payload @ ..] = data else { return };
    let (kind, _) = Event::KINDS[usize::from(*kind) % Event::KINDS.len()];
    let Ok(event) = Event::from_parts(kind, u16::from(*schema), payload) else { return };
    let encoded = event.encode().expect("what was read can be written");
    let again = Event::from_parts(&encoded.kind, encoded.schema, &encoded.payload).expect("and be read again");
    assert_eq!(again, event, "an event is read otherwise than it was written");
    assert_eq!(again.encode().expect("written again").payload, encoded.payload);
    event.to_json().expect("every event can be shown");
}
