//! PEM (RFC 7468): 64 columns, lines end in LF.

use pkcs8::der::pem::{LineEnding, encapsulated_len, encode};
use zeroize::Zeroizing;

use super::DeliveryError;

pub(super) const CERTIFICATE: &str = "CERTIFICATE";
pub(super) const PRIVATE_KEY: &str = "PRIVATE KEY";
pub(super) const ENCRYPTED_PRIVATE_KEY: &str = "ENCRYPTED PRIVATE KEY";

/// One document under the label. The buffer is sized beforehand and wiped when dropped.
pub(super) fn document(label: &'static str, der: &[u8]) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let failed = |_| DeliveryError::Encoding { structure: "PEM document" };
    let length = encapsulated_len(label, LineEnding::LF, der.len()).map_err(failed)?;
    let mut text = Zeroizing::new(vec![0; length]);
    let written = encode(label, LineEnding::LF, der, &mut text).map_err(failed)?.len();
    text.truncate(written);
    Ok(text)
}

/// Certificates one after the other.
pub(super) fn certificates<'a>(
    certificates: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let mut text = Zeroizing::new(Vec::new());
    for der in certificates {
        text.extend_from_slice(&document(CERTIFICATE, der)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_have_64_columns_and_end_in_lf() {
        let text = String::from_utf8(document(CERTIFICATE, &[0; 49]).unwrap().to_vec()).unwrap();
        let zeros = "A".repeat(64);
        assert_eq!(text, format!("-----BEGIN CERTIFICATE-----\n{zeros}\nAA==\n-----END CERTIFICATE-----\n"));
    }

    #[test]
    fn a_full_last_line_is_followed_by_no_empty_one() {
        let text = String::from_utf8(document(PRIVATE_KEY, &[0; 48]).unwrap().to_vec()).unwrap();
        let zeros = "A".repeat(64);
        assert_eq!(text, format!("-----BEGIN PRIVATE KEY-----\n{zeros}\n-----END PRIVATE KEY-----\n"));
    }
}
