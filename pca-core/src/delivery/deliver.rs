//! One delivery: from a bundle and a format to files.

use core::fmt;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::bundle::Bundle;
use super::draft::{Draft, Request};
use super::{
    DeliveryError, DeliveryWarning, Format, Kind, Salts, apache, browser, haproxy, iis, nginx, package, passphrase,
    pem, pkcs7, tomcat,
};

/// What is asked for beside the format.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The private key too. Never for a certificate authority (rule K1).
    pub with_key: bool,
    /// The private key unencrypted (rule K4). The passphrase, if there is one, is not used then.
    pub plain_key: bool,
    /// The export passphrase (rule K5): needed with a key that is not plain, and for every key store
    /// (PKCS#12 and JKS).
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
    let mut draft = Draft::new();
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
        Format::Pkcs7 => {
            let path = core::iter::once(bundle.certificate()).chain(bundle.issuers());
            let contents = pkcs7::certificates(path.map(|certificate| certificate.der.as_slice()))?;
            draft.add(DeliveredFile::public(format!("{id}.p7b"), contents));
            draft.add_key_file(&request, format!("{id}.key.pem"), &salts)?;
        }
        Format::Pkcs8 => draft.add_key_file(&request, format!("{id}.key.pem"), &salts)?,
        Format::Pkcs12 => draft.add_pkcs12(bundle, &request, format!("{id}.p12"), &salts)?,
        Format::Jks => draft.add_jks(bundle, &request, format!("{id}.jks"), &salts)?,
        Format::Nginx => {
            draft.add_key_file(&request, format!("{}/{}", nginx::directory(bundle), package::KEY_FILE), &salts)?;
            nginx::package(bundle, &mut draft)?;
        }
        Format::Apache => {
            draft.add_key_file(&request, format!("{}/{}", apache::directory(bundle), package::KEY_FILE), &salts)?;
            apache::package(bundle, &mut draft)?;
        }
        Format::Haproxy => {
            draft.add_chain_with_key(bundle, &request, haproxy::directory(bundle), &salts)?;
            haproxy::package(bundle, &mut draft)?;
        }
        Format::Tomcat => {
            let directory = tomcat::directory(bundle);
            if request.key.is_some() {
                draft.add_pkcs12(bundle, &request, format!("{directory}/{}", tomcat::KEY_STORE), &salts)?;
            }
            let has_trust_store =
                draft.add_trust_store(bundle, &request, format!("{directory}/{}", tomcat::TRUST_STORE), &salts)?;
            tomcat::package(bundle, has_trust_store, &mut draft)?;
        }
        Format::Iis => {
            if request.key.is_some() {
                draft.add_pkcs12(bundle, &request, format!("{}/{id}.pfx", iis::directory(bundle)), &salts)?;
            }
            iis::package(bundle, &mut draft)?;
        }
        Format::Browser => {
            if request.key.is_some() {
                draft.add_pkcs12(bundle, &request, format!("{}/{id}.p12", browser::directory(bundle)), &salts)?;
            }
            browser::package(bundle, &mut draft)?;
        }
    }
    Ok(draft.finish())
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
    if options.plain_key && format.is_key_store() {
        objections.push(DeliveryError::PlainKeyImpossible { format });
    }
    if encrypts(format, options) {
        objections.extend(passphrase::objections(options.passphrase.as_ref(), format));
    }
    objections
}

/// Whether something is encrypted under the export passphrase.
pub(super) fn encrypts(format: Format, options: &Options) -> bool {
    match format {
        Format::Pkcs12 | Format::Jks => true,
        // Its trust store is made where there is a passphrase for it.
        Format::Tomcat => options.with_key || options.passphrase.is_some(),
        Format::Iis | Format::Browser => options.with_key,
        Format::Pem
        | Format::Der
        | Format::Pkcs7
        | Format::Pkcs8
        | Format::Nginx
        | Format::Apache
        | Format::Haproxy => options.with_key && !options.plain_key,
    }
}
