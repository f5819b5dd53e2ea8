//! The package for Microsoft's Internet Information Services: PKCS#12 under the ending that Windows knows, and a script.

use super::bundle::Bundle;
use super::deliver::DeliveredFile;
use super::draft::Draft;
use super::facts::KeyAlgorithm;
use super::package::{self, Unusable};
use super::{DeliveredKey, DeliveryError, DeliveryWarning, Format, Kind, note};

/// Fills the package; the draft already carries the PKCS#12 file, if there is one.
pub(super) fn package(bundle: &Bundle, draft: &mut Draft) -> Result<(), DeliveryError> {
    package::warn(bundle, draft, Format::Iis, unusable);
    let directory = directory(bundle);
    let path = |name: &str| format!("{directory}/{name}");
    package::add_authorities(bundle, &directory, draft)?;
    // In DER, under the ending that Windows opens by a double click.
    if let Some(anchor) = bundle.anchor() {
        draft.add(DeliveredFile::public(path("root.cer"), anchor.der.clone().into()));
    }
    let own = (bundle.kind() == Kind::Authority).then(|| bundle.certificate());
    let intermediates = bundle
        .intermediates()
        .iter()
        .chain(own)
        .filter(|certificate| bundle.anchor().is_none_or(|anchor| !core::ptr::eq(anchor, *certificate)));
    let mut count = 0_u32;
    for certificate in intermediates {
        count = count.saturating_add(1);
        draft.add(DeliveredFile::public(path(&format!("intermediate-{count}.cer")), certificate.der.clone().into()));
    }
    let install = if bundle.kind() == Kind::Authority {
        draft.add(DeliveredFile::text(path("install.ps1"), windows(&authority_script(bundle, count))));
        authority_note(bundle, draft.warnings())
    } else {
        if !draft.has_key() {
            draft.add(DeliveredFile::public(
                path(&format!("{}.cer", bundle.id())),
                bundle.certificate().der.clone().into(),
            ));
        }
        draft.add(DeliveredFile::text(path("install.ps1"), windows(&server_script(bundle, count, draft.has_key()))));
        server_note(bundle, draft.key(), draft.warnings())
    };
    draft.add(DeliveredFile::text(path(package::NOTE_FILE), windows(&install)));
    Ok(())
}

/// The package's directory.
pub(super) fn directory(bundle: &Bundle) -> String {
    format!("{}-iis", bundle.id())
}

const fn unusable(algorithm: KeyAlgorithm) -> &'static [Unusable] {
    match algorithm {
        KeyAlgorithm::Ed25519 => &[("Windows, and so IIS,", "Ed25519")],
        KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Common => package::unusable_by_browsers(algorithm),
    }
}

/// With the ends of lines that Windows PowerShell and its editor expect.
fn windows(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Puts the authorities where Windows looks for them.
fn authorities(bundle: &Bundle, intermediates: u32) -> String {
    let mut script = String::new();
    if let Some(anchor) = bundle.anchor() {
        // The fingerprint is compared by whoever runs it: what is trusted here is trusted for everything.
        let fingerprint = &anchor.facts.fingerprint;
        script.push_str(&format!(
            r#"# The trust anchor: compare its SHA-256 fingerprint over another channel before you answer "yes".
Write-Host 'SHA-256 of root.cer should be {fingerprint}'
$file = Join-Path $PSScriptRoot 'root.cer'
$found = (Get-FileHash -Algorithm SHA256 $file).Hash -replace '(..)(?!$)', '$1:'
if ($found -ne '{fingerprint}') {{ throw "root.cer is another file: $found" }}
if ((Read-Host 'Trust it on this machine (yes/no)') -eq 'yes') {{
    Import-Certificate -FilePath $file -CertStoreLocation Cert:\LocalMachine\Root | Out-Null
}}
"#
        ));
    }
    for number in 1..=intermediates {
        script.push_str(&format!(
            "Import-Certificate -FilePath (Join-Path $PSScriptRoot 'intermediate-{number}.cer') \
             -CertStoreLocation Cert:\\LocalMachine\\CA | Out-Null\n"
        ));
    }
    script
}

const HEAD: &str = r#"#Requires -RunAsAdministrator
#Requires -Modules WebAdministration
$ErrorActionPreference = 'Stop'
"#;

/// The words that demand a certificate of every client of a site.
const DEMAND: &str = r#"Set-WebConfigurationProperty -PSPath 'MACHINE/WEBROOT/APPHOST' -Location $Site `
        -Filter 'system.webServer/security/access' -Name 'sslFlags' -Value 'Ssl,SslNegotiateCert,SslRequireCert'"#;

fn server_script(bundle: &Bundle, intermediates: u32, has_key: bool) -> String {
    let id = bundle.id();
    let authorities = authorities(bundle, intermediates);
    let import = if has_key {
        format!(
            r#"$passphrase = Read-Host -AsSecureString 'Export passphrase of {id}.pfx'
$certificate = Import-PfxCertificate -FilePath (Join-Path $PSScriptRoot '{id}.pfx') `
    -CertStoreLocation Cert:\LocalMachine\My -Password $passphrase |
    Where-Object {{ $_.HasPrivateKey }} | Select-Object -First 1
"#
        )
    } else {
        format!(
            r#"# The key was made on this machine, with the request: this joins both.
certreq -accept -machine (Join-Path $PSScriptRoot '{id}.cer')
if ($LASTEXITCODE -ne 0) {{ throw 'no key on this machine fits the certificate' }}
$thumbprint = (New-Object Security.Cryptography.X509Certificates.X509Certificate2 (Join-Path $PSScriptRoot '{id}.cer')).Thumbprint
$certificate = Get-Item "Cert:\LocalMachine\My\$thumbprint"
"#
        )
    };
    format!(
        r#"# {id}: installs the certificate and binds it to a site. In a PowerShell as administrator, in this directory:
#     .\install.ps1 -Site 'Default Web Site'                             only TLS
#     .\install.ps1 -Site 'Default Web Site' -DemandClientCertificates   mutual TLS
param(
    [string] $Site = 'Default Web Site',
    [int] $Port = 443,
    [switch] $DemandClientCertificates
)
{HEAD}
{authorities}{import}
$binding = Get-WebBinding -Name $Site -Protocol https -Port $Port
if (-not $binding) {{
    New-WebBinding -Name $Site -Protocol https -Port $Port
    $binding = Get-WebBinding -Name $Site -Protocol https -Port $Port
}}
$binding.AddSslCertificate($certificate.Thumbprint, 'My')
if ($DemandClientCertificates) {{
    {DEMAND}
}}
Write-Host "bound $($certificate.Thumbprint) to $Site on port $Port"
"#
    )
}

fn authority_script(bundle: &Bundle, intermediates: u32) -> String {
    let id = bundle.id();
    let authorities = authorities(bundle, intermediates);
    format!(
        r#"# {id}: makes a site demand client certificates under this authority. In a PowerShell as administrator:
#     .\install.ps1 -Site 'Default Web Site'
param(
    [string] $Site = 'Default Web Site'
)
{HEAD}
{authorities}
    {DEMAND}
"#
    )
}

fn server_note(bundle: &Bundle, key: DeliveredKey, warnings: &[DeliveryWarning]) -> String {
    let id = bundle.id();
    let directory = directory(bundle);
    let identity = if key == DeliveredKey::None {
        format!("  {id}.cer   the certificate alone: the key must be on the machine already, made with its request\n")
    } else {
        format!("  {id}.pfx   the private key, the certificate, its intermediates, and the root (PKCS#12)\n")
    };
    let old = if key == DeliveredKey::None {
        String::new()
    } else {
        format!(
            r#"
The file is encrypted with AES-256 and SHA-256: Windows Server 2019, Windows 10 version 1709 or newer. An older one says
that the passphrase is wrong; for it:

  openssl pkcs12 -in {id}.pfx -out all.pem && openssl pkcs12 -export -legacy -in all.pem -out old.pfx && shred -u all.pem
"#
        )
    };
    let care = if key == DeliveredKey::None { String::new() } else { note::key_care(&format!("{id}.pfx")) };
    format!(
        r#"{head}
Files
-----
{identity}  install.ps1        installs all of this and binds it to a site
  root.cer           the trust anchor, for this machine if it calls others; the same as root.pem
  intermediate-1.cer what stands between: Windows sends it from its store "Intermediate Certification Authorities"
  client-ca.pem      whose client certificates are accepted under mutual TLS
{old}
Install it
----------
Copy {directory} to the server. In a PowerShell as administrator, in that directory (it asks for the passphrase, and
whether the root shall be trusted):

  .\install.ps1 -Site 'Default Web Site'

By hand: import the file into "Computer account > Personal" (certlm.msc), then in IIS Manager: the site > Bindings >
Add > https > the certificate.

Mutual TLS
----------
  .\install.ps1 -Site 'Default Web Site' -DemandClientCertificates

or in the site's web.config: <access sslFlags="Ssl,SslNegotiateCert,SslRequireCert" /> below system.webServer/security.
Windows accepts clients of every root that the machine trusts: to let in those of one department only, compare the
issuer of the client's certificate in the application. It fetches CRLs from the addresses in the certificates, and refuses
clients whose revocation it cannot check.
{anchor}{care}"#,
        head = note::head(bundle, "IIS", warnings),
        anchor = note::trust_anchor(bundle),
    )
}

fn authority_note(bundle: &Bundle, warnings: &[DeliveryWarning]) -> String {
    let directory = directory(bundle);
    format!(
        r#"{head}
This package makes an IIS demand client certificates under this authority. It holds no private key: an authority's never
leaves the platform. For a server's own certificate download that certificate.

  install.ps1        puts root and intermediate where Windows looks for them, and demands certificates on a site
  root.cer           the trust anchor; the same as root.pem
  client-ca.pem      the authority and what stands above it

Copy {directory} to the server. In a PowerShell as administrator, in that directory:

  .\install.ps1 -Site 'Default Web Site'

Windows accepts clients of every root that the machine trusts: to let in those of one department only, compare the
issuer of the client's certificate in the application. It fetches CRLs from the addresses in the certificates, and refuses
clients whose revocation it cannot check.
{anchor}"#,
        head = note::head(bundle, "IIS", warnings),
        anchor = note::trust_anchor(bundle),
    )
}
