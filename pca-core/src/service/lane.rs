//! The hot path: many callers issuing from one CA (architecture, *lanes and trains*).
//!
//! Requests are decided in order of arrival on the *speculative* state: the durable one plus what the lane has decided
//! but not been answered. What they need signed is signed in batches, in parallel, while the next are decided; what is
//! signed is committed in that order, in trains, one of them in flight. If a member of a train is not committed, the
//! speculative state is dropped, the durable one read, and what was behind it decided again; whoever needs the same bytes
//! signed keeps the signature.
//!
//! A lane has no thread and no task: whoever waits for an answer drives it, one at a time. The train in flight belongs to
//! the lane, so that a caller who leaves cancels nothing, and the next waiter goes on.

use core::future::Future;
use core::pin::pin;
use core::task::Waker;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_lock::Mutex as AsyncMutex;
use futures_channel::oneshot;
use futures_util::future::{self, Either};

use crate::domain::certificate::IssueCertificate;
use crate::domain::event::Event;
use crate::domain::{Context, Evidence, Need, Refusal, State, ToSign};
use crate::keys::Signature;
use crate::log::{Commit, EventData, Metadata, Position, Receipt, Revision, StoreError, StreamId, World};

use super::driver::Driver;
use super::execute::Identity;
use super::{Error, Inner, time};

/// A request on its way through the lane.
pub(super) struct Entry {
    pub(super) request: IssueCertificate,
    pub(super) identity: Identity,
    pub(super) context: Context,
    pub(super) metadata: Metadata,
    pub(super) evidence: Evidence,
    /// Streams of this request alone, such as that of its key.
    pub(super) beside: World<State>,
    /// What was signed for it; kept as long as the same bytes are needed.
    pub(super) signed: Vec<(ToSign, Signature)>,
    /// Whether all that it needs has been fetched, as far as known.
    pub(super) prepared: bool,
}

/// What the lane answers.
pub(super) enum Reply {
    /// Durable.
    Landed { entry: Box<Entry>, events: Vec<Event>, receipt: Receipt },
    /// It was done before.
    Repeated(Receipt),
    /// Something is needed first.
    Again { entry: Box<Entry>, why: Again },
    /// The rules say no, on durable state.
    Refused(Refusal),
    /// Trouble.
    Failed(Error),
}

/// Why a request goes back to its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Something must be fetched.
    Fetch(Need),
    /// The serial number is taken: draw another.
    Redraw,
    /// What was read of its own streams has moved: read it anew.
    Reload,
    /// The decision has become too old (rule L9).
    Stale,
}

pub(super) type Waiting = (Box<Entry>, oneshot::Sender<Reply>);
pub(super) struct Lane {
    /// The streams that all requests share, as of the newest train.
    view: RwLock<Arc<World<State>>>,
    arrivals: Mutex<Arrivals>,
    driver: AsyncMutex<Driver>,
}

#[derive(Default)]
pub(super) struct Arrivals {
    pub(super) waiting: VecDeque<Waiting>,
    /// The driver, while it sleeps.
    pub(super) driver: Option<Waker>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { view: RwLock::default(), arrivals: Mutex::default(), driver: AsyncMutex::default() }
    }

    /// The newest view of the shared streams.
    pub(super) fn view(&self) -> Arc<World<State>> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a stream is one of those that all requests of a lane share.
    pub(super) fn shares(stream: &StreamId) -> bool {
        matches!(stream.category(), "enterprise" | "policy" | "ca" | "quota")
    }

    /// Loads a shared stream, unless it is here.
    pub(super) async fn load(&self, inner: &Inner, stream: &StreamId) -> Result<(), Error> {
        let mut driver = self.driver.lock().await;
        if driver.durable.revision(stream).is_none() {
            let known = inner.known(stream);
            let revision = known.as_ref().map_or_else(Default::default, |(revision, _)| *revision);
            let read = inner.store.read(&[(stream.clone(), revision)], Position::MAX).await?;
            let mut loaded = World::default();
            if let Some((revision, fold)) = known {
                loaded.insert(stream.clone(), revision, fold);
            }
            for slice in &read.streams {
                loaded.apply(slice)?;
            }
            inner.learn(&loaded, stream);
            if let Some((revision, fold)) = loaded.share(stream) {
                driver.durable.insert(stream.clone(), revision, Arc::clone(&fold));
                driver.speculative.insert(stream.clone(), revision, fold);
            }
        }
        self.publish(&driver);
        Ok(())
    }

    /// Hands a request to the lane.
    pub(super) fn submit(&self, entry: Box<Entry>) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        let driver = {
            let mut arrivals = self.arrivals();
            arrivals.waiting.push_back((entry, sender));
            arrivals.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        receiver
    }

    /// Waits for something that the lane will bring about, driving the lane while nobody else does.
    pub(super) async fn wait<F: Future>(&self, inner: &Inner, wanted: F) -> F::Output {
        let _leaving = Leaving { lane: self };
        let mut wanted = pin!(wanted);
        match future::select(wanted.as_mut(), pin!(self.driver.lock())).await {
            Either::Left((done, _)) => done,
            Either::Right((mut driver, _)) => driver.drive(self, inner, wanted).await,
        }
    }

    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, driver: &Driver) {
        let mut view = World::default();
        for (stream, _) in driver.durable.revisions() {
            if let Some((revision, fold)) = driver.speculative.share(&stream) {
                view.insert(stream, revision, fold);
            }
        }
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }
}

/// Whoever stops waiting looks whether a turn is held for a train that nobody waits for, and gives it back: other
/// processes' lanes would wait for it in vain.
struct Leaving<'a> {
    lane: &'a Lane,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(mut driver) = self.lane.driver.try_lock()
            && let Some(flight) = &mut driver.flight
            && flight.members.iter().all(|((_, reply), _)| reply.is_canceled())
        {
            flight.turn = None;
        }
    }
}

impl Entry {
    /// The signature that was made for these bytes by this key, if there is one.
    pub(super) fn signature(&self, to_sign: &ToSign) -> Option<Signature> {
        let same = |then: &ToSign| then.key == to_sign.key && then.tbs == to_sign.tbs;
        self.signed.iter().find(|(then, _)| same(then)).map(|(_, signature)| signature.clone())
    }

    pub(super) fn commit(
        &self,
        events: &[Event],
        guards: BTreeMap<StreamId, Revision>,
        limit: usize,
    ) -> Result<Commit, Error> {
        let encoded = events.iter().map(EventData::encode).collect::<Result<Vec<_>, _>>()?;
        let Identity { commit, request } = self.identity;
        let commit = Commit::new(commit, request, self.metadata.clone(), guards, &encoded)?;
        let octets = commit.body().len();
        if octets > limit { Err(StoreError::TooLarge { octets, limit }.into()) } else { Ok(commit) }
    }
}

impl Inner {
    /// Whether a decision has become too old for the log (rule L9).
    pub(super) async fn is_stale(&self, context: &Context, world: &World<State>) -> Result<bool, Error> {
        let head = self.store.head().await?;
        Ok(time::is_stale(context.time, &head, &self.policy(world)))
    }
}
