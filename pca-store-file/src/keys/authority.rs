//! The keys of certificate authorities: one file each, encrypted PKCS#8 directly under the store's passphrase, so that
//! `openssl pkey -in key_….pem` reads it. A key that was imported has the line `imported` before its block: text outside
//! of blocks is comment to every reader of PEM (RFC 7468 section 2), and stands or falls with the file.
//!
//! **Changing the passphrase** writes every key anew beside its file (`key_….pem.next-2`), then a header beside the
//! header (`store.next`); from here the old and the new passphrase both open the store. Then the new header takes the
//! place of the old, and each new file the place of its old one; what they replace is wiped. Whoever opens the store
//! with the new passphrase, or after the header was put in place, finishes what is left. The master key of holders'
//! keys stays the same: an old passphrase still opens an old *copy* of the whole directory, and no more than that.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use pca_core::keys::software::{Backend, Signer};
use pca_core::keys::{
    Encryption, ImportError, KeyDerivation, KeyEntry, KeyError, KeyId, KeyKind, KeyUse, PrivateKey, PublicKey,
    SignRequest,
};
use pca_core::log::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::disk::Disk;
use super::header::{Header, MasterKey, check_passphrase, draw, draw_master};

const HEADER: &str = "store";
const NEXT_HEADER: &str = "store.next";
/// What stands before the block of a key that was imported.
const IMPORTED: &str = "imported\n";

/// Where a key of a certificate authority comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was made here.
    Made,
    /// It was brought: it answers no request to make one.
    Imported,
}

/// What is known of the keys of certificate authorities without asking the disk. Its lock is never held for long, so that
/// signing does not wait for a key derivation.
#[derive(Default)]
pub(super) struct Known(RwLock<HashMap<KeyId, Authority>>);

#[derive(Clone)]
struct Authority {
    created: SystemTime,
    /// The parsed key, from its first use on.
    parsed: Option<Parsed>,
}

/// A key that was read.
#[derive(Clone)]
pub(super) struct Parsed {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) origin: Origin,
}

impl Parsed {
    fn signer(&self) -> Arc<dyn Signer> {
        Arc::clone(&self.signer)
    }
}

impl Known {
    pub(super) fn contains(&self, id: &KeyId) -> bool {
        self.read().contains_key(id)
    }

    pub(super) fn signer(&self, id: &KeyId) -> Option<Arc<dyn Signer>> {
        self.read().get(id)?.parsed.as_ref().map(Parsed::signer)
    }

    /// The signer of each request, where it is parsed already.
    pub(super) fn signers(&self, requests: &[SignRequest]) -> Vec<Option<Arc<dyn Signer>>> {
        let known = self.read();
        requests.iter().map(|request| known.get(&request.key)?.parsed.as_ref().map(Parsed::signer)).collect()
    }

    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.read().keys().cloned().collect()
    }

    pub(super) fn entries(&self) -> Vec<KeyEntry> {
        let entry = |(id, key): (&KeyId, &Authority)| {
            let since = key.created.duration_since(UNIX_EPOCH).unwrap_or_default();
            let created = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
            KeyEntry { id: id.clone(), key_use: KeyUse::CertificateAuthority, created }
        };
        self.read().iter().map(entry).collect()
    }

    /// As if the key had ended long ago.
    #[cfg(test)]
    pub(super) fn forget(&self, id: &KeyId) {
        self.write().remove(id);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<KeyId, Authority>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<KeyId, Authority>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of certificate authorities' keys. Whoever reads or changes them holds the lock that this lies under.
pub(super) struct Authorities {
    disk: Arc<Disk>,
    backend: &'static dyn Backend,
    passphrase: SecretString,
    log2_cost: u8,
    generation: u64,
    /// An unfinished change of the passphrase: its generation.
    pending: Option<u64>,
    /// Set when a change of the passphrase failed past its point of no return.
    broken: bool,
    known: Arc<Known>,
}

impl Authorities {
    /// Makes a header with a new master key.
    pub(super) fn create(disk: &Disk, passphrase: &SecretString, log2_cost: u8) -> Result<(), KeyError> {
        check_passphrase(passphrase)?;
        if disk.exists(HEADER)? || disk.exists(NEXT_HEADER)? {
            return Err(KeyError::Backend {
                detail: format!("there is a key store at {} already", disk.path("").display()),
            });
        }
        let header = Header::wrap(&draw_master()?, passphrase, 1, log2_cost)?;
        disk.write(HEADER, header.to_text().as_bytes(), None)
    }

    /// Opens with the passphrase, or with that of an unfinished change, which is then finished.
    pub(super) fn open(
        disk: Arc<Disk>,
        backend: &'static dyn Backend,
        passphrase: SecretString,
        log2_cost: u8,
    ) -> Result<(Self, MasterKey), KeyError> {
        let header = disk.read(HEADER)?.ok_or_else(|| KeyError::Backend {
            detail: format!("there is no key store at {}", disk.path("").display()),
        })?;
        let mut header = Header::parse(&header)?;
        let mut next = disk.read(NEXT_HEADER)?.map(|next| Header::parse(&next)).transpose()?;
        let master = match (header.unwrap(&passphrase), &next) {
            (Err(KeyError::WrongPassphrase), Some(other)) => {
                let master = other.unwrap(&passphrase)?;
                disk.rename(NEXT_HEADER, HEADER)?;
                header.generation = other.generation;
                next = None;
                master
            }
            (outcome, _) => outcome?,
        };
        let opened = Self {
            disk,
            backend,
            passphrase,
            log2_cost,
            generation: header.generation,
            pending: next.map(|next| next.generation),
            broken: false,
            known: Arc::default(),
        };
        opened.tidy()?;
        for name in opened.disk.names()? {
            if let Some(id) = name.strip_suffix(".pem").and_then(|id| id.parse::<KeyId>().ok()) {
                let created = opened.disk.modified(&name)?;
                opened.known.write().insert(id, Authority { created, parsed: None });
            }
        }
        Ok((opened, master))
    }

    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    /// The parsed key; decrypted at first use.
    pub(super) fn parsed(&self, id: &KeyId) -> Result<Parsed, KeyError> {
        let known = self.known.read().get(id).cloned().ok_or_else(|| KeyError::Absent { id: id.clone() })?;
        if let Some(parsed) = known.parsed {
            return Ok(parsed);
        }
        let (key, origin) = self.read(id)?;
        let parsed = Parsed { signer: self.parse(id, &key)?, origin };
        self.keep(id, known.created, &parsed);
        Ok(parsed)
    }

    /// Reads a key's file again, whatever is remembered of it.
    pub(super) fn read(&self, id: &KeyId) -> Result<(PrivateKey, Origin), KeyError> {
        // In between the two halves of a change, the newer file counts.
        let newer = self.disk.read(&next_name(id, self.generation))?;
        let file = match newer {
            Some(file) => file,
            None => self.disk.read(&name(id))?.ok_or_else(|| KeyError::Absent { id: id.clone() })?,
        };
        let damaged =
            |why: String| KeyError::Damaged { detail: format!("{}{why}", self.disk.path(&name(id)).display()) };
        let (block, origin) = match file.strip_prefix(IMPORTED.as_bytes()) {
            Some(block) => (block, Origin::Imported),
            None => (file.as_slice(), Origin::Made),
        };
        // Nothing but a whole mark may stand before the block: half a mark is damage, and not a key that was made here.
        if !block.starts_with(b"-----BEGIN ") {
            return Err(damaged(": it does not begin with a key".into()));
        }
        let key = PrivateKey::import(block, Some(self.passphrase.expose_secret().as_bytes())).map_err(|error| {
            damaged(match error {
                ImportError::WrongPassphrase => " does not open under the store's passphrase".into(),
                error => format!(": {error}"),
            })
        })?;
        Ok((key, origin))
    }

    /// Takes in a key, unless one is there; the answer is the one that is there now.
    pub(super) fn insert(&self, id: &KeyId, key: &PrivateKey, origin: Origin) -> Result<Parsed, KeyError> {
        if self.known.contains(id) {
            return self.parsed(id);
        }
        if self.pending.is_some() {
            return Err(KeyError::PassphraseChangeUnfinished);
        }
        self.usable()?;
        let parsed = Parsed { signer: self.parse(id, key)?, origin };
        let file = self.encrypt(key, origin, &self.passphrase)?;
        self.disk.write(&name(id), file.as_bytes(), None)?;
        let created = self.disk.modified(&name(id))?;
        self.keep(id, created, &parsed);
        Ok(parsed)
    }

    /// Ends a key; an absent one is success. Every file of it ends, also what an interrupted change of the passphrase or
    /// a failed writing left: else a later change would bring it back.
    pub(super) fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        let name = name(id);
        let known = match self.known.write().get_mut(id) {
            None => false,
            Some(known) => {
                // First no more signatures, then no more key.
                known.parsed = None;
                true
            }
        };
        // Only what was known was ever written again beside its file: no need to list the directory for holders' keys.
        let temporary = format!("{name}.tmp");
        let mut files = if known { self.disk.names()? } else { vec![name.clone(), temporary] };
        files.retain(|file| file.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        // The key's own file last: as long as anything is left, opening finds that there is something to end.
        files.sort_unstable_by(|one, other| other.cmp(one));
        for file in files {
            if known || self.disk.exists(&file)? {
                self.disk.destroy(&file)?;
            }
        }
        self.known.write().remove(id);
        Ok(())
    }

    /// Puts every key, and the master key, under another passphrase. If it fails half way, run it again: until it ends,
    /// the old and the new passphrase both open the store.
    pub(super) fn change_passphrase(&mut self, new: SecretString, master: &MasterKey) -> Result<(), KeyError> {
        check_passphrase(&new)?;
        self.usable()?;
        let generation = self.generation.max(self.pending.unwrap_or_default()).saturating_add(1);
        let keys: Vec<_> = self.known.read().iter().map(|(id, known)| (id.clone(), known.created)).collect();
        for (id, created) in keys {
            let (key, origin) = self.read(&id)?;
            let file = self.encrypt(&key, origin, &new)?;
            self.disk.write(&next_name(&id, generation), file.as_bytes(), Some(created))?;
        }
        let header = Header::wrap(master, &new, generation, self.log2_cost)?;
        // From here on, what is on the disk is only known again when this succeeds: a write that fails may have been done.
        self.pending = Some(generation);
        self.broken = true;
        self.disk.write(NEXT_HEADER, header.to_text().as_bytes(), None)?;
        self.disk.rename(NEXT_HEADER, HEADER)?;
        self.generation = generation;
        self.pending = None;
        self.passphrase = new;
        self.tidy()?;
        self.broken = false;
        Ok(())
    }

    /// Finishes the second half of a change of the passphrase, and removes what an interrupted first half left.
    fn tidy(&self) -> Result<(), KeyError> {
        for file in self.disk.names()? {
            if file.ends_with(".tmp") {
                self.disk.destroy(&file)?;
                continue;
            }
            let Some((key, generation)) = file.split_once(".next-") else { continue };
            let generation = generation.parse().ok();
            if generation == Some(self.generation) {
                // One whose key was destroyed meanwhile must not bring it back.
                if self.disk.exists(key)? {
                    self.disk.rename(&file, key)?;
                } else {
                    self.disk.destroy(&file)?;
                }
            } else if generation.is_none() || generation != self.pending {
                self.disk.destroy(&file)?;
            }
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), KeyError> {
        if self.broken {
            let detail = "a change of the passphrase failed half way; open the key store again".into();
            return Err(KeyError::Backend { detail });
        }
        Ok(())
    }

    fn parse(&self, id: &KeyId, key: &PrivateKey) -> Result<Arc<dyn Signer>, KeyError> {
        self.backend.signer(key).map_err(|error| KeyError::Damaged { detail: format!("key {id}: {error}") })
    }

    /// A key's file.
    fn encrypt(&self, key: &PrivateKey, origin: Origin, passphrase: &SecretString) -> Result<String, KeyError> {
        let encryption = Encryption {
            derivation: KeyDerivation::Scrypt { log2_cost: self.log2_cost },
            salt: draw()?,
            initialization_vector: draw()?,
        };
        let block = key
            .to_encrypted_pkcs8_pem(passphrase.expose_secret().as_bytes(), &encryption)
            .map_err(|error| KeyError::Backend { detail: error.to_string() })?;
        Ok(match origin {
            Origin::Made => block,
            Origin::Imported => format!("{IMPORTED}{block}"),
        })
    }

    fn keep(&self, id: &KeyId, created: SystemTime, parsed: &Parsed) {
        self.known.write().insert(id.clone(), Authority { created, parsed: Some(parsed.clone()) });
    }
}

/// Answers for the key that lies under an id, if it is what was asked for.
pub(super) fn expect_kind(id: &KeyId, public: PublicKey, kind: KeyKind) -> Result<PublicKey, KeyError> {
    if public.kind() == kind { Ok(public) } else { Err(KeyError::IdTaken { id: id.clone() }) }
}

fn name(id: &KeyId) -> String {
    format!("{id}.pem")
}

fn next_name(id: &KeyId, generation: u64) -> String {
    format!("{id}.pem.next-{generation}")
}
