//! The names of streams, kept and on the stack.

use core::borrow::Borrow;
use core::fmt::{self, Write as _};
use core::hash::{Hash, Hasher};
use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::hex;

/// The name of a stream: 1 to 200 characters of `a-z`, `0-9`, `_`, `-`, `.` and `/`, such as `ca/ca_k3…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// The longest name, in octets.
    pub const MAX_LEN: usize = 200;

    /// Checks and keeps a name.
    ///
    /// # Errors
    /// [`StreamIdError`] if the text is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, StreamIdError> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_LEN && all_stand_in_names(text.as_bytes());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(StreamIdError { text: text.chars().take(Self::MAX_LEN).collect() })
        }
    }

    /// The stream of a thing: `category/key`, for a key that is known to fit, such as an id or a digest.
    ///
    /// A character that no name has becomes `.`, and what is too long is cut: this cannot fail, and ids never meet it.
    #[must_use]
    pub fn of(category: &'static str, key: impl fmt::Display) -> Self {
        let mut name = StreamName::default();
        // Writing into a name cannot fail.
        let _ = write!(name, "{category}/{key}");
        if name.octets().strip_suffix(b"/") == Some(category.as_bytes()) {
            name.length -= 1;
        }
        name.into()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `/`: the kind of thing that the stream is about.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// What stands after the first `/`, or nothing.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

/// As the name's octets, so that octets find it in a map.
impl Hash for StreamId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for StreamId {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for StreamId {
    type Error = StreamIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.0.as_ref().into()
    }
}

impl From<StreamName> for StreamId {
    fn from(name: StreamName) -> Self {
        // Every octet is one of those that stand in names.
        Self(core::str::from_utf8(name.octets()).unwrap_or_default().into())
    }
}

/// Whether an octet may stand in a stream's name.
const fn stands_in_names(octet: u8) -> bool {
    // Between `-` and `9` are `.`, `/` and the digits. Without branches: the compiler looks at many octets at once.
    (octet >= b'a') & (octet <= b'z') | (octet >= b'-') & (octet <= b'9') | (octet == b'_')
}

fn all_stand_in_names(octets: &[u8]) -> bool {
    octets.iter().fold(true, |all, octet| all & stands_in_names(*octet))
}

/// A stream's name on the stack. Every decision looks at a handful of streams, most of which it need not name for longer:
/// this takes no memory from the heap.
#[derive(Clone, Copy)]
pub(crate) struct StreamName {
    octets: [u8; StreamId::MAX_LEN],
    length: usize,
}

impl Default for StreamName {
    fn default() -> Self {
        Self { octets: [0; StreamId::MAX_LEN], length: 0 }
    }
}

impl StreamName {
    /// Begins a name.
    pub(crate) fn begin(category: &'static str) -> Self {
        Self::default().text(category)
    }

    /// Goes on with text, as [`StreamId::of`] does.
    pub(crate) fn text(mut self, text: &str) -> Self {
        if all_stand_in_names(text.as_bytes()) {
            self.append(text.as_bytes());
        } else {
            text.chars()
                .map(|c| u8::try_from(c).ok().filter(|octet| stands_in_names(*octet)).unwrap_or(b'.'))
                .for_each(|octet| self.append(&[octet]));
        }
        self
    }

    /// Goes on with octets in lower-case hexadecimal.
    pub(crate) fn hex(mut self, octets: &[u8]) -> Self {
        let (pairs, _) = self.octets.get_mut(self.length..).unwrap_or_default().as_chunks_mut::<2>();
        pairs.iter_mut().zip(octets).for_each(|(pair, octet)| *pair = hex(*octet));
        self.length += 2 * octets.len().min(pairs.len());
        self
    }

    /// What a map of [`StreamId`]s is searched for.
    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    fn append(&mut self, octets: &[u8]) {
        let room = self.octets.get_mut(self.length..).unwrap_or_default();
        let taken = octets.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..taken), octets.get(..taken)) {
            to.copy_from_slice(from);
        }
        self.length += taken;
    }
}

impl fmt::Write for StreamName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        *self = self.text(text);
        Ok(())
    }
}

/// Text that is no stream's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a stream: 1 to 200 characters of a-z, 0-9, `_`, `-`, `.` and `/` are expected")]
pub struct StreamIdError {
    /// What was given, cut to 200 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stream_names_are_checked() {
        assert_eq!(
            StreamId::parse("ca/ca_x").map(|s| (s.category().to_owned(), s.key().to_owned())),
            Ok(("ca".into(), "ca_x".into()))
        );
        for wrong in ["", "CA/x", "a b", "ä", &"x".repeat(201)] {
            assert!(StreamId::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_key_makes_a_name() {
        let long = format!("ca/{}", "x".repeat(StreamId::MAX_LEN - 3));
        for (key, name) in
            [("", "ca"), ("ca_x", "ca/ca_x"), ("Aé b", "ca/...b"), ("/", "ca//"), (&"x".repeat(300), &long)]
        {
            assert_eq!(StreamId::of("ca", key).as_str(), name);
            assert!(StreamId::parse(name).is_ok());
        }
    }

    #[test]
    fn a_name_on_the_stack_is_the_same_and_is_found() {
        let name = StreamName::begin("certificate").text("/").hex(&[0, 0xab, 0xf9]).text("/Aé b");
        let kept = StreamId::from(name);
        assert_eq!(kept, StreamId::of("certificate", "00abf9/...b"));
        assert!(std::collections::HashSet::from([kept]).contains(name.octets()));
        let full = StreamName::begin("x").hex(&[0x11; 150]);
        assert_eq!(full.octets().len(), StreamId::MAX_LEN - 1, "a pair that does not fit is cut");
    }
}
