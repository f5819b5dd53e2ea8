//! A key store that fails when a test wants it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pca_core::keys::{KeyEntry, KeyError, KeyId, KeyRequest, PrivateKey, PublicKey, SignRequest, Signature};
use pca_core::ports::KeyStore;

/// What a key store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    Generate,
    Import,
    Sign,
    Destroy,
    Export,
}

impl Asked {
    pub const ALL: [Self; 5] = [Self::Generate, Self::Import, Self::Sign, Self::Destroy, Self::Export];
}

/// Whether a call that fails does what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Before,
    After,
}

/// Passes everything on, except for the calls that are to fail; clones share the plan.
#[derive(Clone)]
pub struct FailingKeys {
    inner: Arc<dyn KeyStore>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    calls: HashMap<Asked, u64>,
    failures: HashMap<(Asked, u64), Fails>,
}

impl FailingKeys {
    pub fn new(inner: impl KeyStore) -> Self {
        Self { inner: Arc::new(inner), plan: Arc::default() }
    }

    /// Lets the `nth` call of a kind from now on fail, counted from 1.
    pub fn fail(&self, asked: Asked, nth: u64, fails: Fails) {
        let mut plan = self.plan.lock().unwrap();
        let call = plan.calls.get(&asked).copied().unwrap_or(0) + nth;
        plan.failures.insert((asked, call), fails);
    }

    /// How many failures no call has met yet.
    pub fn planned(&self) -> usize {
        self.plan.lock().unwrap().failures.len()
    }

    fn next(&self, asked: Asked) -> Option<Fails> {
        let mut plan = self.plan.lock().unwrap();
        let calls = plan.calls.entry(asked).or_default();
        *calls += 1;
        let call = *calls;
        plan.failures.remove(&(asked, call))
    }

    async fn one<T>(&self, asked: Asked, call: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
        match self.next(asked) {
            None => call.await,
            Some(Fails::Before) => Err(lost()),
            Some(Fails::After) => {
                drop(call.await);
                Err(lost())
            }
        }
    }

    async fn many<T>(
        &self,
        asked: Asked,
        count: usize,
        call: impl Future<Output = Vec<Result<T, KeyError>>>,
    ) -> Vec<Result<T, KeyError>> {
        match self.next(asked) {
            None => call.await,
            Some(fails) => {
                if fails == Fails::After {
                    drop(call.await);
                }
                (0..count).map(|_| Err(lost())).collect()
            }
        }
    }
}

pub fn lost() -> KeyError {
    KeyError::Backend { detail: "the test wants it to fail".into() }
}

#[async_trait]
impl KeyStore for FailingKeys {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        self.many(Asked::Generate, requests.len(), self.inner.generate(requests)).await
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        self.one(Asked::Import, self.inner.import(id, key)).await
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        self.many(Asked::Sign, requests.len(), self.inner.sign(requests)).await
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        self.inner.public_key(id).await
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        self.inner.list().await
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        self.one(Asked::Destroy, self.inner.destroy(id)).await
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        self.one(Asked::Export, self.inner.export(id)).await
    }
}
