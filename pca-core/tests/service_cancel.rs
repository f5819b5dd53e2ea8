//! Every future can be dropped wherever it waits: before the commit nothing is done, after it the command is, and a
//! repeat under the same idempotency key tells. Whoever comes next is not kept waiting, on the same service or another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use futures_util::StreamExt as _;
use pca_core::delivery::{Format, Options};
use pca_core::domain::ca::CaState;
use pca_core::domain::certificate::Issued;
use pca_core::domain::order::RootBought;
use pca_core::log::Timestamp;
use pca_core::service::{Call, Download, Downloaded, Pca};
use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
use service_support::yielding::Yielding;
use service_support::{Kind, Site, buy_root, by, enable, server};

const EVER: Timestamp = Timestamp::from_secs(1 << 40);

fn keyed() -> Call {
    by().idempotent("the same")
}

/// Polls a future so many times; gives what it came to, if it did.
fn polled<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
    }
    None
}

/// Drops `act` after each number of polls until it comes to its end, and has `judge` look at what is left, on the same
/// service.
fn dropped_anywhere<T, A>(
    prepare: impl Fn(&Site) -> T,
    act: impl AsyncFn(&Pca, &T) -> A,
    judge: impl Fn(&Site, &T, Option<A>),
) {
    for times in 0.. {
        assert!(times < 1000, "it comes to no end");
        let store = Yielding(Arc::new(MemoryEventStore::new()));
        let site = Site::over(Kind::Memory, store, Yielding(Arc::new(MemoryKeyStore::new())));
        let prepared = prepare(&site);
        let came = polled(act(site.pca.unblocked(), &prepared), times);
        let over = came.is_some();
        judge(&site, &prepared, came);
        assert_eq!(site.pca.resume(&by()).unwrap(), []);
        site.check();
        site.pca.sweep_keys(EVER, &by()).unwrap();
        site.reopen().check();
        if over {
            assert!(times > 5);
            return;
        }
    }
}

#[test]
fn a_command() {
    dropped_anywhere(
        |site| {
            site.found();
        },
        async |pca, ()| pca.execute(buy_root(), &keyed()).await.unwrap(),
        |site, (), came| {
            let before = site.position();
            let again = site.pca.execute(buy_root(), &keyed()).unwrap();
            assert!(came.is_none_or(|came| again.repeated && again.answer == came.answer));
            assert_eq!(site.events().iter().filter(|event| event.kind() == "RootOrdered").count(), 1);
            assert!(!again.repeated || site.position() == before);
        },
    );
}

#[test]
fn a_command_that_makes_a_key() {
    dropped_anywhere(
        |site| site.found().buy_root(),
        async |pca, bought: &RootBought| pca.execute(enable(&bought.root, "Root"), &keyed()).await.unwrap(),
        |site, bought, came| {
            let again = site.pca.execute(enable(&bought.root, "Root"), &keyed()).unwrap();
            assert!(came.is_none_or(|came| again.repeated && again.answer == came.answer));
            assert_eq!(site.key_count(), 1);
        },
    );
}

#[test]
fn an_issue() {
    dropped_anywhere(
        |site| site.issuing(3),
        async |pca, bought: &RootBought| pca.issue(server(&bought.intermediate, "a.example"), &keyed()).await.unwrap(),
        |site, bought, came| {
            // Others go on, with the same service and with another.
            site.another().issue(server(&bought.intermediate, "other.example"), &by()).unwrap();
            let other = site.pca.issue(server(&bought.intermediate, "third.example"), &by()).unwrap();
            let again = site.pca.issue(server(&bought.intermediate, "a.example"), &keyed()).unwrap();
            assert!(came.is_none_or(|came| again.repeated && again.answer == came.answer));
            let remaining =
                if again.repeated { other.answer.balance.remaining } else { again.answer.balance.remaining };
            assert_eq!((remaining, site.key_count()), (0, 5));
        },
    );
}

#[test]
fn a_bulk() {
    let requests = |bought: &RootBought| {
        (0..4).map(|number| server(&bought.intermediate, &format!("h{number}.example"))).collect::<Vec<_>>()
    };
    dropped_anywhere(
        |site| site.issuing(5),
        async |pca, bought: &RootBought| {
            let call = keyed();
            pca.issue_many(requests(bought), &call).map(Result::unwrap).collect::<Vec<_>>().await
        },
        |site, bought, came| {
            let last = site.pca.issue(server(&bought.intermediate, "other.example"), &by()).unwrap();
            let call = keyed();
            let again: Vec<_> = site.pca.issue_many(requests(bought), &call).map(Result::unwrap).collect();
            assert!(came.is_none_or(|came| again.iter().zip(&came).all(|(again, came)| again.answer == came.answer)));
            let least =
                again.iter().map(|done| done.answer.balance.remaining).chain([last.answer.balance.remaining]).min();
            assert_eq!((least, site.key_count()), (Some(0), 7));
        },
    );
}

#[test]
fn a_reset() {
    dropped_anywhere(
        |site| {
            let bought = site.issuing(2);
            site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap();
            let reset = site.reset(&bought.root, true);
            (bought, reset)
        },
        async |pca, (_, reset)| pca.reset_ca(reset.clone(), &keyed()).await.unwrap(),
        |site, (bought, reset), came| {
            let again = site.pca.reset_ca(reset.clone(), &keyed()).unwrap();
            assert!(came.is_none_or(|_| again.done.repeated && again.steps.is_empty()));
            assert!(again.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", again.steps);
            for ca in [&bought.root, &bought.intermediate] {
                let state = pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.state())));
                assert_eq!(state.unwrap(), CaState::NotEnabled);
            }
            assert_eq!(site.key_count(), 1, "only the holder's is left");
        },
    );
}

#[test]
fn a_last_delivery() {
    let download = |issued: &Issued| Download {
        subject: Downloaded::Certificate(issued.id),
        format: Format::Pkcs8,
        options: Options { with_key: true, passphrase: None, plain_key: true },
        recipient: "ops".into(),
        destroy_key: true,
    };
    dropped_anywhere(
        |site| {
            let bought = site.issuing(1);
            site.pca.issue(server(&bought.intermediate, "a.example"), &by()).unwrap().answer
        },
        async |pca, issued: &Issued| drop(pca.download(&download(issued), &by()).await.unwrap()),
        |site, issued, came| {
            let delivered = site.events().iter().any(|event| event.kind() == "KeyDelivered");
            assert!(delivered || came.is_none());
            site.pca.sweep_keys(EVER, &by()).unwrap();
            let kept = pollster::block_on(site.keys.export(issued.key.as_ref().unwrap())).is_ok();
            assert_ne!(kept, delivered, "what was delivered for the last time is gone, and only that");
        },
    );
}

#[test]
fn a_sweep() {
    dropped_anywhere(
        |site| {
            let bought = site.issuing(1);
            let stray = pca_core::domain::testing::new_key(pca_core::keys::Algorithm::EcdsaP256);
            let id = pca_core::keys::KeyId::derive(&pca_core::log::CommitId::from_idempotency_key("stray"), 0);
            pollster::block_on(site.keys.import(&id, stray)).unwrap();
            bought
        },
        async |pca, _| pca.sweep_keys(EVER, &by()).await.unwrap(),
        |site, _, came| {
            assert!(came.is_none_or(|swept| swept.len() == 1));
            assert!(site.pca.sweep_keys(EVER, &by()).unwrap().len() < 2);
            assert_eq!(site.key_count(), 2);
        },
    );
}
