//! Whose key a certificate is for, and what the rules say to it (rules I3, O3, K2, G4).

use std::borrow::Cow;

use serde::Serialize;

use crate::domain::key::KeyRole;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Desk, Halt};
use crate::keys::{Algorithm, Family, KeyKind, PublicKey, PublicKeyError};
use crate::log::Digest;
use crate::x509::{CsrError, CsrRules, GeneralName, PemError, ProfileDefinition, SubjectFields, VerifiedCsr};

const I2: Rule = Rule::new("I2");
const K2: Rule = Rule::new("K2");
const O3: Rule = Rule::new("O3");

/// Where the key pair of a certificate comes from (rule I3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeySource {
    /// The platform makes it: of this algorithm, or ECDSA P-256 or RSA-2048 by the CA's family.
    Platform(Option<Algorithm>),
    /// The holder made it, and proved to have it. Nothing else of the request is copied unless the profile honours it.
    Csr(VerifiedCsr),
    /// The holder made it, and proved to have it when the certificate was issued that is renewed (rule A4).
    Proven(ProvenKey),
}

/// A key whose possession was proven before: only a renewal makes one, of the certificate that it renews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenKey(PublicKey);

impl ProvenKey {
    pub(super) fn of_predecessor(key: &PublicKey) -> Self {
        Self(key.clone())
    }

    /// The key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.0
    }
}

impl Serialize for ProvenKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.spki_der())
    }
}

impl KeySource {
    /// The key that the holder has, if they made it.
    #[must_use]
    pub fn holders(&self) -> Option<&PublicKey> {
        match self {
            Self::Platform(_) => None,
            Self::Csr(csr) => Some(csr.public_key()),
            Self::Proven(key) => Some(key.public_key()),
        }
    }
}

impl KeySource {
    /// The subject, and the names beside those that were asked for, once what the profile honours of a signing request is
    /// taken over: its subject where the caller gives none, its names always (rule I3).
    pub(super) fn honoured<'a>(
        &'a self,
        rules: &CsrRules,
        given: &'a SubjectFields,
    ) -> (Cow<'a, SubjectFields>, &'a [GeneralName]) {
        let Self::Csr(csr) = self else { return (Cow::Borrowed(given), &[]) };
        let subject =
            if rules.subject && given.is_empty() { Cow::Owned(csr.subject().fields()) } else { Cow::Borrowed(given) };
        (subject, if rules.names { csr.names() } else { &[] })
    }
}

impl From<CsrError> for BrokenRule {
    /// The refusal of a signing request that cannot be accepted (rules I3, O3, G4).
    fn from(error: CsrError) -> Self {
        let code = match &error {
            CsrError::TooLarge { .. } | CsrError::Pem(PemError::TooLarge { .. }) => "csr-too-large",
            CsrError::Key(PublicKeyError::RsaModulusSize { .. }) => {
                return Self::new(O3, "csr-key-strength", error.to_string());
            }
            CsrError::Key(_) => "csr-key",
            CsrError::Algorithm(_) => "csr-signature-algorithm",
            CsrError::Possession(_) => "csr-possession",
            _ => "csr-malformed",
        };
        Self::new(Rule::new(error.rule()), code, error.to_string())
    }
}

/// The key of a certificate to come.
#[derive(Clone, Copy, Debug)]
pub(super) enum PlannedKey<'a> {
    /// To be made.
    Platform(Algorithm),
    /// Made by the holder; whether the certificate is the first one for it.
    Holder { key: &'a PublicKey, spki: Digest, first: bool },
}

impl PlannedKey<'_> {
    pub(super) fn kind(&self) -> KeyKind {
        match self {
            Self::Platform(algorithm) => KeyKind::from(*algorithm),
            Self::Holder { key, .. } => key.kind(),
        }
    }
}

/// Checks family, strength, fitness for the profile, and that the key has no other role.
pub(super) fn plan<'a>(
    source: &'a KeySource,
    profile: Option<&ProfileDefinition>,
    ca: &CaId,
    family: Option<Family>,
    desk: &Desk<'_>,
    objections: &mut Objections,
) -> Result<PlannedKey<'a>, Halt> {
    let planned = match source {
        KeySource::Platform(Some(algorithm)) => PlannedKey::Platform(*algorithm),
        KeySource::Platform(None) => PlannedKey::Platform(match family {
            Some(Family::Rsa) => Algorithm::Rsa2048,
            _ => Algorithm::EcdsaP256,
        }),
        KeySource::Csr(csr) => held(csr.public_key(), desk, objections)?,
        KeySource::Proven(key) => held(key.public_key(), desk, objections)?,
    };
    let kind = planned.kind();
    if let Some(family) = family.filter(|family| *family != kind.family()) {
        let text = format!(
            "the key is {kind}, of the family {}; {ca} was bought for the family {family}, and all below it keeps that",
            kind.family()
        );
        objections.add(BrokenRule::new(O3, "key-family", text));
    }
    if let Some(Err(error)) = profile.map(|profile| profile.key_usage(kind)) {
        objections.add(BrokenRule::new(I2, "key-unfit-for-profile", error.to_string()));
    }
    Ok(planned)
}

/// A key that the holder has, if it has no other role (rule K2).
fn held<'a>(key: &'a PublicKey, desk: &Desk<'_>, objections: &mut Objections) -> Result<PlannedKey<'a>, Halt> {
    let spki = key.digest();
    let role = desk.spki(&spki)?;
    objections.extend(other_role(role));
    Ok(PlannedKey::Holder { key, spki, first: *role == KeyRole::Unused })
}

fn other_role(role: &KeyRole) -> Option<BrokenRule> {
    match role {
        KeyRole::Unused | KeyRole::EndEntity(_) => None,
        KeyRole::Ca(ca) => Some(BrokenRule::new(
            K2,
            "key-of-ca",
            format!("the key is, or was, the key of {ca}; a key has one role for ever: make a new one"),
        )),
        KeyRole::Responder(id) => Some(BrokenRule::new(
            K2,
            "key-of-responder",
            format!(
                "the key is, or was, the key of the OCSP responder {id}; a key has one role for ever: make a new one"
            ),
        )),
        KeyRole::Compromised(id) => Some(BrokenRule::new(
            K2,
            "key-compromised",
            format!("{id}, a certificate with this key, was revoked for keyCompromise: make a new key"),
        )),
    }
}
