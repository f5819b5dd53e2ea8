//! Names of profiles: the built-in ones, and those of one's own.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Profile;

/// The name of a profile, as the log and the command line have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(clippy::exhaustive_enums, reason = "a name is built in or not")]
pub enum ProfileName {
    /// One that the platform brings along.
    BuiltIn(Profile),
    /// One that was adopted.
    Custom(CustomName),
}

impl ProfileName {
    /// The profile that is built in under this name.
    #[must_use]
    pub const fn built_in(self) -> Option<Profile> {
        match self {
            Self::BuiltIn(profile) => Some(profile),
            Self::Custom(_) => None,
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::BuiltIn(profile) => profile.name(),
            Self::Custom(name) => name.as_str(),
        }
    }

    /// As text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.as_str()
    }
}

impl From<Profile> for ProfileName {
    fn from(profile: Profile) -> Self {
        Self::BuiltIn(profile)
    }
}

impl PartialEq<Profile> for ProfileName {
    fn eq(&self, other: &Profile) -> bool {
        *self == Self::BuiltIn(*other)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, ProfileNameError> {
        match text.parse::<Profile>() {
            Ok(profile) => Ok(Self::BuiltIn(profile)),
            Err(_) => CustomName::parse(text).map(Self::Custom),
        }
    }
}

impl TryFrom<String> for ProfileName {
    type Error = ProfileNameError;

    fn try_from(text: String) -> Result<Self, ProfileNameError> {
        text.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.as_str().into()
    }
}

/// The name of a profile of one's own: 1 to 32 lower-case letters, digits and single hyphens between them. It is kept in
/// place, so that naming a profile costs no memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomName {
    octets: [u8; Self::MAX_LEN],
    length: u8,
}

impl CustomName {
    /// The most characters.
    pub const MAX_LEN: usize = 32;

    /// Reads a name.
    ///
    /// # Errors
    /// [`ProfileNameError`] if it is none, or that of a profile that is built in.
    pub fn parse(text: &str) -> Result<Self, ProfileNameError> {
        let bad = || ProfileNameError { name: text.chars().filter(|c| !c.is_control()).take(60).collect() };
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit())
        };
        if text.len() > Self::MAX_LEN || !text.split('-').all(label) || text.parse::<Profile>().is_ok() {
            return Err(bad());
        }
        let mut octets = [0; Self::MAX_LEN];
        octets.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Ok(Self { octets, length: u8::try_from(text.len()).map_err(|_| bad())? })
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(octets).unwrap_or_default()
    }
}

impl fmt::Debug for CustomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomName({})", self.as_str())
    }
}

/// Text that is no name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error(
    "`{name}` is no name of a profile: 1 to {} lower-case letters and digits, with single hyphens between, are expected",
    CustomName::MAX_LEN
)]
pub struct ProfileNameError {
    /// What was given, cut to 60 characters.
    pub name: String,
}
