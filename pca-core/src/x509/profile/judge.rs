//! What speaks against a profile of one's own (rule I2).

use const_oid::ObjectIdentifier;

use super::definition::{CommonNameRule, FieldRule, ProfileDefinition, Revocation, UriForm};
use super::{ProfileName, in_words};
use crate::x509::oid;
use crate::x509::san::{MAX_NAMES, NameKind};
use crate::x509::usage::KeyUsage;

/// For how many days a certificate may be valid that says nothing on its revocation (RFC 9608; the bound is that of the
/// CA/Browser Forum's short-lived certificates: 604,800 seconds).
pub const SHORT_LIVED_DAYS: u32 = 7;

/// The longest validity that a profile may name, in days.
const LONGEST_DAYS: u32 = 36_525;

/// The most characters of a description.
const MAX_DESCRIPTION: usize = 200;

/// The most purposes, and the most policies, of a profile.
const MAX_LISTED: usize = 20;

/// What is wrong with a profile of one's own (rule I2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileFlaw {
    /// The name of a profile that is built in.
    #[error("`{name}` is built in; a profile of one's own has another name")]
    BuiltIn {
        /// The name.
        name: ProfileName,
    },
    /// A field that there is not.
    #[error("`{field}` is no field of a profile")]
    UnknownField {
        /// The field, with those that it stands in.
        field: String,
    },
    /// A field that asks for a CA, which no profile is for.
    #[error("`{field}` is not for a profile to say: its certificates are end entities, never CAs (rule I1)")]
    CaBits {
        /// The field.
        field: String,
    },
    /// A field that must be there.
    #[error("`{field}` is missing: {expected}")]
    Missing {
        /// The field.
        field: String,
        /// What is expected.
        expected: String,
    },
    /// A value that a field cannot have.
    #[error("`{field}` is {found}: {expected}")]
    Value {
        /// The field.
        field: String,
        /// What was found.
        found: String,
        /// What is expected.
        expected: String,
    },
    /// A usage that only CAs have.
    #[error("`{field}` has {usage}, which only CAs have (rule I1)")]
    CaUsage {
        /// The field.
        field: &'static str,
        /// The usage.
        usage: &'static str,
    },
    /// A usage that the kind of key cannot serve.
    #[error("`{field}` has {usage}, which such a key cannot do; possible are {possible}")]
    KeyCannot {
        /// The field.
        field: &'static str,
        /// The usages.
        usage: KeyUsage,
        /// What is possible.
        possible: KeyUsage,
    },
    /// `encipherOnly` or `decipherOnly` without `keyAgreement`.
    #[error("`{field}` has {usage} without keyAgreement, which means nothing (RFC 5280 section 4.2.1.3)")]
    OnlyWithoutAgreement {
        /// The field.
        field: &'static str,
        /// The usages.
        usage: KeyUsage,
    },
    /// No kind of key is taken.
    #[error("`key_usage` takes no kind of key: at least one of rsa, ec and ed25519 needs a usage")]
    NoKey,
    /// A purpose that is not for profiles of one's own.
    #[error("`extended_key_usage.purposes` has {purpose}, {why}")]
    Purpose {
        /// The purpose.
        purpose: String,
        /// Why not.
        why: &'static str,
    },
    /// The same twice.
    #[error("`{field}` has {value} twice")]
    Twice {
        /// The field.
        field: &'static str,
        /// What is there twice.
        value: String,
    },
    /// Too many.
    #[error("`{field}` has {count} entries; at most {limit} are possible")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// No purpose, and a key that signs: such a certificate is good for everything.
    #[error(
        "`extended_key_usage.purposes` is empty while keys have {usage}: that allows every purpose, as anyExtendedKeyUsage does; name the purposes"
    )]
    EveryPurpose {
        /// The usages.
        usage: KeyUsage,
    },
    /// A purpose that no usage of a key serves (RFC 5280 section 4.2.1.12).
    #[error("`{field}` is {usage}, with which nobody can make use of {purpose}; it needs one of {needed}")]
    PurposeWithoutUsage {
        /// The field.
        field: &'static str,
        /// The usages that there are.
        usage: KeyUsage,
        /// The purpose.
        purpose: String,
        /// The usages of which one is needed.
        needed: KeyUsage,
    },
    /// The extension is critical and empty.
    #[error("`extended_key_usage.critical` is true without any purpose")]
    CriticalNothing,
    /// A server's profile whose common name may be anything.
    #[error(
        "`subject.common_name` is {rule} while serverAuth is a purpose: a server's common name is one of its names (rule I4); server-name, one-of-names and forbidden are possible"
    )]
    ServerCommonName {
        /// The rule for it.
        rule: &'static str,
    },
    /// A server's profile whose certificates may have no name.
    #[error(
        "with serverAuth a certificate has at least one name (rule I4): allow dns or ip, and let `subject.common_name` be server-name, or a kind have a least of 1"
    )]
    ServerWithoutName,
    /// A common name that is to be a host's, and no hosts.
    #[error("`subject.common_name` is {rule}, but neither dns nor ip is allowed in `names`")]
    NoHostNames {
        /// The rule for it.
        rule: &'static str,
    },
    /// A certificate that would name nobody.
    #[error("a certificate could have neither subject nor names: allow a field of the subject, or a kind of name")]
    Nobody,
    /// A range of counts that is none.
    #[error(
        "`names.{kind}` is {least} to {most}: at least 0 and at most {MAX_NAMES}, the least no more than the most, and the most at least 1"
    )]
    Count {
        /// The kind of name.
        kind: &'static str,
        /// At least.
        least: u8,
        /// At most.
        most: u8,
    },
    /// More names are required than a certificate may have.
    #[error("`names` requires {count} names; a certificate has at most {MAX_NAMES} (rule G4)")]
    NamesRequired {
        /// How many.
        count: usize,
    },
    /// A form of URIs without URIs.
    #[error("`names.uri_form` is spiffe, but no uri is allowed")]
    FormWithoutUri,
    /// More than one SPIFFE ID.
    #[error("`names.uri` is {least} to {most} while `names.uri_form` is spiffe: an X.509-SVID has exactly one URI")]
    SpiffeCount {
        /// At least.
        least: u8,
        /// At most.
        most: u8,
    },
    /// Wildcards without DNS names.
    #[error("`names.wildcards` is true, but no dns is allowed")]
    WildcardsWithoutDns,
    /// A number of days that is none.
    #[error("`{field}` is {days}; 1 to {LONGEST_DAYS} days are possible")]
    Days {
        /// The field.
        field: &'static str,
        /// How many.
        days: u32,
    },
    /// The default is longer than the longest.
    #[error("`validity.default_days` is {default}, beyond `validity.longest_days`, which is {longest}")]
    DefaultTooLong {
        /// The default.
        default: u32,
        /// The longest.
        longest: u32,
    },
    /// Without word on revocation, and not short-lived.
    #[error(
        "`validity.longest_days` is {} while `revocation` is not-available: certificates that nobody can revoke live at most {SHORT_LIVED_DAYS} days (RFC 9608)",
        longest.map_or_else(|| "absent".to_owned(), |days| days.to_string())
    )]
    NotShortLived {
        /// The longest validity.
        longest: Option<u32>,
    },
    /// *nocheck* is for responders.
    #[error("`revocation` is no-check, which only the built-in ocsp-signing has")]
    NoCheck,
    /// A description that is too long, or has control characters.
    #[error("`description` has {characters} characters; at most {MAX_DESCRIPTION} are possible, no control characters")]
    Description {
        /// How many.
        characters: usize,
    },
}

impl ProfileFlaw {
    /// The rule that is broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "I2"
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BuiltIn { .. } => "profile-built-in",
            Self::CaBits { .. } | Self::CaUsage { .. } => "profile-of-a-ca",
            Self::UnknownField { .. } => "profile-unknown-field",
            Self::Purpose { .. } | Self::EveryPurpose { .. } => "profile-purpose",
            Self::Days { .. } | Self::DefaultTooLong { .. } | Self::NotShortLived { .. } => "profile-validity",
            Self::KeyCannot { .. }
            | Self::OnlyWithoutAgreement { .. }
            | Self::NoKey
            | Self::PurposeWithoutUsage { .. } => "profile-key-usage",
            _ => "profile-malformed",
        }
    }
}

impl ProfileDefinition {
    /// Everything that speaks against it as a profile of one's own (rule I2).
    #[must_use]
    pub fn flaws(&self) -> Vec<ProfileFlaw> {
        let mut flaws = Vec::new();
        if self.name.built_in().is_some() {
            flaws.push(ProfileFlaw::BuiltIn { name: self.name });
        }
        let characters = self.description.chars().count();
        if characters > MAX_DESCRIPTION || self.description.chars().any(char::is_control) {
            flaws.push(ProfileFlaw::Description { characters });
        }
        self.judge_keys(&mut flaws);
        self.judge_purposes(&mut flaws);
        self.judge_names(&mut flaws);
        self.judge_validity(&mut flaws);
        twice("policies", &self.policies, ToString::to_string, &mut flaws);
        flaws
    }

    fn usages(&self) -> [(&'static str, KeyUsage, KeyUsage); 3] {
        let signs = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::CONTENT_COMMITMENT);
        let agrees = KeyUsage::KEY_AGREEMENT.with(KeyUsage::ENCIPHER_ONLY).with(KeyUsage::DECIPHER_ONLY);
        let encrypts = KeyUsage::KEY_ENCIPHERMENT.with(KeyUsage::DATA_ENCIPHERMENT);
        [
            ("key_usage.rsa", self.key_usage.rsa, signs.with(encrypts)),
            ("key_usage.ec", self.key_usage.ec, signs.with(agrees)),
            ("key_usage.ed25519", self.key_usage.ed25519, signs),
        ]
    }

    fn judge_keys(&self, flaws: &mut Vec<ProfileFlaw>) {
        let ca = KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN);
        let only = KeyUsage::ENCIPHER_ONLY.with(KeyUsage::DECIPHER_ONLY);
        for (field, usage, possible) in self.usages() {
            flaws.extend(usage.and(ca).names().map(|usage| ProfileFlaw::CaUsage { field, usage }));
            let beyond = usage.without(possible.with(ca));
            if !beyond.is_empty() {
                flaws.push(ProfileFlaw::KeyCannot { field, usage: beyond, possible });
            }
            if !usage.and(only).is_empty() && !usage.contains(KeyUsage::KEY_AGREEMENT) {
                flaws.push(ProfileFlaw::OnlyWithoutAgreement { field, usage: usage.and(only) });
            }
        }
        if self.usages().iter().all(|(_, usage, _)| usage.is_empty()) {
            flaws.push(ProfileFlaw::NoKey);
        }
    }

    fn judge_purposes(&self, flaws: &mut Vec<ProfileFlaw>) {
        let purposes = self.purposes();
        twice("extended_key_usage.purposes", purposes, in_words, flaws);
        for purpose in purposes {
            let why = match *purpose {
                oid::ANY_EXTENDED_KEY_USAGE => "which allows every purpose; name those that are meant",
                oid::OCSP_SIGNING => "which only the built-in ocsp-signing has: its holder answers for the CA",
                oid::TIME_STAMPING if purposes.len() > 1 || !self.extended_key_usage.critical => {
                    "which must be critical and the only purpose (RFC 3161 section 2.3)"
                }
                _ => continue,
            };
            flaws.push(ProfileFlaw::Purpose { purpose: in_words(purpose), why });
        }
        let signs = self.usages().iter().fold(KeyUsage::NONE, |all, (_, usage, _)| all.with(*usage));
        let signs = signs.and(KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::CONTENT_COMMITMENT));
        if purposes.is_empty() {
            if !signs.is_empty() {
                flaws.push(ProfileFlaw::EveryPurpose { usage: signs });
            }
            if self.extended_key_usage.critical {
                flaws.push(ProfileFlaw::CriticalNothing);
            }
        }
        for purpose in purposes {
            let Some(needed) = needed(purpose) else { continue };
            for (field, usage, _) in self.usages() {
                if !usage.is_empty() && usage.and(needed).is_empty() {
                    let purpose = in_words(purpose);
                    flaws.push(ProfileFlaw::PurposeWithoutUsage { field, usage, purpose, needed });
                }
            }
        }
    }

    fn judge_names(&self, flaws: &mut Vec<ProfileFlaw>) {
        let names = &self.names;
        for (kind, count) in names.kinds() {
            if count.least > count.most || count.most == 0 || usize::from(count.most) > MAX_NAMES {
                flaws.push(ProfileFlaw::Count { kind: field_of(kind), least: count.least, most: count.most });
            }
        }
        let required: usize = names.kinds().map(|(_, count)| usize::from(count.least)).sum();
        if required > MAX_NAMES {
            flaws.push(ProfileFlaw::NamesRequired { count: required });
        }
        if names.uri_form == UriForm::Spiffe {
            match names.uri {
                None => flaws.push(ProfileFlaw::FormWithoutUri),
                Some(count) if count.least != 1 || count.most != 1 => {
                    flaws.push(ProfileFlaw::SpiffeCount { least: count.least, most: count.most });
                }
                Some(_) => {}
            }
        }
        if names.wildcards && names.dns.is_none() {
            flaws.push(ProfileFlaw::WildcardsWithoutDns);
        }
        let rule = self.subject.common_name;
        let hosts = names.dns.is_some() || names.ip.is_some();
        let free = matches!(rule, CommonNameRule::Required | CommonNameRule::Optional);
        if matches!(rule, CommonNameRule::ServerName) && !hosts {
            flaws.push(ProfileFlaw::NoHostNames { rule: rule.in_words() });
        }
        if self.is_for_servers() {
            if free {
                flaws.push(ProfileFlaw::ServerCommonName { rule: rule.in_words() });
            }
            if required == 0 && rule != CommonNameRule::ServerName {
                flaws.push(ProfileFlaw::ServerWithoutName);
            }
        }
        if !self.may_be_named() {
            flaws.push(ProfileFlaw::Nobody);
        }
    }

    /// Whether a certificate of it can have a subject or a name at all.
    fn may_be_named(&self) -> bool {
        let subject = &self.subject;
        subject.common_name != CommonNameRule::Forbidden
            || subject.others().iter().any(|(_, rule)| *rule != FieldRule::Forbidden)
            || self.names.kinds().next().is_some()
    }

    fn judge_validity(&self, flaws: &mut Vec<ProfileFlaw>) {
        let (default, longest) = (self.validity.default_days, self.validity.longest_days);
        let fields = [("validity.default_days", Some(default)), ("validity.longest_days", longest)];
        for (field, days) in fields {
            if let Some(days) = days.filter(|days| !(1..=LONGEST_DAYS).contains(days)) {
                flaws.push(ProfileFlaw::Days { field, days });
            }
        }
        if let Some(longest) = longest.filter(|longest| default > *longest) {
            flaws.push(ProfileFlaw::DefaultTooLong { default, longest });
        }
        match self.revocation {
            Revocation::NotAvailable if longest.is_none_or(|days| days > SHORT_LIVED_DAYS) => {
                flaws.push(ProfileFlaw::NotShortLived { longest });
            }
            Revocation::NoCheck => flaws.push(ProfileFlaw::NoCheck),
            _ => {}
        }
    }
}

impl CommonNameRule {
    /// As JSON has it.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Forbidden => "forbidden",
            Self::ServerName => "server-name",
            Self::OneOfNames => "one-of-names",
        }
    }
}

pub(super) const fn field_of(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Dns => "dns",
        NameKind::Ip => "ip",
        NameKind::Email => "email",
        NameKind::Uri => "uri",
        NameKind::Directory => "directory",
        NameKind::Other => "other",
    }
}

/// The usages of which a purpose needs one (RFC 5280 section 4.2.1.12).
const fn needed(purpose: &ObjectIdentifier) -> Option<KeyUsage> {
    let signs = KeyUsage::DIGITAL_SIGNATURE;
    let either = signs.with(KeyUsage::CONTENT_COMMITMENT);
    Some(match *purpose {
        oid::SERVER_AUTH => signs.with(KeyUsage::KEY_ENCIPHERMENT).with(KeyUsage::KEY_AGREEMENT),
        oid::CLIENT_AUTH => signs.with(KeyUsage::KEY_AGREEMENT),
        oid::CODE_SIGNING => signs,
        oid::EMAIL_PROTECTION => either.with(KeyUsage::KEY_ENCIPHERMENT).with(KeyUsage::KEY_AGREEMENT),
        oid::TIME_STAMPING => either,
        _ => return None,
    })
}

fn twice(
    field: &'static str,
    list: &[ObjectIdentifier],
    text: impl Fn(&ObjectIdentifier) -> String,
    flaws: &mut Vec<ProfileFlaw>,
) {
    if list.len() > MAX_LISTED {
        flaws.push(ProfileFlaw::TooMany { field, count: list.len(), limit: MAX_LISTED });
        return;
    }
    for (at, value) in list.iter().enumerate() {
        if list.iter().take(at).any(|before| before == value) {
            flaws.push(ProfileFlaw::Twice { field, value: text(value) });
        }
    }
}
