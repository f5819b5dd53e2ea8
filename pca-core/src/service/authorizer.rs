//! Who may do what (rule G1).

use std::sync::Arc;

use crate::domain::{BrokenRule, CaId, Refusal, Scope};

use super::session::Session;
use super::{Call, Error, Pca};

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
    /// The CA is the one that the command is about: where it names a certificate, an order or a key, the one that this
    /// belongs to. There is none where it is about the whole enterprise, and where nobody knows what it names; rules of its
    /// own then refuse the command. A download without a key is asked for as `Download`, the destruction of a key as
    /// `ConfirmKeyDestroyed`.
    ///
    /// # Errors
    /// The broken rule, which becomes the refusal.
    fn authorize(&self, actor: &str, command: &'static str, ca: Option<&CaId>) -> Result<(), BrokenRule>;
}

impl Pca {
    /// Checks what is said of the call (rules L3 and O6), and asks the authorizer (rule G1). Only where no CA is named, the log is asked first whose matter it is.
    pub(super) async fn authorize(&self, call: &Call, command: &'static str, scope: Scope<'_>) -> Result<(), Error> {
        call.check()?;
        let inner = &*self.inner;
        let found = match scope {
            Scope::Enterprise | Scope::Ca(_) => None,
            _ => Session::asking(inner).ask(|desk, _| scope.ca(desk)).await??,
        };
        let ca = scope.named().or(found.as_ref());
        Ok(inner.authorizer.authorize(&call.actor, command, ca).map_err(Refusal::from)?)
    }
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
