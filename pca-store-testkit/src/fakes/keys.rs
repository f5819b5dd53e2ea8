//! A key store whose signatures cost nothing and prove nothing.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use pca_core::keys::{
    Algorithm, KeyEntry, KeyError, KeyId, KeyKind, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature,
    SignatureAlgorithm,
};
use pca_core::log::{Digest, Timestamp};
use pca_core::ports::KeyStore;

/// Makes keys that follow from their ids, and signs with octets that follow from key and message; clones are the same
/// store.
///
/// Public keys are real for elliptic curves: they can stand in certificates, and holders' keys can be exported. An RSA
/// key is a modulus that nobody knows the factors of, and cannot be exported. A signature has the form that its
/// algorithm asks for and verifies under no key; [`is_signature`](Self::is_signature) tells it.
#[derive(Clone, Debug, Default)]
pub struct FakeKeyStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    keys: BTreeMap<KeyId, Kept>,
    signatures: u64,
    failure: Option<KeyError>,
    /// By how much each batch is slower than the last one, and how slow that was.
    slower: u32,
    polls: u32,
}

#[derive(Clone, Debug)]
struct Kept {
    public: PublicKey,
    private: Option<PrivateKey>,
    key_use: KeyUse,
    imported: bool,
}

impl FakeKeyStore {
    /// Without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many signatures it made.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.shared().signatures
    }

    /// Lets each batch of signatures be handed out only when it has been looked for this many times more often than the batch
    /// before, as by a device that works through what it is asked for; 0 ends that.
    pub fn slow_down(&self, polls: u32) {
        let mut shared = self.shared();
        (shared.slower, shared.polls) = (polls, 0);
    }

    /// Lets every call fail until it is told otherwise.
    pub fn fail(&self, failure: Option<KeyError>) {
        self.shared().failure = failure;
    }

    /// Whether a fake key store makes this signature with this key.
    #[must_use]
    pub fn is_signature(key: &PublicKey, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        signed(key, algorithm, message) == signature
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, Shared>, KeyError> {
        let shared = self.shared();
        match &shared.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(shared),
        }
    }

    fn make(&self, request: &KeyRequest) -> Result<PublicKey, KeyError> {
        let mut shared = self.working()?;
        if let Some(kept) = shared.keys.get(&request.id) {
            let made = !kept.imported && kept.key_use == request.key_use;
            let same = made && kept.public.algorithm() == Some(request.algorithm);
            return if same { Ok(kept.public.clone()) } else { Err(KeyError::IdTaken { id: request.id.clone() }) };
        }
        let unsupported = KeyError::Unsupported { algorithm: request.algorithm };
        let (public, private) = derived(&request.id, request.algorithm).ok_or(unsupported)?;
        let kept = Kept { public: public.clone(), private, key_use: request.key_use, imported: false };
        shared.keys.insert(request.id.clone(), kept);
        Ok(public)
    }

    fn sign_one(&self, request: &SignRequest) -> Result<Signature, KeyError> {
        let mut shared = self.working()?;
        let kept = shared.keys.get(&request.key).ok_or(KeyError::Absent { id: request.key.clone() })?;
        if !kept.public.kind().can_sign(request.algorithm) {
            return Err(KeyError::AlgorithmMismatch { id: request.key.clone(), algorithm: request.algorithm });
        }
        let signature = signed(&kept.public, request.algorithm, &request.message);
        shared.signatures = shared.signatures.saturating_add(1);
        Ok(signature)
    }
}

#[async_trait]
impl KeyStore for FakeKeyStore {
    async fn generate(&self, requests: &[KeyRequest]) -> Vec<Result<PublicKey, KeyError>> {
        requests.iter().map(|request| self.make(request)).collect()
    }

    async fn import(&self, id: &KeyId, key: PrivateKey) -> Result<PublicKey, KeyError> {
        let mut shared = self.working()?;
        let public = key.public_key().clone();
        match shared.keys.get(id) {
            Some(kept) if kept.public == public && kept.key_use == KeyUse::CertificateAuthority => Ok(public),
            Some(_) => Err(KeyError::IdTaken { id: id.clone() }),
            None => {
                let (private, key_use) = (Some(key), KeyUse::CertificateAuthority);
                shared.keys.insert(id.clone(), Kept { public: public.clone(), private, key_use, imported: true });
                Ok(public)
            }
        }
    }

    async fn sign(&self, requests: &[SignRequest]) -> Vec<Result<Signature, KeyError>> {
        let signed = requests.iter().map(|request| self.sign_one(request)).collect();
        let mut polls = {
            let mut shared = self.shared();
            shared.polls = shared.polls.saturating_add(shared.slower);
            shared.polls
        };
        poll_fn(|context| {
            if polls == 0 {
                return Poll::Ready(());
            }
            polls -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        signed
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, KeyError> {
        let shared = self.working()?;
        shared.keys.get(id).map(|kept| kept.public.clone()).ok_or(KeyError::Absent { id: id.clone() })
    }

    async fn list(&self) -> Result<Vec<KeyEntry>, KeyError> {
        let shared = self.working()?;
        let entry =
            |(id, kept): (&KeyId, &Kept)| KeyEntry { id: id.clone(), key_use: kept.key_use, created: Timestamp::EPOCH };
        Ok(shared.keys.iter().map(entry).collect())
    }

    async fn destroy(&self, id: &KeyId) -> Result<(), KeyError> {
        self.working()?.keys.remove(id);
        Ok(())
    }

    async fn export(&self, id: &KeyId) -> Result<PrivateKey, KeyError> {
        let shared = self.working()?;
        let kept = shared.keys.get(id).ok_or(KeyError::Absent { id: id.clone() })?;
        match (kept.key_use, &kept.private) {
            (KeyUse::Holder, Some(private)) => Ok(private.clone()),
            (KeyUse::Holder, None) => {
                let detail = format!("{id} is a fake RSA key, which has no private half");
                Err(KeyError::Backend { detail })
            }
            _ => Err(KeyError::NotExportable { id: id.clone() }),
        }
    }
}

/// As many octets as are wanted, following from a seed.
fn stretched(seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0_u32..).map(|block| *Digest::of(&[seed, &block.to_be_bytes()].concat()).as_bytes());
    blocks.flatten().take(length).collect()
}

fn signed(key: &PublicKey, algorithm: SignatureAlgorithm, message: &[u8]) -> Signature {
    let seed = [key.digest().as_bytes().as_slice(), format!("{algorithm:?}").as_bytes(), message].concat();
    match key.kind() {
        KeyKind::Rsa { modulus_bits } => {
            let length = usize::try_from(modulus_bits.div_ceil(8)).unwrap_or(256);
            // Below any modulus.
            core::iter::once(0).chain(stretched(&seed, length.saturating_sub(1))).collect()
        }
        KeyKind::P256 => ecdsa_value(&seed, 32),
        KeyKind::P384 => ecdsa_value(&seed, 48),
        KeyKind::P521 => ecdsa_value(&seed, 65),
        _ => stretched(&seed, 64),
    }
}

/// An Ecdsa-Sig-Value of RFC 3279 section 2.2.3 with two positive integers of a length.
fn ecdsa_value(seed: &[u8], length: usize) -> Vec<u8> {
    let octets = stretched(seed, length.saturating_mul(2));
    let (one, other) = octets.split_at(length);
    let integer = |octets: &[u8]| {
        let first = octets.first().map(|octet| octet & 0x3f | 0x40);
        let octets: Vec<u8> = first.into_iter().chain(octets.iter().skip(1).copied()).collect();
        tlv(0x02, &octets)
    };
    tlv(0x30, &[integer(one), integer(other)].concat())
}

/// A key that follows from its id.
fn derived(id: &KeyId, algorithm: Algorithm) -> Option<(PublicKey, Option<PrivateKey>)> {
    const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
    const P521: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
    const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
    let seed = [id.as_str().as_bytes(), algorithm.name().as_bytes()].concat();
    let elliptic = |curve, length| {
        // Without its first bit the scalar is below the order of any of the curves.
        let mut scalar = stretched(&seed, length);
        scalar.iter_mut().take(1).for_each(|first| *first = if length == 66 { 0 } else { *first & 0x7f });
        pkcs8(curve, &tlv(0x30, &[b"\x02\x01\x01".to_vec(), tlv(0x04, &scalar)].concat()))
    };
    let pkcs8 = match algorithm {
        Algorithm::Rsa2048 => return Some((rsa(&seed, 256)?, None)),
        Algorithm::Rsa3072 => return Some((rsa(&seed, 384)?, None)),
        Algorithm::Rsa4096 => return Some((rsa(&seed, 512)?, None)),
        Algorithm::EcdsaP256 => elliptic(P256, 32),
        Algorithm::EcdsaP384 => elliptic(P384, 48),
        Algorithm::EcdsaP521 => elliptic(P521, 66),
        Algorithm::Ed25519 => pkcs8(ED25519, &tlv(0x04, &stretched(&seed, 32))),
        _ => return None,
    };
    let private = PrivateKey::from_pkcs8_der(&pkcs8).ok()?;
    Some((private.public_key().clone(), Some(private)))
}

/// A public key with a modulus of a length in octets.
fn rsa(seed: &[u8], length: usize) -> Option<PublicKey> {
    const ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let mut modulus = stretched(seed, length);
    modulus.iter_mut().take(1).for_each(|first| *first |= 0x80);
    modulus.iter_mut().last().into_iter().for_each(|last| *last |= 1);
    let modulus = [&[0], modulus.as_slice()].concat();
    let key = tlv(0x30, &[tlv(0x02, &modulus), tlv(0x02, &[1, 0, 1])].concat());
    let bits = tlv(0x03, &[&[0], key.as_slice()].concat());
    PublicKey::from_spki_der(&tlv(0x30, &[ALGORITHM, &bits].concat())).ok()
}

/// PKCS#8 of RFC 5958, version 1.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    tlv(0x30, &[b"\x02\x01\x00".to_vec(), tlv(0x30, algorithm), tlv(0x04, key)].concat())
}

/// Tag, length and contents in DER, up to 65535 octets.
fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), contents].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pca_core::keys::software;
    use pca_core::log::CommitId;
    use pollster::block_on;

    fn request(ordinal: u32, algorithm: Algorithm, key_use: KeyUse) -> KeyRequest {
        KeyRequest { id: KeyId::derive(&CommitId::from_idempotency_key("fake"), ordinal), algorithm, key_use }
    }

    #[test]
    fn keys_of_every_algorithm_follow_from_their_ids() {
        for (ordinal, algorithm) in (0..).zip(Algorithm::ALL) {
            let request = request(ordinal, algorithm, KeyUse::Holder);
            let (store, other) = (FakeKeyStore::new(), FakeKeyStore::new());
            let key = block_on(store.generate(core::slice::from_ref(&request))).pop().unwrap().unwrap();
            assert_eq!(key.algorithm(), Some(algorithm));
            assert_eq!(block_on(other.generate(core::slice::from_ref(&request))), [Ok(key.clone())]);
            let sign = SignRequest {
                key: request.id.clone(),
                algorithm: key.signature_algorithm(),
                message: b"message".as_slice().into(),
                sha256: None,
            };
            let signature = block_on(store.sign(core::slice::from_ref(&sign))).pop().unwrap().unwrap();
            assert_eq!(block_on(other.sign(core::slice::from_ref(&sign))), [Ok(signature.clone())]);
            assert!(FakeKeyStore::is_signature(&key, sign.algorithm, b"message", &signature));
            assert!(!FakeKeyStore::is_signature(&key, sign.algorithm, b"another", &signature));
            assert!(software::verify(&key, sign.algorithm, b"message", &signature).is_err(), "it proves nothing");
            let export = block_on(store.export(&request.id));
            assert_eq!(export.is_ok(), key.family() == pca_core::keys::Family::Ecc, "{export:?}");
            assert_eq!(export.map_or(key.clone(), |private| private.public_key().clone()), key);
        }
    }

    #[test]
    fn the_port_is_kept() {
        let store = FakeKeyStore::new();
        let ca = request(0, Algorithm::EcdsaP256, KeyUse::CertificateAuthority);
        let other = KeyRequest { algorithm: Algorithm::Ed25519, ..ca.clone() };
        let answers = block_on(store.generate(&[ca.clone(), ca.clone(), other]));
        assert_eq!(answers.first(), answers.get(1));
        assert_eq!(answers.get(2), Some(&Err(KeyError::IdTaken { id: ca.id.clone() })));
        assert!(matches!(block_on(store.export(&ca.id)), Err(KeyError::NotExportable { .. })));
        assert_eq!(block_on(store.list()).unwrap().len(), 1);
        block_on(store.destroy(&ca.id)).unwrap();
        block_on(store.destroy(&ca.id)).unwrap();
        assert!(matches!(block_on(store.public_key(&ca.id)), Err(KeyError::Absent { .. })));
        store.fail(Some(KeyError::Closed));
        assert_eq!(block_on(store.list()), Err(KeyError::Closed));
    }
}
