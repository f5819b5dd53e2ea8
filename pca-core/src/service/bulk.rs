//! Many certificates in one call (rule I8).

use std::sync::Arc;

use futures_core::Stream;
use futures_util::{StreamExt as _, future, stream};

use crate::domain::Command as _;
use crate::domain::certificate::{IssueAtomically, IssueCertificate, Issued};
use crate::keys::KeyRequest;

use super::execute::Identity;
use super::issue::{Concluded, Entered, Prepared};
use super::lane::{Entry, Lane};
use super::session::inconsistent;
use super::{Call, Done, Error, Pca};

/// How many requests are prepared, signed and committed together.
const WINDOW: usize = 1024;
/// How many windows are under way at once.
const WINDOWS: usize = 3;

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
                let window = window.into_iter().map(|(number, request)| {
                    (request, first.map_or_else(|| call.clone(), |first| call.step(first, number)))
                });
                stream::iter(self.issue_window(window.collect()).await)
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

    async fn issue_window(&self, window: Vec<(IssueCertificate, Call)>) -> Vec<Result<Done<Issued>, Error>> {
        let mut places: Vec<Place> = Vec::with_capacity(window.len());
        for (request, call) in window {
            let (entry, result) = match self.enter(request, &call, true).await {
                Ok(Entered::New(entry)) => (Some(entry), None),
                Ok(Entered::Repeated(done)) => (None, Some(Ok(*done))),
                Err(error) => (None, Some(Err(error))),
            };
            let identity = entry.as_ref().map(|entry| entry.identity);
            places.push(Place { call, identity, entry, result });
        }
        self.prepare_window(&mut places).await;
        self.land(&mut places).await;
        places.into_iter().map(|place| self.result(place)).collect()
    }

    /// Decides each request for what must be signed; keys are made all together.
    async fn prepare_window(&self, places: &mut [Place]) {
        loop {
            let mut wanted: Vec<(usize, KeyRequest, u32)> = Vec::new();
            for (number, place) in places.iter_mut().enumerate() {
                let Some(entry) = place.entry.as_deref_mut() else { continue };
                if !entry.signed.is_empty() {
                    continue;
                }
                let lane = self.lane(&entry.request);
                match self.prepare(&lane, entry).await {
                    Ok(Prepared::Ready) => {}
                    Ok(Prepared::Key(request, ordinal)) => wanted.push((number, request, ordinal)),
                    Err(error) => place.fail(error),
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
                        if let Some(entry) = &mut place.entry {
                            entry.evidence.keys.insert(ordinal, key);
                            entry.prepared = true;
                        }
                    }
                    Ok(Err(error)) => place.fail(error.into()),
                    Err(error) => place.fail(error),
                }
            }
        }
    }

    /// Hands all requests to their lanes and waits; those that come back go on by themselves.
    async fn land(&self, places: &mut [Place]) {
        let mut lanes: Vec<(Arc<Lane>, Numbered)> = Vec::new();
        for (number, place) in places.iter_mut().enumerate() {
            let Some(entry) = place.entry.take() else { continue };
            let lane = self.lane(&entry.request);
            match lanes.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &lane)) {
                Some((_, entries)) => entries.push((number, entry)),
                None => lanes.push((lane, vec![(number, entry)])),
            }
        }
        let landing = lanes.into_iter().map(|(lane, entries)| async move {
            let seat = lane.sit();
            let (numbers, receivers): (Vec<_>, Vec<_>) =
                entries.into_iter().map(|(number, entry)| (number, seat.submit(entry))).unzip();
            let replies = seat.wait(future::join_all(receivers)).await;
            drop(seat);
            numbers
                .into_iter()
                .zip(replies)
                .map(|(number, reply)| (number, Arc::clone(&lane), reply))
                .collect::<Vec<_>>()
        });
        let mut returned = Vec::new();
        for (number, lane, reply) in future::join_all(landing).await.into_iter().flatten() {
            let Some(place) = places.get_mut(number) else { continue };
            let concluded = match (reply, &place.identity) {
                (Ok(reply), Some(identity)) => self.conclude(reply, identity, &place.call).await,
                _ => Err(inconsistent("the lane forgot a request")),
            };
            match concluded {
                Ok(Concluded::Done(done)) => place.result = Some(Ok(*done)),
                Ok(Concluded::Again(entry, why)) => returned.push((number, lane, entry, why, place.call.clone())),
                Err(error) => place.fail(error),
            }
        }
        let going_on = returned.into_iter().map(|(number, lane, entry, why, call)| async move {
            (number, self.go_on(&lane, entry, why, &call).await)
        });
        for (number, gone) in future::join_all(going_on).await {
            if let Some(place) = places.get_mut(number) {
                place.result = Some(gone);
            }
        }
    }

    fn result(&self, place: Place) -> Result<Done<Issued>, Error> {
        let result = place.result.unwrap_or_else(|| Err(inconsistent("a request of a bulk was not answered")));
        result.inspect_err(|error| self.journal(IssueCertificate::NAME, &place.call, error))
    }
}

/// Requests with their places in the window.
type Numbered = Vec<(usize, Box<Entry>)>;

/// Where a request of a window stands.
struct Place {
    call: Call,
    identity: Option<Identity>,
    /// Until the lane has it.
    entry: Option<Box<Entry>>,
    result: Option<Result<Done<Issued>, Error>>,
}

impl Place {
    fn fail(&mut self, error: Error) {
        self.entry = None;
        self.result = Some(Err(error));
    }
}
