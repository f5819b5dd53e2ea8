//! A delivery that is being made.

use secrecy::ExposeSecret;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::bundle::{Bundle, Certificate};
use super::deliver::encrypts;
use super::pkcs12::{Attributes, FileSalts};
use super::{
    DeliveredFile, DeliveredKey, Delivery, DeliveryError, DeliveryWarning, Format, Kind, LEAST_PASSPHRASE_CHARACTERS,
    Options, Salts, haproxy, jks, objections, pem, pkcs8, pkcs12,
};
use crate::keys::PrivateKey;

/// What was asked, checked: a key that may leave, and the passphrase where one is used.
pub(super) struct Request<'a> {
    format: Format,
    pub(super) key: Option<&'a PrivateKey>,
    passphrase: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn check(bundle: &'a Bundle, format: Format, options: &'a Options) -> Result<Self, DeliveryError> {
        if let Some(first) = objections(bundle, format, options).into_iter().next() {
            return Err(first);
        }
        let passphrase = options.passphrase.as_ref().filter(|_| encrypts(format, options));
        Ok(Self {
            format,
            key: bundle.key().filter(|_| options.with_key),
            passphrase: passphrase.map(ExposeSecret::expose_secret),
        })
    }

    /// The passphrase of a key store.
    fn passphrase(&self) -> Result<&'a str, DeliveryError> {
        let least = LEAST_PASSPHRASE_CHARACTERS;
        self.passphrase.ok_or(DeliveryError::PassphraseMissing { format: self.format, least })
    }
}

/// A delivery that is being made.
pub(super) struct Draft {
    files: Vec<DeliveredFile>,
    warnings: Vec<DeliveryWarning>,
    key: DeliveredKey,
}

impl Draft {
    pub(super) const fn new() -> Self {
        Self { files: Vec::new(), warnings: Vec::new(), key: DeliveredKey::None }
    }

    pub(super) fn finish(self) -> Delivery {
        Delivery { files: self.files, warnings: self.warnings, key: self.key }
    }

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

    pub(super) fn add_key_file(
        &mut self,
        request: &Request<'_>,
        path: String,
        salts: &Salts,
    ) -> Result<(), DeliveryError> {
        if let Some(contents) = self.key_pem(request, &path, salts)? {
            self.add(DeliveredFile::private(path, contents));
        }
        Ok(())
    }

    /// The key's PEM, encrypted or in clear as was asked; nothing without a key.
    fn key_pem(
        &mut self,
        request: &Request<'_>,
        path: &str,
        salts: &Salts,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, DeliveryError> {
        let Some(key) = request.key else { return Ok(None) };
        if let Some(passphrase) = request.passphrase {
            self.key = DeliveredKey::Encrypted;
            pkcs8::encrypted_pem(key.pkcs8_der(), passphrase, &salts.key).map(Some)
        } else {
            self.key = DeliveredKey::Plain;
            self.warn(DeliveryWarning::PlainKey { path: path.to_owned() });
            pkcs8::plain_pem(key.pkcs8_der()).map(Some)
        }
    }

    /// One file for a server that wants all in one: the certificate, its intermediates, the key. Without a key only the
    /// chain, under another name.
    pub(super) fn add_chain_with_key(
        &mut self,
        bundle: &Bundle,
        request: &Request<'_>,
        directory: String,
        salts: &Salts,
    ) -> Result<(), DeliveryError> {
        let chain = pem::certificates(bundle.chain().map(|certificate| certificate.der.as_slice()))?;
        let path = format!("{directory}/{}", haproxy::SITE_FILE);
        let Some(key) = self.key_pem(request, &path, salts)? else { return Ok(()) };
        let mut contents = Zeroizing::new(Vec::with_capacity(chain.len() + key.len()));
        contents.extend_from_slice(&chain);
        contents.extend_from_slice(&key);
        self.add(DeliveredFile::private(path, contents));
        Ok(())
    }

    /// With a key: the holder's identity with its chain. Without: a trust store, in which the root is the anchor.
    pub(super) fn add_pkcs12(
        &mut self,
        bundle: &Bundle,
        request: &Request<'_>,
        path: String,
        salts: &Salts,
    ) -> Result<(), DeliveryError> {
        let passphrase = request.passphrase()?;
        let Some(key) = request.key else {
            let contents = trust_store(bundle, passphrase, &FileSalts::of(salts))?;
            self.add(DeliveredFile::public(path, contents));
            self.warn_without_anchor(bundle);
            return Ok(());
        };
        let own = bundle.certificate();
        let local_key_id = Sha1::digest(&own.der);
        let identity = Attributes {
            friendly_name: Some(bundle.friendly_name()),
            local_key_id: Some(local_key_id.as_slice()),
            trusted: false,
        };
        let mut certificates = vec![(own.der.as_slice(), identity)];
        // In an identity only the identity itself has a name, as OpenSSL has it.
        certificates.extend(bundle.issuers().map(|issuer| (issuer.der.as_slice(), Attributes::default())));
        let contents =
            pkcs12::file(&certificates, Some((key.pkcs8_der(), identity)), passphrase, &FileSalts::of(salts))?;
        self.key = DeliveredKey::Encrypted;
        self.add(DeliveredFile::private(path, contents));
        Ok(())
    }

    /// A PKCS#12 file of the trust anchor and what stands below it, where there is a passphrase for it; whether there is.
    pub(super) fn add_trust_store(
        &mut self,
        bundle: &Bundle,
        request: &Request<'_>,
        path: String,
        salts: &Salts,
    ) -> Result<bool, DeliveryError> {
        let (Some(passphrase), Some(_)) = (request.passphrase, bundle.anchor()) else { return Ok(false) };
        self.add(DeliveredFile::public(path, trust_store(bundle, passphrase, &FileSalts::beside(salts))?));
        Ok(true)
    }

    /// With a key: the holder's identity with its chain. Without: a trust store, in which every certificate is an anchor,
    /// since the format knows no others.
    pub(super) fn add_jks(
        &mut self,
        bundle: &Bundle,
        request: &Request<'_>,
        path: String,
        salts: &Salts,
    ) -> Result<(), DeliveryError> {
        let passphrase = request.passphrase()?;
        self.warn(DeliveryWarning::Legacy { format: Format::Jks });
        let created = |certificate: &Certificate| certificate.facts.not_before.saturating_mul(1000);
        if let Some(key) = request.key {
            let path_to_root = core::iter::once(bundle.certificate()).chain(bundle.issuers());
            let entry = jks::Entry {
                alias: bundle.friendly_name().to_owned(),
                created: created(bundle.certificate()),
                certificates: path_to_root.map(|certificate| certificate.der.as_slice()).collect(),
            };
            let contents = jks::identity(&entry, key.pkcs8_der(), passphrase, &salts.key_store)?;
            self.key = DeliveredKey::Encrypted;
            self.add(DeliveredFile::private(path, contents));
            return Ok(());
        }
        let mut entries: Vec<jks::Entry<'_>> = Vec::new();
        for certificate in core::iter::once(bundle.certificate()).chain(bundle.issuers()) {
            let title = certificate.facts.title().to_lowercase();
            let taken = |alias: &str| entries.iter().any(|entry| entry.alias == alias);
            let numbered = (2_u32..).map(|number| format!("{title} {number}"));
            let alias = core::iter::once(title.clone()).chain(numbered).find(|alias| !taken(alias));
            let alias = alias.unwrap_or(title);
            entries.push(jks::Entry {
                alias,
                created: created(certificate),
                certificates: vec![certificate.der.as_slice()],
            });
            if bundle.anchor().is_some_and(|anchor| !core::ptr::eq(anchor, certificate)) {
                let subject = certificate.facts.title().to_owned();
                self.warn(DeliveryWarning::EveryEntryTrusted { format: Format::Jks, subject });
            }
        }
        self.add(DeliveredFile::public(path, jks::trust_store(&entries, passphrase)?));
        self.warn_without_anchor(bundle);
        Ok(())
    }

    fn warn_without_anchor(&mut self, bundle: &Bundle) {
        if bundle.anchor().is_none() {
            self.warn(DeliveryWarning::NoTrustAnchor);
        }
    }
}

/// The root as a trust anchor, and what stands between it and the holders: an authority's own certificate first.
fn trust_store(bundle: &Bundle, passphrase: &str, salts: &FileSalts<'_>) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let own = (bundle.kind() == Kind::Authority).then(|| bundle.certificate());
    let certificates = own.into_iter().chain(bundle.issuers()).map(|certificate| {
        let trusted = bundle.anchor().is_some_and(|anchor| core::ptr::eq(anchor, certificate));
        // Java names an entry by this.
        let friendly_name = Some(certificate.facts.title());
        (certificate.der.as_slice(), Attributes { friendly_name, local_key_id: None, trusted })
    });
    pkcs12::file(&certificates.collect::<Vec<_>>(), None, passphrase, salts)
}
