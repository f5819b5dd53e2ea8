//! The parts that install notes share.

use core::fmt::Write;

use super::bundle::Bundle;
use super::{DeliveryWarning, Kind};

/// The head of a note: what was delivered, and what to know about it before it is installed.
pub(super) fn head(bundle: &Bundle, target: &str, warnings: &[DeliveryWarning]) -> String {
    let facts = &bundle.certificate().facts;
    let mut note = String::new();
    let title = format!("{} for {target}", bundle.id());
    // Writing to a string does not fail.
    let _ = writeln!(note, "{title}\n{}\n", "=".repeat(title.chars().count()));
    let _ =
        writeln!(note, "Certificate   {}", if facts.subject.is_empty() { "(empty subject)" } else { &facts.subject });
    if !facts.hosts.is_empty() {
        let _ = writeln!(note, "Names         {}", facts.hosts.join(" "));
    }
    let _ = writeln!(note, "Serial        {}", facts.serial);
    let _ = writeln!(note, "Valid until   {}", facts.not_after);
    let _ = writeln!(note, "SHA-256       {}", facts.fingerprint);
    for warning in warnings {
        let _ = writeln!(note, "\nWARNING: {warning}.");
    }
    note
}

/// How a trust anchor is recognised and installed on the common systems; nothing if it is not known.
pub(super) fn trust_anchor(bundle: &Bundle) -> String {
    let Some(anchor) = bundle.anchor() else { return String::new() };
    let (title, fingerprint) = (anchor.facts.title(), &anchor.facts.fingerprint);
    let id = bundle.id();
    format!(
        r#"
The trust anchor: root.pem
--------------------------
"{title}" is the root that relying parties must trust. Whoever trusts it trusts every certificate below it. Compare its
fingerprint over another channel (telephone, intranet, paper) before you install it:

  openssl x509 -in root.pem -noout -fingerprint -sha256
  {fingerprint}

  Debian, Ubuntu     sudo cp root.pem /usr/local/share/ca-certificates/{id}-root.crt && sudo update-ca-certificates
  Fedora, RHEL       sudo cp root.pem /etc/pki/ca-trust/source/anchors/{id}-root.pem && sudo update-ca-trust
  Windows            certutil -addstore -f Root root.pem          (as administrator; without: certutil -user ...)
  macOS              sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain root.pem
  Firefox            Settings > Privacy & Security > Certificates > View Certificates > Authorities > Import
  Chrome on Linux    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {id}-root -i root.pem   (package libnss3-tools)
  Java               keytool -importcert -cacerts -alias {id}-root -file root.pem
  curl, OpenSSL      curl --cacert root.pem https://...   ·   openssl verify -CAfile root.pem ...
"#
    )
}

/// What to do with a file that holds a private key.
pub(super) fn key_care(file: &str) -> String {
    format!(
        "\nKeep {file} to yourself (mode 0600), never send it together with its passphrase, and tell your certificate\n\
         authority at once if somebody else may have read it: it will revoke the certificate.\n"
    )
}

/// A word about kinds that a package does not fit.
pub(super) const fn purpose(kind: Kind) -> &'static str {
    match kind {
        Kind::DataEncryption => "it encrypts data and proves nobody's identity in TLS",
        Kind::Client => "it lacks the purpose serverAuth",
        Kind::Server => "it lacks the purpose clientAuth",
        Kind::Authority | Kind::MutualTls | Kind::Other => "its purpose may not suit",
    }
}
