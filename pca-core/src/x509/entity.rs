//! Subject and names of an end entity, by profile (rules C4, I2, I4).

use super::host::Wildcards;
use super::name::DistinguishedName;
use super::profile::Profile;
use super::san::{GeneralName, NameError, NameKind, distinct_names, server_name};
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
    /// empty and the names are critical (rule I4). Other profiles need a common name (rule C4).
    ///
    /// # Errors
    /// Every violation, not only the first.
    pub fn plan(
        profile: Profile,
        fields: &SubjectFields,
        names: Vec<GeneralName>,
        wildcards: Wildcards,
    ) -> Result<Self, Vec<EntityViolation>> {
        let mut violations: Vec<EntityViolation> = names
            .iter()
            .filter(|name| !profile.allows(name.kind()))
            .map(|name| EntityViolation::Kind { profile, name: name.to_string(), kind: name.kind() })
            .collect();
        if wildcards == Wildcards::Narrow {
            for name in &names {
                if let GeneralName::Dns(dns) = name
                    && dns.is_wildcard()
                {
                    violations.extend(GeneralName::dns(dns.as_str(), wildcards).err().map(EntityViolation::Name));
                }
            }
        }
        let (fields, names) = match profile {
            Profile::Server => server(fields, names, wildcards, &mut violations),
            _ => (fields.clone(), names),
        };
        let names = match distinct_names(names) {
            Ok(names) => names,
            Err(error) => {
                violations.push(error.into());
                Vec::new()
            }
        };
        let rule = match profile {
            Profile::Server => CommonName::Optional,
            _ => CommonName::Required,
        };
        match fields.to_name(rule) {
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
        profile: Profile,
        /// The name.
        name: String,
        /// Its kind.
        kind: NameKind,
    },
}

impl EntityViolation {
    /// The rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Subject(violation) => violation.rule(),
            Self::Name(error) => error.rule(),
            Self::ServerCommonName(_) | Self::ServerWithoutName => "I4",
            Self::Kind { .. } => "I2",
        }
    }
}

fn server(
    fields: &SubjectFields,
    mut names: Vec<GeneralName>,
    wildcards: Wildcards,
    violations: &mut Vec<EntityViolation>,
) -> (SubjectFields, Vec<GeneralName>) {
    let mut fields = fields.clone();
    match &fields.common_name {
        Some(common) => match server_name(common, wildcards) {
            Ok(name) if !names.contains(&name) => names.push(name),
            Ok(_) => {}
            Err(error) => violations.push(EntityViolation::ServerCommonName(error)),
        },
        None => {
            fields.common_name = names
                .iter()
                .filter_map(bare)
                .find(|text| text.chars().count() <= SubjectField::CommonName.max_characters());
        }
    }
    if names.is_empty() && fields.common_name.is_none() {
        violations.push(EntityViolation::ServerWithoutName);
    }
    (fields, names)
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
