//! Certificates that end within a window, and whether another took their place.

use std::collections::HashMap;

use crate::domain::CaId;
use crate::domain::event::{CertificateIssued, Event};
use crate::log::{Digest, Timestamp};
use crate::x509::{CertificateId, GeneralName, ParsedCertificate, RevocationReason};

use super::Task;

/// Certificates whose end falls into a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    window: Option<(Timestamp, Timestamp)>,
    kept: HashMap<CertificateId, Kept>,
    by_content: HashMap<Digest, Vec<CertificateId>>,
}

#[derive(Clone, Debug)]
struct Kept {
    ca: CaId,
    generation: u32,
    not_after: Timestamp,
    name: Option<String>,
    holder: Option<String>,
    content: Digest,
    on_hold: bool,
}

impl Certificates {
    /// Keeps those that end from one time to another.
    pub(super) fn ending(from: Timestamp, to: Timestamp) -> Self {
        Self { window: Some((from.floor_to_second(), to)), ..Self::default() }
    }

    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::CertificateIssued(issued) => self.issued(issued),
            Event::CertificateRevoked(revoked) if revoked.reason == RevocationReason::CertificateHold => {
                if let Some(kept) = self.kept.get_mut(&revoked.id) {
                    kept.on_hold = true;
                }
            }
            Event::CertificateRevoked(revoked) => self.forget(&revoked.id),
            Event::HoldReleased(released) => {
                if let Some(kept) = self.kept.get_mut(&released.id) {
                    kept.on_hold = false;
                }
            }
            Event::CertificateRemoved(removed) => self.forget(&removed.id),
            _ => {}
        }
    }

    /// Those that end from one time to another, with their end; `ended` tells whether a generation of a CA did.
    pub(super) fn due(
        &self,
        from: Timestamp,
        to: Timestamp,
        ended: impl Fn(&CaId, u32) -> bool,
    ) -> impl Iterator<Item = (Task, Timestamp)> {
        let from = from.floor_to_second();
        let due = self.kept.iter().filter(move |(_, kept)| {
            (from..=to).contains(&kept.not_after) && !kept.on_hold && !ended(&kept.ca, kept.generation)
        });
        due.map(|(id, kept)| {
            let (issuer, name, holder) = (kept.ca.clone(), kept.name.clone(), kept.holder.clone());
            (Task::RenewCertificate { certificate: *id, issuer, name, holder }, kept.not_after)
        })
    }

    fn issued(&mut self, issued: &CertificateIssued) {
        if let Some(predecessor) = &issued.renews {
            self.forget(predecessor);
        }
        let kept = self.window.is_none_or(|(from, to)| (from..=to).contains(&issued.not_after));
        if !kept && self.kept.is_empty() {
            return;
        }
        let Ok(parsed) = ParsedCertificate::from_der(issued.certificate.as_bytes()) else { return };
        let content = content(issued, &parsed);
        let before = self.by_content.get(&content).cloned().unwrap_or_default();
        for older in before {
            if self.kept.get(&older).is_some_and(|older| older.not_after < issued.not_after) {
                self.forget(&older);
            }
        }
        if kept {
            let names = &parsed.extensions().subject_alternative_names;
            let name = parsed.subject().common_name().or_else(|| names.first().map(GeneralName::to_string));
            self.by_content.entry(content).or_default().push(issued.id);
            let (ca, generation, not_after) = (issued.ca.clone(), issued.generation, issued.not_after);
            let holder = issued.holder.name.clone();
            self.kept.insert(issued.id, Kept { ca, generation, not_after, name, holder, content, on_hold: false });
        }
    }

    fn forget(&mut self, id: &CertificateId) {
        let Some(kept) = self.kept.remove(id) else { return };
        if let Some(same) = self.by_content.get_mut(&kept.content) {
            same.retain(|other| other != id);
            if same.is_empty() {
                self.by_content.remove(&kept.content);
            }
        }
    }
}

/// What makes two certificates stand in for each other: CA, profile, subject and names.
fn content(issued: &CertificateIssued, parsed: &ParsedCertificate) -> Digest {
    let names = &parsed.extensions().subject_alternative_names;
    Digest::of(format!("{}\n{}\n{}\n{names:?}", issued.ca, issued.profile, parsed.subject()).as_bytes())
}
