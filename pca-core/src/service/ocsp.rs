//! OCSP answers, as relying parties get them (rules A2, A3, I1): from the log at the time of the question.

use std::sync::Arc;

use crate::domain::key::ConfirmKeyDestroyed;
use crate::domain::ocsp::{Answered, CertifyResponder, Prepared, issuer_of, issuing_key, prepare};
use crate::domain::{CaId, Context, Desk, Halt, Need, Refusal, Scope, State, ToSign, stream};
use crate::keys::{KeyId, Signature};
use crate::log::{CommitId, Digest, Timestamp};
use crate::x509::{
    CertificateId, OcspCertId, OcspHash, OcspRequest, OcspResponse, OcspSingle, OcspStatus, SerialNumber,
};

use super::ocsp_cache::Key;
use super::session::{Session, inconsistent};
use super::{Call, Error, Pca, time};

/// The name under which an authorizer is asked (rule G1).
const ANSWER: &str = "AnswerOcsp";

/// How often an answer is made anew because its responder went while it was signed.
const ATTEMPTS: u32 = 4;

/// How many answers are made and signed at once.
const BATCH: usize = 512;

/// An answer with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspAnswer {
    /// The `OCSPResponse`.
    pub der: Vec<u8>,
    /// Whether it answers, and else why not.
    pub response: OcspStatus,
    /// Why it does not, for whoever runs the responder.
    pub why: Option<String>,
    /// What it says; nothing where it does not answer.
    pub facts: Option<OcspFacts>,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspFacts {
    /// The CA.
    pub ca: CaId,
    /// The generation whose key issued what was asked for.
    pub generation: u32,
    /// The certificate of the responder that signed.
    pub responder: CertificateId,
    /// As of when the status is right; also when it was signed.
    pub this_update: Timestamp,
    /// When newer information is there at the latest.
    pub next_update: Timestamp,
    /// What is told of each certificate, in the order of the request.
    pub singles: Vec<OcspSingle>,
    /// Whether it repeats a nonce; one that does not may be handed out again (RFC 5019).
    pub nonce: bool,
}

impl OcspAnswer {
    fn failure(response: OcspStatus, why: String) -> Self {
        Self { der: OcspResponse::failure(response), response, why: Some(why), facts: None }
    }

    fn signed(ca: &CaId, answered: &Answered, to_sign: &ToSign, signature: &Signature, nonce: bool) -> Self {
        let certificate = answered.responder.certificate.as_bytes();
        let facts = OcspFacts {
            ca: ca.clone(),
            generation: answered.generation,
            responder: answered.responder.id,
            this_update: answered.this_update,
            next_update: answered.next_update,
            singles: answered.singles.clone(),
            nonce,
        };
        let der = OcspResponse::assemble(&to_sign.tbs, to_sign.algorithm, signature, certificate);
        Self { der, response: OcspStatus::Successful, why: None, facts: Some(facts) }
    }
}

impl Pca {
    /// Answers an OCSP request about certificates of a CA.
    ///
    /// The answer tells the status as of now, from the newest durable state, so that a revocation is seen in the next answer;
    /// an answer without a nonce is made once and handed out again, until half of its time has passed or anything that it was
    /// made of has moved. What no key of the CA issued is `unknown`. A responder is certified, and the next one in time, where
    /// the CA's key is alive (rule I1). After the end of a CA its last responder answers on as long as it lives (rule C7).
    ///
    /// A request that is none, or that nobody may answer, has an answer too: see [`OcspAnswer::response`].
    ///
    /// # Errors
    /// [`Error::Refused`] for a CA that nobody has bought, or where no responder can be certified; trouble of the stores.
    pub async fn answer_ocsp(&self, ca: &CaId, request: &[u8], call: &Call) -> Result<OcspAnswer, Error> {
        let outcome = self.try_answer_ocsp(ca, request, call).await;
        outcome.inspect_err(|error| self.journal(ANSWER, call, error))
    }

    /// As [`answer_ocsp`](Self::answer_ocsp), of whichever CA it is that the request asks about; `unauthorized` if it is none.
    ///
    /// # Errors
    /// As there.
    pub async fn answer_ocsp_of_any(&self, request: &[u8], call: &Call) -> Result<OcspAnswer, Error> {
        let asked = match OcspRequest::from_der(request) {
            Ok(asked) => asked,
            Err(error) => return Ok(OcspAnswer::failure(OcspStatus::MalformedRequest, error.to_string())),
        };
        for ca in self.authorities().await? {
            let found = self.question(|desk, _| {
                let ca = desk.ca(&ca)?;
                Ok(asked.cert_ids().first().is_some_and(|first| issuer_of(ca, first).is_some()))
            });
            if found.await? {
                return self.answer_ocsp(&ca, request, call).await;
            }
        }
        let why = "no CA of this log is the issuer that was asked for".into();
        Ok(OcspAnswer::failure(OcspStatus::Unauthorized, why))
    }

    async fn try_answer_ocsp(&self, ca: &CaId, request: &[u8], call: &Call) -> Result<OcspAnswer, Error> {
        self.authorize(call, ANSWER, Scope::Ca(ca)).await?;
        let asked = match OcspRequest::from_der(request) {
            Ok(asked) => asked,
            Err(error) => return Ok(OcspAnswer::failure(OcspStatus::MalformedRequest, error.to_string())),
        };
        let now = self.ocsp_time(call).await?;
        let key = asked.nonce().is_none().then(|| Key::of(ca, asked.cert_ids()));
        if let Some(kept) = &key
            && let Some(answer) = self.cached_ocsp(kept, now).await?
        {
            return Ok(answer);
        }
        let mut certify = true;
        for _ in 0..ATTEMPTS {
            let mut session = self.ocsp_session(ca, &[asked.cert_ids()], now).await?;
            let prepared = session.ask_consistently(|desk, now| prepare(desk, ca, asked.cert_ids(), now)).await?;
            let answered = match prepared {
                Prepared::Unauthorized { why } => return Ok(OcspAnswer::failure(OcspStatus::Unauthorized, why)),
                Prepared::NoResponder { issuer } => {
                    self.certify_responder(ca, issuer, call).await?;
                    continue;
                }
                Prepared::Answer(answered) => answered,
            };
            if answered.due && core::mem::take(&mut certify) {
                // The one that is there answers if the next one does not come about.
                match self.certify_responder(ca, answered.issuer, call).await {
                    Ok(()) => continue,
                    Err(error) => tracing::warn!(%ca, %error, "the next OCSP responder could not be certified"),
                }
            }
            let to_sign = to_sign(&answered, asked.nonce());
            let signatures = match self.inner.sign(core::slice::from_ref(&to_sign), &session.world).await {
                Ok(signatures) => signatures,
                // Another one has taken its place meanwhile, and its key is gone.
                Err(Error::Key(_)) if session.refresh().await? => continue,
                Err(error) => return Err(error),
            };
            let signature = signatures.first().ok_or_else(|| inconsistent("no OCSP answer was signed"))?;
            let answer = OcspAnswer::signed(ca, &answered, &to_sign, signature, asked.nonce().is_some());
            if let Some(key) = key {
                self.inner.answers.keep(key, &answer, session.world.revisions());
            }
            return Ok(answer);
        }
        Err(Error::Contended { command: ANSWER, attempts: ATTEMPTS })
    }

    /// Makes answers beforehand (RFC 5019): one for each serial number, without a nonce, signed in batches. There is none for a
    /// certificate that the CA has not issued, nor for one whose issuing key nobody answers for any more.
    ///
    /// They are right until `next_update`, which is never after the end of the responder that signed; a revocation makes the
    /// answer that says *good* untrue before that, so make new ones for what was revoked or released.
    ///
    /// # Errors
    /// As [`answer_ocsp`](Self::answer_ocsp).
    pub async fn presign_ocsp(
        &self,
        ca: &CaId,
        serials: &[SerialNumber],
        hash: OcspHash,
        call: &Call,
    ) -> Result<Vec<Option<OcspAnswer>>, Error> {
        self.authorize(call, ANSWER, Scope::Ca(ca)).await.inspect_err(|error| self.journal(ANSWER, call, error))?;
        let mut answers = Vec::with_capacity(serials.len());
        for batch in serials.chunks(BATCH) {
            answers.extend(self.presign_batch(ca, batch, hash, call).await?);
        }
        Ok(answers)
    }

    async fn presign_batch(
        &self,
        ca: &CaId,
        serials: &[SerialNumber],
        hash: OcspHash,
        call: &Call,
    ) -> Result<Vec<Option<OcspAnswer>>, Error> {
        let mut certified: Vec<Digest> = Vec::new();
        for _ in 0..ATTEMPTS {
            let now = self.ocsp_time(call).await?;
            let mut session = self.ocsp_session(ca, &[], now).await?;
            let prepared = session.ask_consistently(|desk, now| prepare_all(desk, ca, serials, hash, now)).await?;
            let wanting = prepared.iter().flatten().filter_map(|prepared| match prepared {
                Prepared::NoResponder { issuer } => Some((*issuer, true)),
                Prepared::Answer(answered) if answered.due => Some((answered.issuer, false)),
                _ => None,
            });
            let mut again = false;
            for (issuer, needed) in wanting.collect::<Vec<_>>() {
                if certified.contains(&issuer) {
                    continue;
                }
                certified.push(issuer);
                match self.certify_responder(ca, issuer, call).await {
                    Ok(()) => again = true,
                    Err(error) if needed => return Err(error),
                    Err(error) => tracing::warn!(%ca, %error, "the next OCSP responder could not be certified"),
                }
            }
            if again {
                continue;
            }
            let answered: Vec<Option<&Answered>> = prepared
                .iter()
                .map(|prepared| match prepared {
                    Some(Prepared::Answer(answered)) => Some(&**answered),
                    _ => None,
                })
                .collect();
            let wanted: Vec<ToSign> = answered.iter().flatten().map(|answered| to_sign(answered, None)).collect();
            let signatures = match self.inner.sign(&wanted, &session.world).await {
                Ok(signatures) => signatures,
                Err(Error::Key(_)) if session.refresh().await? => continue,
                Err(error) => return Err(error),
            };
            let mut signed = wanted.iter().zip(&signatures);
            let answers = answered.into_iter().map(|answered| {
                let (answered, (to_sign, signature)) =
                    answered.and_then(|answered| Some((answered, signed.next()?)))?;
                Some(OcspAnswer::signed(ca, answered, to_sign, signature, false))
            });
            return Ok(answers.collect());
        }
        Err(Error::Contended { command: ANSWER, attempts: ATTEMPTS })
    }

    /// Certifies the next responder, and destroys the key of the one before (rule K3). That somebody else has just done so is
    /// no trouble.
    async fn certify_responder(&self, ca: &CaId, issuer: Digest, call: &Call) -> Result<(), Error> {
        let command = CertifyResponder { ca: ca.clone(), issuer };
        let done = match self.execute(command, &call.unkeyed()).await {
            Ok(done) => done,
            Err(Error::Refused(refusal)) => {
                let good = refusal.broken().iter().all(|broken| broken.code() == CertifyResponder::STILL_GOOD);
                return if good { Ok(()) } else { Err(refusal.into()) };
            }
            Err(error) => return Err(error),
        };
        tracing::debug!(%ca, id = %done.answer.id, until = %done.answer.not_after, "certified an OCSP responder");
        if let Some(key) = done.answer.replaces
            && let Err(error) = self.end_responder_key(&key, call).await
        {
            tracing::warn!(%ca, %key, %error, "the key of the OCSP responder before is left for `sweep_keys`");
        }
        Ok(())
    }

    async fn end_responder_key(&self, key: &KeyId, call: &Call) -> Result<(), Error> {
        self.destroy_key(key, call).await?;
        let confirm = ConfirmKeyDestroyed { key: key.clone() };
        self.execute(confirm, &call.unkeyed()).await.map(drop)
    }

    /// As of when a question is answered: never before the newest commit (rule L9).
    async fn ocsp_time(&self, call: &Call) -> Result<Timestamp, Error> {
        let head = self.inner.store.head().await?;
        let mut clock = self.now();
        if call.now.is_some() {
            clock = time::clock_of(call, clock, &*self.inner.enterprise().await?).map_err(Refusal::from)?;
        }
        Ok(time::decided_at(clock, &head))
    }

    /// A session with all that an answer is made of, as far as is known from earlier ones what that is: read at once.
    async fn ocsp_session(&self, ca: &CaId, asked: &[&[OcspCertId]], now: Timestamp) -> Result<Session<'_>, Error> {
        let context = Context { time: now, commit: CommitId::new([0; 16]), seed: [0; 32] };
        let mut session = Session::rehearsing(&self.inner, context);
        let known = self.inner.known(&stream::ca(ca));
        if let Some((_, fold)) = known
            && let State::Ca(fold) = &*fold
        {
            let streams: Vec<_> = asked.iter().flat_map(|asked| Answered::streams(ca, fold, asked)).collect();
            if !streams.is_empty() {
                session.load(&streams).await?;
            }
        }
        Ok(session)
    }

    /// An answer that was made before and still stands.
    async fn cached_ocsp(&self, key: &Key, now: Timestamp) -> Result<Option<OcspAnswer>, Error> {
        let Some((answer, revisions)) = self.inner.answers.find(key, now) else { return Ok(None) };
        let read = self.inner.store.read(&revisions, crate::log::Position::MAX).await?;
        Ok(read.streams.iter().all(|slice| slice.events.is_empty()).then_some(answer))
    }
}

fn to_sign(answered: &Answered, nonce: Option<&[u8]>) -> ToSign {
    let tbs: Arc<[u8]> = answered.tbs(nonce).into();
    ToSign::answer(answered.responder.key.clone(), answered.public_key.clone(), tbs)
}

/// Prepares one answer for each serial number, under the key that issued it.
fn prepare_all(
    desk: &Desk<'_>,
    ca_id: &CaId,
    serials: &[SerialNumber],
    hash: OcspHash,
    now: Timestamp,
) -> Result<Vec<Option<Prepared>>, Halt> {
    let ca = desk.ca(ca_id)?;
    let ended = ca.ended().iter().map(|ended| &ended.generation);
    let generations: Vec<_> = ca.signing_generations().chain(ended).collect();
    let mut needs: Vec<Need> = Vec::new();
    let mut prepared = Vec::with_capacity(serials.len());
    for serial in serials {
        let one = || {
            for generation in &generations {
                let id = CertificateId::new(generation.subject_hash, *serial);
                if issuing_key(desk, ca_id, &id)? != Some(generation.spki) {
                    continue;
                }
                let Some(parsed) = generation.parsed.as_deref() else { continue };
                let Ok(key) = parsed.public_key() else { continue };
                let asked = [OcspCertId::new(hash, parsed.subject(), key, *serial)];
                return prepare(desk, ca_id, &asked, now).map(Some);
            }
            Ok(None)
        };
        match one() {
            Ok(answer) => prepared.push(answer),
            Err(Halt::Needs(need)) => needs.push(need),
            Err(refused) => return Err(refused),
        }
    }
    if needs.is_empty() { Ok(prepared) } else { Err(Halt::Needs(Need::All(needs))) }
}
