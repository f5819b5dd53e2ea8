//! Where units of quota went.

use serde::{Deserialize, Serialize};

use crate::domain::{CaId, LotId, stream};
use crate::log::Timestamp;

/// Units of quota with one origin and one end (rule Q3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Its id.
    pub id: LotId,
    /// Whether it came for free with the root.
    pub free: bool,
    /// How many units.
    pub units: u64,
    /// After when its units cannot be used; absent: without end.
    pub expires: Option<Timestamp>,
}

/// Some units of a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotUnits {
    /// The lot.
    pub lot: LotId,
    /// How many units.
    pub units: u64,
}

/// Quota went from a root's pool to an intermediate (rule Q1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaAssigned {
    /// The root.
    pub root: CaId,
    /// The intermediate.
    pub intermediate: CaId,
    /// Which units, each lot with its end.
    pub lots: Vec<Lot>,
    /// What is left in the pool.
    pub remaining: u64,
}
payload!(QuotaAssigned, |event| vec![stream::quota(&event.root), stream::quota(&event.intermediate)]);

/// Units expired unused (rule Q3); derived at the commit's time, written down by the next event that touches them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLapsed {
    /// The root in whose pool, or the intermediate to which, they were.
    pub ca: CaId,
    /// Which units.
    pub lots: Vec<LotUnits>,
}
payload!(QuotaLapsed, |event| vec![stream::quota(&event.ca)]);

/// Units were stranded at a refunded or revoked CA (rule Q4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaForfeited {
    /// The root in whose pool, or the intermediate to which, they were.
    pub ca: CaId,
    /// Which units.
    pub lots: Vec<LotUnits>,
}
payload!(QuotaForfeited, |event| vec![stream::quota(&event.ca)]);

/// An intermediate's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Units ever assigned.
    pub assigned: u64,
    /// Units consumed.
    pub consumed: u64,
    /// Units that can still be consumed.
    pub remaining: u64,
}
