//! One line of a bulk: a request as JSON.

use std::io::{BufRead, Read as _};
use std::path::Path;

use base64ct::{Base64, Encoding as _};
use pca_core::domain::certificate::{IssueCertificate, KeySource, NameRequest};
use pca_core::domain::event::Holder;
use pca_core::domain::{BrokenRule, CaId, Rule};
use pca_core::x509::{MAX_CERTIFICATE, Profile, ProfileName, SubjectFields};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::args::{AlgorithmWord, Number};
use crate::file;
use crate::gate::Gate;
use crate::issue::{csr_key, platform_key};

/// The longest line that is read (rule G4).
pub const LONGEST: usize = 64 * 1024;

const I8: Rule = Rule::new("I8");
const G4: Rule = Rule::new("G4");

/// A line as it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Text {
    /// Its octets, without the end of the line.
    Whole(Vec<u8>),
    /// It was longer than is read.
    TooLong(u64),
}

impl Text {
    /// How many octets it took in the file.
    pub fn octets(&self) -> u64 {
        match self {
            Self::Whole(octets) => u64::try_from(octets.len()).unwrap_or(u64::MAX).saturating_add(1),
            Self::TooLong(length) => length.saturating_add(1),
        }
    }
}

/// A request, and what its line broke.
pub struct Line {
    /// What is asked for, as far as it could be read.
    pub request: IssueCertificate,
    /// What the line broke.
    pub gate: Gate,
    /// Whether enough could be read for the rules to judge it; else there is nothing to tell but what the line broke.
    pub readable: bool,
}

/// Reads a line; of one that is too long only its length.
pub fn read(reader: &mut dyn BufRead) -> std::io::Result<Option<Text>> {
    let mut line = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut length = reader.take(most).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Text::Whole(line)));
    }
    if line.len() <= LONGEST {
        return Ok(Some(Text::Whole(line)));
    }
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|octet| *octet == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        length += end.unwrap_or(used);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(Some(Text::TooLong(u64::try_from(length).unwrap_or(u64::MAX))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object such as {\"kind\":\"server\",\"dns\":[\"a.example.com\"]}")]
struct Request {
    kind: Option<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    ip: Vec<String>,
    #[serde(default)]
    email: Vec<String>,
    #[serde(default)]
    uri: Vec<String>,
    cn: Option<String>,
    o: Option<String>,
    ou: Option<String>,
    c: Option<String>,
    st: Option<String>,
    l: Option<String>,
    algorithm: Option<String>,
    csr: Option<String>,
    days: Option<serde_json::Number>,
    #[serde(default)]
    clamp: bool,
    holder: Option<String>,
    contact: Option<String>,
    #[serde(default)]
    labels: Labels,
}

/// Labels as they stand in the line: one that is given twice is left to the rules.
#[derive(Default)]
struct Labels(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut labels = Vec::new();
        while let Some(label) = map.next_entry()? {
            labels.push(label);
        }
        Ok(Labels(labels))
    }
}

/// Understands a line; an empty one is none.
pub fn parse(text: &Text, ca: &CaId) -> Option<Line> {
    let mut gate = Gate::new();
    // Nothing more is to be said of a line that cannot be read, so that what stands for it breaks no further rule.
    let empty = || IssueCertificate::server(ca.clone(), ["a.example.com"]);
    let octets = match text {
        Text::Whole(octets) if octets.trim_ascii().is_empty() => return None,
        Text::Whole(octets) => octets,
        Text::TooLong(length) => {
            let text = format!("the line has {length} octets; at most {LONGEST} are read");
            gate.refuse(BrokenRule::new(G4, "line-too-long", text));
            return Some(Line { request: empty(), gate, readable: false });
        }
    };
    // A structure would be read from an array, too, by the order of its fields.
    if octets.trim_ascii_start().first() == Some(&b'[') {
        gate.refuse(BrokenRule::new(I8, "line-malformed", "the line is an array; a request is an object"));
        return Some(Line { request: empty(), gate, readable: false });
    }
    match serde_json::from_slice::<Request>(octets) {
        Ok(request) => {
            let profile = profile(request.kind.as_deref(), &mut gate);
            let request = understand(request, profile.unwrap_or_else(|| Profile::Server.into()), ca, &mut gate);
            Some(Line { request, gate, readable: profile.is_some() })
        }
        Err(error) => {
            // The error counts lines of its own, of which there is one.
            let told = error.to_string();
            let told = told.split(" at line ").next().unwrap_or(&told);
            let text = format!("the line is no request: {told} (column {})", error.column());
            gate.refuse(BrokenRule::new(I8, "line-malformed", text));
            Some(Line { request: empty(), gate, readable: false })
        }
    }
}

/// The profile that a line names; without one, the rules cannot tell what is to be asked of the names.
fn profile(kind: Option<&str>, gate: &mut Gate) -> Option<ProfileName> {
    let Some(kind) = kind else {
        let known = Profile::ALL.map(Profile::name).join(", ");
        let text = format!("the line names no `kind` of certificate; there are {known}, and profiles of one's own");
        gate.refuse(BrokenRule::new(I8, "line-malformed", text));
        return None;
    };
    Some(gate.profile(kind))
}

fn understand(asked: Request, profile: ProfileName, ca: &CaId, gate: &mut Gate) -> IssueCertificate {
    let mut subject = SubjectFields::default();
    subject.common_name = asked.cn;
    subject.organization = asked.o;
    subject.organizational_unit = asked.ou;
    subject.country = asked.c;
    subject.state = asked.st;
    subject.locality = asked.l;
    let mut request = IssueCertificate::of(ca.clone(), profile, subject);
    request.names.extend(asked.dns.into_iter().map(NameRequest::dns));
    request.names.extend(asked.ip.into_iter().map(NameRequest::ip));
    request.names.extend(asked.email.into_iter().map(NameRequest::email));
    request.names.extend(asked.uri.into_iter().map(NameRequest::uri));
    request.key = key(asked.csr.as_deref(), asked.algorithm.as_deref(), gate);
    request.days = asked.days.and_then(|days| match days.to_string().parse::<Number>() {
        Ok(days) => Some(gate.small(&days, "days of validity", "C5")),
        Err(error) => {
            gate.refuse(BrokenRule::new(Rule::new("C5"), "validity", format!("days: {error}")));
            None
        }
    });
    request.clamp = asked.clamp;
    request.holder = Holder { name: asked.holder, contact: asked.contact, labels: asked.labels.0 };
    request
}

fn key(csr: Option<&str>, algorithm: Option<&str>, gate: &mut Gate) -> KeySource {
    let Some(csr) = csr else {
        let word = algorithm.map(str::parse::<AlgorithmWord>).transpose();
        return match word {
            Ok(word) => platform_key(gate, word.as_ref()),
            Err(error) => {
                gate.refuse(BrokenRule::new(Rule::new("O3"), "unknown-algorithm", error));
                KeySource::Platform(None)
            }
        };
    };
    if algorithm.is_some() {
        let text = "a request names both `csr` and `algorithm`; a signing request brings its own key";
        gate.refuse(BrokenRule::new(Rule::new("I3"), "csr-and-algorithm", text));
    }
    if csr.contains("-----BEGIN") {
        return csr_key(gate, csr.as_bytes());
    }
    if let Ok(der) = Base64::decode_vec(csr.trim()) {
        return csr_key(gate, &der);
    }
    match file::limited(Path::new(csr), MAX_CERTIFICATE) {
        Ok(octets) => csr_key(gate, &octets),
        Err(_) => {
            let text = "`csr` is neither PEM nor base 64 of DER nor the name of a file that can be read";
            gate.refuse(BrokenRule::new(Rule::new("I3"), "csr-malformed", text));
            KeySource::Platform(None)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ca() -> CaId {
        "ca_aaaaaaaaaaaaaaaa".parse().unwrap()
    }

    fn rules(text: &str) -> Vec<&'static str> {
        let line = parse(&Text::Whole(text.into()), &ca()).unwrap();
        line.gate.reasons(&[]).iter().map(|broken| broken.rule().number()).collect()
    }

    #[test]
    fn lines_are_read_whole_or_only_measured() {
        let long = "x".repeat(LONGEST + 5);
        let exact = "y".repeat(LONGEST);
        let text = format!("one\n\n{long}\n{exact}\nlast");
        let mut reader = std::io::BufReader::with_capacity(100, text.as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = read(&mut reader).unwrap() {
            lines.push(line);
        }
        let whole = |text: &str| Text::Whole(text.into());
        let long = u64::try_from(LONGEST + 5).unwrap();
        assert_eq!(lines, [whole("one"), whole(""), Text::TooLong(long), whole(&exact), whole("last")]);
    }

    #[test]
    fn a_request_is_understood() {
        let text = r#"{"kind":"server","dns":["a.example"],"ip":["10.0.0.1"],"days":3,"labels":{"k":"v"}}"#;
        let line = parse(&Text::Whole(text.into()), &ca()).unwrap();
        assert!(line.gate.is_open());
        assert_eq!((line.request.names.len(), line.request.days), (2, Some(3)));
        assert!(parse(&Text::Whole(b"  ".to_vec()), &ca()).is_none());
        let twice = r#"{"kind":"server","dns":["a.example"],"labels":{"k":"v","k":"w"}}"#;
        assert_eq!(parse(&Text::Whole(twice.into()), &ca()).unwrap().request.holder.labels.len(), 2);
    }

    #[test]
    fn what_is_no_request_breaks_a_rule() {
        assert_eq!(rules("nonsense"), ["I8"]);
        assert_eq!(rules(r#"{"kind":"server","shoe":1}"#), ["I8"]);
        assert_eq!(rules(" []"), ["I8"]);
        let array =
            r#"["server",["a.example"],[],[],[],null,null,null,null,null,null,null,null,null,false,null,null,{}]"#;
        assert_eq!(rules(array), ["I8"]);
        assert_eq!(rules(r#"{"dns":["a.example"]}"#), ["I8"]);
        assert_eq!(rules(r#"{"kind":"Pony"}"#), ["I2"]);
        assert!(rules(r#"{"kind":"pony"}"#).is_empty(), "whether it was adopted is for the rules to say");
        assert_eq!(rules(r#"{"kind":"server","algorithm":"rsa-1024"}"#), ["O3"]);
        assert_eq!(rules(r#"{"kind":"server","algorithm":"wood"}"#), ["O3"]);
        assert_eq!(rules(r#"{"kind":"server","days":-1}"#), ["C5"]);
        assert_eq!(rules(r#"{"kind":"server","days":1.5,"csr":"/nowhere"}"#), ["I3", "C5"]);
        let mut all = rules(r#"{"kind":"a pony","algorithm":"wood","csr":"-----BEGIN nothing"}"#);
        all.sort_unstable();
        assert_eq!(all, ["I2", "I3", "I3"]);
    }
}
