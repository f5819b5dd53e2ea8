//! SPIFFE IDs of workloads (SPIFFE-ID section 2, X509-SVID section 2).

use serde::{Deserialize, Serialize};

use crate::x509::address::Uri;

/// Why a URI is no SPIFFE ID of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SpiffeProblem {
    /// Another scheme.
    #[error("it must begin with spiffe://, as in spiffe://example.org/billing/payments")]
    Scheme,
    /// A trust domain with more than a name in it.
    #[error(
        "the trust domain is 1 to 255 lower-case letters, digits, dots, hyphens and underscores, without user and port"
    )]
    TrustDomain,
    /// No path: that would be the trust domain itself, which only its authority bears.
    #[error("the path is missing; the trust domain alone is the name of its authority, not of a workload")]
    NoPath,
    /// A segment that is empty or relative, or has other characters.
    #[error(
        "each segment of the path is letters, digits, dots, hyphens and underscores, none empty, none `.` or `..`, and no slash at the end"
    )]
    Path,
    /// A query or a fragment.
    #[error("it must have neither query nor fragment")]
    Query,
}

/// Whether a URI is the SPIFFE ID of a workload.
pub(crate) fn check(uri: &Uri) -> Result<(), SpiffeProblem> {
    let rest = uri.as_str().strip_prefix("spiffe://").ok_or(SpiffeProblem::Scheme)?;
    if rest.contains(['?', '#']) {
        return Err(SpiffeProblem::Query);
    }
    let (domain, path) = rest.split_once('/').map_or((rest, None), |(domain, path)| (domain, Some(path)));
    let domain_fits = (1..=255).contains(&domain.len())
        && domain.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'_'));
    if !domain_fits {
        return Err(SpiffeProblem::TrustDomain);
    }
    let path = path.ok_or(SpiffeProblem::NoPath)?;
    let fits = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'))
    };
    if path.is_empty() {
        Err(SpiffeProblem::NoPath)
    } else if path.split('/').all(fits) {
        Ok(())
    } else {
        Err(SpiffeProblem::Path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn i2_a_spiffe_id_names_a_workload() {
        for right in ["spiffe://example.org/a", "spiffe://prod.example.org/ns/Billing/sa/pay_1.2-x", "spiffe://h/..a"] {
            assert_eq!(check(&Uri::parse(right).unwrap()), Ok(()), "{right}");
        }
        for (wrong, problem) in [
            ("https://example.org/a", SpiffeProblem::Scheme),
            ("SPIFFE://example.org/a", SpiffeProblem::Scheme),
            ("spiffe://Example.org/a", SpiffeProblem::TrustDomain),
            ("spiffe://example.org:8080/a", SpiffeProblem::TrustDomain),
            ("spiffe://user@example.org/a", SpiffeProblem::TrustDomain),
            ("spiffe://[2001:db8::1]/a", SpiffeProblem::TrustDomain),
            ("spiffe://example.org", SpiffeProblem::NoPath),
            ("spiffe://example.org/", SpiffeProblem::NoPath),
            ("spiffe://example.org//a", SpiffeProblem::Path),
            ("spiffe://example.org/a/", SpiffeProblem::Path),
            ("spiffe://example.org/../a", SpiffeProblem::Path),
            ("spiffe://example.org/%41", SpiffeProblem::Path),
            ("spiffe://example.org/a?x", SpiffeProblem::Query),
            ("spiffe://example.org/a#x", SpiffeProblem::Query),
        ] {
            assert_eq!(check(&Uri::parse(wrong).unwrap()), Err(problem), "{wrong}");
        }
    }
}
