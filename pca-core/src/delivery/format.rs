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
/// assert_eq!("stone".parse::<Format>(), Err(FormatError::Unknown { name: "stone".into() }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// Certificate and intermediates as PEM (RFC 7468).
    Pem,
    /// Each certificate as DER in a file of its own.
    Der,
    /// Certificate, intermediates and root in one file of DER: `SignedData` without signers (RFC 5652 section 5.1).
    Pkcs7,
    /// The private key alone, as encrypted PKCS#8 in PEM (RFC 5958, RFC 8018).
    Pkcs8,
    /// Key and chain in one file under one passphrase (RFC 7292).
    Pkcs12,
    /// Java's own key store; a legacy.
    Jks,
    /// A package for the web server nginx.
    Nginx,
    /// A package for Apache's web server.
    Apache,
    /// A package for Apache Tomcat, and other servers written in Java.
    Tomcat,
    /// A package for Microsoft's Internet Information Services.
    Iis,
    /// A package for HAProxy.
    Haproxy,
    /// A package for browsers and the certificate stores of operating systems.
    Browser,
}

impl Format {
    /// Every format, in the order of the command line's page.
    pub const ALL: [Self; 12] = [
        Self::Pem,
        Self::Der,
        Self::Pkcs7,
        Self::Pkcs8,
        Self::Pkcs12,
        Self::Jks,
        Self::Nginx,
        Self::Apache,
        Self::Tomcat,
        Self::Iis,
        Self::Haproxy,
        Self::Browser,
    ];

    /// The name on the command line and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pem => "pem",
            Self::Der => "der",
            Self::Pkcs7 => "pkcs7",
            Self::Pkcs8 => "pkcs8",
            Self::Pkcs12 => "pkcs12",
            Self::Jks => "jks",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Tomcat => "tomcat",
            Self::Iis => "iis",
            Self::Haproxy => "haproxy",
            Self::Browser => "browser",
        }
    }

    /// Whether the format is about a private key and makes no sense for a holder's certificate without it.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        matches!(self, Self::Pkcs8 | Self::Pkcs12 | Self::Jks)
    }

    /// Whether a key in it lies in a key store (PKCS#12 or JKS), which is always encrypted, under a passphrase of ASCII
    /// (rules K4 and K5).
    #[must_use]
    pub const fn is_key_store(self) -> bool {
        matches!(self, Self::Pkcs12 | Self::Jks | Self::Tomcat | Self::Iis | Self::Browser)
    }

    /// Whether it is a directory made ready for one program, with a note on how to install it.
    #[must_use]
    pub const fn is_package(self) -> bool {
        matches!(self, Self::Nginx | Self::Apache | Self::Tomcat | Self::Iis | Self::Haproxy | Self::Browser)
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
        Err(FormatError::Unknown { name: name.into() })
    }
}

/// A name that is no format of a download.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// There is no such format.
    #[error(
        "`{name}` is no format of a download; known are pem, der, pkcs7, pkcs8, pkcs12, jks, nginx, apache, tomcat, iis, \
         haproxy and browser"
    )]
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
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn every_format_parses_from_its_name() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn what_is_no_format_is_told_all_there_are() {
        for name in ["PEM", "", "pkcs", "pem "] {
            let error = name.parse::<Format>().map_err(|error| (error.rule(), error.code(), error.to_string()));
            let Err(("A1", "format-unknown", said)) = error else { panic!("{name}: {error:?}") };
            assert!(Format::ALL.iter().all(|format| said.contains(format.name())), "{said}");
        }
    }
}
