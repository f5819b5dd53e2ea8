//! The Online Certificate Status Protocol (RFC 6960, with the nonce of RFC 9654 and the profile of RFC 5019; rules A2, A3).
//!
//! | to … | use |
//! |---|---|
//! | read what a relying party asks | [`OcspRequest::from_der`]; write such a request with [`OcspRequest::new`] |
//! | name a certificate as it is asked for | [`OcspCertId`] |
//! | write an answer | [`OcspResponse::tbs`], then [`OcspResponse::assemble`]; without a signature [`OcspResponse::failure`] |
//! | write the certificate of who answers | [`ResponderCertificate::tbs`], then [`assemble`](super::assemble) (I1) |
//! | read an answer | [`ParsedOcspResponse::from_der`] |

mod cert_id;
mod certificate;
mod parsed;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use cert_id::{OcspCertId, OcspHash};
pub use certificate::ResponderCertificate;
pub use parsed::{OcspResponseError, ParsedOcspResponse};
pub use request::{MAX_OCSP_CERT_IDS, MAX_OCSP_NONCE, MAX_OCSP_REQUEST, OcspRequest, OcspRequestError};
pub use response::{OcspCertStatus, OcspResponse, OcspSingle, OcspStatus, UnknownOcspStatus};

mod oid {
    use const_oid::ObjectIdentifier;

    const fn oid(text: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(text)
    }

    /// `id-kp-OCSPSigning` (RFC 6960 section 4.2.2.2).
    pub(super) const OCSP_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");
    /// `id-pkix-ocsp-basic` (RFC 6960 section 4.2.1).
    pub(super) const BASIC: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.1");
    /// `id-pkix-ocsp-nonce` (RFC 9654).
    pub(super) const NONCE: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.2");
    /// `id-pkix-ocsp-nocheck` (RFC 6960 section 4.2.2.2.1).
    pub(super) const NO_CHECK: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.5");
    pub(super) const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
    pub(super) const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
}
