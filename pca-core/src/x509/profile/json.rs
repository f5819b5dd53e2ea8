//! A profile of one's own as JSON: everything that is wrong with it is told at once (rules I2, L4).

use serde_json::{Map, Value};

use super::definition::{
    CommonNameRule, CsrRules, ExtendedKeyUsage, FieldRule, KeyUsages, NameCount, NameRules, ProfileDefinition,
    ProfileValidity, Revocation, SubjectRules, UriForm,
};
use super::{CustomName, Profile, ProfileFlaw, ProfileName, purpose};
use crate::x509::usage::KeyUsage;

/// Why JSON is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileJsonError {
    /// What the rules do not allow; at least one.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Flaws(Vec<ProfileFlaw>),
    /// It is no JSON object.
    #[error("{0}")]
    Syntax(serde_json::Error),
}

impl ProfileDefinition {
    /// Reads a profile from JSON, as [`serde_json::to_string`] writes it. What is left out is as the page on profiles says;
    /// `name` and `extended_key_usage` must be there.
    ///
    /// # Errors
    /// [`ProfileJsonError::Flaws`] with everything that the rules do not allow, be it a field that there is not or a
    /// combination that makes no sense; [`ProfileJsonError::Syntax`] if it is no JSON object.
    pub fn from_json(text: &str) -> Result<Self, ProfileJsonError> {
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(ProfileJsonError::Syntax)?;
        let mut flaws = Vec::new();
        let definition = read(Fields::top(fields), &mut flaws);
        // A value that could not be read has a stand-in, of which nothing is told.
        if flaws.is_empty() {
            flaws = definition.flaws();
        } else {
            let told: Vec<ProfileFlaw> = definition.flaws();
            flaws.extend(told.into_iter().filter(speaks_for_itself));
        }
        if flaws.is_empty() { Ok(definition) } else { Err(ProfileJsonError::Flaws(flaws)) }
    }
}

/// Whether a flaw is one of a value that was read, whatever stands in for others.
const fn speaks_for_itself(flaw: &ProfileFlaw) -> bool {
    matches!(
        flaw,
        ProfileFlaw::CaUsage { .. }
            | ProfileFlaw::KeyCannot { .. }
            | ProfileFlaw::Purpose { .. }
            | ProfileFlaw::Days { .. }
            | ProfileFlaw::DefaultTooLong { .. }
            | ProfileFlaw::Count { .. }
    )
}

/// Fields that ask for a CA.
const OF_CAS: [&str; 6] = ["ca", "is_ca", "basic_constraints", "path_length", "path_len", "name_constraints"];

fn read(mut top: Fields, flaws: &mut Vec<ProfileFlaw>) -> ProfileDefinition {
    let name = top.name(flaws);
    let description = top.text("description", flaws).unwrap_or_default();
    let mut subject = top.object("subject", flaws);
    let common_name = subject.word("common_name", COMMON_NAMES, flaws).unwrap_or(CommonNameRule::Optional);
    let mut field = |name| subject.word(name, FIELDS, flaws).unwrap_or(FieldRule::Optional);
    let rules = SubjectRules {
        common_name,
        organization: field("organization"),
        organizational_unit: field("organizational_unit"),
        country: field("country"),
        state: field("state"),
        locality: field("locality"),
    };
    subject.end(flaws);
    let names = names(top.object("names", flaws), flaws);
    let key_usage = key_usage(&mut top, flaws);
    let mut extension =
        top.required("extended_key_usage", "an object with `purposes`, such as [\"clientAuth\"]", flaws);
    let extended_key_usage = ExtendedKeyUsage {
        purposes: extension.list(
            "purposes",
            "a name of RFC 5280 or a number such as 1.3.6.1.4.1.55738.1",
            purpose::parse,
            flaws,
        ),
        critical: extension.flag("critical", flaws),
    };
    extension.end(flaws);
    let mut validity = top.object("validity", flaws);
    let default_days = validity.number("default_days", flaws);
    let longest_days = validity.number("longest_days", flaws);
    validity.end(flaws);
    let default_days = default_days.unwrap_or(longest_days.unwrap_or(DEFAULT_DAYS).clamp(1, DEFAULT_DAYS));
    let mut csr = top.object("csr", flaws);
    let csr_rules = CsrRules { subject: csr.flag("subject", flaws), names: csr.flag("names", flaws) };
    csr.end(flaws);
    let revocation = top.word("revocation", REVOCATIONS, flaws).unwrap_or(Revocation::Addresses);
    let policies = top.list("policies", "a number such as 1.3.6.1.4.1.55738.1", purpose::number, flaws);
    top.end(flaws);
    ProfileDefinition {
        name,
        description,
        subject: rules,
        names,
        key_usage,
        extended_key_usage,
        validity: ProfileValidity { default_days, longest_days },
        csr: csr_rules,
        revocation,
        policies,
    }
}

const DEFAULT_DAYS: u32 = 90;

const COMMON_NAMES: &[(&str, CommonNameRule)] = &[
    ("required", CommonNameRule::Required),
    ("optional", CommonNameRule::Optional),
    ("forbidden", CommonNameRule::Forbidden),
    ("server-name", CommonNameRule::ServerName),
    ("one-of-names", CommonNameRule::OneOfNames),
];

const FIELDS: &[(&str, FieldRule)] =
    &[("required", FieldRule::Required), ("optional", FieldRule::Optional), ("forbidden", FieldRule::Forbidden)];

const FORMS: &[(&str, UriForm)] = &[("any", UriForm::Any), ("spiffe", UriForm::Spiffe)];

const REVOCATIONS: &[(&str, Revocation)] = &[
    ("addresses", Revocation::Addresses),
    ("not-available", Revocation::NotAvailable),
    ("no-check", Revocation::NoCheck),
];

fn names(mut fields: Fields, flaws: &mut Vec<ProfileFlaw>) -> NameRules {
    let mut count = |kind| {
        let mut range = fields.given(kind, flaws)?;
        let least = range.count("least", 0, flaws);
        let most = range.count("most", 100, flaws);
        range.end(flaws);
        Some(NameCount { least, most })
    };
    let (dns, ip, email, uri) = (count("dns"), count("ip"), count("email"), count("uri"));
    let wildcards = fields.flag("wildcards", flaws);
    let uri_form = fields.word("uri_form", FORMS, flaws).unwrap_or_default();
    fields.end(flaws);
    NameRules { dns, ip, email, uri, wildcards, uri_form }
}

fn key_usage(top: &mut Fields, flaws: &mut Vec<ProfileFlaw>) -> KeyUsages {
    let signs = KeyUsage::DIGITAL_SIGNATURE;
    let Some(mut fields) = top.given("key_usage", flaws) else {
        return KeyUsages { rsa: signs.with(KeyUsage::KEY_ENCIPHERMENT), ec: signs, ed25519: signs };
    };
    let mut usage = |kind| {
        let expected = "a name of RFC 5280 section 4.2.1.3, such as digitalSignature";
        let list = fields.list(kind, expected, KeyUsage::from_name, flaws);
        list.into_iter().fold(KeyUsage::NONE, KeyUsage::with)
    };
    let usages = KeyUsages { rsa: usage("rsa"), ec: usage("ec"), ed25519: usage("ed25519") };
    fields.end(flaws);
    usages
}

/// The fields of an object that are left to be read, and where it stands.
struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    const fn top(left: Map<String, Value>) -> Self {
        Self { path: String::new(), left }
    }

    fn path_of(&self, field: &str) -> String {
        let field: String = field.chars().filter(|c| !c.is_control()).take(60).collect();
        if self.path.is_empty() { field } else { format!("{}.{field}", self.path) }
    }

    fn wrong(&self, field: &str, found: &Value, expected: impl Into<String>) -> ProfileFlaw {
        let found = match found {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::String(text) => {
                format!("`{}`", text.chars().filter(|c| !c.is_control()).take(60).collect::<String>())
            }
            other => other.to_string(),
        };
        ProfileFlaw::Value { field: self.path_of(field), found, expected: expected.into() }
    }

    /// Whatever is left is no field.
    fn end(self, flaws: &mut Vec<ProfileFlaw>) {
        for field in self.left.keys() {
            let of_cas = OF_CAS.contains(&field.as_str());
            let field = self.path_of(field);
            flaws.push(if of_cas { ProfileFlaw::CaBits { field } } else { ProfileFlaw::UnknownField { field } });
        }
    }

    fn name(&mut self, flaws: &mut Vec<ProfileFlaw>) -> ProfileName {
        // It stands for a name that could not be read.
        let stand_in = || ProfileName::from(Profile::Client);
        match self.left.remove("name") {
            Some(Value::String(text)) => match text.parse::<Profile>() {
                Ok(profile) => {
                    flaws.push(ProfileFlaw::BuiltIn { name: profile.into() });
                    stand_in()
                }
                Err(_) => CustomName::parse(&text).map(ProfileName::Custom).unwrap_or_else(|_| {
                    let expected = "1 to 32 lower-case letters and digits, with single hyphens between, are expected";
                    flaws.push(self.wrong("name", &Value::String(text), expected));
                    stand_in()
                }),
            },
            Some(other) => {
                flaws.push(self.wrong("name", &other, "a name such as vpn-gateway is expected"));
                stand_in()
            }
            None => {
                let expected = "a name such as vpn-gateway is expected".into();
                flaws.push(ProfileFlaw::Missing { field: "name".into(), expected });
                stand_in()
            }
        }
    }

    /// An object, or nothing if it is absent or null.
    fn given(&mut self, field: &str, flaws: &mut Vec<ProfileFlaw>) -> Option<Self> {
        match self.left.remove(field)? {
            Value::Null => None,
            Value::Object(left) => Some(Self { path: self.path_of(field), left }),
            other => {
                flaws.push(self.wrong(field, &other, "an object is expected"));
                None
            }
        }
    }

    /// An object; empty if it is absent.
    fn object(&mut self, field: &str, flaws: &mut Vec<ProfileFlaw>) -> Self {
        let path = self.path_of(field);
        self.given(field, flaws).unwrap_or(Self { path, left: Map::new() })
    }

    /// An object that must be there.
    fn required(&mut self, field: &str, expected: &str, flaws: &mut Vec<ProfileFlaw>) -> Self {
        if !self.left.contains_key(field) {
            flaws
                .push(ProfileFlaw::Missing { field: self.path_of(field), expected: format!("{expected} is expected") });
        }
        self.object(field, flaws)
    }

    fn text(&mut self, field: &str, flaws: &mut Vec<ProfileFlaw>) -> Option<String> {
        match self.left.remove(field)? {
            Value::String(text) => Some(text),
            other => {
                flaws.push(self.wrong(field, &other, "text is expected"));
                None
            }
        }
    }

    fn flag(&mut self, field: &str, flaws: &mut Vec<ProfileFlaw>) -> bool {
        match self.left.remove(field) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                flaws.push(self.wrong(field, &other, "true or false is expected"));
                false
            }
        }
    }

    fn word<T: Copy>(&mut self, field: &str, words: &[(&str, T)], flaws: &mut Vec<ProfileFlaw>) -> Option<T> {
        let value = self.left.remove(field)?;
        let found = value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            flaws.push(self.wrong(field, &value, format!("one of {} is expected", words.join(", "))));
        }
        found.map(|(_, value)| *value)
    }

    /// A number of days; nothing if it is absent or null.
    fn number(&mut self, field: &str, flaws: &mut Vec<ProfileFlaw>) -> Option<u32> {
        let value = self.left.remove(field).filter(|value| !value.is_null())?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            flaws.push(self.wrong(field, &value, "a whole number of days from 1 on is expected"));
        }
        number
    }

    /// A number of names.
    fn count(&mut self, field: &str, absent: u8, flaws: &mut Vec<ProfileFlaw>) -> u8 {
        let Some(value) = self.left.remove(field) else { return absent };
        let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
        number.unwrap_or_else(|| {
            flaws.push(self.wrong(field, &value, "a whole number of names from 0 to 100 is expected"));
            absent
        })
    }

    fn list<T>(
        &mut self,
        field: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
        flaws: &mut Vec<ProfileFlaw>,
    ) -> Vec<T> {
        let list = match self.left.remove(field) {
            None => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => {
                flaws.push(self.wrong(field, &other, "a list is expected"));
                return Vec::new();
            }
        };
        let mut read_values = Vec::with_capacity(list.len().min(64));
        for value in list {
            match value.as_str().and_then(&read) {
                Some(value) => read_values.push(value),
                None => flaws.push(self.wrong(field, &value, format!("{expected} is expected"))),
            }
        }
        read_values
    }
}
