//! Signature algorithms as certificates name them (RFC 3279, 4055, 5758, 8410).

use const_oid::ObjectIdentifier;

use super::der::{self, DerError, Reader, Writer, tag};
use super::oid;
use crate::keys::{KeyKind, SignatureAlgorithm};

/// What RSASSA-PSS means where it names no hash (RFC 4055 section 2.1).
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");

/// Why a signature algorithm is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureAlgorithmError {
    /// Its hash is broken (rule C3).
    #[error("it is signed with {}, which is broken; SHA-256 or better is needed", hash.name())]
    Weak {
        /// Which hash.
        hash: WeakHash,
    },
    /// Unknown here.
    #[error("the signature algorithm {oid} is not supported")]
    Unsupported {
        /// Its object identifier.
        oid: String,
    },
    /// Known, with parameters that are not.
    #[error("the parameters of the signature algorithm {oid} are not supported")]
    Parameters {
        /// Its object identifier.
        oid: String,
    },
    /// The syntax is broken.
    #[error("the signature algorithm is malformed: {0}")]
    Der(#[from] DerError),
}

/// Hashes that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeakHash {
    /// MD2
    Md2,
    /// MD5
    Md5,
    /// SHA-1
    Sha1,
}

impl WeakHash {
    /// Its usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
        }
    }
}

/// The whole `AlgorithmIdentifier` of an algorithm that the platform writes.
pub(crate) fn algorithm_identifier(algorithm: SignatureAlgorithm) -> Vec<u8> {
    der::encode(|w| write_algorithm(w, algorithm))
}

pub(crate) fn write_algorithm(writer: &mut Writer, algorithm: SignatureAlgorithm) {
    use SignatureAlgorithm as S;
    writer.nested(tag::SEQUENCE, |w| match algorithm {
        S::RsaPkcs1Sha256 => with_null(w, &oid::SHA256_WITH_RSA),
        S::RsaPkcs1Sha384 => with_null(w, &oid::SHA384_WITH_RSA),
        S::RsaPkcs1Sha512 => with_null(w, &oid::SHA512_WITH_RSA),
        S::RsaPssSha256 => pss(w, &oid::SHA256, 32),
        S::RsaPssSha384 => pss(w, &oid::SHA384, 48),
        S::RsaPssSha512 => pss(w, &oid::SHA512, 64),
        S::EcdsaSha256 => w.oid(&oid::ECDSA_WITH_SHA256),
        S::EcdsaSha384 => w.oid(&oid::ECDSA_WITH_SHA384),
        S::EcdsaSha512 => w.oid(&oid::ECDSA_WITH_SHA512),
        S::Ed25519 => w.oid(&oid::ED25519),
    });
}

/// Reads a whole `AlgorithmIdentifier`.
pub(crate) fn read_algorithm(octets: &[u8]) -> Result<SignatureAlgorithm, SignatureAlgorithmError> {
    use SignatureAlgorithm as S;
    let (kind, parameters) = split(octets)?;
    let weak = |hash| Err(SignatureAlgorithmError::Weak { hash });
    let (algorithm, null_allowed) = match kind {
        oid::SHA256_WITH_RSA => (S::RsaPkcs1Sha256, true),
        oid::SHA384_WITH_RSA => (S::RsaPkcs1Sha384, true),
        oid::SHA512_WITH_RSA => (S::RsaPkcs1Sha512, true),
        oid::ECDSA_WITH_SHA256 => (S::EcdsaSha256, false),
        oid::ECDSA_WITH_SHA384 => (S::EcdsaSha384, false),
        oid::ECDSA_WITH_SHA512 => (S::EcdsaSha512, false),
        oid::ED25519 => (S::Ed25519, false),
        oid::RSA_PSS => return read_pss(parameters),
        oid::MD2_WITH_RSA => return weak(WeakHash::Md2),
        oid::MD5_WITH_RSA => return weak(WeakHash::Md5),
        oid::SHA1_WITH_RSA | oid::ECDSA_WITH_SHA1 | oid::DSA_WITH_SHA1 => return weak(WeakHash::Sha1),
        _ => return Err(SignatureAlgorithmError::Unsupported { oid: kind.to_string() }),
    };
    match parameters {
        None => Ok(algorithm),
        Some([5, 0]) if null_allowed => Ok(algorithm),
        Some(_) => Err(SignatureAlgorithmError::Parameters { oid: kind.to_string() }),
    }
}

/// How a signature over SHA-1 was made, which only a root's own may be (rule C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegacySha1 {
    /// sha1WithRSAEncryption (RFC 3279 section 2.2.1).
    Pkcs1,
    /// RSASSA-PSS (RFC 4055), which means SHA-1 where it says nothing else.
    Pss,
    /// ecdsa-with-SHA1 (RFC 3279 section 2.2.3).
    Ecdsa,
    /// By no kind of key that is supported.
    Other,
}

impl LegacySha1 {
    /// Reads a whole `AlgorithmIdentifier`; nothing for any other than SHA-1.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        match read_algorithm(octets) {
            Err(SignatureAlgorithmError::Weak { hash: WeakHash::Sha1 }) => {}
            _ => return None,
        }
        Some(match split(octets).ok()?.0 {
            oid::SHA1_WITH_RSA => Self::Pkcs1,
            oid::RSA_PSS => Self::Pss,
            oid::ECDSA_WITH_SHA1 => Self::Ecdsa,
            _ => Self::Other,
        })
    }

    /// Whether a key can have signed so.
    pub(crate) fn fits(self, kind: KeyKind) -> bool {
        match kind {
            KeyKind::Rsa { .. } => matches!(self, Self::Pkcs1 | Self::Pss),
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => self == Self::Ecdsa,
            KeyKind::Ed25519 => false,
        }
    }
}

/// The object identifier and the parameters of a whole `AlgorithmIdentifier`.
fn split(octets: &[u8]) -> Result<(ObjectIdentifier, Option<&[u8]>), DerError> {
    let mut reader = Reader::new(der::single(octets, tag::SEQUENCE)?.content);
    let kind = der::object_identifier(reader.expect(tag::OBJECT_IDENTIFIER)?.content)?;
    let parameters = if reader.is_empty() { None } else { Some(reader.any()?.raw) };
    reader.end()?;
    Ok((kind, parameters))
}

/// RSASSA-PSS-params (RFC 4055 section 3.1): one hash from SHA-256 to SHA-512 for both its uses, the usual trailer, and a
/// salt of any length. Whatever is left out means SHA-1, which is told as what it is.
fn read_pss(parameters: Option<&[u8]>) -> Result<SignatureAlgorithm, SignatureAlgorithmError> {
    use SignatureAlgorithm as S;
    let unsupported = || SignatureAlgorithmError::Parameters { oid: oid::RSA_PSS.to_string() };
    let mut fields = match parameters {
        None => Reader::new(&[]),
        Some(parameters) => Reader::new(der::single(parameters, tag::SEQUENCE)?.content),
    };
    let hash = match fields.optional(tag::context_constructed(0))? {
        None => SHA1,
        Some(explicit) => hash_of(explicit.content)?.ok_or_else(unsupported)?,
    };
    let mask_hash = match fields.optional(tag::context_constructed(1))? {
        None => SHA1,
        Some(explicit) => match split(explicit.content)? {
            (oid::MGF1, Some(hash)) => hash_of(hash)?.ok_or_else(unsupported)?,
            _ => return Err(unsupported()),
        },
    };
    if let Some(explicit) = fields.optional(tag::context_constructed(2))? {
        // A salt is no longer than a modulus, whose octets number 1,024 at most.
        match der::single(explicit.content, tag::INTEGER)?.content {
            [0..=0x7f] | [1..=3, _] | [0, 0x80..=0xff] => {}
            _ => return Err(unsupported()),
        }
    }
    if let Some(explicit) = fields.optional(tag::context_constructed(3))? {
        match der::single(explicit.content, tag::INTEGER)?.content {
            [1] => {}
            _ => return Err(unsupported()),
        }
    }
    fields.end()?;
    if hash != mask_hash {
        return Err(unsupported());
    }
    match hash {
        oid::SHA256 => Ok(S::RsaPssSha256),
        oid::SHA384 => Ok(S::RsaPssSha384),
        oid::SHA512 => Ok(S::RsaPssSha512),
        SHA1 => Err(SignatureAlgorithmError::Weak { hash: WeakHash::Sha1 }),
        _ => Err(unsupported()),
    }
}

/// The hash that an `AlgorithmIdentifier` names; nothing if it has parameters other than NULL. Some leave the NULL out:
/// both forms are common (RFC 4055 section 2.1).
fn hash_of(octets: &[u8]) -> Result<Option<ObjectIdentifier>, DerError> {
    let (hash, parameters) = split(octets)?;
    Ok(matches!(parameters, None | Some([5, 0])).then_some(hash))
}

fn with_null(writer: &mut Writer, oid: &ObjectIdentifier) {
    writer.oid(oid);
    writer.raw(&[5, 0]);
}

fn pss(writer: &mut Writer, hash: &ObjectIdentifier, salt: u64) {
    writer.oid(&oid::RSA_PSS);
    writer.nested(tag::SEQUENCE, |w| {
        w.nested(tag::context_constructed(0), |w| w.nested(tag::SEQUENCE, |w| with_null(w, hash)));
        w.nested(tag::context_constructed(1), |w| {
            w.nested(tag::SEQUENCE, |w| {
                w.oid(&oid::MGF1);
                w.nested(tag::SEQUENCE, |w| with_null(w, hash));
            });
        });
        w.nested(tag::context_constructed(2), |w| w.unsigned(tag::INTEGER, salt));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignatureAlgorithm as S;

    #[test]
    fn what_is_written_is_read() {
        for algorithm in [
            S::RsaPkcs1Sha256,
            S::RsaPkcs1Sha384,
            S::RsaPkcs1Sha512,
            S::RsaPssSha256,
            S::RsaPssSha384,
            S::RsaPssSha512,
            S::EcdsaSha256,
            S::EcdsaSha384,
            S::EcdsaSha512,
            S::Ed25519,
        ] {
            assert_eq!(read_algorithm(&algorithm_identifier(algorithm)), Ok(algorithm));
        }
    }

    /// RSASSA-PSS as others write it: without the NULL of the hashes, with a longer or shorter salt, and what is SHA-1
    /// because it is left out.
    #[test]
    fn c3_pss_is_read_in_every_form_that_is_sound() {
        let read = |parameters: &[u8]| {
            read_algorithm(&der::encode(|w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.oid(&oid::RSA_PSS);
                    w.raw(parameters);
                });
            }))
        };
        let bare = |hash: &ObjectIdentifier| der::encode(|w| w.nested(tag::SEQUENCE, |w| w.oid(hash)));
        let mask = |hash: &[u8]| {
            der::encode(|w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.oid(&oid::MGF1);
                    w.raw(hash);
                });
            })
        };
        let parameters = |hash: &[u8], mask: &[u8], salt: &[u8], trailer: &[u8]| {
            der::encode(|w| {
                w.nested(tag::SEQUENCE, |w| {
                    for (number, content) in (0..).zip([hash, mask, salt, trailer]) {
                        if !content.is_empty() {
                            w.nested(tag::context_constructed(number), |w| w.raw(content));
                        }
                    }
                });
            })
        };
        let (sha1, sha256, sha384) = (bare(&SHA1), bare(&oid::SHA256), bare(&oid::SHA384));
        for salt in [&[][..], &[2, 1, 0], &[2, 1, 20], &[2, 1, 48], &[2, 2, 0, 222], &[2, 2, 3, 190]] {
            assert_eq!(read(&parameters(&sha384, &mask(&sha384), salt, &[])), Ok(S::RsaPssSha384), "{salt:?}");
            assert_eq!(read(&parameters(&sha384, &mask(&sha384), salt, &[2, 1, 1])), Ok(S::RsaPssSha384));
            let weak = Err(SignatureAlgorithmError::Weak { hash: WeakHash::Sha1 });
            assert_eq!(read(&parameters(&[], &[], salt, &[])), weak);
            assert_eq!(read(&parameters(&sha1, &mask(&sha1), salt, &[])), weak);
        }
        let unsupported = Err(SignatureAlgorithmError::Parameters { oid: oid::RSA_PSS.to_string() });
        for wrong in [
            parameters(&sha256, &mask(&sha384), &[2, 1, 32], &[]),
            // A mask by SHA-1, because none is named.
            parameters(&sha256, &[], &[2, 1, 32], &[]),
            parameters(&sha256, &sha256, &[2, 1, 32], &[]),
            parameters(&sha256, &mask(&sha256), &[2, 1, 0xff], &[]),
            parameters(&sha256, &mask(&sha256), &[2, 2, 4, 0], &[]),
            parameters(&sha256, &mask(&sha256), &[2, 1, 32], &[2, 1, 2]),
            parameters(&bare(&oid::COMMON_NAME), &mask(&bare(&oid::COMMON_NAME)), &[2, 1, 32], &[]),
        ] {
            assert_eq!(read(&wrong), unsupported, "{wrong:02x?}");
        }
        assert_eq!(read(&[]), Err(SignatureAlgorithmError::Weak { hash: WeakHash::Sha1 }));
        assert!(matches!(read(&[tag::SEQUENCE, 2, 0xa4, 0]), Err(SignatureAlgorithmError::Der(_))));
        assert!(matches!(read(&[5, 0]), Err(SignatureAlgorithmError::Der(_))));
    }

    #[test]
    fn c3_broken_hashes_are_named() {
        let identifier = |oid: ObjectIdentifier| der::encode(|w| w.nested(tag::SEQUENCE, |w| w.oid(&oid)));
        for (oid, hash) in [
            (oid::MD5_WITH_RSA, WeakHash::Md5),
            (oid::SHA1_WITH_RSA, WeakHash::Sha1),
            (oid::ECDSA_WITH_SHA1, WeakHash::Sha1),
            (oid::RSA_PSS, WeakHash::Sha1),
        ] {
            assert_eq!(read_algorithm(&identifier(oid)), Err(SignatureAlgorithmError::Weak { hash }));
        }
        assert!(matches!(
            read_algorithm(&identifier(oid::COMMON_NAME)),
            Err(SignatureAlgorithmError::Unsupported { .. })
        ));
        let with_parameters = der::encode(|w| w.nested(tag::SEQUENCE, |w| with_null(w, &oid::ECDSA_WITH_SHA256)));
        assert!(matches!(read_algorithm(&with_parameters), Err(SignatureAlgorithmError::Parameters { .. })));
    }
}
