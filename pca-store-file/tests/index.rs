//! Index files: what they hold is read as if it were in memory; whatever is wrong with them, the log is right.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use pca_core::log::{Commit, Position, Receipt, RequestDigest, Revision, StoreError, StreamId, StreamsRead};
use pca_core::ports::EventStore;
use pca_store_file::{FileEventStore, Options};
use pca_store_memory::MemoryEventStore;
use pca_store_testkit::draft::Draft;
use support::{copy, follow, named, segments};

const COMMITS: u64 = 400;
const SHARED: [&str; 4] = ["shared/0", "shared/1", "shared/2", "shared/3"];

fn options() -> Options {
    support::options().segment_size(4000)
}

/// Commits of one to three events, each in a stream of its own or in some of those that are shared.
fn history() -> Vec<Commit> {
    let mut revisions = [0; SHARED.len()];
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut made = Vec::new();
    for number in 0..COMMITS {
        let name = format!("commit {number}");
        let own = format!("own/{number}");
        let mut draft = Draft::new(&name).guard(&own, 0);
        let chosen: Vec<usize> = (0..SHARED.len()).filter(|_| draw(3) == 0).collect();
        for stream in &chosen {
            draft = draft.guard(SHARED[*stream], revisions[*stream]);
        }
        for event in 0..=draw(3) {
            let mut streams = if event == 0 { vec![own.as_str()] } else { Vec::new() };
            let moved: Vec<usize> = chosen.iter().copied().filter(|_| draw(2) == 0).collect();
            moved.iter().for_each(|stream| revisions[*stream] += 1);
            streams.extend(moved.iter().map(|stream| SHARED[*stream]));
            if !streams.is_empty() {
                draft = draft.event(&streams, name.as_bytes());
            }
        }
        made.push(draft.build().unwrap());
    }
    made
}

fn fill(store: &impl EventStore, history: &[Commit]) {
    for train in history.chunks(3) {
        assert!(pollster::block_on(store.commit(train.to_vec())).iter().all(Result::is_ok));
    }
}

/// A log of many segments, closed, and the same in memory.
fn both(directory: &Path) -> MemoryEventStore {
    let (memory, history) = (MemoryEventStore::default(), history());
    let store = FileEventStore::create(directory, options()).unwrap();
    fill(&store, &history);
    fill(&memory, &history);
    pollster::block_on(store.close()).unwrap();
    assert!(segments(directory).len() > 25, "{}", segments(directory).len());
    assert!((1..=4).contains(&indexes(directory).len()), "{:?}", indexes(directory));
    memory
}

fn indexes(directory: &Path) -> Vec<std::path::PathBuf> {
    named(directory, "0").into_iter().filter(|path| path.extension().is_some_and(|end| end == "index")).collect()
}

fn open(directory: &Path) -> FileEventStore {
    FileEventStore::open(directory, options()).unwrap()
}

fn read(store: &impl EventStore, stream: &str, after: u64, as_of: u64) -> StreamsRead {
    let streams = [(StreamId::parse(stream).unwrap(), Revision::new(after))];
    pollster::block_on(store.read(&streams, Position::new(as_of))).unwrap()
}

fn receipt(store: &impl EventStore, commit: &Commit) -> Option<Receipt> {
    pollster::block_on(store.receipt(commit.id(), commit.request())).unwrap()
}

/// Every question that a store answers has the same answer.
#[track_caller]
fn assert_same(store: &FileEventStore, memory: &MemoryEventStore) {
    let head = pollster::block_on(memory.head()).unwrap();
    assert_eq!(pollster::block_on(store.head()).unwrap(), head);
    let last = head.position.get();
    let streams = SHARED.map(str::to_owned).into_iter().chain((0..COMMITS).step_by(37).map(|n| format!("own/{n}")));
    for stream in streams.chain(["none".to_owned()]) {
        for as_of in [0, 1, 2, last / 3, last / 2, last - 1, last, last + 1, u64::MAX] {
            for after in [0, 1, 7, 100, 10_000] {
                let answers = (read(store, &stream, after, as_of), read(memory, &stream, after, as_of));
                assert_eq!(answers.0, answers.1, "{stream} after {after} as of {as_of}");
            }
        }
    }
    for after in (0..last + 2).step_by(11) {
        for limit in [1, 5, usize::MAX] {
            let followed =
                |store: &dyn EventStore| pollster::block_on(store.follow(Position::new(after), limit)).unwrap();
            assert_eq!(followed(store), followed(memory), "after {after}, {limit}");
        }
    }
    for commit in history().iter().step_by(7) {
        assert_eq!(receipt(store, commit), receipt(memory, commit));
        let other = RequestDigest::new([7; 32]);
        let reused = pollster::block_on(store.receipt(commit.id(), other));
        assert_eq!(reused, pollster::block_on(memory.receipt(commit.id(), other)));
        assert!(matches!(reused, Err(StoreError::IdReused { .. })));
    }
    let unknown = Draft::single("unknown", "none", 0).unwrap();
    assert_eq!(receipt(store, &unknown), None);
}

/// Repeats and conflicts are told from what is in the index files, and what fits goes on.
#[track_caller]
fn assert_guarded(store: &FileEventStore, memory: &MemoryEventStore) {
    let behind = read(memory, SHARED[0], u64::MAX, u64::MAX).streams[0].revision.get();
    let stale = Draft::single("stale", SHARED[0], behind - 1).unwrap();
    let taken = Draft::single("taken", "own/3", 0).unwrap();
    let fits = Draft::single("fits", SHARED[0], behind).unwrap();
    for commit in [history()[0].clone(), history()[200].clone(), stale, taken, fits] {
        let put = |store: &dyn EventStore| pollster::block_on(store.commit(vec![commit.clone()]));
        assert_eq!(put(store), put(memory));
    }
}

#[test]
fn what_index_files_hold_is_read_as_if_it_were_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (memory, history) = (MemoryEventStore::default(), history());
    let store = FileEventStore::create(directory.path(), options()).unwrap();
    for (part, number) in history.chunks(100).zip(1..) {
        fill(&store, part);
        fill(&memory, part);
        if number == 4 {
            assert_same(&store, &memory);
        }
    }
    assert_guarded(&store, &memory);
    drop(store);
    let reader = FileEventStore::open_read_only(directory.path(), options()).unwrap();
    assert_same(&reader, &memory);
    let store = open(directory.path());
    assert_same(&store, &memory);
    assert_guarded(&store, &memory);
    drop(store);
    pollster::block_on(reader.head()).unwrap();
    assert_same(&reader, &memory);
}

/// Callers commit and read while files are made and merged.
#[test]
fn nothing_is_missed_while_index_files_take_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileEventStore::create(directory.path(), options().cache(64 * 1024)).unwrap();
    let reader = FileEventStore::open_read_only(directory.path(), options()).unwrap();
    std::thread::scope(|scope| {
        for caller in 0..3 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..300 {
                    let (name, stream) = (format!("{caller} {number}"), format!("caller/{caller}"));
                    let commit = Draft::single(&name, &stream, number).unwrap();
                    assert!(support::put(store, commit.clone()).is_ok(), "{name}");
                    assert!(matches!(support::put(store, commit.clone()), Err(StoreError::Repeated(_))), "{name}");
                    assert!(receipt(store, &commit).is_some(), "{name}");
                    let after = number.saturating_sub(40);
                    let read = read(store, &stream, after, u64::MAX).streams.remove(0);
                    assert_eq!((read.revision.get(), read.events.len() as u64), (number + 1, number + 1 - after));
                }
            });
        }
        scope.spawn(|| {
            while pollster::block_on(reader.head()).unwrap().position < Position::new(800) {
                let read = read(&reader, "caller/1", 0, u64::MAX).streams.remove(0);
                assert_eq!(read.revision.get(), read.events.len() as u64);
            }
        });
    });
    drop(store);
    let followed = follow(&open(directory.path())).unwrap();
    assert_eq!(followed.len(), 900);
    assert_eq!(follow(&reader).unwrap(), followed);
    assert!(indexes(directory.path()).len() <= 5, "{:?}", indexes(directory.path()));
}

#[test]
fn an_index_that_is_lost_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    for path in indexes(directory.path()) {
        fs::remove_file(path).unwrap();
    }
    assert_same(&FileEventStore::open_read_only(directory.path(), options()).unwrap(), &memory);
    assert!(indexes(directory.path()).is_empty(), "who only reads writes nothing");
    assert_same(&open(directory.path()), &memory);
    assert!(!indexes(directory.path()).is_empty());
    let before: Vec<_> = indexes(directory.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    drop(open(directory.path()));
    let after: Vec<_> = indexes(directory.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after, "there is nothing to make anew");
}

/// One octet in some places of each index file, in each of its parts.
#[test]
fn a_damaged_index_never_answers_wrongly_and_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    for path in indexes(directory.path()) {
        let octets = fs::read(&path).unwrap();
        let some = (0..octets.len()).step_by(octets.len() / 11);
        for offset in some.chain((octets.len().saturating_sub(160)..octets.len()).step_by(13)) {
            let copied = tempfile::tempdir().unwrap();
            copy(directory.path(), copied.path());
            let damaged = copied.path().join(path.file_name().unwrap());
            let file = fs::OpenOptions::new().write(true).open(&damaged).unwrap();
            file.write_all_at(&[octets[offset] ^ 0x10], u64::try_from(offset).unwrap()).unwrap();
            if offset % 5 == 0 {
                assert_questions(&FileEventStore::open_read_only(copied.path(), options()).unwrap(), &memory);
            }
            let store = open(copied.path());
            assert_questions(&store, &memory);
            drop(store);
            let all = indexes(copied.path());
            assert!(!all.is_empty() && all.iter().all(|path| fs::read(path).unwrap() != spoilt(&octets, offset)));
        }
        for length in (0..octets.len()).step_by(octets.len() / 5) {
            let copied = tempfile::tempdir().unwrap();
            copy(directory.path(), copied.path());
            fs::write(copied.path().join(path.file_name().unwrap()), &octets[..length]).unwrap();
            assert_questions(&open(copied.path()), &memory);
        }
    }
}

fn spoilt(octets: &[u8], offset: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[offset] ^= 0x10;
    octets
}

/// Enough questions to look at every page of every file.
#[track_caller]
fn assert_questions(store: &FileEventStore, memory: &MemoryEventStore) {
    for number in (0..COMMITS).step_by(3) {
        let stream = format!("own/{number}");
        assert_eq!(read(store, &stream, 0, u64::MAX), read(memory, &stream, 0, u64::MAX));
    }
    for commit in history() {
        assert_eq!(receipt(store, &commit), receipt(memory, &commit));
    }
    for stream in SHARED {
        assert_eq!(read(store, stream, 0, u64::MAX), read(memory, stream, 0, u64::MAX));
    }
}

#[test]
fn an_index_of_another_state_of_the_log_is_of_no_use() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    let other = tempfile::tempdir().unwrap();
    drop(both(other.path()));
    // That of another log, under the same name.
    for path in indexes(other.path()) {
        fs::copy(&path, directory.path().join(path.file_name().unwrap())).unwrap();
    }
    assert_same(&FileEventStore::open_read_only(directory.path(), options()).unwrap(), &memory);
    assert_same(&open(directory.path()), &memory);
    // That of a longer log, after the end was taken away with all that says where it was.
    let segments = segments(directory.path());
    segments.iter().skip(20).for_each(|path| fs::remove_file(path).unwrap());
    fs::remove_file(directory.path().join("closed")).unwrap();
    let store = FileEventStore::open(directory.path(), options()).unwrap();
    let kept = follow(&store).unwrap();
    assert!(!kept.is_empty() && kept.len() < memory_commits(&memory));
    let all = pollster::block_on(memory.follow(Position::ZERO, usize::MAX)).unwrap();
    assert_eq!(kept, all[..kept.len()]);
    let next = history()[kept.len()].clone();
    assert!(pollster::block_on(store.commit(vec![next])).iter().all(Result::is_ok));
}

fn memory_commits(memory: &MemoryEventStore) -> usize {
    pollster::block_on(memory.follow(Position::ZERO, usize::MAX)).unwrap().len()
}

/// Opening does not read what index files cover; whoever reads on from one segment to the next notices.
#[test]
fn what_stands_behind_the_last_commit_of_a_covered_segment_is_read_with_it() {
    let directory = tempfile::tempdir().unwrap();
    drop(both(directory.path()));
    let path = segments(directory.path()).remove(3);
    let whole = fs::read(&path).unwrap();
    // The seal, in each of its parts.
    for offset in (whole.len() - 112..whole.len()).step_by(9) {
        fs::write(&path, spoilt(&whole, offset)).unwrap();
        for store in [open(directory.path()), FileEventStore::open_read_only(directory.path(), options()).unwrap()] {
            let error = follow(&store).unwrap_err();
            assert!(matches!(&error, StoreError::Corrupt { place, .. } if place.contains("offset")), "{error}");
        }
    }
    fs::write(&path, &whole).unwrap();
    follow(&open(directory.path())).unwrap();
}

/// A directory under an index file's name can be neither read, replaced nor removed.
#[test]
fn an_index_that_can_be_neither_read_nor_written_is_done_without() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    let names = indexes(directory.path());
    for path in &names {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }
    assert_same(&FileEventStore::open_read_only(directory.path(), options()).unwrap(), &memory);
    assert_same(&open(directory.path()), &memory);
    // What opening makes first of all, where nothing is covered.
    indexes(directory.path()).iter().filter(|path| path.is_file()).for_each(|path| fs::remove_file(path).unwrap());
    let eighth: u64 = segments(directory.path())[8].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    for first in [names[0].clone(), directory.path().join(format!("{:020}-{:020}.index", 1, eighth - 1))] {
        if !first.exists() {
            fs::create_dir(&first).unwrap();
        }
    }
    let store = open(directory.path());
    assert_same(&store, &memory);
    assert_guarded(&store, &memory);
    drop(store);
    assert!(named(directory.path(), "0").iter().all(|path| path.extension().is_none_or(|end| end != "new")));
}

/// What nobody has looked at before a merge reads it.
#[test]
fn a_damage_that_a_merge_meets_is_healed() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    let damaged = indexes(directory.path()).remove(0);
    let store = open(directory.path());
    let file = fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    file.write_all_at(&[0xFF; 64], 40).unwrap();
    for number in 0..3 * COMMITS {
        let commit = Draft::single(&format!("later {number}"), &format!("later/{number}"), 0).unwrap();
        fill(&store, core::slice::from_ref(&commit));
        fill(&memory, &[commit]);
    }
    drop(store);
    let all = indexes(directory.path());
    assert!(all.len() <= 5, "{all:?}");
    assert!(all.iter().all(|path| fs::read(path).unwrap()[40..104] != [0xFF; 64]), "it was merged");
    assert_same(&open(directory.path()), &memory);
}

#[test]
fn a_log_that_was_closed_is_read_without_writing_to_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    let store = open(directory.path());
    pollster::block_on(store.close()).unwrap();
    let damaged = indexes(directory.path()).remove(0);
    let file = fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    file.write_all_at(&[0xFF; 64], 40).unwrap();
    let before = support::contents(directory.path());
    assert_questions(&store, &memory);
    assert_eq!(support::contents(directory.path()), before);
    drop(store);
    assert_same(&open(directory.path()), &memory);
}

#[test]
fn what_was_put_beside_and_never_in_place_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let memory = both(directory.path());
    let index = indexes(directory.path()).remove(0);
    let fresh = index.with_extension("index.new");
    fs::write(&fresh, b"half of an index").unwrap();
    assert_same(&open(directory.path()), &memory);
    assert!(!fresh.exists());
}
