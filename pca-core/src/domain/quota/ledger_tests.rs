//! Tests of the ledger: that it balances over true histories, and that each kind of false event is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::event::{CertificateIssued, Money, QuotaAssigned, QuotaLapsed, RootOrdered};
use crate::domain::order::BuyQuota;
use crate::domain::order::story::Story;
use crate::domain::policy::Policy;
use crate::keys::Family;
use crate::log::EventData;

/// Every event with the time that it was decided at.
fn told(story: &Story) -> Vec<(Event, Timestamp)> {
    story
        .log()
        .iter()
        .flat_map(|recorded| {
            let time = recorded.commit().metadata().decided_at;
            recorded.commit().events().map(move |view| (Event::decode(&view).unwrap(), time)).collect::<Vec<_>>()
        })
        .collect()
}

fn follow(events: &[(Event, Timestamp)]) -> Result<Ledger, LedgerFault> {
    let mut ledger = Ledger::default();
    for (event, time) in events {
        ledger.apply(event, *time)?;
        ledger.check()?;
    }
    Ok(ledger)
}

fn story() -> (Story, CaId, CaId) {
    let mut story = Story::founded(Policy { free_quota_days: Some(30), ..Policy::default() });
    let root = story.buy_root(Family::Ecc);
    story.enable(&root.root);
    story.enable(&root.intermediate);
    story.run(BuyQuota { root: root.root.clone(), count: 5, paid: Money::nothing() });
    story.assign(&root.intermediate, 8);
    story.issue(&root.intermediate).unwrap();
    (story, root.root, root.intermediate)
}

#[test]
fn q4_every_unit_is_in_one_column() {
    let (mut story, root, intermediate) = story();
    story.pass(31 * 86_400);
    story.assign(&intermediate, 2);
    story.issue(&intermediate).unwrap();
    story.revoke(&intermediate);
    let ledger = follow(&told(&story)).unwrap();
    // Nine of the ten free units lapsed: two in the pool, seven at the intermediate.
    let expected = Columns { granted: 15, pool: 3, assigned: 0, consumed: 2, expired: 9, refunded: 0, forfeited: 1 };
    assert_eq!(ledger.of_root(&root), expected);
    assert_eq!(*ledger.total(), ledger.of_root(&root));
    assert_eq!(ledger.lots().count(), 2);
}

/// Replaces the last event by a false one.
#[track_caller]
fn caught(change: impl FnOnce(&mut Event), is: impl FnOnce(&LedgerFault) -> bool) {
    let (story, ..) = story();
    let mut events = told(&story);
    assert!(follow(&events).is_ok());
    change(&mut events.last_mut().unwrap().0);
    let fault = follow(&events).unwrap_err();
    assert!(is(&fault), "{fault}");
}

fn issued(event: &mut Event) -> &mut CertificateIssued {
    match event {
        Event::CertificateIssued(issued) => issued,
        other => panic!("{other:?}"),
    }
}

#[test]
fn q5_what_does_not_fit_is_told() {
    let nobodys = LotId::derive(&crate::log::CommitId::new([9; 16]), 0);
    caught(|event| issued(event).lot = nobodys, |fault| matches!(fault, LedgerFault::UnknownLot { .. }));
    caught(
        |event| issued(event).ca = Story::nobodys_ca(),
        |fault| matches!(fault, LedgerFault::Overspent { held: 0, .. }),
    );
    caught(
        |event| issued(event).balance.remaining += 1,
        |fault| matches!(fault, LedgerFault::Figure { what: "remaining quota", stated: 8, computed: 7, .. }),
    );
    caught(|event| issued(event).balance.consumed += 1, |fault| matches!(fault, LedgerFault::Figure { .. }));
    caught(|event| issued(event).balance.assigned += 1, |fault| matches!(fault, LedgerFault::Figure { .. }));
}

#[test]
fn q5_no_unit_is_assigned_twice() {
    let (story, root, intermediate) = story();
    let mut events = told(&story);
    let time = story.now();
    let ledger = follow(&events).unwrap();
    let lot = ledger.lots().next().unwrap().lot.clone();
    let assign = |units| {
        let lots = vec![Lot { units, ..lot.clone() }];
        QuotaAssigned { root: root.clone(), intermediate: intermediate.clone(), lots, remaining: 7 - units }.into()
    };
    events.push((assign(3), time));
    let fault = follow(&events).unwrap_err();
    assert!(matches!(fault, LedgerFault::Overspent { held: 2, units: 3, .. }), "{fault}");
    events.pop();
    events.push((assign(2), time));
    follow(&events).unwrap();
}

#[test]
fn q3_turns_and_lapses_are_checked() {
    let (story, root, intermediate) = story();
    let events = told(&story);
    let ledger = follow(&events).unwrap();
    let (free, bought) = (ledger.lots().next().unwrap().lot.clone(), ledger.lots().nth(1).unwrap().lot.clone());
    let with = |event: Event, time| {
        let mut events = events.clone();
        events.push((event, time));
        follow(&events).unwrap_err()
    };
    let lots = vec![Lot { units: 1, ..bought }];
    let assign: Event = QuotaAssigned { root: root.clone(), intermediate, lots, remaining: 6 }.into();
    let fault = with(assign, story.now());
    assert!(matches!(&fault, LedgerFault::OutOfTurn { expected: Some(lot), .. } if *lot == free.id), "{fault}");
    let lapse: Event = QuotaLapsed { ca: root, lots: vec![LotUnits { lot: free.id.clone(), units: 1 }] }.into();
    assert!(matches!(with(lapse, story.now()), LedgerFault::NotLapsed { .. }));
}

#[test]
fn a_lot_is_granted_once() {
    let (story, ..) = story();
    let mut events = told(&story);
    let again = events.iter().find(|(event, _)| matches!(event, Event::RootOrdered(RootOrdered { .. }))).cloned();
    events.extend(again);
    assert!(matches!(follow(&events), Err(LedgerFault::RepeatedLot { .. })));
}
