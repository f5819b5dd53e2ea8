//! What the threads of a key store share.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use pca_core::keys::software::{Backend, Signer, SoftwareError};
use pca_core::keys::{Algorithm, KeyError, KeyId, KeyRequest, PrivateKey, PublicKey, SignRequest};

use super::authority::{Authorities, Known, Origin, Parsed, expect_kind};
use super::batches::{self, Index};
use super::disk::Disk;
use super::header::MasterKey;
use super::pool::lock;
use super::record::{Sealed, Sealer, id_octets};
use super::writer::Writer;

pub(super) struct Inner {
    pub(super) writer: Writer,
    pub(super) disk: Arc<Disk>,
    pub(super) backend: &'static dyn Backend,
    pub(super) sealer: Sealer,
    pub(super) master: MasterKey,
    pub(super) index: Arc<RwLock<Index>>,
    /// Held while the disk is read and keys are derived: only by threads that may be slow.
    pub(super) authorities: Mutex<Authorities>,
    pub(super) known: Arc<Known>,
}

impl Inner {
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parses a key: one of a certificate authority once for ever, a holder's for this time.
    pub(super) fn load(&self, id: &KeyId) -> Result<Arc<dyn Signer>, KeyError> {
        if self.known.contains(id) {
            return match self.known.signer(id) {
                Some(signer) => Ok(signer),
                None => Ok(lock(&self.authorities).parsed(id)?.signer),
            };
        }
        let key = self.read_holder(id)?;
        self.backend.signer(&key).map_err(|error| KeyError::Damaged { detail: format!("key {id}: {error}") })
    }

    pub(super) fn read_holder(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        let octets = id_octets(id);
        let at = self.index().get(&octets).ok_or_else(|| KeyError::Absent { id: id.clone() })?;
        batches::read_key(&self.disk, &self.sealer, &octets, at).map_err(|error| {
            // Destroyed between the index and the disk.
            if self.index().get(&octets).is_none() { KeyError::Absent { id: id.clone() } } else { error }
        })
    }

    pub(super) fn make_holder(&self, request: &KeyRequest) -> Result<Sealed, KeyError> {
        if self.known.contains(&request.id) {
            return Err(KeyError::IdTaken { id: request.id.clone() });
        }
        let key = self.make(request.algorithm)?;
        self.sealer.seal(&request.id, now(), &key)
    }

    pub(super) fn make_authority(&self, request: &KeyRequest) -> Result<PublicKey, KeyError> {
        let id = &request.id;
        let there = if self.known.contains(id) {
            lock(&self.authorities).parsed(id)?
        } else {
            let key = self.make(request.algorithm)?;
            self.keep_authority(id, &key, Origin::Made)?
        };
        match there.origin {
            Origin::Made => expect_kind(id, there.signer.public_key().clone(), request.algorithm.into()),
            Origin::Imported => Err(KeyError::IdTaken { id: id.clone() }),
        }
    }

    pub(super) fn import_authority(&self, id: &KeyId, key: &PrivateKey) -> Result<PublicKey, KeyError> {
        let there = self.keep_authority(id, key, Origin::Imported)?.signer.public_key().clone();
        if there == *key.public_key() { Ok(there) } else { Err(KeyError::IdTaken { id: id.clone() }) }
    }

    fn keep_authority(&self, id: &KeyId, key: &PrivateKey, origin: Origin) -> Result<Parsed, KeyError> {
        if self.index().get(&id_octets(id)).is_some() {
            return Err(KeyError::IdTaken { id: id.clone() });
        }
        lock(&self.authorities).insert(id, key, origin)
    }

    pub(super) fn destroy_authority(&self, id: &KeyId) -> Result<(), KeyError> {
        lock(&self.authorities).destroy(id)
    }

    pub(super) fn check_authority(&self, id: &KeyId) -> Result<(), KeyError> {
        let authorities = lock(&self.authorities);
        let (key, origin) = authorities.read(id)?;
        let parsed = authorities.parsed(id)?;
        if parsed.signer.public_key() == key.public_key() && parsed.origin == origin {
            return Ok(());
        }
        Err(KeyError::Damaged { detail: format!("key {id} is another one on the disk than in use") })
    }

    pub(super) fn make(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        self.backend.generate(algorithm).map_err(|error| match error {
            SoftwareError::Unsupported { algorithm } => KeyError::Unsupported { algorithm },
            error => KeyError::Backend { detail: error.to_string() },
        })
    }
}

pub(super) fn sign_error(request: &SignRequest, error: &SoftwareError) -> KeyError {
    match error {
        SoftwareError::AlgorithmMismatch { algorithm, .. } => {
            KeyError::AlgorithmMismatch { id: request.key.clone(), algorithm: *algorithm }
        }
        error => KeyError::Backend { detail: error.to_string() },
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
