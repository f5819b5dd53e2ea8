//! The DER of keys: SubjectPublicKeyInfo (RFC 5280), PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915).
//!
//! What is read is taken apart strictly; what is written has exactly one form for each key, version 1 of PKCS#8,
//! which OpenSSL and Java read.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use zeroize::Zeroizing;

use super::private::PrivateKeyError;
use super::public::{KeyKind, PublicKeyError};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// AlgorithmIdentifier of rsaEncryption with NULL parameters (RFC 3279 section 2.3.1).
const RSA_IDENTIFIER: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// AlgorithmIdentifier of id-ecPublicKey on P-256 (RFC 5480 section 2.1.1).
const P256_IDENTIFIER: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
/// AlgorithmIdentifier of id-ecPublicKey on P-384.
const P384_IDENTIFIER: &[u8] =
    &[0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// AlgorithmIdentifier of id-ecPublicKey on P-521.
const P521_IDENTIFIER: &[u8] =
    &[0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
/// AlgorithmIdentifier of id-Ed25519, without parameters (RFC 8410 section 3).
const ED25519_IDENTIFIER: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

/// The kinds that are recognised by a fixed AlgorithmIdentifier and a key of fixed length.
const FIXED_KINDS: [KeyKind; 4] = [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];

/// A SubjectPublicKeyInfo taken apart: the kind, and how many of its last octets are the key itself.
pub(super) fn read_spki(spki: &[u8]) -> Result<(KeyKind, usize), PublicKeyError> {
    let mut fields = sequence(spki).map_err(|Malformed| malformed("SubjectPublicKeyInfo"))?;
    let identifier = fields.tlv_bytes().map_err(|_| malformed("AlgorithmIdentifier"))?;
    let bits = fields.decode::<BitStringRef<'_>>().map_err(|_| malformed("subjectPublicKey"))?;
    let raw = bits.as_bytes().ok_or_else(|| malformed("subjectPublicKey"))?;
    if !fields.is_finished() {
        return Err(malformed("SubjectPublicKeyInfo"));
    }
    let kind = match kind_of(identifier)? {
        Some(kind) => kind,
        None => read_rsa_public(raw)?,
    };
    match (kind.raw_len(), raw.first()) {
        (Some(len), first) if kind.is_elliptic() => {
            if matches!(first, Some(2 | 3)) {
                return Err(PublicKeyError::CompressedPoint);
            }
            if raw.len() != len || first != Some(&4) {
                return Err(malformed("the elliptic curve point"));
            }
        }
        (Some(len), _) if raw.len() != len => return Err(malformed("the Ed25519 public key")),
        _ => {}
    }
    Ok((kind, raw.len()))
}

/// Writes the SubjectPublicKeyInfo of a key given as the contents of its BIT STRING.
pub(super) fn write_spki(kind: KeyKind, raw: &[u8]) -> Vec<u8> {
    let mut bits = Vec::with_capacity(raw.len() + 1);
    bits.push(0);
    bits.extend_from_slice(raw);
    tlv(0x30, &[identifier(kind), &tlv(0x03, &[&bits])]).to_vec()
}

/// A private key taken apart, before anything is known to fit.
pub(super) enum Material {
    /// The RSAPrivateKey of PKCS#1, and its RSAPublicKey.
    Rsa { kind: KeyKind, private: Zeroizing<Vec<u8>>, public: Vec<u8> },
    /// The scalar of an elliptic curve key in the full width of its field, and the point if it was told.
    Elliptic { kind: KeyKind, scalar: Zeroizing<Vec<u8>>, public: Option<Vec<u8>> },
    /// The seed of an Ed25519 key, and the public key if it was told.
    Ed25519 { seed: Zeroizing<Vec<u8>>, public: Option<Vec<u8>> },
}

impl Material {
    pub(super) fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa { kind, .. } | Self::Elliptic { kind, .. } => *kind,
            Self::Ed25519 { .. } => KeyKind::Ed25519,
        }
    }

    /// The public key that the file itself tells.
    pub(super) fn told_public(&self) -> Option<&[u8]> {
        match self {
            Self::Rsa { public, .. } => Some(public),
            Self::Elliptic { public, .. } | Self::Ed25519 { public, .. } => public.as_deref(),
        }
    }

    /// Writes PKCS#8, version 1; an elliptic curve key carries the point if it is given.
    pub(super) fn write_pkcs8(&self, point: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
        let inner = match self {
            Self::Rsa { private, .. } => private.clone(),
            Self::Elliptic { scalar, .. } => {
                let version: &[u8] = &[0x02, 0x01, 0x01];
                let secret = tlv(0x04, &[scalar]);
                match point {
                    Some(point) => tlv(0x30, &[version, &secret, &tlv(0xa1, &[&tlv(0x03, &[&[0], point])])]),
                    None => tlv(0x30, &[version, &secret]),
                }
            }
            Self::Ed25519 { seed, .. } => tlv(0x04, &[seed]),
        };
        tlv(0x30, &[&[0x02, 0x01, 0x00], identifier(self.kind()), &tlv(0x04, &[&inner])])
    }
}

/// Takes PKCS#8 apart, version 1 or 2; attributes are dropped.
pub(super) fn read_pkcs8(pkcs8: &[u8]) -> Result<Material, PrivateKeyError> {
    let bad = |_| PrivateKeyError::Malformed { what: "PrivateKeyInfo" };
    let mut fields = sequence(pkcs8).map_err(|Malformed| PrivateKeyError::Malformed { what: "PrivateKeyInfo" })?;
    let version = fields.decode::<u8>().map_err(bad)?;
    let identifier = fields.tlv_bytes().map_err(bad)?;
    let inner = fields.decode::<&OctetStringRef>().map_err(bad)?.as_bytes();
    let mut public = None;
    while !fields.is_finished() {
        let any = fields.decode::<AnyRef<'_>>().map_err(bad)?;
        match any.tag() {
            Tag::ContextSpecific { constructed: true, number: TagNumber(0) } => {}
            Tag::ContextSpecific { constructed: false, number: TagNumber(1) } if version == 1 && public.is_none() => {
                public = Some(any.value().split_first().ok_or(PrivateKeyError::Malformed { what: "publicKey" })?.1);
            }
            _ => return Err(PrivateKeyError::Malformed { what: "PrivateKeyInfo" }),
        }
    }
    if version > 1 {
        return Err(PrivateKeyError::Malformed { what: "the version of PrivateKeyInfo" });
    }
    match kind_of(identifier).map_err(PrivateKeyError::Public)? {
        None => read_pkcs1(inner),
        Some(KeyKind::Ed25519) => {
            let seed = <&OctetStringRef>::from_der(inner)
                .ok()
                .map(OctetStringRef::as_bytes)
                .filter(|seed| seed.len() == 32)
                .ok_or(PrivateKeyError::Malformed { what: "CurvePrivateKey" })?;
            Ok(Material::Ed25519 { seed: Zeroizing::new(seed.to_vec()), public: public.map(<[u8]>::to_vec) })
        }
        Some(kind) => match (read_sec1(inner, Some(kind))?, public) {
            (Material::Elliptic { public: Some(inside), .. }, Some(outside)) if inside != outside => {
                Err(PrivateKeyError::Inconsistent)
            }
            (Material::Elliptic { kind, scalar, public: None }, Some(outside)) => {
                Ok(Material::Elliptic { kind, scalar, public: Some(outside.to_vec()) })
            }
            (material, _) => Ok(material),
        },
    }
}

/// Takes the RSAPrivateKey of PKCS#1 apart; two primes only.
pub(super) fn read_pkcs1(private: &[u8]) -> Result<Material, PrivateKeyError> {
    let bad = |_| PrivateKeyError::Malformed { what: "RSAPrivateKey" };
    let mut fields = sequence(private).map_err(|Malformed| PrivateKeyError::Malformed { what: "RSAPrivateKey" })?;
    match fields.decode::<u8>().map_err(bad)? {
        0 => {}
        1 => return Err(PrivateKeyError::MultiPrime),
        _ => return Err(PrivateKeyError::Malformed { what: "the version of RSAPrivateKey" }),
    }
    let modulus = fields.tlv_bytes().map_err(bad)?;
    let exponent = fields.tlv_bytes().map_err(bad)?;
    for _ in 0..6 {
        fields.decode::<UintRef<'_>>().map_err(bad)?;
    }
    if !fields.is_finished() {
        return Err(PrivateKeyError::Malformed { what: "RSAPrivateKey" });
    }
    let public = tlv(0x30, &[modulus, exponent]).to_vec();
    let kind = read_rsa_public(&public).map_err(PrivateKeyError::Public)?;
    Ok(Material::Rsa { kind, private: Zeroizing::new(private.to_vec()), public })
}

/// Takes the ECPrivateKey of SEC 1 apart; the curve is told from outside (PKCS#8) or within.
pub(super) fn read_sec1(private: &[u8], outside: Option<KeyKind>) -> Result<Material, PrivateKeyError> {
    let bad = |_| PrivateKeyError::Malformed { what: "ECPrivateKey" };
    let mut fields = sequence(private).map_err(|Malformed| PrivateKeyError::Malformed { what: "ECPrivateKey" })?;
    if fields.decode::<u8>().map_err(bad)? != 1 {
        return Err(PrivateKeyError::Malformed { what: "the version of ECPrivateKey" });
    }
    let scalar = fields.decode::<&OctetStringRef>().map_err(bad)?.as_bytes();
    let mut inside = None;
    let mut public = None;
    while !fields.is_finished() {
        let any = fields.decode::<AnyRef<'_>>().map_err(bad)?;
        match any.tag() {
            Tag::ContextSpecific { constructed: true, number: TagNumber(0) }
                if inside.is_none() && public.is_none() =>
            {
                let parameters = AnyRef::from_der(any.value()).map_err(bad)?;
                inside = Some(curve(parameters).map_err(PrivateKeyError::Public)?);
            }
            Tag::ContextSpecific { constructed: true, number: TagNumber(1) } if public.is_none() => {
                let bits = BitStringRef::from_der(any.value()).map_err(bad)?;
                public = Some(bits.as_bytes().ok_or(PrivateKeyError::Malformed { what: "publicKey" })?.to_vec());
            }
            _ => return Err(PrivateKeyError::Malformed { what: "ECPrivateKey" }),
        }
    }
    let kind = match (outside, inside) {
        (Some(outside), Some(inside)) if outside != inside => return Err(PrivateKeyError::Inconsistent),
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => return Err(PrivateKeyError::Malformed { what: "ECPrivateKey without a curve" }),
    };
    let width = kind.raw_len().map_or(0, |len| len / 2);
    let mut padded = Zeroizing::new(vec![0; width.saturating_sub(scalar.len())]);
    padded.reserve_exact(scalar.len());
    padded.extend_from_slice(scalar);
    if padded.len() != width || scalar.is_empty() {
        return Err(PrivateKeyError::Malformed { what: "the length of ECPrivateKey's privateKey" });
    }
    Ok(Material::Elliptic { kind, scalar: padded, public })
}

/// One DER value out of parts, in memory that is wiped, without a reallocation that would leave a copy behind.
pub(super) fn tlv(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(len + 6));
    out.push(tag);
    let octets = len.to_be_bytes();
    let significant = octets.iter().copied().skip_while(|octet| *octet == 0);
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x80 | u8::try_from(significant.clone().count()).unwrap_or(0x7f));
            out.extend(significant);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

struct Malformed;

fn malformed(what: &'static str) -> PublicKeyError {
    PublicKeyError::Malformed { what }
}

fn sequence(der: &[u8]) -> Result<SliceReader<'_>, Malformed> {
    let any = AnyRef::from_der(der).map_err(|_| Malformed)?;
    if any.tag() != Tag::Sequence {
        return Err(Malformed);
    }
    SliceReader::new(any.value()).map_err(|_| Malformed)
}

fn identifier(kind: KeyKind) -> &'static [u8] {
    match kind {
        KeyKind::Rsa { .. } => RSA_IDENTIFIER,
        KeyKind::P256 => P256_IDENTIFIER,
        KeyKind::P384 => P384_IDENTIFIER,
        KeyKind::P521 => P521_IDENTIFIER,
        KeyKind::Ed25519 => ED25519_IDENTIFIER,
    }
}

/// The kind that an AlgorithmIdentifier names; nothing for RSA, whose size the key itself tells.
fn kind_of(found: &[u8]) -> Result<Option<KeyKind>, PublicKeyError> {
    if found == RSA_IDENTIFIER {
        return Ok(None);
    }
    if let Some(kind) = FIXED_KINDS.into_iter().find(|kind| identifier(*kind) == found) {
        return Ok(Some(kind));
    }
    let mut fields = sequence(found).map_err(|Malformed| malformed("AlgorithmIdentifier"))?;
    let oid = fields.decode::<ObjectIdentifier>().map_err(|_| malformed("AlgorithmIdentifier"))?;
    match oid {
        RSA_ENCRYPTION | ED25519 => Err(malformed("the parameters of the AlgorithmIdentifier")),
        EC_PUBLIC_KEY => {
            let parameters =
                fields.decode::<AnyRef<'_>>().map_err(|_| malformed("the parameters of the AlgorithmIdentifier"))?;
            curve(parameters)?;
            Err(malformed("AlgorithmIdentifier"))
        }
        _ => Err(PublicKeyError::UnsupportedAlgorithm { oid: oid.to_string() }),
    }
}

fn curve(parameters: AnyRef<'_>) -> Result<KeyKind, PublicKeyError> {
    if parameters.tag() == Tag::Sequence {
        return Err(PublicKeyError::ExplicitParameters);
    }
    match parameters.decode_as::<ObjectIdentifier>() {
        Ok(SECP256R1) => Ok(KeyKind::P256),
        Ok(SECP384R1) => Ok(KeyKind::P384),
        Ok(SECP521R1) => Ok(KeyKind::P521),
        Ok(oid) => Err(PublicKeyError::UnsupportedCurve { oid: oid.to_string() }),
        Err(_) => Err(malformed("ECParameters")),
    }
}

/// The kind of an RSAPublicKey, whose size and exponent are within bounds (rule C3).
fn read_rsa_public(public: &[u8]) -> Result<KeyKind, PublicKeyError> {
    let bad = |_| malformed("RSAPublicKey");
    let mut fields = sequence(public).map_err(|Malformed| malformed("RSAPublicKey"))?;
    let modulus = fields.decode::<UintRef<'_>>().map_err(bad)?;
    let exponent = fields.decode::<UintRef<'_>>().map_err(bad)?;
    if !fields.is_finished() {
        return Err(malformed("RSAPublicKey"));
    }
    let bits = bit_len(modulus.as_bytes());
    if !(2048..=8192).contains(&bits) {
        return Err(PublicKeyError::RsaModulusSize { bits });
    }
    if modulus.as_bytes().last().is_none_or(|octet| octet & 1 == 0) {
        return Err(PublicKeyError::RsaModulusEven);
    }
    let value = exponent.as_bytes().iter().try_fold(0_u64, |sum, octet| {
        sum.checked_mul(256).map(|sum| sum | u64::from(*octet)).filter(|sum| *sum < 1 << 33)
    });
    match value {
        Some(value) if value >= 65_537 && value & 1 == 1 => Ok(KeyKind::Rsa { modulus_bits: bits }),
        Some(value) => Err(PublicKeyError::RsaExponent { exponent: value }),
        None => Err(PublicKeyError::RsaExponentTooLarge { bits: bit_len(exponent.as_bytes()) }),
    }
}

/// The modulus without leading zeros, and the exponent, of an RSAPublicKey that was read before.
pub(super) fn rsa_public_parts(public: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut fields = sequence(public).ok()?;
    let modulus = fields.decode::<UintRef<'_>>().ok()?;
    let exponent = fields.decode::<UintRef<'_>>().ok()?;
    let exponent = exponent
        .as_bytes()
        .iter()
        .try_fold(0_u64, |sum, octet| sum.checked_mul(256).map(|sum| sum | u64::from(*octet)))?;
    Some((modulus.as_bytes().to_vec(), exponent))
}

fn bit_len(number: &[u8]) -> u32 {
    let octets = u32::try_from(number.len()).unwrap_or(u32::MAX);
    octets.saturating_mul(8).saturating_sub(number.first().map_or(0, |octet| octet.leading_zeros()))
}
