//! Every octet of an index file: `docs/log-format.md` has the same as tables.
//!
//! Pages of entries come first, then what is kept in memory (tables, filter, first entries of the pages), then a footer.

use pca_core::log::{Digest, Head, Position, Timestamp};
use sha2::{Digest as _, Sha256};

use super::super::format::{
    LogId, SEGMENT_HEADER, Unfit, array, parse_small, preamble, seal_small, to_u64, to_usize, truncated,
};
use super::filter::{BLOCK, Filter};
#[cfg(feature = "fuzzing")]
use crate::log::format::mend_small_file;

/// The length of a page.
pub(crate) const PAGE: usize = 4096;
/// How many entries a page has; the last one may have fewer.
pub(crate) const PER_PAGE: u64 = 255;
/// The length of an entry.
pub(crate) const ENTRY: usize = 16;
/// The length of the footer.
pub(crate) const FOOTER: usize = 160;
/// How the name of an index file ends.
pub(crate) const SUFFIX: &str = ".index";
/// The length of what is told of a segment.
const COVERED: usize = 24;
const MAGIC: &[u8; 8] = b"PCA-IDX\n";
const PAGE_TAG: &[u8] = b"pca-page-v1\0";

/// Where a commit's frame begins. Places are ordered as the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The number of the segment, from 0.
    pub(crate) segment: u32,
    /// The offset in the segment.
    pub(crate) offset: u32,
}

impl Place {
    /// Where the first frame of a segment begins.
    pub(crate) fn start_of(segment: u32) -> Self {
        Self { segment, offset: u32::try_from(SEGMENT_HEADER).unwrap_or_default() }
    }
}

/// That a commit concerns a stream, or has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// The first half of the stream's or id's key.
    pub(crate) key: u64,
    pub(crate) place: Place,
}

impl Entry {
    pub(crate) fn encode(&self) -> [u8; ENTRY] {
        let mut octets = [0; ENTRY];
        let fields = self.key.to_be_bytes().into_iter().chain(place_octets(self.place));
        octets.iter_mut().zip(fields).for_each(|(to, octet)| *to = octet);
        octets
    }

    pub(crate) fn decode(octets: &[u8; ENTRY]) -> Self {
        Self { key: number(octets, 0), place: place(octets, 8) }
    }
}

/// Where in the log a commit begins that is near: one in some hundred KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Milestone {
    /// The position of its first event.
    pub(crate) first: u64,
    pub(crate) place: Place,
}

/// A segment that an index covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    /// The position of its first event.
    pub(crate) first: u64,
    /// Where its last commit ends.
    pub(crate) end: u64,
    /// How long the file is.
    pub(crate) length: u64,
}

/// What is kept in memory of an index file, beside its filter.
pub(crate) struct Summary {
    pub(crate) log: LogId,
    /// The number of the first segment that it covers, from 0.
    pub(crate) first_segment: u32,
    pub(crate) segments: Vec<Covered>,
    /// The newest commit in these.
    pub(crate) head: Head,
    pub(crate) entries: u64,
    /// How many keys the entries have.
    pub(crate) distinct: u64,
    pub(crate) milestones: Vec<Milestone>,
    /// The first entry of each page.
    pub(crate) fences: Vec<Entry>,
}

impl Summary {
    /// The number of the segment behind those that it covers.
    pub(crate) fn next_segment(&self) -> u32 {
        self.first_segment.saturating_add(u32::try_from(self.segments.len()).unwrap_or(u32::MAX))
    }

    /// Its file's name: the positions of the first and the newest event.
    pub(crate) fn name(&self) -> String {
        let first = self.segments.first().map_or(0, |segment| segment.first);
        format!("{first:020}-{:020}{SUFFIX}", self.head.position.get())
    }

    /// What follows the pages in the file.
    pub(crate) fn encode(&self, filter: &Filter) -> Vec<u8> {
        let mut octets = Vec::new();
        for segment in &self.segments {
            octets.extend([segment.first, segment.end, segment.length].iter().flat_map(|field| field.to_be_bytes()));
        }
        for milestone in &self.milestones {
            octets.extend_from_slice(&milestone.first.to_be_bytes());
            octets.extend(place_octets(milestone.place));
        }
        filter.encode(&mut octets);
        octets.extend(self.fences.iter().flat_map(Entry::encode));
        let resident: [u8; 32] = Sha256::digest(&octets).into();
        let mut footer = preamble(MAGIC, self.log);
        footer.extend_from_slice(&self.first_segment.to_be_bytes());
        footer.extend_from_slice(&u32::try_from(self.segments.len()).unwrap_or(u32::MAX).to_be_bytes());
        let counts = [self.entries, self.distinct, to_u64(self.milestones.len()), filter.blocks()];
        footer.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        footer.extend_from_slice(&self.head.position.get().to_be_bytes());
        footer.extend_from_slice(&self.head.time.micros().to_be_bytes());
        footer.extend_from_slice(self.head.digest.as_bytes());
        footer.extend_from_slice(&resident);
        seal_small(&mut footer);
        octets.extend_from_slice(&footer);
        octets
    }
}

/// What a footer says.
pub(crate) struct Footer {
    log: LogId,
    first_segment: u32,
    segments: u64,
    entries: u64,
    distinct: u64,
    milestones: u64,
    blocks: u64,
    head: Head,
    resident: [u8; 32],
}

impl Footer {
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, Unfit> {
        let log = parse_small(octets, MAGIC, FOOTER)?;
        let fields = || {
            Some(Self {
                log,
                first_segment: u32::from_be_bytes(array(octets, 32)?),
                segments: u64::from(u32::from_be_bytes(array(octets, 36)?)),
                entries: number(octets, 40),
                distinct: number(octets, 48),
                milestones: number(octets, 56),
                blocks: number(octets, 64),
                head: Head {
                    position: Position::new(number(octets, 72)),
                    time: Timestamp::from_micros(i64::from_be_bytes(array(octets, 80)?)),
                    digest: Digest::new(array(octets, 88)?),
                },
                resident: array(octets, 120)?,
            })
        };
        fields().ok_or_else(|| Unfit::Damaged("it is too short".into()))
    }

    /// How many octets of pages there are.
    pub(crate) fn pages_length(&self) -> u64 {
        self.entries.div_ceil(PER_PAGE).saturating_mul(to_u64(PAGE))
    }

    /// How many octets lie between the pages and the footer.
    pub(crate) fn resident_length(&self) -> u64 {
        let parts = [
            (self.segments, COVERED),
            (self.milestones, ENTRY),
            (self.blocks, BLOCK),
            (self.entries.div_ceil(PER_PAGE), ENTRY),
        ];
        parts.iter().fold(0, |sum: u64, (count, length)| sum.saturating_add(count.saturating_mul(to_u64(*length))))
    }

    /// Reads what lies between the pages and the footer.
    pub(crate) fn resident(&self, octets: &[u8]) -> Result<(Summary, Filter), Unfit> {
        let digest: [u8; 32] = Sha256::digest(octets).into();
        if digest != self.resident {
            return Err(Unfit::Damaged("its checksum does not fit".into()));
        }
        let mut rest = octets;
        let mut take = |count: u64, length: usize| {
            let (taken, others) = rest.split_at_checked(to_usize(count).saturating_mul(length)).unwrap_or_default();
            rest = others;
            taken
        };
        let (segments, _) = take(self.segments, COVERED).as_chunks::<COVERED>();
        let (milestones, _) = take(self.milestones, ENTRY).as_chunks::<ENTRY>();
        let filter = Filter::decode(take(self.blocks, BLOCK));
        let (fences, _) = take(self.entries.div_ceil(PER_PAGE), ENTRY).as_chunks::<ENTRY>();
        let covered = |octets: &[u8; COVERED]| Covered {
            first: number(octets, 0),
            end: number(octets, 8),
            length: number(octets, 16),
        };
        let summary = Summary {
            log: self.log,
            first_segment: self.first_segment,
            segments: segments.iter().map(covered).collect(),
            head: self.head,
            entries: self.entries,
            distinct: self.distinct,
            milestones: milestones
                .iter()
                .map(|octets| Milestone { first: number(octets, 0), place: place(octets, 8) })
                .collect(),
            fences: fences.iter().map(Entry::decode).collect(),
        };
        Ok((summary, filter))
    }
}

/// A page of entries, in order, with its checksum.
pub(crate) fn seal_page(page: &mut Vec<u8>, log: LogId, first_segment: u32, number: u64) {
    page.resize(PAGE - CHECKSUM, 0);
    let checksum = page_checksum(page, log, first_segment, number);
    page.extend_from_slice(&checksum);
}

/// The entries of a page that should have so many, if it is what was written.
pub(crate) fn parse_page(page: &[u8], log: LogId, first_segment: u32, number: u64, count: u64) -> Option<Vec<Entry>> {
    let (content, checksum) = page.split_at_checked(PAGE - CHECKSUM)?;
    if checksum != page_checksum(content, log, first_segment, number) {
        return None;
    }
    let (entries, zeros) = content.split_at_checked(to_usize(count).checked_mul(ENTRY)?)?;
    let (entries, _) = entries.as_chunks::<ENTRY>();
    zeros.iter().all(|octet| *octet == 0).then(|| entries.iter().map(Entry::decode).collect())
}

/// Makes the checksums of an index file fit.
#[cfg(feature = "fuzzing")]
pub(crate) fn mend(octets: &mut [u8]) {
    let Some((content, footer)) = octets.split_last_chunk_mut::<FOOTER>() else { return };
    mend_small_file(footer);
    let Ok(parsed) = Footer::parse(footer) else { return };
    let pages = to_usize(parsed.pages_length());
    if let Some((pages, resident)) = content.split_at_mut_checked(pages) {
        for (page, number) in pages.chunks_exact_mut(PAGE).zip(0..) {
            let (content, checksum) = page.split_at_mut(PAGE - CHECKSUM);
            checksum.copy_from_slice(&page_checksum(content, parsed.log, parsed.first_segment, number));
        }
        let digest: [u8; 32] = Sha256::digest(resident).into();
        if let Some(place) = footer.get_mut(120..152) {
            place.copy_from_slice(&digest);
        }
        mend_small_file(footer);
    }
}

const CHECKSUM: usize = 8;

fn page_checksum(content: &[u8], log: LogId, first_segment: u32, number: u64) -> [u8; CHECKSUM] {
    truncated(
        Sha256::new()
            .chain_update(PAGE_TAG)
            .chain_update(log.0)
            .chain_update(first_segment.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .chain_update(content),
    )
}

fn place_octets(place: Place) -> impl Iterator<Item = u8> {
    place.segment.to_be_bytes().into_iter().chain(place.offset.to_be_bytes())
}

fn place(octets: &[u8], offset: usize) -> Place {
    let half = |offset| array(octets, offset).map(u32::from_be_bytes).unwrap_or_default();
    Place { segment: half(offset), offset: half(offset + 4) }
}

fn number(octets: &[u8], offset: usize) -> u64 {
    array(octets, offset).map(u64::from_be_bytes).unwrap_or_default()
}

const _: () = assert!(PAGE == 255 * ENTRY + 8 + CHECKSUM);
