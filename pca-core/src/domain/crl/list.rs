//! What stands on a CRL, and its to-be-signed octets, as a pure function of the log (architecture, invariant 11).

use core::iter::Peekable;
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ca::EndedGeneration;
use crate::domain::event::CrlPublished;
use crate::domain::{CaId, Roll};
use crate::log::{Digest, Position, Timestamp};
use crate::x509::{self, CrlEntry, CrlForm, Issuer, RevocationReason, SerialNumber, assemble};

use super::entries::Chunk;
use super::{Crl, End};

/// The intermediates whose [`Roll`] tells what a CRL of this name lists: those of which a generation ended, each with the
/// newest such end, up to which the roll reaches. What a root issued is revoked one by one and needs none; nor does what a
/// living generation issued.
#[must_use]
pub fn rolls_needed(crl: &Crl) -> Vec<&End> {
    let ends = crl.ends().iter().filter(|ended| !ended.end.root);
    let newest: BTreeMap<&CaId, &End> = ends.map(|ended| (&ended.end.ca, ended)).collect();
    newest.into_values().collect()
}

/// The to-be-signed octets of a CRL: what is revoked or on hold by itself, and all that ended with its generation
/// (rule A3: its scope is the issuer's name, over all keys and generations); of a partition or a delta, the part of it.
///
/// The same octets come out for a CRL that was published earlier, if `crl` is the fold as of the position that the CRL
/// [covers](CrlPublished::covers) and the rolls are of that position or a later one, or of the [needed](rolls_needed) ends.
/// Compare with its [digest](CrlPublished::digest).
#[must_use]
pub fn to_be_signed<'r>(
    issuer: &Issuer,
    crl: &Crl,
    roll_of: impl Fn(&CaId) -> Option<&'r Roll>,
    published: &CrlPublished,
) -> Arc<[u8]> {
    Listing::of(crl, roll_of, published).write(issuer, published)
}

/// A last CRL with the signature that the log keeps, as DER (rule C7: served and downloadable after the key is gone).
/// `crl` is the fold as of the position that it covers.
///
/// # Errors
/// [`RebuildError`] if it was never signed, or what comes out is not what was signed.
pub fn last_crl<'r>(
    ended: &EndedGeneration,
    crl: &Crl,
    roll_of: impl Fn(&CaId) -> Option<&'r Roll>,
) -> Result<Vec<u8>, RebuildError> {
    let published = ended.published.as_deref();
    let Some((published, signature)) = published.and_then(|crl| Some((crl, crl.last.as_ref()?))) else {
        return Err(RebuildError::NotSigned { ca: ended.end.ca.clone(), generation: ended.end.generation });
    };
    let issuer = ended.generation.parsed.as_ref().and_then(|parsed| parsed.as_issuer().ok());
    let issuer = issuer.ok_or_else(|| RebuildError::Unreadable { ca: ended.end.ca.clone() })?;
    let tbs = to_be_signed(&issuer, crl, roll_of, published);
    let found = Digest::of(&tbs);
    if found != published.digest {
        return Err(RebuildError::Differs { number: published.number, expected: published.digest, found });
    }
    Ok(assemble(&tbs, issuer.signature_algorithm(), signature.as_bytes()))
}

/// Why a CRL cannot be made of the log again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// It was never signed.
    #[error("generation {generation} of {ca} has not signed a last CRL")]
    NotSigned {
        /// The CA.
        ca: CaId,
        /// Which of its generations.
        generation: u32,
    },
    /// The CA's certificate cannot be read.
    #[error("the certificate of {ca} cannot be read")]
    Unreadable {
        /// The CA.
        ca: CaId,
    },
    /// The log, as it was given, makes another list than the one that was signed.
    #[error("CRL {number} comes out with the digest {found}; {expected} was signed")]
    Differs {
        /// Its number.
        number: u64,
        /// What was signed.
        expected: Digest,
        /// What comes out.
        found: Digest,
    },
}

/// Which of what is revoked stands on a list.
#[derive(Clone, Copy, Debug)]
struct Selection {
    expired_before: Option<Timestamp>,
    partition: Option<u16>,
    since: Option<Position>,
}

impl Selection {
    fn of(published: &CrlPublished) -> Self {
        Self {
            expired_before: published.expired_before,
            partition: published.partition.as_ref().map(|partition| partition.index),
            since: published.delta.as_ref().map(|base| base.covers),
        }
    }

    fn has_left(&self, not_after: Option<Timestamp>) -> bool {
        matches!((self.expired_before, not_after), (Some(instant), Some(end)) if end < instant)
    }

    fn is_about(&self, partition: Option<u16>) -> bool {
        self.partition.is_none() || self.partition == partition
    }

    fn is_news(&self, moved: Position) -> bool {
        self.since.is_none_or(|since| moved > since)
    }

    /// Whether all of a chunk stands on the list.
    fn takes_whole(&self, chunk: &Chunk) -> bool {
        let has_left = self.expired_before.is_some_and(|instant| chunk.ends_before(instant));
        self.partition.is_none() && self.since.is_none() && !has_left
    }
}

/// What stands beside the entries of single certificates: those that ended with their CA, and holds that were lifted.
struct Beside {
    serial: SerialNumber,
    is_released: bool,
    at: Timestamp,
    reason: RevocationReason,
    moved: Position,
}

impl Beside {
    const fn on_a_list(&self) -> CrlEntry {
        CrlEntry { serial: self.serial, revoked_at: self.at, reason: self.reason, invalidity_date: None }
    }
}

/// What stands on a list, encoded.
#[derive(Default)]
pub(super) struct Listing<'c> {
    pieces: Vec<Piece<'c>>,
    made: Vec<u8>,
    octets: usize,
    count: usize,
}

enum Piece<'c> {
    /// Entries as they were encoded when they came.
    Kept(&'c [u8]),
    /// Entries that were encoded for this list.
    Made(Range<usize>),
}

impl<'c> Listing<'c> {
    /// What the list that is to be published, or was, has on it.
    pub(super) fn of<'r>(crl: &'c Crl, roll_of: impl Fn(&CaId) -> Option<&'r Roll>, published: &CrlPublished) -> Self {
        let selection = Selection::of(published);
        let mut listing = Self::default();
        let mut beside = beside(crl, roll_of, &selection).into_iter().peekable();
        for chunk in crl.entries().chunks() {
            let is_alone = match (beside.peek(), chunk.last()) {
                (Some(next), Some(last)) => next.serial > *last,
                _ => true,
            };
            if is_alone && selection.takes_whole(chunk) {
                listing.keep(chunk, 0..chunk.encoded().len(), chunk.len());
                continue;
            }
            if is_alone && selection.since.is_some_and(|since| !chunk.moved_after(since)) {
                continue;
            }
            listing.pick(chunk, &selection, &mut beside);
        }
        beside.for_each(|beside| listing.put(&beside, &selection));
        listing
    }

    /// How many entries it has.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.count).unwrap_or(u64::MAX)
    }

    /// The to-be-signed list.
    pub(super) fn write(&self, issuer: &Issuer, published: &CrlPublished) -> Arc<[u8]> {
        let head = x509::Crl {
            issuer,
            number: published.number,
            this_update: published.this_update,
            next_update: published.next_update,
        };
        let form = CrlForm {
            base: published.delta.as_ref().map(|base| base.number),
            distribution_point: published.partition.as_ref().map_or(&[], |partition| &partition.addresses),
            freshest: published.freshest.as_deref(),
        };
        let frame = head.frame(&form, self.octets);
        // Written where it stays: a list may have tens of millions of octets.
        let mut octets: Arc<[u8]> = core::iter::repeat_n(0, frame.octets()).collect();
        let mut room = Arc::get_mut(&mut octets).unwrap_or_default();
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Kept(entries) => entries,
            Piece::Made(place) => self.made.get(place.clone()).unwrap_or_default(),
        });
        for piece in core::iter::once(frame.front()).chain(pieces).chain([frame.back()]) {
            if let Some((here, rest)) = core::mem::take(&mut room).split_at_mut_checked(piece.len()) {
                here.copy_from_slice(piece);
                room = rest;
            }
        }
        octets
    }

    /// Takes from a chunk what is selected, and puts what belongs between.
    fn pick(&mut self, chunk: &'c Chunk, selection: &Selection, beside: &mut Peekable<impl Iterator<Item = Beside>>) {
        let mut run = (0..0, 0);
        for (serial, entry, place) in chunk.each() {
            let mut between = false;
            while let Some(next) = beside.next_if(|next| next.serial < *serial) {
                self.keep_run(chunk, &mut run);
                self.put(&next, selection);
                between = true;
            }
            let ended = beside.next_if(|next| next.serial == *serial).filter(|next| !next.is_released);
            if selection.has_left(entry.not_after) || !selection.is_about(entry.partition) {
                continue;
            }
            match ended {
                Some(ended) => {
                    self.keep_run(chunk, &mut run);
                    if selection.is_news(entry.moved) || selection.is_news(ended.moved) {
                        let mut listed = entry.on_a_list(*serial);
                        // What is told of it later leaves it ended since then: no date moves to a later one (rule A2).
                        listed.revoked_at = listed.revoked_at.min(ended.at);
                        // A hold can be lifted no more: it became final when the CA ended.
                        if listed.reason == RevocationReason::CertificateHold {
                            listed.reason = ended.reason;
                        }
                        self.make(&listed);
                    }
                }
                None if selection.is_news(entry.moved) => {
                    if between || run.0.end != place.start {
                        self.keep_run(chunk, &mut run);
                        run.0 = place.start..place.start;
                    }
                    run.0.end = place.end;
                    run.1 += 1;
                }
                None => {}
            }
        }
        self.keep_run(chunk, &mut run);
    }

    fn keep_run(&mut self, chunk: &'c Chunk, run: &mut (Range<usize>, usize)) {
        let (place, count) = core::mem::replace(run, (0..0, 0));
        if count > 0 {
            self.keep(chunk, place, count);
        }
    }

    fn keep(&mut self, chunk: &'c Chunk, place: Range<usize>, count: usize) {
        let entries = chunk.encoded().get(place).unwrap_or_default();
        self.octets += entries.len();
        self.count += count;
        self.pieces.push(Piece::Kept(entries));
    }

    fn put(&mut self, beside: &Beside, selection: &Selection) {
        if selection.is_news(beside.moved) {
            self.make(&beside.on_a_list());
        }
    }

    fn make(&mut self, entry: &CrlEntry) {
        let begin = self.made.len();
        entry.encode_into(&mut self.made);
        let end = self.made.len();
        self.octets += end - begin;
        self.count += 1;
        match self.pieces.last_mut() {
            Some(Piece::Made(place)) => place.end = end,
            _ => self.pieces.push(Piece::Made(begin..end)),
        }
    }
}

/// What stands beside the entries of single certificates, by serial number; each number once.
fn beside<'r>(crl: &Crl, roll_of: impl Fn(&CaId) -> Option<&'r Roll>, selection: &Selection) -> Vec<Beside> {
    let mut found = Vec::new();
    for End { end, at, position } in crl.ends() {
        let Some(roll) = roll_of(&end.ca) else { continue };
        let ended = roll.entries.iter().filter(|issued| {
            issued.generation == end.generation
                && at.floor_to_second() <= issued.not_after
                && !selection.has_left(Some(issued.not_after))
                && selection.is_about(issued.partition)
        });
        found.extend(ended.map(|issued| Beside {
            serial: issued.id.serial(),
            is_released: false,
            at: *at,
            reason: end.reason,
            moved: *position,
        }));
    }
    if selection.since.is_some() {
        let released = crl
            .released
            .iter()
            .filter(|(_, released)| !selection.has_left(released.not_after) && selection.is_about(released.partition));
        found.extend(released.map(|(serial, released)| Beside {
            serial: *serial,
            is_released: true,
            at: released.at,
            reason: RevocationReason::RemoveFromCrl,
            moved: released.position,
        }));
    }
    // What ended with its CA after its hold was lifted is listed for that.
    found.sort_by_key(|beside| (beside.serial, beside.is_released));
    found.dedup_by(|later, earlier| later.serial == earlier.serial);
    found
}
