//! Certificates for holders: issued, and downloaded in the form that each target wants.

use pca_core::delivery::Format;
use pca_core::domain::certificate::{IssueCertificate, Issued, KeySource, NameRequest};
use pca_core::domain::event::Holder;
use pca_core::domain::{BrokenRule, CaId, Refusal};
use pca_core::keys::software::default_backend;
use pca_core::keys::{Algorithm, PrivateKey};
use pca_core::service::{Call, Download};
use pca_core::x509::{CertificateId, CommonName, Profile, SubjectFields, VerifiedCsr, assemble, csr_tbs};

use crate::Outcome;
use crate::place::{EXPORT_PASSPHRASE, Place};
use crate::platform::Platform;
use crate::purchase::Shop;
use crate::voice::{chapter, done, note, refused, told};

/// The name of OA's server.
pub(crate) const OA_HOST: &str = "oa.example.com";

/// The certificates of the walk.
pub(crate) struct Certificates {
    /// OA's server; its key was made here.
    pub(crate) server: CertificateId,
    /// OA's archive; it made its key itself.
    pub(crate) archive: CertificateId,
    /// A client of HR.
    pub(crate) ann: CertificateId,
    /// Another.
    pub(crate) bob: CertificateId,
    /// HR's records are encrypted to this one.
    pub(crate) records: CertificateId,
}

/// Issues certificates until HR's quota is used up.
pub(crate) fn issue(platform: &Platform, shop: &Shop) -> Outcome<Certificates> {
    chapter(5, "The departments issue certificates");
    let pca = &platform.pca;
    let server = |ca: &CaId, names: &[&str]| IssueCertificate::server(ca.clone(), names.iter().copied());
    refused("a server certificate from the root", pca.issue(server(&shop.root, &[OA_HOST]), &platform.it), &["I1"])?;
    let bad = ["oa_1.example.com", "*.*.example.com", "oa.example.com."];
    refused("three names that are none", pca.issue(server(&shop.oa, &bad), &platform.oa), &["I4"])?;
    let long = IssueCertificate { days: Some(4000), ..server(&shop.oa, &[OA_HOST]) };
    refused("4000 days, more than OA's own certificate has", pca.issue(long, &platform.oa), &["C5"])?;

    let mut request = server(&shop.oa, &[OA_HOST]);
    request.names.push(NameRequest::ip("127.0.0.1"));
    request.holder = holder("OA server");
    let oa_server = one(platform, request, &platform.oa, "server, key made by the platform: oa.example.com")?;

    // The archive makes its own key and proves with a signing request that it has it.
    let key = default_backend().generate(Algorithm::EcdsaP256)?;
    let forged = certificate_request(&key, &default_backend().generate(Algorithm::EcdsaP256)?)?;
    match VerifiedCsr::verify(&forged) {
        Ok(_) => return Err("a request that somebody else signed was accepted".into()),
        Err(error) => {
            let refusal = Refusal::from(BrokenRule::from(error));
            told("a signing request that was not signed with its own key", &refusal, &["I3"])?;
        }
    }
    let mut request = server(&shop.oa, &["archive.oa.example.com"]);
    request.key = KeySource::Csr(VerifiedCsr::verify(&certificate_request(&key, &key)?)?);
    request.holder = holder("OA archive");
    let archive = one(platform, request, &platform.oa, "server, key made by its holder: archive.oa.example.com")?;

    let client = |name: &str, mail: &str| IssueCertificate {
        names: vec![NameRequest::email(mail)],
        holder: holder(name),
        ..IssueCertificate::client(shop.hr.clone(), name)
    };
    let ann = one(platform, client("Ann Clerk", "ann@hr.example.com"), &platform.hr, "client: Ann Clerk")?;
    let bob = one(platform, client("Bob Clerk", "bob@hr.example.com"), &platform.hr, "client: Bob Clerk")?;
    let mut request =
        IssueCertificate::of(shop.hr.clone(), Profile::DataEncryption, SubjectFields::common("HR records"));
    request.holder = holder("HR records");
    let records = one(platform, request, &platform.hr, "data encryption: HR records")?;
    let fourth = client("Cem Clerk", "cem@hr.example.com");
    refused("a fourth certificate for HR", pca.issue(fourth, &platform.hr), &["Q2"])?;
    Ok(Certificates { server: oa_server.id, archive: archive.id, ann: ann.id, bob: bob.id, records: records.id })
}

/// Downloads what is to be installed.
pub(crate) fn download(platform: &Platform, place: &Place, shop: &Shop, issued: &Certificates) -> Outcome {
    chapter(6, "They download what they install");
    let pca = &platform.pca;
    let nginx = Download::of_certificate(issued.server, Format::Nginx).with_key("OA server", EXPORT_PASSPHRASE.into());
    done("OA's server, a package for nginx:");
    place.keep("oa-server", &pca.download(&nginx, &platform.oa)?)?;
    let passphrase_file = format!("{}/privkey.pass", package(issued));
    place.write(&passphrase_file, format!("{EXPORT_PASSPHRASE}\n").as_bytes(), true)?;
    note(&format!("{passphrase_file}   (written here, as its INSTALL.txt asks)"));
    done("OA's archive, PEM without a key, which the platform never had:");
    place.keep("oa-archive", &pca.download(&Download::of_certificate(issued.archive, Format::Pem), &platform.oa)?)?;
    let with_key =
        |id, format, whom: &str| Download::of_certificate(id, format).with_key(whom, EXPORT_PASSPHRASE.into());
    done("Ann, a package for her browser, and PEM:");
    place.keep("hr-ann", &pca.download(&with_key(issued.ann, Format::Browser, "Ann Clerk"), &platform.hr)?)?;
    place.keep("hr-ann", &pca.download(&with_key(issued.ann, Format::Pem, "Ann Clerk"), &platform.hr)?)?;
    done("Bob, PKCS#12 and PEM:");
    place.keep("hr-bob", &pca.download(&with_key(issued.bob, Format::Pkcs12, "Bob Clerk"), &platform.hr)?)?;
    place.keep("hr-bob", &pca.download(&with_key(issued.bob, Format::Pem, "Bob Clerk"), &platform.hr)?)?;
    done("HR's records, PEM:");
    place.keep("hr-records", &pca.download(&with_key(issued.records, Format::Pem, "HR records"), &platform.hr)?)?;
    done("the CAs, for whoever is to trust them:");
    for (name, ca) in [("root", &shop.root), ("oa", &shop.oa), ("hr", &shop.hr)] {
        let delivery = pca.download(&Download::of_ca(ca.clone(), Format::Pem), &platform.it)?;
        let file = delivery.files.first().ok_or("a delivery without a file")?;
        place.write(&format!("trust/{name}.pem"), &file.contents, false)?;
        note(&format!("trust/{name}.pem"));
    }
    let of_root = Download::of_ca(shop.root.clone(), Format::Pem).with_plain_key("a thief");
    refused("the root's private key", pca.download(&of_root, &platform.it), &["K1"])?;
    let weak = Download::of_certificate(issued.bob, Format::Pkcs12).with_key("Bob Clerk", "bob".into());
    refused("a key under a passphrase of three characters", pca.download(&weak, &platform.hr), &["K5"])?;
    Ok(())
}

/// The directory of the server's package.
pub(crate) fn package(issued: &Certificates) -> String {
    format!("oa-server/{}-nginx", issued.server)
}

fn one(platform: &Platform, request: IssueCertificate, call: &Call, what: &str) -> Outcome<Issued> {
    let issued = platform.pca.issue(request, call)?.answer;
    done(&format!("{} {what}", issued.id));
    note(&format!(
        "until {}, paid by {}, {} more can be issued",
        issued.not_after, issued.lot, issued.balance.remaining
    ));
    Ok(issued)
}

fn holder(name: &str) -> Holder {
    Holder { name: Some(name.into()), ..Holder::default() }
}

/// A signing request for a key (PKCS#10), signed with another one if somebody cheats.
fn certificate_request(key: &PrivateKey, signed_with: &PrivateKey) -> Outcome<Vec<u8>> {
    let subject = SubjectFields::common("archive.oa.example.com").to_name(CommonName::Optional);
    let subject = subject.map_err(|violations| format!("{violations:?}"))?;
    let tbs = csr_tbs(&subject, key.public_key(), &[]);
    let algorithm = signed_with.public_key().signature_algorithm();
    let signature = default_backend().signer(signed_with)?.sign(algorithm, &tbs)?;
    Ok(assemble(&tbs, algorithm, &signature))
}
