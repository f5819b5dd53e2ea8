//! Files of certificates and lists: one in DER, or any number in PEM (RFC 7468).

use x509_parser::pem::Pem;

use super::reason::Reason;
use crate::x509::der::tag;
use crate::x509::pem::MAX_PEM;
use crate::x509::san::cut;

const PEM: &str = "RFC 7468 2";

/// The DER of every certificate in a file.
///
/// # Errors
/// Why the file cannot be decoded, or holds none.
pub fn certificates_in(file: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    blocks(file, "certificate", &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])
}

/// The DER of every revocation list in a file.
///
/// # Errors
/// Why the file cannot be decoded, or holds none.
pub fn crls_in(file: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    blocks(file, "CRL", &["X509 CRL", "CRL"])
}

fn blocks(file: &[u8], what: &str, labels: &[&str]) -> Result<Vec<Vec<u8>>, Reason> {
    if file.first() == Some(&tag::SEQUENCE) {
        return Ok(vec![file.to_vec()]);
    }
    if file.len() > MAX_PEM {
        let text = format!("a PEM file has more than {MAX_PEM} octets, and no more are read");
        return Err(Reason::new("G4", text));
    }
    let mut found = Vec::new();
    let mut others = Vec::new();
    for block in Pem::iter_from_buffer(file) {
        let block = block.map_err(|error| Reason::new(PEM, format!("a {what} in PEM is malformed: {error}")))?;
        if labels.contains(&block.label.as_str()) {
            found.push(block.contents);
        } else {
            // Only the label is told: the block may be a private key.
            others.push(cut(&block.label));
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let others = if others.is_empty() { String::new() } else { format!("; there is: {}", others.join(", ")) };
    Err(Reason::new(PEM, format!("there is no {what} in the file, neither DER nor PEM{others}")))
}
