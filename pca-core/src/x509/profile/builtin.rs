//! The profiles that the platform brings along.

use std::sync::LazyLock;

use const_oid::ObjectIdentifier;

use super::definition::{
    CommonNameRule, CsrRules, ExtendedKeyUsage, FieldRule, KeyUsages, NameCount, NameRules, ProfileDefinition,
    ProfileValidity, Revocation, SubjectRules, UriForm,
};
use super::{Profile, SHORT_LIVED_DAYS};
use crate::x509::oid;
use crate::x509::usage::KeyUsage;

/// For how many days a certificate is valid if neither the caller nor the profile says otherwise.
const DAYS: u32 = 90;

/// The longest validity of a responder's certificate, which nobody can revoke (rule I1).
const RESPONDER_DAYS: u32 = 30;

const SIGNS: KeyUsage = KeyUsage::DIGITAL_SIGNATURE;
const SIGNS_AND_TRANSPORTS: KeyUsage = SIGNS.with(KeyUsage::KEY_ENCIPHERMENT);
const NO_KEY: KeyUsage = KeyUsage::NONE;

/// Up to a hundred.
const SOME: Option<NameCount> = Some(NameCount { least: 0, most: 100 });

pub(super) fn definition(profile: Profile) -> &'static ProfileDefinition {
    macro_rules! made_once {
        ($($profile:ident => $make:expr,)+) => {
            match profile {
                $(Profile::$profile => {
                    static MADE: LazyLock<ProfileDefinition> = LazyLock::new(|| $make);
                    &MADE
                })+
            }
        };
    }
    made_once! {
        Server => ProfileDefinition {
            description: "A TLS server: DNS names, wildcards, IP addresses".into(),
            names: NameRules { dns: SOME, ip: SOME, wildcards: true, ..NameRules::default() },
            ..plain(Profile::Server, CommonNameRule::ServerName, &[oid::SERVER_AUTH])
        },
        Client => ProfileDefinition {
            description: "A TLS client: a person or a machine by name, e-mail addresses, URIs".into(),
            names: NameRules { email: SOME, uri: SOME, ..NameRules::default() },
            ..plain(Profile::Client, CommonNameRule::Required, &[oid::CLIENT_AUTH])
        },
        Mutual => ProfileDefinition {
            description: "Both sides of TLS in one certificate: a server's names, e-mail addresses, URIs".into(),
            names: NameRules { dns: SOME, ip: SOME, email: SOME, uri: SOME, wildcards: true, ..NameRules::default() },
            ..plain(Profile::Mutual, CommonNameRule::ServerName, &[oid::SERVER_AUTH, oid::CLIENT_AUTH])
        },
        Email => ProfileDefinition {
            description: "Signs and encrypts e-mail (S/MIME): at least one e-mail address".into(),
            names: NameRules { email: Some(NameCount { least: 1, most: 100 }), ..NameRules::default() },
            key_usage: KeyUsages {
                rsa: SIGNS_AND_TRANSPORTS,
                ec: SIGNS.with(KeyUsage::KEY_AGREEMENT),
                ed25519: SIGNS,
            },
            ..plain(Profile::Email, CommonNameRule::Optional, &[oid::EMAIL_PROTECTION])
        },
        DataEncryption => ProfileDefinition {
            description: "Encrypts and decrypts data: e-mail addresses, URIs; no Ed25519 key, which only signs".into(),
            names: NameRules { email: SOME, uri: SOME, ..NameRules::default() },
            key_usage: KeyUsages {
                rsa: KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::DATA_ENCIPHERMENT),
                ec: KeyUsage::KEY_AGREEMENT,
                ed25519: NO_KEY,
            },
            ..plain(Profile::DataEncryption, CommonNameRule::Required, &[])
        },
        CodeSigning => ProfileDefinition {
            description: "Signs software: a subject, and no names beside it".into(),
            key_usage: KeyUsages { rsa: SIGNS, ec: SIGNS, ed25519: SIGNS },
            ..plain(Profile::CodeSigning, CommonNameRule::Required, &[oid::CODE_SIGNING])
        },
        OcspSigning => ProfileDefinition {
            description: "A responder of the holder's own that answers for this CA's certificates; nobody can revoke it"
                .into(),
            key_usage: KeyUsages { rsa: SIGNS, ec: SIGNS, ed25519: SIGNS },
            validity: ProfileValidity { default_days: RESPONDER_DAYS, longest_days: Some(RESPONDER_DAYS) },
            revocation: Revocation::NoCheck,
            ..plain(Profile::OcspSigning, CommonNameRule::Required, &[oid::OCSP_SIGNING])
        },
        Spiffe => ProfileDefinition {
            description: "A workload: exactly one SPIFFE ID (X.509-SVID), DNS names beside it".into(),
            names: NameRules {
                dns: Some(NameCount { least: 0, most: 99 }),
                uri: Some(NameCount { least: 1, most: 1 }),
                uri_form: UriForm::Spiffe,
                ..NameRules::default()
            },
            ..plain(Profile::Spiffe, CommonNameRule::OneOfNames, &[oid::SERVER_AUTH, oid::CLIENT_AUTH])
        },
        ShortLived => ProfileDefinition {
            description: "Both sides of TLS for at most 7 days: ends before anybody would learn of a revocation".into(),
            names: NameRules { dns: SOME, ip: SOME, uri: SOME, wildcards: true, ..NameRules::default() },
            validity: ProfileValidity { default_days: SHORT_LIVED_DAYS, longest_days: Some(SHORT_LIVED_DAYS) },
            revocation: Revocation::NotAvailable,
            ..plain(Profile::ShortLived, CommonNameRule::ServerName, &[oid::SERVER_AUTH, oid::CLIENT_AUTH])
        },
    }
}

/// What most have in common.
fn plain(profile: Profile, common_name: CommonNameRule, purposes: &[ObjectIdentifier]) -> ProfileDefinition {
    ProfileDefinition {
        name: profile.into(),
        description: String::new(),
        subject: SubjectRules::open(common_name),
        names: NameRules::default(),
        key_usage: KeyUsages { rsa: SIGNS_AND_TRANSPORTS, ec: SIGNS, ed25519: SIGNS },
        extended_key_usage: ExtendedKeyUsage { purposes: purposes.to_vec(), critical: false },
        validity: ProfileValidity { default_days: DAYS, longest_days: None },
        csr: CsrRules::default(),
        revocation: Revocation::Addresses,
        policies: Vec::new(),
    }
}

impl SubjectRules {
    /// Every field but the common name is optional.
    #[must_use]
    pub const fn open(common_name: CommonNameRule) -> Self {
        Self {
            common_name,
            organization: FieldRule::Optional,
            organizational_unit: FieldRule::Optional,
            country: FieldRule::Optional,
            state: FieldRule::Optional,
            locality: FieldRule::Optional,
        }
    }
}
