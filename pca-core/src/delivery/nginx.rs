//! The package for nginx: a configuration that runs as it stands, and a site to include in an existing one.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::package::{self, KEY_FILE};
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note};

/// Fills the package; the draft already carries the key's file, if there is one.
pub(super) fn package(bundle: &Bundle, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Nginx, package::unusable_by_browsers);
    let directory = directory(bundle);
    let path = |name: &str| format!("{directory}/{name}");
    package::add_authorities(bundle, &directory, draft)?;
    let install = if bundle.kind() == Kind::Authority {
        draft.add(DeliveredFile::text(path("mtls.conf"), client_verification(bundle, &installed(bundle), "")));
        authority_note(bundle, draft.warnings())
    } else {
        package::add_chain(bundle, &directory, draft)?;
        let encrypted = draft.key() == DeliveredKey::Encrypted;
        draft.add(DeliveredFile::text(path("nginx.conf"), trial(bundle, encrypted)));
        draft.add(DeliveredFile::text(path("site.conf"), site(bundle, encrypted)));
        server_note(bundle, draft.key(), draft.warnings())
    };
    draft.add(DeliveredFile::text(path("INSTALL.txt"), install));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-nginx", bundle.id())
}

/// Where the note has the package installed.
fn installed(bundle: &Bundle) -> String {
    format!("/etc/nginx/{}/", directory(bundle))
}

/// A whole configuration with paths relative to itself, for a trial without privileges.
fn trial(bundle: &Bundle, encrypted: bool) -> String {
    let id = bundle.id();
    let server = server(bundle, encrypted, "", "127.0.0.1:8443", "        ");
    format!(
        r#"# {id}: runs as it stands, from this directory and without privileges, on 127.0.0.1 port 8443:
#     nginx -p "$PWD/" -c nginx.conf -e stderr -g "daemon off;"
# For a site that stays, see site.conf and INSTALL.txt.
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path temp-body;
    proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi;
    uwsgi_temp_path temp-uwsgi;
    scgi_temp_path temp-scgi;
    server {{
{server}        location / {{
            default_type text/plain;
            return 200 "TLS works: {id}\n";
        }}
    }}
}}
"#
    )
}

/// A `server` block to include from an existing configuration's `http` block.
fn site(bundle: &Bundle, encrypted: bool) -> String {
    let id = bundle.id();
    let server = server(bundle, encrypted, &installed(bundle), "443", "    ");
    format!(
        r#"# {id}: include this from the http block of nginx.conf (see INSTALL.txt).
server {{
{server}
    # What the site serves stands here.
    root /var/www/html;
}}
"#
    )
}

fn server(bundle: &Bundle, encrypted: bool, prefix: &str, listen: &str, indent: &str) -> String {
    let hosts = &bundle.certificate().facts.hosts;
    let hosts = if hosts.is_empty() { "_".to_owned() } else { hosts.join(" ") };
    let password = if encrypted { format!("ssl_password_file {prefix}privkey.pass;\n") } else { String::new() };
    let block = format!(
        "listen {listen} ssl;\n\
         server_name {hosts};\n\
         ssl_certificate {prefix}fullchain.pem;\n\
         ssl_certificate_key {prefix}{KEY_FILE};\n\
         {password}\
         ssl_protocols TLSv1.2 TLSv1.3;\n\
         # Mutual TLS: take the number signs off these lines to demand a certificate of every client.\n\
         {}",
        client_verification(bundle, prefix, "#")
    );
    package::indented(&block, indent)
}

fn client_verification(bundle: &Bundle, prefix: &str, comment: &str) -> String {
    let depth = package::depth(bundle);
    format!(
        "{comment}ssl_client_certificate {prefix}client-ca.pem;\n\
         {comment}ssl_verify_client on;\n\
         {comment}ssl_verify_depth {depth};\n"
    )
}

fn server_note(bundle: &Bundle, key: DeliveredKey, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    let key = package::key_paragraph(
        key,
        r#"
privkey.pem is encrypted. nginx reads its passphrase at each start and reload from the file that ssl_password_file names;
without one it asks on the terminal, which fails where nobody sits. Write that file yourself, one line that only you and
later root can read, before you go on:

  (umask 077; cat > privkey.pass)      # inside this directory: type the export passphrase, Enter, Ctrl-D

Passphrase and key on one disk protect the key in transit and in backups that leave the passphrase out, not against
somebody who can read both. Another medium is better: change the path in site.conf.
"#,
        "\nThe package holds no private key: put yours here as privkey.pem, in clear, mode 0600; or encrypted,\n\
             and add an ssl_password_file to nginx.conf and site.conf.\n",
    );
    format!(
        r#"{head}
Files
-----
  fullchain.pem   the certificate, then its intermediates: what nginx sends
  privkey.pem     the private key
  root.pem        the trust anchor, for the clients; nginx does not send it
  client-ca.pem   whose client certificates are accepted under mutual TLS
  nginx.conf      a whole configuration for a trial on port 8443
  site.conf       the server block for an existing nginx
{key}
Try it
------
  cd {directory}
  nginx -p "$PWD/" -c nginx.conf -e stderr -g "daemon off;"      # paths are relative to this directory
  openssl s_client -connect 127.0.0.1:8443 -CAfile root.pem -verify_return_error < /dev/null

Install it
----------
  sudo cp -r {directory} /etc/nginx/
  sudo chown -R root:root {installed} && sudo chmod 700 {installed}
  # inside the http block of /etc/nginx/nginx.conf:
  #     include {installed}site.conf;
  sudo nginx -t && sudo systemctl reload nginx

Mutual TLS
----------
Take the number signs off the three ssl_client/ssl_verify lines. client-ca.pem accepts the clients of every department
under the root; to let in one only, compare $ssl_client_i_dn (the issuer) in the configuration. nginx knows nothing of
revoked certificates until you give it the CRLs of all levels, in PEM, in one file: ssl_crl.
{anchor}{care}"#,
        head = note::head(bundle, "nginx", warnings),
        anchor = note::trust_anchor(bundle),
        care = note::key_care(KEY_FILE),
    )
}

fn authority_note(bundle: &Bundle, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    format!(
        r#"{head}
This package makes an nginx demand client certificates under this authority. It holds no private key: an authority's
never leaves the platform. For a server's own certificate download that certificate.

  client-ca.pem   the authority and what stands above it
  mtls.conf       three lines for a server block

  sudo cp -r {directory} /etc/nginx/
  # inside a server block that has ssl_certificate already:
  #     include {installed}mtls.conf;
  sudo nginx -t && sudo systemctl reload nginx

nginx trusts every certificate below the root in client-ca.pem; to let in one department only, compare $ssl_client_i_dn
(the issuer) in the configuration. It knows nothing of revoked certificates until you give it the CRLs of all levels, in
PEM, in one file: ssl_crl.
{anchor}"#,
        head = note::head(bundle, "nginx", warnings),
        anchor = note::trust_anchor(bundle),
    )
}
