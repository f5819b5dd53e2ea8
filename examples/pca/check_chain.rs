//! `pca check-chain`: a chain of certificates, judged as a relying party does.

use std::path::PathBuf;

use pca_core::log::{Digest, Timestamp};
use pca_core::x509::path::{
    ChainCertificate, ChainMaterial, ChainOptions, Reason, certificates_in, check_chain as check, crls_in,
};
use pca_core::x509::{MAX_CRL, MAX_PEM};
use serde_json::{Value, json};

use crate::args::{CheckChainArgs, Global};
use crate::exit::{Answer, Failure, Outcome, REFUSED};
use crate::{file, output};

/// How a file is taken apart.
type Decode = fn(&[u8]) -> Result<Vec<Vec<u8>>, Reason>;

/// `pca check-chain`
pub fn check_chain(global: &Global, args: CheckChainArgs) -> Outcome {
    let mut reasons = Vec::new();
    let mut read = |paths: &[PathBuf], most: usize, decode: Decode| {
        let mut all = Vec::new();
        for path in paths {
            let octets = file::limited(path, most)?;
            match decode(&octets) {
                Ok(found) => all.extend(found),
                Err(reason) => {
                    reasons.push(told(reason.clause(), &format!("{}: {}", path.display(), reason.message())))
                }
            }
        }
        Ok::<_, Failure>(all)
    };
    let mut leaf = read(std::slice::from_ref(&args.leaf), MAX_PEM, certificates_in)?;
    let anchors = read(&args.trust, MAX_PEM, certificates_in)?;
    let mut intermediates = read(&args.intermediates, MAX_PEM, certificates_in)?;
    let crls = read(&args.crl, MAX_CRL, crls_in)?;

    let now = global.now.map_or_else(|| Timestamp::from(chrono::Utc::now()), |now| now.0);
    let mut options = ChainOptions::at(args.at.map_or(now, |at| at.0));
    options.names = args.name;
    options.purpose = args.purpose.unwrap_or_default();
    options.max_depth = args.max_depth;
    options.profile = args.profile.unwrap_or_default();
    options.require_crl = args.require_crl;

    // Whatever else is wrong is told, too, as far as there is a leaf.
    if !leaf.is_empty() {
        intermediates.extend(leaf.drain(1..));
        let material = ChainMaterial {
            target: leaf.first().map_or(&[], Vec::as_slice),
            anchors: &slices(&anchors),
            intermediates: &slices(&intermediates),
            crls: &slices(&crls),
        };
        match check(&material, &options) {
            Ok(chain) if reasons.is_empty() => return Ok(valid(&chain.path)),
            Ok(_) => {}
            Err(found) => reasons.extend(found.iter().map(|reason| told(reason.clause(), reason.message()))),
        }
    }
    let lines: Vec<String> = reasons
        .iter()
        .map(|reason| {
            let text = |field: &str| reason[field].as_str().map(output::harmless).unwrap_or_default();
            format!("  {:<22} {}", text("clause"), text("message"))
        })
        .collect();
    let text = format!("not valid:\n{}", lines.join("\n"));
    Ok(Answer::with_code(json!({ "valid": false, "reasons": reasons }), text, REFUSED))
}

fn slices(all: &[Vec<u8>]) -> Vec<&[u8]> {
    all.iter().map(Vec::as_slice).collect()
}

fn told(clause: &str, message: &str) -> Value {
    json!({ "clause": clause, "message": message })
}

fn valid(path: &[ChainCertificate]) -> Answer {
    let certificates: Vec<Value> = path
        .iter()
        .map(|certificate| {
            let serial: String = certificate.serial.iter().map(|octet| format!("{octet:02x}")).collect();
            json!({
                "subject": certificate.subject.to_string(),
                "issuer": certificate.issuer.to_string(),
                "serial": serial,
                "not_after": certificate.not_after,
                "fingerprint": Digest::of(&certificate.der),
            })
        })
        .collect();
    let lines: Vec<String> = certificates
        .iter()
        .map(|certificate| {
            let text = |field: &str| certificate[field].as_str().map(output::harmless).unwrap_or_default();
            format!("  {}  (serial {}, until {})", text("subject"), text("serial"), text("not_after"))
        })
        .collect();
    Answer::new(json!({ "valid": true, "path": certificates }), format!("valid:\n{}", lines.join("\n")))
}
