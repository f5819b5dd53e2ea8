//! What a certificate is for, and the key usages that follow from it.

use core::fmt;
use core::str::FromStr;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::oid;

/// The kinds of end-entity certificates (rule I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Profile {
    /// `serverAuth`; DNS names, wildcards, IP addresses.
    Server,
    /// `clientAuth`; e-mail addresses, URIs.
    Client,
    /// Encrypts and decrypts data: no extended key usage, e-mail addresses and URIs.
    DataEncryption,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Server, Self::Client, Self::DataEncryption];

    /// Its name on the command line and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::DataEncryption => "data-encryption",
        }
    }

    /// The purposes that go into the extended key usage; none for a profile without that extension.
    #[must_use]
    pub const fn purposes(self) -> &'static [ObjectIdentifier] {
        match self {
            Self::Server => &[oid::SERVER_AUTH],
            Self::Client => &[oid::CLIENT_AUTH],
            Self::DataEncryption => &[],
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| UnknownProfile { name: text.chars().take(60).collect() })
    }
}

/// Text that is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a profile; known are server, client and data-encryption")]
pub struct UnknownProfile {
    /// What was given, cut to 60 characters.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("printer".parse::<Profile>().is_err());
    }
}
