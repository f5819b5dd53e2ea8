//! What happens to a certificate after it was issued, as stories.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bulk;
mod end;
mod judges;
mod keys;
mod model;
mod renew;

use super::*;
use crate::domain::testing::Story;
use crate::keys::Algorithm;
use crate::x509::{CertificateId, Profile, RevocationReason, SubjectFields};

const DAY: i64 = 86_400;

/// A story with one server certificate, with a key of the platform.
fn with_certificate() -> (Story, Issued) {
    let mut story = Story::issuing(10);
    let request = IssueCertificate::server(story.intermediate(), ["oa.example"]);
    let issued = story.run(&request).answer;
    (story.later(60), issued)
}

/// A certificate whose key its holder made.
fn with_csr() -> (Story, Issued, IssueCertificate) {
    let mut story = Story::issuing(10);
    let csr = story.csr(&crate::domain::testing::new_key(Algorithm::EcdsaP256));
    let request =
        IssueCertificate { key: KeySource::Csr(csr), ..IssueCertificate::server(story.intermediate(), ["oa.example"]) };
    let issued = story.run(&request).answer;
    (story.later(60), issued, request)
}

fn revoke(id: CertificateId, reason: RevocationReason) -> RevokeCertificate {
    RevokeCertificate { id, reason, invalidity_date: None }
}

/// The newest intermediate was reset for this reason.
fn reset(story: Story, reason: RevocationReason) -> Story {
    story.clone().reset(&story.intermediate(), reason)
}

fn status(story: &Story, id: CertificateId) -> Status {
    let certificate = story.certificate(&id);
    match certificate.issued() {
        Some(issued) => effective_status(&certificate, story.ca(&issued.ca), story.now()),
        None => Status::Unknown,
    }
}

/// A certificate id that nobody issued.
fn nobodys() -> CertificateId {
    let (story, issued) = with_certificate();
    CertificateId::new(issued.id.issuer(), story.clone().context().serial(99))
}
