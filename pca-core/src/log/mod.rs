//! The event-sourcing kernel, ignorant of certificates.

mod name;

pub use name::{
    CommitId, Digest, HexError, Position, RequestDigest, Revision, StreamId, StreamIdError, Timestamp, base32,
    from_base32, is_short_id, short_id,
};
