//! Name constraints as they are asked for, and what the rules say to them (rule C6).

use serde::Serialize;

use crate::domain::CaId;
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::x509::{NameConstraints, NameKind, Subtree, SubtreeError};

const C6: Rule = Rule::new("C6");

/// The names under which an intermediate may issue, as they are asked for (rule C6). Where anything is permitted, names of
/// the kinds that are not mentioned are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "RFC 5280 has these two lists")]
pub struct ConstraintRequest {
    /// What is permitted.
    pub permitted: Vec<SubtreeRequest>,
    /// What is excluded.
    pub excluded: Vec<SubtreeRequest>,
}

/// A subtree of names as it is asked for, not judged yet: what is wrong with it is a refusal, no error of reading. What can
/// be written is told at [`Subtree::parse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SubtreeRequest {
    /// A DNS name and all below it: `oa.example`.
    Dns(String),
    /// A mailbox, a mail host, or the hosts below a domain: `ada@oa.example`, `oa.example`, `.oa.example`.
    Email(String),
    /// A network: `10.0.0.0/8`.
    Ip(String),
    /// The host of URIs, or the hosts below a domain: `oa.example`, `.oa.example`.
    Uri(String),
    /// The beginning of a subject: `O=Example,C=DE`.
    Directory(String),
}

impl SubtreeRequest {
    /// Reads the subtree.
    ///
    /// # Errors
    /// [`SubtreeError`] saying what is wrong and what would be right.
    pub fn parse(&self) -> Result<Subtree, SubtreeError> {
        match self {
            Self::Dns(text) => Subtree::parse(NameKind::Dns, text),
            Self::Email(text) => Subtree::parse(NameKind::Email, text),
            Self::Ip(text) => Subtree::parse(NameKind::Ip, text),
            Self::Uri(text) => Subtree::parse(NameKind::Uri, text),
            Self::Directory(text) => Subtree::parse(NameKind::Directory, text),
        }
    }
}

impl ConstraintRequest {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// The constraints as they will be written, if any were asked for and nothing speaks against them.
    pub(super) fn check(&self, id: &CaId, is_root: bool, objections: &mut Objections) -> Option<NameConstraints> {
        if self.is_empty() {
            return None;
        }
        objections.require(!is_root, || {
            let text = format!(
                "{id} is a root, and relying parties need not read the name constraints of a trust anchor (RFC 5280 section 6.1.1); set them on its intermediates"
            );
            BrokenRule::new(C6, "root-constraints", text)
        });
        let mut readable = true;
        let mut read = |list: &[SubtreeRequest]| -> Vec<Subtree> {
            let mut subtrees = Vec::with_capacity(list.len());
            // More than a hundred are refused below; their words need not all be told.
            for request in list.iter().take(crate::x509::MAX_SUBTREES + 1) {
                match request.parse() {
                    Ok(subtree) => subtrees.push(subtree),
                    Err(error) => {
                        readable = false;
                        objections.add(BrokenRule::new(C6, "name-constraint", error.to_string()));
                    }
                }
            }
            subtrees
        };
        let (permitted, excluded) = (read(&self.permitted), read(&self.excluded));
        if !readable {
            return None;
        }
        match NameConstraints::new(permitted, excluded) {
            Ok(constraints) => Some(constraints),
            Err(errors) => {
                let broken = |error: &crate::x509::ConstraintsError| {
                    BrokenRule::new(Rule::new(error.rule()), "name-constraint", error.to_string())
                };
                objections.extend(errors.iter().map(broken));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
