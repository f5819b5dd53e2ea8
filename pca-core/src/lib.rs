//! A private certificate authority as a library: the business rules, the certificates, and the append-only log that
//! remembers what was decided.
//!
//! An enterprise buys a root and intermediates, enables them, assigns quota, and issues, delivers and revokes certificates
//! for servers, clients and data encryption. Every decision follows numbered rules (`docs/rules.md`); what was decided is an
//! event in a log whose commits are chained by SHA-256; every answer comes from that log.
//!
//! # Example
//! ```
//! use pca_core::domain::ca::EnableByCreating;
//! use pca_core::domain::certificate::IssueCertificate;
//! use pca_core::domain::enterprise::FoundEnterprise;
//! use pca_core::domain::event::Money;
//! use pca_core::domain::order::{BuyRoot, ServiceTerm};
//! use pca_core::domain::policy::Policy;
//! use pca_core::domain::quota::AssignQuota;
//! use pca_core::keys::Family;
//! use pca_core::service::{blocking, Call, Parts, Pca};
//! use pca_store_memory::{MemoryEventStore, MemoryKeyStore};
//! use pca_system::{OsEntropy, SystemClock};
//!
//! # fn main() -> Result<(), pca_core::service::Error> {
//! let parts = Parts::new(MemoryEventStore::new(), MemoryKeyStore::new(), SystemClock, OsEntropy);
//! let pca = blocking::Pca::new(Pca::new(parts));
//! let call = Call::by("my-program");
//!
//! pca.execute(FoundEnterprise { name: None, rehearsal: false, policy: Policy::default() }, &call)?;
//! let root = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(1), paid: Money::nothing() };
//! let bought = pca.execute(root, &call)?.answer;
//! pca.execute(EnableByCreating::named(bought.root, "My Root"), &call)?;
//! pca.execute(EnableByCreating::named(bought.intermediate.clone(), "My Services"), &call)?;
//! pca.execute(AssignQuota { ca: bought.intermediate.clone(), units: 1 }, &call)?;
//!
//! let request = IssueCertificate::server(bought.intermediate, ["service.internal"]);
//! let issued = pca.issue(request.clone(), &call)?.answer;
//! assert_eq!(issued.balance.remaining, 0);
//!
//! // No unit is left: the rules say no, by number, and nothing has changed.
//! let refused = pca.issue(request, &call).unwrap_err();
//! assert!(refused.refusal().is_some_and(|refusal| refusal.names("Q2")));
//! # Ok(())
//! # }
//! ```
//! For a program that is to remember, take `FileEventStore` and `FileKeyStore` of `pca-store-file`; nothing else changes.
//!
//! # Map
//!
//! | you want to | look at |
//! |---|---|
//! | embed it | [`service`]: [`Pca`], [`Parts`], [`Call`]; [`service::blocking`] without an executor |
//! | find a command or a rule | [`domain`]: one file a command; [`Command`], [`Refusal`] |
//! | write a store, a key store, a clock | [`ports`], and the suite in `pca-store-testkit` |
//! | ask what happened | [`projection`]: inventory, quota ledger, orders, audit, verification |
//! | hand out files to install | [`service::Pca::download`], [`delivery`] |
//! | work with certificates, requests, CRLs | [`x509`] |
//! | work with keys, signing back ends | [`keys`] |
//! | understand commits, digests, folds | [`log`], and `docs/log-format.md` |
//! | test rules of your own | [`log::scenario`], [`domain::testing`] |
//!
//! A call goes four steps: *load* streams folded from events, *decide* (pure; a plan, or a refusal with every broken rule),
//! *sign* what the plan asks for, *commit* guarded by all that was read. Issuing by many callers at once goes through lanes.
//! `docs/architecture.md` tells how and why.
//!
//! # What it is not
//!
//! It does no I/O, reads no clock, draws no randomness, starts no thread and needs no runtime: all of these are
//! [`ports`]. It listens on no network and authenticates nobody: whoever embeds it says who calls ([`Call::by`]). It keeps
//! no secret in the log, and does not protect a log against whoever can write all of it: see `docs/security-model.md`.
//! Rules that are not built yet are marked in `docs/rules.md`.
//!
//! # Features
//!
//! `aws-lc` (default) and `rustcrypto` are signing back ends; at least one is needed. The minimum Rust version is 1.89.

// Lints are those of the workspace: unsafe code is forbidden, every public item is documented.

// The tests of this crate share helpers with those in `tests/`.
#[cfg(test)]
extern crate self as pca_core;

pub mod delivery;
pub mod domain;
pub mod keys;
pub mod log;
pub mod ports;
pub mod projection;
pub mod service;
pub mod x509;

// The service, and who calls it.
pub use service::{Call, Done, Error, Parts, Pca};

// Decisions: what is asked, and the answer no.
pub use domain::{BrokenRule, Command, Event, Refusal, Rule};

// Identities.
pub use domain::{CaId, LotId, OrderId};
pub use x509::CertificateId;
