//! What was bought, by whom, and refunds (rules O6, R5).

use std::collections::HashMap;

use serde::Serialize;

use crate::domain::event::{Event, Money};
use crate::domain::order::OrderState;
use crate::domain::{CaId, LotId, OrderId};
use crate::log::{CodecError, Position, Recorded, Timestamp};

use super::{Projection, Told, told};

/// What an order bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OrderKind {
    /// A root with its bundled intermediate and free quota (rule O1).
    Root {
        /// The root.
        root: CaId,
        /// The intermediate.
        intermediate: CaId,
        /// The free units.
        free: u64,
    },
    /// A further intermediate (rule O2).
    Intermediate {
        /// The root.
        root: CaId,
        /// The intermediate.
        intermediate: CaId,
    },
    /// Quota (rule O4).
    Quota {
        /// The root.
        root: CaId,
        /// The lot.
        lot: LotId,
        /// How many units.
        count: u64,
    },
}

impl OrderKind {
    /// The root that it is about.
    #[must_use]
    pub fn root(&self) -> &CaId {
        match self {
            Self::Root { root, .. } | Self::Intermediate { root, .. } | Self::Quota { root, .. } => root,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root",
            Self::Intermediate { .. } => "intermediate",
            Self::Quota { .. } => "quota",
        }
    }
}

/// An order with its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderEntry {
    /// The order.
    pub order: OrderId,
    /// What was bought.
    #[serde(flatten)]
    pub kind: OrderKind,
    /// What was paid.
    pub paid: Money,
    /// When.
    pub placed_at: Timestamp,
    /// By whom.
    pub placed_by: String,
    /// At which position of the log.
    pub position: Position,
    /// Where it stands.
    pub state: OrderState,
    /// Every refund that was requested, oldest first.
    pub refunds: Vec<RefundHistory>,
}

/// A refund that was requested, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefundHistory {
    /// When it was requested.
    pub requested_at: Timestamp,
    /// By whom.
    pub requested_by: String,
    /// When it was returned.
    pub returned_at: Option<Timestamp>,
    /// When it was declined, and why.
    pub declined: Option<(Timestamp, String)>,
}

/// All orders of a log, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    position: Position,
    entries: Vec<OrderEntry>,
    places: HashMap<OrderId, usize>,
}

impl Orders {
    /// Every order, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[OrderEntry] {
        &self.entries
    }

    /// An order.
    #[must_use]
    pub fn order(&self, id: &OrderId) -> Option<&OrderEntry> {
        self.entries.get(*self.places.get(id)?)
    }

    fn place(&mut self, order: &OrderId, kind: OrderKind, paid: &Money, told: &Told<'_>) {
        self.places.insert(order.clone(), self.entries.len());
        self.entries.push(OrderEntry {
            order: order.clone(),
            kind,
            paid: paid.clone(),
            placed_at: told.time,
            placed_by: told.metadata.actor.clone(),
            position: told.position,
            state: OrderState::Placed,
            refunds: Vec::new(),
        });
    }

    fn change(&mut self, order: &OrderId, change: impl FnOnce(&mut OrderEntry)) {
        let place = self.places.get(order).copied();
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            change(entry);
        }
    }

    fn take(&mut self, told: &Told<'_>) {
        match &told.event {
            Event::RootOrdered(ordered) => {
                let (root, intermediate) = (ordered.root.clone(), ordered.intermediate.clone());
                let free = ordered.free.as_ref().map_or(0, |lot| lot.units);
                self.place(&ordered.order, OrderKind::Root { root, intermediate, free }, &ordered.paid, told);
            }
            Event::IntermediateOrdered(ordered) => {
                let (root, intermediate) = (ordered.root.clone(), ordered.intermediate.clone());
                self.place(&ordered.order, OrderKind::Intermediate { root, intermediate }, &ordered.paid, told);
            }
            Event::QuotaOrdered(ordered) => {
                let (root, lot) = (ordered.root.clone(), ordered.lot.id.clone());
                let kind = OrderKind::Quota { root, lot, count: ordered.lot.units };
                self.place(&ordered.order, kind, &ordered.paid, told);
            }
            Event::RefundRequested(requested) => self.change(&requested.order, |entry| {
                entry.state = OrderState::RefundRequested;
                entry.refunds.push(RefundHistory {
                    requested_at: told.time,
                    requested_by: told.metadata.actor.clone(),
                    returned_at: None,
                    declined: None,
                });
            }),
            Event::RefundReturned(returned) => self.change(&returned.order, |entry| {
                entry.state = OrderState::Refunded;
                if let Some(refund) = entry.refunds.last_mut() {
                    refund.returned_at = Some(told.time);
                }
            }),
            Event::RefundDeclined(declined) => self.change(&declined.order, |entry| {
                entry.state = OrderState::Placed;
                if let Some(refund) = entry.refunds.last_mut() {
                    refund.declined = Some((told.time, declined.reason.clone()));
                }
            }),
            _ => {}
        }
    }
}

impl Projection for Orders {
    type Error = CodecError;

    fn position(&self) -> Position {
        self.position
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), CodecError> {
        if recorded.seal().first <= self.position {
            return Ok(());
        }
        told(recorded)?.iter().for_each(|told| self.take(told));
        self.position = recorded.seal().last();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::order::story::Story;
    use crate::domain::order::{BuyQuota, DeclineRefund};
    use crate::keys::Family;

    #[test]
    fn orders_are_listed_with_their_refunds() {
        let (mut story, root) = Story::with_enabled_root(Family::Ecc);
        let other = story.buy_intermediate(&root.root);
        let quota = story.run(BuyQuota { root: root.root.clone(), count: 7, paid: "1.50EUR".parse().unwrap() });
        story.request_refund(&quota.order);
        story.run(DeclineRefund { order: quota.order.clone(), reason: "no".into() });
        story.pass(60);
        story.request_refund(&quota.order);
        let mut orders = Orders::default();
        orders.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
        assert_eq!(orders.order(&quota.order).unwrap().state, OrderState::RefundRequested);
        story.return_refund(&quota.order);
        orders.follow(story.log().iter().map(AsRef::as_ref)).unwrap();
        let listed: Vec<_> = orders.entries().iter().map(|entry| (entry.kind.name(), entry.state)).collect();
        let expected =
            [("root", OrderState::Placed), ("intermediate", OrderState::Placed), ("quota", OrderState::Refunded)];
        assert_eq!(listed, expected);
        let entry = orders.order(&quota.order).unwrap();
        assert_eq!(entry.refunds.len(), 2);
        assert_eq!(entry.refunds.first().unwrap().declined.as_ref().unwrap().1, "no");
        assert_eq!(entry.refunds.last().unwrap().returned_at, Some(story.now()));
        assert_eq!(entry.placed_by, Story::ACTOR);
        let json = serde_json::to_value(entry).unwrap();
        assert_eq!(json.get("kind").unwrap(), "quota");
        assert_eq!(json.get("state").unwrap(), "refunded");
        assert!(orders.order(&other.order).is_some());
    }
}
