//! Every octet of the files: `docs/log-format.md` has the same as tables. Integers are big-endian.

use pca_core::log::{Digest, Head, Position, Seal, Timestamp};
use sha2::{Digest as _, Sha256};

/// The version of the format that is written and read.
pub(crate) const VERSION: u32 = 1;
/// The name of the file that makes a directory a log.
pub(crate) const FORMAT_FILE: &str = "format";
/// The name of the file whose lock the writer holds.
pub(crate) const LOCK_FILE: &str = "lock";
/// The name of the file that says where the log ended when it was closed; absent while it is written.
pub(crate) const CLOSED_FILE: &str = "closed";
/// The name of the file that says up to where the log was durable when it was idle last.
pub(crate) const MARK_FILE: &str = "mark";
/// How the name of a file begins that a torn tail was copied to.
pub(crate) const TORN_PREFIX: &str = "torn-";
/// How the name of a segment ends.
pub(crate) const SEGMENT_SUFFIX: &str = ".log";
/// The length of the format file.
pub(crate) const FORMAT_LENGTH: usize = 40;
/// The length of the file that says where the log ended.
pub(crate) const CLOSED_LENGTH: usize = 96;
/// The length of a slot of the mark: no disk tears a neighbour with it. There are two.
pub(crate) const MARK_SLOT: usize = 4096;
/// The length of a segment's header.
pub(crate) const SEGMENT_HEADER: usize = 96;
/// The length of a frame's header.
pub(crate) const FRAME_HEADER: usize = 112;
/// No group is larger: behind a torn one, there are only zeros beyond this many octets.
pub(crate) const LARGEST_GROUP: usize = 64 * 1024 * 1024;

const FORMAT_MAGIC: &[u8; 8] = b"PCA-LOG\n";
const SEGMENT_MAGIC: &[u8; 8] = b"PCA-SEG\n";
const CLOSED_MAGIC: &[u8; 8] = b"PCA-END\n";
const MARK_MAGIC: &[u8; 8] = b"PCA-DUR\n";
/// What a frame begins with.
pub(crate) const FRAME_MAGIC: &[u8; 4] = b"PCAf";
const FILE_TAG: &[u8] = b"pca-file-v1\0";
const FRAME_TAG: &[u8] = b"pca-frame-v1\0";
const CHECKSUM: usize = 8;
const RESERVED: &str = "it is not zero where it should be";

/// Sixteen random octets that name a log; every file of it carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogId(pub(crate) [u8; 16]);

/// Why octets are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Written by a newer version of the library.
    Newer(u32),
    /// Not what was written.
    Damaged(String),
}

fn damaged<T>(reason: &str) -> Result<T, Unfit> {
    Err(Unfit::Damaged(reason.into()))
}

/// The content of the format file.
pub(crate) fn format_file(log: LogId) -> Vec<u8> {
    let mut octets = preamble(FORMAT_MAGIC, log);
    seal_small(&mut octets);
    octets
}

/// Reads the content of the format file.
pub(crate) fn parse_format_file(octets: &[u8]) -> Result<LogId, Unfit> {
    parse_small(octets, FORMAT_MAGIC, FORMAT_LENGTH)
}

/// What a segment says at its beginning: what it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentStart {
    /// The log that it belongs to.
    pub(crate) log: LogId,
    /// The newest commit before it.
    pub(crate) before: Head,
}

impl SegmentStart {
    /// The position of the first event in the segment.
    pub(crate) fn first(&self) -> u64 {
        self.before.position.plus(1).get()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = preamble(SEGMENT_MAGIC, self.log);
        octets.extend_from_slice(&self.first().to_be_bytes());
        octets.extend_from_slice(&self.before.time.micros().to_be_bytes());
        octets.extend_from_slice(self.before.digest.as_bytes());
        octets.extend_from_slice(&[0; 8]);
        seal_small(&mut octets);
        octets
    }

    pub(crate) fn parse(octets: &[u8]) -> Result<Self, Unfit> {
        let log = parse_small(octets, SEGMENT_MAGIC, SEGMENT_HEADER)?;
        if array(octets, 80) != Some([0; 8]) {
            return damaged(RESERVED);
        }
        let fields = || {
            let first = u64::from_be_bytes(array(octets, 32)?);
            let time = Timestamp::from_micros(i64::from_be_bytes(array(octets, 40)?));
            let digest = Digest::new(array(octets, 48)?);
            Some(Self { log, before: Head { position: Position::new(first.checked_sub(1)?), digest, time } })
        };
        fields().ok_or_else(|| Unfit::Damaged("the header of the segment names no position".into()))
    }
}

/// Where a log ended when it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClosedAt {
    /// The log.
    pub(crate) log: LogId,
    /// The first position of its last segment.
    pub(crate) segment: u64,
    /// The length of that segment.
    pub(crate) length: u64,
    /// The position of the newest event.
    pub(crate) position: Position,
    /// The digest of the newest commit.
    pub(crate) digest: Digest,
}

impl ClosedAt {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = preamble(CLOSED_MAGIC, self.log);
        octets.extend_from_slice(&self.segment.to_be_bytes());
        octets.extend_from_slice(&self.length.to_be_bytes());
        octets.extend_from_slice(&self.position.get().to_be_bytes());
        octets.extend_from_slice(self.digest.as_bytes());
        seal_small(&mut octets);
        octets
    }

    pub(crate) fn parse(octets: &[u8]) -> Result<Self, Unfit> {
        let log = parse_small(octets, CLOSED_MAGIC, CLOSED_LENGTH)?;
        let fields = || {
            Some(Self {
                log,
                segment: u64::from_be_bytes(array(octets, 32)?),
                length: u64::from_be_bytes(array(octets, 40)?),
                position: Position::new(u64::from_be_bytes(array(octets, 48)?)),
                digest: Digest::new(array(octets, 56)?),
            })
        };
        fields().ok_or_else(|| Unfit::Damaged("it is too short".into()))
    }
}

/// Up to where a log was durable once: it never ends before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The log.
    pub(crate) log: LogId,
    /// Counts the marks of the log; the newest has the greatest.
    pub(crate) sequence: u64,
    /// The first position of the segment that was the last one then.
    pub(crate) segment: u64,
    /// Where in it a frame ended that had been synced.
    pub(crate) offset: u64,
    /// The position of the newest event before that.
    pub(crate) position: Position,
    /// The digest of the newest commit before that.
    pub(crate) digest: Digest,
}

impl Mark {
    /// What is true of every log.
    pub(crate) fn first(log: LogId) -> Self {
        let Head { position, digest, .. } = Head::GENESIS;
        Self { log, sequence: 1, segment: 1, offset: to_u64(SEGMENT_HEADER), position, digest }
    }

    /// The slot that it is written to, which is the one that the mark before it is not in.
    pub(crate) fn slot(&self) -> u64 {
        (self.sequence % 2) * to_u64(MARK_SLOT)
    }

    /// A slot: zeros stand behind the mark.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = preamble(MARK_MAGIC, self.log);
        for number in [self.sequence, self.segment, self.offset, self.position.get()] {
            octets.extend_from_slice(&number.to_be_bytes());
        }
        octets.extend_from_slice(self.digest.as_bytes());
        seal_small(&mut octets);
        octets.resize(MARK_SLOT, 0);
        octets
    }

    /// Both slots of a new file.
    pub(crate) fn encode_both(&self) -> Vec<u8> {
        let before = Self { sequence: self.sequence.saturating_sub(1), ..*self };
        let mut slots = [*self, before];
        slots.sort_by_key(Self::slot);
        slots.iter().flat_map(Self::encode).collect()
    }

    /// The newest mark of the file. One slot may be torn, for a crash can have come while it was written.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, Unfit> {
        let slots = [0, MARK_SLOT].map(|start| Self::parse_slot(octets.get(start..).unwrap_or_default()));
        match slots {
            [Err(newer @ Unfit::Newer(_)), _] | [_, Err(newer @ Unfit::Newer(_))] => Err(newer),
            [Ok(first), Ok(second)] => Ok(if first.sequence > second.sequence { first } else { second }),
            [Ok(mark), Err(_)] | [Err(_), Ok(mark)] => Ok(mark),
            [Err(_), Err(damaged)] => Err(damaged),
        }
    }

    fn parse_slot(octets: &[u8]) -> Result<Self, Unfit> {
        let octets = octets.get(..MARK_CONTENT).unwrap_or_default();
        let log = match parse_small(octets, MARK_MAGIC, MARK_CONTENT) {
            // One octet of a torn slot must not read as a newer version: the checksum must fit.
            Err(Unfit::Newer(_)) if !small_fits(octets) => return damaged("its checksum does not fit"),
            parsed => parsed?,
        };
        let fields = || {
            Some(Self {
                log,
                sequence: u64::from_be_bytes(array(octets, 32)?),
                segment: u64::from_be_bytes(array(octets, 40)?),
                offset: u64::from_be_bytes(array(octets, 48)?),
                position: Position::new(u64::from_be_bytes(array(octets, 56)?)),
                digest: Digest::new(array(octets, 64)?),
            })
        };
        fields().ok_or_else(|| Unfit::Damaged("it is too short".into()))
    }
}

/// The length of a mark without the zeros behind it.
pub(crate) const MARK_CONTENT: usize = 104;

pub(crate) fn preamble(magic: &[u8; 8], log: LogId) -> Vec<u8> {
    let mut octets = Vec::with_capacity(SEGMENT_HEADER);
    octets.extend_from_slice(magic);
    octets.extend_from_slice(&VERSION.to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(&log.0);
    octets
}

pub(crate) fn seal_small(octets: &mut Vec<u8>) {
    let checksum = truncated(Sha256::new().chain_update(FILE_TAG).chain_update(&octets));
    octets.extend_from_slice(&checksum);
}

pub(crate) fn parse_small(octets: &[u8], magic: &[u8; 8], length: usize) -> Result<LogId, Unfit> {
    if octets.get(..8) != Some(magic) {
        return damaged("it does not begin as it should");
    }
    match array(octets, 8).map(u32::from_be_bytes) {
        Some(VERSION) => {}
        Some(version) if version > VERSION => return Err(Unfit::Newer(version)),
        _ => return damaged("it has no version"),
    }
    if octets.len() != length {
        return damaged("it has another length than it should");
    }
    if !small_fits(octets) {
        return damaged("its checksum does not fit");
    }
    if array(octets, 12) != Some([0; 4]) {
        return damaged(RESERVED);
    }
    array(octets, 16).map(LogId).ok_or_else(|| Unfit::Damaged("it is too short".into()))
}

/// Makes the checksum of a small file fit what stands before it.
#[cfg(feature = "fuzzing")]
pub(crate) fn mend_small_file(octets: &mut [u8]) {
    if let Some((content, checksum)) = octets.split_last_chunk_mut::<CHECKSUM>() {
        *checksum = truncated(Sha256::new().chain_update(FILE_TAG).chain_update(content));
    }
}

fn small_fits(octets: &[u8]) -> bool {
    octets.split_last_chunk::<CHECKSUM>().is_some_and(|(content, checksum)| {
        truncated(Sha256::new().chain_update(FILE_TAG).chain_update(content)) == *checksum
    })
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// One commit.
    Commit,
    /// Everything before is durable, and the segment was finished or the log was closed here.
    Seal,
    /// Everything before is durable, and the writer had nothing to do.
    Beacon,
}

impl FrameKind {
    fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Seal => 2,
            Self::Beacon => 3,
        }
    }

    fn from_code([code, reserved @ ..]: [u8; 4]) -> Option<Self> {
        let kinds = [Self::Commit, Self::Seal, Self::Beacon];
        kinds.into_iter().find(|kind| kind.code() == code && reserved == [0; 3])
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    /// The length of the body, without padding.
    pub(crate) body: u32,
    /// How many events; none in a seal or beacon.
    pub(crate) count: u32,
    /// The position of the first event; in a seal or beacon, of the newest event before.
    pub(crate) first: Position,
    /// The commit's time; in a seal or beacon, that of the newest commit before.
    pub(crate) time: Timestamp,
    /// Up to which offset of the segment everything was durable before this frame was written.
    pub(crate) durable: u64,
    /// The digest of the commit before.
    pub(crate) previous: Digest,
    /// The digest of the commit; in a seal or beacon, the same as `previous`.
    pub(crate) digest: Digest,
}

impl FrameHeader {
    /// The length of the whole frame.
    pub(crate) fn length(&self) -> u64 {
        (to_u64(FRAME_HEADER) + u64::from(self.body)).next_multiple_of(8)
    }
}

/// Where frames stand: it enters their checksums, so that a frame counts in its own place only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FramePlace {
    pub(crate) log: LogId,
    /// The first position of the segment.
    pub(crate) segment: u64,
    /// The frame's offset in the segment.
    pub(crate) offset: u64,
}

/// Appends a commit's frame.
pub(crate) fn push_commit(to: &mut Vec<u8>, place: FramePlace, seal: &Seal, body: &[u8], durable: u64) {
    let header = FrameHeader {
        kind: FrameKind::Commit,
        body: u32::try_from(body.len()).unwrap_or(u32::MAX),
        count: seal.count,
        first: seal.first,
        time: seal.time,
        durable,
        previous: seal.previous,
        digest: seal.digest,
    };
    push_header(to, place, &header);
    to.extend_from_slice(body);
    let padding = body.len().next_multiple_of(8) - body.len();
    to.extend_from_slice([0; 8].get(..padding).unwrap_or_default());
}

/// A seal or beacon behind a head: everything before it is durable.
pub(crate) fn mark(kind: FrameKind, place: FramePlace, head: &Head) -> Vec<u8> {
    let mut octets = Vec::with_capacity(FRAME_HEADER);
    let header = FrameHeader {
        kind,
        body: 0,
        count: 0,
        first: head.position,
        time: head.time,
        durable: place.offset,
        previous: head.digest,
        digest: head.digest,
    };
    push_header(&mut octets, place, &header);
    octets
}

fn push_header(to: &mut Vec<u8>, place: FramePlace, header: &FrameHeader) {
    let start = to.len();
    to.extend_from_slice(FRAME_MAGIC);
    to.extend_from_slice(&[header.kind.code(), 0, 0, 0]);
    to.extend_from_slice(&header.body.to_be_bytes());
    to.extend_from_slice(&header.count.to_be_bytes());
    to.extend_from_slice(&header.first.get().to_be_bytes());
    to.extend_from_slice(&header.time.micros().to_be_bytes());
    to.extend_from_slice(&header.durable.to_be_bytes());
    to.extend_from_slice(header.previous.as_bytes());
    to.extend_from_slice(header.digest.as_bytes());
    let checksum = frame_checksum(place, to.get(start..).unwrap_or_default());
    to.extend_from_slice(&checksum);
}

/// Why octets are no frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// They are not what was written, or nothing was.
    Unfit(&'static str),
    /// They are what was written, but not by this version of the library.
    Unknown,
}

impl NoHeader {
    /// What is wrong.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Unfit(reason) => reason,
            Self::Unknown => "a frame is of a kind that this version of the library does not know",
        }
    }
}

/// Reads a frame's header if its checksum fits the octets and the place.
pub(crate) fn parse_header(octets: &[u8], place: FramePlace) -> Result<FrameHeader, NoHeader> {
    let octets = octets.get(..FRAME_HEADER).ok_or(NoHeader::Unfit("the header of a frame is cut off"))?;
    if octets.get(..4) != Some(FRAME_MAGIC) {
        return Err(NoHeader::Unfit("no frame begins here"));
    }
    let content = octets.get(..FRAME_HEADER - CHECKSUM).unwrap_or_default();
    if array(octets, FRAME_HEADER - CHECKSUM) != Some(frame_checksum(place, content)) {
        return Err(NoHeader::Unfit("the checksum of the header of a frame does not fit"));
    }
    let fields = || {
        Some(FrameHeader {
            kind: FrameKind::from_code(array(octets, 4)?)?,
            body: u32::from_be_bytes(array(octets, 8)?),
            count: u32::from_be_bytes(array(octets, 12)?),
            first: Position::new(u64::from_be_bytes(array(octets, 16)?)),
            time: Timestamp::from_micros(i64::from_be_bytes(array(octets, 24)?)),
            durable: u64::from_be_bytes(array(octets, 32)?),
            previous: Digest::new(array(octets, 40)?),
            digest: Digest::new(array(octets, 72)?),
        })
    };
    fields().ok_or(NoHeader::Unknown)
}

pub(crate) fn frame_checksum(place: FramePlace, content: &[u8]) -> [u8; CHECKSUM] {
    truncated(
        Sha256::new()
            .chain_update(FRAME_TAG)
            .chain_update(place.log.0)
            .chain_update(place.segment.to_be_bytes())
            .chain_update(place.offset.to_be_bytes())
            .chain_update(content),
    )
}

pub(crate) fn truncated(hash: Sha256) -> [u8; CHECKSUM] {
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// Octets from an offset on, as an array.
pub(crate) fn array<const N: usize>(octets: &[u8], offset: usize) -> Option<[u8; N]> {
    octets.get(offset..)?.first_chunk().copied()
}

/// The name of a segment.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_SUFFIX}")
}

/// The first position that a segment's name tells.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let first = name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok()?;
    (segment_name(first) == name).then_some(first)
}

/// A length as the format counts.
pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A length as memory counts.
pub(crate) fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const LOG: LogId = LogId([7; 16]);

    fn head() -> Head {
        Head { position: Position::new(41), digest: Digest::of(b"x"), time: Timestamp::from_secs(-5) }
    }

    /// Found by the fuzz target `small_files`.
    #[test]
    fn what_is_reserved_must_be_zero_even_if_the_checksum_fits() {
        let with = |mut octets: Vec<u8>, at: usize| {
            octets[at] = 1;
            octets.truncate(octets.len() - CHECKSUM);
            seal_small(&mut octets);
            octets
        };
        let start = SegmentStart { log: LOG, before: head() }.encode();
        let reserved = |found: Unfit| found == Unfit::Damaged(RESERVED.into());
        assert!((12..16).all(|at| parse_format_file(&with(format_file(LOG), at)).is_err_and(reserved)));
        assert!((12..16).chain(80..88).all(|at| SegmentStart::parse(&with(start.clone(), at)).is_err_and(reserved)));
    }

    #[test]
    fn small_files_round_trip_and_every_flipped_bit_is_noticed() {
        let start = SegmentStart { log: LOG, before: head() };
        let closed = ClosedAt { log: LOG, segment: 1, length: 9, position: head().position, digest: head().digest };
        assert_eq!(parse_format_file(&format_file(LOG)), Ok(LOG));
        assert_eq!(SegmentStart::parse(&start.encode()), Ok(start));
        assert_eq!(ClosedAt::parse(&closed.encode()), Ok(closed));
        let lengths = [format_file(LOG).len(), start.encode().len(), closed.encode().len()];
        assert_eq!(lengths, [FORMAT_LENGTH, SEGMENT_HEADER, CLOSED_LENGTH]);
        for bit in 0..CLOSED_LENGTH * 8 {
            let flip = |mut octets: Vec<u8>| {
                octets[bit / 8] ^= 1 << (bit % 8);
                octets
            };
            assert!(bit >= FORMAT_LENGTH * 8 || parse_format_file(&flip(format_file(LOG))).is_err(), "{bit}");
            assert!(SegmentStart::parse(&flip(start.encode())).is_err(), "{bit}");
            assert!(ClosedAt::parse(&flip(closed.encode())).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_mark_outlives_a_torn_slot_and_the_newest_whole_one_counts() {
        let first = Mark::first(LOG);
        let mut file = first.encode_both();
        assert_eq!((file.len(), Mark::parse(&file)), (2 * MARK_SLOT, Ok(first)));
        let Head { position, digest, .. } = head();
        let second = Mark { sequence: 2, segment: 1, offset: 400, position, digest, log: LOG };
        let slot = to_usize(second.slot());
        assert_ne!(second.slot(), first.slot());
        file[slot..slot + MARK_SLOT].copy_from_slice(&second.encode());
        assert_eq!(Mark::parse(&file), Ok(second));
        for bit in 0..MARK_SLOT * 8 {
            let mut flipped = file.clone();
            flipped[slot + bit / 8] ^= 1 << (bit % 8);
            let told = if bit < MARK_CONTENT * 8 { first } else { second };
            assert_eq!(Mark::parse(&flipped), Ok(told), "{bit}");
            flipped[to_usize(first.slot())] ^= 1;
            assert_eq!(Mark::parse(&flipped).is_err(), bit < MARK_CONTENT * 8, "{bit}");
        }
        assert!(Mark::parse(&[]).is_err());
    }

    #[test]
    fn a_newer_mark_is_told_from_a_torn_one() {
        let mut slot = Mark::first(LOG).encode();
        slot.truncate(MARK_CONTENT - CHECKSUM);
        slot[11] = 2;
        let torn = [slot.clone(), vec![0; 8]].concat();
        assert!(matches!(Mark::parse(&torn), Err(Unfit::Damaged(_))));
        seal_small(&mut slot);
        assert_eq!(Mark::parse(&slot), Err(Unfit::Newer(2)));
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut octets = format_file(LOG);
        octets[11] = 2;
        assert_eq!(parse_format_file(&octets), Err(Unfit::Newer(2)));
    }

    #[test]
    fn a_frame_counts_in_its_own_place_only() {
        let place = FramePlace { log: LOG, segment: 1, offset: 96 };
        let octets = mark(FrameKind::Seal, place, &head());
        assert_eq!(octets.len(), FRAME_HEADER);
        assert_eq!(parse_header(&octets, place).unwrap().first, head().position);
        assert!(parse_header(&octets, FramePlace { offset: 104, ..place }).is_err());
        assert!(parse_header(&octets, FramePlace { segment: 2, ..place }).is_err());
        assert!(parse_header(&octets, FramePlace { log: LogId([8; 16]), ..place }).is_err());
        for bit in 0..FRAME_HEADER * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse_header(&flipped, place).is_err(), "{bit}");
        }
    }

    #[test]
    fn segments_are_named_after_their_first_position() {
        assert_eq!(segment_name(17), "00000000000000000017.log");
        assert_eq!(parse_segment_name("00000000000000000017.log"), Some(17));
        for wrong in ["17.log", "+0000000000000000017.log", "00000000000000000017.log.new", "x.log"] {
            assert_eq!(parse_segment_name(wrong), None);
        }
    }
}
