//! Ordering commits: everything that happens under the one short mutex. Nothing here touches a disk.

use std::collections::VecDeque;
use std::sync::Arc;

use pca_core::log::{Commit, Head, Position, Receipt, Recorded, RequestDigest, StoreError};

use super::format::{FRAME_HEADER, FramePlace, LogId, SEGMENT_HEADER, SegmentStart, push_commit, to_u64, to_usize};
use super::index::{Covered, Index, Place, Prepared};
use super::options::Options;
use super::segment::Segment;
use super::sync::oneshot;

/// What the writer makes durable with one sync.
pub(crate) struct Group {
    /// The segment that begins with this group, if one does.
    pub(crate) opens: Option<SegmentStart>,
    /// The number of the segment, from 0.
    pub(crate) segment: u32,
    /// Where in the segment it is written. Everything before is durable by then.
    pub(crate) start: u64,
    /// The frames.
    pub(crate) octets: Vec<u8>,
    /// The head behind it.
    pub(crate) head: Head,
    /// Where its last frame ends.
    pub(crate) end: Place,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

/// What became of a group: durable, or why not.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a group did not become durable.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Arc<str>,
    /// Up to where the log is durable.
    pub(crate) durable: Position,
}

/// Why nothing more is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was opened for reading.
    ReadOnly,
    /// It is being closed: what is staged is still written.
    Closing,
    /// It was closed.
    Closed,
    /// Something failed.
    Failed(Arc<str>),
}

impl End {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::ReadOnly => "it was opened for reading only".into(),
            Self::Closing | Self::Closed => "it was closed".into(),
            Self::Failed(reason) => reason.to_string(),
        }
    }

    pub(crate) fn error(&self) -> StoreError {
        StoreError::Closed { reason: self.reason() }
    }
}

/// What can be said of one commit of a train.
pub(crate) enum Answer {
    /// It was staged.
    Staged(Receipt),
    /// A commit with its id lies here.
    Known { place: Place, request: RequestDigest },
    /// It failed, judged by what is staged.
    Refused(StoreError),
}

/// A train that was tried.
pub(crate) struct Tried {
    pub(crate) answers: Vec<Answer>,
    /// Tells when everything that the answers rest on is durable; none if it is already.
    pub(crate) durable: Option<oneshot::Receiver<Outcome>>,
    /// What was staged, to be kept in memory.
    pub(crate) staged: Vec<(Place, Arc<Recorded>)>,
}

/// The state of a log: what is staged and how much of it is durable.
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) segments: Vec<Segment>,
    /// The newest durable commit.
    pub(crate) durable: Head,
    /// Commits before this place are durable.
    pub(crate) durable_end: Place,
    pub(crate) end: Option<End>,
    /// Whether the writer waits to be told of work.
    pub(crate) idle: bool,
    log: LogId,
    /// The newest staged commit.
    staged: Head,
    /// In the last segment, where the next frame goes.
    tail: u64,
    queue: VecDeque<Group>,
    /// Whether the first group of the queue is being written.
    in_flight: bool,
    spare: Vec<u8>,
}

impl State {
    pub(crate) fn new(log: LogId, index: Index, head: Head, segments: Vec<Segment>, tail: u64) -> Self {
        Self {
            durable_end: end_of(&segments, tail),
            index,
            segments,
            durable: head,
            end: None,
            idle: false,
            log,
            staged: head,
            tail,
            queue: VecDeque::new(),
            in_flight: false,
            spare: Vec::new(),
        }
    }

    /// Stages a train as far as its members can be made; each comes with what is known of it.
    pub(crate) fn try_train(&mut self, train: Vec<(Commit, Prepared)>, options: &Options) -> Tried {
        let mut answers = Vec::with_capacity(train.len());
        let mut staged = Vec::with_capacity(train.len());
        // The newest commit that an answer rests on.
        let mut rests_on: Option<Place> = None;
        let mut stopped = false;
        for (commit, prepared) in train {
            if stopped {
                answers.push(Answer::Refused(StoreError::NotTried));
                continue;
            }
            let (answer, on) = self.try_commit(commit, &prepared, options, &mut staged);
            stopped = !matches!(answer, Answer::Staged(_));
            rests_on = rests_on.max(on);
            answers.push(answer);
        }
        let durable = rests_on.and_then(|place| self.wait_for(place));
        Tried { answers, durable, staged }
    }

    fn try_commit(
        &mut self,
        commit: Commit,
        prepared: &Prepared,
        options: &Options,
        staged: &mut Vec<(Place, Arc<Recorded>)>,
    ) -> (Answer, Option<Place>) {
        if let Some(end) = &self.end {
            return (Answer::Refused(end.error()), None);
        }
        if let Some(place) = self.index.known(prepared) {
            return (Answer::Known { place, request: commit.request() }, Some(place));
        }
        let octets = commit.body().len();
        if octets > options.largest_commit {
            return (Answer::Refused(StoreError::TooLarge { octets, limit: options.largest_commit }), None);
        }
        if let Err(conflict) = self.index.check_guards(&commit, prepared) {
            let on = match &conflict {
                StoreError::Conflict { stream, .. } => self.index.newest_in(stream),
                _ => None,
            };
            return (Answer::Refused(conflict), on);
        }
        let (place, recorded) = self.stage(commit, prepared, options);
        let receipt = recorded.receipt();
        staged.push((place, recorded));
        (Answer::Staged(receipt), Some(place))
    }

    fn stage(&mut self, commit: Commit, prepared: &Prepared, options: &Options) -> (Place, Arc<Recorded>) {
        let seal = self.staged.seal(&commit);
        let frame = to_u64((FRAME_HEADER + commit.body().len()).next_multiple_of(8));
        let opens = self.roll_over(frame, options);
        let segment = u32::try_from(self.segments.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let offset = self.tail;
        self.tail = self.tail.saturating_add(frame);
        if let Some(last) = self.segments.last_mut() {
            last.end = self.tail;
        }
        let at = Place { segment, offset: u32::try_from(offset).unwrap_or(u32::MAX) };
        self.index.push(&seal, &commit, prepared, at.offset);
        self.staged = seal.head();
        let place = FramePlace { log: self.log, segment: self.segments.last().map_or(0, |last| last.first), offset };
        self.make_room(frame, opens, segment, offset, options);
        if let Some(group) = self.queue.back_mut() {
            push_commit(&mut group.octets, place, &seal, commit.body(), group.start);
            group.head = self.staged;
            group.end = Place { segment, offset: u32::try_from(self.tail).unwrap_or(u32::MAX) };
        }
        (at, Arc::new(Recorded::new(seal, commit)))
    }

    /// Begins another segment if the frame does not fit into the last one, which has a commit.
    fn roll_over(&mut self, frame: u64, options: &Options) -> Option<SegmentStart> {
        let start = SegmentStart { log: self.log, before: self.staged };
        let last = self.segments.last()?.first;
        if self.tail.saturating_add(frame) <= options.segment_size || last == start.first() {
            return None;
        }
        self.tail = to_u64(SEGMENT_HEADER);
        self.segments.push(Segment { first: start.first(), file: None, end: self.tail });
        self.index.begin_segment();
        Some(start)
    }

    /// Makes the last group of the queue one that takes a frame: it is not being written and has room.
    fn make_room(&mut self, frame: u64, opens: Option<SegmentStart>, segment: u32, start: u64, options: &Options) {
        let taken = usize::from(self.in_flight);
        let room = self.queue.len() > taken
            && opens.is_none()
            && self
                .queue
                .back()
                .is_some_and(|group| to_u64(group.octets.len()).saturating_add(frame) <= to_u64(options.group));
        if !room {
            let octets = core::mem::take(&mut self.spare);
            let (head, end) = (self.staged, self.durable_end);
            self.queue.push_back(Group { opens, segment, start, octets, head, end, waiters: Vec::new() });
        }
    }

    /// Something that tells when the commit at this place is durable; nothing if it is.
    fn wait_for(&mut self, place: Place) -> Option<oneshot::Receiver<Outcome>> {
        if place < self.durable_end {
            return None;
        }
        let group = self.queue.iter_mut().find(|group| group.end > place)?;
        let (sender, receiver) = oneshot::channel();
        group.waiters.push(sender);
        Some(receiver)
    }

    /// Takes the next group to write; it stays in the queue without its octets until [`written`](Self::written).
    pub(crate) fn take(&mut self) -> Option<Job> {
        if self.in_flight {
            return None;
        }
        let group = self.queue.front_mut()?;
        self.in_flight = true;
        Some(Job {
            opens: group.opens.take(),
            segment: group.segment,
            start: group.start,
            octets: core::mem::take(&mut group.octets),
        })
    }

    /// Leaves room behind what is durable for a frame that the writer makes itself, and tells the head.
    pub(crate) fn leave_room(&mut self, octets: u64) -> Head {
        self.tail = self.tail.saturating_add(octets);
        self.durable
    }

    /// The segment with this number was sealed at this length behind a head.
    pub(crate) fn sealed(&mut self, segment: u32, length: u64, head: Head) {
        let number = to_usize(u64::from(segment));
        if let Some(Segment { first, end, .. }) = self.segments.get(number) {
            self.index.seal(segment, Covered { first: *first, end: *end, length }, head);
        }
    }

    /// The group that was taken is durable. Who waits for it is to be told outside of the mutex.
    pub(crate) fn written(&mut self, mut octets: Vec<u8>) -> Vec<oneshot::Sender<Outcome>> {
        octets.clear();
        if octets.capacity() <= 4 * 1024 * 1024 {
            self.spare = octets;
        }
        self.in_flight = false;
        let Some(group) = self.queue.pop_front() else { return Vec::new() };
        self.durable = group.head;
        self.durable_end = group.end;
        group.waiters
    }

    /// Takes no more, and gives up what is staged, except a group that is being written when the trouble is elsewhere.
    pub(crate) fn fail(&mut self, reason: &str, in_flight_too: bool) -> (Vec<oneshot::Sender<Outcome>>, Failure) {
        let reason: Arc<str> = match &self.end {
            Some(End::Failed(first)) => Arc::clone(first),
            _ => reason.into(),
        };
        self.end = Some(End::Failed(Arc::clone(&reason)));
        let kept = if in_flight_too { 0 } else { usize::from(self.in_flight) };
        let waiters = self.queue.drain(kept..).flat_map(|group| group.waiters).collect();
        (waiters, Failure { reason, durable: self.durable.position })
    }
}

/// Where the last of some segments ends.
pub(crate) fn end_of(segments: &[Segment], tail: u64) -> Place {
    let segment = u32::try_from(segments.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Place { segment, offset: u32::try_from(tail).unwrap_or(u32::MAX) }
}

/// What the writer does next.
pub(crate) enum Work {
    /// It writes a group.
    Group(Job),
    /// It appends a beacon behind this head; room is left at its place.
    Beacon(Head),
    /// It ends.
    End,
}

/// A group's octets on their way to the disk.
pub(crate) struct Job {
    pub(crate) opens: Option<SegmentStart>,
    pub(crate) segment: u32,
    pub(crate) start: u64,
    pub(crate) octets: Vec<u8>,
}
