//! Many certificates in one call (rule I8).

use std::sync::Arc;

use futures_core::Stream;
use futures_util::{StreamExt as _, future, stream};

use crate::domain::certificate::{IssueAtomically, IssueCertificate, Issued};
use crate::domain::{CaId, Command as _};
use crate::keys::KeyRequest;
use crate::log::CommitId;

use super::execute::Identity;
use super::issue::{Concluded, Entered, Prepared};
use super::lane::{Entry, Lane};
use super::session::inconsistent;
use super::{Call, Done, Error, Pca};

/// How many requests are prepared, signed and committed together.
const WINDOW: usize = 256;
/// How many windows are under way at once: fewer leave cores idle while a window lands, more gain nothing (docs/performance.md).
const WINDOWS: usize = 8;

impl Pca {
    /// Issues any number of certificates, each for itself, in order: the stream gives one result a request, each
    /// certificate durable when it is given. Requests are taken from the iterator as the work goes on, so that their
    /// number is not limited by memory; progress is what has been given.
    ///
    /// With an idempotency key, each request has one of its own, derived from it and the request's place.
    pub fn issue_many<'a>(
        &'a self,
        requests: impl IntoIterator<Item = IssueCertificate, IntoIter: Send + 'a>,
        call: &'a Call,
    ) -> impl Stream<Item = Result<Done<Issued>, Error>> + Send + 'a {
        let first = call.chosen_commit();
        let numbered = (0_u64..).zip(requests);
        stream::iter(numbered)
            .chunks(WINDOW)
            .map(move |window| async move {
                let chosen = |number| first.map(|first: CommitId| first.step(number));
                let window = window.into_iter().map(|(number, request)| (request, chosen(number)));
                stream::iter(self.issue_window(window.collect(), call).await)
            })
            .buffered(WINDOWS)
            .flatten()
    }

    /// Issues certificates all or nothing, in one commit (rule I8).
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule of every request, or trouble of a store.
    pub async fn issue_atomically(&self, request: IssueAtomically, call: &Call) -> Result<Done<Vec<Issued>>, Error> {
        self.execute(request, call).await
    }

    async fn issue_window(
        &self,
        window: Vec<(IssueCertificate, Option<CommitId>)>,
        call: &Call,
    ) -> Vec<Result<Done<Issued>, Error>> {
        let entered = self.enter_all(window, call).await.into_iter();
        let mut places: Vec<Place> = entered
            .map(|entered| match entered {
                Ok(Entered::New(entry)) => Place::Entered(entry),
                Ok(Entered::Repeated(done)) => Place::Ended(Ok(*done)),
                Err(error) => Place::Ended(Err(error)),
            })
            .collect();
        self.prepare_window(&mut places).await;
        self.land(&mut places, call).await;
        places.into_iter().map(|place| self.result(place, call)).collect()
    }

    /// Decides each request for what must be signed; keys are made all together.
    async fn prepare_window(&self, places: &mut [Place]) {
        loop {
            let mut wanted: Vec<(usize, KeyRequest, u32)> = Vec::new();
            for (number, place) in places.iter_mut().enumerate() {
                let Place::Entered(entry) = place else { continue };
                let lane = self.lane(&entry.request);
                match self.prepare(&lane, entry).await {
                    Ok(Prepared::Ready) => {}
                    Ok(Prepared::Key(request, ordinal)) => wanted.push((number, request, ordinal)),
                    Err(error) => *place = Place::Ended(Err(error)),
                }
            }
            if wanted.is_empty() {
                return;
            }
            let requests: Vec<KeyRequest> = wanted.iter().map(|(_, request, _)| request.clone()).collect();
            let mut made = self.inner.keys.generate(&requests).await.into_iter();
            for (number, _, ordinal) in wanted {
                let made = made.next().ok_or_else(|| inconsistent("the key store made too few keys"));
                let Some(place) = places.get_mut(number) else { continue };
                match made {
                    Ok(Ok(key)) => {
                        if let Place::Entered(entry) = place {
                            entry.evidence.keys.insert(ordinal, key);
                            entry.prepared = true;
                        }
                    }
                    Ok(Err(error)) => *place = Place::Ended(Err(error.into())),
                    Err(error) => *place = Place::Ended(Err(error)),
                }
            }
        }
    }

    /// Hands all requests to their lanes and waits; those that come back go on by themselves.
    async fn land(&self, places: &mut [Place], call: &Call) {
        let mut landings: Vec<Landing> = Vec::new();
        for (number, place) in places.iter_mut().enumerate() {
            let Place::Entered(entry) = place else { continue };
            let identity = entry.identity;
            let Place::Entered(entry) = core::mem::replace(place, Place::Landing(identity)) else { continue };
            let at = landings.iter().position(|landing| landing.ca == entry.request.ca);
            let at = at.unwrap_or_else(|| {
                landings.push(Landing::new(entry.request.ca.clone(), self.lane(&entry.request)));
                landings.len() - 1
            });
            if let Some(landing) = landings.get_mut(at) {
                landing.entries.push((number, entry));
            }
        }
        let landed = future::join_all(landings.into_iter().map(|Landing { lane, entries, .. }| async move {
            let replies = lane.sit().land(entries).await;
            (lane, replies)
        }));
        let mut returned = Vec::new();
        for (lane, replies) in landed.await {
            for (number, reply) in replies {
                let Some(place) = places.get_mut(number) else { continue };
                let concluded = match (reply, &*place) {
                    (Ok(reply), Place::Landing(identity)) => self.conclude(reply, identity).await,
                    _ => Err(inconsistent("the lane forgot a request")),
                };
                match concluded {
                    Ok(Concluded::Done(done)) => *place = Place::Ended(Ok(*done)),
                    Ok(Concluded::Again(entry, why)) => returned.push((number, Arc::clone(&lane), entry, why)),
                    Err(error) => *place = Place::Ended(Err(error)),
                }
            }
        }
        let going_on = returned
            .into_iter()
            .map(|(number, lane, entry, why)| async move { (number, self.go_on(&lane, entry, why, call).await) });
        for (number, gone) in future::join_all(going_on).await {
            if let Some(place) = places.get_mut(number) {
                *place = Place::Ended(gone);
            }
        }
    }

    fn result(&self, place: Place, call: &Call) -> Result<Done<Issued>, Error> {
        let result = match place {
            Place::Ended(result) => result,
            Place::Entered(_) | Place::Landing(_) => Err(inconsistent("a request of a bulk was not answered")),
        };
        result.inspect_err(|error| self.journal(IssueCertificate::NAME, call, error))
    }
}

/// Requests of a window that go to one lane, with their places in the window.
struct Landing {
    ca: CaId,
    lane: Arc<Lane>,
    entries: Vec<(usize, Box<Entry>)>,
}

impl Landing {
    fn new(ca: CaId, lane: Arc<Lane>) -> Self {
        Self { ca, lane, entries: Vec::new() }
    }
}

/// Where a request of a window stands.
enum Place {
    Entered(Box<Entry>),
    /// The lane has it.
    Landing(Identity),
    Ended(Result<Done<Issued>, Error>),
}
