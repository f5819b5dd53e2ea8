//! What the tests of deliveries share: chains, salts, files on a disk, and other people's tools.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pca_core::delivery::{Bundle, Delivery, Format, Kind, Options, Salts, deliver};
use pca_core::keys::software::default_backend;
use pca_core::keys::{Algorithm, Family, PrivateKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The export passphrase of the tests.
pub const PASSPHRASE: &str = "correct horse 7";

/// Root, intermediate and leaf, all keys of one algorithm.
pub struct Chain {
    pub root: Vec<u8>,
    pub intermediate: Vec<u8>,
    pub leaf: Vec<u8>,
    pub key: PrivateKey,
    issuer: Issuer<'static, KeyPair>,
}

impl Chain {
    pub fn new(algorithm: Algorithm, common_name: &str) -> Self {
        let root_key = key_pair(&key(algorithm));
        let root_params = authority("Test Root");
        let root = root_params.self_signed(&root_key).unwrap().der().to_vec();
        let root_issuer = Issuer::new(root_params, root_key);
        let intermediate_key = key_pair(&key(algorithm));
        let intermediate_params = authority("Test OA");
        let intermediate = intermediate_params.signed_by(&intermediate_key, &root_issuer).unwrap().der().to_vec();
        let issuer = Issuer::new(intermediate_params, intermediate_key);
        let (leaf, key) = holder(algorithm, common_name, &issuer);
        Self { root, intermediate, leaf, key, issuer }
    }

    /// Another leaf under the same intermediate.
    pub fn another(&self, algorithm: Algorithm, common_name: &str) -> (Vec<u8>, PrivateKey) {
        holder(algorithm, common_name, &self.issuer)
    }

    /// The leaf with its chain and its key.
    pub fn bundle(&self, kind: Kind) -> Bundle {
        self.bundle_without_key(kind).with_key(self.key.clone()).unwrap()
    }

    pub fn bundle_without_key(&self, kind: Kind) -> Bundle {
        Bundle::new("crt_test", kind, &self.leaf)
            .and_then(|bundle| bundle.with_intermediates([&self.intermediate]))
            .and_then(|bundle| bundle.with_root(&self.root))
            .unwrap()
    }

    pub fn root_bundle(&self) -> Bundle {
        Bundle::new("ca_root", Kind::Authority, &self.root).unwrap()
    }

    pub fn intermediate_bundle(&self) -> Bundle {
        Bundle::new("ca_oa", Kind::Authority, &self.intermediate)
            .and_then(|bundle| bundle.with_root(&self.root))
            .unwrap()
    }
}

fn holder(algorithm: Algorithm, common_name: &str, issuer: &Issuer<'static, KeyPair>) -> (Vec<u8>, PrivateKey) {
    let key = key(algorithm);
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if algorithm.family() == Family::Rsa {
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    params.use_authority_key_identifier_extension = true;
    (params.signed_by(&key_pair(&key), issuer).unwrap().der().to_vec(), key)
}

fn authority(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

pub fn key(algorithm: Algorithm) -> PrivateKey {
    default_backend().generate(algorithm).unwrap()
}

fn key_pair(key: &PrivateKey) -> KeyPair {
    KeyPair::try_from(key.pkcs8_der()).unwrap()
}

/// Salts that differ from call to call, as a caller with a source of randomness would have them.
pub fn salts() -> Salts {
    use std::hash::{BuildHasher, RandomState};
    let mut octets = [0; Salts::OCTETS];
    for chunk in octets.chunks_mut(8) {
        for (octet, random) in chunk.iter_mut().zip(RandomState::new().hash_one(0).to_ne_bytes()) {
            *octet = random;
        }
    }
    Salts::from_random(octets)
}

pub fn with_key() -> Options {
    Options { with_key: true, passphrase: Some(PASSPHRASE.into()), ..Options::default() }
}

pub fn make(bundle: &Bundle, format: Format, options: &Options) -> Delivery {
    deliver(bundle, format, options, salts()).unwrap()
}

/// Writes a delivery as a caller does, and tells the path of its only file with the ending.
pub fn write(delivery: &Delivery, directory: &Path) {
    for file in &delivery.files {
        let path = directory.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(!path.exists(), "{} would be overwritten", file.path);
        fs::write(path, &*file.contents).unwrap();
    }
}

/// A tool, or nothing where it is not installed; then the test is skipped aloud, or fails in CI.
pub fn tool(name: &str) -> Option<&str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    if std::env::split_paths(&path).chain(system).any(|directory| directory.join(name).is_file()) {
        return Some(name);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is not installed, and CI demands it");
    eprintln!("SKIPPED: {name} is not installed");
    None
}

/// Runs a tool that must succeed; its standard output and error.
#[track_caller]
pub fn run(directory: &Path, name: &str, arguments: &[&str]) -> String {
    let output = attempt(directory, name, arguments);
    let text = text(&output);
    assert!(output.status.success(), "{name} {arguments:?}: {}\n{text}", output.status);
    text
}

/// Runs a tool that must refuse.
#[track_caller]
pub fn refused(directory: &Path, name: &str, arguments: &[&str]) -> String {
    let output = attempt(directory, name, arguments);
    let text = text(&output);
    assert!(!output.status.success(), "{name} {arguments:?} should have been refused\n{text}");
    text
}

fn attempt(directory: &Path, name: &str, arguments: &[&str]) -> Output {
    Command::new(name)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C.UTF-8")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}
