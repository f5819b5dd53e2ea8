//! Commands of all kinds at once, from two services on one log: each is decided on what it will stand on, and nobody is
//! told of trouble that is only a crowd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use std::collections::HashSet;
use std::sync::Barrier;

use pca_core::domain::CaId;
use pca_core::domain::ca::{CaState, DisableCa, Ending, ReenableCa, ResetCa};
use pca_core::domain::certificate::{IssueAtomically, RevokeCertificate};
use pca_core::domain::event::Money;
use pca_core::domain::order::{BuyIntermediate, BuyQuota, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::service::Error;
use pca_core::x509::RevocationReason;
use service_support::{Kind, Site, buy_root, by, enable, reasons, server};

/// Everybody at once, each on a thread of their own.
fn crowd<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let (act, barrier) = (&act, &barrier);
        let callers: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    act(number)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn a_pool_is_assigned_once() {
    for kind in Kind::FAKE {
        let site = Site::new(kind);
        let bought = site.issuing(0);
        site.run(BuyQuota { root: bought.root.clone(), count: 30, paid: Money::nothing() });
        let services = [site.another(), site.another()];
        let assigned = crowd(64, |number| {
            let assign = AssignQuota { ca: bought.intermediate.clone(), units: 1 };
            match services[number % 2].execute(assign, &by()) {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(reasons(&error), ["Q1 pool-exhausted"]);
                    false
                }
            }
        });
        assert_eq!(assigned.iter().filter(|assigned| **assigned).count(), 40);
        site.check();
    }
}

#[test]
fn the_same_idempotency_key_at_once_is_done_once() {
    for kind in Kind::REAL {
        let site = Site::new(kind);
        let bought = site.issuing(10);
        let services = [site.another(), site.another()];
        let (ca, call) = (&bought.intermediate, by().idempotent("once"));
        let issued = crowd(32, |number| services[number % 2].issue(server(ca, "a.example"), &call).unwrap());
        let ids: HashSet<_> = issued.iter().map(|done| done.answer.id.to_string()).collect();
        assert_eq!((ids.len(), issued.iter().filter(|done| !done.repeated).count()), (1, 1));
        let call = by().idempotent("order");
        let roots = crowd(32, |number| services[number % 2].execute(buy_root(), &call).unwrap());
        let ids: HashSet<_> = roots.iter().map(|done| done.answer.root.to_string()).collect();
        assert_eq!((ids.len(), roots.iter().filter(|done| !done.repeated).count()), (1, 1));
        // Of two requests under one key, one is done and the other refused.
        let call = by().idempotent("two requests");
        let outcomes = crowd(32, |number| {
            services[number % 2].issue(server(ca, if number % 4 < 2 { "b.example" } else { "c.example" }), &call)
        });
        let done = outcomes.iter().flatten().map(|done| done.answer.id.to_string()).collect::<HashSet<_>>();
        assert_eq!((done.len(), outcomes.iter().flatten().count()), (1, 16));
        assert!(
            outcomes
                .iter()
                .filter_map(|outcome| outcome.as_ref().err())
                .all(|error| { reasons(error) == ["O6 idempotency-key-reused"] })
        );
        site.check();
    }
}

#[test]
fn commands_of_all_kinds_at_once_come_out_sound() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles, Kind::Memory] {
        let site = Site::new(kind);
        let bought = site.issuing(200);
        let services = [site.another(), site.another()];
        let (root, ca) = (&bought.root, &bought.intermediate);
        let outcomes: Vec<Result<(), Error>> = crowd(16, |number| {
            let (pca, call) = (&services[number % 2], by());
            for round in 0..12 {
                match (number / 2 + round) % 8 {
                    0 => drop(pca.execute(BuyQuota { root: root.clone(), count: 3, paid: Money::nothing() }, &call)?),
                    1 => drop(pca.execute(AssignQuota { ca: ca.clone(), units: 1 }, &call)?),
                    2 => {
                        let id = pca.issue(server(ca, "revoked.example"), &call)?.answer.id;
                        let reason = RevocationReason::KeyCompromise;
                        pca.execute(RevokeCertificate { id, reason, invalidity_date: None }, &call)?;
                    }
                    3 => drop(pollster::block_on(pca.unblocked().publish_crl(ca, &call))?),
                    4 => {
                        let requests = vec![server(ca, "one.example"), server(ca, "two.example")];
                        pca.issue_atomically(IssueAtomically { requests }, &call)?;
                    }
                    5 => {
                        let (root, term) = (root.clone(), ServiceTerm::years(1));
                        let buy = BuyIntermediate { root, term, paid: Money::nothing() };
                        let further = pca.execute(buy, &call)?.answer.intermediate;
                        pca.execute(enable(&further, further.as_str()), &call)?;
                    }
                    _ => drop(pca.issue(server(ca, "host.example"), &call)?),
                }
            }
            Ok(())
        });
        for outcome in outcomes {
            outcome.unwrap_or_else(|error| assert_eq!(reasons(&error), ["Q1 pool-exhausted"]));
        }
        site.check();
    }
}

/// Whatever is issued while a CA comes to its end, ended with it or was refused: nothing is issued behind its end.
#[test]
fn issuing_and_ending_at_once_leave_no_certificate_behind() {
    for kind in [Kind::FakeMemory, Kind::FakeFiles, Kind::Memory] {
        for round in 0..6 {
            let site = Site::new(kind);
            let bought = site.issuing(5000);
            let (ca, services) = (&bought.intermediate, [site.another(), site.another()]);
            site.pca.issue(server(ca, "first.example"), &by()).unwrap();
            let (first_refusal, trouble) = (std::sync::Mutex::new(Vec::new()), std::sync::Mutex::new(Vec::new()));
            crowd(9, |number| {
                if number == 8 {
                    end(&site, ca, round % 2 == 0);
                    return;
                }
                for _ in 0..400 {
                    match services[number % 2].issue(server(ca, "host.example"), &by()) {
                        Ok(_) => {}
                        Err(error) if error.refusal().is_some() => {
                            first_refusal.lock().unwrap().push(reasons(&error));
                            break;
                        }
                        Err(error) => {
                            trouble.lock().unwrap().push(error);
                            break;
                        }
                    }
                }
            });
            assert_eq!(*trouble.lock().unwrap(), []);
            for reasons in first_refusal.into_inner().unwrap() {
                assert!(["I1 ca-disabled", "I1 ca-not-enabled"].contains(&reasons[0].as_str()), "{reasons:?}");
            }
            let state = pollster::block_on(site.pca.unblocked().question(|desk, _| Ok(desk.ca(ca)?.state()))).unwrap();
            assert_eq!(state, CaState::NotEnabled);
            let events = site.events();
            let reset = events.iter().position(|event| event.kind() == "CaReset").unwrap();
            assert!(events[reset..].iter().all(|event| event.kind() != "CertificateIssued"));
            site.check();
        }
    }
}

/// Disables first, as the refusal of a stale preview advises, or tries until a preview is fresh.
fn end(site: &Site, ca: &CaId, disable: bool) {
    if disable {
        site.run(DisableCa { ca: ca.clone() });
        site.run(ReenableCa { ca: ca.clone() });
        site.run(DisableCa { ca: ca.clone() });
    }
    loop {
        let confirm = site.foresee(ca, Ending::Reset).digest;
        let reset = ResetCa { ca: ca.clone(), confirm, cascade: false, reason: None, without_last_crl: false };
        match site.pca.reset_ca(reset, &by()) {
            Ok(ended) => {
                assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
                return;
            }
            Err(error) => {
                assert_eq!(reasons(&error), ["C8 stale-preview"]);
                assert!(!disable, "nothing moves any more");
            }
        }
    }
}
