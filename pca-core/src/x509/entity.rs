//! Subject and names of an end entity, by profile (rules C4, I2, I4).

use super::host::Wildcards;
use super::name::DistinguishedName;
use super::profile::{
    CommonNameRule, FieldRule, NameCount, ProfileDefinition, ProfileName, SpiffeProblem, UriForm, spiffe_check,
};
use super::san::{GeneralName, MAX_NAMES, NameError, NameKind, cut, distinct_names, server_name};
use super::subject::{CommonName, SubjectField, SubjectFields, SubjectViolation};

/// The subject and the alternative names of a certificate, as they will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityNames {
    subject: DistinguishedName,
    names: Vec<GeneralName>,
}

impl EntityNames {
    /// Fits subject and names to a profile.
    ///
    /// A server's common name is a DNS name or an IP address and one of the alternative names, added if absent; without
    /// one, the first name of at most 64 characters becomes it; if there is none, and no other field, the subject stays
    /// empty and the names are critical (rule I4). What other profiles ask for stands in their
    /// [definition](ProfileDefinition) (rules C4, I2).
    ///
    /// # Errors
    /// Every violation, not only the first.
    pub fn plan(
        profile: impl AsRef<ProfileDefinition>,
        fields: &SubjectFields,
        names: Vec<GeneralName>,
        wildcards: Wildcards,
    ) -> Result<Self, Vec<EntityViolation>> {
        let definition = profile.as_ref();
        let profile = definition.name;
        let mut violations: Vec<EntityViolation> = names
            .iter()
            .filter(|name| definition.names.count(name.kind()).is_none())
            .map(|name| EntityViolation::Kind { profile, name: name.to_string(), kind: name.kind() })
            .collect();
        for name in &names {
            check_form(definition, name, wildcards, &mut violations);
        }
        let rule = definition.subject.common_name;
        let (fields, names) = match rule {
            CommonNameRule::ServerName | CommonNameRule::OneOfNames => {
                host(definition, fields, names, wildcards, &mut violations)
            }
            _ => (fields.clone(), names),
        };
        check_fields(definition, &fields, &mut violations);
        let names = match distinct_names(names) {
            Ok(names) => {
                check_counts(definition, &names, &mut violations);
                names
            }
            Err(error) => {
                violations.push(error.into());
                Vec::new()
            }
        };
        let rule = match rule {
            CommonNameRule::Required => CommonName::Required,
            _ => CommonName::Optional,
        };
        match fields.to_name(rule) {
            Ok(subject) if violations.is_empty() && subject.is_empty() && names.is_empty() => {
                Err(vec![EntityViolation::Nameless { profile }])
            }
            Ok(subject) if violations.is_empty() => Ok(Self { subject, names }),
            Ok(_) => Err(violations),
            Err(subject) => {
                violations.extend(subject.into_iter().map(EntityViolation::Subject));
                Err(violations)
            }
        }
    }

    /// The subject.
    #[must_use]
    pub const fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The alternative names.
    #[must_use]
    pub fn names(&self) -> &[GeneralName] {
        &self.names
    }
}

/// Why subject and names do not fit a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntityViolation {
    /// A field of the subject.
    #[error(transparent)]
    Subject(#[from] SubjectViolation),
    /// A name, or how many there are.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A server's common name that is neither DNS name nor IP address.
    #[error("the common name of a server must be a DNS name or an IP address: {0}")]
    ServerCommonName(#[source] NameError),
    /// A server without any name.
    #[error("a server certificate needs at least one DNS name or IP address")]
    ServerWithoutName,
    /// A kind of name that the profile does not carry.
    #[error("`{name}`: a {profile} certificate carries no {kind}")]
    Kind {
        /// The profile.
        profile: ProfileName,
        /// The name.
        name: String,
        /// Its kind.
        kind: NameKind,
    },
    /// More or fewer names of a kind than the profile has.
    #[error("a {profile} certificate has {least} to {most} names of the kind {kind}; there are {count}")]
    Count {
        /// The profile.
        profile: ProfileName,
        /// The kind of name.
        kind: NameKind,
        /// At least.
        least: u8,
        /// At most.
        most: u8,
        /// How many there are.
        count: usize,
    },
    /// A wildcard where the profile has none.
    #[error("`{name}`: a {profile} certificate has no wildcards")]
    Wildcard {
        /// The profile.
        profile: ProfileName,
        /// The name.
        name: String,
    },
    /// A URI that is no SPIFFE ID.
    #[error("`{uri}` is no SPIFFE ID of a workload: {problem}")]
    Spiffe {
        /// The URI, cut to 100 characters.
        uri: String,
        /// What is wrong with it.
        problem: SpiffeProblem,
    },
    /// A field of the subject that the profile does not have.
    #[error("a {profile} certificate has no {field} in its subject")]
    FieldForbidden {
        /// The profile.
        profile: ProfileName,
        /// The field.
        field: SubjectField,
    },
    /// A field of the subject that the profile asks for.
    #[error("a {profile} certificate needs the {field} in its subject")]
    FieldMissing {
        /// The profile.
        profile: ProfileName,
        /// The field.
        field: SubjectField,
    },
    /// Neither subject nor names (RFC 5280 section 4.1.2.6).
    #[error("the {profile} certificate would name nobody: it needs a subject or a name")]
    Nameless {
        /// The profile.
        profile: ProfileName,
    },
}

impl EntityViolation {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Subject(violation) => violation.rule(),
            Self::Name(error) => error.rule(),
            Self::ServerCommonName(_) | Self::ServerWithoutName | Self::Nameless { .. } => "I4",
            _ => "I2",
        }
    }
}

/// A common name that is a host's, and one of the names.
fn host(
    definition: &ProfileDefinition,
    fields: &SubjectFields,
    mut names: Vec<GeneralName>,
    wildcards: Wildcards,
    violations: &mut Vec<EntityViolation>,
) -> (SubjectFields, Vec<GeneralName>) {
    let mut fields = fields.clone();
    match &fields.common_name {
        Some(common) => match server_name(common, wildcards) {
            Ok(name) if !names.contains(&name) => {
                let before = violations.len();
                if definition.names.count(name.kind()).is_none() {
                    let (profile, kind) = (definition.name, name.kind());
                    violations.push(EntityViolation::Kind { profile, name: name.to_string(), kind });
                }
                check_form(definition, &name, wildcards, violations);
                if violations.len() == before {
                    names.push(name);
                }
            }
            Ok(_) => {}
            Err(error) => violations.push(EntityViolation::ServerCommonName(error)),
        },
        None if definition.subject.common_name == CommonNameRule::ServerName => {
            fields.common_name = names
                .iter()
                .filter_map(bare)
                .find(|text| text.chars().count() <= SubjectField::CommonName.max_characters());
        }
        None => {}
    }
    let has_host = names.iter().any(|name| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_)));
    // A name of another kind was objected to.
    if definition.subject.common_name == CommonNameRule::ServerName
        && !has_host
        && fields.common_name.is_none()
        && names.iter().all(|name| definition.names.count(name.kind()).is_some())
    {
        violations.push(EntityViolation::ServerWithoutName);
    }
    (fields, names)
}

/// What a name looks like.
fn check_form(
    definition: &ProfileDefinition,
    name: &GeneralName,
    wildcards: Wildcards,
    violations: &mut Vec<EntityViolation>,
) {
    match name {
        GeneralName::Dns(dns) if dns.is_wildcard() && definition.names.dns.is_some() => {
            if !definition.names.wildcards {
                violations.push(EntityViolation::Wildcard { profile: definition.name, name: name.to_string() });
            } else if wildcards == Wildcards::Narrow {
                violations.extend(GeneralName::dns(dns.as_str(), wildcards).err().map(EntityViolation::Name));
            }
        }
        GeneralName::Uri(uri) if definition.names.uri_form == UriForm::Spiffe => {
            if let Err(problem) = spiffe_check(uri) {
                violations.push(EntityViolation::Spiffe { uri: cut(uri.as_str()), problem });
            }
        }
        _ => {}
    }
}

fn check_counts(definition: &ProfileDefinition, names: &[GeneralName], violations: &mut Vec<EntityViolation>) {
    for (kind, NameCount { least, most }) in definition.names.kinds() {
        // Most kinds are bounded by rule G4 alone.
        if (least, usize::from(most)) == (0, MAX_NAMES) {
            continue;
        }
        let count = names.iter().filter(|name| name.kind() == kind).count();
        if count < usize::from(least) || count > usize::from(most) {
            violations.push(EntityViolation::Count { profile: definition.name, kind, least, most, count });
        }
    }
}

fn check_fields(definition: &ProfileDefinition, fields: &SubjectFields, violations: &mut Vec<EntityViolation>) {
    let profile = definition.name;
    if definition.subject.common_name == CommonNameRule::Forbidden && fields.common_name.is_some() {
        violations.push(EntityViolation::FieldForbidden { profile, field: SubjectField::CommonName });
    }
    for (field, rule) in definition.subject.others() {
        match (rule, fields.has(field)) {
            (FieldRule::Required, false) => violations.push(EntityViolation::FieldMissing { profile, field }),
            (FieldRule::Forbidden, true) => violations.push(EntityViolation::FieldForbidden { profile, field }),
            _ => {}
        }
    }
}

fn bare(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Dns(name) => Some(name.to_string()),
        GeneralName::Ip(address) => Some(address.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::x509::Profile;

    fn dns(text: &str) -> GeneralName {
        GeneralName::dns(text, Wildcards::Wide).unwrap()
    }

    fn plan(
        profile: Profile,
        common: Option<&str>,
        names: &[GeneralName],
    ) -> Result<EntityNames, Vec<EntityViolation>> {
        let fields = SubjectFields { common_name: common.map(str::to_owned), ..SubjectFields::default() };
        EntityNames::plan(profile, &fields, names.to_vec(), Wildcards::Narrow)
    }

    #[test]
    fn i4_a_servers_common_name_is_one_of_its_names() {
        let planned = plan(Profile::Server, Some("oa.example"), &[dns("www.oa.example")]).unwrap();
        assert_eq!(planned.names(), [dns("www.oa.example"), dns("oa.example")]);
        let planned = plan(Profile::Server, Some("OA.example"), &[dns("oa.example")]).unwrap();
        assert_eq!(planned.names(), [dns("oa.example")], "names are compared without case");
        let planned = plan(Profile::Server, Some("10.0.0.1"), &[]).unwrap();
        assert_eq!(planned.names(), [GeneralName::ip("10.0.0.1").unwrap()]);
        let planned = plan(Profile::Server, None, &[dns("a.example")]).unwrap();
        assert_eq!(planned.subject().to_string(), "CN=a.example");
    }

    #[test]
    fn i4_a_long_name_leaves_the_subject_empty() {
        let long = dns(&format!("{}.{}.example", "a".repeat(40), "b".repeat(40)));
        assert!(plan(Profile::Server, None, std::slice::from_ref(&long)).unwrap().subject().is_empty());
        let planned = plan(Profile::Server, None, &[long, dns("short.example")]).unwrap();
        assert_eq!(planned.subject().to_string(), "CN=short.example");
    }

    #[test]
    fn every_violation_is_told_with_its_rule() {
        let rules = |result: Result<EntityNames, Vec<EntityViolation>>| -> Vec<&str> {
            result.unwrap_err().iter().map(EntityViolation::rule).collect()
        };
        assert_eq!(rules(plan(Profile::Server, None, &[])), ["I4"]);
        assert_eq!(
            rules(plan(Profile::Server, Some("no name"), &[GeneralName::email("a@b.example").unwrap()])),
            ["I2", "I4"]
        );
        assert_eq!(rules(plan(Profile::Server, None, &[dns("*.example")])), ["I4"]);
        assert_eq!(rules(plan(Profile::Client, None, &[dns("a.example")])), ["I2", "C4"]);
        let many: Vec<GeneralName> = (0..101).map(|i| dns(&format!("h{i}.example"))).collect();
        assert_eq!(rules(plan(Profile::Server, None, &many)), ["G4"]);
    }
}
