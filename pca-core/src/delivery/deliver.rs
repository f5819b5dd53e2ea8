//! One delivery: from a bundle and a format to files.

use core::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::bundle::Bundle;
use super::pkcs12::Attributes;
use super::{
    DeliveryError, DeliveryWarning, Format, Kind, LEAST_PASSPHRASE_CHARACTERS, Salts, browser, nginx, passphrase, pem,
    pkcs8, pkcs12,
};
use crate::keys::PrivateKey;

/// What is asked for beside the format.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The private key too. Never for a certificate authority (rule K1).
    pub with_key: bool,
    /// The private key unencrypted (rule K4). The passphrase, if there is one, is not used then.
    pub plain_key: bool,
    /// The export passphrase (rule K5): needed with a key that is not plain, and for every PKCS#12 file.
    pub passphrase: Option<SecretString>,
}

/// What was made: files, and what to say about them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The files, paths relative to the directory of the download, `/` between the parts.
    pub files: Vec<DeliveredFile>,
    /// What should be said beside the delivery.
    pub warnings: Vec<DeliveryWarning>,
    /// Whether a private key is in it, and how: what the event of the download says.
    pub key: DeliveredKey,
}

/// How a delivery carries a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveredKey {
    /// Not at all.
    None,
    /// Encrypted under the export passphrase.
    Encrypted,
    /// In clear, as asked for by name (rule K4).
    Plain,
}

/// One file for the caller to write, over nothing that is there.
pub struct DeliveredFile {
    /// Relative to the directory of the download.
    pub path: String,
    /// Its octets; wiped when dropped.
    pub contents: Zeroizing<Vec<u8>>,
    /// Holds a private key, encrypted or not: mode 0600.
    pub secret: bool,
}

impl DeliveredFile {
    pub(super) fn public(path: String, contents: Zeroizing<Vec<u8>>) -> Self {
        Self { path, contents, secret: false }
    }

    pub(super) fn private(path: String, contents: Zeroizing<Vec<u8>>) -> Self {
        Self { path, contents, secret: true }
    }

    pub(super) fn text(path: String, text: String) -> Self {
        Self::public(path, text.into_bytes().into())
    }
}

impl fmt::Debug for DeliveredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveredFile")
            .field("path", &self.path)
            .field("octets", &self.contents.len())
            .field("secret", &self.secret)
            .finish()
    }
}

/// Makes the files of a download (rule A1).
///
/// The salts must be drawn afresh for each delivery. Costs up to a second where a key is encrypted: see
/// [`KEY_ITERATIONS`](super::KEY_ITERATIONS) and [`PKCS12_ITERATIONS`](super::PKCS12_ITERATIONS).
///
/// # Errors
/// The first of [`objections`], or a defect of encoding. Everything is checked before anything is made.
pub fn deliver(bundle: &Bundle, format: Format, options: &Options, salts: Salts) -> Result<Delivery, DeliveryError> {
    let request = Request::check(bundle, format, options)?;
    let mut draft = Draft { files: Vec::new(), warnings: Vec::new(), key: DeliveredKey::None };
    let id = bundle.id();
    match format {
        Format::Pem => {
            let chain = bundle.chain().map(|certificate| certificate.der.as_slice());
            draft.add(DeliveredFile::public(format!("{id}.pem"), pem::certificates(chain)?));
            draft.add_key_file(&request, format!("{id}.key.pem"), &salts)?;
        }
        Format::Der => {
            draft.add(DeliveredFile::public(format!("{id}.der"), bundle.certificate().der.clone().into()));
            for (issuer, number) in bundle.issuers().zip(1_u32..) {
                draft.add(DeliveredFile::public(format!("issuers/{number}.der"), issuer.der.clone().into()));
            }
            draft.add_key_file(&request, format!("{id}.key.pem"), &salts)?;
        }
        Format::Pkcs8 => draft.add_key_file(&request, format!("{id}.key.pem"), &salts)?,
        Format::Pkcs12 => draft.add_pkcs12(bundle, &request, format!("{id}.p12"), &salts)?,
        Format::Nginx => {
            let path = format!("{}/{}", nginx::directory(bundle), nginx::KEY_FILE);
            draft.add_key_file(&request, path, &salts)?;
            nginx::package(bundle, &mut draft)?;
        }
        Format::Browser => {
            if request.key.is_some() {
                draft.add_pkcs12(bundle, &request, format!("{}/{id}.p12", browser::directory(bundle)), &salts)?;
            }
            browser::package(bundle, &mut draft)?;
        }
    }
    Ok(Delivery { files: draft.files, warnings: draft.warnings, key: draft.key })
}

/// Every rule that stands against a delivery, in the order of checking; none if [`deliver`] will make it (rule L4).
///
/// Costs nothing: ask before the key leaves the key store and before the download is recorded.
#[must_use]
pub fn objections(bundle: &Bundle, format: Format, options: &Options) -> Vec<DeliveryError> {
    let id = || bundle.id().to_owned();
    let mut objections = Vec::new();
    if bundle.kind() == Kind::Authority {
        if options.with_key || options.plain_key {
            objections.push(DeliveryError::AuthorityKey { id: id() });
        }
        if format == Format::Pkcs8 {
            objections.push(DeliveryError::KeyFormatOfAuthority { id: id(), format });
        }
    } else if options.with_key {
        if bundle.key().is_none() {
            objections.push(DeliveryError::NoPrivateKey { id: id() });
        }
    } else {
        if format.needs_key() {
            objections.push(DeliveryError::KeyNotAsked { format });
        }
        if options.plain_key {
            objections.push(DeliveryError::PlainKeyWithoutKey);
        }
    }
    if options.plain_key && matches!(format, Format::Pkcs12 | Format::Browser) {
        objections.push(DeliveryError::PlainKeyImpossible { format });
    }
    if encrypts(format, options) {
        objections.extend(passphrase::objections(options.passphrase.as_ref(), format));
    }
    objections
}

/// Whether something is encrypted under the export passphrase.
fn encrypts(format: Format, options: &Options) -> bool {
    match format {
        Format::Pkcs12 => true,
        Format::Browser => options.with_key,
        Format::Pem | Format::Der | Format::Pkcs8 | Format::Nginx => options.with_key && !options.plain_key,
    }
}

/// What was asked, checked: a key that may leave, and the passphrase where one is used.
struct Request<'a> {
    key: Option<&'a PrivateKey>,
    passphrase: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn check(bundle: &'a Bundle, format: Format, options: &'a Options) -> Result<Self, DeliveryError> {
        if let Some(first) = objections(bundle, format, options).into_iter().next() {
            return Err(first);
        }
        let passphrase = options.passphrase.as_ref().filter(|_| encrypts(format, options));
        Ok(Self {
            key: bundle.key().filter(|_| options.with_key),
            passphrase: passphrase.map(ExposeSecret::expose_secret),
        })
    }
}

/// A delivery that is being made.
pub(super) struct Draft {
    files: Vec<DeliveredFile>,
    warnings: Vec<DeliveryWarning>,
    key: DeliveredKey,
}

impl Draft {
    pub(super) fn add(&mut self, file: DeliveredFile) {
        self.files.push(file);
    }

    /// Says something once.
    pub(super) fn warn(&mut self, warning: DeliveryWarning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn warnings(&self) -> &[DeliveryWarning] {
        &self.warnings
    }

    pub(super) fn has_key(&self) -> bool {
        self.key != DeliveredKey::None
    }

    pub(super) const fn key(&self) -> DeliveredKey {
        self.key
    }

    fn add_key_file(&mut self, request: &Request<'_>, path: String, salts: &Salts) -> Result<(), DeliveryError> {
        let Some(key) = request.key else { return Ok(()) };
        let contents = if let Some(passphrase) = request.passphrase {
            self.key = DeliveredKey::Encrypted;
            pkcs8::encrypted_pem(key.pkcs8_der(), passphrase, &salts.key)?
        } else {
            self.key = DeliveredKey::Plain;
            self.warn(DeliveryWarning::PlainKey { path: path.clone() });
            pkcs8::plain_pem(key.pkcs8_der())?
        };
        self.add(DeliveredFile::private(path, contents));
        Ok(())
    }

    /// With a key: the holder's identity with its chain. Without: a trust store, in which the root is the anchor.
    fn add_pkcs12(
        &mut self,
        bundle: &Bundle,
        request: &Request<'_>,
        path: String,
        salts: &Salts,
    ) -> Result<(), DeliveryError> {
        let least = LEAST_PASSPHRASE_CHARACTERS;
        let passphrase =
            request.passphrase.ok_or(DeliveryError::PassphraseMissing { format: Format::Pkcs12, least })?;
        let own = bundle.certificate();
        let local_key_id = Sha1::digest(&own.der);
        let identity = Attributes {
            friendly_name: Some(bundle.friendly_name()),
            local_key_id: request.key.map(|_| local_key_id.as_slice()),
            trusted: request.key.is_none() && bundle.anchor().is_some_and(|anchor| core::ptr::eq(anchor, own)),
        };
        let mut certificates = vec![(own.der.as_slice(), identity)];
        for issuer in bundle.issuers() {
            let anchor = bundle.anchor().is_some_and(|anchor| core::ptr::eq(anchor, issuer));
            let trusted = request.key.is_none() && anchor;
            // Java names an entry by this; in an identity only the identity itself has a name, as OpenSSL has it.
            let friendly_name = request.key.is_none().then(|| issuer.facts.title());
            certificates.push((&issuer.der, Attributes { friendly_name, local_key_id: None, trusted }));
        }
        let key = request.key.map(|key| (key.pkcs8_der(), identity));
        let contents = pkcs12::file(&certificates, key, passphrase, salts)?;
        if key.is_some() {
            self.key = DeliveredKey::Encrypted;
            self.add(DeliveredFile::private(path, contents));
        } else {
            if bundle.anchor().is_none() {
                self.warn(DeliveryWarning::NoTrustAnchor);
            }
            self.add(DeliveredFile::public(path, contents));
        }
        Ok(())
    }
}
