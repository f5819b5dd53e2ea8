//! What is revoked under an issuer name, in the order of serial numbers, each entry encoded once as it stands on a CRL.
//!
//! A CRL of a million entries is to be little more than a copy of them, revoking must stay cheap, and the state is shared
//! between commands: whoever changes it copies what it changes. So the entries lie in chunks, each with its entries'
//! encodings in one piece; one revocation copies one chunk, and the list of chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::event::Der;
use crate::log::{Position, Timestamp};
use crate::x509::{CrlEntry, RevocationReason, SerialNumber};

/// How many entries a chunk has at most: a revocation among a million copies one chunk of some 30 KB at most and as
/// many pointers as there are chunks. In tests a few are enough to have several chunks.
const CHUNK: usize = if cfg!(test) { 8 } else { 256 };

/// A certificate that is revoked or on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// Since when it is not to be believed.
    pub invalidity_date: Option<Timestamp>,
    /// Its last second of validity; absent where unknown (carried over): it then never leaves.
    pub not_after: Option<Timestamp>,
    /// The partition that it was put into when it was issued (rule A3).
    pub partition: Option<u16>,
    /// The position of the event that changed it last.
    pub moved: Position,
}

impl Entry {
    /// It, as it stands on a CRL.
    pub(super) fn on_a_list(&self, serial: SerialNumber) -> CrlEntry {
        CrlEntry { serial, revoked_at: self.at, reason: self.reason, invalidity_date: self.invalidity_date }
    }
}

impl Entry {
    /// Appends it as snapshots keep it: length and octets of the serial number; which of the three facts that may be absent
    /// are there, as bits; the reason's code; then each fact in big-endian octets.
    fn keep(&self, serial: &SerialNumber, octets: &mut Vec<u8>) {
        let serial = serial.as_der_content();
        let there = |fact: bool, bit: u8| if fact { bit } else { 0 };
        let facts = there(self.invalidity_date.is_some(), 1)
            | there(self.not_after.is_some(), 2)
            | there(self.partition.is_some(), 4);
        octets.push(u8::try_from(serial.len()).unwrap_or_default());
        octets.extend_from_slice(serial);
        octets.extend([facts, self.reason.code()]);
        octets.extend(self.at.micros().to_be_bytes());
        octets.extend(self.moved.get().to_be_bytes());
        for date in [self.invalidity_date, self.not_after].into_iter().flatten() {
            octets.extend(date.micros().to_be_bytes());
        }
        octets.extend(self.partition.iter().flat_map(|index| index.to_be_bytes()));
    }

    /// Takes one from the front of such octets.
    fn from_kept(octets: &mut &[u8]) -> Option<(SerialNumber, Self)> {
        fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
            let (taken, rest) = octets.split_first_chunk()?;
            *octets = rest;
            Some(*taken)
        }
        let date = |octets: &mut &[u8]| take(octets).map(|micros| Timestamp::from_micros(i64::from_be_bytes(micros)));
        let [length] = take(octets)?;
        let (serial, rest) = octets.split_at_checked(length.into())?;
        *octets = rest;
        let serial = SerialNumber::from_der_content(serial).ok()?;
        let [facts, code] = take(octets)?;
        if facts > 7 {
            return None;
        }
        let reason = RevocationReason::from_code(code)?;
        let at = date(octets)?;
        let moved = Position::new(u64::from_be_bytes(take(octets)?));
        let invalidity_date = if facts & 1 != 0 { Some(date(octets)?) } else { None };
        let not_after = if facts & 2 != 0 { Some(date(octets)?) } else { None };
        let partition = if facts & 4 != 0 { Some(u16::from_be_bytes(take(octets)?)) } else { None };
        Some((serial, Self { at, reason, invalidity_date, not_after, partition, moved }))
    }
}

/// Entries by serial number.
#[derive(Clone, Default)]
pub struct Entries {
    /// By a serial number that is no higher than any in the chunk, and higher than any in those before. No chunk is empty.
    chunks: BTreeMap<SerialNumber, Arc<Chunk>>,
    len: usize,
}

/// Neighbouring entries with their encodings.
#[derive(Clone, Default)]
pub(super) struct Chunk {
    serials: Vec<SerialNumber>,
    entries: Vec<Entry>,
    /// Where each entry's encoding ends.
    ends: Vec<u32>,
    encoded: Vec<u8>,
    /// No entry's certificate ends earlier.
    first_end: Option<Timestamp>,
    /// No entry was changed later.
    moved: Position,
}

impl Entries {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry of a serial number.
    #[must_use]
    pub fn get(&self, serial: &SerialNumber) -> Option<&Entry> {
        let chunk = self.chunks.get(&self.place_of(serial)?)?;
        let index = chunk.serials.binary_search(serial).ok()?;
        chunk.entries.get(index)
    }

    /// Whether a serial number has an entry.
    #[must_use]
    pub fn contains_key(&self, serial: &SerialNumber) -> bool {
        self.get(serial).is_some()
    }

    /// All of them, by serial number.
    pub fn iter(&self) -> impl Iterator<Item = (&SerialNumber, &Entry)> {
        self.chunks.values().flat_map(|chunk| chunk.serials.iter().zip(&chunk.entries))
    }

    /// The chunks, in order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.values().map(|chunk| &**chunk)
    }

    /// Puts an entry in, in the place of an older one of that serial number.
    pub(super) fn insert(&mut self, serial: SerialNumber, entry: Entry) {
        let place = self.place_of(&serial).unwrap_or_else(|| {
            // Lower than all: the first chunk begins with it from now on.
            let first = self.chunks.pop_first().map(|(_, chunk)| chunk).unwrap_or_default();
            self.chunks.insert(serial, first);
            serial
        });
        let chunk = Arc::make_mut(self.chunks.entry(place).or_default());
        if !chunk.insert(serial, entry) {
            return;
        }
        self.len += 1;
        if chunk.serials.len() > CHUNK {
            let upper = chunk.split();
            if let Some(first) = upper.serials.first() {
                self.chunks.insert(*first, Arc::new(upper));
            }
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, serial: &SerialNumber) -> Option<Entry> {
        let place = self.place_of(serial)?;
        let chunk = self.chunks.get_mut(&place)?;
        let index = chunk.serials.binary_search(serial).ok()?;
        let entry = Arc::make_mut(chunk).remove(index);
        if chunk.serials.is_empty() {
            self.chunks.remove(&place);
        }
        self.len -= usize::from(entry.is_some());
        entry
    }

    /// All of them as octets, as snapshots keep them, by serial number.
    pub(super) fn keep(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.len * 48);
        self.iter().for_each(|(serial, entry)| entry.keep(serial, &mut octets));
        octets
    }

    /// Entries from such octets; nothing if they are none, or not in the order of their serial numbers.
    pub(super) fn from_kept(mut octets: &[u8]) -> Option<Self> {
        let (mut entries, mut chunk, mut last) = (Self::default(), Chunk::default(), None);
        while !octets.is_empty() {
            let (serial, entry) = Entry::from_kept(&mut octets)?;
            if last.replace(serial).is_some_and(|last| last >= serial) {
                return None;
            }
            if chunk.len() >= CHUNK / 2 {
                entries.append(core::mem::take(&mut chunk));
            }
            chunk.insert(serial, entry);
        }
        entries.append(chunk);
        Some(entries)
    }

    /// Puts a chunk behind the others.
    fn append(&mut self, chunk: Chunk) {
        if let Some(first) = chunk.serials.first() {
            self.len += chunk.len();
            self.chunks.insert(*first, Arc::new(chunk));
        }
    }

    /// The key of the chunk where a serial number stands, or would; nothing if it is lower than all.
    fn place_of(&self, serial: &SerialNumber) -> Option<SerialNumber> {
        self.chunks.range(..=serial).next_back().map(|(place, _)| *place)
    }
}

impl Chunk {
    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.serials.len()
    }

    /// The encodings of all of its entries.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Its highest serial number.
    pub(super) fn last(&self) -> Option<&SerialNumber> {
        self.serials.last()
    }

    /// Whether the certificate of one of its entries ends before an instant.
    pub(super) fn ends_before(&self, instant: Timestamp) -> bool {
        self.first_end.is_some_and(|end| end < instant)
    }

    /// Whether one of its entries was changed after a position.
    pub(super) fn moved_after(&self, position: Position) -> bool {
        self.moved > position
    }

    /// Its entries with where their encodings stand in [`encoded`](Self::encoded).
    pub(super) fn each(&self) -> impl Iterator<Item = (&SerialNumber, &Entry, core::ops::Range<usize>)> {
        let ends = self.ends.iter().map(|end| usize::try_from(*end).unwrap_or(usize::MAX));
        let begins = core::iter::once(0).chain(ends.clone());
        let places = begins.zip(ends).map(|(begin, end)| begin..end);
        self.serials.iter().zip(&self.entries).zip(places).map(|((serial, entry), place)| (serial, entry, place))
    }

    /// Tells whether the serial number is new.
    fn insert(&mut self, serial: SerialNumber, entry: Entry) -> bool {
        let (index, before) = match self.serials.binary_search(&serial) {
            Ok(index) => (index, self.place(index)),
            Err(index) => {
                let begin = self.place(index).start;
                (index, begin..begin)
            }
        };
        let encoded = entry.on_a_list(serial).encode();
        let grown = encoded.len();
        let shrunk = before.len();
        self.encoded.splice(before.clone(), encoded);
        let moved = |end: &mut u32| {
            let to = usize::try_from(*end).unwrap_or_default() + grown - shrunk;
            *end = u32::try_from(to).unwrap_or(u32::MAX);
        };
        let is_new = self.serials.get(index) != Some(&serial);
        if is_new {
            self.serials.insert(index, serial);
            self.entries.insert(index, entry);
            self.ends.insert(index, u32::try_from(before.start).unwrap_or(u32::MAX));
        } else if let Some(place) = self.entries.get_mut(index) {
            *place = entry;
        }
        self.ends.iter_mut().skip(index).for_each(moved);
        self.bound(&entry);
        is_new
    }

    fn remove(&mut self, index: usize) -> Option<Entry> {
        let place = self.place(index);
        let length = u32::try_from(place.len()).unwrap_or_default();
        if index >= self.entries.len() {
            return None;
        }
        self.encoded.drain(place);
        self.serials.remove(index);
        self.ends.remove(index);
        self.ends.iter_mut().skip(index).for_each(|end| *end = end.saturating_sub(length));
        Some(self.entries.remove(index))
    }

    /// Keeps the lower half, and gives the upper one.
    fn split(&mut self) -> Self {
        let half = self.serials.len() / 2;
        let begin = self.place(half).start;
        let offset = u32::try_from(begin).unwrap_or_default();
        let mut upper = Self {
            serials: self.serials.split_off(half),
            entries: self.entries.split_off(half),
            ends: self.ends.split_off(half),
            encoded: self.encoded.split_off(begin),
            ..Self::default()
        };
        upper.ends.iter_mut().for_each(|end| *end = end.saturating_sub(offset));
        for half in [self, &mut upper] {
            (half.first_end, half.moved) = (None, Position::ZERO);
            for entry in half.entries.clone() {
                half.bound(&entry);
            }
        }
        upper
    }

    /// Where the encoding of an entry stands; behind the last one, nothing.
    fn place(&self, index: usize) -> core::ops::Range<usize> {
        let end_of = |index: usize| self.ends.get(index).and_then(|end| usize::try_from(*end).ok());
        let begin = index.checked_sub(1).and_then(end_of).unwrap_or_default();
        begin..end_of(index).unwrap_or(begin)
    }

    fn bound(&mut self, entry: &Entry) {
        self.first_end = match (self.first_end, entry.not_after) {
            (Some(first), Some(end)) => Some(first.min(end)),
            (first, end) => first.or(end),
        };
        self.moved = self.moved.max(entry.moved);
    }
}

impl PartialEq for Entries {
    /// Where chunks begin depends on the order of what happened, and means nothing.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Entries {}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Der::from(self.keep()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Der::deserialize(deserializer)?;
        Self::from_kept(kept.as_bytes()).ok_or_else(|| serde::de::Error::custom("these are no entries of a CRL"))
    }
}

impl core::fmt::Debug for Entries {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn serial(number: u16) -> SerialNumber {
        format!("1{number:04x}").parse().unwrap()
    }

    fn entry(of: u16, moved: u64) -> Entry {
        let reasons = RevocationReason::ALL;
        let date = |wanted: bool, seconds: i64| wanted.then(|| Timestamp::from_secs(seconds));
        Entry {
            at: Timestamp::from_secs(1_900_000_000 + i64::from(of)),
            reason: reasons.into_iter().cycle().nth(usize::from(of)).unwrap(),
            invalidity_date: date(of.is_multiple_of(3), 1_800_000_000),
            not_after: date(!of.is_multiple_of(5), 2_000_000_000 - i64::from(of)),
            partition: of.is_multiple_of(2).then_some(of),
            moved: Position::new(moved),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        /// Against a plain map, over several chunks: the same entries, each encoded as it is; bounds hold.
        #[test]
        fn entries_are_those_of_a_plain_map(
            steps in proptest::collection::vec((0..120_u16, 0..5_u8, any::<u16>()), 1..600)
        ) {
            let (mut plain, mut entries) = (BTreeMap::new(), Entries::default());
            let mut shared = Vec::new();
            for (moved, (number, kind, of)) in (1..).zip(steps) {
                let serial = serial(number);
                if kind == 0 {
                    prop_assert_eq!(entries.remove(&serial), plain.remove(&serial));
                } else {
                    entries.insert(serial, entry(of, moved));
                    plain.insert(serial, entry(of, moved));
                }
                if moved.is_multiple_of(100) {
                    shared.push((entries.clone(), plain.clone()));
                }
            }
            shared.push((entries, plain));
            for (entries, plain) in &shared {
                prop_assert_eq!(entries.len(), plain.len());
                let kept = Entries::from_kept(&entries.keep());
                prop_assert_eq!(kept.as_ref(), Some(entries));
                for chunk in kept.iter().flat_map(|kept| kept.chunks.values()) {
                    prop_assert!((1..=CHUNK).contains(&chunk.len()));
                }
                prop_assert!(entries.iter().eq(plain.iter()), "what was shared stays as it was");
                let encoded: Vec<u8> =
                    plain.iter().flat_map(|(serial, entry)| entry.on_a_list(*serial).encode()).collect();
                let chunks: Vec<u8> = entries.chunks().flat_map(|chunk| chunk.encoded().to_vec()).collect();
                prop_assert!(encoded == chunks);
                for chunk in entries.chunks() {
                    prop_assert!((1..=CHUNK).contains(&chunk.len()));
                    for (serial, entry, place) in chunk.each() {
                        prop_assert_eq!(chunk.encoded().get(place), Some(&*entry.on_a_list(*serial).encode()));
                        prop_assert!(chunk.first_end.is_none_or(|end| entry.not_after.is_none_or(|own| end <= own)));
                        prop_assert!(entry.not_after.is_none() || chunk.first_end.is_some());
                        prop_assert!(chunk.moved >= entry.moved);
                    }
                }
                for number in 0..120 {
                    prop_assert_eq!(entries.get(&serial(number)), plain.get(&serial(number)));
                }
            }
        }
    }
}
