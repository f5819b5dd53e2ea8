//! PEM files as people hand them over (RFC 7468), read with forgiveness for text around and between.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use x509_parser::pem::Pem;

/// How long a line is (RFC 7468 section 2).
const COLUMNS: usize = 64;

/// The largest PEM file that is read, in octets (rule G4).
pub const MAX_PEM: usize = 1024 * 1024;

/// Why text holds no PEM block of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Beyond the limit (rule G4).
    #[error("the file has more than {MAX_PEM} octets (1 MiB), the most that is read of one")]
    TooLarge {
        /// How many there are at least: who hands them over may have stopped reading.
        octets: usize,
    },
    /// No such block.
    #[error("there is no block -----BEGIN {expected}----- in the file; found: {found}")]
    Absent {
        /// The label that was expected.
        expected: &'static str,
        /// The labels that are there.
        found: String,
    },
    /// A block that cannot be read.
    #[error("the PEM file is malformed: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
}

/// DER as PEM under a label, such as `CERTIFICATE` or `X509 CRL`: lines of 64 characters that end in LF.
///
/// For what anybody may read; keys are written by [`delivery`](crate::delivery), which wipes its buffers.
///
/// ```
/// let pem = pca_core::x509::to_pem("X509 CRL", &[0x30, 0x00]);
/// assert_eq!(pem, "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n");
/// ```
#[must_use]
pub fn to_pem(label: &str, der: &[u8]) -> String {
    let text = Base64::encode_string(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The content of the first block that has one of the labels.
pub(crate) fn first(text: &[u8], labels: &[&'static str]) -> Result<Vec<u8>, PemError> {
    if text.len() > MAX_PEM {
        return Err(PemError::TooLarge { octets: text.len() });
    }
    // Editors on Windows put a byte order mark before the first line.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(text) {
        let block = block.map_err(|error| PemError::Malformed { detail: error.to_string() })?;
        if labels.contains(&block.label.as_str()) {
            return Ok(block.contents);
        }
        // Only the label is told: the block may be a private key.
        found.push(super::san::cut(&block.label));
    }
    let found = if found.is_empty() { "none".into() } else { found.join(", ") };
    Err(PemError::Absent { expected: labels.first().copied().unwrap_or_default(), found })
}

/// DER as it is, or the content of the first PEM block that has one of the labels.
pub(crate) fn pem_or_der<'a>(octets: &'a [u8], labels: &[&'static str]) -> Result<Cow<'a, [u8]>, PemError> {
    const MARK: &[u8] = b"-----BEGIN ";
    // The octet that every certificate, request and list begins with in DER.
    let looks_like_der = octets.first() == Some(&0x30);
    let start = octets.get(..MAX_PEM).unwrap_or(octets);
    if !looks_like_der && start.windows(MARK.len()).any(|window| window == MARK) {
        first(octets, labels).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(octets))
    }
}
