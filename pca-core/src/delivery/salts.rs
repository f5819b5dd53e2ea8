//! The randomness that one delivery uses.

use super::jks;
use crate::ports::{Entropy, EntropyError};

/// Salts and initialisation vectors for one delivery: drawn afresh by the caller for each, used up by it.
///
/// They are no secrets (each ends in clear in the file that it salts), but using one twice under one passphrase would
/// show which deliveries share it, and reuse a cipher's initialisation vector.
pub struct Salts {
    pub(super) key: SaltAndVector,
    pub(super) bagged_key: SaltAndVector,
    pub(super) certificates: SaltAndVector,
    pub(super) mac: [u8; 16],
    /// For a trust store beside a holder's file, under the same passphrase.
    pub(super) trusted: SaltAndVector,
    pub(super) trusted_mac: [u8; 16],
    /// For the key in a Java key store.
    pub(super) key_store: [u8; jks::SALT],
}

/// A salt for PBKDF2 and an initialisation vector for AES-CBC (RFC 8018 sections 5.2 and B.2.5).
#[derive(Clone, Copy)]
pub(super) struct SaltAndVector {
    pub(super) salt: [u8; 16],
    pub(super) vector: [u8; 16],
}

impl Salts {
    /// How many random octets a delivery needs.
    pub const OCTETS: usize = 10 * 16 + jks::SALT;

    /// Draws what one delivery needs.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails; nothing may be delivered with a key then.
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut octets = [0; Self::OCTETS];
        entropy.fill(&mut octets)?;
        Ok(Self::from_random(octets))
    }

    /// Takes octets that were just drawn from a good source of randomness.
    #[must_use]
    pub fn from_random(octets: [u8; Self::OCTETS]) -> Self {
        let mut key_store = [0; jks::SALT];
        let (pieces, rest) = octets.split_at(Self::OCTETS - jks::SALT);
        key_store.copy_from_slice(rest);
        let (pieces, _) = pieces.as_chunks::<16>();
        let mut pieces = pieces.iter().copied();
        let mut next = || pieces.next().unwrap_or_default();
        Self {
            key: SaltAndVector { salt: next(), vector: next() },
            bagged_key: SaltAndVector { salt: next(), vector: next() },
            certificates: SaltAndVector { salt: next(), vector: next() },
            mac: next(),
            trusted: SaltAndVector { salt: next(), vector: next() },
            trusted_mac: next(),
            key_store,
        }
    }
}

impl core::fmt::Debug for Salts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Salts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_used_once() {
        let mut octets = [0; Salts::OCTETS];
        for (octet, number) in octets.iter_mut().zip(0..) {
            *octet = number;
        }
        let salts = Salts::from_random(octets);
        let mut used = Vec::new();
        for pair in [salts.key, salts.bagged_key, salts.certificates] {
            used.extend(pair.salt);
            used.extend(pair.vector);
        }
        used.extend(salts.mac);
        used.extend(salts.trusted.salt);
        used.extend(salts.trusted.vector);
        used.extend(salts.trusted_mac);
        used.extend(salts.key_store);
        assert_eq!(used, octets);
    }
}
