//! What was bought, extended and given back.

use serde::{Deserialize, Serialize};

use super::{Lot, LotUnits};
use crate::domain::{CaId, LotId, OrderId, stream};
use crate::keys::Family;
use crate::log::{StreamId, Timestamp};

/// What was paid (rule O6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In the currency's minor units, such as cents.
    pub minor_units: u64,
    /// ISO 4217, three upper-case letters; empty when nothing was paid.
    pub currency: String,
}

/// A root was bought, with its bundled intermediate and free quota (rule O1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootOrdered {
    /// The order.
    pub order: OrderId,
    /// The root.
    pub root: CaId,
    /// The intermediate that comes with it.
    pub intermediate: CaId,
    /// The key family of all that is below (rule O3).
    pub family: Family,
    /// The free quota, if any.
    pub free: Option<Lot>,
    /// What was paid (rule O6).
    pub paid: Money,
    /// When the service term ends (rule O5).
    pub term_ends: Timestamp,
}
payload!(RootOrdered, |event| vec![
    stream::enterprise(),
    stream::order(&event.order),
    stream::ca(&event.root),
    stream::ca(&event.intermediate),
    stream::quota(&event.root),
]);

/// A further intermediate was bought (rule O2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntermediateOrdered {
    /// The order.
    pub order: OrderId,
    /// The root that it is under.
    pub root: CaId,
    /// The intermediate.
    pub intermediate: CaId,
    /// The root's key family (rule O3).
    pub family: Family,
    /// What was paid (rule O6).
    pub paid: Money,
    /// When the service term ends (rule O5).
    pub term_ends: Timestamp,
}
payload!(IntermediateOrdered, |event| vec![
    stream::order(&event.order),
    stream::ca(&event.root),
    stream::ca(&event.intermediate),
]);

/// Quota was bought (rule O4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaOrdered {
    /// The order.
    pub order: OrderId,
    /// The root whose pool it goes to.
    pub root: CaId,
    /// The units.
    pub lot: Lot,
    /// What was paid (rule O6).
    pub paid: Money,
}
payload!(QuotaOrdered, |event| vec![stream::order(&event.order), stream::quota(&event.root)]);

/// The service term of CAs was extended (rule O5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermExtended {
    /// The CAs, each with its new end: the one that was asked for and, for a root, its bundled intermediate.
    pub terms: Vec<Term>,
}
payload!(TermExtended, |event| event.terms.iter().map(|term| stream::ca(&term.ca)).collect());

/// The end of a CA's service term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The CA.
    pub ca: CaId,
    /// When its service term ends.
    pub ends: Timestamp,
}

/// What an order is about, as refunds need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderScope {
    /// The CAs that stand and fall with the order (rule R3).
    pub cas: Vec<CaId>,
    /// The root whose pool holds units of the order, if it brought any.
    pub pool: Option<CaId>,
}

impl OrderScope {
    fn streams(&self, order: &OrderId) -> Vec<StreamId> {
        core::iter::once(stream::order(order))
            .chain(self.cas.iter().map(stream::ca))
            .chain(self.pool.iter().map(stream::quota))
            .collect()
    }
}

/// A refund was requested; the CAs are frozen (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// The lot that is frozen, if the order brought quota.
    pub lot: Option<LotId>,
}
payload!(RefundRequested, |event| event.scope.streams(&event.order));

/// A refund was paid out (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundReturned {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// Units of a quota order that were paid back (rule R4).
    pub refunded: Vec<LotUnits>,
    /// Free units that were forfeited (rule R3).
    pub forfeited: Vec<LotUnits>,
}
payload!(RefundReturned, |event| event.scope.streams(&event.order));

/// A refund was declined; all is as before the request (rule R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundDeclined {
    /// The order.
    pub order: OrderId,
    /// What it is about.
    pub scope: OrderScope,
    /// Why.
    pub reason: String,
}
payload!(RefundDeclined, |event| event.scope.streams(&event.order));
