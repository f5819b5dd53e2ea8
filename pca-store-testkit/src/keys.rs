//! The conformance suite of [`KeyStore`], and a wrapper that breaks a store in ways that the suite must catch.
//!
//! ```ignore
//! pca_store_testkit::keys::conformance(|| MyKeyStore::new(), None).unwrap();
//! ```

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pca_core::keys::software::{default_backend, verify};
use pca_core::keys::{
    Algorithm, KeyEntry, KeyError, KeyId, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature,
    SignatureAlgorithm,
};
use pca_core::log::CommitId;
use pca_core::ports::KeyStore;
use pollster::block_on;

/// Closes a store and opens it again over the same medium.
pub type Reopen<'a, S> = &'a dyn Fn(S) -> S;

/// Checks every rule that a key store must keep, each on a store that `fresh` makes. A store that outlives its process
/// gives `reopen`, and is then checked for durability too.
///
/// # Errors
/// The first rule that is broken, and how.
pub fn conformance<S: KeyStore>(fresh: impl Fn() -> S, reopen: Option<Reopen<'_, S>>) -> Result<(), Violation> {
    generate_repeats(&fresh())?;
    id_taken(&fresh())?;
    import_repeats(&fresh())?;
    algorithm_mismatch(&fresh())?;
    absent(&fresh())?;
    in_order(&fresh())?;
    destroys(&fresh())?;
    exports(&fresh())?;
    lists(&fresh())?;
    signs(&fresh())?;
    concurrent(&fresh())?;
    match reopen {
        Some(reopen) => durable(fresh(), reopen),
        None => Ok(()),
    }
}

/// A rule of key stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Generating with an id that exists answers the key that is there, also within a batch.
    GenerateRepeats,
    /// An id that has another key, of another algorithm or use, is [`KeyError::IdTaken`], and that key stays.
    IdTaken,
    /// Importing the same key again is success; another one is [`KeyError::IdTaken`].
    ImportRepeats,
    /// What a key of any algorithm signs is verified with its public half.
    Signs,
    /// A key signs only as its kind does; else [`KeyError::AlgorithmMismatch`].
    AlgorithmMismatch,
    /// What is asked of a key that is not there is [`KeyError::Absent`].
    Absent,
    /// A batch is answered in order, one answer a request; a failure touches no other request.
    InOrder,
    /// A destroyed key is gone for every question; destroying again is success; other keys stay.
    Destroys,
    /// Holders' keys are handed out, keys of certificate authorities never (rule K1).
    Exports,
    /// The list has every key with its use and age, in the order of ids.
    Lists,
    /// Callers at once get what they would get one after the other.
    Concurrent,
    /// What was answered outlives closing and opening.
    Durable,
}

/// A rule that a key store breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// How it showed.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

impl core::error::Error for Violation {}

fn check(rule: Rule, holds: bool, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, detail: detail() }) }
}

fn expect<T>(rule: Rule, what: &str, outcome: Result<T, KeyError>) -> Result<T, Violation> {
    outcome.map_err(|error| Violation { rule, detail: format!("{what}: {error}") })
}

fn expect_error<T: fmt::Debug>(
    rule: Rule,
    what: &str,
    outcome: Result<T, KeyError>,
    expected: &KeyError,
) -> Result<(), Violation> {
    match outcome {
        Err(error) if error == *expected => Ok(()),
        other => Err(Violation { rule, detail: format!("{what}: {other:?} instead of {expected:?}") }),
    }
}

/// The `number`-th id of the suite.
#[must_use]
pub fn id(number: u32) -> KeyId {
    KeyId::derive(&CommitId::from_idempotency_key("key store conformance"), number)
}

fn request(number: u32, algorithm: Algorithm, key_use: KeyUse) -> KeyRequest {
    KeyRequest { id: id(number), algorithm, key_use }
}

fn generate(store: &impl KeyStore, rule: Rule, request: KeyRequest) -> Result<PublicKey, Violation> {
    let what = format!("generating {} {:?}", request.algorithm, request.key_use);
    let mut answers = block_on(store.generate(&[request]));
    check(rule, answers.len() == 1, || format!("{what}: {} answers to one request", answers.len()))?;
    expect(rule, &what, answers.pop().unwrap_or(Err(KeyError::Closed)))
}

fn sign(store: &impl KeyStore, key: &KeyId, how: SignatureAlgorithm, message: &[u8]) -> Result<Signature, KeyError> {
    let request = SignRequest { key: key.clone(), algorithm: how, message: message.into() };
    block_on(store.sign(&[request])).pop().unwrap_or(Err(KeyError::Closed))
}

fn generate_repeats(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::GenerateRepeats;
    for key_use in [KeyUse::Holder, KeyUse::CertificateAuthority] {
        let number = if key_use == KeyUse::Holder { 0 } else { 1 };
        let first = generate(store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        let second = generate(store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        check(RULE, first == second, || format!("{key_use:?}: {first:?}, then {second:?}"))?;
        let twice = request(10 + number, Algorithm::Ed25519, key_use);
        let answers = block_on(store.generate(&[twice.clone(), twice]));
        check(RULE, answers.len() == 2 && answers.first() == answers.last(), || {
            format!("{key_use:?} twice in a batch: {answers:?}")
        })?;
    }
    Ok(())
}

fn id_taken(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::IdTaken;
    for (number, key_use, other_use) in
        [(0, KeyUse::Holder, KeyUse::CertificateAuthority), (1, KeyUse::CertificateAuthority, KeyUse::Holder)]
    {
        let taken = KeyError::IdTaken { id: id(number) };
        let first = generate(store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        for wrong in [request(number, Algorithm::EcdsaP384, key_use), request(number, Algorithm::EcdsaP256, other_use)]
        {
            let what = format!("{key_use:?}, then {} {:?} under its id", wrong.algorithm, wrong.key_use);
            let outcome = block_on(store.generate(&[wrong])).pop().unwrap_or(Err(KeyError::Closed));
            expect_error(RULE, &what, outcome, &taken)?;
        }
        let there = expect(RULE, "the first key", block_on(store.public_key(&id(number))))?;
        check(RULE, there == first, || format!("{key_use:?}: the first key was replaced"))?;
    }
    Ok(())
}

fn import_repeats(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::ImportRepeats;
    let make = || {
        default_backend()
            .generate(Algorithm::EcdsaP384)
            .map_err(|error| Violation { rule: RULE, detail: format!("making a key to import: {error}") })
    };
    let (key, other) = (make()?, make()?);
    for turn in ["first", "again"] {
        let public = expect(RULE, turn, block_on(store.import(&id(0), key.clone())))?;
        check(RULE, public == *key.public_key(), || format!("{turn}: another public key was answered"))?;
    }
    let taken = KeyError::IdTaken { id: id(0) };
    expect_error(RULE, "another key under the id", block_on(store.import(&id(0), other.clone())), &taken)?;
    generate(store, RULE, request(1, Algorithm::EcdsaP384, KeyUse::Holder))?;
    let taken = KeyError::IdTaken { id: id(1) };
    expect_error(RULE, "a holder's id", block_on(store.import(&id(1), other)), &taken)?;
    let repeated = generate(store, RULE, request(0, Algorithm::EcdsaP384, KeyUse::CertificateAuthority))?;
    check(RULE, repeated == *key.public_key(), || "generating under the id of an import made another key".into())?;
    let how = SignatureAlgorithm::EcdsaSha384;
    let signature = expect(RULE, "signing with an import", sign(store, &id(0), how, b"message"))?;
    check(RULE, verify(key.public_key(), how, b"message", &signature).is_ok(), || "a wrong signature".into())?;
    expect_error(RULE, "exporting an import", block_on(store.export(&id(0))), &KeyError::NotExportable { id: id(0) })
}

fn signs(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Signs;
    for (number, algorithm) in (0..).zip(Algorithm::ALL) {
        for (key_use, first) in [(KeyUse::CertificateAuthority, 0), (KeyUse::Holder, 100)] {
            if key_use == KeyUse::Holder && matches!(algorithm, Algorithm::Rsa3072 | Algorithm::Rsa4096) {
                continue; // Slow to make, and no other code than RSA-2048.
            }
            let id = id(first + number);
            let public = generate(store, RULE, request(first + number, algorithm, key_use))?;
            check(RULE, public.algorithm() == Some(algorithm), || format!("{algorithm} became {}", public.kind()))?;
            let there = expect(RULE, "the public key", block_on(store.public_key(&id)))?;
            check(RULE, there == public, || format!("{algorithm}: another public key than when it was made"))?;
            let how = public.signature_algorithm();
            for turn in 0..3_u8 {
                let message = vec![turn; 700];
                let signature = expect(RULE, &format!("signing with {algorithm}"), sign(store, &id, how, &message))?;
                check(RULE, verify(&public, how, &message, &signature).is_ok(), || {
                    format!("{algorithm} {key_use:?}: a wrong signature")
                })?;
            }
        }
    }
    Ok(())
}

fn algorithm_mismatch(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::AlgorithmMismatch;
    generate(store, RULE, request(0, Algorithm::EcdsaP256, KeyUse::CertificateAuthority))?;
    generate(store, RULE, request(1, Algorithm::Ed25519, KeyUse::Holder))?;
    for (number, algorithm) in [
        (0, SignatureAlgorithm::EcdsaSha384),
        (0, SignatureAlgorithm::RsaPkcs1Sha256),
        (1, SignatureAlgorithm::EcdsaSha256),
        (1, SignatureAlgorithm::RsaPssSha256),
    ] {
        let expected = KeyError::AlgorithmMismatch { id: id(number), algorithm };
        expect_error(RULE, "signing", sign(store, &id(number), algorithm, b"message"), &expected)?;
    }
    Ok(())
}

fn absent(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Absent;
    let expected = KeyError::Absent { id: id(0) };
    expect_error(RULE, "signing", sign(store, &id(0), SignatureAlgorithm::Ed25519, b"message"), &expected)?;
    expect_error(RULE, "the public key", block_on(store.public_key(&id(0))), &expected)?;
    expect_error(RULE, "exporting", block_on(store.export(&id(0))), &expected)?;
    expect(RULE, "destroying", block_on(store.destroy(&id(0))))
}

fn in_order(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::InOrder;
    check(RULE, block_on(store.generate(&[])).is_empty() && block_on(store.sign(&[])).is_empty(), || {
        "an empty batch has answers".into()
    })?;
    let algorithms = [Algorithm::EcdsaP256, Algorithm::Rsa2048, Algorithm::Ed25519, Algorithm::EcdsaP521];
    let requests: Vec<KeyRequest> = (0..)
        .zip(algorithms)
        .flat_map(|(number, algorithm)| {
            [request(number, algorithm, KeyUse::Holder), request(10 + number, algorithm, KeyUse::CertificateAuthority)]
        })
        .collect();
    let publics = block_on(store.generate(&requests));
    check(RULE, publics.len() == requests.len(), || format!("{} answers to {}", publics.len(), requests.len()))?;
    for (request, public) in requests.iter().zip(&publics) {
        let algorithm = public.as_ref().ok().and_then(PublicKey::algorithm);
        check(RULE, algorithm == Some(request.algorithm), || format!("{request:?} answered by {public:?}"))?;
    }
    // Every message by another key than the one before, every fifth by a key that is not there.
    let asked: Vec<(SignRequest, Option<&PublicKey>)> = (0..200_usize)
        .map(|turn| {
            let at = turn % requests.len();
            let (request, public) = (requests.get(at), publics.get(at).and_then(|public| public.as_ref().ok()));
            let absent = turn % 5 == 4;
            let key = request.filter(|_| !absent).map_or_else(|| id(99), |request| request.id.clone());
            let algorithm = public.map_or(SignatureAlgorithm::Ed25519, PublicKey::signature_algorithm);
            let message = Arc::from(turn.to_be_bytes().as_slice());
            (SignRequest { key, algorithm, message }, public.filter(|_| !absent))
        })
        .collect();
    let signatures = block_on(store.sign(&asked.iter().map(|(request, _)| request.clone()).collect::<Vec<_>>()));
    check(RULE, signatures.len() == asked.len(), || format!("{} answers to {}", signatures.len(), asked.len()))?;
    for ((request, public), signature) in asked.iter().zip(signatures) {
        let fits = match (public, &signature) {
            (Some(public), Ok(signature)) => verify(public, request.algorithm, &request.message, signature).is_ok(),
            (None, Err(KeyError::Absent { id })) => *id == request.key,
            _ => false,
        };
        check(RULE, fits, || format!("{request:?} answered by {signature:?}"))?;
    }
    Ok(())
}

fn destroys(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Destroys;
    for (key_use, number) in [(KeyUse::Holder, 0), (KeyUse::CertificateAuthority, 1)] {
        let gone = generate(store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        let stays = generate(store, RULE, request(10 + number, Algorithm::EcdsaP256, key_use))?;
        expect(RULE, "signing", sign(store, &id(number), SignatureAlgorithm::EcdsaSha256, b"message"))?;
        for turn in ["destroying", "destroying again"] {
            expect(RULE, turn, block_on(store.destroy(&id(number))))?;
        }
        let absent = KeyError::Absent { id: id(number) };
        let signed = sign(store, &id(number), SignatureAlgorithm::EcdsaSha256, b"message");
        expect_error(RULE, &format!("signing with a destroyed {key_use:?}"), signed, &absent)?;
        expect_error(RULE, "the public key of a destroyed", block_on(store.public_key(&id(number))), &absent)?;
        expect_error(RULE, "exporting a destroyed", block_on(store.export(&id(number))), &absent)?;
        let listed = expect(RULE, "listing", block_on(store.list()))?;
        check(RULE, listed.iter().all(|entry| entry.id != id(number)), || "a destroyed key is listed".into())?;
        let there = expect(RULE, "another key", block_on(store.public_key(&id(10 + number))))?;
        check(RULE, there == stays, || "another key changed".into())?;
        let new = generate(store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        check(RULE, new != gone, || "a destroyed key came back".into())?;
    }
    Ok(())
}

fn exports(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Exports;
    for (number, algorithm) in
        (0..).zip([Algorithm::Rsa2048, Algorithm::EcdsaP256, Algorithm::EcdsaP521, Algorithm::Ed25519])
    {
        let public = generate(store, RULE, request(number, algorithm, KeyUse::Holder))?;
        let key = expect(RULE, "exporting a holder's", block_on(store.export(&id(number))))?;
        check(RULE, *key.public_key() == public, || format!("{algorithm}: another key was exported"))?;
        let authority = 10 + number;
        generate(store, RULE, request(authority, algorithm, KeyUse::CertificateAuthority))?;
        let expected = KeyError::NotExportable { id: id(authority) };
        expect_error(RULE, "exporting an authority's", block_on(store.export(&id(authority))), &expected)?;
    }
    Ok(())
}

fn lists(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Lists;
    let empty = expect(RULE, "listing nothing", block_on(store.list()))?;
    check(RULE, empty.is_empty(), || format!("a new store has {} keys", empty.len()))?;
    let mut expected = Vec::new();
    for number in 0..40 {
        let key_use = if number % 4 == 0 { KeyUse::CertificateAuthority } else { KeyUse::Holder };
        generate(store, RULE, request(number, Algorithm::Ed25519, key_use))?;
        expected.push((id(number), key_use));
    }
    expected.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let listed = expect(RULE, "listing", block_on(store.list()))?;
    let told: Vec<_> = listed.iter().map(|entry| (entry.id.clone(), entry.key_use)).collect();
    check(RULE, told == expected, || format!("{told:?} instead of {expected:?}"))?;
    // Some clock of this century: an age is for a sweeper that waits days.
    let year_2020 = 1_577_836_800;
    check(RULE, listed.iter().all(|entry| entry.created.secs() > year_2020), || "a key is older than it can be".into())
}

fn concurrent(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::Concurrent;
    let authority = generate(store, RULE, request(0, Algorithm::EcdsaP256, KeyUse::CertificateAuthority))?;
    let callers: Vec<Result<PublicKey, Violation>> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16_u32)
            .map(|caller| {
                let authority = &authority;
                scope.spawn(move || {
                    for turn in 0..25_u32 {
                        let message = [caller.to_be_bytes(), turn.to_be_bytes()].concat();
                        let how = SignatureAlgorithm::EcdsaSha256;
                        let signature = expect(RULE, "signing", sign(store, &id(0), how, &message))?;
                        check(RULE, verify(authority, how, &message, &signature).is_ok(), || {
                            format!("caller {caller} got a wrong signature in turn {turn}")
                        })?;
                        let own = 1000 + caller * 100 + turn;
                        let made = generate(store, RULE, request(own, Algorithm::Ed25519, KeyUse::Holder))?;
                        let exported = expect(RULE, "exporting", block_on(store.export(&id(own))))?;
                        check(RULE, *exported.public_key() == made, || "a key was mixed up".into())?;
                    }
                    generate(store, RULE, request(1, Algorithm::EcdsaP256, KeyUse::Holder))
                })
            })
            .collect();
        let lost = || Err(Violation { rule: RULE, detail: "a caller panicked".into() });
        callers.into_iter().map(|caller| caller.join().unwrap_or_else(|_| lost())).collect()
    });
    let shared = callers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let different: HashSet<_> = shared.iter().collect();
    check(RULE, different.len() == 1, || format!("one id got {} keys", different.len()))
}

fn durable<S: KeyStore>(store: S, reopen: Reopen<'_, S>) -> Result<(), Violation> {
    const RULE: Rule = Rule::Durable;
    let uses = [KeyUse::CertificateAuthority, KeyUse::Holder];
    let mut publics = HashMap::new();
    for number in 0..20 {
        let key_use = if number % 2 == 0 { KeyUse::CertificateAuthority } else { KeyUse::Holder };
        let public = generate(&store, RULE, request(number, Algorithm::EcdsaP256, key_use))?;
        publics.insert(number, public);
    }
    for number in [4, 5, 19] {
        expect(RULE, "destroying", block_on(store.destroy(&id(number))))?;
        publics.remove(&number);
    }
    let before = expect(RULE, "listing", block_on(store.list()))?;
    let mut store = reopen(store);
    for turn in 0..2 {
        let after = expect(RULE, "listing", block_on(store.list()))?;
        check(RULE, before == after, || format!("{} keys before, {} after", before.len(), after.len()))?;
        for (number, public) in &publics {
            let there = expect(RULE, "the public key", block_on(store.public_key(&id(*number))))?;
            check(RULE, there == *public, || "another public key than before".into())?;
            let how = SignatureAlgorithm::EcdsaSha256;
            let signature = expect(RULE, "signing", sign(&store, &id(*number), how, b"message"))?;
            check(RULE, verify(public, how, b"message", &signature).is_ok(), || "a wrong signature".into())?;
            let [_, key_use] = uses;
            if number % 2 == 1 {
                let again = generate(&store, RULE, request(*number, Algorithm::EcdsaP256, key_use))?;
                check(RULE, again == *public, || "repeated after opening, another key was made".into())?;
            }
        }
        for number in [4, 5, 19] {
            let absent = KeyError::Absent { id: id(number) };
            expect_error(RULE, "a destroyed key", block_on(store.public_key(&id(number))), &absent)?;
        }
        if turn == 0 {
            store = reopen(store);
        }
    }
    Ok(())
}

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
    pub const ALL: [(Self, Rule); 14] = [
        (Self::NewKeyOnRepeat, Rule::GenerateRepeats),
        (Self::ReplacesOnConflict, Rule::IdTaken),
        (Self::ImportOverwrites, Rule::ImportRepeats),
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
            signed: AtomicUsize::new(0),
            made: Mutex::default(),
            destroyed: Mutex::default(),
            handed: Mutex::default(),
        }
    }

    /// What opening it again makes of it.
    #[must_use]
    pub fn reopened(self) -> Self {
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
            (Fault::ExportsAuthorities, KeyUse::CertificateAuthority) => {
                let there = self.sound.public_key(&request.id).await;
                if there.is_err() {
                    let key = default_backend().generate(request.algorithm);
                    let key = key.map_err(|error| KeyError::Backend { detail: error.to_string() })?;
                    guard(&self.handed).insert(request.id.clone(), key.clone());
                    self.sound.import(&request.id, key).await?;
                }
                self.sound.generate(core::slice::from_ref(request)).await
            }
            _ => self.sound.generate(core::slice::from_ref(request)).await,
        };
        match answer.into_iter().next().unwrap_or(Err(KeyError::Closed)) {
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
