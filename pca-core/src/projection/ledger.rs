//! Where every unit of quota is (rules Q3, Q4, Q5).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::event::{Balance, Event};
use crate::domain::quota::{Columns, Ledger, LedgerFault};
use crate::domain::{CaId, LotId, OrderId};
use crate::log::{CodecError, Position, Recorded, Timestamp};

use super::{Projection, told};

/// The quota ledger of a log: per lot, per root and per intermediate. It balances after every event; a log where it does
/// not is told by [`LedgerError::Unbalanced`], with the position.
#[derive(Clone, Debug, Default)]
pub struct QuotaLedger {
    position: Position,
    time: Timestamp,
    ledger: Ledger,
    roots: Vec<CaId>,
    /// Intermediate, and its root, in order of purchase.
    intermediates: Vec<(CaId, CaId)>,
    at: BTreeMap<CaId, Lost>,
}

/// What an intermediate lost.
#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    expired: u64,
    forfeited: u64,
}

/// A lot, as a line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LotLine {
    /// The lot.
    pub lot: LotId,
    /// The root that it was granted to.
    pub root: CaId,
    /// The order that brought it.
    pub order: OrderId,
    /// Whether it came for free with the root.
    pub free: bool,
    /// After when its units cannot be used; absent: without end.
    pub expires: Option<Timestamp>,
    /// Whether a refund of it is requested.
    pub frozen: bool,
    /// Unused units that have lapsed by the time that was asked for and are not written down as expired yet (rule Q4).
    pub lapsed: u64,
    /// Where its units are.
    #[serde(flatten)]
    pub columns: Columns,
}

/// A root, as a line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootLine {
    /// The root.
    pub root: CaId,
    /// The units of its pool that can be assigned at the time that was asked for.
    pub available: u64,
    /// Where the units of all its lots are.
    #[serde(flatten)]
    pub columns: Columns,
}

/// An intermediate, as a line of the ledger: `assigned = consumed + remaining + expired + forfeited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntermediateLine {
    /// The intermediate.
    pub ca: CaId,
    /// Its root.
    pub root: CaId,
    /// Units ever assigned.
    pub assigned: u64,
    /// Units consumed by certificates.
    pub consumed: u64,
    /// Units that can be consumed at the time that was asked for.
    pub remaining: u64,
    /// Units that expired unused, by the time that was asked for.
    pub expired: u64,
    /// Units stranded by a refund or revocation.
    pub forfeited: u64,
}

/// Why a commit cannot be taken into the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// An event cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The ledger does not balance after an event.
    #[error("the quota ledger fails at position {position}: {fault}")]
    Unbalanced {
        /// The event's position.
        position: Position,
        /// What does not fit.
        #[source]
        fault: LedgerFault,
    },
}

impl QuotaLedger {
    /// Every lot, oldest first, as of a time.
    pub fn lots(&self, now: Timestamp) -> impl Iterator<Item = LotLine> {
        self.ledger.lots().map(move |account| LotLine {
            lot: account.lot.id.clone(),
            root: account.root.clone(),
            order: account.order.clone(),
            free: account.lot.free,
            expires: account.lot.expires,
            frozen: account.frozen,
            lapsed: if account.has_lapsed(now) {
                account.columns.pool.saturating_add(account.columns.assigned)
            } else {
                0
            },
            columns: account.columns,
        })
    }

    /// Every root, oldest first, as of a time.
    pub fn roots(&self, now: Timestamp) -> impl Iterator<Item = RootLine> {
        self.roots.iter().map(move |root| RootLine {
            root: root.clone(),
            available: self.ledger.available(root, now),
            columns: self.ledger.of_root(root),
        })
    }

    /// Every intermediate, oldest first, as of a time.
    pub fn intermediates(&self, now: Timestamp) -> impl Iterator<Item = IntermediateLine> {
        self.intermediates.iter().map(move |(ca, root)| self.line(ca, root, now))
    }

    /// An intermediate, as of a time.
    #[must_use]
    pub fn intermediate(&self, ca: &CaId, now: Timestamp) -> Option<IntermediateLine> {
        let (ca, root) = self.intermediates.iter().find(|(id, _)| id == ca)?;
        Some(self.line(ca, root, now))
    }

    /// An intermediate's figures, as of a time.
    #[must_use]
    pub fn balance(&self, ca: &CaId, now: Timestamp) -> Balance {
        self.ledger.balance(ca, now)
    }

    /// All lots together.
    #[must_use]
    pub fn total(&self) -> &Columns {
        self.ledger.total()
    }

    /// The ledger itself.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The time of the newest commit that was taken in.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    fn line(&self, ca: &CaId, root: &CaId, now: Timestamp) -> IntermediateLine {
        let Balance { assigned, consumed, remaining } = self.ledger.balance(ca, now);
        let lost = self.at.get(ca).copied().unwrap_or_default();
        let expired = assigned.saturating_sub(consumed).saturating_sub(remaining).saturating_sub(lost.forfeited);
        let (ca, root) = (ca.clone(), root.clone());
        IntermediateLine { ca, root, assigned, consumed, remaining, expired, forfeited: lost.forfeited }
    }

    fn note(&mut self, event: &Event) {
        let sum = |lots: &[crate::domain::event::LotUnits]| {
            lots.iter().fold(0, |sum: u64, lot| sum.saturating_add(lot.units))
        };
        match event {
            Event::RootOrdered(ordered) => {
                self.roots.push(ordered.root.clone());
                self.intermediates.push((ordered.intermediate.clone(), ordered.root.clone()));
            }
            Event::IntermediateOrdered(ordered) => {
                self.intermediates.push((ordered.intermediate.clone(), ordered.root.clone()));
            }
            Event::QuotaLapsed(lapsed) => {
                let lost = self.at.entry(lapsed.ca.clone()).or_default();
                lost.expired = lost.expired.saturating_add(sum(&lapsed.lots));
            }
            Event::QuotaForfeited(forfeited) => {
                let lost = self.at.entry(forfeited.ca.clone()).or_default();
                lost.forfeited = lost.forfeited.saturating_add(sum(&forfeited.lots));
            }
            _ => {}
        }
    }
}

impl Projection for QuotaLedger {
    type Error = LedgerError;

    fn position(&self) -> Position {
        self.position
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), LedgerError> {
        if recorded.seal().first <= self.position {
            return Ok(());
        }
        for told in told(recorded)? {
            let decided_at = told.metadata.decided_at;
            self.note(&told.event);
            self.ledger
                .apply(&told.event, decided_at)
                .map_err(|fault| LedgerError::Unbalanced { position: told.position, fault })?;
            self.position = told.position;
            self.time = told.time;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::event::CertificateIssued;
    use crate::domain::order::story::Story;
    use crate::domain::policy::Policy;
    use crate::keys::Family;
    use crate::projection::testing::record;

    #[test]
    fn q4_lines_tell_what_is_where() {
        let mut story = Story::founded(Policy { free_quota_days: Some(30), ..Policy::default() });
        let root = story.buy_root(Family::Ecc);
        story.enable(&root.root);
        story.enable(&root.intermediate);
        story.assign(&root.intermediate, 4);
        story.issue(&root.intermediate).unwrap();
        let mut ledger = QuotaLedger::default();
        ledger.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
        ledger.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
        assert_eq!(ledger.position().get(), story.log().last().unwrap().seal().last().get());
        let now = story.now();
        let line = ledger.intermediate(&root.intermediate, now).unwrap();
        assert_eq!((line.assigned, line.consumed, line.remaining, line.expired), (4, 1, 3, 0));
        let pool = ledger.roots(now).next().unwrap();
        assert_eq!((pool.available, pool.columns.pool, pool.columns.granted), (6, 6, 10));
        let later = now.plus_secs(31 * 86_400);
        let line = ledger.intermediate(&root.intermediate, later).unwrap();
        assert_eq!((line.assigned, line.consumed, line.remaining, line.expired), (4, 1, 0, 3));
        assert_eq!(ledger.lots(later).next().unwrap().lapsed, 9);
        assert_eq!(ledger.roots(later).next().unwrap().available, 0);
    }

    #[test]
    fn q5_a_fault_names_its_position() {
        let story = crate::domain::testing::Story::issuing(1);
        let quota = story.quota(&story.intermediate());
        let issued = CertificateIssued {
            lot: quota.next_lot(story.now()).unwrap().id.clone(),
            balance: Balance { assigned: 1, consumed: 1, remaining: 0 },
            ..crate::projection::testing::some_certificate(&story)
        };
        let (first, second) = (issued.clone(), issued);
        let mut events = story.events().to_vec();
        events.extend([(first.into(), story.now()), (second.into(), story.now())]);
        let log = record(&events);
        let mut ledger = QuotaLedger::default();
        let error = ledger.follow(&log).unwrap_err();
        let expected = u64::try_from(log.len()).unwrap();
        assert!(matches!(&error, LedgerError::Unbalanced { position, .. } if position.get() == expected), "{error}");
    }
}
