//! The package for Apache Tomcat: key store and trust store in PKCS#12, which every server written in Java reads.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::facts::KeyAlgorithm;
use super::package::{self, Unusable};
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note};

/// Fills the package; the draft already carries key store and trust store, where there are any.
pub(super) fn package(bundle: &Bundle, has_trust_store: bool, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Tomcat, unusable);
    let directory = directory(bundle);
    let path = |name: &str| format!("{directory}/{name}");
    package::add_authorities(bundle, &directory, draft)?;
    let install = if bundle.kind() == Kind::Authority {
        let words = client_verification(bundle, &installed(bundle), "required");
        draft.add(DeliveredFile::text(
            path("mtls.xml"),
            format!("<!-- Attributes for an SSLHostConfig: -->\n<!--\n{words}\n-->\n"),
        ));
        authority_note(bundle, has_trust_store, draft.warnings())
    } else {
        if !draft.has_key() {
            package::add_chain(bundle, &directory, draft)?;
        }
        draft.add(DeliveredFile::text(path("server.xml"), trial(bundle)));
        draft.add(DeliveredFile::text(path("connector.xml"), connector(bundle, &installed(bundle), "")));
        server_note(bundle, has_trust_store, draft)
    };
    draft.add(DeliveredFile::text(path(package::NOTE_FILE), install));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-tomcat", bundle.id())
}

/// The name of the key store inside the package.
pub(super) const KEY_STORE: &str = "keystore.p12";
/// The name of the trust store inside the package.
pub(super) const TRUST_STORE: &str = "truststore.p12";

const fn unusable(algorithm: KeyAlgorithm) -> &'static [Unusable] {
    match algorithm {
        KeyAlgorithm::Ed25519 => {
            &[("Java before version 16", "Ed25519"), ("browsers connecting to this server", "Ed25519")]
        }
        KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Common => package::unusable_by_browsers(algorithm),
    }
}

/// Where the note has the package installed, relative to Tomcat's base directory.
fn installed(bundle: &Bundle) -> String {
    format!("conf/{}/", directory(bundle))
}

/// The property that holds the stores' passphrase: what a shell takes for the name of a variable, too.
fn property(bundle: &Bundle) -> String {
    format!("{}_passphrase", bundle.id().replace('-', "_"))
}

/// A whole server with paths relative to the package, for a trial without privileges.
fn trial(bundle: &Bundle) -> String {
    let id = bundle.id();
    let connector = package::indented(&connector(bundle, "", "address=\"127.0.0.1\" "), "    ");
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- {id}: a server for a trial on 127.0.0.1 port 8443, see INSTALL.txt. For a server that stays, see connector.xml.
     It serves no application: that it answers "404" over TLS is the sign that all works. -->
<Server port="-1">
  <Service name="Catalina">
{connector}    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps"/>
    </Engine>
  </Service>
</Server>
"#
    )
}

/// A connector for the server.xml of a Tomcat (9 or newer).
fn connector(bundle: &Bundle, prefix: &str, address: &str) -> String {
    let property = property(bundle);
    let verification = package::indented(&client_verification(bundle, prefix, "none"), "                 ");
    format!(
        r#"<Connector {address}port="8443" protocol="org.apache.coyote.http11.Http11NioProtocol"
           SSLEnabled="true" scheme="https" secure="true">
  <!-- Mutual TLS: write "required" in place of "none" to demand a certificate of every client. -->
  <SSLHostConfig protocols="TLSv1.2+TLSv1.3"
{verification}                 >
    <Certificate certificateKeystoreFile="{prefix}{KEY_STORE}" certificateKeystoreType="PKCS12"
                 certificateKeystorePassword="${{{property}}}"/>
  </SSLHostConfig>
</Connector>
"#
    )
}

fn client_verification(bundle: &Bundle, prefix: &str, demanded: &str) -> String {
    let property = property(bundle);
    let depth = package::depth(bundle);
    format!(
        "certificateVerification=\"{demanded}\" certificateVerificationDepth=\"{depth}\"\n\
         truststoreFile=\"{prefix}{TRUST_STORE}\" truststoreType=\"PKCS12\"\n\
         truststorePassword=\"${{{property}}}\""
    )
}

/// How the stores that are not there are made.
fn missing_stores(bundle: &Bundle, key: DeliveredKey, has_trust_store: bool) -> String {
    let id = bundle.id();
    let mut text = String::new();
    if key == DeliveredKey::None && bundle.kind() != Kind::Authority {
        text.push_str(
            "\nThe package holds no private key. Make the key store with yours (it asks for a passphrase):\n\n  \
             openssl pkcs12 -export -inkey YOUR-KEY.pem -in fullchain.pem -out keystore.p12\n",
        );
    }
    if !has_trust_store && bundle.anchor().is_some() {
        text.push_str(&format!(
            "\nNo passphrase was given for a trust store. Make it where it is wanted, under the passphrase of the key store:\n\n  \
             keytool -importcert -noprompt -alias {id}-root -file root.pem -keystore truststore.p12 -storetype PKCS12\n"
        ));
    }
    text
}

fn passphrase(bundle: &Bundle) -> String {
    let property = property(bundle);
    format!(
        r#"
The stores are encrypted under the export passphrase, which Tomcat reads as the property {property}. Write a line
into conf/catalina.properties, which only root and Tomcat may read (a backslash in the passphrase is written twice):

  {property}=THE-PASSPHRASE
"#
    )
}

fn server_note(bundle: &Bundle, has_trust_store: bool, draft: &Draft) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    let property = property(bundle);
    format!(
        r#"{head}
Files
-----
  keystore.p12    the private key, the certificate, its intermediates, and the root
  truststore.p12  whose client certificates are accepted under mutual TLS
  root.pem        the trust anchor, for the clients
  client-ca.pem   the same authorities as in truststore.p12, in PEM
  server.xml      a whole server for a trial on port 8443
  connector.xml   the connector for an existing server.xml (Tomcat 9 or newer)
{missing}{passphrase}
Try it
------
Tomcat's programs lie below CATALINA_HOME (Debian: /usr/share/tomcat10, package tomcat10-common):

  cd {directory} && mkdir -p logs temp webapps
  export CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE="$PWD"
  export JAVA_OPTS=-Dorg.apache.tomcat.util.digester.PROPERTY_SOURCE=org.apache.tomcat.util.digester.EnvironmentPropertySource
  read -r -s {property} && export {property}      # type the export passphrase, Enter
  "$CATALINA_HOME/bin/catalina.sh" run -config server.xml
  openssl s_client -connect 127.0.0.1:8443 -CAfile root.pem -verify_return_error < /dev/null

Install it
----------
  sudo cp -r {directory} CATALINA_BASE/conf/                     # Debian: /var/lib/tomcat10/conf/
  sudo chown -R root:tomcat CATALINA_BASE/{installed} && sudo chmod 750 CATALINA_BASE/{installed}
  sudo chmod 640 CATALINA_BASE/{installed}*.p12
  # the element of connector.xml goes into the Service element of conf/server.xml
  sudo systemctl restart tomcat10

Mutual TLS
----------
Write certificateVerification="required". truststore.p12 accepts the clients of every department under the root, if they
send their intermediate, as clients do. Tomcat knows nothing of revoked certificates until you give it the CRLs of all
levels, in PEM, in one file: certificateRevocationListFile, beside truststoreFile.
{anchor}{care}"#,
        head = note::head(bundle, "Tomcat", draft.warnings()),
        missing = missing_stores(bundle, draft.key(), has_trust_store),
        passphrase = passphrase(bundle),
        anchor = note::trust_anchor(bundle),
        care = note::key_care(KEY_STORE),
    )
}

fn authority_note(bundle: &Bundle, has_trust_store: bool, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    format!(
        r#"{head}
This package makes a Tomcat demand client certificates under this authority. It holds no private key: an authority's never
leaves the platform. For a server's own certificate download that certificate.

  truststore.p12  the root as a trust anchor, and what stands below it
  client-ca.pem   the same in PEM
  mtls.xml        the attributes for an SSLHostConfig in conf/server.xml
{missing}{passphrase}
  sudo cp -r {directory} CATALINA_BASE/conf/                     # Debian: /var/lib/tomcat10/conf/
  sudo chown -R root:tomcat CATALINA_BASE/{installed}
  # the attributes of mtls.xml go into an SSLHostConfig of conf/server.xml
  sudo systemctl restart tomcat10

Tomcat trusts every certificate below the root. It knows nothing of revoked certificates until you give it the CRLs of all
levels, in PEM, in one file: certificateRevocationListFile, beside truststoreFile.
{anchor}"#,
        head = note::head(bundle, "Tomcat", warnings),
        missing = missing_stores(bundle, DeliveredKey::None, has_trust_store),
        passphrase = passphrase(bundle),
        anchor = note::trust_anchor(bundle),
    )
}
