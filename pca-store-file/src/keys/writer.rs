//! The one thread that writes holders' keys: whatever waits while it syncs is written and synced together.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use pca_core::keys::{KeyError, KeyKind, PublicKey};

use super::batches::{self, Current, Index, Place, name};
use super::disk::Disk;
use super::pool::lock;
use super::record::{self, FILE_HEADER, Head, IdOctets, Sealed};

/// What a caller waits for: the public key that lies under the id now, its own or the one that was there before.
pub(super) type Appended = Result<(PublicKey, KeyKind), KeyError>;

/// The writer; dropping it writes what waits, seals the batch, and joins the thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        disk: Arc<Disk>,
        index: Arc<RwLock<Index>>,
        current: Current,
        batch_octets: u64,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let state = State { disk, index, current, file: None, durable: current.len, batch_octets, broken: None };
        let queue = Arc::clone(&shared);
        let thread = thread::Builder::new().name("pca-keys-writer".into()).spawn(move || queue.work(state))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Keeps keys; answered when they are durable. An id that is there keeps its key.
    pub(super) fn append(&self, keys: Vec<Sealed>) -> oneshot::Receiver<Vec<Appended>> {
        let (done, answer) = oneshot::channel();
        self.shared.push(Request::Append { keys, done });
        answer
    }

    /// Ends a key; answered when nothing of it is left. An absent one is success.
    pub(super) fn destroy(&self, id: IdOctets) -> oneshot::Receiver<Result<(), KeyError>> {
        let (done, answer) = oneshot::channel();
        self.shared.push(Request::Destroy { id, done });
        answer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.ready.notify_one();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

enum Request {
    Append { keys: Vec<Sealed>, done: oneshot::Sender<Vec<Appended>> },
    Destroy { id: IdOctets, done: oneshot::Sender<Result<(), KeyError>> },
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Request>,
    closed: bool,
}

impl Shared {
    fn push(&self, request: Request) {
        lock(&self.queue).waiting.push(request);
        self.ready.notify_one();
    }

    fn work(&self, mut state: State) {
        loop {
            let mut queue = lock(&self.queue);
            while queue.waiting.is_empty() && !queue.closed {
                queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let group = std::mem::take(&mut queue.waiting);
            drop(queue);
            if group.is_empty() {
                state.close();
                return;
            }
            state.commit(group);
        }
    }
}

struct State {
    disk: Arc<Disk>,
    index: Arc<RwLock<Index>>,
    current: Current,
    file: Option<File>,
    durable: u64,
    batch_octets: u64,
    /// The first failure: nothing is written after it, for what the disk holds is not known any more.
    broken: Option<KeyError>,
}

/// A group that is written but not answered.
#[derive(Default)]
struct Staged {
    octets: Vec<u8>,
    fresh: HashMap<IdOctets, (Place, PublicKey)>,
    ends: Vec<(IdOctets, Place)>,
}

impl State {
    fn commit(&mut self, group: Vec<Request>) {
        // Ends come after beginnings in a group: one who destroys a key while it is being made loses or wins whole.
        let mut appends = Vec::new();
        let mut destroys = Vec::new();
        for request in group {
            match request {
                Request::Append { keys, done } => appends.push((keys, done)),
                Request::Destroy { id, done } => destroys.push((id, done)),
            }
        }
        let mut answers = Vec::with_capacity(appends.len());
        let mut staged = Staged::default();
        let mut outcome = self.usable();
        if outcome.is_ok() && !appends.is_empty() {
            outcome = self.begin();
        }
        for (keys, done) in appends {
            let told = match &outcome {
                Ok(()) => keys.iter().map(|key| self.stage(key, &mut staged)).collect(),
                Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
            };
            answers.push((told, done));
        }
        if outcome.is_ok() {
            outcome = self.write(&staged);
        }
        let error = outcome.clone().err();
        for (told, done) in answers {
            let told: Vec<Appended> = told;
            let told = match &error {
                Some(error) => told.into_iter().map(|_| Err(error.clone())).collect(),
                None => told,
            };
            drop(done.send(told));
        }
        for (id, _) in &destroys {
            if let Some(at) = self.index.read().unwrap_or_else(PoisonError::into_inner).get(id) {
                staged.ends.push((*id, at));
            }
        }
        let outcome = outcome.and_then(|()| self.destroy(&staged.ends));
        for (_, done) in destroys {
            drop(done.send(outcome.clone()));
        }
        if let Err(error) = outcome {
            self.broken.get_or_insert(error);
        }
    }

    fn usable(&self) -> Result<(), KeyError> {
        match &self.broken {
            Some(error) => {
                Err(KeyError::Backend { detail: format!("an earlier write failed, open it again: {error}") })
            }
            None => Ok(()),
        }
    }

    /// Makes sure that there is a batch to write to.
    fn begin(&mut self) -> Result<(), KeyError> {
        if self.current.len >= self.batch_octets {
            let old = self.current.batch;
            self.current = Current { batch: old.saturating_add(1), len: 0 };
            self.file = None;
            if self.index.read().unwrap_or_else(PoisonError::into_inner).alive(old) == 0 {
                self.disk.destroy(&name(old))?;
            }
        }
        if self.file.is_none() {
            let file = self.disk.open(&name(self.current.batch))?;
            self.file = Some(file);
            self.durable = self.current.len;
        }
        if self.current.len == 0 {
            let header = record::file_header(self.current.batch);
            self.put(0, &header)?;
            self.disk.sync().map_err(|error| self.disk.failed("syncing", "", &error))?;
            self.current.len = FILE_HEADER;
            self.durable = FILE_HEADER;
        }
        Ok(())
    }

    fn stage(&self, key: &Sealed, staged: &mut Staged) -> Appended {
        let there = self.index.read().unwrap_or_else(PoisonError::into_inner).get(&key.id);
        if let Some(at) = there {
            let public = batches::read_public(&self.disk, &key.id, at)?;
            let kind = public.kind();
            return Ok((public, kind));
        }
        if let Some((_, public)) = staged.fresh.get(&key.id) {
            return Ok((public.clone(), public.kind()));
        }
        let written = u64::try_from(staged.octets.len()).unwrap_or(u64::MAX);
        let offset = self.current.len.saturating_add(written);
        let body_len = key.write(&mut staged.octets, self.current.batch, offset, self.durable);
        let place = Place { batch: self.current.batch, offset, body_len, created: key.created };
        staged.fresh.insert(key.id, (place, key.public.clone()));
        Ok((key.public.clone(), key.public.kind()))
    }

    fn write(&mut self, staged: &Staged) -> Result<(), KeyError> {
        if staged.octets.is_empty() {
            return Ok(());
        }
        self.put(self.current.len, &staged.octets)?;
        self.current.len = self.current.len.saturating_add(u64::try_from(staged.octets.len()).unwrap_or(u64::MAX));
        self.durable = self.current.len;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (id, (place, _)) in &staged.fresh {
            index.insert(*id, *place);
        }
        Ok(())
    }

    /// Writes and syncs.
    fn put(&mut self, offset: u64, octets: &[u8]) -> Result<(), KeyError> {
        let Some(file) = &mut self.file else { return Err(KeyError::Closed) };
        let mut put = || -> std::io::Result<()> {
            self.disk.step()?;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(octets)?;
            self.disk.step()?;
            file.sync_data()
        };
        put().map_err(|error| self.disk.failed("writing", &name(self.current.batch), &error))
    }

    /// Marks all, syncs, erases all, syncs: a crash in between is finished when the store is opened again.
    fn destroy(&mut self, ends: &[(IdOctets, Place)]) -> Result<(), KeyError> {
        let mut by_batch: HashMap<u64, Vec<&(IdOctets, Place)>> = HashMap::new();
        for end in ends {
            by_batch.entry(end.1.batch).or_default().push(end);
        }
        for (batch, ends) in by_batch {
            let mut file = self.disk.open(&name(batch))?;
            let mut destroy = || -> std::io::Result<()> {
                for step in [batches::mark_destroyed, batches::erase] {
                    self.disk.step()?;
                    for (_, at) in &ends {
                        step(&mut file, *at)?;
                    }
                    self.disk.step()?;
                    file.sync_data()?;
                }
                Ok(())
            };
            destroy().map_err(|error| self.disk.failed("destroying in", &name(batch), &error))?;
            let mut alive = None;
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            for (id, _) in ends {
                alive = index.remove(id).or(alive);
            }
            drop(index);
            if alive == Some(0) && batch != self.current.batch {
                self.disk.destroy(&name(batch))?;
            }
        }
        Ok(())
    }

    /// A clean close: whatever is wrong before the seal is damage from now on.
    fn close(mut self) {
        if self.file.is_none() || self.broken.is_some() || self.current.len <= FILE_HEADER {
            return;
        }
        let seal = Head::seal(self.current.batch, self.current.len);
        let written = self.put(self.current.len, &seal);
        if let Err(error) = written {
            tracing::warn!(%error, "the key store could not be sealed");
        }
    }
}
