//! Certificate revocation lists as the platform writes them (RFC 5280 section 5; rule A3): version 2, full.
//!
//! Entries can be encoded once and kept; a list is then little more than a copy of them.

use serde::{Deserialize, Serialize};

use super::certificate::Issuer;
use super::der::{Writer, tag};
use super::extension::{write_authority_key_identifier, write_extension};
use super::oid;
use super::reason::RevocationReason;
use super::serial::SerialNumber;
use super::signature::algorithm_identifier;
use super::validity::{Validity, write_generalized_time, write_time};
use crate::log::Timestamp;

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CrlEntry {
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why; [`RevocationReason::Unspecified`] is written as no reason code (RFC 5280 section 5.3.1).
    pub reason: RevocationReason,
    /// Since when it is not to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidity_date: Option<Timestamp>,
}

impl CrlEntry {
    /// The entry as it stands in a list.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64);
        self.write(&mut writer);
        writer.finish()
    }

    /// Appends the entry to others.
    pub fn encode_into(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.encode());
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(tag::SEQUENCE, |w| {
            w.value(tag::INTEGER, self.serial.as_der_content());
            write_time(w, self.revoked_at);
            let reason = Some(self.reason).filter(|reason| *reason != RevocationReason::Unspecified);
            if reason.is_some() || self.invalidity_date.is_some() {
                w.nested(tag::SEQUENCE, |w| {
                    if let Some(reason) = reason {
                        write_extension(w, &oid::REASON_CODE, false, |w| w.value(tag::ENUMERATED, &[reason.code()]));
                    }
                    if let Some(date) = self.invalidity_date {
                        write_extension(w, &oid::INVALIDITY_DATE, false, |w| write_generalized_time(w, date));
                    }
                });
            }
        });
    }
}

/// What stands in a list beside its entries.
#[derive(Clone, Copy, Debug)]
pub struct Crl<'a> {
    /// Who signs it: the authority key identifier is the **subject** key identifier of its certificate.
    pub issuer: &'a Issuer,
    /// Its number: `max(last + 1, Unix seconds of this_update)` (rule A3).
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one is there at the latest; [`Crl::NO_NEXT_UPDATE`] for the last one of a CA (rule C7).
    pub next_update: Timestamp,
}

impl Crl<'_> {
    /// 9999-12-31T23:59:59Z: no further list will come.
    pub const NO_NEXT_UPDATE: Timestamp = Validity::NEVER;

    /// The number of the list after one with the number `last` (rule A3).
    #[must_use]
    pub fn next_number(last: Option<u64>, this_update: Timestamp) -> u64 {
        let seconds = u64::try_from(this_update.secs()).unwrap_or_default();
        last.map_or(0, |last| last.saturating_add(1)).max(seconds)
    }

    /// The to-be-signed list with entries that are encoded already, each slice one or more of them. Without entries the
    /// list of revoked certificates is absent (RFC 5280 section 5.1.2.6). [`assemble`](super::assemble) puts the
    /// signature to it.
    #[must_use]
    pub fn tbs<'e, I>(&self, entries: I) -> Vec<u8>
    where
        I: IntoIterator<Item = &'e [u8]>,
        I::IntoIter: Clone,
    {
        let entries = entries.into_iter();
        let length: usize = entries.clone().map(<[u8]>::len).sum();
        let mut front = Writer::with_capacity(256);
        front.unsigned(tag::INTEGER, 1);
        front.raw(&algorithm_identifier(self.issuer.signature_algorithm()));
        front.raw(self.issuer.name().der());
        write_time(&mut front, self.this_update);
        write_time(&mut front, self.next_update);
        if length > 0 {
            front.header(tag::SEQUENCE, length);
        }
        let mut back = Writer::with_capacity(128);
        back.nested(tag::context_constructed(0), |w| {
            w.nested(tag::SEQUENCE, |w| {
                write_authority_key_identifier(w, self.issuer.key_identifier());
                write_extension(w, &oid::CRL_NUMBER, false, |w| w.unsigned(tag::INTEGER, self.number));
            });
        });
        let (front, back) = (front.finish(), back.finish());
        let whole = front.len() + length + back.len();
        let mut writer = Writer::with_capacity(whole + 8);
        writer.header(tag::SEQUENCE, whole);
        writer.raw(&front);
        entries.for_each(|entry| writer.raw(entry));
        writer.raw(&back);
        writer.finish()
    }
}
