//! DNS names as certificates carry them (rule I4): A-labels of letters, digits and hyphens, perhaps a wildcard.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::san::cut;

/// How far a wildcard may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wildcards {
    /// `*` with at least two labels after it.
    Narrow,
    /// `*` with at least one label after it (`policy.wide_wildcards`).
    Wide,
}

/// A DNS name in lower case, without a trailing dot; its left-most label may be `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

impl DnsName {
    /// The most characters of a name.
    pub const MAX_LEN: usize = 253;
    /// The most characters of a label.
    pub const MAX_LABEL: usize = 63;

    /// Reads a name (rule I4). Upper-case letters become lower-case ones.
    ///
    /// # Errors
    /// [`DnsNameError`] saying what is wrong and what would be right.
    pub fn parse(text: &str, wildcards: Wildcards) -> Result<Self, DnsNameError> {
        let bad = |what| DnsNameError { name: cut(text), what };
        if text.is_empty() {
            return Err(bad(DnsNameProblem::Empty));
        }
        if !text.is_ascii() {
            return Err(bad(DnsNameProblem::NotAscii));
        }
        if text.len() > Self::MAX_LEN {
            return Err(bad(DnsNameProblem::TooLong { characters: text.len() }));
        }
        if text.ends_with('.') {
            return Err(bad(DnsNameProblem::TrailingDot));
        }
        let (wildcard, host) = match text.split_once('.') {
            Some(("*", rest)) => (true, rest),
            _ => (false, text),
        };
        if host.contains('*') {
            return Err(bad(DnsNameProblem::WildcardPlace));
        }
        let mut labels = 0_usize;
        for label in host.split('.') {
            labels += 1;
            check_label(label).map_err(bad)?;
        }
        let needed = match wildcards {
            Wildcards::Narrow => 2,
            Wildcards::Wide => 1,
        };
        if wildcard && labels < needed {
            return Err(bad(DnsNameProblem::WildcardTooWide));
        }
        if host.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit())) {
            return Err(bad(DnsNameProblem::LooksLikeAddress));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the left-most label is `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// The name without the wildcard's label.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DnsName {
    type Error = DnsNameError;

    fn try_from(text: String) -> Result<Self, DnsNameError> {
        Self::parse(&text, Wildcards::Wide)
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0
    }
}

/// Text that is no DNS name for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("`{name}` is not a DNS name for a certificate: {what}")]
pub struct DnsNameError {
    /// What was given, cut to 100 characters.
    pub name: String,
    /// What is wrong with it.
    pub what: DnsNameProblem,
}

/// What is wrong with a DNS name, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DnsNameProblem {
    /// Nothing.
    #[error("it is empty; a name such as host.example is expected")]
    Empty,
    /// Characters beyond ASCII.
    #[error("only ASCII is allowed; write international labels as A-labels (xn--…)")]
    NotAscii,
    /// More than 253 characters.
    #[error("it has {characters} characters; at most 253 are allowed")]
    TooLong {
        /// How many.
        characters: usize,
    },
    /// A dot at the end.
    #[error("it ends with a dot; leave the last dot out")]
    TrailingDot,
    /// A label without characters.
    #[error("a label is empty; single dots stand between labels")]
    EmptyLabel,
    /// A label of more than 63 characters.
    #[error("the label `{label}` has {characters} characters; at most 63 are allowed")]
    LabelTooLong {
        /// The label, cut to 100 characters.
        label: String,
        /// How many characters it has.
        characters: usize,
    },
    /// A label with a character that is no letter, digit or hyphen.
    #[error("the label `{label}` may have only letters, digits and hyphens, and no hyphen at its ends")]
    Label {
        /// The label, cut to 100 characters.
        label: String,
    },
    /// `xn--` before something that is no Punycode (RFC 3492).
    #[error("the label `{label}` begins with xn-- but is no A-label")]
    FakeALabel {
        /// The label.
        label: String,
    },
    /// A star elsewhere than as the whole left-most label.
    #[error("`*` may only be the whole left-most label, as in *.host.example")]
    WildcardPlace,
    /// A wildcard with too few labels after it.
    #[error("after `*` at least two labels are needed, as in *.host.example, unless the policy allows wide wildcards")]
    WildcardTooWide,
    /// The last label has digits only.
    #[error("the last label has only digits, so it reads as an IP address; ask for it as one")]
    LooksLikeAddress,
}

/// Whether text reads like a DNS name of at least two labels, however wrong in other ways.
pub(crate) fn looks_like_dns_name(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let host = host.strip_suffix('.').unwrap_or(host);
    host.contains('.')
        && host.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        })
}

fn check_label(label: &str) -> Result<(), DnsNameProblem> {
    if label.is_empty() {
        return Err(DnsNameProblem::EmptyLabel);
    }
    if label.len() > DnsName::MAX_LABEL {
        return Err(DnsNameProblem::LabelTooLong { label: cut(label), characters: label.len() });
    }
    let ldh = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !ldh || label.starts_with('-') || label.ends_with('-') {
        return Err(DnsNameProblem::Label { label: cut(label) });
    }
    let lower = label.to_ascii_lowercase();
    match lower.strip_prefix("xn--") {
        Some(encoded) if !is_punycode(encoded) => Err(DnsNameProblem::FakeALabel { label: label.into() }),
        _ => Ok(()),
    }
}

/// Whether RFC 3492 decodes the text, to at least one character beyond ASCII.
fn is_punycode(text: &str) -> bool {
    const BASE: u32 = 36;
    let (basic, extended) = text.rsplit_once('-').unwrap_or(("", text));
    if extended.is_empty() {
        return false;
    }
    let mut length = u32::try_from(basic.len()).unwrap_or(u32::MAX);
    let (mut n, mut i, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = extended.bytes();
    let mut first = true;
    while digits.len() > 0 {
        let before = i;
        let mut weight = 1_u32;
        let mut k = BASE;
        loop {
            let digit = match digits.next() {
                Some(octet @ b'a'..=b'z') => u32::from(octet - b'a'),
                Some(octet @ b'0'..=b'9') => u32::from(octet - b'0') + 26,
                _ => return false,
            };
            let Some(next) = digit.checked_mul(weight).and_then(|step| i.checked_add(step)) else { return false };
            i = next;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            let Some(next) = weight.checked_mul(BASE - threshold) else { return false };
            weight = next;
            k += BASE;
        }
        length += 1;
        bias = adapt(i - before, length, first);
        first = false;
        let Some(next) = n.checked_add(i / length) else { return false };
        n = next;
        i %= length;
        if char::from_u32(n).is_none() {
            return false;
        }
        i += 1;
    }
    true
}

fn adapt(delta: u32, length: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / length;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(text: &str, wildcards: Wildcards) -> Option<DnsNameProblem> {
        DnsName::parse(text, wildcards).err().map(|error| error.what)
    }

    #[test]
    fn i4_names_that_are_right() {
        for right in [
            "localhost",
            "a.example",
            "*.host.example",
            "xn--mnchen-3ya.example",
            "xn--fiqs8s",
            "3com.example",
            "a--b.example",
            &format!("{}.example", "a".repeat(63)),
        ] {
            assert_eq!(problem(right, Wildcards::Narrow), None, "{right}");
        }
        assert_eq!(DnsName::parse("OA.Example", Wildcards::Narrow).unwrap().as_str(), "oa.example");
        assert_eq!(problem("*.example", Wildcards::Wide), None);
    }

    #[test]
    fn i4_names_that_are_wrong_say_why() {
        use DnsNameProblem as P;
        let long = "a.".repeat(127);
        for (wrong, expected) in [
            ("", P::Empty),
            ("münchen.example", P::NotAscii),
            (&format!("{long}example"), P::TooLong { characters: 261 }),
            ("a.example.", P::TrailingDot),
            (".", P::TrailingDot),
            ("a..example", P::EmptyLabel),
            (".example", P::EmptyLabel),
            ("a_b.example", P::Label { label: "a_b".into() }),
            ("-a.example", P::Label { label: "-a".into() }),
            ("a-.example", P::Label { label: "a-".into() }),
            ("a b.example", P::Label { label: "a b".into() }),
            ("xn--.example", P::Label { label: "xn--".into() }),
            ("xn--a-.example", P::Label { label: "xn--a-".into() }),
            ("xn--99999999.example", P::FakeALabel { label: "xn--99999999".into() }),
            ("*", P::WildcardPlace),
            ("a.*.example", P::WildcardPlace),
            ("a*.host.example", P::WildcardPlace),
            ("*.*.example", P::WildcardPlace),
            ("*.example", P::WildcardTooWide),
            ("10.0.0.1", P::LooksLikeAddress),
        ] {
            assert_eq!(problem(wrong, Wildcards::Narrow), Some(expected), "{wrong}");
        }
        let label = "a".repeat(64);
        assert_eq!(problem(&label, Wildcards::Narrow), Some(P::LabelTooLong { label: label.clone(), characters: 64 }));
    }
}
