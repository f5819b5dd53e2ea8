//! Names that people and files write as text.

use core::fmt::{Debug, Display};
use core::str::FromStr;

use pca_core::keys::KeyId;
use pca_core::log::{CommitId, Digest, RequestDigest, StreamId, base32, from_base32};
use pca_core::x509::{CertificateId, DnsName, EmailAddress, HttpUrl, NameHash, SerialNumber, Uri, Wildcards};

/// Whatever is accepted is shown as it was given, or in a form that is accepted and shown the same.
pub(crate) fn names(data: &[u8]) {
    if let Ok(serial) = SerialNumber::from_der_content(data) {
        assert_eq!(serial.as_der_content(), data);
        stable::<SerialNumber>(&serial.to_string());
    }
    assert_eq!(from_base32(&base32(data)).as_deref(), Some(data));
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(stream) = StreamId::parse(text) {
        assert_eq!(stream.as_str(), text);
        if let Some(id) = CertificateId::from_stream(&stream) {
            assert_eq!(id.stream(), stream);
        }
    }
    for wildcards in [Wildcards::Narrow, Wildcards::Wide] {
        if let Ok(name) = DnsName::parse(text, wildcards) {
            assert_eq!(DnsName::parse(name.as_str(), wildcards).expect("accepted before"), name);
        }
    }
    stable::<SerialNumber>(text);
    stable::<CertificateId>(text);
    stable::<NameHash>(text);
    stable::<KeyId>(text);
    stable::<CommitId>(text);
    stable::<RequestDigest>(text);
    stable::<Digest>(text);
    if let Ok(address) = EmailAddress::parse(text) {
        assert_eq!(EmailAddress::parse(&address.to_string()).expect("what is shown is accepted"), address);
    }
    stable::<Uri>(text);
    stable::<HttpUrl>(text);
    if let Some(octets) = from_base32(text) {
        assert_eq!(from_base32(&base32(&octets)), Some(octets));
    }
}

fn stable<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert_eq!(name.to_string().parse::<T>().expect("what is shown is accepted"), name);
    }
}
