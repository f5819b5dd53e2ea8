//! The key store's header: how the passphrase becomes a key, and the master key under it.
//!
//! ```text
//! pca key store 1
//! generation 1
//! scrypt 14                          the binary logarithm of N; r = 8, p = 1
//! salt 32 hexadecimal digits
//! nonce 24 hexadecimal digits
//! master 96 hexadecimal digits       AES-256-GCM over the master key; the lines above are associated data
//! check 64 hexadecimal digits        SHA-256 over the lines above: damage is told from a wrong passphrase
//! ```

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use pca_core::keys::KeyError;
use pca_core::log::Digest;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The shortest passphrase of a key store, in characters (rule K5).
pub(super) const SHORTEST_PASSPHRASE: usize = 12;

/// The key that encrypts the records of holders' keys; random, never changed.
pub(super) type MasterKey = Zeroizing<[u8; 32]>;

/// The header as it stands in its file.
pub(super) struct Header {
    /// Counts the changes of the passphrase.
    pub(super) generation: u64,
    log2_cost: u8,
    salt: [u8; 16],
    nonce: [u8; 12],
    wrapped: Vec<u8>,
}

impl Header {
    /// Wraps a master key under a passphrase.
    pub(super) fn wrap(
        master: &MasterKey,
        passphrase: &SecretString,
        generation: u64,
        log2_cost: u8,
    ) -> Result<Self, KeyError> {
        let mut header = Self { generation, log2_cost, salt: draw()?, nonce: draw()?, wrapped: Vec::new() };
        let cipher = header.cipher(passphrase)?;
        let associated = header.associated();
        let payload = Payload { msg: master.as_slice(), aad: associated.as_bytes() };
        header.wrapped = cipher
            .encrypt(&Nonce::from(header.nonce), payload)
            .map_err(|_| KeyError::Backend { detail: "wrapping the master key failed".into() })?;
        Ok(header)
    }

    /// The master key.
    pub(super) fn unwrap(&self, passphrase: &SecretString) -> Result<MasterKey, KeyError> {
        let associated = self.associated();
        let payload = Payload { msg: &self.wrapped, aad: associated.as_bytes() };
        let plain = self
            .cipher(passphrase)?
            .decrypt(&Nonce::from(self.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::WrongPassphrase)?;
        let mut master = Zeroizing::new([0; 32]);
        if plain.len() != master.len() {
            return Err(damaged("the master key has another length"));
        }
        master.copy_from_slice(&plain);
        Ok(master)
    }

    /// As it is written to its file.
    pub(super) fn to_text(&self) -> String {
        let mut text = self.associated();
        text.push_str(&format!("master {}\n", hex(&self.wrapped)));
        let check = Digest::of(text.as_bytes());
        text.push_str(&format!("check {check}\n"));
        text
    }

    /// As it was read from its file.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, KeyError> {
        let text = core::str::from_utf8(octets).map_err(|_| damaged("it is no text"))?;
        refuse_newer(text)?;
        let at = text.rfind("check ").ok_or_else(|| damaged("it has no check line"))?;
        let (covered, check) = text.split_at_checked(at).ok_or_else(|| damaged("it has no check line"))?;
        if check != format!("check {}\n", Digest::of(covered.as_bytes())) {
            return Err(damaged("its check does not fit"));
        }
        let mut lines = covered.lines();
        let mut field =
            |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' '));
        let wrong = || damaged("it is of another version");
        if field("pca key store") != Some("1") {
            return Err(wrong());
        }
        let generation = field("generation").and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        let log2_cost = field("scrypt").and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        let salt = field("salt").and_then(unhex).and_then(|salt| salt.try_into().ok()).ok_or_else(wrong)?;
        let nonce = field("nonce").and_then(unhex).and_then(|nonce| nonce.try_into().ok()).ok_or_else(wrong)?;
        let wrapped = field("master").and_then(unhex).ok_or_else(wrong)?;
        Ok(Self { generation, log2_cost, salt, nonce, wrapped })
    }

    fn associated(&self) -> String {
        format!(
            "pca key store 1\ngeneration {}\nscrypt {}\nsalt {}\nnonce {}\n",
            self.generation,
            self.log2_cost,
            hex(&self.salt),
            hex(&self.nonce)
        )
    }

    fn cipher(&self, passphrase: &SecretString) -> Result<Aes256Gcm, KeyError> {
        let cost = Some(self.log2_cost).filter(|cost| (1..=18).contains(cost));
        let parameters = cost.and_then(|cost| scrypt::Params::new(cost, 8, 1).ok()).ok_or_else(|| {
            KeyError::Backend { detail: format!("a scrypt cost of {} is out of bounds", self.log2_cost) }
        })?;
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(passphrase.expose_secret().as_bytes(), &self.salt, &parameters, key.as_mut_slice())
            .map_err(|_| KeyError::Backend { detail: "scrypt failed".into() })?;
        Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| KeyError::Backend { detail: "AES-256-GCM failed".into() })
    }
}

/// Refuses a header of a version that is not known yet, whatever follows.
fn refuse_newer(text: &str) -> Result<(), KeyError> {
    let version = text.lines().next().and_then(|line| line.strip_prefix("pca key store "));
    match version.and_then(|version| version.parse::<u32>().ok()) {
        Some(version @ 2..) => Err(KeyError::Backend {
            detail: format!("its header has version {version}; this library reads version 1, use a newer one"),
        }),
        _ => Ok(()),
    }
}

/// Refuses a passphrase that is too short (rule K5).
pub(super) fn check_passphrase(passphrase: &SecretString) -> Result<(), KeyError> {
    let characters = passphrase.expose_secret().chars().count();
    if characters < SHORTEST_PASSPHRASE {
        return Err(KeyError::PassphraseTooShort { characters, minimum: SHORTEST_PASSPHRASE });
    }
    Ok(())
}

/// Draws a new master key.
pub(super) fn draw_master() -> Result<MasterKey, KeyError> {
    let mut master = Zeroizing::new([0; 32]);
    fill(master.as_mut_slice())?;
    Ok(master)
}

/// Draws octets that are no secret.
pub(super) fn draw<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut octets = [0; N];
    fill(&mut octets)?;
    Ok(octets)
}

fn fill(octets: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(octets)
        .map_err(|error| KeyError::Backend { detail: format!("the source of randomness failed: {error}") })
}

fn damaged(why: &str) -> KeyError {
    KeyError::Damaged { detail: format!("the header of the key store cannot be read: {why}") }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_master_key_is_wrapped_and_a_wrong_passphrase_is_told_from_damage() {
        let master = draw_master().unwrap();
        let (right, wrong) = (SecretString::from("a long passphrase"), SecretString::from("another passphrase"));
        let text = Header::wrap(&master, &right, 7, 4).unwrap().to_text();
        let header = Header::parse(text.as_bytes()).unwrap();
        assert_eq!((header.generation, header.unwrap(&right).unwrap()), (7, master));
        assert_eq!(header.unwrap(&wrong).unwrap_err(), KeyError::WrongPassphrase);
        for at in 0..text.len() {
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= 1;
            assert!(matches!(Header::parse(&flipped), Err(KeyError::Damaged { .. })), "{at}");
        }
        assert!(matches!(Header::parse(&text.as_bytes()[..text.len() - 1]), Err(KeyError::Damaged { .. })));
    }

    #[test]
    fn a_newer_version_is_refused_as_such() {
        let text = Header::wrap(&draw_master().unwrap(), &"a long passphrase".into(), 7, 4).unwrap().to_text();
        let newer = text.replacen("store 1", "store 2", 1) + "and more that is not known yet\n";
        let refused = Header::parse(newer.as_bytes());
        assert!(
            matches!(&refused, Err(KeyError::Backend { detail }) if detail.contains("version 2") && detail.contains("newer"))
        );
        let older = text.replacen("store 1", "store 0", 1);
        assert!(matches!(Header::parse(older.as_bytes()), Err(KeyError::Damaged { .. })));
    }

    #[test]
    fn short_passphrases_are_refused_by_characters() {
        let refused = check_passphrase(&SecretString::from("äöüäöüäöüäö"));
        assert_eq!(refused, Err(KeyError::PassphraseTooShort { characters: 11, minimum: 12 }));
        assert_eq!(check_passphrase(&SecretString::from("äöüäöüäöüäöü")), Ok(()));
    }
}
