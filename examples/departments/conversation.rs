//! Mutual TLS over loopback with rustls: OA's server, HR's clients, and a revocation between two conversations.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pca_core::domain::certificate::RevokeCertificate;
use pca_core::keys::PrivateKey;
use pca_core::x509::{CertificateId, ParsedCertificate, RevocationReason};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection,
    Stream,
};

use crate::Outcome;
use crate::issuing::{Certificates, OA_HOST, package};
use crate::place::{EXPORT_PASSPHRASE, Place};
use crate::platform::Platform;
use crate::purchase::Shop;
use crate::voice::{chapter, done, note, refused};

/// How long a conversation may stand still before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Talks, revokes, and talks again.
pub(crate) fn talk(platform: &Platform, place: &Place, shop: &Shop, issued: &Certificates) -> Outcome {
    chapter(7, "HR's clients talk to OA's server over mutual TLS (rustls)");
    let crls = publish(platform, place, shop, "crl")?;
    let config = server(place, issued, &crls)?;
    expect(place, &config, None, Heard::TurnedAway)?;
    let (ann, bob) = (Some(("hr-ann", issued.ann)), Some(("hr-bob", issued.bob)));
    expect(place, &config, ann, Heard::Greeting("Ann Clerk"))?;
    expect(place, &config, bob, Heard::Greeting("Bob Clerk"))?;

    chapter(8, "Ann's key is stolen");
    let revoke = |id, reason| RevokeCertificate { id, reason, invalidity_date: None };
    let because = platform.hr.clone().because("Ann's laptop was stolen");
    platform.pca.execute(revoke(issued.ann, RevocationReason::KeyCompromise), &because)?;
    done(&format!("{} is revoked: keyCompromise", issued.ann));
    let again = platform.pca.execute(revoke(issued.ann, RevocationReason::Superseded), &platform.hr);
    refused("to revoke it once more for a lesser reason", again, &["A2"])?;
    note("OA's server does not know yet, as it has the revocation list of before:");
    expect(place, &config, ann, Heard::Greeting("Ann Clerk"))?;
    let crls = publish(platform, place, shop, "crl-after-revocation")?;
    let config = server(place, issued, &crls)?;
    note("OA's server has loaded it:");
    expect(place, &config, ann, Heard::Revoked)?;
    expect(place, &config, bob, Heard::Greeting("Bob Clerk"))
}

/// Publishes the revocation list of every CA: as DER for relying parties, all of them as PEM for nginx and OpenSSL.
fn publish(platform: &Platform, place: &Place, shop: &Shop, directory: &str) -> Outcome<Vec<Vec<u8>>> {
    let mut lists = Vec::new();
    let mut pem = String::new();
    for (name, ca) in [("root", &shop.root), ("oa", &shop.oa), ("hr", &shop.hr)] {
        let crl = platform.pca.publish_crl(ca, &platform.it)?;
        place.write(&format!("{directory}/{name}.crl"), &crl.der, false)?;
        pem.push_str(&crl.pem());
        let facts = crl.facts;
        done(&format!(
            "{directory}/{name}.crl: number {}, {} revoked, next {}",
            facts.number, facts.entries, facts.next_update
        ));
        lists.push(crl.der);
    }
    place.write(&format!("{directory}/all.pem"), pem.as_bytes(), false)?;
    Ok(lists)
}

/// What came of a conversation.
#[derive(Debug, PartialEq, Eq)]
enum Heard<'a> {
    /// The server greeted the client by the name in its certificate.
    Greeting(&'a str),
    /// The server wanted a certificate.
    TurnedAway,
    /// The server refused the certificate as revoked.
    Revoked,
}

/// Holds a conversation as whom the directory's certificate says, and ends the walk if it comes otherwise.
fn expect(
    place: &Place,
    config: &Arc<ServerConfig>,
    who: Option<(&str, CertificateId)>,
    expected: Heard<'_>,
) -> Outcome {
    let client = client(place, who)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let config = Arc::clone(config);
    let serving = thread::spawn(move || serve(&listener, config));
    let heard_by_client = call(address, client);
    let served = serving.join().map_err(|_| "the server's thread ended in a panic")?;
    match (served, heard_by_client, &expected) {
        (Ok(protocol), Ok(greeting), Heard::Greeting(name)) if greeting == format!("Good day, {name}.") => {
            done(&format!("{name} is let in over {protocol} and hears: {greeting}"));
            Ok(())
        }
        (Err(rustls::Error::NoCertificatesPresented), Err(alert), Heard::TurnedAway) => {
            done(&format!("somebody without a certificate is turned away: {alert}"));
            Ok(())
        }
        (Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)), Err(alert), Heard::Revoked) => {
            done(&format!("Ann is refused because her certificate is revoked, and hears: {alert}"));
            Ok(())
        }
        (served, heard, expected) => {
            Err(format!("{expected:?} was expected; server {served:?}, client {heard:?}").into())
        }
    }
}

/// OA's server, from the files that were downloaded for it: whoever comes must have a certificate below the root that no
/// list of all CAs on its path names.
fn server(place: &Place, issued: &Certificates, crls: &[Vec<u8>]) -> Outcome<Arc<ServerConfig>> {
    let crls = crls.iter().map(|der| CertificateRevocationListDer::from(der.clone()));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors(place)?), provider())
        .with_crls(crls)
        .enforce_revocation_expiration()
        .build()?;
    let (chain, key) = (format!("{}/fullchain.pem", package(issued)), format!("{}/privkey.pem", package(issued)));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(place, &chain)?, private_key(place, &key)?)?;
    Ok(Arc::new(config))
}

/// A client of HR, from the files that were downloaded for it.
fn client(place: &Place, who: Option<(&str, CertificateId)>) -> Outcome<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(anchors(place)?);
    Ok(match who {
        None => config.with_no_client_auth(),
        Some((directory, id)) => config.with_client_auth_cert(
            certificates(place, &format!("{directory}/{id}.pem"))?,
            private_key(place, &format!("{directory}/{id}.key.pem"))?,
        )?,
    })
}

/// Serves one client: greets it by its name, or tells why not.
fn serve(listener: &TcpListener, config: Arc<ServerConfig>) -> Result<String, rustls::Error> {
    let (mut socket, _) = listener.accept().map_err(general)?;
    let mut connection = ServerConnection::new(config)?;
    let served = patient(&socket).and_then(|()| greet(&mut connection, &mut socket));
    if served.is_err() {
        // Hears the client out, so that the alert is not lost when the socket closes.
        let _ = socket.shutdown(Shutdown::Write);
        let _ = io::copy(&mut socket, &mut io::sink());
    }
    served.map_err(general)?;
    Ok(match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    })
}

fn greet(connection: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    let certificate = connection.peer_certificates().and_then(|chain| chain.first()).map(|der| der.to_vec());
    let name = ParsedCertificate::from_der(&certificate.unwrap_or_default())
        .ok()
        .and_then(|certificate| certificate.subject().common_name())
        .unwrap_or_else(|| "stranger".into());
    let mut stream = Stream::new(connection, socket);
    let mut asked = [0; 5];
    stream.read_exact(&mut asked)?;
    stream.write_all(format!("Good day, {name}.").as_bytes())?;
    stream.conn.send_close_notify();
    stream.conn.complete_io(stream.sock).map(drop)
}

/// Calls the server and tells what it says.
fn call(address: SocketAddr, config: ClientConfig) -> Result<String, rustls::Error> {
    let mut socket = TcpStream::connect(address).map_err(general)?;
    patient(&socket).map_err(general)?;
    let name = ServerName::try_from(OA_HOST).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut heard = String::new();
    stream.write_all(b"hello").and_then(|()| stream.read_to_string(&mut heard)).map_err(general)?;
    Ok(heard)
}

fn patient(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))
}

/// What rustls said inside an error of input and output.
fn general(error: io::Error) -> rustls::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    inner.unwrap_or_else(|| rustls::Error::General(error.to_string()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn anchors(place: &Place) -> Outcome<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(place, "trust/root.pem")? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(place: &Place, name: &str) -> Outcome<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(&place.read(name)?).collect::<Result<_, _>>()?)
}

/// A downloaded key: encrypted PKCS#8, which rustls does not decrypt by itself.
fn private_key(place: &Place, name: &str) -> Outcome<PrivateKeyDer<'static>> {
    let key = PrivateKey::import(&place.read(name)?, Some(EXPORT_PASSPHRASE.as_bytes()))?;
    Ok(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()).into())
}
