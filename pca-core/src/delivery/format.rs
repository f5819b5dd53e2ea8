//! The formats of a download by the names that people use.

use core::fmt;
use core::str::FromStr;

use crate::domain::{BrokenRule, Rule};

/// In what form a certificate is downloaded (rule A1).
///
/// ```
/// use pca_core::delivery::{Format, FormatError};
///
/// assert_eq!("nginx".parse(), Ok(Format::Nginx));
/// assert_eq!("tomcat".parse::<Format>(), Err(FormatError::NotYetSupported { name: "tomcat" }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Certificate and intermediates as PEM (RFC 7468).
    Pem,
    /// Each certificate as DER in a file of its own.
    Der,
    /// The private key alone, as encrypted PKCS#8 in PEM (RFC 5958, RFC 8018).
    Pkcs8,
    /// Key and chain in one file under one passphrase (RFC 7292).
    Pkcs12,
    /// A package for the web server nginx.
    Nginx,
    /// A package for browsers and the certificate stores of operating systems.
    Browser,
}

impl Format {
    /// Every format, in the order of the command line's page.
    pub const ALL: [Self; 6] = [Self::Pem, Self::Der, Self::Pkcs8, Self::Pkcs12, Self::Nginx, Self::Browser];

    /// The formats that are planned and refused until they come.
    const PLANNED: [&'static str; 6] = ["pkcs7", "jks", "apache", "tomcat", "iis", "haproxy"];

    /// The name on the command line and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Der => "der",
            Self::Pkcs8 => "pkcs8",
            Self::Pkcs12 => "pkcs12",
            Self::Nginx => "nginx",
            Self::Browser => "browser",
        }
    }

    /// Whether the format is about a private key and makes no sense for a holder's certificate without it.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        matches!(self, Self::Pkcs8 | Self::Pkcs12)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(format) = Self::ALL.into_iter().find(|format| format.name() == name) {
            return Ok(format);
        }
        Err(match Self::PLANNED.into_iter().find(|planned| *planned == name) {
            Some(name) => FormatError::NotYetSupported { name },
            None => FormatError::Unknown { name: name.into() },
        })
    }
}

/// A name that is no format of a download.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The format is known but not yet supported.
    #[error("downloads as `{name}` are not yet supported; take pem, der, pkcs8, pkcs12, nginx or browser")]
    NotYetSupported {
        /// Which format.
        name: &'static str,
    },
    /// There is no such format.
    #[error("`{name}` is no format of a download; known are pem, der, pkcs8, pkcs12, nginx and browser")]
    Unknown {
        /// What was given.
        name: String,
    },
}

impl FormatError {
    /// The business rule that stands behind the refusal.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "A1"
    }

    /// A short name that programs can compare.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotYetSupported { .. } => "format-not-yet-supported",
            Self::Unknown { .. } => "format-unknown",
        }
    }
}

impl From<FormatError> for BrokenRule {
    fn from(error: FormatError) -> Self {
        Self::new(Rule::new(error.rule()), error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_parses_from_its_name() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn planned_formats_are_told_from_unknown_ones() {
        for name in ["pkcs7", "jks", "apache", "tomcat", "iis", "haproxy"] {
            assert_eq!(name.parse::<Format>(), Err(FormatError::NotYetSupported { name }));
        }
        assert_eq!("PEM".parse::<Format>(), Err(FormatError::Unknown { name: "PEM".into() }));
        assert_eq!("".parse::<Format>().map_err(|error| error.rule()), Err("A1"));
    }
}
