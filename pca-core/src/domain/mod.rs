//! The business: pure and synchronous. No I/O, no clock, no randomness, no signer.

pub mod ca;
pub mod certificate;
pub mod crl;
pub mod decision;
pub mod enterprise;
pub mod event;
mod id;
pub mod key;
pub mod order;
pub mod policy;
pub mod quota;
pub mod refusal;
mod roll;
mod scope;
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

/// Objects unless the log belongs to an enterprise: every command but the first needs that.
pub(crate) fn founded(desk: &Desk<'_>, objections: &mut Objections) -> Result<(), Halt> {
    let founded = desk.enterprise()?.is_founded();
    objections.require(founded, || {
        BrokenRule::new(
            Rule::new("L3"),
            "not-founded",
            "the log belongs to no enterprise yet; begin it with FoundEnterprise (`pca init`)",
        )
    });
    Ok(())
}
