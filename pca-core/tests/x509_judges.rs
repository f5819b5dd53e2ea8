//! Other people's tools as judges: OpenSSL, GnuTLS and Java accept the chains that are written here, with the CRLs that
//! are written here, and refuse the revoked. A tool that is not installed is skipped aloud, unless `CI` is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod judges;
mod x509_support;

use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use judges::{Case, Trust, installed, run, write};
use pca_core::keys::Algorithm;
use pca_core::log::Timestamp;
use pca_core::x509::{
    CaCertificate, Crl, CrlEntry, EntityNames, GeneralName, ParsedCertificate, ParsedCrl, Profile, RevocationReason,
    SubjectFields, Validity, Wildcards, csr_tbs,
};
use x509_support::{Authority, intermediate_with, key, leaf, name, pem, root_with, serial, sign, urls};

/// Real time, because GnuTLS and keytool know no other.
static NOW: LazyLock<Timestamp> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 3600)
});

/// Root, intermediate and end entity of one chain.
const CHAINS: [(&str, [Algorithm; 3]); 6] = [
    ("rsa", [Algorithm::Rsa2048, Algorithm::Rsa2048, Algorithm::Rsa2048]),
    ("p256", [Algorithm::EcdsaP256, Algorithm::EcdsaP256, Algorithm::EcdsaP256]),
    ("p384", [Algorithm::EcdsaP384, Algorithm::EcdsaP384, Algorithm::EcdsaP384]),
    ("p521", [Algorithm::EcdsaP521, Algorithm::EcdsaP521, Algorithm::EcdsaP521]),
    ("ed25519", [Algorithm::Ed25519, Algorithm::Ed25519, Algorithm::Ed25519]),
    ("mixed", [Algorithm::EcdsaP384, Algorithm::EcdsaP256, Algorithm::Ed25519]),
];

#[derive(Default)]
struct Material {
    trust: Trust,
    cases: Vec<Case>,
}

impl Material {
    /// A certificate with those above it and their lists.
    fn add(&mut self, name: String, revoked: bool, leaf: &ParsedCertificate, above: [&Authority; 2], lists: [&str; 2]) {
        let leaf = pem("CERTIFICATE", leaf.der());
        let above = above.map(Authority::pem).concat();
        let file = [&leaf, &above, lists[0], lists[1]].concat();
        self.cases.push(Case { name, revoked, leaf, file });
    }
}

fn entity(profile: Profile, chain: &str, index: u8) -> EntityNames {
    let names = match profile {
        Profile::Server => vec![
            GeneralName::dns(&format!("host{index}.{chain}.example"), Wildcards::Narrow).unwrap(),
            GeneralName::dns(&format!("*.{chain}.example"), Wildcards::Narrow).unwrap(),
            GeneralName::ip("10.0.0.1").unwrap(),
            GeneralName::ip("2001:db8::1").unwrap(),
        ],
        _ => vec![
            GeneralName::email("alice@acme.example").unwrap(),
            GeneralName::uri("spiffe://acme.example/hr/alice").unwrap(),
        ],
    };
    let fields = match profile {
        Profile::Server => SubjectFields::default(),
        _ => SubjectFields { organization: Some("アクメ".into()), ..SubjectFields::common("Alice Ä. 🔑") },
    };
    EntityNames::plan(profile, &fields, names, Wildcards::Narrow).unwrap()
}

/// A server whose only name is too long for a common name: empty subject, critical alternative names.
fn without_subject(chain: &str) -> EntityNames {
    let long = GeneralName::dns(&format!("{}.{chain}.example", "a".repeat(60)), Wildcards::Narrow).unwrap();
    let names = EntityNames::plan(Profile::Server, &SubjectFields::default(), vec![long], Wildcards::Narrow).unwrap();
    assert!(names.subject().is_empty());
    names
}

fn materials() -> [Material; 3] {
    [material(false), material(true), reset()]
}

/// The last CRL of a CA has no end; it must work like any other (rule C7).
fn material(last_crl: bool) -> Material {
    let mut material = Material::default();
    for (chain, [top, middle, bottom]) in CHAINS {
        let validity = Validity::for_years(*NOW, 30).unwrap();
        let root = root_with(&name(&format!("Root {chain}")), key(top, 1), validity, Some(1));
        let validity = Validity::for_years(*NOW, 5).unwrap();
        let oa = intermediate_with(&root, &name(&format!("OA {chain}")), key(middle, 2), validity, &urls());
        let this_update = *NOW;
        let next_update = if last_crl { Crl::NO_NEXT_UPDATE } else { this_update.plus_secs(7 * 86_400) };
        let entries: Vec<Vec<u8>> = RevocationReason::ALL
            .into_iter()
            .filter(|reason| *reason != RevocationReason::RemoveFromCrl)
            .enumerate()
            .map(|(index, reason)| {
                let invalidity_date = (index % 2 == 0).then_some(this_update.plus_secs(-86_400));
                let serial = serial(100 + u8::try_from(index).unwrap());
                CrlEntry { serial, revoked_at: this_update, reason, invalidity_date }.encode()
            })
            .collect();
        let number = Crl::next_number(None, this_update);
        let root_crl = pem("X509 CRL", &root.crl(&[], number, this_update, next_update));
        let oa_crl = pem("X509 CRL", &oa.crl(&entries, number, this_update, next_update));

        let mut add = |kind: &str, profile, names: &EntityNames, number: u8| {
            let validity = Validity::for_days(*NOW, 90).unwrap();
            let certificate = leaf(&oa, profile, names, &key(bottom, 3), validity, serial(number), &urls());
            let revoked = number >= 100;
            material.add(format!("{chain}-{kind}"), revoked, &certificate, [&oa, &root], [&root_crl, &oa_crl]);
        };
        add("server", Profile::Server, &entity(Profile::Server, chain, 0), 10);
        add("client", Profile::Client, &entity(Profile::Client, chain, 0), 11);
        if bottom != Algorithm::Ed25519 {
            add("data", Profile::DataEncryption, &entity(Profile::DataEncryption, chain, 0), 12);
        }
        add("nameless", Profile::Server, &without_subject(chain), 13);
        for index in 0..2 {
            let names = entity(Profile::Server, chain, index);
            add(&format!("revoked{index}"), Profile::Server, &names, 100 + index);
        }
        material.trust.roots.push_str(&root.pem());
        material.trust.intermediates.push_str(&oa.pem());
        material.trust.crls.push_str(&root_crl);
        material.trust.crls.push_str(&oa_crl);
    }
    material
}

/// A CA after its reset (rules A3, C7): the name goes on with a new key, the old certificate is on its root's list, and
/// the lists of both keys have the same number and the same complete entries.
fn reset() -> Material {
    let mut material = Material::default();
    for (chain, algorithm) in [("ecc", Algorithm::EcdsaP256), ("rsa", Algorithm::Rsa2048)] {
        let validity = Validity::for_years(*NOW, 10).unwrap();
        let root = root_with(&name(&format!("Reset Root {chain}")), key(algorithm, 1), validity, None);
        let subject = name(&format!("Reset OA {chain}"));
        let generation = |number: u8, serial: u8| {
            let key = key(algorithm, number);
            let certificate = CaCertificate {
                serial: x509_support::serial(serial),
                validity: Validity::for_years(*NOW, 5).unwrap(),
                subject: &subject,
                public_key: key.public_key(),
                path_length: Some(0),
                name_constraints: None,
            };
            let tbs = certificate.intermediate_tbs(&root.issuer(), &urls());
            Authority { certificate: ParsedCertificate::from_der(&sign(&tbs, &root.key)).unwrap(), key }
        };
        let (old, new) = (generation(2, 2), generation(4, 3));
        let revoked = |number: u8| {
            let reason = RevocationReason::CessationOfOperation;
            CrlEntry { serial: serial(number), revoked_at: *NOW, reason, invalidity_date: None }.encode()
        };
        let entries: Vec<Vec<u8>> = (50..54).map(revoked).collect();
        let week = NOW.plus_secs(7 * 86_400);
        let [root_list, old_list, new_list] = [
            root.crl(&[revoked(2)], 1, *NOW, week),
            old.crl(&entries, 2, *NOW, Crl::NO_NEXT_UPDATE),
            new.crl(&entries, 2, *NOW, week),
        ]
        .map(|list| pem("X509 CRL", &list));
        // To a file goes the list of the key that signed the certificate. Java takes a list of the same name by another
        // key for an indirect one, and gives up if it finds no valid path to that key; OpenSSL, which gets all lists,
        // passes it over.
        let mut add = |kind: &str, revoked: bool, oa: &Authority, oa_list: &str, number: u8| {
            let validity = Validity::for_days(*NOW, 90).unwrap();
            let names = entity(Profile::Server, chain, number);
            let certificate = leaf(oa, Profile::Server, &names, &key(algorithm, 3), validity, serial(number), &urls());
            material.add(format!("{chain}-{kind}"), revoked, &certificate, [oa, &root], [&root_list, oa_list]);
        };
        add("after-reset", false, &new, &new_list, 60);
        add("before-reset", true, &old, &old_list, 50);
        add("revoked-since", true, &new, &new_list, 51);
        material.trust.roots.push_str(&root.pem());
        material.trust.intermediates.push_str(&[old.pem(), new.pem()].concat());
        material.trust.crls.push_str(&[root_list, old_list, new_list].concat());
    }
    material
}

#[test]
fn openssl_accepts_the_good_and_refuses_the_revoked() {
    if installed("openssl", "version") {
        materials().iter().for_each(|material| judges::openssl(&material.trust, &material.cases));
    }
}

#[test]
fn gnutls_accepts_the_good_and_refuses_the_revoked() {
    if installed("certtool", "--version") {
        judges::gnutls(materials().iter().flat_map(|material| &material.cases));
    }
}

#[test]
fn java_accepts_the_good_and_refuses_the_revoked() {
    if installed("java", "--version") {
        judges::java(materials().iter().flat_map(|material| &material.cases));
    }
}

#[test]
fn keytool_and_openssl_read_what_is_written() {
    let (root, request) = single();
    let directory = tempfile::tempdir().unwrap();
    let certificate = write(directory.path(), "root.pem", &root.pem());
    if installed("keytool", "-help") {
        let (read, told) = run(Command::new("keytool").args(["-printcert", "-file"]).arg(&certificate));
        assert!(read && told.contains("CN=Acme Root") && told.contains("Key_CertSign"), "{told}");
    }
    if installed("openssl", "version") {
        let file = write(directory.path(), "request.pem", &pem("CERTIFICATE REQUEST", &request));
        let (read, told) = run(Command::new("openssl").args(["req", "-noout", "-verify", "-text", "-in"]).arg(file));
        assert!(read && told.contains("DNS:a.example") && told.contains("verify OK"), "{told}");
    }
}

/// What OpenSSL writes is read: requests of every kind of key, with and without attributes.
#[test]
fn requests_of_openssl_are_verified() {
    if !installed("openssl", "version") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let kinds: [&[&str]; 5] = [
        &["-newkey", "rsa:2048"],
        &["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"],
        &["-newkey", "ed25519"],
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let file = directory.path().join(format!("{index}.pem"));
        let (made, told) = run(Command::new("openssl")
            .args(["req", "-new", "-nodes", "-keyout", "/dev/null", "-subj", "/C=CN/O=Acme/CN=oa.example"])
            .args(["-addext", "subjectAltName=DNS:oa.example,IP:10.0.0.1", "-out"])
            .arg(&file)
            .args(kind));
        assert!(made, "{told}");
        let request = pca_core::x509::VerifiedCsr::verify(&std::fs::read(&file).unwrap()).expect(kind[1]);
        assert_eq!(request.subject().to_string(), "CN=oa.example,O=Acme,C=CN");
        let names: Vec<String> = request.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["dns:oa.example", "ip:10.0.0.1"]);
    }
    let sha1 = directory.path().join("sha1.pem");
    let (made, told) = run(Command::new("openssl")
        .args([
            "req",
            "-new",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-subj",
            "/CN=a",
            "-newkey",
            "rsa:2048",
            "-sha1",
            "-out",
        ])
        .arg(&sha1));
    assert!(made, "{told}");
    let error = pca_core::x509::VerifiedCsr::verify(&std::fs::read(&sha1).unwrap()).unwrap_err();
    assert!(error.to_string().contains("SHA-1"), "{error}");
}

#[test]
fn lists_are_read_by_others() {
    use der::{Decode as _, Encode as _};
    let (root, _) = single();
    let entries: Vec<CrlEntry> = (0..200_u8)
        .map(|index| CrlEntry {
            serial: serial(index),
            revoked_at: NOW.floor_to_second(),
            reason: RevocationReason::ALL[usize::from(index) % 7],
            invalidity_date: (index % 3 == 0).then(|| Timestamp::from_secs(1_700_000_000)),
        })
        .collect();
    let encoded: Vec<Vec<u8>> = entries.iter().map(CrlEntry::encode).collect();
    for entries_encoded in [&encoded[..], &[]] {
        let der = root.crl(entries_encoded, 7_000_000_000, NOW.floor_to_second(), Crl::NO_NEXT_UPDATE);
        let oracle = x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der).unwrap();
        assert_eq!(oracle.to_der().unwrap(), der);
        assert_eq!(oracle.tbs_cert_list.revoked_certificates.map_or(0, |list| list.len()), entries_encoded.len());
        let read = ParsedCrl::from_der(der).unwrap();
        read.verify_signature(root.key.public_key()).unwrap();
        assert!(read.verify_signature(key(Algorithm::EcdsaP256, 2).public_key()).is_err());
        assert_eq!(read.entries(), &entries[..entries_encoded.len()]);
        assert_eq!(read.number(), Some(7_000_000_000));
        assert_eq!(read.next_update(), Some(Crl::NO_NEXT_UPDATE));
        assert_eq!(read.issuer(), root.certificate.subject());
        assert_eq!(read.authority_key_identifier(), Some(&root.key.public_key().key_identifier()[..]));
    }
}

fn single() -> (Authority, Vec<u8>) {
    let holder = key(Algorithm::EcdsaP256, 3);
    let names = [GeneralName::dns("a.example", Wildcards::Narrow).unwrap()];
    let request = sign(&csr_tbs(&name("a.example"), holder.public_key(), &names), &holder);
    let verified = pca_core::x509::VerifiedCsr::verify(&request).unwrap();
    assert_eq!(verified.names(), names);
    let validity = Validity::for_years(*NOW, 10).unwrap();
    (root_with(&name("Acme Root"), key(Algorithm::EcdsaP256, 1), validity, None), request)
}
