//! Leases: turns among those who want to write to a stream.

use core::sync::atomic::{AtomicUsize, Ordering};

use pca_core::log::StreamId;

use super::Harness;
use super::subject::{Subject, woken};
use crate::draft::Draft;
use crate::violation::{Verdict, ensure, equal};

pub(super) fn a_lease_excludes(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let stream = StreamId::parse("a")?;
    let held = log.wait("a lease", log.store.lease(&stream))??;
    let mut second = woken(log.store.lease(&stream));
    ensure(log.stays_pending(&mut second), || "a second lease was given while the first is held".into())?;
    drop(held);
    drop(log.wait("a lease that was given back", second)??);
    let inside = AtomicUsize::new(0);
    log.race(8, |_| {
        for _ in 0..25 {
            let lease = log.wait("a lease", log.store.lease(&stream))??;
            equal("others who hold the lease", &inside.fetch_add(1, Ordering::SeqCst), &0)?;
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(lease);
        }
        Ok(())
    })
    .map(drop)
}

pub(super) fn leases_of_other_streams_are_free(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let names = (0..20).map(|number| StreamId::parse(&format!("s/{number}"))).collect::<Result<Vec<_>, _>>()?;
    let held = names
        .iter()
        .map(|name| Ok(log.wait("the lease of another stream", log.store.lease(name))??))
        .collect::<Verdict<Vec<_>>>()?;
    drop(held);
    // All of them are free again.
    for name in &names {
        drop(log.wait("a lease that was given back", log.store.lease(name))??);
    }
    Ok(())
}

pub(super) fn leases_are_given_in_order_of_asking(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let stream = StreamId::parse("a")?;
    let mut held = log.wait("a lease", log.store.lease(&stream))??;
    let mut waiting = std::collections::VecDeque::new();
    for _ in 0..6 {
        let mut waiter = woken(log.store.lease(&stream));
        ensure(log.stays_pending(&mut waiter), || "a lease was given while another is held".into())?;
        waiting.push_back(waiter);
    }
    for turn in 0..30 {
        // Who gives it back and asks at once again stands at the end.
        drop(held);
        let mut again = woken(log.store.lease(&stream));
        ensure(log.stays_pending(&mut again), || "who held the lease got it again before those who wait".into())?;
        waiting.push_back(again);
        let Some(next) = waiting.pop_front() else { break };
        for waiter in &mut waiting {
            ensure(log.stays_pending(waiter), || {
                format!("at turn {turn} another than the first of the queue was next")
            })?;
        }
        held = log.wait("the lease for the first of the queue", next)??;
    }
    Ok(())
}

pub(super) fn a_dropped_waiter_gives_up_its_turn(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let stream = StreamId::parse("a")?;
    for _ in 0..10 {
        let held = log.wait("a lease", log.store.lease(&stream))??;
        let mut waiters = Vec::new();
        for _ in 0..4 {
            let mut waiter = woken(log.store.lease(&stream));
            ensure(log.stays_pending(&mut waiter), || "a lease was given while another is held".into())?;
            waiters.push(waiter);
        }
        // Dropped before its turn; never polled; dropped when the turn is its own already.
        drop(waiters.remove(1));
        drop(log.store.lease(&stream));
        let last = waiters.pop();
        drop(held);
        waiters.into_iter().for_each(drop);
        if let Some(last) = last {
            drop(log.wait("the lease, after those before in the queue were dropped,", last)??);
        }
    }
    drop(log.wait("a lease that nobody wants", log.store.lease(&stream))??);
    Ok(())
}

pub(super) fn commits_need_no_lease(harness: &dyn Harness) -> Verdict {
    let log = Subject::new(harness);
    let held = log.wait("a lease", log.store.lease(&StreamId::parse("a")?))??;
    log.write(Draft::single("1", "a", 0)?)?;
    equal("the revision", &log.revision("a")?, &1)?;
    drop(held);
    Ok(())
}
