//! The hot path: many callers issuing from one CA (architecture, *lanes and trains*).
//!
//! A caller fetches what a request needs of its own, such as a key, and hands it to the CA's lane. In the lane the requests
//! are decided, in order of arrival, on the *speculative* state: the durable one plus what the lane has decided but not
//! been answered. What was decided is signed in batches, by the key store's threads, while the lane decides the next. What
//! is signed is sent in trains, in the order of decisions; one train is in flight. Where a decision is taken again, because
//! something moved, what needs the same signature keeps it.
//!
//! A lane has no thread and no task: whoever waits at it and is looked at by their executor drives it, a step at a time,
//! and nobody holds it between steps. So neither a caller who leaves nor one who is not looked at keeps the others
//! waiting. The train in flight belongs to the lane.

mod bell;
mod driver;
mod signing;
mod view;

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

use crate::domain::certificate::{IssueCertificate, RenewCertificate, decide_renewal};
use crate::domain::event::Event;
use crate::domain::{Command as _, Context, Desk, Evidence, Halt, Need, Plan, Refusal, State, stream};
use crate::keys::KeyError;
use crate::log::{Metadata, Receipt, Revision, StreamId, Timestamp, World};
use crate::ports::{EventStore, KeyStore};
use crate::x509::CertificateId;

use super::execute::Identity;
use super::snapshots::Shelf;
use super::{Error, Inner};

use bell::Bell;
use driver::Driver;
use signing::Promised;
use view::View;

/// A request on its way through the lane.
pub(super) struct Entry {
    pub(super) request: IssueCertificate,
    /// The certificate that it renews (rule A4).
    pub(super) renews: Option<CertificateId>,
    pub(super) identity: Identity,
    pub(super) context: Context,
    pub(super) metadata: Arc<Metadata>,
    pub(super) evidence: Evidence,
    /// The stream of the key that the holder brings along, if they do.
    pub(super) own: Option<StreamId>,
    /// Streams that the lane does not share, such as that of its key; perhaps with others of the same window.
    pub(super) beside: Arc<World<State>>,
    /// What was signed for it, or is being signed; kept as long as the same octets are needed.
    signed: Vec<Promised>,
    /// Whether all that it needs has been fetched, as far as known.
    pub(super) prepared: bool,
    /// Whether the lane is to read the durable state before it decides: there may be a refusal to tell, or, where the key
    /// that was to sign does not, another key.
    pub(super) outdated: bool,
}

impl Entry {
    /// A request that was drawn for and that nothing has been fetched for yet.
    pub(super) fn new(
        request: IssueCertificate,
        identity: Identity,
        time: Timestamp,
        metadata: Arc<Metadata>,
    ) -> Box<Self> {
        Box::new(Self {
            own: request.key.holders().map(|key| stream::spki(&key.digest())),
            renews: None,
            context: Context { time, commit: identity.commit, seed: identity.seed },
            request,
            identity,
            metadata,
            evidence: Evidence::default(),
            beside: Arc::default(),
            signed: Vec::new(),
            prepared: false,
            outdated: false,
        })
    }

    /// The streams of single things that the decision looks at: that of the holder's key, and that of the certificate which
    /// is renewed.
    pub(super) fn own_streams(&self) -> impl Iterator<Item = StreamId> + '_ {
        self.own.iter().cloned().chain(self.renews.as_ref().map(stream::certificate))
    }

    /// The command that it carries out.
    pub(super) const fn command(&self) -> &'static str {
        match self.renews {
            None => IssueCertificate::NAME,
            Some(_) => RenewCertificate::NAME,
        }
    }

    /// Decides it.
    pub(super) fn decide(&self, desk: &Desk<'_>) -> Result<Plan, Halt> {
        match self.renews {
            None => self.request.decide(desk, &self.context),
            Some(of) => decide_renewal(of, &self.request, desk, &self.context),
        }
    }
}

/// What the lane answers.
pub(super) enum Reply {
    /// Durable.
    Landed { entry: Box<Entry>, events: Vec<Event>, receipt: Receipt },
    /// It was done before.
    Repeated(Receipt),
    /// Something is needed first, or what was signed fits no more: prepare it again.
    Again { entry: Box<Entry>, why: Again },
    /// The rules say no, on durable state.
    Refused(Refusal),
    /// Trouble.
    Failed(Error),
}

/// Why a request goes back to its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The key store did not sign it: the key may have come to its end behind the lane's back.
    Sign(KeyError),
    /// Something must be fetched.
    Fetch(Need),
    /// The serial number is taken: draw another.
    Redraw,
    /// What was read of its own streams has moved: read it anew.
    Reload,
    /// A stream that it claimed is taken, such as that of its key: read it.
    Taken(StreamId),
    /// The decision is too old beside what is in flight, which is of this time (rule L9).
    Stale(Timestamp),
}

type Waiting = (Box<Entry>, oneshot::Sender<Reply>);

pub(super) struct Lane {
    store: Arc<dyn EventStore>,
    keys: Arc<dyn KeyStore>,
    shelf: Arc<Shelf>,
    view: View,
    arrivals: Mutex<VecDeque<Waiting>>,
    driver: Mutex<Driver>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// A place among those who wait at a lane. Whoever has one gets an answer to what they hand in.
pub(super) struct Seat<'a> {
    lane: &'a Lane,
    number: u64,
}

impl Lane {
    pub(super) fn new(store: Arc<dyn EventStore>, keys: Arc<dyn KeyStore>, shelf: Arc<Shelf>) -> Self {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let (view, arrivals, driver) = Default::default();
        Self { store, keys, shelf, view, arrivals, driver, bell, waker }
    }

    /// The newest view of the shared streams.
    pub(super) fn view(&self) -> Arc<World<State>> {
        self.view.get(&self.driver)
    }

    /// Whether anything was loaded; it stays then.
    pub(super) fn is_loaded(&self) -> bool {
        !self.view.is_empty()
    }

    /// Whether a stream is one of those that all requests of a lane share.
    pub(super) fn shares(stream: &StreamId) -> bool {
        matches!(stream.category(), "enterprise" | "policy" | "ca" | "quota")
    }

    /// Loads a shared stream, unless it is here.
    pub(super) async fn load(&self, inner: &Inner, stream: &StreamId) -> Result<(), Error> {
        if !self.driver().has(stream) {
            let mut loaded = World::default();
            let read = inner.read_on(&mut loaded, core::slice::from_ref(stream)).await?;
            for slice in &read.streams {
                loaded.apply(slice)?;
                inner.learn_read(&loaded, slice, read.at);
            }
            self.driver().bring(&loaded, stream);
            inner.save_due().await;
        }
        self.view.publish(&self.driver());
        Ok(())
    }

    /// Gives every shared stream as it is known to be durable.
    pub(super) fn durable(&self, take: impl FnMut(&StreamId, Revision, Arc<State>)) {
        self.driver().durable(take);
    }

    /// Takes a place among those who wait.
    pub(super) fn sit(&self) -> Seat<'_> {
        Seat { lane: self, number: self.bell.sit() }
    }

    fn driver(&self) -> MutexGuard<'_, Driver> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrivals(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat<'_> {
    /// Hands a request to the lane.
    pub(super) fn submit(&self, entry: Box<Entry>) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        self.lane.arrivals().push_back((entry, sender));
        self.lane.bell.mark();
        receiver
    }

    /// Hands several numbered requests to the lane, and gives each one's answer in order.
    pub(super) async fn land<N>(&self, entries: Vec<(N, Box<Entry>)>) -> Vec<(N, Result<Reply, oneshot::Canceled>)> {
        let (waiting, receivers): (Vec<Waiting>, Vec<_>) = entries
            .into_iter()
            .map(|(number, entry)| {
                let (sender, receiver) = oneshot::channel();
                ((entry, sender), (number, receiver))
            })
            .unzip();
        self.lane.arrivals().extend(waiting);
        self.lane.bell.mark();
        // They are answered in order: whoever waits for the last one need not be woken for each.
        self.wait(async {
            let mut replies = Vec::with_capacity(receivers.len());
            for (number, receiver) in receivers {
                replies.push((number, receiver.await));
            }
            replies
        })
        .await
    }

    /// Waits for something that the lane will bring about, and drives it whenever there is something to be done.
    pub(super) async fn wait<F: Future>(&self, wanted: F) -> F::Output {
        let lane = self.lane;
        let mut wanted = pin!(wanted);
        poll_fn(|task| {
            if let Poll::Ready(done) = wanted.as_mut().poll(task) {
                return Poll::Ready(done);
            }
            lane.bell.sleep(self.number, task.waker());
            lane.bell.answer(|| lane.driver().step(lane, &mut TaskContext::from_waker(&lane.waker)));
            wanted.as_mut().poll(task)
        })
        .await
    }
}

impl Drop for Seat<'_> {
    /// Whoever leaves last gives back what nobody waits for any more: other processes' lanes would wait for a turn in
    /// vain.
    fn drop(&mut self) {
        if self.lane.bell.rise(self.number) && self.lane.driver().abandon() {
            self.lane.bell.ring();
        }
    }
}
