//! The package for browsers and the certificate stores of operating systems.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::facts::KeyAlgorithm;
use super::package::{self, Unusable};
use super::{DeliveryError, Format, Kind, note, pem};

/// Fills the package; the draft already carries the PKCS#12 file, if there is one.
pub(super) fn package(bundle: &Bundle, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Browser, unusable);
    let directory = directory(bundle);
    let chain = bundle.chain().map(|certificate| certificate.der.as_slice());
    draft.add(DeliveredFile::public(format!("{directory}/{}.pem", bundle.id()), pem::certificates(chain)?));
    if let Some(anchor) = bundle.anchor() {
        draft
            .add(DeliveredFile::public(format!("{directory}/root.pem"), pem::document(pem::CERTIFICATE, &anchor.der)?));
        // The same in DER, under the ending that Windows and macOS open by a double click.
        draft.add(DeliveredFile::public(format!("{directory}/root.crt"), anchor.der.clone().into()));
    }
    draft.add(DeliveredFile::text(format!("{directory}/INSTALL.txt"), install(bundle, draft)));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-browser", bundle.id())
}

const fn unusable(algorithm: KeyAlgorithm) -> &'static [Unusable] {
    match algorithm {
        KeyAlgorithm::Ed25519 => &[("Chrome, Edge, Firefox and Safari", "Ed25519")],
        KeyAlgorithm::EcdsaP521 => &[("Chrome and Edge", "ECDSA P-521")],
        KeyAlgorithm::Common => &[],
    }
}

fn install(bundle: &Bundle, draft: &Draft) -> String {
    let id = bundle.id();
    let identity = if draft.has_key() {
        format!(
            r#"
Your certificate: {id}.p12
--------------------------
It holds your certificate, its chain and your private key, encrypted under the export passphrase, which you get over
another way than this file. Install it once, then delete the file.

  Firefox            Settings > Privacy & Security > Certificates > View Certificates > Your Certificates > Import
  Windows            double-click {id}.p12 > Current User > passphrase > "Automatically select the certificate store"
  (Chrome, Edge)     or: certutil -user -importpfx {id}.p12        (Windows 10 version 1709 or newer)
  macOS              security import {id}.p12 -f pkcs12 -k ~/Library/Keychains/login.keychain-db
  (Safari, Chrome)   (asks for the passphrase; naming the format matters, some versions guess it wrong)
  Chrome on Linux    pk12util -d sql:$HOME/.pki/nssdb -i {id}.p12                  (package libnss3-tools)

A system that is too old for AES-256 and SHA-256 in PKCS#12 says that the passphrase is wrong. For such a one:
  openssl pkcs12 -in {id}.p12 -out all.pem && openssl pkcs12 -export -legacy -in all.pem -out old.p12 && shred -u all.pem

The browser asks which certificate to show when a site demands one. Restart it after the import.
"#
        )
    } else if bundle.kind() == Kind::Authority {
        "\nAn authority's private key never leaves the platform; this package installs trust in it.\n".to_owned()
    } else {
        format!(
            "\nThe package holds no private key. If it was made in the browser's own store or on a token, import {id}.pem\n\
             there; else join it with your key: openssl pkcs12 -export -inkey KEY -in {id}.pem -out {id}.p12\n"
        )
    };
    let care = if draft.has_key() { note::key_care(&format!("{id}.p12")) } else { String::new() };
    let anchor = note::trust_anchor(bundle);
    let click = if anchor.is_empty() {
        ""
    } else {
        "\nroot.crt is the same certificate in DER. By hand: Windows, double-click > Install Certificate > \"Trusted Root\n\
         Certification Authorities\"; macOS, double-click, then in Keychain Access set Trust to \"Always Trust\".\n"
    };
    format!("{head}{identity}{anchor}{click}{care}", head = note::head(bundle, "browsers", draft.warnings()))
}
