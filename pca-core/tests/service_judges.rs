//! Other people's tools as judges of what the service hands out: chains and CRLs are accepted by OpenSSL (strictly, with
//! all CRLs), GnuTLS, Java and rustls-webpki, and revoked certificates are refused by all of them, before and after the
//! resets of their CAs. A tool that is not installed is skipped aloud, unless `CI` is `true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod judges;
mod service_support;
mod x509_support;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use judges::{Trust, installed};
use pca_core::domain::CaId;
use pca_core::domain::ca::{EnableByCreating, Lifetime};
use pca_core::domain::certificate::{IssueCertificate, KeySource, NameRequest, RevokeCertificate};
use pca_core::domain::event::{Addresses, Holder};
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::keys::Algorithm;
use pca_core::log::Timestamp;
use pca_core::x509::{CommonName, Profile, RevocationReason, SubjectFields, VerifiedCsr, assemble, csr_tbs};
use rustls_pki_types::{CertificateDer, UnixTime};
use service_support::{Kind, Site, by};
use x509_support::pem;

/// Chains by family and algorithm: of the CAs, and of the keys that holders bring.
const CHAINS: [(&str, Algorithm, Algorithm); 5] = [
    ("p256", Algorithm::EcdsaP256, Algorithm::EcdsaP384),
    ("p384", Algorithm::EcdsaP384, Algorithm::EcdsaP256),
    ("p521", Algorithm::EcdsaP521, Algorithm::Ed25519),
    ("ed25519", Algorithm::Ed25519, Algorithm::EcdsaP256),
    ("rsa", Algorithm::Rsa2048, Algorithm::Rsa2048),
];

/// A certificate with all that a relying party has.
struct Case {
    name: String,
    revoked: bool,
    profile: Profile,
    leaf: Vec<u8>,
    intermediate: Vec<u8>,
    root: Vec<u8>,
    /// Of the root, then of the key that signed the leaf.
    crls: [Vec<u8>; 2],
    /// What OpenSSL gets together.
    stage: String,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| CHAINS.into_iter().flat_map(chain).collect());

struct Chain {
    site: Site,
    name: &'static str,
    algorithm: Algorithm,
    root: CaId,
    oa: CaId,
}

type Leaf = (&'static str, Profile, Vec<u8>);

impl Chain {
    fn enable(&self, ca: &CaId, name: &str, years: u32) -> Vec<u8> {
        let addresses = Addresses {
            crl_url: Some(format!("http://pki.example/{}.crl", self.name)),
            ocsp_url: Some("http://ocsp.example/".into()),
            issuer_url: Some(format!("http://pki.example/{}.cer", self.name)),
        };
        let enable = EnableByCreating {
            subject: SubjectFields {
                organization: Some("Ünïted Example 株式会社".into()),
                country: Some("DE".into()),
                ..SubjectFields::common(format!("{name} {}", self.name))
            },
            algorithm: Some(self.algorithm),
            lifetime: Some(Lifetime::Years(years)),
            addresses,
            ..service_support::enable(ca, "")
        };
        self.site.run(enable).certificate.as_bytes().to_vec()
    }

    fn crl(&self, ca: &CaId) -> Vec<u8> {
        pollster::block_on(self.site.pca.unblocked().publish_crl(ca, &by())).unwrap().der
    }

    fn issue(&self, request: IssueCertificate) -> (pca_core::x509::CertificateId, Vec<u8>) {
        let issued = self.site.pca.issue(request, &by()).unwrap().answer;
        (issued.id, issued.certificate.as_bytes().to_vec())
    }

    fn server(&self, name: &str) -> IssueCertificate {
        let names = [
            NameRequest::dns(format!("*.{name}.example")),
            NameRequest::ip("10.1.2.3"),
            NameRequest::ip("2001:db8::7"),
        ];
        let mut request = IssueCertificate::server(self.oa.clone(), [format!("{name}.{}.example", self.name)]);
        request.names.extend(names);
        request
    }

    fn cases(&self, stage: &str, revoked: bool, leaves: Vec<Leaf>, above: [&[u8]; 2], crls: [&[u8]; 2]) -> Vec<Case> {
        leaves
            .into_iter()
            .map(|(kind, profile, leaf)| Case {
                name: format!("{}-{stage}-{kind}", self.name),
                revoked,
                profile,
                leaf,
                intermediate: above[0].to_vec(),
                root: above[1].to_vec(),
                crls: crls.map(<[u8]>::to_vec),
                stage: stage.into(),
            })
            .collect()
    }
}

fn csr(algorithm: Algorithm) -> KeySource {
    let key = new_key(algorithm);
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(&key, &tbs);
    KeySource::Csr(VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap())
}

/// One chain's life: issue, revoke, reset the intermediate, go on, reset the root.
fn chain((name, algorithm, brought): (&'static str, Algorithm, Algorithm)) -> Vec<Case> {
    let site = Site::new(Kind::Memory);
    // Real time, because GnuTLS knows no other.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    site.clock.set(Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap() - 7200));
    site.found();
    let bought =
        site.run(BuyRoot { family: algorithm.family(), term: ServiceTerm::years(5), ..service_support::buy_root() });
    let chain = Chain { site, name, algorithm, root: bought.root, oa: bought.intermediate };
    let root = chain.enable(&chain.root, "Root", 10);
    let oa = chain.enable(&chain.oa, "OA", 5);
    chain.site.run(AssignQuota { ca: chain.oa.clone(), units: 10 });

    let mut good: Vec<Leaf> = vec![("server", Profile::Server, chain.issue(chain.server("www")).1)];
    let client = IssueCertificate {
        names: vec![NameRequest::email("alice@example.com"), NameRequest::uri("https://example.com/alice")],
        key: csr(brought),
        holder: Holder { name: Some("Alice".into()), ..Holder::default() },
        ..IssueCertificate::client(chain.oa.clone(), "Älice 🔑")
    };
    good.push(("client", Profile::Client, chain.issue(client).1));
    let long = IssueCertificate::server(chain.oa.clone(), [format!("{}.example", "a".repeat(60))]);
    good.push(("nameless", Profile::Server, chain.issue(long).1));
    if algorithm != Algorithm::Ed25519 {
        let data = IssueCertificate::of(chain.oa.clone(), Profile::DataEncryption, SubjectFields::common("HR records"));
        good.push((
            "data",
            Profile::DataEncryption,
            chain.issue(IssueCertificate { key: KeySource::Platform(Some(algorithm)), ..data }).1,
        ));
    }
    let mut revoked: Vec<Leaf> = Vec::new();
    for (kind, reason) in [
        ("compromised", RevocationReason::KeyCompromise),
        ("held", RevocationReason::CertificateHold),
        ("unspecified", RevocationReason::Unspecified),
    ] {
        let (id, leaf) = chain.issue(chain.server(kind));
        chain.site.run(RevokeCertificate { id, reason, invalidity_date: None });
        revoked.push((kind, Profile::Server, leaf));
    }
    let crls = [chain.crl(&chain.root), chain.crl(&chain.oa)];
    let crls = [crls[0].as_slice(), &crls[1]];
    let mut cases = chain.cases("first", false, good.clone(), [&oa, &root], crls);
    cases.extend(chain.cases("first", true, revoked.clone(), [&oa, &root], crls));

    // The intermediate is reset: all that it issued is on its last list, and it is on its root's.
    chain.site.clock.advance_secs(600);
    let ended = chain.site.pca.reset_ca(chain.site.reset(&chain.oa, false), &by()).unwrap();
    assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
    let (root_crl, last) = (chain.crl(&chain.root), chain.crl(&chain.oa));
    let all = || good.clone().into_iter().chain(revoked.clone()).collect::<Vec<_>>();
    cases.extend(chain.cases("reset", true, all(), [&oa, &root], [&root_crl, &last]));

    // Enabled anew under the same name with another key.
    let oa_again = chain.enable(&chain.oa, "OA", 5);
    let fresh = vec![("server", Profile::Server, chain.issue(chain.server("www")).1)];
    let (id, leaf) = chain.issue(chain.server("again"));
    chain.site.run(RevokeCertificate { id, reason: RevocationReason::Superseded, invalidity_date: None });
    let (root_crl, again) = (chain.crl(&chain.root), chain.crl(&chain.oa));
    cases.extend(chain.cases("again", false, fresh.clone(), [&oa_again, &root], [&root_crl, &again]));
    let superseded = vec![("superseded", Profile::Server, leaf)];
    cases.extend(chain.cases("again", true, superseded, [&oa_again, &root], [&root_crl, &again]));

    // The root is reset: its last list ends the intermediate, whose own ends the rest.
    chain.site.clock.advance_secs(600);
    let ended = chain.site.pca.reset_ca(chain.site.reset(&chain.root, true), &by()).unwrap();
    assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
    let (root_crl, last) = (chain.crl(&chain.root), chain.crl(&chain.oa));
    cases.extend(chain.cases("over", true, fresh, [&oa_again, &root], [&root_crl, &last]));
    chain.site.check();
    cases
}

impl Case {
    fn to_judge(&self) -> judges::Case {
        let leaf = pem("CERTIFICATE", &self.leaf);
        let above = [&self.intermediate, &self.root].map(|der| pem("CERTIFICATE", der)).concat();
        let file = [leaf.as_str(), &above, &self.lists().concat()].concat();
        judges::Case { name: self.name.clone(), revoked: self.revoked, leaf, file }
    }

    fn lists(&self) -> Vec<String> {
        self.crls.iter().map(|crl| pem("X509 CRL", crl)).collect()
    }
}

#[test]
fn openssl_judges_what_the_service_hands_out() {
    if !installed("openssl", "version") {
        return;
    }
    for stage in ["first", "reset", "again", "over"] {
        let of_stage = || CASES.iter().filter(|case| case.stage == stage);
        // Each once, though many cases have it.
        let collect = |part: &dyn Fn(&Case) -> Vec<String>| -> String {
            let parts: BTreeSet<String> = of_stage().flat_map(part).collect();
            parts.into_iter().collect()
        };
        let trust = Trust {
            roots: collect(&|case| vec![pem("CERTIFICATE", &case.root)]),
            intermediates: collect(&|case| vec![pem("CERTIFICATE", &case.intermediate)]),
            crls: collect(&Case::lists),
        };
        judges::openssl(&trust, &of_stage().map(Case::to_judge).collect::<Vec<_>>());
    }
}

#[test]
fn gnutls_judges_what_the_service_hands_out() {
    if installed("certtool", "--version") {
        judges::gnutls(&all());
    }
}

#[test]
fn java_judges_what_the_service_hands_out() {
    if installed("java", "--version") {
        judges::java(&all());
    }
}

fn all() -> Vec<judges::Case> {
    CASES.iter().map(Case::to_judge).collect()
}

#[test]
fn rustls_judges_what_the_service_hands_out() {
    let now = UnixTime::since_unix_epoch(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap());
    for case in CASES.iter().filter(|case| case.profile != Profile::DataEncryption) {
        let [leaf, intermediate, root] =
            [&case.leaf, &case.intermediate, &case.root].map(|der| CertificateDer::from(der.as_slice()));
        let (anchors, intermediates) = ([webpki::anchor_from_trusted_cert(&root).unwrap()], [intermediate]);
        let lists: Vec<webpki::CertRevocationList<'_>> =
            case.crls.iter().map(|crl| webpki::OwnedCertRevocationList::from_der(crl).unwrap().into()).collect();
        let lists: Vec<&webpki::CertRevocationList<'_>> = lists.iter().collect();
        let revocation = webpki::RevocationOptionsBuilder::new(&lists).unwrap();
        let revocation = revocation.with_expiration_policy(webpki::ExpirationPolicy::Enforce).build();
        let usage = match case.profile {
            Profile::Client => webpki::KeyUsage::client_auth(),
            _ => webpki::KeyUsage::server_auth(),
        };
        let end_entity = webpki::EndEntityCert::try_from(&leaf).unwrap();
        let verdict = end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            now,
            usage,
            Some(revocation),
            None,
        );
        match verdict {
            Ok(_) => assert!(!case.revoked, "{}", case.name),
            Err(webpki::Error::CertRevoked) => assert!(case.revoked, "{}", case.name),
            Err(error) => panic!("{}: {error}", case.name),
        }
    }
}

#[test]
fn there_is_something_to_judge() {
    let count = |revoked| CASES.iter().filter(|case| case.revoked == revoked).count();
    assert!(count(false) >= 20 && count(true) >= 50, "{} good, {} revoked", count(false), count(true));
}
