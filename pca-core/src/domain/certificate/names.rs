//! Subject and names of a certificate as they are asked for, and what the rules say to them (rules C4, I2, I4, G4).

use core::str::FromStr;

use serde::Serialize;

use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::x509::{
    EntityNames, EntityViolation, GeneralName, MAX_NAMES, NameError, ProfileDefinition, SubjectFields,
    SubjectViolation, Wildcards,
};

/// An alternative name as it is asked for, not judged yet: what is wrong with it is a refusal (rule I4), no error of
/// reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NameRequest {
    /// A DNS name, perhaps with a wildcard.
    Dns(String),
    /// An IP address of version 4 or 6.
    Ip(String),
    /// An e-mail address.
    Email(String),
    /// An absolute URI with a host.
    Uri(String),
}

impl NameRequest {
    /// A DNS name.
    #[must_use]
    pub fn dns(text: impl Into<String>) -> Self {
        Self::Dns(text.into())
    }

    /// An IP address.
    #[must_use]
    pub fn ip(text: impl Into<String>) -> Self {
        Self::Ip(text.into())
    }

    /// An e-mail address.
    #[must_use]
    pub fn email(text: impl Into<String>) -> Self {
        Self::Email(text.into())
    }

    /// A URI.
    #[must_use]
    pub fn uri(text: impl Into<String>) -> Self {
        Self::Uri(text.into())
    }

    /// Reads the name (rule I4).
    ///
    /// # Errors
    /// [`NameError`] saying what is wrong and what would be right.
    pub fn parse(&self, wildcards: Wildcards) -> Result<GeneralName, NameError> {
        match self {
            Self::Dns(text) => GeneralName::dns(text, wildcards),
            Self::Ip(text) => GeneralName::ip(text),
            Self::Email(text) => GeneralName::email(text),
            Self::Uri(text) => GeneralName::uri(text),
        }
    }
}

impl FromStr for NameRequest {
    type Err = NameRequestError;

    /// With its kind in front, as names are shown: `dns:a.example`, `ip:10.0.0.1`, `email:a@b.example`, `uri:https://…`.
    fn from_str(text: &str) -> Result<Self, NameRequestError> {
        match text.split_once(':') {
            Some(("dns", name)) => Ok(Self::dns(name)),
            Some(("ip", name)) => Ok(Self::ip(name)),
            Some(("email", name)) => Ok(Self::email(name)),
            Some(("uri", name)) => Ok(Self::uri(name)),
            _ => Err(NameRequestError { text: text.chars().take(100).collect() }),
        }
    }
}

/// Text that does not say what kind of name it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not say what kind of name it is: write dns:…, ip:…, email:… or uri:…")]
pub struct NameRequestError {
    /// What was given, cut to 100 characters.
    pub text: String,
}

/// Fits subject and names, those of a signing request that are honoured among them, to the profile; nothing if a rule forbids one of them.
pub(super) fn fit(
    profile: &ProfileDefinition,
    subject: &SubjectFields,
    requests: &[NameRequest],
    honoured: &[GeneralName],
    wildcards: Wildcards,
    objections: &mut Objections,
) -> Option<EntityNames> {
    if requests.len() + honoured.len() > MAX_NAMES {
        objections.add(broken(&EntityViolation::Name(NameError::TooMany { count: requests.len() + honoured.len() })));
        return None;
    }
    let mut names = Vec::with_capacity(requests.len() + honoured.len() + 1);
    let mut unreadable = false;
    for request in requests {
        match request.parse(wildcards) {
            Ok(name) => names.push(name),
            Err(error) => {
                unreadable = true;
                objections.add(broken(&EntityViolation::Name(error)));
            }
        }
    }
    names.extend_from_slice(honoured);
    match EntityNames::plan(profile, subject, names, wildcards) {
        Ok(planned) if !unreadable => Some(planned),
        Ok(_) => None,
        Err(violations) => {
            // A server whose only name could not be read has a name; it was told above what is wrong with it.
            let told = |violation: &&EntityViolation| {
                let of_count = matches!(
                    violation,
                    EntityViolation::ServerWithoutName
                        | EntityViolation::Count { .. }
                        | EntityViolation::Nameless { .. }
                );
                unreadable && of_count
            };
            objections.extend(violations.iter().filter(|violation| !told(violation)).map(broken));
            None
        }
    }
}

fn broken(violation: &EntityViolation) -> BrokenRule {
    let code = match violation {
        EntityViolation::Subject(SubjectViolation::CommonNameMissing) => "common-name-missing",
        EntityViolation::Subject(SubjectViolation::Empty { .. }) => "subject-field-empty",
        EntityViolation::Subject(SubjectViolation::TooLong { .. }) => "subject-field-too-long",
        EntityViolation::Subject(SubjectViolation::Country { .. }) => "country",
        EntityViolation::Subject(_) => "subject-field",
        EntityViolation::Name(NameError::Dns(_)) => "dns-name",
        EntityViolation::Name(NameError::Ip { .. }) => "ip-address",
        EntityViolation::Name(NameError::Email { .. }) => "email-address",
        EntityViolation::Name(NameError::Uri { .. }) => "uri",
        EntityViolation::Name(NameError::TooMany { .. }) => "too-many-names",
        EntityViolation::ServerCommonName(_) => "server-common-name",
        EntityViolation::ServerWithoutName => "server-without-name",
        EntityViolation::Count { .. } => "name-count",
        EntityViolation::Wildcard { .. } => "wildcard",
        EntityViolation::Spiffe { .. } => "spiffe-id",
        EntityViolation::FieldForbidden { .. } => "subject-field-forbidden",
        EntityViolation::FieldMissing { .. } => "subject-field-missing",
        EntityViolation::Nameless { .. } => "nameless",
        _ => "name-of-another-kind",
    };
    BrokenRule::new(Rule::new(violation.rule()), code, violation.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::Profile;

    #[track_caller]
    fn check(profile: Profile, common_name: Option<&str>, names: &[NameRequest], expected: &[&str]) {
        let subject = SubjectFields { common_name: common_name.map(str::to_owned), ..SubjectFields::default() };
        let mut objections = Objections::new();
        let planned = fit(profile.definition(), &subject, names, &[], Wildcards::Narrow, &mut objections);
        assert_eq!(planned.is_some(), expected.is_empty());
        let broken = objections.verdict().err().map(|refusal| crate::domain::testing::reasons(&refusal));
        assert_eq!(broken.unwrap_or_default(), expected);
    }

    #[test]
    fn i4_bad_names_are_refused_all_at_once() {
        let names = [
            NameRequest::dns("a_b.example"),
            NameRequest::dns("ok.example"),
            NameRequest::dns("*.example"),
            NameRequest::ip("10.0.0"),
        ];
        check(Profile::Server, None, &names, &["I4 dns-name", "I4 dns-name", "I4 ip-address"]);
        check(Profile::Server, None, &[NameRequest::dns("")], &["I4 dns-name"]);
        check(Profile::Server, None, &[], &["I4 server-without-name"]);
        check(Profile::Server, Some("not a host"), &[], &["I4 server-common-name"]);
        check(Profile::Server, None, &[NameRequest::dns("ok.example")], &[]);
        let names = [NameRequest::email("no"), NameRequest::uri("/relative")];
        check(Profile::Client, Some("A Person"), &names, &["I4 email-address", "I4 uri"]);
    }

    #[test]
    fn i2_each_profile_has_its_kinds_of_names() {
        check(Profile::Server, Some("a.example"), &[NameRequest::email("a@b.example")], &["I2 name-of-another-kind"]);
        check(Profile::Client, Some("A"), &[NameRequest::dns("a.example")], &["I2 name-of-another-kind"]);
        check(Profile::Client, Some("A"), &[NameRequest::email("a@b.example")], &[]);
        check(Profile::DataEncryption, Some("A"), &[NameRequest::uri("https://a.example/x")], &[]);
    }

    #[test]
    fn c4_bounds_of_the_subject() {
        check(Profile::Client, None, &[], &["C4 common-name-missing"]);
        check(Profile::Client, Some(""), &[], &["C4 subject-field-empty"]);
        check(Profile::Client, Some(&"ü".repeat(65)), &[], &["C4 subject-field-too-long"]);
        check(Profile::Client, Some(&"ü".repeat(64)), &[], &[]);
        check(Profile::Client, Some("bell\u{7}"), &[], &["C4 subject-field"]);
    }

    #[test]
    fn g4_at_most_a_hundred_names() {
        let names: Vec<NameRequest> = (0..101).map(|i| NameRequest::dns(format!("h{i}.example"))).collect();
        check(Profile::Server, None, &names, &["G4 too-many-names"]);
        check(Profile::Server, None, names.split_last().map_or(&[], |(_, rest)| rest), &[]);
        let hundred = names.split_last().map_or(&[][..], |(_, rest)| rest);
        check(Profile::Server, Some("one-more.example"), hundred, &["G4 too-many-names"]);
    }

    #[test]
    fn names_are_read_with_their_kind() {
        assert_eq!("ip:2001:db8::1".parse(), Ok(NameRequest::ip("2001:db8::1")));
        assert_eq!("uri:https://a.example".parse(), Ok(NameRequest::uri("https://a.example")));
        assert!("a.example".parse::<NameRequest>().is_err());
    }
}
