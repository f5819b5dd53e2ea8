//! The streams of the domain (architecture, invariant 5).

use crate::keys::KeyId;
use crate::log::{Digest, StreamId};
use crate::x509::{CertificateId, NameHash, ProfileName};

use super::{CaId, OrderId};

/// For each kind of stream: its name on the stack, to look it up, and its id.
macro_rules! streams {
    ($($(#[$doc:meta])* $kind:ident($($arg:ident: $type:ty)?) = |$name:ident| $spelling:expr;)+) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $kind($($arg: $type)?) -> StreamId {
                on_stack::$kind($($arg)?).into()
            }
        )+

        /// The same names where they need not be kept.
        pub(super) mod on_stack {
            use super::{CaId, CertificateId, Digest, KeyId, NameHash, OrderId, ProfileName};
            use crate::log::StreamName;

            $(pub(in crate::domain) fn $kind($($arg: $type)?) -> StreamName {
                let $name = StreamName::begin(stringify!($kind));
                $spelling
            })+
        }
    };
}

streams! {
    /// `enterprise`: who owns the log, and whether it is a rehearsal (rule L9).
    enterprise() = |name| name;
    /// `policy`: the numbers that a vendor may change.
    policy() = |name| name;
    /// `profile/<name>`: a profile of one's own (rule I2).
    profile(profile: ProfileName) = |name| name.text("/").text(profile.as_str());
    /// `profiles`: every profile of one's own, to list them.
    profiles() = |name| name;
    /// `order/<id>`.
    order(id: &OrderId) = |name| name.text("/").text(id.as_str());
    /// `ca/<id>`: the life cycle.
    ca(id: &CaId) = |name| name.text("/").text(id.as_str());
    /// `quota/<id>`: pool of a root, or assignment and consumption of an intermediate (hot).
    quota(id: &CaId) = |name| name.text("/").text(id.as_str());
    /// `certificate/<issuer name hash>/<serial>`: it *is* the claim of the serial number (rule I5).
    certificate(id: &CertificateId) = |_name| id.stream_name();
    /// `crl/<issuer name hash>`: revocations under an issuer name, and its CRLs (rule A3).
    crl(issuer: NameHash) = |name| name.text("/").hex(issuer.as_bytes());
    /// `ocsp/<SHA-256 of an issuing key's SubjectPublicKeyInfo>`: who answers for what that key issued (rule I1).
    ocsp(issuer: &Digest) = |name| name.text("/").hex(issuer.as_bytes());
    /// `key/<id>`: a key's introduction and end (rule K3).
    key(id: &KeyId) = |name| name.text("/").text(id.as_str());
    /// `spki/<SHA-256 of the SubjectPublicKeyInfo>`: the role of a key (rule K2).
    spki(digest: &Digest) = |name| name.text("/").hex(digest.as_bytes());
    /// `name/<folded subject name hash>`: which CA owns a subject name, whatever its case and spaces (rule C4).
    name(subject: NameHash) = |name| name.text("/").hex(subject.as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::x509::SerialNumber;

    /// Names are in every log: none may ever change.
    #[test]
    fn names_are_for_ever() {
        let hash = NameHash::new([0, 1, 0xab, 0xcd, 0xff]);
        let (commit, digest) = (crate::log::CommitId::new([1; 16]), Digest::of(b"abc"));
        let (of_ca, of_order) = (CaId::derive(&commit, 0), OrderId::derive(&commit, 0));
        let of_key = KeyId::derive(&commit, 0);
        let serial: SerialNumber = "a1b2".parse().unwrap();
        for (stream, name) in [
            (enterprise(), "enterprise".into()),
            (policy(), "policy".into()),
            (profile("vpn-7".parse().unwrap()), "profile/vpn-7".into()),
            (profiles(), "profiles".into()),
            (order(&of_order), format!("order/{of_order}")),
            (ca(&of_ca), format!("ca/{of_ca}")),
            (quota(&of_ca), format!("quota/{of_ca}")),
            (certificate(&CertificateId::new(hash, serial)), "certificate/0001abcdff/a1b2".into()),
            (crl(hash), "crl/0001abcdff".into()),
            (ocsp(&digest), "ocsp/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
            (key(&of_key), format!("key/{of_key}")),
            (spki(&digest), "spki/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
            (super::name(hash), "name/0001abcdff".into()),
        ] {
            assert_eq!(stream.as_str(), name);
            assert_eq!(StreamId::parse(&name), Ok(stream));
        }
    }
}
