//! One record of a batch file: a holder's key, sealed.
//!
//! All numbers are big-endian. A batch file begins with 16 octets: `PCAKEYS1` and the number of the batch.
//!
//! | at | octets | what |
//! |---|---|---|
//! | 0 | 4 | length of the body |
//! | 4 | 10 | the key id, as the octets that its text stands for |
//! | 14 | 8 | when the key was made: microseconds since 1970 |
//! | 22 | 2 | length of the public key |
//! | 24 | 8 | how much of the file was durable when this was written |
//! | 32 | 4 | check of the head: SHA-256 over a tag, batch number, offset and the octets above, cut |
//! | 36 | 1 | state: `4c` alive, `b3` destroyed; every bit differs |
//! | 37 | 12 | nonce, random |
//! | 49 | | the public key (SubjectPublicKeyInfo), in clear |
//! | | | PKCS#8 under AES-256-GCM with the master key, and its tag; id, time and public key are associated data |
//! | | 8 | check of the body: SHA-256 over a tag, the head and the body so far, cut |
//!
//! Destroying writes the state, syncs, and zeroes the rest of the body. A record without body is a seal: what stands
//! before it was durable.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use pca_core::keys::{KeyError, KeyId, PrivateKey, PublicKey};
use pca_core::log::{base32, from_base32};
use sha2::{Digest as _, Sha256};

use super::header::{MasterKey, draw};

/// The length of a batch file's header.
pub(super) const FILE_HEADER: u64 = 16;
/// The length of a record's head.
pub(super) const HEAD: usize = 36;
/// The largest body: a record is small, so that a wrong length is seen at once.
pub(super) const MAX_BODY: u32 = 64 * 1024;

const MAGIC: &[u8; 8] = b"PCAKEYS1";
pub(super) const ALIVE: u8 = 0x4c;
pub(super) const DESTROYED: u8 = 0xb3;
const CHECK: usize = 8;
const PUBLIC_KEY: usize = 13;

/// A key id as the ten octets that its text stands for.
pub(super) type IdOctets = [u8; 10];

/// The octets of an id.
pub(super) fn id_octets(id: &KeyId) -> IdOctets {
    // Every `KeyId` has sixteen characters of base 32; the fallback is never met.
    id.as_str().strip_prefix("key_").and_then(from_base32).and_then(|octets| octets.try_into().ok()).unwrap_or_default()
}

/// The id of octets.
pub(super) fn id_of(octets: &IdOctets) -> Result<KeyId, KeyError> {
    format!("key_{}", base32(octets))
        .parse()
        .map_err(|_| KeyError::Damaged { detail: "a key id cannot be read".into() })
}

/// The first octets of a batch file.
pub(super) fn file_header(batch: u64) -> Vec<u8> {
    [&MAGIC[..], &batch.to_be_bytes()].concat()
}

/// A key that is sealed, but has no place yet.
pub(super) struct Sealed {
    pub(super) id: IdOctets,
    pub(super) created: i64,
    pub(super) public: PublicKey,
    body: Vec<u8>,
}

/// Seals records and opens them.
pub(super) struct Sealer(Aes256Gcm);

impl Sealer {
    pub(super) fn new(master: &MasterKey) -> Result<Self, KeyError> {
        Aes256Gcm::new_from_slice(master.as_slice())
            .map(Self)
            .map_err(|_| KeyError::Backend { detail: "AES-256-GCM failed".into() })
    }

    pub(super) fn seal(&self, id: &KeyId, created: i64, key: &PrivateKey) -> Result<Sealed, KeyError> {
        let id = id_octets(id);
        let spki = key.public_key().spki_der();
        let nonce: [u8; 12] = draw()?;
        let associated = associated(&id, created, spki);
        let payload = Payload { msg: key.pkcs8_der(), aad: &associated };
        let secret = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| KeyError::Backend { detail: "sealing a key failed".into() })?;
        let mut body = Vec::with_capacity(PUBLIC_KEY + spki.len() + secret.len() + CHECK);
        body.push(ALIVE);
        body.extend_from_slice(&nonce);
        body.extend_from_slice(spki);
        body.extend_from_slice(&secret);
        Ok(Sealed { id, created, public: key.public_key().clone(), body })
    }

    /// Opens a whole record that was found alive.
    pub(super) fn open(&self, head: &Head, body: &[u8], place: &str) -> Result<PrivateKey, KeyError> {
        let damaged = |why: &str| KeyError::Damaged { detail: format!("{place}: {why}") };
        let spki = public_part(head, body).ok_or_else(|| damaged("the record is too short"))?;
        let secret = body
            .get(PUBLIC_KEY + spki.len()..body.len().saturating_sub(CHECK))
            .ok_or_else(|| damaged("the record is too short"))?;
        let nonce: [u8; 12] =
            body.get(1..PUBLIC_KEY).and_then(|nonce| nonce.try_into().ok()).ok_or_else(|| damaged("no nonce"))?;
        let associated = associated(&head.id, head.created, spki);
        let plain = self
            .0
            .decrypt(&Nonce::from(nonce), Payload { msg: secret, aad: &associated })
            .map(zeroize::Zeroizing::new)
            .map_err(|_| damaged("the key does not open under the master key"))?;
        let key = PrivateKey::from_pkcs8_der(&plain).map_err(|error| damaged(&error.to_string()))?;
        if key.public_key().spki_der() != spki {
            return Err(damaged("the private key is not the public key's"));
        }
        Ok(key)
    }
}

impl Sealed {
    /// Appends the record, given its place, and answers the length of it.
    pub(super) fn write(&self, out: &mut Vec<u8>, batch: u64, offset: u64, durable: u64) -> u32 {
        let body_len = u32::try_from(self.body.len() + CHECK).unwrap_or(u32::MAX);
        let spki_len = u16::try_from(self.public.spki_der().len()).unwrap_or(u16::MAX);
        let head = Head { body_len, id: self.id, created: self.created, spki_len, durable };
        let octets = head.to_octets(batch, offset);
        out.extend_from_slice(&octets);
        out.extend_from_slice(&self.body);
        out.extend_from_slice(&check_of_body(&octets, &self.body));
        body_len
    }
}

/// What stands before a body.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) body_len: u32,
    pub(super) id: IdOctets,
    pub(super) created: i64,
    pub(super) spki_len: u16,
    pub(super) durable: u64,
}

impl Head {
    /// A seal: what stands before it was durable.
    pub(super) fn seal(batch: u64, offset: u64) -> [u8; HEAD] {
        Self { body_len: 0, id: [0; 10], created: 0, spki_len: 0, durable: offset }.to_octets(batch, offset)
    }

    fn to_octets(self, batch: u64, offset: u64) -> [u8; HEAD] {
        let mut octets = [0; HEAD];
        let fields = self
            .body_len
            .to_be_bytes()
            .into_iter()
            .chain(self.id)
            .chain(self.created.to_be_bytes())
            .chain(self.spki_len.to_be_bytes())
            .chain(self.durable.to_be_bytes());
        octets.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        let check = check_of_head(&octets, batch, offset);
        octets.iter_mut().skip(HEAD - 4).zip(check).for_each(|(to, from)| *to = from);
        octets
    }

    /// Reads a head whose check fits its place.
    pub(super) fn read(octets: &[u8], batch: u64, offset: u64) -> Option<Self> {
        let octets = octets.first_chunk::<HEAD>()?;
        let head = Self {
            body_len: u32::from_be_bytes(*octets.first_chunk()?),
            id: *octets.get(4..)?.first_chunk()?,
            created: i64::from_be_bytes(*octets.get(14..)?.first_chunk()?),
            spki_len: u16::from_be_bytes(*octets.get(22..)?.first_chunk()?),
            durable: u64::from_be_bytes(*octets.get(24..)?.first_chunk()?),
        };
        let plausible = head.body_len <= MAX_BODY && head.durable <= offset;
        (plausible && check_of_head(octets, batch, offset)[..] == octets[HEAD - 4..]).then_some(head)
    }
}

/// Whether a living body is whole.
pub(super) fn is_whole(head: &[u8], body: &[u8]) -> bool {
    body.split_last_chunk::<CHECK>().is_some_and(|(covered, check)| check_of_body(head, covered) == *check)
}

/// The SubjectPublicKeyInfo in a body.
pub(super) fn public_part<'a>(head: &Head, body: &'a [u8]) -> Option<&'a [u8]> {
    body.get(PUBLIC_KEY..PUBLIC_KEY + usize::from(head.spki_len))
}

fn associated(id: &IdOctets, created: i64, spki: &[u8]) -> Vec<u8> {
    [&b"pca holder key 1\0"[..], id, &created.to_be_bytes(), spki].concat()
}

fn check_of_head(octets: &[u8; HEAD], batch: u64, offset: u64) -> [u8; 4] {
    let mut hash = Sha256::new();
    hash.update(b"pca key record head\0");
    hash.update(batch.to_be_bytes());
    hash.update(offset.to_be_bytes());
    hash.update(&octets[..HEAD - 4]);
    let digest: [u8; 32] = hash.finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn check_of_body(head: &[u8], body: &[u8]) -> [u8; CHECK] {
    let mut hash = Sha256::new();
    hash.update(b"pca key record body\0");
    hash.update(head);
    hash.update(body);
    let digest: [u8; 32] = hash.finalize().into();
    let mut check = [0; CHECK];
    check.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    check
}
