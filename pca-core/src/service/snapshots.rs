//! Snapshots of folded state: a long stream is read from where it was folded up to, and not from its beginning.
//!
//! A snapshot is a cache and never an authority. It is believed if the log has the very event that it was folded up to,
//! in a commit of the very same digest; else it is forgotten, and the stream is read whole, which a warning tells. What
//! is kept is durable state only, and a snapshot that cannot be kept fails nobody.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::State;
use crate::domain::snapshot::{self, Anchor};
use crate::log::{Position, Revision, StoreError, StreamId, StreamSlice, StreamsRead, World};
use crate::ports::{EventStore, Snapshot, SnapshotKey, SnapshotStore};

use super::{Error, Inner, Pca};

/// After how many events of a stream it is kept anew, unless told otherwise: reading as many takes some tens of
/// milliseconds, and keeping a state less than one.
const EVERY: u64 = 4096;

/// How much of the log is looked through at once for the events of one stream: some 30 MB of commits at most.
const WINDOW: u64 = 16_384;

/// By how many events a stream must have moved for [`Pca::save_snapshots`] to keep it: fewer are read as fast.
const WORTH_SAVING: u64 = 256;

/// Where a [`Pca`] keeps snapshots, and how often.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn SnapshotStore>,
    every: u64,
}

impl Snapshots {
    /// Keeps snapshots in a store, whenever a stream has moved by 4,096 events since the last one.
    #[must_use]
    pub fn new(store: impl SnapshotStore) -> Self {
        Self { store: Arc::new(store), every: EVERY }
    }

    /// After how many events of a stream its state is kept anew, at least 1.
    #[must_use]
    pub fn every(mut self, events: u64) -> Self {
        self.every = events.max(1);
        self
    }
}

impl core::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Snapshots").field("every", &self.every).finish_non_exhaustive()
    }
}

/// The snapshots of one service: which were kept, and which are to be.
#[derive(Default)]
pub(super) struct Shelf {
    snapshots: Option<Snapshots>,
    streams: Mutex<HashMap<StreamId, Kept>>,
    /// Whether something is due, to be asked without the lock.
    is_due: AtomicBool,
}

/// What is known of a stream's snapshots.
#[derive(Default)]
struct Kept {
    /// The revision of the newest, or of the newest that was tried to be kept.
    revision: Revision,
    /// What is to be kept next.
    due: Option<Due>,
    /// Whether snapshots of older folds were looked for.
    swept: bool,
}

/// A durable state that is to be kept.
struct Due {
    revision: Revision,
    state: Arc<State>,
    /// A position as of which the stream has this revision, or a later one.
    at: Position,
}

/// A snapshot that was found, before the log was asked whether it fits.
struct Candidate {
    key: SnapshotKey,
    revision: Revision,
    anchor: Anchor,
    state: State,
}

impl Shelf {
    pub(super) fn new(snapshots: Option<Snapshots>) -> Self {
        Self { snapshots, ..Self::default() }
    }

    /// Takes note of a durable state, as of a position at which the stream has this revision; it is kept later, if it
    /// has moved far enough.
    pub(super) fn offer(&self, stream: &StreamId, revision: Revision, state: &Arc<State>, at: Position) {
        let Some(Snapshots { every, .. }) = self.snapshots else { return };
        self.offer_after(every, stream, revision, state, at);
    }

    fn offer_after(&self, events: u64, stream: &StreamId, revision: Revision, state: &Arc<State>, at: Position) {
        if self.snapshots.is_none() || snapshot::fold_version(stream).is_none() {
            return;
        }
        let events = events.max(snapshot::worth_after(state));
        let mut streams = self.streams();
        let kept = match streams.get_mut(stream) {
            Some(kept) => kept,
            None if revision.get() < events => return,
            None => streams.entry(stream.clone()).or_default(),
        };
        if revision.get() >= kept.revision.get().saturating_add(events) {
            // One that fails is tried again when the stream has moved as far again.
            kept.revision = revision;
            kept.due = Some(Due { revision, state: Arc::clone(state), at });
            self.is_due.store(true, Ordering::Release);
        }
    }

    /// The snapshot of a stream, if there is one that can be read.
    async fn recall(&self, stream: &StreamId) -> Option<Candidate> {
        let (snapshots, fold_version) = (self.snapshots.as_ref()?, snapshot::fold_version(stream)?);
        let key = SnapshotKey { stream: stream.clone(), fold_version };
        let found = match snapshots.store.load(&key).await {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot cannot be looked for: the stream is read whole");
                return None;
            }
        };
        let revision = found.revision;
        match snapshot::decode(stream, revision, &found.state) {
            Ok((anchor, state)) => Some(Candidate { key, revision, anchor, state }),
            Err(fault) => {
                tracing::warn!(%stream, %revision, %fault, "a snapshot is of no use: the stream is read whole");
                self.forget(&key).await;
                None
            }
        }
    }

    async fn forget(&self, key: &SnapshotKey) {
        let Some(snapshots) = &self.snapshots else { return };
        if let Err(error) = snapshots.store.forget(key).await {
            tracing::warn!(stream = %key.stream, %error, "a snapshot cannot be forgotten");
        }
    }

    /// Keeps what is due. Whoever lands the certificate that makes it due does that, after its own answer is certain.
    pub(super) async fn save_due(&self, store: &dyn EventStore) {
        // Asked for every certificate, and almost always in vain.
        if !self.is_due.load(Ordering::Relaxed) || !self.is_due.swap(false, Ordering::Acquire) {
            return;
        }
        let due: Vec<(StreamId, Due)> = {
            let mut streams = self.streams();
            streams.iter_mut().filter_map(|(stream, kept)| Some((stream.clone(), kept.due.take()?))).collect()
        };
        for (stream, due) in due {
            self.save(store, &stream, &due).await;
        }
    }

    async fn save(&self, store: &dyn EventStore, stream: &StreamId, due: &Due) {
        let (Some(snapshots), Some(fold_version)) = (&self.snapshots, snapshot::fold_version(stream)) else { return };
        let revision = due.revision;
        let kept = match anchor(store, stream, revision, due.at).await {
            Ok(Some(anchor)) => snapshot::encode(stream, revision, anchor, &due.state),
            Ok(None) => return tracing::warn!(%stream, %revision, "a state that the log does not have is not kept"),
            Err(error) => return tracing::warn!(%stream, %revision, %error, "a snapshot is not kept"),
        };
        let state = match kept {
            Ok(state) => state,
            Err(fault) => return tracing::warn!(%stream, %revision, %fault, "a snapshot is not kept"),
        };
        let key = SnapshotKey { stream: stream.clone(), fold_version };
        match snapshots.store.save(&key, Snapshot { revision, state }).await {
            Ok(()) => tracing::debug!(%stream, %revision, "a snapshot is kept"),
            Err(error) => return tracing::warn!(%stream, %revision, %error, "a snapshot is not kept"),
        }
        let swept = core::mem::replace(&mut self.streams().entry(stream.clone()).or_default().swept, true);
        if !swept {
            self.forget_older(&key).await;
        }
    }

    /// Forgets what older versions of the fold have left: nobody reads it any more.
    async fn forget_older(&self, newest: &SnapshotKey) {
        for fold_version in 1..newest.fold_version {
            self.forget(&SnapshotKey { stream: newest.stream.clone(), fold_version }).await;
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<StreamId, Kept>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event that a state was folded up to, from the log as of a position: what is not durable has none.
async fn anchor(
    store: &dyn EventStore,
    stream: &StreamId,
    revision: Revision,
    at: Position,
) -> Result<Option<Anchor>, StoreError> {
    let before = Revision::new(revision.get().saturating_sub(1));
    let read = store.read(&[(stream.clone(), before)], at).await?;
    let first = read.streams.first().and_then(|slice| slice.events.first());
    Ok(first.filter(|first| first.revision == revision).map(Anchor::of))
}

impl Inner {
    /// Puts what is known of some streams into a world, from earlier commands or from snapshots, and reads what came
    /// after that, all as of one position. What was read is still to be applied.
    pub(super) async fn read_on(&self, world: &mut World<State>, streams: &[StreamId]) -> Result<StreamsRead, Error> {
        let mut wanted = Vec::with_capacity(streams.len());
        for stream in streams {
            let after = match self.known(stream) {
                Some((revision, fold)) => {
                    world.insert(stream.clone(), revision, fold);
                    revision
                }
                None if snapshot::fold_version(stream).is_some() => self.begin_long(world, stream).await?,
                None => Revision::ZERO,
            };
            wanted.push((stream.clone(), after));
        }
        Ok(self.store.read(&wanted, Position::MAX).await?)
    }

    /// Folds a stream that may be long almost up to its end, from a snapshot on if one fits, and a window at a time: all
    /// events of a CA that has issued millions of certificates would not fit into memory. Gives the revision.
    async fn begin_long(&self, world: &mut World<State>, stream: &StreamId) -> Result<Revision, Error> {
        let (mut at, mut revision) = (Position::ZERO, Revision::ZERO);
        if let Some(candidate) = self.recall(stream).await? {
            (at, revision) = (candidate.anchor.position, candidate.revision);
            world.insert(stream.clone(), revision, candidate.state);
        }
        let head = self.store.head().await?.position;
        // Revocations are few among certificates: in a wider window there are not more events.
        let window = if stream.category() == "crl" { 16 * WINDOW } else { WINDOW };
        while at.plus(window) < head {
            at = at.plus(window);
            let read = self.store.read(&[(stream.clone(), revision)], at).await?;
            for slice in &read.streams {
                world.apply(slice)?;
                revision = slice.revision;
            }
        }
        Ok(revision)
    }

    /// The snapshot of a stream, if the log has the event that it was made up to; another one is forgotten.
    async fn recall(&self, stream: &StreamId) -> Result<Option<Candidate>, Error> {
        let Some(candidate) = self.shelf.recall(stream).await else { return Ok(None) };
        let (revision, position) = (candidate.revision, candidate.anchor.position);
        if anchor(&*self.store, stream, revision, position).await? == Some(candidate.anchor) {
            self.shelf.streams().entry(stream.clone()).or_default().revision = revision;
            return Ok(Some(candidate));
        }
        tracing::warn!(
            %stream, %revision, %position,
            "a snapshot was made of another log, or of more of this one than is left: the stream is read whole"
        );
        self.shelf.forget(&candidate.key).await;
        Ok(None)
    }

    /// Keeps a stream's fold for later commands, and offers it to be kept beside the log.
    pub(super) fn learn_read(&self, world: &World<State>, slice: &StreamSlice, at: Position) {
        self.learn(world, &slice.stream);
        if let Some((revision, fold)) = world.share(&slice.stream)
            && revision == slice.revision
        {
            self.shelf.offer(&slice.stream, revision, &fold, at);
        }
    }

    /// Keeps the snapshots that are due.
    pub(super) async fn save_due(&self) {
        self.shelf.save_due(&*self.store).await;
    }
}

impl Pca {
    /// Keeps snapshots of what this service has folded since the last ones, where that is worth it: for a program that
    /// is about to end. Without it, too, they are kept now and then, so that what is lost of it is time only.
    ///
    /// Trouble is a warning in the trace: nothing depends on a snapshot.
    pub async fn save_snapshots(&self) {
        let mut folds = self.inner.kept_folds();
        for lane in self.lanes() {
            lane.durable(|stream, revision, fold| folds.push((stream.clone(), revision, fold)));
        }
        for (stream, revision, fold) in folds {
            self.inner.shelf.offer_after(WORTH_SAVING, &stream, revision, &fold, Position::MAX);
        }
        self.inner.save_due().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use async_trait::async_trait;

    use super::*;

    /// Keeps nothing, and notes what it is to forget.
    #[derive(Clone, Default)]
    struct Noting(Arc<Mutex<Vec<u32>>>);

    #[async_trait]
    impl SnapshotStore for Noting {
        async fn load(&self, _: &SnapshotKey) -> Result<Option<Snapshot>, StoreError> {
            Ok(None)
        }

        async fn save(&self, _: &SnapshotKey, _: Snapshot) -> Result<(), StoreError> {
            Ok(())
        }

        async fn forget(&self, key: &SnapshotKey) -> Result<(), StoreError> {
            self.0.lock().unwrap().push(key.fold_version);
            Ok(())
        }
    }

    #[test]
    fn what_older_folds_have_left_is_forgotten() {
        let noting = Noting::default();
        let shelf = Shelf::new(Some(Snapshots::new(noting.clone())));
        let stream = StreamId::parse("quota/a").unwrap();
        pollster::block_on(shelf.forget_older(&SnapshotKey { stream: stream.clone(), fold_version: 1 }));
        assert!(noting.0.lock().unwrap().is_empty());
        pollster::block_on(shelf.forget_older(&SnapshotKey { stream, fold_version: 4 }));
        assert_eq!(*noting.0.lock().unwrap(), [1, 2, 3]);
    }
}
