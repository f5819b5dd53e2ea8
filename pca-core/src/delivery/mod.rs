//! What people download and install (rule A1): certificates and chains, encrypted private keys, PKCS#12 files, and
//! packages made ready for a server or a browser.
//!
//! [`deliver`] is pure: it takes a [`Bundle`] (certificates, perhaps a private key) and a [`Format`], and gives
//! [`DeliveredFile`]s for the caller to write. Randomness comes in as [`Salts`], drawn by the caller for one call;
//! nothing is read from or written to a disk here. What the caller owes: create the directory 0700, write files marked
//! [`DeliveredFile::secret`] 0600, overwrite nothing, and record a download with a key as an event *before* the files
//! are handed out, [`Delivery::key`] in it. [`objections`] tells beforehand every rule that stands against it.
//!
//! | format | files |
//! |---|---|
//! | [`Pem`](Format::Pem) | `<ID>.pem`: the certificate, then its intermediates, without the root; with the key `<ID>.key.pem` |
//! | [`Der`](Format::Der) | `<ID>.der`, its issuers as `issuers/<n>.der` (1 is the nearest); with the key `<ID>.key.pem` |
//! | [`Pkcs7`](Format::Pkcs7) | `<ID>.p7b`: certificate, intermediates and root; with the key `<ID>.key.pem` |
//! | [`Pkcs8`](Format::Pkcs8) | `<ID>.key.pem` |
//! | [`Pkcs12`](Format::Pkcs12) | `<ID>.p12`: key, certificate, chain and root; of a certificate authority a trust store without key (rule K1) |
//! | [`Jks`](Format::Jks) | `<ID>.jks`: the same for old Java programs |
//! | [`Nginx`](Format::Nginx) | `<ID>-nginx/`: chain, key, trust anchor, a configuration that runs as it stands, a note |
//! | [`Apache`](Format::Apache) | `<ID>-apache/`: the same for Apache's web server |
//! | [`Haproxy`](Format::Haproxy) | `<ID>-haproxy/`: the same for HAProxy, chain and key in one file |
//! | [`Tomcat`](Format::Tomcat) | `<ID>-tomcat/`: key store, trust store, a `server.xml` that runs as it stands, a connector, a note |
//! | [`Iis`](Format::Iis) | `<ID>-iis/`: PKCS#12, trust anchor, a PowerShell script, a note |
//! | [`Browser`](Format::Browser) | `<ID>-browser/`: PKCS#12, trust anchor, a note for the common systems |
//!
//! Of a certificate authority a package holds what its server needs to verify clients.
//!
//! A private key leaves only when it is asked for ([`Options::with_key`]), never that of a certificate authority (rule
//! K1), and encrypted under an export passphrase (rule K5) unless the plain one is asked for by name (rule K4).

mod apache;
mod browser;
mod bundle;
mod deliver;
mod draft;
mod error;
mod facts;
mod format;
mod haproxy;
mod iis;
mod jks;
mod nginx;
mod note;
mod package;
mod passphrase;
mod pem;
mod pkcs12;
mod pkcs7;
mod pkcs8;
mod salts;
mod tlv;
mod tomcat;

pub use bundle::{Bundle, Kind};
pub use deliver::{DeliveredFile, DeliveredKey, Delivery, Options, deliver, objections};
pub use error::{DeliveryError, DeliveryWarning};
pub use format::{Format, FormatError};
pub use passphrase::LEAST_PASSPHRASE_CHARACTERS;
pub use pkcs8::KEY_ITERATIONS;
pub use pkcs12::PKCS12_ITERATIONS;
pub use salts::Salts;
