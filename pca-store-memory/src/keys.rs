//! Private keys in memory: for tests, and for services whose keys need not outlive them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use pca_core::keys::software::{Backend, Signer, SoftwareError, default_backend};
use pca_core::keys::{
    Family, KeyEntry, KeyError, KeyId, KeyKind, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature,
    SignatureAlgorithm,
};
use pca_core::log::Timestamp;
use pca_core::ports::KeyStore;

/// From how many fast signatures or keys on a batch is shared among threads: starting them costs as much as some of them.
/// Slow ones, such as RSA's, are shared from two on.
const SHARE: usize = 16;

/// Keys in memory, wiped when they are destroyed or the store is dropped.
///
/// It signs on the thread that asks, which waits for it; long batches are shared among as many threads as the machine runs
/// at once.
#[derive(Debug)]
pub struct MemoryKeyStore {
    backend: &'static dyn Backend,
    keys: RwLock<BTreeMap<KeyId, Arc<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    key: PrivateKey,
    signer: Arc<dyn Signer>,
    key_use: KeyUse,
    /// Whether it was brought: then it answers no request to make one.
    imported: bool,
    created: Timestamp,
}

impl Default for MemoryKeyStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryKeyStore {
    /// An empty store with the default back end.
    #[must_use]
    pub fn new() -> Self {
        Self::with_backend(default_backend())
    }

    /// An empty store with the back end of choice.
    #[must_use]
    pub fn with_backend(backend: &'static dyn Backend) -> Self {
        Self { backend, keys: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<KeyId, Arc<Kept>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &KeyId) -> Result<Arc<Kept>, KeyError> {
        self.read().get(id).cloned().ok_or_else(|| KeyError::Absent { id: id.clone() })
    }

    fn generate_one(&self, request: &KeyRequest) -> Result<PublicKey, KeyError> {
        let kind = KeyKind::from(request.algorithm);
        let there = match self.find(&request.id) {
            Ok(there) => there,
            Err(_) => {
                let key = self.backend.generate(request.algorithm).map_err(|error| match error {
                    SoftwareError::Unsupported { algorithm } => KeyError::Unsupported { algorithm },
                    error => KeyError::Backend { detail: error.to_string() },
                })?;
                self.keep(&request.id, key, request.key_use, false)?
            }
        };
        if there.imported || there.key.kind() != kind || there.key_use != request.key_use {
            return Err(KeyError::IdTaken { id: request.id.clone() });
        }
        Ok(there.key.public_key().clone())
    }

    /// Keeps a key, unless one is there; answers the one that is there now.
    fn keep(&self, id: &KeyId, key: PrivateKey, key_use: KeyUse, imported: bool) -> Result<Arc<Kept>, KeyError> {
        let signer = self.backend.signer(&key).map_err(|error| KeyError::Backend { detail: error.to_string() })?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let created = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let kept = Arc::new(Kept { key, signer, key_use, imported, created });
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(keys.entry(id.clone()).or_insert(kept)))
    }

    fn sign_one(&self, request: &SignRequest) -> Result<Signature, KeyError> {
        let kept = self.find(&request.key)?;
        kept.signer.sign_known(request.algorithm, &request.message, request.sha256.as_ref()).map_err(
            |error| match error {
                SoftwareError::AlgorithmMismatch { algorithm, .. } => {
                    KeyError::AlgorithmMismatch { id: request.key.clone(), algorithm }
                }
                error => KeyError::Backend { detail: error.to_string() },
            },
        )
    }
}

#[async_trait]
impl KeyStore for MemoryKeyStore {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        let slow = |request: &KeyRequest| request.algorithm.family() == Family::Rsa;
        let least = if requests.iter().any(slow) { 2 } else { SHARE };
        share(requests, least, |request| self.generate_one(request))
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        let public = key.public_key().clone();
        let there = self.keep(id, key, KeyUse::CertificateAuthority, true)?;
        if *there.key.public_key() != public || there.key_use != KeyUse::CertificateAuthority {
            return Err(KeyError::IdTaken { id: id.clone() });
        }
        Ok(public)
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        let fast = |request: &SignRequest| {
            matches!(request.algorithm, SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::Ed25519)
        };
        let least = if requests.iter().all(fast) { SHARE } else { 2 };
        share(requests, least, |request| self.sign_one(request))
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        Ok(self.find(id)?.key.public_key().clone())
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let entry = |(id, kept): (&KeyId, &Arc<Kept>)| KeyEntry {
            id: id.clone(),
            key_use: kept.key_use,
            created: kept.created,
        };
        Ok(self.read().iter().map(entry).collect())
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        let kept = self.find(id)?;
        match kept.key_use {
            KeyUse::Holder => Ok(kept.key.clone()),
            _ => Err(KeyError::NotExportable { id: id.clone() }),
        }
    }
}

/// Answers requests in order, on this thread or, if there are at least so many, on several.
fn share<I: Sync, O: Send>(
    requests: &[I],
    least: usize,
    answer: impl Fn(&I) -> Result<O, KeyError> + Sync,
) -> Vec<Result<O, KeyError>> {
    let threads = if requests.len() < least { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    if threads == 1 {
        return requests.iter().map(answer).collect();
    }
    let answer = &answer;
    std::thread::scope(|scope| {
        let parts: Vec<_> = requests
            .chunks(requests.len().div_ceil(threads))
            .map(|part| (part.len(), scope.spawn(move || part.iter().map(answer).collect::<Vec<_>>())))
            .collect();
        let lost = || KeyError::Backend { detail: "a thread that made keys or signatures ended early".into() };
        parts
            .into_iter()
            .flat_map(|(len, part)| part.join().unwrap_or_else(|_| (0..len).map(|_| Err(lost())).collect()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use pca_core::keys::software::backends;
    use pca_store_testkit::keys::{Broken, Fault, conformance};

    use super::*;

    #[test]
    fn it_conforms_with_every_back_end() {
        for backend in backends() {
            conformance(|| MemoryKeyStore::with_backend(*backend), None).unwrap_or_else(|broken| {
                panic!("{}: {broken}", backend.name());
            });
        }
    }

    #[test]
    fn the_suite_catches_every_fault() {
        for (fault, rule) in Fault::ALL {
            let caught = conformance(|| Broken::new(MemoryKeyStore::new(), fault), Some(&Broken::reopened));
            assert_eq!(caught.map_err(|violation| violation.rule), Err(rule), "{fault:?}");
        }
    }
}
