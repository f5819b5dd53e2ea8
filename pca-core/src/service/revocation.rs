//! Certificate revocation lists, as relying parties get them (rule A3).

use std::collections::BTreeMap;

use crate::domain::crl::{Crl, PublishCrl, PublishedCrl, last_crl, rolls_needed};
use crate::domain::{CaId, Command as _, Event, Roll, State, stream};
use crate::keys::KeyId;
use crate::log::{Revision, World};
use crate::x509;

use super::session::inconsistent;
use super::{Call, Error, Pca};

/// A CRL with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCrl {
    /// The CRL.
    pub der: Vec<u8>,
    /// Its number, times and extent.
    pub facts: PublishedCrl,
    /// The key that signed it.
    pub key: KeyId,
}

impl SignedCrl {
    /// As PEM, as nginx and `openssl verify -CRLfile` read it, several in one file where that is wanted.
    #[must_use]
    pub fn pem(&self) -> String {
        x509::to_pem("X509 CRL", &self.der)
    }
}

/// The same CRL by every key of a CA that is alive (rule A3): a relying party needs the one by the key that issued its
/// certificate, and whoever serves them serves all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCrls {
    /// By the key that issues now, or issued last.
    pub newest: SignedCrl,
    /// By the other keys that are alive, which sign no certificates any more.
    pub others: Vec<SignedCrl>,
}

impl SignedCrls {
    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &SignedCrl> {
        core::iter::once(&self.newest).chain(&self.others)
    }
}

impl Pca {
    /// The full CRL of a CA, by the key that issues: [`publish_crls`](Self::publish_crls) gives those of the others, too.
    ///
    /// # Errors
    /// [`Error::Refused`], or trouble of a store.
    pub async fn publish_crl(&self, ca: &CaId, call: &Call) -> Result<SignedCrl, Error> {
        self.publish_crls(&PublishCrl::full(ca.clone()), call).await.map(|signed| signed.newest)
    }

    /// A CRL of a CA, by every key of it that is alive: a new one if something was revoked or half of the last one's time
    /// has passed, otherwise the last one signed once more. After the end of a CA its full CRL is the last one that its key
    /// signed, from the log.
    ///
    /// # Errors
    /// [`Error::Refused`], or trouble of a store.
    pub async fn publish_crls(&self, command: &PublishCrl, call: &Call) -> Result<SignedCrls, Error> {
        let authorized = self.authorize(call, PublishCrl::NAME, command.scope()).await;
        authorized.inspect_err(|error| self.journal(PublishCrl::NAME, call, error))?;
        if !command.delta
            && command.partition.is_none()
            && let Some(newest) = self.last_crl(&command.ca).await?
        {
            return Ok(SignedCrls { newest, others: Vec::new() });
        }
        let mut carried = self.carry_out(command, call).await?;
        if carried.signed.is_empty() {
            // A repeat under an idempotency key: the log does not keep the signature, so that it is made anew.
            carried = self.carry_out(command, &call.unkeyed()).await?;
        }
        let facts = carried.events.iter().filter_map(PublishedCrl::of);
        let mut signed = facts.zip(&carried.signed).map(|(facts, (to_sign, signature))| {
            let der = x509::assemble(&to_sign.tbs, to_sign.algorithm, signature);
            SignedCrl { der, facts, key: to_sign.key.clone() }
        });
        let newest = signed.next().ok_or_else(|| inconsistent("no CRL was published and signed"))?;
        Ok(SignedCrls { newest, others: signed.collect() })
    }

    /// The last CRL of a CA that has no key any more; nothing for one that has, or that never had.
    async fn last_crl(&self, id: &CaId) -> Result<Option<SignedCrl>, Error> {
        let ended = self
            .question(|desk, _| {
                let ca = desk.ca(id)?;
                let over = ca.generation().is_none();
                Ok(ca.ended().last().filter(|ended| over && ended.published.is_some()).cloned())
            })
            .await?;
        let Some(ended) = ended else { return Ok(None) };
        let Some(published) = ended.published.clone() else { return Ok(None) };
        let stream = stream::crl(ended.end.subject_hash);
        let read = self.inner.store.read(&[(stream.clone(), Revision::ZERO)], published.covers).await?;
        let mut world: World<State> = World::default();
        for slice in &read.streams {
            world.apply(slice)?;
        }
        let Some(State::Crl(crl)) = world.get(&stream) else {
            return Err(inconsistent("the revocations of a CA that has ended are gone"));
        };
        let crl: &Crl = crl;
        let mut rolls: BTreeMap<&CaId, Roll> = BTreeMap::new();
        for ended in rolls_needed(crl) {
            rolls.insert(&ended.end.ca, self.inner.roll(&ended.end.ca, ended.position).await?);
        }
        let der = last_crl(&ended, crl, |ca| rolls.get(ca)).map_err(|failure| inconsistent(&failure.to_string()))?;
        let facts = PublishedCrl::of(&Event::CrlPublished((*published).clone()));
        let facts = facts.ok_or_else(|| inconsistent("a last CRL has no facts"))?;
        Ok(Some(SignedCrl { der, facts, key: ended.generation.key }))
    }
}
