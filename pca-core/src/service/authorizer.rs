//! Who may do what (rule G1).

use std::sync::Arc;

use crate::domain::{BrokenRule, CaId};

/// Decides whether an actor may carry out a command. [`Parts::authorizer`](super::Parts) takes yours.
///
/// ```
/// use pca_core::service::Authorizer;
/// use pca_core::{BrokenRule, CaId, Rule};
///
/// /// Only the orders desk buys.
/// struct OrdersDesk;
///
/// impl Authorizer for OrdersDesk {
///     fn authorize(&self, actor: &str, command: &'static str, _: Option<&CaId>) -> Result<(), BrokenRule> {
///         if command.starts_with("Buy") && actor != "orders-desk" {
///             let text = format!("{actor} may not buy: the orders desk does");
///             return Err(BrokenRule::new(Rule::new("G1"), "not-authorized", text));
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Lets the command pass, or says why not.
    ///
    /// # Errors
    /// The broken rule, which becomes the refusal.
    fn authorize(&self, actor: &str, command: &'static str, ca: Option<&CaId>) -> Result<(), BrokenRule>;
}

impl<A: Authorizer + ?Sized> Authorizer for Arc<A> {
    fn authorize(&self, actor: &str, command: &'static str, ca: Option<&CaId>) -> Result<(), BrokenRule> {
        (**self).authorize(actor, command, ca)
    }
}

/// The default: whoever reaches the service is the administrator of everything. Use it where access is controlled in
/// front of the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneAdministrator;

impl Authorizer for OneAdministrator {
    fn authorize(&self, _: &str, _: &'static str, _: Option<&CaId>) -> Result<(), BrokenRule> {
        Ok(())
    }
}
