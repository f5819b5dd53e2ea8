//! What a certificate is for, and the key usages that follow from it.

use core::fmt;
use core::str::FromStr;

use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::oid;
use super::san::NameKind;
use super::usage::KeyUsage;
use crate::keys::KeyKind;

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

    /// The key usage that a key of this kind gets (rule I5).
    ///
    /// # Errors
    /// [`ProfileError`] if such a key cannot serve this profile: Ed25519 signs only.
    pub const fn key_usage(self, key: KeyKind) -> Result<KeyUsage, ProfileError> {
        Ok(match (self, key) {
            (Self::Server | Self::Client, KeyKind::Rsa { .. }) => {
                KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::KEY_ENCIPHERMENT)
            }
            (Self::Server | Self::Client, _) => KeyUsage::DIGITAL_SIGNATURE,
            (Self::DataEncryption, KeyKind::Rsa { .. }) => KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::DATA_ENCIPHERMENT),
            (Self::DataEncryption, KeyKind::P256 | KeyKind::P384 | KeyKind::P521) => KeyUsage::KEY_AGREEMENT,
            (Self::DataEncryption, _) => return Err(ProfileError::CannotEncrypt),
        })
    }

    /// Whether its certificates carry names of this kind (rule I2).
    #[must_use]
    pub const fn allows(self, kind: NameKind) -> bool {
        match self {
            Self::Server => matches!(kind, NameKind::Dns | NameKind::Ip),
            Self::Client | Self::DataEncryption => matches!(kind, NameKind::Email | NameKind::Uri),
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

/// Why a key does not fit a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProfileError {
    /// A key that only signs.
    #[error("an ed25519 key only signs; data encryption needs an RSA key or one on P-256, P-384 or P-521")]
    CannotEncrypt,
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
    fn i5_key_usage_follows_the_key() {
        let rsa = KeyKind::Rsa { modulus_bits: 2048 };
        let signs = KeyUsage::DIGITAL_SIGNATURE;
        assert_eq!(Profile::Server.key_usage(rsa), Ok(signs.with(KeyUsage::KEY_ENCIPHERMENT)));
        for key in [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519] {
            assert_eq!(Profile::Client.key_usage(key), Ok(signs));
        }
        assert_eq!(Profile::DataEncryption.key_usage(KeyKind::P384), Ok(KeyUsage::KEY_AGREEMENT));
        assert_eq!(Profile::DataEncryption.key_usage(KeyKind::Ed25519), Err(ProfileError::CannotEncrypt));
    }

    #[test]
    fn names_are_read_back() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert!("printer".parse::<Profile>().is_err());
    }
}
