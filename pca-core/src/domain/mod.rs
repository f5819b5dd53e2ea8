//! The business: pure and synchronous. No I/O, no clock, no randomness, no signer.

pub mod ca;
pub mod certificate;
pub mod crl;
pub mod decision;
pub mod enterprise;
pub mod event;
mod id;
pub mod key;
pub mod ocsp;
pub mod order;
pub mod policy;
pub mod profile;
pub mod quota;
pub mod refusal;
mod roll;
mod scope;
pub(crate) mod snapshot;
mod state;
pub mod stream;
pub mod testing;

pub use decision::{Command, Context, Desk, Evidence, Halt, Need, Plan, ToSign, Verification};
pub use event::Event;
pub use id::{CaId, IdError, LotId, OrderId};
pub use refusal::{BrokenRule, Objections, Refusal, Rule};
pub use roll::{Roll, RollEntry};
pub use scope::Scope;
pub use state::State;

/// What every command but the first begins with: an objection unless the log belongs to an enterprise, and a look at the
/// policy, by which the service dates and verifies what comes of it.
pub(crate) fn founded(desk: &Desk<'_>) -> Result<Objections, Halt> {
    let mut objections = Objections::new();
    objections.require(desk.enterprise()?.is_founded(), || {
        BrokenRule::new(
            Rule::new("L3"),
            "not-founded",
            "the log belongs to no enterprise yet; begin it with FoundEnterprise (`pca init`)",
        )
    });
    desk.policy()?;
    Ok(objections)
}
