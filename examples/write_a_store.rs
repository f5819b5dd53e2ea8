//! A store of one's own: the port, the plainest way to fill it, and the suite that says whether it will do.
//!
//! `cargo run --example write_a_store`, or one test for each rule: `cargo test --example write_a_store`
//!
//! It keeps a list in memory and searches it from end to end. What a real one adds is where the commits are kept and how
//! they are found; what it must promise is all here, on [`EventStore`].

#![allow(clippy::print_stdout, reason = "a program")]

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamEvent, StreamId,
    StreamSlice, StreamsRead,
};
use pca_core::ports::{EventStore, Lease, Limits};
use pca_store_testkit::event_store::{RULES, conformance};
use tokio::sync::watch;

/// Commits in order; whoever waits for more watches the head; one queue for each stream that is leased.
struct ListStore {
    commits: Mutex<Vec<Arc<Recorded>>>,
    head: watch::Sender<Head>,
    turns: Mutex<HashMap<StreamId, Arc<tokio::sync::Mutex<()>>>>,
}

impl ListStore {
    fn new() -> Self {
        Self { commits: Mutex::default(), head: watch::Sender::new(Head::GENESIS), turns: Mutex::default() }
    }

    /// Appends one commit, or tells why not and changes nothing.
    fn append(&self, commits: &mut Vec<Arc<Recorded>>, commit: Commit) -> Result<Receipt, StoreError> {
        if let Some(receipt) = receipt(commits, commit.id(), commit.request())? {
            return Err(StoreError::Repeated(receipt));
        }
        let (octets, limit) = (commit.body().len(), self.limits().largest_commit);
        if octets > limit {
            return Err(StoreError::TooLarge { octets, limit });
        }
        commit.check_guards(|stream| slice(commits, stream, Revision::ZERO).revision)?;
        let head = *self.head.borrow();
        let recorded = Recorded::new(head.seal(&commit), commit);
        commits.push(Arc::new(recorded.clone()));
        self.head.send_replace(recorded.seal().head());
        Ok(recorded.receipt())
    }
}

#[async_trait]
impl EventStore for ListStore {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        let mut commits = lock(&self.commits);
        let mut going = true;
        let mut answers = Vec::with_capacity(train.len());
        for commit in train {
            let answer = if going { self.append(&mut commits, commit) } else { Err(StoreError::NotTried) };
            going = answer.is_ok();
            answers.push(answer);
        }
        answers
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        let commits = lock(&self.commits);
        let seen: Vec<_> = commits.iter().take_while(|recorded| recorded.seal().first <= as_of).cloned().collect();
        let at = seen.last().map_or(Position::ZERO, |newest| newest.seal().last());
        Ok(StreamsRead { at, streams: streams.iter().map(|(stream, after)| slice(&seen, stream, *after)).collect() })
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        let mut found = Vec::new();
        let mut events = 0;
        for recorded in lock(&self.commits).iter().filter(|recorded| recorded.seal().last() > after) {
            if !found.is_empty() && events >= limit {
                break;
            }
            events += recorded.commit().events().len();
            found.push(Arc::clone(recorded));
        }
        Ok(found)
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        let mut watched = self.head.subscribe();
        let head = watched.wait_for(|head| head.position > beyond).await;
        head.map(|head| *head).map_err(|_| StoreError::Closed { reason: "the store is gone".into() })
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        receipt(&lock(&self.commits), id, request)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(*self.head.borrow())
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        let turn = Arc::clone(lock(&self.turns).entry(stream.clone()).or_default());
        Ok(Lease::new(turn.lock_owned().await))
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// What is known of a commit id.
fn receipt(commits: &[Arc<Recorded>], id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
    match commits.iter().find(|recorded| recorded.commit().id() == id).map(|recorded| recorded.receipt()) {
        Some(receipt) if receipt.request != request => Err(StoreError::IdReused { id, position: receipt.last }),
        found => Ok(found),
    }
}

/// The events of a stream after a revision. An event stands in every stream that it concerns, once in each.
fn slice(commits: &[Arc<Recorded>], stream: &StreamId, after: Revision) -> StreamSlice {
    let mut slice = StreamSlice { stream: stream.clone(), revision: Revision::ZERO, events: Vec::new() };
    for recorded in commits {
        for moved in recorded.commit().moves().filter(|moved| moved.stream == stream) {
            slice.revision = slice.revision.plus(1);
            if slice.revision > after {
                let (recorded, index, revision) = (Arc::clone(recorded), moved.event, slice.revision);
                slice.events.push(StreamEvent { recorded, index, revision });
            }
        }
    }
    slice
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> ExitCode {
    let broken = conformance(&ListStore::new);
    for rule in RULES {
        let violation = broken.iter().find(|(found, _)| found.name == rule.name);
        println!("{} {}", if violation.is_some() { "BROKEN" } else { "kept  " }, rule.says);
        if let Some((_, violation)) = violation {
            println!("       {violation}");
        }
    }
    println!("\n{} of {} rules kept", RULES.len() - broken.len(), RULES.len());
    ExitCode::from(u8::from(!broken.is_empty()))
}

#[cfg(test)]
mod tests {
    pca_store_testkit::event_store_conformance!(super::ListStore::new);
}
