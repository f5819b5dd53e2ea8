//! The codec: events as kinds, schema numbers and self-describing payloads (architecture, invariant 14).
//!
//! A payload is MessagePack with named fields, so that an old shape can be read as a tree of names and values and be
//! brought up to date (*upcast*), and so that a reader in any language can make sense of it.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize as _, Serialize};

use super::{EncodedEvent, EventView, StreamId};

/// A tree of names and values: what an old payload is read as before it is upcast.
pub type Tree = rmpv::Value;

/// One kind of event.
///
/// A kind is never renamed. When the shape changes, [`SCHEMA`](Self::SCHEMA) rises by one and
/// [`upcast`](Self::upcast) learns to bring the previous shape forward; golden files of every shape stay in the tests.
pub trait Payload: Serialize + DeserializeOwned {
    /// What happened, in the past tense.
    const KIND: &'static str;
    /// The number of the newest shape, from 1.
    const SCHEMA: u16 = 1;

    /// Every stream that the event belongs to, at least one.
    fn concerns(&self) -> Vec<StreamId>;

    /// Brings a payload of shape `schema` to shape `schema + 1`; called for 1 ≤ `schema` < [`SCHEMA`](Self::SCHEMA).
    ///
    /// # Errors
    /// [`CodecError::NoUpcaster`] if it does not know how.
    fn upcast(schema: u16, tree: Tree) -> Result<Tree, CodecError> {
        drop(tree);
        Err(CodecError::NoUpcaster { kind: Self::KIND, schema })
    }

    /// Encodes the event.
    ///
    /// # Errors
    /// [`CodecError::Encode`] if the value has no such form; the events of this crate always have one.
    fn to_encoded(&self) -> Result<EncodedEvent, CodecError> {
        self.encode_concerning(self.concerns())
    }

    /// Encodes the event for whoever knows already which streams it [concerns](Self::concerns).
    ///
    /// # Errors
    /// As [`to_encoded`](Self::to_encoded).
    fn encode_concerning(&self, streams: Vec<StreamId>) -> Result<EncodedEvent, CodecError> {
        let payload =
            pack(self).map_err(|source| CodecError::Encode { kind: Self::KIND, detail: source.to_string() })?;
        Ok(EncodedEvent { kind: Self::KIND.into(), schema: Self::SCHEMA, streams, payload })
    }

    /// Decodes a payload of this kind, upcasting it where it is of an older shape.
    ///
    /// # Errors
    /// [`CodecError`] if the shape is newer than this library, or the payload does not have it.
    fn from_payload(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
        let bad = |detail: String| CodecError::Decode { kind: Self::KIND, schema, detail };
        if schema == Self::SCHEMA {
            return unpack(payload).map_err(bad);
        }
        if schema == 0 || schema > Self::SCHEMA {
            return Err(CodecError::UnknownSchema { kind: Self::KIND, schema, newest: Self::SCHEMA });
        }
        let mut rest = payload;
        let tree = rmpv::decode::read_value(&mut rest).map_err(|source| bad(source.to_string()))?;
        if !rest.is_empty() {
            return Err(bad(TRAILING.into()));
        }
        let tree = (schema..Self::SCHEMA).try_fold(tree, |tree, schema| Self::upcast(schema, tree))?;
        let mut newest = Vec::new();
        rmpv::encode::write_value(&mut newest, &tree).map_err(|source| bad(source.to_string()))?;
        unpack(&newest).map_err(bad)
    }
}

/// Encodes a value as MessagePack with named fields.
pub(crate) fn pack(value: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    // Most values fit in this: one allocation instead of several that grow.
    let mut octets = Vec::with_capacity(1024);
    rmp_serde::encode::write_named(&mut octets, value)?;
    Ok(octets)
}

const TRAILING: &str = "there are octets after its end";

/// Decodes a value that takes the whole of a slice: a payload with something behind it would be read as another one.
pub(crate) fn unpack<T: DeserializeOwned>(octets: &[u8]) -> Result<T, String> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(octets);
    let value = T::deserialize(&mut decoder).map_err(|source| source.to_string())?;
    // At the end there is no first octet of another value. An array or map is not looked into: it could be empty behind
    // its own first octet, which would look the same.
    decoder.set_max_depth(1);
    match IgnoredAny::deserialize(&mut decoder) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(TRAILING.into()),
    }
}

/// All kinds of event of a domain, as one type.
pub trait EventData: Clone + Send + Sync + Sized + 'static {
    /// Encodes the event.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    fn encode(&self) -> Result<EncodedEvent, CodecError> {
        self.encode_concerning(self.streams())
    }

    /// Encodes the event for whoever knows its [streams](Self::streams) already.
    ///
    /// # Errors
    /// [`CodecError::Encode`].
    fn encode_concerning(&self, streams: Vec<StreamId>) -> Result<EncodedEvent, CodecError>;

    /// Decodes an event; an unknown kind is an error, never a skip (rule L5).
    ///
    /// # Errors
    /// [`CodecError`].
    fn decode(view: &EventView<'_>) -> Result<Self, CodecError>;

    /// Every stream that the event belongs to.
    fn streams(&self) -> Vec<StreamId>;
}

/// Why an event cannot be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value has no encoding.
    #[error("an event {kind} cannot be encoded: {detail}")]
    Encode {
        /// The kind.
        kind: &'static str,
        /// Why.
        detail: String,
    },
    /// The payload does not have the shape that its schema number says.
    #[error("an event {kind} of schema {schema} cannot be decoded: {detail}")]
    Decode {
        /// The kind.
        kind: &'static str,
        /// The schema number.
        schema: u16,
        /// Why.
        detail: String,
    },
    /// A kind that this library does not know: the log was written by a newer one.
    #[error("the log has an event of the unknown kind `{kind}`; a newer version of the library is needed to read it")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// A shape that this library does not know: the log was written by a newer one.
    #[error("an event {kind} has schema {schema}, but this library reads up to {newest}; a newer version is needed")]
    UnknownSchema {
        /// The kind.
        kind: &'static str,
        /// The schema number.
        schema: u16,
        /// The newest that is known.
        newest: u16,
    },
    /// A shape whose upcaster is missing: a defect of the library.
    #[error("there is no upcaster for an event {kind} of schema {schema}")]
    NoUpcaster {
        /// The kind.
        kind: &'static str,
        /// The schema number.
        schema: u16,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Renamed {
        full_name: String,
        age: u8,
    }

    impl Payload for Renamed {
        const KIND: &'static str = "Renamed";
        const SCHEMA: u16 = 3;

        fn concerns(&self) -> Vec<StreamId> {
            Vec::new()
        }

        fn upcast(schema: u16, tree: Tree) -> Result<Tree, CodecError> {
            let Tree::Map(mut fields) = tree else { return Err(CodecError::NoUpcaster { kind: Self::KIND, schema }) };
            match schema {
                1 => fields.push(("age".into(), 7.into())),
                _ => fields
                    .iter_mut()
                    .filter(|(name, _)| name.as_str() == Some("name"))
                    .for_each(|(name, _)| *name = "full_name".into()),
            }
            Ok(Tree::Map(fields))
        }
    }

    #[test]
    fn old_shapes_are_brought_forward_step_by_step() {
        let oldest = Tree::Map(vec![("name".into(), "Ada".into())]);
        let mut payload = Vec::new();
        rmpv::encode::write_value(&mut payload, &oldest).unwrap();
        assert_eq!(Renamed::from_payload(1, &payload), Ok(Renamed { full_name: "Ada".into(), age: 7 }));
        assert!(matches!(Renamed::from_payload(4, &payload), Err(CodecError::UnknownSchema { newest: 3, .. })));
        assert!(matches!(Renamed::from_payload(3, &payload), Err(CodecError::Decode { .. })));
    }

    #[test]
    fn nothing_stands_behind_a_payload() {
        let newest = Renamed { full_name: "Ada".into(), age: 36 }.to_encoded().unwrap().payload;
        let mut oldest = Vec::new();
        rmpv::encode::write_value(&mut oldest, &Tree::Map(vec![("name".into(), "Ada".into())])).unwrap();
        for (schema, payload) in [(1, oldest), (3, newest)] {
            assert!(Renamed::from_payload(schema, &payload).is_ok());
            for behind in [&b"\xc0"[..], b"\x00\x00", b"\xda", b"\xc1", b"\x81", b"\x91", b"\xdc\x00\x01", b"\xc7"] {
                let longer = [payload.as_slice(), behind].concat();
                assert!(matches!(Renamed::from_payload(schema, &longer), Err(CodecError::Decode { .. })), "{behind:?}");
            }
        }
    }

    #[test]
    fn payloads_name_their_fields() {
        let encoded = Renamed { full_name: "Ada".into(), age: 36 }.to_encoded().unwrap();
        assert_eq!(encoded.payload, b"\x82\xa9full_name\xa3Ada\xa3age\x24");
    }
}
