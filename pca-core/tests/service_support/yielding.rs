//! Stores that let their callers wait once in every call, before and after they do what they are asked, so that a future
//! can be dropped at each of these points.

use core::task::Poll;
use std::sync::Arc;

use async_trait::async_trait;
use pca_core::keys::{KeyEntry, KeyError, KeyId, KeyRequest, PrivateKey, PublicKey, SignRequest, Signature};
use pca_core::log::{
    Commit, CommitId, Head, Position, Receipt, Recorded, RequestDigest, Revision, StoreError, StreamId, StreamsRead,
};
use pca_core::ports::{EventStore, KeyStore, Lease, Limits};

/// A store or a key store that lets its callers wait.
#[derive(Clone)]
pub struct Yielding<S: ?Sized>(pub Arc<S>);

/// Waits once.
async fn wait() {
    let mut waited = false;
    core::future::poll_fn(move |task| {
        if core::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn around<T>(call: impl Future<Output = T>) -> T {
    wait().await;
    let done = call.await;
    wait().await;
    done
}

#[async_trait]
impl<S: EventStore + ?Sized> EventStore for Yielding<S> {
    async fn commit(&self, train: Vec<Commit>) -> Vec<Result<Receipt, StoreError>> {
        around(self.0.commit(train)).await
    }

    async fn read(&self, streams: &[(StreamId, Revision)], as_of: Position) -> Result<StreamsRead, StoreError> {
        around(self.0.read(streams, as_of)).await
    }

    async fn follow(&self, after: Position, limit: usize) -> Result<Vec<Arc<Recorded>>, StoreError> {
        around(self.0.follow(after, limit)).await
    }

    async fn grown(&self, beyond: Position) -> Result<Head, StoreError> {
        around(self.0.grown(beyond)).await
    }

    async fn receipt(&self, id: CommitId, request: RequestDigest) -> Result<Option<Receipt>, StoreError> {
        around(self.0.receipt(id, request)).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        around(self.0.head()).await
    }

    async fn lease(&self, stream: &StreamId) -> Result<Lease, StoreError> {
        around(self.0.lease(stream)).await
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }
}

#[async_trait]
impl<K: KeyStore + ?Sized> KeyStore for Yielding<K> {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        around(self.0.generate(requests)).await
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        around(self.0.import(id, key)).await
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        around(self.0.sign(requests)).await
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        around(self.0.public_key(id)).await
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        around(self.0.list()).await
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        around(self.0.destroy(id)).await
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        around(self.0.export(id)).await
    }
}
