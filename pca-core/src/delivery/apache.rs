//! The package for Apache's web server: a configuration that runs as it stands, and a site for an existing one.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::package::{self, KEY_FILE};
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note};

/// Fills the package; the draft already carries the key's file, if there is one.
pub(super) fn package(bundle: &Bundle, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Apache, package::unusable_by_browsers);
    let directory = directory(bundle);
    let path = |name: &str| format!("{directory}/{name}");
    package::add_authorities(bundle, &directory, draft)?;
    let install = if bundle.kind() == Kind::Authority {
        draft.add(DeliveredFile::text(path("mtls.conf"), client_verification(bundle, &installed(bundle), "")));
        authority_note(bundle, draft.warnings())
    } else {
        package::add_chain(bundle, &directory, draft)?;
        let encrypted = draft.key() == DeliveredKey::Encrypted;
        draft.add(DeliveredFile::text(path("httpd.conf"), trial(bundle, encrypted)));
        draft.add(DeliveredFile::text(path("site.conf"), site(bundle, encrypted)));
        if encrypted {
            draft.add(DeliveredFile::text(path("passphrase.sh"), PASSPHRASE_PROGRAM.to_owned()));
        }
        server_note(bundle, draft.key(), draft.warnings())
    };
    draft.add(DeliveredFile::text(path(package::NOTE_FILE), install));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-apache", bundle.id())
}

/// Apache asks a program for the passphrase of a key.
const PASSPHRASE_PROGRAM: &str = r#"#!/bin/sh
# Tells Apache the passphrase of privkey.pem, from the file privkey.pass beside this one.
exec cat "$(dirname "$0")/privkey.pass"
"#;

/// Where the note has the package installed.
fn installed(bundle: &Bundle) -> String {
    format!("/etc/apache2/{}/", directory(bundle))
}

/// A whole configuration with paths relative to itself, for a trial without privileges.
fn trial(bundle: &Bundle, encrypted: bool) -> String {
    let id = bundle.id();
    // Where no directory stands before the program's name Apache looks below its root, which is this directory.
    let dialog = if encrypted { "SSLPassPhraseDialog exec:passphrase.sh\n" } else { "" };
    let server = package::indented(&server(bundle, ""), "    ");
    format!(
        r#"# {id}: runs as it stands, from this directory and without privileges, on 127.0.0.1 port 8443:
#     apache2 -d "$PWD" -f httpd.conf -D FOREGROUND        (Fedora, RHEL: httpd in place of apache2)
# For a site that stays, see site.conf and INSTALL.txt.
<IfFile /usr/lib/apache2/modules/mod_ssl.so>
    Define MODULES /usr/lib/apache2/modules
</IfFile>
<IfFile /usr/lib64/httpd/modules/mod_ssl.so>
    Define MODULES /usr/lib64/httpd/modules
</IfFile>
<IfModule !mpm_event_module>
    LoadModule mpm_event_module ${{MODULES}}/mod_mpm_event.so
</IfModule>
<IfModule !unixd_module>
    LoadModule unixd_module ${{MODULES}}/mod_unixd.so
</IfModule>
LoadModule authz_core_module ${{MODULES}}/mod_authz_core.so
LoadModule alias_module ${{MODULES}}/mod_alias.so
LoadModule ssl_module ${{MODULES}}/mod_ssl.so
# Whom it becomes when root starts it; nobody else can be anybody else.
User #65534
Group #65534
ServerName localhost
DefaultRuntimeDir .
PidFile httpd.pid
ErrorLog /dev/stderr
{dialog}Listen 127.0.0.1:8443
<VirtualHost 127.0.0.1:8443>
{server}    ErrorDocument 200 "TLS works: {id}"
    Redirect 200 /
</VirtualHost>
"#
    )
}

/// A site for an existing Apache.
fn site(bundle: &Bundle, encrypted: bool) -> String {
    let id = bundle.id();
    let prefix = installed(bundle);
    let dialog = if encrypted {
        format!(
            "# One program answers for all encrypted keys of a server.\nSSLPassPhraseDialog exec:{prefix}passphrase.sh\n"
        )
    } else {
        String::new()
    };
    let server = package::indented(&server(bundle, &prefix), "    ");
    format!(
        r#"# {id}: a site for Apache (see INSTALL.txt).
{dialog}<VirtualHost *:443>
{server}
    # What the site serves stands here.
    DocumentRoot /var/www/html
</VirtualHost>
"#
    )
}

fn server(bundle: &Bundle, prefix: &str) -> String {
    // Addresses of IPv6 are no server names; a request by address is answered by the first site anyway.
    let hosts = package::hosts(bundle).into_iter().filter(|host| !host.contains(':'));
    let names: String = hosts
        .enumerate()
        .map(|(number, host)| match number {
            0 if !host.starts_with('*') => format!("ServerName {host}\n"),
            _ => format!("ServerAlias {host}\n"),
        })
        .collect();
    format!(
        "{names}\
         SSLEngine on\n\
         SSLProtocol -all +TLSv1.2 +TLSv1.3\n\
         SSLCertificateFile {prefix}fullchain.pem\n\
         SSLCertificateKeyFile {prefix}{KEY_FILE}\n\
         # Mutual TLS: take the number signs off these lines to demand a certificate of every client.\n\
         {}",
        client_verification(bundle, prefix, "#")
    )
}

fn client_verification(bundle: &Bundle, prefix: &str, comment: &str) -> String {
    let depth = package::depth(bundle);
    format!(
        "{comment}SSLCACertificateFile {prefix}client-ca.pem\n\
         {comment}SSLVerifyClient require\n\
         {comment}SSLVerifyDepth {depth}\n"
    )
}

fn server_note(bundle: &Bundle, key: DeliveredKey, warnings: &[DeliveryWarning]) -> String {
    let id = bundle.id();
    let directory = directory(bundle);
    let installed = installed(bundle);
    let key = package::key_paragraph(
        key,
        r#"
privkey.pem is encrypted. Apache asks passphrase.sh for its passphrase at each start, and that reads it from a file. Write
that file yourself, one line that only you and later root can read, and let the program run, before you go on:

  (umask 077; cat > privkey.pass)      # inside this directory: type the export passphrase, Enter, Ctrl-D
  chmod 700 passphrase.sh

Passphrase and key on one disk protect the key in transit and in backups that leave the passphrase out, not against
somebody who can read both. Another medium is better: change the path in passphrase.sh.
"#,
        "\nThe package holds no private key: put yours here as privkey.pem, mode 0600, in clear; or encrypted, with an\n\
         SSLPassPhraseDialog in httpd.conf and site.conf.\n",
    );
    format!(
        r#"{head}
Files
-----
  fullchain.pem   the certificate, then its intermediates: what Apache sends
  privkey.pem     the private key
  root.pem        the trust anchor, for the clients; Apache does not send it
  client-ca.pem   whose client certificates are accepted under mutual TLS
  httpd.conf      a whole configuration for a trial on port 8443
  site.conf       the site for an existing Apache (2.4.34 or newer)
{key}
Try it
------
  cd {directory}
  apache2 -d "$PWD" -f httpd.conf -D FOREGROUND                  # Fedora, RHEL: httpd; paths are relative to -d
  openssl s_client -connect 127.0.0.1:8443 -CAfile root.pem -verify_return_error < /dev/null

Install it
----------
  sudo cp -r {directory} /etc/apache2/                           # Fedora, RHEL: /etc/httpd/, also in site.conf
  sudo chown -R root:root {installed} && sudo chmod 700 {installed}
  sudo cp {installed}site.conf /etc/apache2/sites-available/{id}.conf    # Fedora, RHEL: /etc/httpd/conf.d/
  sudo a2enmod ssl && sudo a2ensite {id}
  sudo apachectl configtest && sudo systemctl restart apache2

Mutual TLS
----------
Take the number signs off the three lines under "Mutual TLS". client-ca.pem accepts the clients of every department under
the root; to let in one only, demand its issuer: Require expr "%{{SSL_CLIENT_I_DN_CN}} == 'NAME'". Apache knows nothing of
revoked certificates until you give it the CRLs of all levels, in PEM, in one file, by SSLCARevocationFile, and turn
SSLCARevocationCheck to chain.
{anchor}{care}"#,
        head = note::head(bundle, "Apache", warnings),
        anchor = note::trust_anchor(bundle),
        care = note::key_care(KEY_FILE),
    )
}

fn authority_note(bundle: &Bundle, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    format!(
        r#"{head}
This package makes an Apache demand client certificates under this authority. It holds no private key: an authority's
never leaves the platform. For a server's own certificate download that certificate.

  client-ca.pem   the authority and what stands above it
  mtls.conf       three lines for a VirtualHost

  sudo cp -r {directory} /etc/apache2/                           # Fedora, RHEL: /etc/httpd/, also in mtls.conf
  # inside a VirtualHost that has SSLEngine on already:
  #     Include {installed}mtls.conf
  sudo apachectl configtest && sudo systemctl restart apache2

Apache trusts every certificate below the root in client-ca.pem; to let in one department only, demand its issuer:
Require expr "%{{SSL_CLIENT_I_DN_CN}} == 'NAME'". It knows nothing of revoked certificates until you give it the CRLs of all
levels, in PEM, in one file, by SSLCARevocationFile, and turn SSLCARevocationCheck to chain.
{anchor}"#,
        head = note::head(bundle, "Apache", warnings),
        anchor = note::trust_anchor(bundle),
    )
}
