//! [`Pca`]: loads, decides, signs and commits (architecture, the picture).
//!
//! `Pca` is cheap to clone and shared by all callers. It needs no runtime: its futures run on any executor, and
//! [`blocking`] runs them on the caller's thread. Every future is cancel-safe: dropped before the commit it leaves
//! nothing done, dropped after it the command is done, and a repeat with the same idempotency key answers.

mod authorizer;
pub mod blocking;
mod bulk;
mod call;
mod download;
mod error;
mod execute;
mod issue;
mod journal;
mod lane;
mod ocsp;
mod ocsp_cache;
mod preview;
mod process;
mod questions;
mod recorder;
mod renew;
mod revocation;
mod roll;
mod session;
mod snapshots;
mod time;
mod turn;

pub use authorizer::{Authorizer, OneAdministrator};
pub use call::Call;
pub use download::{Download, Downloaded};
pub use error::Error;
pub use journal::{RefusalJournal, RefusedAttempt};
pub use ocsp::{OcspAnswer, OcspFacts};
pub use preview::{Moved, Preview};
pub use process::{Ended, Finished, Swept, SweptKey};
pub use recorder::{DecisionRecord, Recorder};
pub use revocation::{SignedCrl, SignedCrls};
pub use snapshots::Snapshots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::enterprise::Enterprise;
use crate::domain::policy::Policy;
use crate::domain::{CaId, Event, State, stream};
use crate::log::{CommitId, Metadata, Position, Receipt, Revision, StreamId, Timestamp, World};
use crate::ports::{Clock, Entropy, EventStore, KeyStore};

use lane::Lane;
use snapshots::Shelf;
use turn::Lines;

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<A> {
    /// What the caller learns.
    pub answer: A,
    /// Proof that it is durable.
    pub receipt: Receipt,
    /// Whether it had been done before: under the same idempotency key, or by an earlier command whose outcome still stands,
    /// as a CRL does for a while (rule A3).
    pub repeated: bool,
}

/// The service over one log: one enterprise's certificate authorities.
#[derive(Clone)]
pub struct Pca {
    inner: Arc<Inner>,
}

/// What a [`Pca`] is made of.
pub struct Parts {
    /// Remembers events.
    pub store: Arc<dyn EventStore>,
    /// Keeps keys.
    pub keys: Arc<dyn KeyStore>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Lets commands pass or not (rule G1).
    pub authorizer: Arc<dyn Authorizer>,
    /// Keeps refusals (rule G3).
    pub journal: Arc<RefusalJournal>,
    /// Keeps decisions, for tests.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Keeps snapshots of long streams, so that a CA which has issued millions of certificates is ready at once.
    pub snapshots: Option<Snapshots>,
}

impl Parts {
    /// Parts with [`OneAdministrator`], a journal of the default size, and no snapshots.
    #[must_use]
    pub fn new(store: impl EventStore, keys: impl KeyStore, clock: impl Clock, entropy: impl Entropy) -> Self {
        Self {
            store: Arc::new(store),
            keys: Arc::new(keys),
            clock: Arc::new(clock),
            entropy: Arc::new(entropy),
            authorizer: Arc::new(OneAdministrator),
            journal: Arc::default(),
            recorder: None,
            snapshots: None,
        }
    }

    /// With a place for snapshots. They are bound to the log: a store that was filled beside another one does no harm.
    #[must_use]
    pub fn with_snapshots(mut self, snapshots: Snapshots) -> Self {
        self.snapshots = Some(snapshots);
        self
    }
}

pub(crate) struct Inner {
    store: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    authorizer: Arc<dyn Authorizer>,
    journal: Arc<RefusalJournal>,
    recorder: Option<Arc<dyn Recorder>>,
    /// Folds of streams that many commands look at, as of some earlier time.
    views: Mutex<World<State>>,
    lanes: Mutex<HashMap<CaId, Arc<Lane>>>,
    lines: Lines,
    /// Folds that are kept beside the log.
    shelf: Arc<Shelf>,
    /// OCSP answers that are handed out again.
    answers: ocsp_cache::Answers,
}

impl core::fmt::Debug for Pca {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pca")
    }
}

impl Pca {
    /// Puts the service together. Nothing is read yet; call [`resume`](Self::resume) to finish what a crash interrupted.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, keys, clock, entropy, authorizer, journal, recorder, snapshots } = parts;
        let (views, lanes, lines, answers) = Default::default();
        let shelf = Arc::new(Shelf::new(snapshots));
        let inner =
            Inner { store, keys, clock, entropy, authorizer, journal, recorder, views, lanes, lines, shelf, answers };
        Self { inner: Arc::new(inner) }
    }

    /// The event store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.inner.store
    }

    /// The key store.
    #[must_use]
    pub fn keys(&self) -> &Arc<dyn KeyStore> {
        &self.inner.keys
    }

    /// The journal of refusals.
    #[must_use]
    pub fn refusals(&self) -> &RefusalJournal {
        &self.inner.journal
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    fn record(&self, record: impl FnOnce() -> DecisionRecord) {
        if let Some(recorder) = &self.inner.recorder {
            recorder.decided(record());
        }
    }
}

impl Inner {
    /// Whether a stream's fold is worth keeping between commands: it is shared by many, and there are few of them.
    fn is_shared(stream: &StreamId) -> bool {
        matches!(stream.category(), "enterprise" | "policy" | "ca" | "quota" | "crl" | "ocsp")
    }

    fn known(&self, stream: &StreamId) -> Option<(Revision, Arc<State>)> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).share(stream)
    }

    /// Every fold that is kept for later commands.
    fn kept_folds(&self) -> Vec<(StreamId, Revision, Arc<State>)> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = views.revisions().into_iter();
        streams
            .filter_map(|(stream, _)| views.share(&stream).map(|(revision, fold)| (stream, revision, fold)))
            .collect()
    }

    /// Keeps a stream's fold for later commands, if it is newer than what is kept.
    fn learn(&self, world: &World<State>, stream: &StreamId) {
        if !Self::is_shared(stream) {
            return;
        }
        // Nothing is kept of what nobody wrote: names can be made up without end.
        if let Some((revision, fold)) = world.share(stream).filter(|(revision, _)| *revision > Revision::ZERO) {
            let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            if views.revision(stream).is_none_or(|known| known < revision) {
                views.insert(stream.clone(), revision, fold);
            }
        }
    }

    /// Keeps what a command has changed of the policy: the next one is drawn by it. Only after a commit whose guards
    /// said that these folds were the newest.
    fn learn_policy(&self, world: &mut World<State>, events: &[Event], metadata: &Metadata, time: Timestamp) {
        if events.iter().any(|event| matches!(event, Event::PolicyAdopted(_))) {
            world.speculate(events, metadata, time);
            self.learn(world, &stream::policy());
        }
    }

    /// The policy, as of the newest command that looked at it or changed it; read once, at the beginning.
    async fn current_policy(&self) -> Result<Policy, Error> {
        let stream = stream::policy();
        if self.known(&stream).is_none() {
            let mut world = World::default();
            let read = self.store.read(&[(stream.clone(), Revision::ZERO)], Position::MAX).await?;
            for slice in &read.streams {
                world.apply(slice)?;
            }
            self.learn(&world, &stream);
        }
        Ok(self.policy(&self.views.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn policy(&self, world: &World<State>) -> Policy {
        match world.get(&stream::policy()) {
            Some(State::Policy(in_force)) => in_force.policy().clone(),
            _ => Policy::default(),
        }
    }

    /// The enterprise, read anew until it is founded.
    async fn enterprise(&self) -> Result<Arc<Enterprise>, Error> {
        let stream = stream::enterprise();
        let mut world = World::default();
        match self.known(&stream) {
            Some((revision, fold)) if matches!(&*fold, State::Enterprise(known) if known.is_founded()) => {
                world.insert(stream.clone(), revision, fold);
            }
            _ => {
                let read = self.store.read(&[(stream.clone(), Revision::ZERO)], Position::MAX).await?;
                for slice in &read.streams {
                    world.apply(slice)?;
                }
            }
        }
        let enterprise = match world.get(&stream) {
            Some(State::Enterprise(enterprise)) => enterprise.clone(),
            _ => Enterprise::default(),
        };
        if enterprise.is_founded() {
            self.learn(&world, &stream);
        }
        Ok(Arc::new(enterprise))
    }

    fn seed(&self) -> Result<[u8; 32], Error> {
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed)?;
        Ok(seed)
    }

    fn random_commit(&self) -> Result<CommitId, Error> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id)?;
        Ok(CommitId::new(id))
    }
}
