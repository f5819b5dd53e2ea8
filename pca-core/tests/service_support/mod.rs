//! A service over stores in memory or in files, for tests of the whole.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod failing_keys;
pub mod yielding;

use std::path::Path;
use std::sync::Arc;

use pca_core::domain::ca::{
    EnableByCreating, EnableByUpload, EnabledCa, Ending, Foreseen, Lifetime, Preview, ResetCa, RevokeCa,
};
use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::{Addresses, Money};
use pca_core::domain::order::{BuyQuota, BuyRoot, RootBought, ServiceTerm};
use pca_core::domain::policy::{Policy, VerifyAfterSigning};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::sign;
use pca_core::domain::{CaId, Command, Event};
use pca_core::keys::{Algorithm, Family, PrivateKey};
use pca_core::log::{EventData as _, Position, Recorded, Verifier};
use pca_core::ports::{EventStore, KeyStore};
use pca_core::projection::DomainVerifier;
use pca_core::service::{Call, Done, Error, OneAdministrator, Parts, Pca, Recorder, Snapshots, blocking};
use pca_core::x509::{
    CaCertificate, CommonName, ParsedCertificate, SerialNumber, SubjectFields, Validity, assemble, check_upload,
};
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, Options};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_store_testkit::fakes::{FakeClock, FakeKeyStore, InterruptedStore, SeededEntropy};
use secrecy::SecretString;
use tempfile::TempDir;

pub const PASSPHRASE: &str = "correct horse battery";

/// Where events and keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events and keys in memory.
    Memory,
    /// Events and keys in files.
    Files,
    /// Events in memory, keys that cost nothing and prove nothing.
    FakeMemory,
    /// Events in files, keys that cost nothing and prove nothing.
    FakeFiles,
}

impl Kind {
    pub const REAL: [Self; 2] = [Self::Memory, Self::Files];
    pub const FAKE: [Self; 2] = [Self::FakeMemory, Self::FakeFiles];

    pub fn has_real_keys(self) -> bool {
        matches!(self, Self::Memory | Self::Files)
    }
}

/// How often a long test goes round: what it does by default, or the figure of `PCA_FIRE` for the full campaign.
pub fn rounds(by_default: u64) -> u64 {
    match std::env::var("PCA_FIRE") {
        Ok(figure) => figure.parse().expect("PCA_FIRE is a number"),
        Err(_) => by_default,
    }
}

pub fn file_events(directory: &Path) -> FileEventStore {
    FileEventStore::open_or_create(directory.join("log"), Options::default().preallocation(256 * 1024)).unwrap()
}

pub fn file_keys(directory: &Path) -> FileKeyStore {
    let options = FileKeyStoreOptions::default();
    let directory = directory.join("keys");
    let passphrase = || SecretString::from(PASSPHRASE);
    match FileKeyStore::exists(&directory).unwrap() {
        true => FileKeyStore::open(&directory, passphrase(), options).unwrap(),
        false => FileKeyStore::create(&directory, passphrase(), options).unwrap(),
    }
}

/// One enterprise's log and keys with a service over them.
pub struct Site {
    pub kind: Kind,
    pub store: Arc<dyn EventStore>,
    pub keys: Arc<dyn KeyStore>,
    pub clock: FakeClock,
    pub pca: blocking::Pca,
    entropy: SeededEntropy,
    directory: Option<TempDir>,
}

impl Site {
    /// An empty log.
    pub fn new(kind: Kind) -> Self {
        Self::observed(kind, None)
    }

    /// An empty log whose decisions are recorded.
    pub fn observed(kind: Kind, recorder: Option<Arc<dyn Recorder>>) -> Self {
        let directory = matches!(kind, Kind::Files | Kind::FakeFiles).then(|| TempDir::new().unwrap());
        let store: Arc<dyn EventStore> = match &directory {
            Some(directory) => Arc::new(file_events(directory.path())),
            None => Arc::new(MemoryEventStore::new()),
        };
        let keys: Arc<dyn KeyStore> = match (kind, &directory) {
            (Kind::Memory, _) => Arc::new(MemoryKeyStore::new()),
            (Kind::Files, Some(directory)) => Arc::new(file_keys(directory.path())),
            _ => Arc::new(FakeKeyStore::new()),
        };
        Self::of(kind, store, keys, directory, recorder)
    }

    /// A service over other stores, with keys that are real or not.
    pub fn over(kind: Kind, store: impl EventStore, keys: impl KeyStore) -> Self {
        Self::of(kind, Arc::new(store), Arc::new(keys), None, None)
    }

    fn of(
        kind: Kind,
        store: Arc<dyn EventStore>,
        keys: Arc<dyn KeyStore>,
        directory: Option<TempDir>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Self {
        let (clock, entropy) = (FakeClock::default(), SeededEntropy::new(7));
        let pca = blocking::Pca::new(service(&store, &keys, &clock, &entropy, recorder));
        Self { kind, store, keys, clock, pca, entropy, directory }
    }

    /// Another service over the same stores, as another process would have it.
    pub fn another(&self) -> blocking::Pca {
        blocking::Pca::new(service(&self.store, &self.keys, &self.clock, &self.entropy, None))
    }

    /// The same keys, at the same time, beside another log.
    pub fn beside(&self, store: Arc<dyn EventStore>) -> Self {
        let Self { kind, keys, clock, entropy, .. } = self;
        let pca = blocking::Pca::new(service(&store, keys, clock, entropy, None));
        let (keys, clock, entropy) = (Arc::clone(keys), clock.clone(), entropy.clone());
        Self { kind: *kind, store, keys, clock, pca, entropy, directory: None }
    }

    /// Another service over the same stores, which keeps snapshots.
    pub fn remembering(&self, snapshots: Snapshots) -> blocking::Pca {
        self.remembering_over(Arc::clone(&self.store), snapshots)
    }

    /// The same over another log.
    pub fn remembering_over(&self, store: Arc<dyn EventStore>, snapshots: Snapshots) -> blocking::Pca {
        let parts = parts(&store, &self.keys, &self.clock, &self.entropy, None);
        blocking::Pca::new(Pca::new(parts.with_snapshots(snapshots)))
    }

    /// Another service over the same log, at each of whose calls somebody else can come first, and the store that lets them.
    pub fn interrupted(&self) -> (blocking::Pca, InterruptedStore) {
        let interrupted = InterruptedStore::new(Arc::clone(&self.store));
        let store: Arc<dyn EventStore> = Arc::new(interrupted.clone());
        let pca = blocking::Pca::new(service(&store, &self.keys, &self.clock, &self.entropy, None));
        (pca, interrupted)
    }

    /// Closes the stores and opens them again, with another service over them: what was in memory only is gone.
    pub fn reopen(self) -> Self {
        let Self { kind, mut store, mut keys, clock, pca, entropy, directory } = self;
        drop(pca);
        if let Some(directory) = &directory {
            drop(store);
            store = Arc::new(file_events(directory.path()));
            if kind == Kind::Files {
                drop(keys);
                keys = Arc::new(file_keys(directory.path()));
            }
        }
        let pca = blocking::Pca::new(service(&store, &keys, &clock, &entropy, None));
        Self { kind, store, keys, clock, pca, entropy, directory }
    }

    /// The policy that fits the keys: what fake keys sign is not checked.
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        if !self.kind.has_real_keys() {
            policy.verify_after_signing = VerifyAfterSigning::Nothing;
        }
        policy
    }

    pub fn found(&self) -> &Self {
        let founding = FoundEnterprise { name: Some("Example".into()), rehearsal: false, policy: self.policy() };
        self.run(founding);
        self
    }

    #[track_caller]
    pub fn run<C: Command>(&self, command: C) -> C::Answer {
        self.done(command).answer
    }

    #[track_caller]
    pub fn done<C: Command>(&self, command: C) -> Done<C::Answer> {
        match self.pca.execute(command, &by()) {
            Ok(done) => done,
            Err(error) => panic!("{}: {error}", C::NAME),
        }
    }

    #[track_caller]
    pub fn refused<C: Command>(&self, command: C) -> Vec<String>
    where
        C::Answer: std::fmt::Debug,
    {
        reasons(&self.pca.execute(command, &by()).expect_err("a refusal"))
    }

    pub fn buy_root(&self) -> RootBought {
        self.run(buy_root())
    }

    pub fn enable(&self, ca: &CaId, name: &str) -> EnabledCa {
        self.run(enable(ca, name))
    }

    /// An enabled root and intermediate, and as many units assigned; what the pool lacks is bought.
    pub fn issuing(&self, units: u64) -> RootBought {
        self.found();
        let bought = self.buy_root();
        self.enable(&bought.root, "Root");
        self.enable(&bought.intermediate, "Intermediate");
        if units > 10 {
            self.run(BuyQuota { root: bought.root.clone(), count: units - 10, paid: Money::nothing() });
        }
        if units > 0 {
            self.run(AssignQuota { ca: bought.intermediate.clone(), units });
        }
        bought
    }

    pub fn foresee(&self, ca: &CaId, ending: Ending) -> Foreseen {
        self.try_foresee(ca, ending).unwrap()
    }

    pub fn try_foresee(&self, ca: &CaId, ending: Ending) -> Result<Foreseen, Error> {
        let preview = Preview { ca: ca.clone(), ending };
        pollster::block_on(self.pca.unblocked().question(|desk, now| preview.ask(desk, now)))
    }

    pub fn reset(&self, ca: &CaId, cascade: bool) -> ResetCa {
        let confirm = self.foresee(ca, Ending::Reset).digest;
        ResetCa { ca: ca.clone(), confirm, cascade, reason: None, without_last_crl: false }
    }

    pub fn revoke(&self, ca: &CaId, cascade: bool) -> RevokeCa {
        let confirm = self.foresee(ca, Ending::Revoke).digest;
        RevokeCa { ca: ca.clone(), confirm, cascade, reason: None, without_last_crl: false }
    }

    pub fn log(&self) -> Vec<Arc<Recorded>> {
        whole(&*self.store)
    }

    pub fn events(&self) -> Vec<Event> {
        events(&self.log())
    }

    pub fn position(&self) -> Position {
        pollster::block_on(self.store.head()).unwrap().position
    }

    pub fn key_count(&self) -> usize {
        pollster::block_on(self.keys.list()).unwrap().len()
    }

    /// Checks the whole log, and that the ledger balances after every commit.
    #[track_caller]
    pub fn check(&self) {
        check(&self.log(), self.kind.has_real_keys());
    }
}

fn service(
    store: &Arc<dyn EventStore>,
    keys: &Arc<dyn KeyStore>,
    clock: &FakeClock,
    entropy: &SeededEntropy,
    recorder: Option<Arc<dyn Recorder>>,
) -> Pca {
    Pca::new(parts(store, keys, clock, entropy, recorder))
}

fn parts(
    store: &Arc<dyn EventStore>,
    keys: &Arc<dyn KeyStore>,
    clock: &FakeClock,
    entropy: &SeededEntropy,
    recorder: Option<Arc<dyn Recorder>>,
) -> Parts {
    Parts {
        store: Arc::clone(store),
        keys: Arc::clone(keys),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(entropy.clone()),
        authorizer: Arc::new(OneAdministrator),
        journal: Arc::default(),
        recorder,
        snapshots: None,
    }
}

pub fn by() -> Call {
    Call::by("tester")
}

pub fn buy_root() -> BuyRoot {
    BuyRoot { family: Family::Ecc, term: ServiceTerm::years(5), paid: Money::nothing() }
}

pub fn enable(ca: &CaId, name: &str) -> EnableByCreating {
    EnableByCreating {
        ca: ca.clone(),
        subject: SubjectFields { organization: Some("Example".into()), ..SubjectFields::common(name) },
        algorithm: Some(Algorithm::EcdsaP256),
        lifetime: Some(Lifetime::Years(4)),
        clamp: true,
        path_length: None,
        addresses: Addresses::default(),
        constraints: Default::default(),
    }
}

/// An upload for a CA: a root's own certificate, or one that the root's key signed.
pub fn upload(
    site: &Site,
    ca: &CaId,
    issuer: Option<(&PrivateKey, &[u8])>,
    key: &PrivateKey,
    name: &str,
) -> EnableByUpload {
    let subject = SubjectFields::common(name).to_name(CommonName::Required).unwrap();
    let validity = Validity::for_years(site.pca.unblocked().now(), 2).unwrap();
    let path_length = issuer.map(|_| 0);
    let serial = SerialNumber::from_random([u8::try_from(name.len()).unwrap(); 10]);
    let certificate = CaCertificate {
        serial,
        validity,
        subject: &subject,
        public_key: key.public_key(),
        path_length,
        name_constraints: None,
    };
    let (tbs, signer) = match issuer {
        None => (certificate.root_tbs(), key),
        Some((signer, issuer)) => {
            let issuer = ParsedCertificate::from_der(issuer).unwrap().as_issuer().unwrap();
            (certificate.intermediate_tbs(&issuer, &Default::default()), signer)
        }
    };
    let (signature, algorithm) = sign(signer, &tbs);
    let der = assemble(&tbs, algorithm, &signature);
    let upload = check_upload(&der, key.pkcs8_der(), None).unwrap();
    EnableByUpload { ca: ca.clone(), upload, accepted: Vec::new(), addresses: Addresses::default(), carried_crl: None }
}

pub fn server(ca: &CaId, name: &str) -> IssueCertificate {
    IssueCertificate::server(ca.clone(), [name])
}

/// Rules and reasons of a refusal: `"Q2 no-quota-left"`, sorted.
#[track_caller]
pub fn reasons(error: &Error) -> Vec<String> {
    match error.refusal() {
        Some(refusal) => pca_core::domain::testing::reasons(refusal),
        None => panic!("no refusal: {error}"),
    }
}

pub fn whole(store: &dyn EventStore) -> Vec<Arc<Recorded>> {
    pollster::block_on(store.follow(Position::ZERO, usize::MAX)).unwrap()
}

pub fn events(log: &[Arc<Recorded>]) -> Vec<Event> {
    log.iter()
        .flat_map(|recorded| recorded.commit().events().map(|view| Event::decode(&view).unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Checks a whole log, and that the ledger balances after every commit.
#[track_caller]
pub fn check(log: &[Arc<Recorded>], signatures: bool) {
    let (mut verifier, mut domain) = (Verifier::default(), DomainVerifier::without_signatures());
    if signatures {
        domain = DomainVerifier::default();
    }
    for recorded in log {
        assert_eq!(verifier.follow(recorded), []);
        assert_eq!(domain.follow(recorded), []);
        assert_eq!(domain.finish(), Ok(()), "at {}", recorded.seal().first);
    }
}
