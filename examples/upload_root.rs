//! A root of one's own: made elsewhere, uploaded with its key, and accepted in spite of a warning (rule C3).
//!
//! `cargo run --example upload_root`

#![allow(clippy::print_stdout, reason = "a program")]

use pca_core::domain::ca::{EnableByCreating, EnableByUpload};
use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::Money;
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::policy::Policy;
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::Family;
use pca_core::service::{Call, Parts, Pca, blocking};
use pca_core::x509::check_upload;
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_system::{OsEntropy, SystemClock};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
    let pca = blocking::Pca::new(Pca::new(parts));
    let call = Call::by("my-program");
    pca.execute(FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() }, &call)?;
    let order = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(1), paid: Money::nothing() };
    let bought = pca.execute(order, &call)?.answer;

    // The upload comes as files, PEM or DER; an encrypted key with its passphrase.
    let (certificate, key) = own_root()?;
    let upload = check_upload(certificate.as_bytes(), key.as_bytes(), None)?;
    println!("uploading `{}`", upload.certificate().subject());

    // As it is, it is refused, with every reason.
    let mut request = EnableByUpload::new(bought.root, upload);
    let error = pca.execute(request.clone(), &call).err().ok_or("a warning was overlooked")?;
    let refusal = error.refusal().ok_or("that was no refusal")?.clone();
    for broken in refusal.broken() {
        println!("refused by {}, {}: {}", broken.rule(), broken.code(), broken.message());
    }

    // A warning can be accepted by its code; the log remembers that it was, by whom and why.
    request.accepted = refusal.broken().iter().map(|broken| broken.code().to_owned()).collect();
    let because = call.clone().because("our root of 2019 has no key usage; it is replaced next year");
    let enabled = pca.execute(request, &because)?.answer;
    println!("enabled {} until {}, accepting {}", enabled.ca, enabled.not_after, enabled.warnings.join(", "));

    // From here on it is a root as any other: its name goes octet for octet into what is issued below it.
    pca.execute(EnableByCreating::named(bought.intermediate.clone(), "Services below our own root"), &call)?;
    pca.execute(AssignQuota { ca: bought.intermediate.clone(), units: 1 }, &call)?;
    let issued = pca.issue(IssueCertificate::server(bought.intermediate, ["www.example.com"]), &call)?.answer;
    println!("issued  {} until {}", issued.id, issued.not_after);
    Ok(())
}

/// A root as another tool makes it: valid, but without a key usage.
fn own_root() -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Example Corporation");
    params.distinguished_name.push(DnType::CommonName, "Example Root 2019");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(2039, 1, 1);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}
