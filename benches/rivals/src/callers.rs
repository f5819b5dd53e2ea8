//! How callers reach an engine: the file log takes as many as there are; the rivals get a thread that writes, which
//! makes one transaction of all that waits.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use pca_core::log::Commit;

use crate::engines::{Answer, FileLog, Log};

/// A group takes no more trains beyond so many commits.
const LARGEST_GROUP: usize = 1024;

/// What callers commit to.
pub(crate) enum Desk {
    /// It makes groups itself.
    File(FileLog),
    /// One caller has the engine for itself, without a thread between, or each caller in turn makes a transaction.
    Alone(Mutex<Box<dyn Log>>),
    /// A thread writes for all.
    Grouped { jobs: Option<Sender<Job>>, writer: Option<JoinHandle<()>> },
}

pub(crate) struct Job {
    train: Vec<Commit>,
    answers: SyncSender<Vec<Answer>>,
}

impl Desk {
    pub(crate) fn grouped(log: Box<dyn Log>) -> Self {
        let (sender, jobs) = channel();
        let writer = std::thread::spawn(move || write(log, &jobs));
        Self::Grouped { jobs: Some(sender), writer: Some(writer) }
    }

    /// Commits; returns when it is durable.
    pub(crate) fn commit(&self, train: Vec<Commit>) -> Vec<Answer> {
        match self {
            Self::File(log) => log.commit(train),
            Self::Alone(log) => log.lock().unwrap().write(&train),
            Self::Grouped { jobs, .. } => {
                let (answers, answered) = sync_channel(1);
                jobs.as_ref().unwrap().send(Job { train, answers }).unwrap();
                answered.recv().unwrap()
            }
        }
    }

    pub(crate) fn close(self) {
        match self {
            Self::File(log) => Box::new(log).close(),
            Self::Alone(log) => log.into_inner().unwrap().close(),
            Self::Grouped { mut jobs, mut writer } => {
                jobs.take();
                writer.take().unwrap().join().unwrap();
            }
        }
    }
}

fn write(mut log: Box<dyn Log>, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = Vec::new();
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            waiting.push((job.train.len(), job.answers));
            group.extend(job.train);
            next = if group.len() < LARGEST_GROUP { jobs.try_recv().ok() } else { None };
        }
        let mut answers = log.write(&group).into_iter();
        for (count, waits) in waiting {
            // A caller that has gone needs no answer.
            let _ = waits.send(answers.by_ref().take(count).collect());
        }
    }
    log.close();
}
