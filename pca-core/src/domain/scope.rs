//! What a command is about, and whose CA that is (rule G1).

use crate::keys::KeyId;
use crate::x509::CertificateId;

use super::decision::{Desk, Halt};
use super::event::KeyOwner;
use super::key::KeyRole;
use super::order::Purchase;
use super::{CaId, OrderId};

/// What a request names. From it follows the CA that an authorizer is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope<'a> {
    /// The whole enterprise.
    Enterprise,
    /// A CA.
    Ca(&'a CaId),
    /// A holder's certificate, or a CA's own.
    Certificate(&'a CertificateId),
    /// An order.
    Order(&'a OrderId),
    /// A key.
    Key(&'a KeyId),
}

impl<'a> Scope<'a> {
    /// The CA, where the request names it.
    #[must_use]
    pub fn named(self) -> Option<&'a CaId> {
        match self {
            Self::Ca(ca) => Some(ca),
            _ => None,
        }
    }

    /// The CA: the one that is named, that issued the certificate or has it as its own, that was bought with the order (with
    /// a root's, the root) or that the units were bought for, that the key belongs to. None for the whole enterprise, and for
    /// what the log does not know. What is found never changes.
    ///
    /// # Errors
    /// [`Halt::Needs`] if a stream has not been loaded.
    pub fn ca(self, desk: &Desk<'_>) -> Result<Option<CaId>, Halt> {
        match self {
            Self::Enterprise => Ok(None),
            Self::Ca(ca) => Ok(Some(ca.clone())),
            Self::Certificate(id) => {
                let certificate = desk.certificate(id)?;
                let own = || certificate.authority().map(|authority| &authority.ca);
                let responder = || certificate.responder().map(|responder| &responder.ca);
                Ok(certificate.issued().map(|issued| &issued.ca).or_else(own).or_else(responder).cloned())
            }
            Self::Order(id) => Ok(desk.order(id)?.placed().map(|order| match &order.purchase {
                Purchase::Root { root, .. } | Purchase::Quota { root, .. } => root.clone(),
                Purchase::Intermediate { intermediate, .. } => intermediate.clone(),
            })),
            Self::Key(id) => match desk.key(id)?.owner() {
                Some(KeyOwner::Ca(ca)) => Ok(Some(ca.clone())),
                Some(KeyOwner::Certificate(id)) => Scope::Certificate(id).ca(desk),
                Some(KeyOwner::Responder(issuer)) => match desk.spki(issuer)? {
                    KeyRole::Ca(ca) => Ok(Some(ca.clone())),
                    _ => Ok(None),
                },
                None => Ok(None),
            },
        }
    }
}
