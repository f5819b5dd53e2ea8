//! A private CA inside your own program: founded, bought, enabled, and issuing, in a dozen lines.
//!
//! `cargo run --example embed`
//!
//! Here the stores are in memory. For a program that is to remember, take `FileEventStore` and `FileKeyStore` of
//! `pca-store-file` instead, as the example `departments` does; nothing else changes. `Pca` itself is asynchronous and
//! needs no particular runtime; `blocking::Pca`, which is used here, waits on the caller's own thread.

#![allow(clippy::print_stdout, reason = "a program")]

use pca_core::delivery::Format;
use pca_core::domain::ca::EnableByCreating;
use pca_core::domain::certificate::IssueCertificate;
use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::event::Money;
use pca_core::domain::order::{BuyRoot, ServiceTerm};
use pca_core::domain::policy::Policy;
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::Family;
use pca_core::service::{Call, Download, Parts, Pca, blocking};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use pca_system::{OsEntropy, SystemClock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Once: what it is made of, and who is answerable for what is done.
    let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
    let pca = blocking::Pca::new(Pca::new(parts));
    let call = Call::by("my-program");

    // The ten lines.
    pca.execute(FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() }, &call)?;
    let root = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(1), paid: Money::nothing() };
    let bought = pca.execute(root, &call)?.answer;
    let intermediate = bought.intermediate;
    pca.execute(EnableByCreating::named(bought.root, "My Root"), &call)?;
    pca.execute(EnableByCreating::named(intermediate.clone(), "My Services"), &call)?;
    pca.execute(AssignQuota { ca: intermediate.clone(), units: 10 }, &call)?;
    let issued = pca.issue(IssueCertificate::server(intermediate, ["service.internal"]), &call)?.answer;
    let delivery = pca.download(&Download::of_certificate(issued.id, Format::Pem), &call)?;

    println!("issued {} until {}, {} more can be", issued.id, issued.not_after, issued.balance.remaining);
    for file in delivery.files {
        println!("\n{}:\n{}", file.path, String::from_utf8_lossy(&file.contents));
    }
    Ok(())
}
