//! Certificates and lists with anything in them, right or wrong.

use const_oid::ObjectIdentifier;

use super::super::{ChainMaterial, ChainOptions, CheckedChain, Reason, check_chain};
use crate::keys::software::default_backend;
use crate::keys::{Algorithm, PrivateKey};
use crate::log::Timestamp;
use crate::x509::der::{self, Writer, tag};
use crate::x509::oid;
use crate::x509::signature::algorithm_identifier;
use crate::x509::usage::KeyUsage;
use crate::x509::validity::{write_generalized_time, write_time};

pub(super) const NOW: i64 = 1_748_736_000;
pub(super) const DAY: i64 = 86_400;

pub(super) fn key() -> PrivateKey {
    default_backend().generate(Algorithm::EcdsaP256).unwrap()
}

/// A name of one attribute.
pub(super) fn named(common_name: &str) -> Vec<u8> {
    attribute(oid::COMMON_NAME, common_name)
}

pub(super) fn attribute(kind: ObjectIdentifier, text: &str) -> Vec<u8> {
    der::encode(|w| {
        w.nested(tag::SEQUENCE, |w| {
            w.nested(tag::SET, |w| {
                w.nested(tag::SEQUENCE, |w| {
                    w.oid(&kind);
                    w.value(tag::UTF8_STRING, text.as_bytes());
                });
            });
        });
    })
}

pub(super) fn sequence(content: impl FnOnce(&mut Writer)) -> Vec<u8> {
    der::encode(|w| w.nested(tag::SEQUENCE, content))
}

/// `SEQUENCE OF` values of one tag each.
pub(super) fn values(all: &[(u8, &[u8])]) -> Vec<u8> {
    sequence(|w| all.iter().for_each(|(tag, content)| w.value(*tag, content)))
}

pub(super) fn san(all: &[(u8, &[u8])]) -> Vec<u8> {
    values(all)
}

pub(super) fn purposes(all: &[ObjectIdentifier]) -> Vec<u8> {
    sequence(|w| all.iter().for_each(|purpose| w.oid(purpose)))
}

pub(super) fn basic(ca: bool, path_length: Option<u64>) -> Vec<u8> {
    sequence(|w| {
        if ca {
            w.raw(&der::TRUE);
        }
        if let Some(length) = path_length {
            w.unsigned(tag::INTEGER, length);
        }
    })
}

pub(super) fn usage(usage: KeyUsage) -> Vec<u8> {
    der::encode(|w| usage.write(w))
}

pub(super) fn constraints(permitted: &[(u8, &[u8])], excluded: &[(u8, &[u8])]) -> Vec<u8> {
    sequence(|w| {
        for (number, list) in [(0, permitted), (1, excluded)] {
            if !list.is_empty() {
                w.nested(tag::context_constructed(number), |w| {
                    for (kind, content) in list {
                        w.nested(tag::SEQUENCE, |w| w.value(*kind, content));
                    }
                });
            }
        }
    })
}

/// Extensions as they are written.
#[derive(Clone, Default)]
pub(super) struct List(pub(super) Vec<(ObjectIdentifier, bool, Vec<u8>)>);

impl List {
    pub(super) fn set(&mut self, kind: ObjectIdentifier, critical: bool, value: Vec<u8>) {
        self.remove(kind);
        self.0.push((kind, critical, value));
    }

    pub(super) fn remove(&mut self, kind: ObjectIdentifier) {
        self.0.retain(|(known, ..)| *known != kind);
    }

    pub(super) fn make_critical(&mut self, kind: ObjectIdentifier, critical: bool) {
        self.0.iter_mut().filter(|(known, ..)| *known == kind).for_each(|extension| extension.1 = critical);
    }

    fn write(&self, w: &mut Writer) {
        w.nested(tag::SEQUENCE, |w| {
            for (kind, critical, value) in &self.0 {
                w.nested(tag::SEQUENCE, |w| {
                    w.oid(kind);
                    if *critical {
                        w.raw(&der::TRUE);
                    }
                    w.value(tag::OCTET_STRING, value);
                });
            }
        });
    }
}

/// A certificate that is not written yet.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) version: u8,
    pub(super) serial: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) spki: Vec<u8>,
    pub(super) extensions: List,
    pub(super) inner_algorithm: Option<Vec<u8>>,
    pub(super) spoil: bool,
}

impl Draft {
    /// A CA, issued by itself.
    pub(super) fn root(name: &str, key: &PrivateKey) -> Self {
        let mut extensions = List::default();
        extensions.set(oid::BASIC_CONSTRAINTS, true, basic(true, None));
        extensions.set(oid::KEY_USAGE, true, usage(KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN)));
        extensions.set(oid::SUBJECT_KEY_IDENTIFIER, false, key_identifier(key));
        Self {
            version: 3,
            serial: vec![1],
            issuer: named(name),
            subject: named(name),
            not_before: NOW - DAY,
            not_after: NOW + DAY,
            spki: key.public_key().spki_der().to_vec(),
            extensions,
            inner_algorithm: None,
            spoil: false,
        }
    }

    /// A CA below another.
    pub(super) fn intermediate(name: &str, key: &PrivateKey, issuer: &str, issuer_key: &PrivateKey) -> Self {
        let mut draft = Self { issuer: named(issuer), serial: vec![2], ..Self::root(name, key) };
        draft.extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, authority(issuer_key));
        draft
    }

    /// A server.
    pub(super) fn leaf(host: &str, key: &PrivateKey, issuer: &str, issuer_key: &PrivateKey) -> Self {
        let mut draft = Self { serial: vec![3], ..Self::intermediate(host, key, issuer, issuer_key) };
        draft.extensions.remove(oid::BASIC_CONSTRAINTS);
        draft.extensions.set(oid::KEY_USAGE, true, usage(KeyUsage::DIGITAL_SIGNATURE));
        draft.extensions.set(oid::EXTENDED_KEY_USAGE, false, purposes(&[oid::SERVER_AUTH]));
        draft.extensions.set(oid::SUBJECT_ALTERNATIVE_NAME, false, san(&[(0x82, host.as_bytes())]));
        draft
    }

    pub(super) fn sign(&self, key: &PrivateKey) -> Vec<u8> {
        let algorithm = key.public_key().signature_algorithm();
        let identifier = algorithm_identifier(algorithm);
        let tbs = sequence(|w| {
            if self.version > 1 {
                w.nested(tag::context_constructed(0), |w| w.unsigned(tag::INTEGER, u64::from(self.version) - 1));
            }
            w.value(tag::INTEGER, &self.serial);
            w.raw(self.inner_algorithm.as_ref().unwrap_or(&identifier));
            w.raw(&self.issuer);
            w.nested(tag::SEQUENCE, |w| {
                write_time(w, Timestamp::from_secs(self.not_before));
                write_time(w, Timestamp::from_secs(self.not_after));
            });
            w.raw(&self.subject);
            w.raw(&self.spki);
            if !self.extensions.0.is_empty() {
                w.nested(tag::context_constructed(3), |w| self.extensions.write(w));
            }
        });
        signed(&tbs, key, self.spoil)
    }
}

fn signed(tbs: &[u8], key: &PrivateKey, spoil: bool) -> Vec<u8> {
    let algorithm = key.public_key().signature_algorithm();
    let message = if spoil { b"something else" } else { tbs };
    let signature = default_backend().signer(key).unwrap().sign(algorithm, message).unwrap();
    sequence(|w| {
        w.raw(tbs);
        w.raw(&algorithm_identifier(algorithm));
        w.bit_string(signature.as_ref());
    })
}

pub(super) fn key_identifier(key: &PrivateKey) -> Vec<u8> {
    der::encode(|w| w.value(tag::OCTET_STRING, &key.public_key().key_identifier()))
}

pub(super) fn authority(key: &PrivateKey) -> Vec<u8> {
    values(&[(tag::context(0), &key.public_key().key_identifier())])
}

/// A list that is not written yet.
#[derive(Clone)]
pub(super) struct ListDraft {
    pub(super) issuer: Vec<u8>,
    pub(super) this_update: i64,
    pub(super) next_update: Option<i64>,
    /// Serial number, and extensions of the entry.
    pub(super) entries: Vec<(Vec<u8>, List)>,
    pub(super) extensions: List,
    pub(super) spoil: bool,
}

impl ListDraft {
    pub(super) fn of(issuer: &str, key: &PrivateKey, number: u64) -> Self {
        let mut extensions = List::default();
        extensions.set(oid::AUTHORITY_KEY_IDENTIFIER, false, authority(key));
        extensions.set(oid::CRL_NUMBER, false, integer(number));
        Self {
            issuer: named(issuer),
            this_update: NOW - DAY,
            next_update: Some(NOW + DAY),
            entries: Vec::new(),
            extensions,
            spoil: false,
        }
    }

    pub(super) fn revoking(mut self, serial: u8) -> Self {
        self.entries.push((vec![serial], List::default()));
        self
    }

    pub(super) fn sign(&self, key: &PrivateKey) -> Vec<u8> {
        let tbs = sequence(|w| {
            w.unsigned(tag::INTEGER, 1);
            w.raw(&algorithm_identifier(key.public_key().signature_algorithm()));
            w.raw(&self.issuer);
            write_time(w, Timestamp::from_secs(self.this_update));
            if let Some(next_update) = self.next_update {
                write_time(w, Timestamp::from_secs(next_update));
            }
            if !self.entries.is_empty() {
                w.nested(tag::SEQUENCE, |w| {
                    for (serial, extensions) in &self.entries {
                        w.nested(tag::SEQUENCE, |w| {
                            w.value(tag::INTEGER, serial);
                            write_time(w, Timestamp::from_secs(NOW - 2 * DAY));
                            if !extensions.0.is_empty() {
                                extensions.write(w);
                            }
                        });
                    }
                });
            }
            w.nested(tag::context_constructed(0), |w| self.extensions.write(w));
        });
        signed(&tbs, key, self.spoil)
    }
}

pub(super) fn integer(number: u64) -> Vec<u8> {
    der::encode(|w| w.unsigned(tag::INTEGER, number))
}

pub(super) fn reason_code(code: u8) -> Vec<u8> {
    vec![tag::ENUMERATED, 1, code]
}

pub(super) fn generalized(time: i64) -> Vec<u8> {
    der::encode(|w| write_generalized_time(w, Timestamp::from_secs(time)))
}

/// Root, intermediate and server, all good, and lists.
pub(super) struct World {
    pub(super) root_key: PrivateKey,
    pub(super) ca_key: PrivateKey,
    pub(super) root: Draft,
    pub(super) ca: Draft,
    pub(super) leaf: Draft,
    /// With the keys that sign them.
    pub(super) more: Vec<(Draft, PrivateKey)>,
    pub(super) lists: Vec<(ListDraft, PrivateKey)>,
    pub(super) options: ChainOptions,
}

impl World {
    pub(super) fn new() -> Self {
        let (root_key, ca_key, leaf_key) = (key(), key(), key());
        let mut options = ChainOptions::at(Timestamp::from_secs(NOW));
        options.purpose = super::super::Purpose::Server;
        options.names = vec!["a.example.com".into()];
        Self {
            root: Draft::root("Root", &root_key),
            ca: Draft::intermediate("CA", &ca_key, "Root", &root_key),
            leaf: Draft::leaf("a.example.com", &leaf_key, "CA", &ca_key),
            root_key,
            ca_key,
            more: Vec::new(),
            lists: Vec::new(),
            options,
        }
    }

    pub(super) fn judge(&self) -> Result<CheckedChain, Vec<Reason>> {
        let root = self.root.sign(&self.root_key);
        let mut between = vec![self.ca.sign(&self.root_key)];
        between.extend(self.more.iter().map(|(draft, key)| draft.sign(key)));
        let lists: Vec<Vec<u8>> = self.lists.iter().map(|(list, key)| list.sign(key)).collect();
        let material = ChainMaterial {
            target: &self.leaf.sign(&self.ca_key),
            anchors: &[&root],
            intermediates: &between.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            crls: &lists.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        };
        check_chain(&material, &self.options)
    }

    /// The clauses that are broken, each once.
    pub(super) fn clauses(&self) -> Vec<&'static str> {
        let mut clauses: Vec<_> =
            self.judge().err().unwrap_or_default().iter().map(super::super::Reason::clause).collect();
        clauses.sort_unstable();
        clauses.dedup();
        clauses
    }
}
