//! The package for HAProxy, which wants certificate, intermediates and key in one file.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::package;
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note};

/// Fills the package; the draft already carries the file with chain and key, if there is a key.
pub(super) fn package(bundle: &Bundle, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Haproxy, package::unusable_by_browsers);
    let directory = directory(bundle);
    let path = |name: &str| format!("{directory}/{name}");
    if draft.key() == DeliveredKey::Encrypted {
        draft.warn(DeliveryWarning::EncryptedKeyUnusable { target: "HAProxy", path: SITE_FILE.to_owned() });
    }
    package::add_authorities(bundle, &directory, draft)?;
    let install = if bundle.kind() == Kind::Authority {
        draft.add(DeliveredFile::text(
            path("mtls.cfg"),
            format!("# Add to a bind line with ssl:\n#   {}\n", verification(&installed(bundle))),
        ));
        authority_note(bundle, draft.warnings())
    } else {
        if !draft.has_key() {
            package::add_chain(bundle, &directory, draft)?;
        }
        draft.add(DeliveredFile::text(path("haproxy.cfg"), trial(bundle)));
        server_note(bundle, draft.key(), draft.warnings())
    };
    draft.add(DeliveredFile::text(path(package::NOTE_FILE), install));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-haproxy", bundle.id())
}

/// The name of the file with chain and key inside the package.
pub(super) const SITE_FILE: &str = "site.pem";

/// Where the note has the package installed.
fn installed(bundle: &Bundle) -> String {
    format!("/etc/haproxy/{}/", directory(bundle))
}

/// What demands a certificate of every client.
fn verification(prefix: &str) -> String {
    format!("ca-file {prefix}client-ca.pem verify required")
}

/// A whole configuration with paths relative to itself, for a trial without privileges.
fn trial(bundle: &Bundle) -> String {
    let id = bundle.id();
    let verification = verification("");
    format!(
        r#"# {id}: runs as it stands, without privileges, on 127.0.0.1 port 8443:
#     haproxy -f haproxy.cfg
# For a site that stays, see INSTALL.txt.
global
    # Files are looked for beside this one.
    default-path config
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend {id}
    bind 127.0.0.1:8443 ssl crt {SITE_FILE}
    # Mutual TLS: this line in place of the one above demands a certificate of every client.
    #bind 127.0.0.1:8443 ssl crt {SITE_FILE} {verification}
    http-request return status 200 content-type text/plain string "TLS works: {id}\n"
"#
    )
}

fn server_note(bundle: &Bundle, key: DeliveredKey, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let installed = installed(bundle);
    let (files, key) = match key {
        DeliveredKey::Encrypted => (
            "  site.pem        the certificate, its intermediates, then the private key, encrypted\n",
            r#"
HAProxy opens no encrypted key: at a start by hand it asks on the terminal, as a service it fails. Decrypt the key on the
machine where it stays, and keep the result to root:

  (umask 077; { sed '/ENCRYPTED/,$d' site.pem; openssl pkey -in site.pem; } > site.new && mv site.new site.pem)
"#,
        ),
        DeliveredKey::Plain => (
            "  site.pem        the certificate, its intermediates, then the private key: what HAProxy wants in one file\n",
            "\nsite.pem holds the private key, NOT encrypted: keep it readable for root only (mode 0600).\n",
        ),
        DeliveredKey::None => (
            "  fullchain.pem   the certificate, then its intermediates\n",
            "\nThe package holds no private key. HAProxy wants chain and key in one file; join them:\n\n  \
             (umask 077; cat fullchain.pem YOUR-KEY.pem > site.pem)\n",
        ),
    };
    let verification = verification(&installed);
    format!(
        r#"{head}
Files
-----
{files}  root.pem        the trust anchor, for the clients; HAProxy does not send it
  client-ca.pem   whose client certificates are accepted under mutual TLS
  haproxy.cfg     a whole configuration for a trial on port 8443 (HAProxy 2.4 or newer)
{key}
Try it
------
  cd {directory}
  haproxy -f haproxy.cfg
  openssl s_client -connect 127.0.0.1:8443 -CAfile root.pem -verify_return_error < /dev/null

Install it
----------
  sudo cp -r {directory} /etc/haproxy/
  sudo chown -R root:root {installed} && sudo chmod 700 {installed}
  # in a frontend of /etc/haproxy/haproxy.cfg:
  #     bind :443 ssl crt {installed}{SITE_FILE}
  sudo haproxy -c -f /etc/haproxy/haproxy.cfg && sudo systemctl reload haproxy

Mutual TLS
----------
Add to the bind line:
  {verification}
client-ca.pem accepts the clients of every department under the root; to let in one only, compare its issuer:
http-request deny unless {{ ssl_c_i_dn(cn) -m str NAME }}. HAProxy knows nothing of revoked certificates until you give it
the CRLs of all levels, in PEM, in one file: crl-file, on the bind line.
{anchor}{care}"#,
        head = note::head(bundle, "HAProxy", warnings),
        anchor = note::trust_anchor(bundle),
        care = note::key_care(SITE_FILE),
    )
}

fn authority_note(bundle: &Bundle, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    let verification = verification(&installed(bundle));
    format!(
        r#"{head}
This package makes an HAProxy demand client certificates under this authority. It holds no private key: an authority's
never leaves the platform. For a server's own certificate download that certificate.

  client-ca.pem   the authority and what stands above it
  mtls.cfg        the words for a bind line

  sudo cp -r {directory} /etc/haproxy/
  # on a bind line that has ssl and crt already:
  #     {verification}
  sudo haproxy -c -f /etc/haproxy/haproxy.cfg && sudo systemctl reload haproxy

HAProxy trusts every certificate below the root in client-ca.pem; to let in one department only, compare its issuer:
http-request deny unless {{ ssl_c_i_dn(cn) -m str NAME }}. It knows nothing of revoked certificates until you give it the
CRLs of all levels, in PEM, in one file: crl-file, on the bind line.
{anchor}"#,
        head = note::head(bundle, "HAProxy", warnings),
        anchor = note::trust_anchor(bundle),
    )
}
