//! Which path is what: CRLs, OCSP (RFC 6960 appendix A, RFC 5019) and CA certificates (RFC 5280 section 4.2.2.1).

use base64ct::{Base64Unpadded, Encoding as _};
use pca_core::CaId;
use pca_core::domain::Desk;
use pca_core::log::{Digest, Timestamp};
use pca_core::service::{OcspAnswer, blocking};
use pca_core::x509::{OcspResponse, OcspStatus};

use crate::http::{Request, Response};
use crate::place::{Place, Trouble};

const OCSP: &str = "application/ocsp-response";

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    /// A CA's CRL.
    Crl(CaId),
    /// A CA's certificate.
    Certificate(CaId),
    /// OCSP; with GET, what stands behind the responder's own path is the request.
    Ocsp(String),
}

/// Answers a request.
pub fn answer(place: &Place, request: &Request) -> Response {
    let asks = matches!(request.method.as_str(), "GET" | "HEAD");
    if !asks && request.method != "POST" {
        return refuse_method("GET, HEAD, POST");
    }
    match find(place, &request.path) {
        Ok(Some(Thing::Ocsp(behind))) => ocsp(place, request, &behind),
        Ok(Some(_)) if !asks => refuse_method("GET, HEAD"),
        Ok(Some(Thing::Crl(ca))) => told(crl(place, &ca)),
        Ok(Some(Thing::Certificate(ca))) => told(certificate(place, &ca)),
        Ok(None) => Response::without((404, "Not Found"), "there is nothing here"),
        Err(error) => trouble(&error),
    }
}

fn refuse_method(allowed: &str) -> Response {
    Response::without((405, "Method Not Allowed"), "that cannot be done here").with("Allow", allowed)
}

fn told(outcome: Result<Response, Trouble>) -> Response {
    outcome.unwrap_or_else(|error| trouble(&error))
}

fn trouble(error: &Trouble) -> Response {
    eprintln!("warning: {error}");
    Response::without((503, "Service Unavailable"), "it cannot be had right now").with("Retry-After", "10")
}

/// Looks a path up among the addresses that stand in certificates, and those that every CA has.
fn find(place: &Place, path: &str) -> Result<Option<Thing>, Trouble> {
    place.with(|pca, _| {
        let cas = authorities(pca)?;
        let own = |end: &str| path.strip_prefix('/')?.strip_suffix(end)?.parse::<CaId>().ok();
        for (ca, addresses) in &cas {
            let is = |url: &Option<String>| url.as_deref().is_some_and(|url| path_of(url) == path);
            if is(&addresses.crl_url) || own(".crl").as_ref() == Some(ca) {
                return Ok(Some(Thing::Crl(ca.clone())));
            }
            if is(&addresses.issuer_url) || own(".cer").as_ref() == Some(ca) {
                return Ok(Some(Thing::Certificate(ca.clone())));
            }
        }
        let ocsp_urls = cas.iter().filter_map(|(_, addresses)| addresses.ocsp_url.as_deref()).map(path_of);
        let responders = ocsp_urls.chain(["/ocsp"]).filter_map(|own| {
            let behind = path.strip_prefix(own.trim_end_matches('/'))?;
            (behind.is_empty() || behind.starts_with('/')).then(|| behind.trim_start_matches('/').to_owned())
        });
        // The longest path that fits leaves the least behind it.
        Ok(responders.min_by_key(String::len).map(Thing::Ocsp))
    })
}

/// The path in a URL.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| rest.split_at(at).1);
    path.split(['?', '#']).next().unwrap_or_default()
}

type Addressed = (CaId, pca_core::domain::event::Addresses);

fn authorities(pca: &blocking::Pca) -> Result<Vec<Addressed>, Trouble> {
    let all = |desk: &Desk<'_>| {
        let mut all = Vec::new();
        for root in desk.enterprise()?.roots() {
            let ca = desk.ca(root)?;
            all.push((root.clone(), ca.addresses().clone()));
            for intermediate in ca.intermediates() {
                all.push((intermediate.clone(), desk.ca(intermediate)?.addresses().clone()));
            }
        }
        Ok(all)
    };
    Ok(pca.question(|desk, _| all(desk))?)
}

fn crl(place: &Place, ca: &CaId) -> Result<Response, Trouble> {
    let signed = place.with(|pca, call| Ok(pca.publish_crl(ca, call)?))?;
    let response = Response::found("application/pkix-crl", signed.der);
    // Whoever fetches it again soon gets it anew: a revocation is not hidden by caches.
    Ok(response
        .with("Cache-Control", "public, max-age=60, no-transform")
        .with("Last-Modified", date(signed.facts.this_update)))
}

fn certificate(place: &Place, ca: &CaId) -> Result<Response, Trouble> {
    let found = place.with(|pca, _| {
        Ok(pca.question(|desk, _| {
            let ca = desk.ca(ca)?;
            let ended = ca.ended().last().map(|ended| &ended.generation);
            Ok(ca.generation().or(ended).map(|generation| generation.certificate.as_bytes().to_vec()))
        })?)
    })?;
    Ok(match found {
        Some(der) => Response::found("application/pkix-cert", der).with("Cache-Control", "public, max-age=3600"),
        None => Response::without((404, "Not Found"), "this CA has no certificate yet"),
    })
}

fn ocsp(place: &Place, request: &Request, behind: &str) -> Response {
    let by_get = request.method != "POST";
    let asked = if by_get { decode(behind).unwrap_or_default() } else { request.body.clone() };
    // What cannot be decoded is no request, and is answered as such.
    let answered = place.with(|pca, call| Ok(pca.answer_ocsp_of_any(&asked, call)?));
    match answered {
        Ok(answered) => {
            if let Some(why) = &answered.why {
                eprintln!("{}: {why}", answered.response);
            }
            cached(answered, by_get)
        }
        Err(error) => {
            eprintln!("warning: {error}");
            Response::found(OCSP, OcspResponse::failure(OcspStatus::TryLater)).with("Cache-Control", "no-store")
        }
    }
}

/// The headers by which caches keep an answer to GET (RFC 5019 section 5): not longer than half of its time, nor an hour, so
/// that a revocation is not hidden for long.
fn cached(answered: OcspAnswer, by_get: bool) -> Response {
    let OcspAnswer { der, facts, .. } = answered;
    let etag = format!("\"{}\"", Digest::of(&der));
    let response = Response::found(OCSP, der);
    match facts.filter(|facts| by_get && !facts.nonce) {
        Some(facts) => {
            let half = (facts.next_update.secs() - facts.this_update.secs()) / 2;
            let age = half.clamp(0, 3600);
            response
                .with("Cache-Control", format!("max-age={age}, public, no-transform, must-revalidate"))
                .with("Last-Modified", date(facts.this_update))
                .with("Expires", date(facts.next_update))
                .with("ETag", etag)
        }
        None => response.with("Cache-Control", "no-store"),
    }
}

/// A request in a path: URL-encoded base 64, with or without its padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        plain.push(match octet {
            b'%' => {
                let digits = [octets.next()?, octets.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    let text = String::from_utf8(plain).ok()?;
    Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok()
}

/// A time as HTTP has it.
fn date(time: Timestamp) -> String {
    time.to_datetime().map(|time| time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap_or_default()
}
