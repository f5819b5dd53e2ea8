//! Certificate revocation lists as the platform writes them (RFC 5280 section 5; rule A3): version 2; full, of a partition,
//! and deltas of both.
//!
//! Entries can be encoded once and kept; a list is then little more than a copy of them.

use serde::{Deserialize, Serialize};

use super::certificate::Issuer;
use super::der::{Writer, encode, tag};
use super::extension::{write_authority_key_identifier, write_extension};
use super::oid;
use super::reason::RevocationReason;
use super::serial::SerialNumber;
use super::signature::algorithm_identifier;
use super::urls::write_distribution_point_name;
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
        let mut writer = Writer::onto(core::mem::take(octets));
        self.write(&mut writer);
        *octets = writer.finish();
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

    /// The to-be-signed full list with entries that are encoded already, each slice one or more of them. Without entries
    /// the list of revoked certificates is absent (RFC 5280 section 5.1.2.6). [`assemble`](super::assemble) puts the
    /// signature to it.
    #[must_use]
    pub fn tbs<'e, I>(&self, entries: I) -> Vec<u8>
    where
        I: IntoIterator<Item = &'e [u8]>,
        I::IntoIter: Clone,
    {
        let entries = entries.into_iter();
        let length = entries.clone().map(<[u8]>::len).sum();
        let frame = self.frame(&CrlForm::default(), length);
        let mut tbs = Vec::with_capacity(frame.octets());
        tbs.extend_from_slice(&frame.front);
        entries.for_each(|entry| tbs.extend_from_slice(entry));
        tbs.extend_from_slice(&frame.back);
        tbs
    }

    /// What stands before and behind so many octets of encoded entries: for a list that is written piece by piece.
    #[must_use]
    pub fn frame(&self, form: &CrlForm<'_>, entries: usize) -> CrlFrame {
        let fields = encode(|w| {
            w.unsigned(tag::INTEGER, 1);
            w.raw(&algorithm_identifier(self.issuer.signature_algorithm()));
            w.raw(self.issuer.name().der());
            write_time(w, self.this_update);
            write_time(w, self.next_update);
            if entries > 0 {
                w.header(tag::SEQUENCE, entries);
            }
        });
        let back = encode(|w| {
            w.nested(tag::context_constructed(0), |w| w.nested(tag::SEQUENCE, |w| self.write_extensions(form, w)));
        });
        let front = encode(|w| {
            w.header(tag::SEQUENCE, fields.len() + entries + back.len());
            w.raw(&fields);
        });
        CrlFrame { front, entries, back }
    }

    fn write_extensions(&self, form: &CrlForm<'_>, writer: &mut Writer) {
        write_authority_key_identifier(writer, self.issuer.key_identifier());
        write_extension(writer, &oid::CRL_NUMBER, false, |w| w.unsigned(tag::INTEGER, self.number));
        if let Some(base) = form.base {
            write_extension(writer, &oid::DELTA_CRL_INDICATOR, true, |w| w.unsigned(tag::INTEGER, base));
        }
        if !form.distribution_point.is_empty() {
            write_extension(writer, &oid::ISSUING_DISTRIBUTION_POINT, true, |w| {
                w.nested(tag::SEQUENCE, |w| {
                    write_distribution_point_name(w, form.distribution_point.iter().map(String::as_str));
                });
            });
        }
        if let Some(freshest) = form.freshest {
            write_extension(writer, &oid::FRESHEST_CRL, false, |w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.nested(tag::SEQUENCE, |w| write_distribution_point_name(w, [freshest]));
                });
            });
        }
    }
}

/// What makes a list another one than the full one of its issuer's name; the default is that one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrlForm<'a> {
    /// The number of the list that a delta is the difference to: the delta CRL indicator, critical (RFC 5280 section 5.2.4).
    pub base: Option<u64>,
    /// Where the certificates in its scope say that it is; empty for the whole name. More than one are addresses that it has
    /// had: a relying party looks for *one* that both name. The issuing distribution point, critical (RFC 5280 section
    /// 5.2.5).
    pub distribution_point: &'a [String],
    /// Where deltas to it are: the freshest CRL (RFC 5280 section 5.2.6), never in a delta.
    pub freshest: Option<&'a str>,
}

/// A to-be-signed list without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFrame {
    front: Vec<u8>,
    entries: usize,
    back: Vec<u8>,
}

impl CrlFrame {
    /// What stands before the entries.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        &self.front
    }

    /// What stands behind the entries.
    #[must_use]
    pub fn back(&self) -> &[u8] {
        &self.back
    }

    /// How many octets the to-be-signed list has with its entries.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.front.len() + self.entries + self.back.len()
    }
}
