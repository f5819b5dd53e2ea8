//! Makes the corpus anew, by the project's own code: `cargo run --bin seeds`. Keys and times are new each time, so that
//! it is run only when a target or a format is new; what is there otherwise stays.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use pca_core::delivery::Format;
use pca_core::domain::ca::EnableByCreating;
use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::{Event, Money};
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::policy::Policy;
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::software::default_backend;
use pca_core::keys::{Algorithm, Encryption, Family, KeyDerivation};
use pca_core::log::Position;
use pca_core::ports::EventStore as _;
use pca_core::service::{Call, Download, Parts, Pca, blocking};
use pca_core::x509::{
    CommonName, OcspCertId, OcspHash, OcspRequest, ParsedCertificate, SerialNumber, SubjectFields, Wildcards, assemble,
    csr_tbs, server_name, to_pem,
};
use pca_store_file::{FileEventStore, Options};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_system::{OsEntropy, SystemClock};

/// How many commits the history below makes.
const COMMITS: usize = 8;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    events()?;
    keys_and_requests()?;
    names()?;
    history()
}

fn seed(target: &str, name: &str, octets: &[u8]) -> Done {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), octets)?;
    Ok(())
}

/// Every kind of event, from the golden files of `pca-core`, which hold each shape of each of them.
fn events() -> Done {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pca-core/tests/golden");
    for entry in fs::read_dir(golden)? {
        let path = entry?.path();
        let Some(stem) = path.to_str().and_then(|path| path.strip_suffix(".hex")).map(Path::new) else { continue };
        let stem = stem.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        let mut parts = stem.split('.');
        let (kind, schema) = (parts.next().ok_or("a kind")?, parts.next().ok_or("a schema")?.parse::<u8>()?);
        let number = Event::KINDS.iter().position(|(known, _)| *known == kind).ok_or("a known kind")?;
        let digits: Vec<u8> = fs::read(&path)?.into_iter().filter(u8::is_ascii_hexdigit).collect();
        let mut octets = vec![u8::try_from(number)?, schema];
        for pair in digits.chunks(2) {
            octets.push(u8::from_str_radix(core::str::from_utf8(pair)?, 16)?);
        }
        seed("event", stem, &octets)?;
    }
    Ok(())
}

fn keys_and_requests() -> Done {
    let passphrase = b"at least twelve characters";
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Rsa2048] {
        let key = default_backend().generate(algorithm)?;
        seed("key", &format!("{algorithm}.der"), key.pkcs8_der())?;
        seed("key", &format!("{algorithm}.pem"), key.to_unencrypted_pkcs8_pem().as_bytes())?;
        let subject = SubjectFields::common("service.internal").to_name(CommonName::Required);
        let subject = subject.map_err(|why| format!("{why:?}"))?;
        let tbs = csr_tbs(&subject, key.public_key(), &[server_name("service.internal", Wildcards::Narrow)?]);
        let signing = key.public_key().signature_algorithm();
        let signature = default_backend().signer(&key)?.sign(signing, &tbs)?;
        let request = assemble(&tbs, signing, &signature);
        seed("csr", &format!("{algorithm}.der"), &request)?;
        seed("csr", &format!("{algorithm}.pem"), to_pem("CERTIFICATE REQUEST", &request).as_bytes())?;
        let serial = SerialNumber::from_random([7; 10]);
        let asked = |hash| OcspCertId::new(hash, &subject, key.public_key(), serial);
        let one = OcspRequest::new(vec![asked(OcspHash::Sha1)], Some(vec![7; 32]));
        seed("ocsp_request", &format!("{algorithm}.nonce.der"), &one.to_der())?;
        let many = OcspRequest::new(vec![asked(OcspHash::Sha256); 3], None);
        seed("ocsp_request", &format!("{algorithm}.three.der"), &many.to_der())?;
        for (name, derivation) in
            [("pbkdf2", KeyDerivation::Pbkdf2 { iterations: 16 }), ("scrypt", KeyDerivation::Scrypt { log2_cost: 4 })]
        {
            let encryption = Encryption { derivation, salt: [1; 16], initialization_vector: [2; 16] };
            let octets = key.to_encrypted_pkcs8_der(passphrase, &encryption)?;
            seed("key", &format!("{algorithm}.{name}.der"), &octets)?;
            let octets = key.to_encrypted_pkcs8_pem(passphrase, &encryption)?;
            seed("key", &format!("{algorithm}.{name}.pem"), octets.as_bytes())?;
        }
    }
    Ok(())
}

fn names() -> Done {
    let texts = [
        "*.service.internal",
        "xn--bcher-kva.example",
        "quota/ca_abcdefghijklmnop",
        "someone@example.com",
        "http://crl.example.com:8080/oa.crl",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "bd315dd9b0491598ed915a1a1b120a65",
        "ad1b9de910513527b407147d7a05569066c1a50cceaba3e118df6b13f49e749c",
        "0123456789",
        "ae",
    ];
    for (text, number) in texts.iter().zip(0..) {
        seed("names", &format!("{number:02}"), text.as_bytes())?;
    }
    Ok(())
}

/// A small enterprise: its certificates and lists, its commits, and a log in files that holds them.
fn history() -> Done {
    let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
    let pca = blocking::Pca::new(Pca::new(parts));
    let call = Call::by("seeds");
    pca.execute(FoundEnterprise { name: Some("Seeds".into()), rehearsal: true, policy: Policy::default() }, &call)?;
    let root = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(1), paid: Money::nothing() };
    let bought = pca.execute(root, &call)?.answer;
    let intermediate = bought.intermediate;
    pca.execute(EnableByCreating::named(bought.root.clone(), "Seeds Root"), &call)?;
    pca.execute(EnableByCreating::named(intermediate.clone(), "Seeds Services"), &call)?;
    pca.execute(AssignQuota { ca: intermediate.clone(), units: 2 }, &call)?;
    let issued = pca.issue(IssueCertificate::server(intermediate.clone(), ["service.internal"]), &call)?.answer;
    let mut certificates = vec![("root", Download::of_ca(bought.root, Format::Pem))];
    certificates.push(("intermediate", Download::of_ca(intermediate.clone(), Format::Pem)));
    certificates.push(("server", Download::of_certificate(issued.id, Format::Pem)));
    let mut chain = Vec::new();
    for (name, download) in certificates {
        let delivery = pca.download(&download, &call)?;
        let file = delivery.files.first().ok_or("a file")?;
        let certificate = ParsedCertificate::from_pem(&file.contents);
        let certificate = certificate.map_err(|error| format!("{}: {error}", file.path))?;
        seed("certificate", &format!("{name}.der"), certificate.der())?;
        let pem = to_pem("CERTIFICATE", certificate.der());
        seed("certificate", &format!("{name}.pem"), pem.as_bytes())?;
        chain.push(pem);
    }
    let revoke = pca_core::domain::certificate::RevokeCertificate {
        id: issued.id,
        reason: pca_core::x509::RevocationReason::KeyCompromise,
        invalidity_date: None,
    };
    pca.execute(revoke, &call)?;
    let list = pca.publish_crl(&intermediate, &call)?;
    seed("crl", "list.der", &list.der)?;
    seed("crl", "list.pem", list.pem().as_bytes())?;
    // The target first, the anchor last.
    chain.push(list.pem());
    chain.reverse();
    seed("chain", "chain.pem", chain.concat().as_bytes())?;

    let directory = tempfile::tempdir()?;
    let store = FileEventStore::create(directory.path(), Options::default().preallocation(64).segment_size(4096))?;
    // Who follows waits for more at the end: so many commits were made above.
    for (recorded, number) in pca.follow(Position::ZERO).take(COMMITS).zip(0..) {
        let commit = recorded?.commit().clone();
        seed("commit_body", &format!("{number:02}"), commit.body())?;
        for receipt in pollster::block_on(store.commit(vec![commit])) {
            receipt?;
        }
    }
    pollster::block_on(store.close())?;
    for entry in fs::read_dir(directory.path())? {
        let path = entry?.path();
        let octets = fs::read(&path)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        match name.strip_suffix(".log") {
            Some(first) => {
                let short = first.trim_start_matches('0');
                seed("segment", short, &octets)?;
                seed("small_files", &format!("segment-{short}"), octets.get(..96).ok_or("a header")?)?;
            }
            None if name != "lock" => seed("small_files", name, &octets)?,
            None => {}
        }
    }
    Ok(())
}
