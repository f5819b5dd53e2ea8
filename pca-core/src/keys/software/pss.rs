//! RSASSA-PSS with a salt of any length, and over SHA-1 (RFC 8017 sections 8.1.2 and 9.1.2): what the back ends leave out,
//! since TLS has no use for it, but roots are signed so: OpenSSL's own default was the longest salt that fits.
//!
//! Nothing here is secret, so nothing has to take the same time. The length of the salt is read from the signature: the
//! scheme is as safe with any length, and the parameters of a certificate only repeat it.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::VerifyError;
use crate::keys::{KeyKind, PublicKey, SignatureAlgorithm, encoding};

/// Verifies a signature with a salt of any length; invalid for any other algorithm.
pub(super) fn verify(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let fits = match algorithm {
        SignatureAlgorithm::RsaPssSha256 => fits::<Sha256>(key, message, signature),
        SignatureAlgorithm::RsaPssSha384 => fits::<Sha384>(key, message, signature),
        SignatureAlgorithm::RsaPssSha512 => fits::<Sha512>(key, message, signature),
        _ => None,
    };
    fits.ok_or(VerifyError::Invalid)
}

/// The same over SHA-1: only for a root's own signature (rule C3).
pub(super) fn verify_sha1(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    fits::<Sha1>(key, message, signature).ok_or(VerifyError::Invalid)
}

/// RSASSA-PSS-VERIFY: something if the signature is the key's over the message.
fn fits<D: Digest>(key: &PublicKey, message: &[u8], signature: &[u8]) -> Option<()> {
    const TRAILER: u8 = 0xbc;
    let KeyKind::Rsa { modulus_bits } = key.kind() else { return None };
    let encoded_bits = usize::try_from(modulus_bits).ok()?.checked_sub(1)?;
    let encoded = public_operation(key, signature)?;
    // Where the modulus has one bit more than whole octets, the encoded message is one octet shorter.
    let (above, encoded) = encoded.split_at_checked(encoded.len().checked_sub(encoded_bits.div_ceil(8))?)?;
    let (trailer, encoded) = encoded.split_last()?;
    let digest_length = <D as Digest>::output_size();
    let (masked, digest) = encoded.split_at_checked(encoded.len().checked_sub(digest_length)?)?;
    // The bits above those of the encoded message.
    let unused = (encoded_bits.div_ceil(8) * 8).checked_sub(encoded_bits)?;
    let kept = u8::MAX.checked_shr(u32::try_from(unused).ok()?)?;
    let stray = masked.first().is_some_and(|octet| octet & !kept != 0) || above.iter().any(|octet| *octet != 0);
    if *trailer != TRAILER || stray {
        return None;
    }
    let mut block: Vec<u8> = masked.iter().zip(mask::<D>(digest)).map(|(octet, mask)| octet ^ mask).collect();
    *block.first_mut()? &= kept;
    let padding = block.iter().position(|octet| *octet != 0)?;
    let [1, salt @ ..] = block.get(padding..)? else { return None };
    let expected =
        D::new().chain_update([0; 8]).chain_update(D::digest(message)).chain_update(salt).finalize().to_vec();
    (expected == digest).then_some(())
}

/// MGF1 (RFC 8017 appendix B.2.1), without end.
fn mask<D: Digest>(seed: &[u8]) -> impl Iterator<Item = u8> {
    (0_u32..)
        .flat_map(move |counter| D::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize().to_vec())
}

/// RSAVP1 (RFC 8017 section 5.2.2): the signature to the power of the exponent, as many octets as the modulus has.
fn public_operation(key: &PublicKey, signature: &[u8]) -> Option<Vec<u8>> {
    let (modulus, exponent) = encoding::rsa_public_parts(key.raw())?;
    if signature.len() != modulus.len() {
        return None;
    }
    let (modulus, number) = (Modulus::new(&modulus)?, limbs(signature));
    if !is_less(&number, &modulus.limbs) {
        return None;
    }
    let mut octets: Vec<u8> =
        modulus.power(&number, exponent).iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    octets.drain(..octets.len().checked_sub(signature.len())?);
    Some(octets)
}

/// A number in 64-bit limbs, the lowest first.
fn limbs(octets: &[u8]) -> Vec<u64> {
    let limb = |chunk: &[u8]| chunk.iter().fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet));
    octets.rchunks(8).map(limb).collect()
}

/// Whether one number is less than another of the same length.
fn is_less(one: &[u64], other: &[u64]) -> bool {
    one.iter().rev().lt(other.iter().rev())
}

/// The low and the high half.
fn halves(number: u128) -> (u64, u64) {
    let low = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    (low(number), low(number >> 64))
}

/// An odd modulus, in which products are taken as Montgomery does.
struct Modulus {
    limbs: Vec<u64>,
    /// −n⁻¹ modulo 2⁶⁴.
    inverse: u64,
}

impl Modulus {
    fn new(octets: &[u8]) -> Option<Self> {
        let limbs = limbs(octets);
        let lowest = limbs.first().copied().filter(|lowest| lowest & 1 == 1)?;
        // Newton: each step doubles the number of right bits; an odd number is its own inverse to 3 bits.
        let inverse = (0..5)
            .fold(lowest, |inverse: u64, _| inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse))));
        Some(Self { limbs, inverse: inverse.wrapping_neg() })
    }

    /// The base, which is less than the modulus, to the power.
    fn power(&self, base: &[u64], exponent: u64) -> Vec<u64> {
        let bits = self.limbs.len() * 64;
        let mut one = vec![0; self.limbs.len()];
        if let Some(lowest) = one.first_mut() {
            *lowest = 1;
        }
        let radix = self.doubled(one.clone(), bits);
        let base = self.product(base, &self.doubled(radix.clone(), bits));
        let mut power = radix;
        for bit in (0..64).rev() {
            power = self.product(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.product(&power, &base);
            }
        }
        self.product(&power, &one)
    }

    /// Twice the number, so many times.
    fn doubled(&self, mut number: Vec<u64>, times: usize) -> Vec<u64> {
        for _ in 0..times {
            let mut carry = 0;
            for limb in &mut number {
                let next = *limb >> 63;
                *limb = *limb << 1 | carry;
                carry = next;
            }
            if carry == 1 || !is_less(&number, &self.limbs) {
                self.subtract(&mut number);
            }
        }
        number
    }

    /// The product of two numbers, divided by 2⁶⁴ to the number of limbs.
    fn product(&self, one: &[u64], other: &[u64]) -> Vec<u64> {
        let length = self.limbs.len();
        let mut sum = vec![0_u64; length + 2];
        for factor in other {
            add_multiple(&mut sum, one, *factor);
            let multiple = sum.first().copied().unwrap_or_default().wrapping_mul(self.inverse);
            add_multiple(&mut sum, &self.limbs, multiple);
            // The lowest limb is zero now: it becomes the highest.
            sum.rotate_left(1);
        }
        let carry = sum.get(length).copied().unwrap_or_default();
        sum.truncate(length);
        if carry != 0 || !is_less(&sum, &self.limbs) {
            self.subtract(&mut sum);
        }
        sum
    }

    fn subtract(&self, number: &mut [u64]) {
        let mut borrow = false;
        for (limb, less) in number.iter_mut().zip(&self.limbs) {
            let (difference, first) = limb.overflowing_sub(*less);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (difference, first || second);
        }
    }
}

/// Adds a multiple of a number to a longer sum.
fn add_multiple(sum: &mut [u64], number: &[u64], factor: u64) {
    let mut carry = 0;
    let (low, high) = sum.split_at_mut(number.len());
    for (limb, value) in low.iter_mut().zip(number) {
        (*limb, carry) = halves(u128::from(*limb) + u128::from(*value) * u128::from(factor) + u128::from(carry));
    }
    for limb in high {
        (*limb, carry) = halves(u128::from(*limb) + u128::from(carry));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn number(value: u128) -> Vec<u64> {
        let (low, high) = halves(value);
        vec![low, high]
    }

    /// Against arithmetic that needs no tricks: numbers below 2⁶², products below 2¹²⁴.
    fn plainly(base: u64, exponent: u64, modulus: u64) -> u64 {
        let modulus = u128::from(modulus);
        let mut power = 1 % modulus;
        for bit in (0..64).rev() {
            power = power * power % modulus;
            if exponent >> bit & 1 == 1 {
                power = power * u128::from(base) % modulus;
            }
        }
        halves(power).0
    }

    proptest! {
        #[test]
        fn powers_are_those_of_plain_arithmetic(base: u64, exponent: u64, modulus in 3_u64..1 << 62) {
            let modulus = modulus | 1;
            let base = base % modulus;
            // In two limbs: the upper one of the modulus is in use, too, where it is multiplied by an odd number.
            let prepared = Modulus::new(&modulus.to_be_bytes()).unwrap();
            let expected = plainly(base, exponent, modulus);
            prop_assert_eq!(prepared.power(&[base], exponent), [expected]);
        }

        /// a^e · b^e = (a · b)^e, over several limbs, where plain arithmetic ends.
        #[test]
        fn powers_of_products_are_products_of_powers(
            one: u128, other: u128, exponent in 1_u64..1 << 33, modulus in (1_u128 << 100)..,
        ) {
            let modulus = modulus | 1;
            let prepared = Modulus::new(&modulus.to_be_bytes()).unwrap();
            let (one, other) = (number(one % modulus), number(other % modulus));
            let times = |one: &[u64], other: &[u64]| {
                // A product in Montgomery's way is short of a factor, which the square of the radix makes good.
                let unit = prepared.doubled(number(1), 256);
                prepared.product(&prepared.product(one, other), &unit)
            };
            let powers = times(&prepared.power(&one, exponent), &prepared.power(&other, exponent));
            prop_assert_eq!(prepared.power(&times(&one, &other), exponent), powers);
        }
    }
}
