//! A key store that is broken in one way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::keys::software::default_backend;
use pca_core::keys::{
    Algorithm, KeyEntry, KeyError, KeyId, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature,
};
use pca_core::ports::KeyStore;
use pollster::block_on;

use super::Rule;

/// A way in which [`Broken`] breaks a key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Makes a new key when asked for an id again.
    NewKeyOnRepeat,
    /// Gives an id to a new key of another algorithm.
    ReplacesOnConflict,
    /// Replaces a key by an import.
    ImportOverwrites,
    /// Answers a key that was imported when asked to make one.
    AnswersImports,
    /// Opens without knowing which keys were imported.
    ForgetsImports,
    /// One signature in forty has a wrong bit.
    GarblesSignatures,
    /// Signs as the key can, whatever was asked.
    SignsAnyhow,
    /// Makes a key when asked to sign with one that is not there.
    MakesUpKeys,
    /// Answers a batch in the order of ids.
    SortsBatches,
    /// Answers that a key is destroyed, and keeps it.
    ForgetsDestroy,
    /// Fails to destroy what is not there any more.
    DestroysOnce,
    /// Hands out the keys of certificate authorities.
    ExportsAuthorities,
    /// Lists in the order of making.
    ListsUnordered,
    /// Leaves the keys of certificate authorities out of the list.
    ListsHoldersOnly,
    /// Opens with what it had when it was new: nothing.
    ForgetsAll,
    /// Opens with what had been destroyed.
    Resurrects,
}

impl Fault {
    /// Every fault, and the rule by which the suite catches it.
    pub const ALL: [(Self, Rule); 16] = [
        (Self::NewKeyOnRepeat, Rule::GenerateRepeats),
        (Self::ReplacesOnConflict, Rule::IdTaken),
        (Self::ImportOverwrites, Rule::ImportRepeats),
        (Self::AnswersImports, Rule::ImportStays),
        (Self::ForgetsImports, Rule::Durable),
        (Self::GarblesSignatures, Rule::InOrder),
        (Self::SignsAnyhow, Rule::AlgorithmMismatch),
        (Self::MakesUpKeys, Rule::Absent),
        (Self::SortsBatches, Rule::InOrder),
        (Self::ForgetsDestroy, Rule::Destroys),
        (Self::DestroysOnce, Rule::Absent),
        (Self::ExportsAuthorities, Rule::Exports),
        (Self::ListsUnordered, Rule::Lists),
        (Self::ListsHoldersOnly, Rule::Lists),
        (Self::ForgetsAll, Rule::Durable),
        (Self::Resurrects, Rule::Durable),
    ];
}

/// A key store with a fault, around a sound one.
#[derive(Debug)]
pub struct Broken<S> {
    sound: S,
    fault: Fault,
    reopened: bool,
    signed: AtomicUsize,
    made: Mutex<Vec<KeyId>>,
    destroyed: Mutex<Vec<KeyId>>,
    handed: Mutex<HashMap<KeyId, PrivateKey>>,
}

impl<S: KeyStore> Broken<S> {
    /// Breaks a sound store.
    pub fn new(sound: S, fault: Fault) -> Self {
        Self {
            sound,
            fault,
            reopened: false,
            signed: AtomicUsize::new(0),
            made: Mutex::default(),
            destroyed: Mutex::default(),
            handed: Mutex::default(),
        }
    }

    /// What opening it again makes of it.
    #[must_use]
    pub fn reopened(mut self) -> Self {
        self.reopened = true;
        match self.fault {
            Fault::ForgetsAll => {
                for entry in block_on(self.sound.list()).unwrap_or_default() {
                    drop(block_on(self.sound.destroy(&entry.id)));
                }
            }
            Fault::Resurrects => {
                for id in take(&self.destroyed) {
                    let request = KeyRequest { id, algorithm: Algorithm::EcdsaP256, key_use: KeyUse::Holder };
                    drop(block_on(self.sound.generate(&[request])));
                }
            }
            _ => {}
        }
        self
    }

    async fn generate_one(&self, request: &KeyRequest) -> Result<PublicKey, KeyError> {
        let answer = match (self.fault, request.key_use) {
            (Fault::NewKeyOnRepeat, _) => {
                self.sound.destroy(&request.id).await?;
                self.sound.generate(core::slice::from_ref(request)).await
            }
            (Fault::ExportsAuthorities, KeyUse::CertificateAuthority) => return self.hand_out(request).await,
            _ => self.sound.generate(core::slice::from_ref(request)).await,
        };
        match answer.into_iter().next().unwrap_or(Err(KeyError::Closed)) {
            Err(KeyError::IdTaken { id }) if self.answers_imports() => {
                let there = self.sound.public_key(&id).await?;
                let is_authority = matches!(self.sound.export(&id).await, Err(KeyError::NotExportable { .. }));
                let of_use = is_authority == (request.key_use == KeyUse::CertificateAuthority);
                let fits = of_use && there.algorithm() == Some(request.algorithm);
                if fits { Ok(there) } else { Err(KeyError::IdTaken { id }) }
            }
            Err(KeyError::IdTaken { id }) if self.fault == Fault::ReplacesOnConflict => {
                self.sound.destroy(&id).await?;
                let answer = self.sound.generate(core::slice::from_ref(request)).await;
                answer.into_iter().next().unwrap_or(Err(KeyError::Closed))
            }
            answer => {
                let mut made = guard(&self.made);
                if !made.contains(&request.id) {
                    made.push(request.id.clone());
                }
                answer
            }
        }
    }

    /// Makes a key of a certificate authority in a way that lets it be handed out.
    async fn hand_out(&self, request: &KeyRequest) -> Result<PublicKey, KeyError> {
        let handed = guard(&self.handed).get(&request.id).map(|key| key.public_key().clone());
        match handed {
            Some(public) if public.algorithm() == Some(request.algorithm) => Ok(public),
            Some(_) => Err(KeyError::IdTaken { id: request.id.clone() }),
            None => {
                let key = default_backend().generate(request.algorithm);
                let key = key.map_err(|error| KeyError::Backend { detail: error.to_string() })?;
                let public = self.sound.import(&request.id, key.clone()).await?;
                guard(&self.handed).insert(request.id.clone(), key);
                Ok(public)
            }
        }
    }

    fn answers_imports(&self) -> bool {
        self.fault == Fault::AnswersImports || self.fault == Fault::ForgetsImports && self.reopened
    }
}

#[async_trait]
impl<S: KeyStore> KeyStore for Broken<S> {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        let mut requests = requests.to_vec();
        if self.fault == Fault::SortsBatches {
            requests.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        }
        let mut answers = Vec::new();
        for request in &requests {
            answers.push(self.generate_one(request).await);
        }
        answers
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        if self.fault == Fault::ImportOverwrites {
            self.sound.destroy(id).await?;
        }
        self.sound.import(id, key).await
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        let mut requests = requests.to_vec();
        for request in &mut requests {
            let public = self.sound.public_key(&request.key).await;
            match (self.fault, public) {
                (Fault::SignsAnyhow, Ok(public)) => request.algorithm = public.signature_algorithm(),
                (Fault::MakesUpKeys, Err(_)) => {
                    let algorithm = Algorithm::Ed25519;
                    let made = KeyRequest { id: request.key.clone(), algorithm, key_use: KeyUse::Holder };
                    drop(self.sound.generate(&[made]).await);
                }
                _ => {}
            }
        }
        let mut answers = self.sound.sign(&requests).await;
        for answer in answers.iter_mut().flatten() {
            let turn = self.signed.fetch_add(1, Ordering::SeqCst);
            if let (Fault::GarblesSignatures, 39, Some(last)) = (self.fault, turn % 40, answer.last_mut()) {
                *last ^= 1;
            }
        }
        answers
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        self.sound.public_key(id).await
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let mut entries = self.sound.list().await?;
        match self.fault {
            Fault::ListsHoldersOnly => entries.retain(|entry| entry.key_use == KeyUse::Holder),
            Fault::ListsUnordered => {
                let made = guard(&self.made);
                entries.sort_by_key(|entry| made.iter().position(|id| *id == entry.id));
            }
            _ => {}
        }
        Ok(entries)
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        match self.fault {
            Fault::ForgetsDestroy => return Ok(()),
            Fault::DestroysOnce => drop(self.sound.public_key(id).await?),
            Fault::Resurrects => guard(&self.destroyed).push(id.clone()),
            _ => {}
        }
        guard(&self.handed).remove(id);
        self.sound.destroy(id).await
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        let handed = guard(&self.handed).get(id).cloned();
        match handed {
            Some(key) => Ok(key),
            None => self.sound.export(id).await,
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T: Default>(mutex: &Mutex<T>) -> T {
    core::mem::take(&mut *guard(mutex))
}
