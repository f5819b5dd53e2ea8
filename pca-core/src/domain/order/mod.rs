//! Orders and refunds.

mod buy_intermediate;
mod buy_quota;
mod buy_root;
mod eligibility;
mod extend;
#[cfg(test)]
mod model_tests;
mod money;
mod refund;
pub(crate) mod standing;
#[cfg(test)]
pub(crate) mod story;
mod term;

pub use buy_intermediate::{BuyIntermediate, IntermediateBought};
pub use buy_quota::{BuyQuota, QuotaBought};
pub use buy_root::{BuyRoot, RootBought};
pub use eligibility::{RefundEligibility, refund_eligibility};
pub use extend::{ExtendTerm, ExtendedTerm};
pub use money::MoneyError;
pub use refund::{DeclineRefund, RefundStep, RequestRefund, ReturnRefund};
pub use term::{ServiceTerm, ServiceTermError};

use serde::Serialize;

use crate::log::{Fold, Moment, StreamId, Timestamp};

use super::CaId;
use super::event::{Event, Lot, Money};

/// What an order bought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purchase {
    /// A root with its bundled intermediate and free quota.
    Root {
        /// The root.
        root: CaId,
        /// The intermediate.
        intermediate: CaId,
        /// The free quota.
        free: Option<Lot>,
    },
    /// A further intermediate.
    Intermediate {
        /// The root.
        root: CaId,
        /// The intermediate.
        intermediate: CaId,
    },
    /// Quota.
    Quota {
        /// The root.
        root: CaId,
        /// The units.
        lot: Lot,
    },
}

/// Where an order stands (rule R5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OrderState {
    /// Placed and paid.
    Placed,
    /// A refund was requested.
    RefundRequested,
    /// Paid back.
    Refunded,
}

impl OrderState {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::RefundRequested => "refund-requested",
            Self::Refunded => "refunded",
        }
    }
}

impl core::fmt::Display for OrderState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The fold of `order/<id>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Nobody placed it.
    #[default]
    Unknown,
    /// Placed.
    Placed(PlacedOrder),
}

/// An order that was placed (rule O6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// What was bought.
    pub purchase: Purchase,
    /// What was paid.
    pub paid: Money,
    /// When.
    pub placed_at: Timestamp,
    /// By whom.
    pub placed_by: String,
    /// Where it stands.
    pub state: OrderState,
}

impl Order {
    /// The order, if somebody placed it.
    #[must_use]
    pub fn placed(&self) -> Option<&PlacedOrder> {
        match self {
            Self::Placed(order) => Some(order),
            Self::Unknown => None,
        }
    }

    fn place(&mut self, purchase: Purchase, paid: &Money, moment: &Moment<'_>) {
        *self = Self::Placed(PlacedOrder {
            purchase,
            paid: paid.clone(),
            placed_at: moment.time,
            placed_by: moment.metadata.actor.clone(),
            state: OrderState::Placed,
        });
    }

    fn enter(&mut self, state: OrderState) {
        if let Self::Placed(order) = self {
            order.state = state;
        }
    }
}

impl Fold for Order {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::Unknown
    }

    fn evolve(&mut self, event: &Event, moment: &Moment<'_>) {
        match event {
            Event::RootOrdered(ordered) => {
                let (root, intermediate) = (ordered.root.clone(), ordered.intermediate.clone());
                self.place(Purchase::Root { root, intermediate, free: ordered.free.clone() }, &ordered.paid, moment);
            }
            Event::IntermediateOrdered(ordered) => {
                let (root, intermediate) = (ordered.root.clone(), ordered.intermediate.clone());
                self.place(Purchase::Intermediate { root, intermediate }, &ordered.paid, moment);
            }
            Event::QuotaOrdered(ordered) => {
                let (root, lot) = (ordered.root.clone(), ordered.lot.clone());
                self.place(Purchase::Quota { root, lot }, &ordered.paid, moment);
            }
            Event::RefundRequested(_) => self.enter(OrderState::RefundRequested),
            Event::RefundReturned(_) => self.enter(OrderState::Refunded),
            Event::RefundDeclined(_) => self.enter(OrderState::Placed),
            _ => {}
        }
    }
}
