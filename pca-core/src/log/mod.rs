//! The event-sourcing kernel: it knows commits, streams and digests, and nothing of certificates.
//!
//! - An **event** has a kind, a schema number, an opaque payload and the [streams](StreamId) that it concerns.
//! - A [`Commit`] is one or more events with a [`Guard`] for every stream that the decision read, who asked and why,
//!   encoded once. All of its events are appended, or none (rule L1).
//! - A store orders commits: it checks the guards, [seals](Head::seal) the commit into a chain of digests and answers
//!   with a [`Receipt`].
//! - A [`World`] folds streams; a decision looks at it through a [`Desk`] that gathers the guards.
//! - A [`Verifier`] follows a log from its beginning and tells everything that does not fit.
//! - [`portable`] writes a log as JSON lines and reads it into any store; [`copy()`] brings it from store to store.
//! - [`scenario`] tests decisions: given events, when decided, then events or a refusal.

mod body;
mod commit;
mod error;
mod name;
mod payload;
pub mod portable;
pub mod scenario;
mod seal;
mod stream;
mod transfer;
mod verify;
mod world;

pub use body::BodyError;
pub use commit::{Commit, EncodedEvent, EventView, Guard, Metadata, Move};
pub use error::StoreError;
pub use name::{
    CommitId, Digest, HexError, Position, RequestDigest, Revision, Timestamp, base32, from_base32, is_short_id,
    short_id,
};
pub(crate) use name::{write_base32, write_hex};
pub use payload::{CodecError, EventData, Payload, Tree};
pub(crate) use payload::{pack, unpack};
pub use seal::{Head, Receipt, Recorded, RecordedError, Seal, StreamEvent, StreamSlice, StreamsRead};
pub(crate) use stream::StreamName;
pub use stream::{StreamId, StreamIdError};
pub use transfer::{TransferError, Transferred, copy};
pub use verify::{Fault, Verifier};
pub use world::{Desk, Fold, Missing, Moment, World};
