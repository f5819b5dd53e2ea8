//! Typed ids: short, derived from the commit that introduces the thing, so that a repeat names it again.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::log::{CommitId, is_short_id, short_id};

/// Text that is no id of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of {thing}: `{prefix}_` and 16 characters of a-z and 2-7 are expected")]
pub struct IdError {
    /// What was given, cut to 80 characters.
    pub text: String,
    /// What was expected, such as `a certificate authority`.
    pub thing: &'static str,
    /// The prefix of such ids.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $thing:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The `ordinal`-th id of this type that the commit introduces.
            #[must_use]
            pub fn derive(commit: &CommitId, ordinal: u32) -> Self {
                Self(short_id($prefix, commit, ordinal).into())
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_short_id($prefix, text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { text: text.chars().take(80).collect(), thing: $thing, prefix: $prefix })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().into()
            }
        }
    };
}

id! {
    /// A certificate authority, over all its generations: `ca_…`.
    CaId, "ca", "a certificate authority"
}
id! {
    /// An order: `ord_…`.
    OrderId, "ord", "an order"
}
id! {
    /// A lot of quota (rule Q3): `lot_…`.
    LotId, "lot", "a lot of quota"
}
