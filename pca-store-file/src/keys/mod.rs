//! Private keys in files, under one passphrase.
//!
//! | file | what |
//! |---|---|
//! | `lock` | locked while the store is open; names the process |
//! | `store` | how the passphrase becomes a key, and the master key under it |
//! | `key_….pem` | the key of a certificate authority: encrypted PKCS#8 under the passphrase |
//! | `holders-….keys` | keys of certificates' holders in batches under the master key |
//!
//! A key derivation or an fsync for each key would cost 50 ms or 5 ms a certificate; so holders' keys are sealed under a
//! master key that is unwrapped once, and whatever waits while one group is synced is the next group.
//! Signing is done by a pool of threads with keys that are parsed once.
//!
//! What is destroyed is overwritten in place before it is removed. A file system or a medium that copies on write, and
//! backups, keep older copies; these are of use only to one who knows the passphrase.

mod authority;
mod batches;
mod disk;
mod header;
mod inner;
mod pool;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use async_trait::async_trait;
use futures_channel::oneshot;
use pca_core::keys::software::{Backend, Signer, default_backend};
use pca_core::keys::{
    Family, KeyEntry, KeyError, KeyId, KeyKind, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature,
};
use pca_core::ports::KeyStore;
use secrecy::SecretString;

use authority::{Authorities, expect_kind};
use disk::Disk;
use inner::{Inner, sign_error};
use pool::{Pool, lock};
use record::{Sealer, id_octets};
use writer::{Appended, Writer};

/// How many signatures of the fast kind a thread makes before it looks after others.
const TURN: usize = 8;

/// How a [`FileKeyStore`] works; begin with [`FileKeyStoreOptions::default`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileKeyStoreOptions {
    /// How many threads sign, and how many make RSA keys. Default: as many as the machine runs at once.
    pub threads: NonZero<usize>,
    /// The binary logarithm of scrypt's cost for the passphrase: 14, the default, takes some 50 ms and 16 MiB, and is the
    /// most that OpenSSL reads without being told to.
    pub log2_cost: u8,
    /// A batch of holders' keys that is longer is followed by a new one. Default: 16 MiB.
    pub batch_octets: u64,
    /// Who makes keys and signs. Default: [`default_backend`].
    pub backend: &'static dyn Backend,
}

impl Default for FileKeyStoreOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            log2_cost: 14,
            batch_octets: 16 * 1024 * 1024,
            backend: default_backend(),
        }
    }
}

/// Keys in a directory, open in one process at a time.
///
/// Dropping it waits for what was begun, and closes the files. Its futures need no runtime; dropping one gives up what
/// was not begun, and ends what was.
pub struct FileKeyStore {
    // Dropped in this order: no work is left that could come to a closed writer.
    signing: Pool,
    slow: Pool,
    inner: Arc<Inner>,
    /// Gives the directory free when everything else is closed.
    _lock: File,
}

impl FileKeyStore {
    /// Makes a key store in a directory, which is made too, and opens it.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`] (rule K5), [`KeyError::InUse`], [`KeyError::Backend`] if there is a key store
    /// already or the disk fails.
    pub fn create(directory: &Path, passphrase: SecretString, options: FileKeyStoreOptions) -> Result<Self, KeyError> {
        let disk = Disk::new(directory);
        disk.create()?;
        let held = hold(&disk)?;
        Authorities::create(&disk, &passphrase, options.log2_cost)?;
        Self::open_held(disk, held, passphrase, options)
    }

    /// Opens a key store. Finishes what a crash interrupted.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::InUse`], [`KeyError::Damaged`], [`KeyError::Backend`].
    pub fn open(directory: &Path, passphrase: SecretString, options: FileKeyStoreOptions) -> Result<Self, KeyError> {
        let disk = Disk::new(directory);
        if !disk.exists("store")? {
            return Err(KeyError::Backend { detail: format!("there is no key store at {}", directory.display()) });
        }
        let held = hold(&disk)?;
        Self::open_held(disk, held, passphrase, options)
    }

    /// Whether there is a key store in the directory.
    ///
    /// # Errors
    /// [`KeyError::Backend`] if that cannot be found out.
    pub fn exists(directory: &Path) -> Result<bool, KeyError> {
        Disk::new(directory).exists("store")
    }

    fn open_held(
        disk: Disk,
        held: File,
        passphrase: SecretString,
        options: FileKeyStoreOptions,
    ) -> Result<Self, KeyError> {
        let FileKeyStoreOptions { threads, log2_cost, batch_octets, backend } = options;
        let disk = Arc::new(disk);
        let (authorities, master) = Authorities::open(Arc::clone(&disk), backend, passphrase, log2_cost)?;
        let (index, current) = batches::open(&disk)?;
        let index = Arc::new(RwLock::new(index));
        let failed = |error: std::io::Error| disk.failed("starting the threads of", "", &error);
        let writer = Writer::start(Arc::clone(&disk), Arc::clone(&index), current, batch_octets).map_err(failed)?;
        let signing = Pool::start("pca-keys-sign", threads.get()).map_err(failed)?;
        let slow = Pool::start("pca-keys-slow", threads.get()).map_err(failed)?;
        let sealer = Sealer::new(&master)?;
        let (known, authorities) = (authorities.known(), Mutex::new(authorities));
        let inner = Inner { writer, disk, backend, sealer, master, index, authorities, known };
        Ok(Self { signing, slow, inner: Arc::new(inner), _lock: held })
    }

    /// Puts the store under another passphrase. If it fails half way, or the process dies, run it again: until it ends,
    /// the old and the new passphrase both open the store. Files that are replaced are wiped.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`] (rule K5), [`KeyError::Damaged`] if a key cannot be read, [`KeyError::Backend`].
    pub async fn change_passphrase(&self, new: SecretString) -> Result<(), KeyError> {
        let inner = Arc::clone(&self.inner);
        let change = move |new: &SecretString| lock(&inner.authorities).change_passphrase(new.clone(), &inner.master);
        the_one(self.slow.map(vec![new], 1, change)).await?
    }

    /// Reads every key from the disk and checks that it opens, is sound, and is its public key's. Tells those that are
    /// not; how many were checked is the other half of the answer.
    ///
    /// # Errors
    /// [`KeyError::Closed`] if the store closes meanwhile; what is wrong with a key is told in the list.
    pub async fn check_all(&self) -> Result<KeyCheck, KeyError> {
        let mut ids: Vec<(KeyId, KeyUse)> = Vec::new();
        ids.extend(self.inner.known.ids().into_iter().map(|id| (id, KeyUse::CertificateAuthority)));
        ids.extend(self.inner.index().ids()?.into_iter().map(|id| (id, KeyUse::Holder)));
        ids.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let checked = ids.len();
        let inner = Arc::clone(&self.inner);
        let check = move |(id, key_use): &(KeyId, KeyUse)| {
            let outcome = match key_use {
                KeyUse::Holder => inner.read_holder(id).map(drop),
                _ => inner.check_authority(id),
            };
            // One that was destroyed meanwhile is no fault.
            match outcome {
                Ok(()) | Err(KeyError::Absent { .. }) => None,
                Err(error) => Some((id.clone(), error)),
            }
        };
        let faults = self.slow.map(ids, TURN, check).await.map_err(|_| KeyError::Closed)?;
        Ok(KeyCheck { checked, faults: faults.into_iter().flatten().collect() })
    }

    /// Makes holders' keys in one pool, and hands them to the writer.
    async fn generate_holders(&self, pool: &Pool, turn: usize, asked: Vec<(usize, KeyRequest)>) -> Vec<Answer> {
        if asked.is_empty() {
            return Vec::new();
        }
        let places: Vec<(usize, KeyId, KeyKind)> =
            asked.iter().map(|(at, request)| (*at, request.id.clone(), request.algorithm.into())).collect();
        let inner = Arc::clone(&self.inner);
        let make = move |(_, request): &(usize, KeyRequest)| inner.make_holder(request);
        let Ok(made) = pool.map(asked, turn, make).await else {
            return places.into_iter().map(|(at, ..)| (at, Err(KeyError::Closed))).collect();
        };
        let mut answers = Vec::with_capacity(places.len());
        let mut kept = Vec::with_capacity(places.len());
        let mut waiting = Vec::with_capacity(places.len());
        for (made, place) in made.into_iter().zip(places) {
            match made {
                Ok(sealed) => {
                    kept.push(sealed);
                    waiting.push(place);
                }
                Err(error) => answers.push((place.0, Err(error))),
            }
        }
        let appended: Vec<Appended> = match self.inner.writer.append(kept).await {
            Ok(appended) => appended,
            Err(_) => waiting.iter().map(|_| Err(KeyError::Closed)).collect(),
        };
        answers.extend(
            appended.into_iter().zip(waiting).map(|(appended, (at, id, kind))| {
                (at, appended.and_then(|(public, _)| expect_kind(&id, public, kind)))
            }),
        );
        answers
    }

    /// The parsed key of each request; those that are not parsed yet are loaded first, each once.
    async fn signers(&self, requests: &[SignRequest]) -> Vec<Result<Arc<dyn Signer>, KeyError>> {
        let known = self.inner.known.signers(requests);
        let mut missing: Vec<KeyId> = known
            .iter()
            .zip(requests)
            .filter(|(known, _)| known.is_none())
            .map(|(_, request)| request.key.clone())
            .collect();
        missing.sort_unstable();
        missing.dedup();
        let mut loaded = HashMap::new();
        if !missing.is_empty() {
            let inner = Arc::clone(&self.inner);
            let load = move |id: &KeyId| (id.clone(), inner.load(id));
            loaded.extend(self.slow.map(missing, 1, load).await.unwrap_or_default());
        }
        known
            .into_iter()
            .zip(requests)
            .map(|(known, request)| match known {
                Some(signer) => Ok(signer),
                None => loaded.get(&request.key).cloned().unwrap_or(Err(KeyError::Closed)),
            })
            .collect()
    }

    async fn generate_authorities(&self, asked: Vec<(usize, KeyRequest)>) -> Vec<Answer> {
        if asked.is_empty() {
            return Vec::new();
        }
        let places: Vec<usize> = asked.iter().map(|(at, _)| *at).collect();
        let inner = Arc::clone(&self.inner);
        let make = move |(at, request): &(usize, KeyRequest)| (*at, inner.make_authority(request));
        match self.slow.map(asked, 1, make).await {
            Ok(made) => made,
            Err(_) => places.into_iter().map(|at| (at, Err(KeyError::Closed))).collect(),
        }
    }
}

/// The answer to the request at a place of a batch.
type Answer = (usize, Result<PublicKey, KeyError>);

/// What [`FileKeyStore::check_all`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCheck {
    /// How many keys were read.
    pub checked: usize,
    /// Those that are not sound, and why.
    pub faults: Vec<(KeyId, KeyError)>,
}

#[async_trait]
impl KeyStore for FileKeyStore {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        let mut answers: Vec<Result<PublicKey, KeyError>> = requests.iter().map(|_| Err(KeyError::Closed)).collect();
        let (mut fast, mut slow, mut authorities) = (Vec::new(), Vec::new(), Vec::new());
        for (at, request) in requests.iter().enumerate() {
            let lane = match (request.key_use, request.algorithm.family()) {
                (KeyUse::Holder, Family::Rsa) => &mut slow,
                (KeyUse::Holder, _) => &mut fast,
                _ => &mut authorities,
            };
            lane.push((at, request.clone()));
        }
        let mut told = self.generate_authorities(authorities).await;
        told.extend(self.generate_holders(&self.signing, TURN, fast).await);
        told.extend(self.generate_holders(&self.slow, 1, slow).await);
        for (at, answer) in told {
            if let Some(place) = answers.get_mut(at) {
                *place = answer;
            }
        }
        answers
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        let inner = Arc::clone(&self.inner);
        let import = move |(id, key): &(KeyId, PrivateKey)| inner.import_authority(id, key);
        the_one(self.slow.map(vec![(id.clone(), key)], 1, import)).await?
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        let known = self.signers(requests).await;
        let fast = |signer: &Arc<dyn Signer>| matches!(signer.public_key().kind(), KeyKind::P256 | KeyKind::Ed25519);
        let all_fast = known.iter().flatten().all(fast);
        let jobs: Vec<_> = known.into_iter().zip(requests.iter().cloned()).collect();
        let sign = |(signer, request): &(Result<Arc<dyn Signer>, KeyError>, SignRequest)| {
            let signer = signer.as_ref().map_err(KeyError::clone)?;
            let known = request.sha256.as_ref();
            signer.sign_known(request.algorithm, &request.message, known).map_err(|error| sign_error(request, &error))
        };
        let answers = match (all_fast, jobs.len()) {
            (true, 1) => self.signing.map_small(jobs, sign).await,
            (true, _) => self.signing.map(jobs, TURN, sign).await,
            (false, _) => self.signing.map(jobs, 1, sign).await,
        };
        answers.unwrap_or_else(|_| requests.iter().map(|_| Err(KeyError::Closed)).collect())
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        if let Some(at) = self.inner.index().get(&id_octets(id)) {
            return batches::read_public(&self.inner.disk, &id_octets(id), at);
        }
        if let Some(signer) = self.inner.known.signer(id) {
            return Ok(signer.public_key().clone());
        }
        let inner = Arc::clone(&self.inner);
        let load = move |id: &KeyId| inner.load(id).map(|signer| signer.public_key().clone());
        the_one(self.slow.map(vec![id.clone()], 1, load)).await?
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let mut entries = self.inner.known.entries();
        entries.extend(self.inner.index().entries()?);
        entries.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Ok(entries)
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        let inner = Arc::clone(&self.inner);
        let destroy = move |id: &KeyId| inner.destroy_authority(id);
        the_one(self.slow.map(vec![id.clone()], 1, destroy)).await??;
        self.inner.writer.destroy(id_octets(id)).await.map_err(|_| KeyError::Closed)?
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        if self.inner.known.contains(id) {
            return Err(KeyError::NotExportable { id: id.clone() });
        }
        let inner = Arc::clone(&self.inner);
        the_one(self.slow.map(vec![id.clone()], 1, move |id: &KeyId| inner.read_holder(id))).await?
    }
}

impl std::fmt::Debug for FileKeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileKeyStore({})", self.inner.disk.path("").display())
    }
}

/// The only answer of a piece of work with one input.
async fn the_one<T>(answer: oneshot::Receiver<Vec<T>>) -> Result<T, KeyError> {
    answer.await.ok().and_then(|mut answers| answers.pop()).ok_or(KeyError::Closed)
}

/// Locks the directory; whoever has it already is named.
fn hold(disk: &Disk) -> Result<File, KeyError> {
    let mut file = disk.open("lock")?;
    let failed = |error: std::io::Error| disk.failed("locking", "lock", &error);
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(file.read_to_string(&mut holder));
            return Err(KeyError::InUse {
                place: disk.path("").display().to_string(),
                process: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(disk.path("")) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & 0o077 != 0 {
            tracing::warn!(directory = %disk.path("").display(), "the key store's directory is open to others");
        }
    }
    let mut sign = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    sign().map_err(failed)?;
    Ok(file)
}
