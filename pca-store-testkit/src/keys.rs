//! The conformance suite of [`KeyStore`], and a wrapper that breaks a store in ways that the suite must catch.
//!
//! ```
//! use pca_core::ports::KeyStore;
//!
//! fn it_conforms<S: KeyStore>(fresh: impl Fn() -> S) {
//!     pca_store_testkit::keys::conformance(fresh, None).unwrap();
//! }
//! ```

mod broken;

use core::fmt;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pca_core::keys::software::{default_backend, verify};
use pca_core::keys::{
    Algorithm, KeyError, KeyId, KeyRequest, KeyUse, PrivateKey, PublicKey, SignRequest, Signature, SignatureAlgorithm,
};
use pca_core::log::{CommitId, Digest};
use pca_core::ports::KeyStore;
use pollster::block_on;

pub use broken::{Broken, Fault};

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
    import_stays(&fresh())?;
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
    /// A key that was imported never answers a request to make one, that is [`KeyError::IdTaken`]; and one that was made
    /// makes no room for an import.
    ImportStays,
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
    let request = SignRequest { key: key.clone(), algorithm: how, message: message.into(), sha256: None };
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
    let (key, other) = (brought(RULE)?, brought(RULE)?);
    for turn in ["first", "again"] {
        let public = expect(RULE, turn, block_on(store.import(&id(0), key.clone())))?;
        check(RULE, public == *key.public_key(), || format!("{turn}: another public key was answered"))?;
    }
    let taken = KeyError::IdTaken { id: id(0) };
    expect_error(RULE, "another key under the id", block_on(store.import(&id(0), other.clone())), &taken)?;
    generate(store, RULE, request(1, Algorithm::EcdsaP384, KeyUse::Holder))?;
    let taken = KeyError::IdTaken { id: id(1) };
    expect_error(RULE, "a holder's id", block_on(store.import(&id(1), other)), &taken)?;
    let how = SignatureAlgorithm::EcdsaSha384;
    let signature = expect(RULE, "signing with an import", sign(store, &id(0), how, b"message"))?;
    check(RULE, verify(key.public_key(), how, b"message", &signature).is_ok(), || "a wrong signature".into())?;
    expect_error(RULE, "exporting an import", block_on(store.export(&id(0))), &KeyError::NotExportable { id: id(0) })
}

fn import_stays(store: &impl KeyStore) -> Result<(), Violation> {
    const RULE: Rule = Rule::ImportStays;
    let key = brought(RULE)?;
    expect(RULE, "importing", block_on(store.import(&id(0), key.clone())))?;
    is_imported(store, RULE, 0, &key)?;
    let made = generate(store, RULE, request(1, Algorithm::EcdsaP384, KeyUse::CertificateAuthority))?;
    let taken = KeyError::IdTaken { id: id(1) };
    expect_error(RULE, "an import under the id of a key that was made", block_on(store.import(&id(1), key)), &taken)?;
    let again = generate(store, RULE, request(1, Algorithm::EcdsaP384, KeyUse::CertificateAuthority))?;
    check(RULE, again == made, || "a refused import changed the key that was made".into())
}

/// A key to import, of P-384.
fn brought(rule: Rule) -> Result<PrivateKey, Violation> {
    default_backend()
        .generate(Algorithm::EcdsaP384)
        .map_err(|error| Violation { rule, detail: format!("making a key to import: {error}") })
}

/// Checks that the key under an id is known to have been imported.
fn is_imported(store: &impl KeyStore, rule: Rule, number: u32, key: &PrivateKey) -> Result<(), Violation> {
    let taken = KeyError::IdTaken { id: id(number) };
    let asked = request(number, Algorithm::EcdsaP384, KeyUse::CertificateAuthority);
    let outcome = block_on(store.generate(&[asked])).pop().unwrap_or(Err(KeyError::Closed));
    expect_error(rule, "making a key under the id of an import", outcome, &taken)?;
    let there = expect(rule, "importing again", block_on(store.import(&id(number), key.clone())))?;
    check(rule, there == *key.public_key(), || "another key lies under the id of an import".into())
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
            let message: Arc<[u8]> = Arc::from(turn.to_be_bytes().as_slice());
            // That the digest is known changes nothing.
            let sha256 = turn.is_multiple_of(3).then(|| Digest::of(&message));
            (SignRequest { key, algorithm, message, sha256 }, public.filter(|_| !absent))
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
    // The id of an import is free once that has ended.
    expect(RULE, "importing", block_on(store.import(&id(20), brought(RULE)?)))?;
    expect(RULE, "destroying an import", block_on(store.destroy(&id(20))))?;
    generate(store, RULE, request(20, Algorithm::EcdsaP384, KeyUse::CertificateAuthority)).map(drop)
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
    let import = brought(RULE)?;
    expect(RULE, "importing", block_on(store.import(&id(20), import.clone())))?;
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
        is_imported(&store, RULE, 20, &import)?;
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
