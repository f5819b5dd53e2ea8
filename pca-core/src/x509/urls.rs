//! Where relying parties find what an issuer publishes (RFC 5280 sections 4.2.1.13 and 4.2.2.1).

use core::fmt;

use serde::{Deserialize, Serialize};

use super::address::{Uri, UriProblem};
use super::der::{Writer, tag};
use super::extension::write_extension;
use super::oid;
use super::san::{NameError, cut};

/// An `http:` URL, as CRL distribution points and authority information access carry it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`HttpUrlError`] if it is no URI with a host or its scheme is not `http`: fetching a CRL over TLS would need the
    /// very check that the CRL is fetched for.
    pub fn parse(text: &str) -> Result<Self, HttpUrlError> {
        let uri = Uri::parse(text)?;
        if uri.scheme().eq_ignore_ascii_case("http") {
            Ok(Self(uri))
        } else {
            Err(HttpUrlError::Scheme { url: cut(text) })
        }
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, HttpUrlError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = HttpUrlError;

    fn try_from(text: String) -> Result<Self, HttpUrlError> {
        Self::parse(&text)
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.0.into()
    }
}

/// Why text is no [`HttpUrl`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HttpUrlError {
    /// No URI with a host.
    #[error(transparent)]
    Uri(#[from] NameError),
    /// Another scheme.
    #[error("`{url}` does not begin with http://; only that scheme goes into certificates")]
    Scheme {
        /// What was given, cut to 100 characters.
        url: String,
    },
}

impl HttpUrlError {
    /// Whether the text was wrong as a URI, and how.
    #[must_use]
    pub const fn uri_problem(&self) -> Option<UriProblem> {
        match self {
            Self::Uri(NameError::Uri { what, .. }) => Some(*what),
            _ => None,
        }
    }
}

/// Where relying parties find what an issuer publishes; goes into the certificates that it issues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorityUrls {
    /// The CRL distribution point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl: Option<HttpUrl>,
    /// The OCSP responder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ocsp: Option<HttpUrl>,
    /// The issuer's own certificate (`caIssuers`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<HttpUrl>,
}

/// Writes CRL distribution points and authority information access.
pub(crate) fn write_authority_urls(writer: &mut Writer, urls: &AuthorityUrls) {
    if let Some(crl) = &urls.crl {
        write_crl_distribution_point(writer, crl.as_str());
    }
    write_authority_information_access(writer, urls);
}

/// Writes CRL distribution points with one point.
pub(crate) fn write_crl_distribution_point(writer: &mut Writer, url: &str) {
    write_extension(writer, &oid::CRL_DISTRIBUTION_POINTS, false, |w| {
        w.nested(tag::SEQUENCE, |w| w.nested(tag::SEQUENCE, |w| write_distribution_point_name(w, [url])));
    });
}

/// Writes the `distributionPoint` field of a distribution point: full names (RFC 5280 section 4.2.1.13).
pub(crate) fn write_distribution_point_name<'u>(writer: &mut Writer, urls: impl IntoIterator<Item = &'u str>) {
    writer.nested(tag::context_constructed(0), |w| {
        w.nested(tag::context_constructed(0), |w| {
            urls.into_iter().for_each(|url| w.value(tag::context(6), url.as_bytes()));
        });
    });
}

pub(crate) fn write_authority_information_access(writer: &mut Writer, urls: &AuthorityUrls) {
    if urls.ocsp.is_some() || urls.issuer.is_some() {
        write_extension(writer, &oid::AUTHORITY_INFO_ACCESS, false, |w| {
            w.nested(tag::SEQUENCE, |w| {
                for (method, url) in [(oid::OCSP, &urls.ocsp), (oid::CA_ISSUERS, &urls.issuer)] {
                    if let Some(url) = url {
                        w.nested(tag::SEQUENCE, |w| {
                            w.oid(&method);
                            w.value(tag::context(6), url.as_str().as_bytes());
                        });
                    }
                }
            });
        });
    }
}

/// The address of a list beside the full one at `crl`, as relying parties find it in certificates and lists (rule A3): `mark`
/// stands before the ending `.crl` of the path, or at its end if it has none. `http://pki.example/oa.crl` becomes
/// `http://pki.example/oa.3.crl` for the mark `3`, `oa.delta.crl` for `delta`, and `oa.3.delta.crl` for `3.delta`.
#[must_use]
pub fn crl_address_beside(crl: &str, mark: &str) -> String {
    let end = crl.find(['?', '#']).unwrap_or(crl.len());
    let (path, rest) = crl.split_at(end);
    let local = path.split_once("://").map_or(path, |(_, local)| local);
    let file = local.rsplit_once('/').map(|(_, file)| file);
    let slash = if file.is_some() { "" } else { "/" };
    let file = file.unwrap_or_default();
    let directory = path.strip_suffix(file).unwrap_or(path);
    let stem = file.len().checked_sub(4).and_then(|length| file.split_at_checked(length));
    match stem {
        _ if file.is_empty() => format!("{directory}{slash}{mark}.crl{rest}"),
        Some((stem, ending)) if ending.eq_ignore_ascii_case(".crl") => {
            format!("{directory}{stem}.{mark}{ending}{rest}")
        }
        _ => format!("{directory}{file}.{mark}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_http_goes_into_certificates() {
        assert_eq!(HttpUrl::parse("http://a.example/x.crl").unwrap().as_str(), "http://a.example/x.crl");
        assert!(matches!(HttpUrl::parse("https://a.example/"), Err(HttpUrlError::Scheme { .. })));
        assert_eq!(HttpUrl::parse("a.crl").unwrap_err().uri_problem(), Some(UriProblem::NotAbsolute));
    }

    #[test]
    fn a3_lists_stand_beside_the_full_one() {
        for (crl, mark, beside) in [
            ("http://pki.example/oa.crl", "3", "http://pki.example/oa.3.crl"),
            ("http://pki.example/oa.CRL", "delta", "http://pki.example/oa.delta.CRL"),
            ("http://pki.example/a.b/oa", "3.delta", "http://pki.example/a.b/oa.3.delta"),
            ("http://pki.example/oa.crl?v=1/2.crl", "0", "http://pki.example/oa.0.crl?v=1/2.crl"),
            ("http://pki.example/crls/", "7", "http://pki.example/crls/7.crl"),
            ("http://pki.example", "7", "http://pki.example/7.crl"),
            ("http://pki.example?oa", "7", "http://pki.example/7.crl?oa"),
            ("http://pki.example/.crl", "7", "http://pki.example/.7.crl"),
            ("http://pki.example/ö.crl", "7", "http://pki.example/ö.7.crl"),
        ] {
            assert_eq!(crl_address_beside(crl, mark), beside);
            assert!(!beside.is_ascii() || HttpUrl::parse(beside).is_ok(), "{beside}");
        }
    }
}
