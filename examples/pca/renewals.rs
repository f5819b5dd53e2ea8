//! Renewal, roll-over, cross-signing, and issuers elsewhere.

use std::path::Path;

use pca_core::domain::CaId;
use pca_core::domain::ca::{
    CrossSign, EnableByCertificate, EnableByUpload, Lifetime, RenewCa, RenewedCa, RequestCertificate,
};
use pca_core::domain::certificate::{Issued, KeySource, RenewCertificate};
use pca_core::domain::event::Addresses;
use pca_core::x509::{MAX_PEM, check_certificate, to_pem};
use serde_json::{Value, json};

use crate::args::{CrossSignArgs, EnableArgs, Global, RenewArgs, RenewCaArgs};
use crate::authorities::{answer as enabled, subject};
use crate::exit::{Answer, Failure, Outcome};
use crate::gate::Gate;
use crate::issue::{csr_from_file, issued_json};
use crate::shop::{Shop, carry_out, preview, told};
use crate::{file, output};

/// `pca renew CERT`
pub async fn renew(global: &Global, args: RenewArgs) -> Outcome {
    let mut gate = Gate::new();
    let mut request = RenewCertificate::of(gate.certificate(&args.certificate, "A4"));
    if let Some(path) = &args.csr
        && let KeySource::Csr(csr) = csr_from_file(&mut gate, path)?
    {
        request.csr = Some(csr);
    }
    request.days = args.days.as_ref().map(|days| gate.small(days, "days of validity", "C5"));
    request.clamp = args.clamp;
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &request).await;
    }
    let before = request.id.to_string();
    let shop = Shop::working(global).await?;
    let renewed = shop.pca.renew(request, &shop.call).await;
    shop.close().await?;
    Ok(renewal(&told(renewed?), before))
}

fn renewal(issued: &Issued, before: String) -> Answer {
    let id = issued.id.to_string();
    let mut json = issued_json(issued);
    if let Value::Object(fields) = &mut json {
        fields.insert("status".into(), "valid".into());
        fields.insert("renews".into(), before.clone().into());
    }
    let text = output::facts([
        ("certificate", id),
        ("renews", before.clone()),
        ("valid", format!("{} to {}", issued.not_before, issued.not_after)),
        ("paid by", issued.lot.to_string()),
        ("quota left", issued.balance.remaining.to_string()),
    ]);
    Answer::new(json, format!("{text}\nonce it is in place: pca revoke {before} --reason superseded"))
}

/// `pca renew-ca CA`
pub async fn renew_ca(global: &Global, args: RenewCaArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "C11");
    let years = args.years.as_ref().map(|years| Lifetime::Years(gate.small(years, "years of validity", "C5")));
    let days = args.days.as_ref().map(|days| Lifetime::Days(gate.small(days, "days of validity", "C5")));
    let command = RenewCa {
        ca,
        new_key: args.new_key,
        algorithm: gate.algorithm(args.algorithm.as_ref()),
        lifetime: years.or(days),
        clamp: args.clamp,
    };
    carry_out(global, gate, command, |renewed| roll_over(&renewed)).await
}

fn roll_over(renewed: &RenewedCa) -> Answer {
    let (ca, pem) = (&renewed.ca, to_pem("CERTIFICATE", renewed.certificate.as_bytes()));
    let algorithm = renewed.algorithm.map(|algorithm| algorithm.name());
    let links: Vec<Value> = renewed
        .links
        .iter()
        .map(|link| {
            json!({
                "kind": link.kind.name(),
                "certificate": link.id.to_string(),
                "certificate_pem": to_pem("CERTIFICATE", link.certificate.as_bytes()),
            })
        })
        .collect();
    let json = json!({
        "ca": ca,
        "state": "enabled",
        "generation": renewed.generation,
        "certificate": renewed.id.to_string(),
        "serial": renewed.id.serial().to_string(),
        "new_key": renewed.new_key,
        "algorithm": algorithm,
        "not_before": renewed.not_before.to_string(),
        "not_after": renewed.not_after.to_string(),
        "links": links,
        "certificate_pem": pem,
    });
    let kinds: Vec<&str> = renewed.links.iter().map(|link| link.kind.name()).collect();
    let text = output::facts([
        ("renewed", ca.to_string()),
        ("generation", renewed.generation.to_string()),
        ("key", if renewed.new_key { "a new one".to_owned() } else { "the same".to_owned() }),
        ("valid", format!("{} to {}", renewed.not_before, renewed.not_after)),
        ("link certificates", kinds.join(", ")),
    ]);
    Answer::new(json, format!("{text}\n{pem}"))
}

/// `pca cross-sign CA --by CA`
pub async fn cross_sign(global: &Global, args: CrossSignArgs) -> Outcome {
    let mut gate = Gate::new();
    let command = CrossSign { ca: gate.ca(&args.ca, "C11"), by: gate.ca(&args.by, "C11") };
    carry_out(global, gate, command, |signed| {
        let (id, pem) = (signed.id.to_string(), to_pem("CERTIFICATE", signed.certificate.as_bytes()));
        let json = json!({
            "ca": signed.ca,
            "state": "enabled",
            "by": signed.by,
            "certificate": id,
            "serial": signed.id.serial().to_string(),
            "not_before": signed.not_before.to_string(),
            "not_after": signed.not_after.to_string(),
            "certificate_pem": pem,
        });
        let text = output::facts([
            ("certified", signed.ca.to_string()),
            ("by", signed.by.to_string()),
            ("certificate", id),
            ("valid", format!("{} to {}", signed.not_before, signed.not_after)),
        ]);
        Answer::new(json, format!("{text}\n{pem}"))
    })
    .await
}

/// `pca enable CA --request-csr FILE --cn …`
pub async fn request(
    global: &Global,
    mut gate: Gate,
    ca: CaId,
    addresses: Addresses,
    args: &EnableArgs,
    out: &Path,
) -> Outcome {
    let algorithm = gate.algorithm(args.algorithm.as_ref());
    let command = RequestCertificate { ca, subject: subject(&args.subject), algorithm, addresses };
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &command).await;
    }
    file::writable(out)?;
    let shop = Shop::working(global).await?;
    let requested = shop.pca.execute(command, &shop.call).await;
    // The key of a request that this one replaces ends now.
    shop.resume().await;
    shop.close().await?;
    let requested = told(requested?);
    let pem = to_pem("CERTIFICATE REQUEST", requested.request.as_bytes());
    file::replace(out, pem.as_bytes())?;
    let (ca, out) = (&requested.ca, out.display().to_string());
    let json = json!({
        "ca": ca,
        "state": "requested",
        "algorithm": requested.algorithm.name(),
        "file": out,
        "csr_pem": pem,
    });
    let text = format!("{out} asks for a certificate of {ca}\nonce it is signed: pca enable {ca} --certificate FILE");
    Ok(Answer::new(json, text))
}

/// `pca enable CA --certificate FILE`
pub async fn certificate(
    global: &Global,
    mut gate: Gate,
    ca: CaId,
    addresses: Addresses,
    accepted: &[String],
    path: &Path,
) -> Outcome {
    let octets = file::limited(path, MAX_PEM)?;
    let certificate = match check_certificate(&octets) {
        Ok(certificate) => certificate,
        Err(error) => {
            if let Some(refusal) = EnableByUpload::unreadable(&error) {
                refusal.broken().iter().for_each(|broken| gate.refuse(broken.clone()));
            }
            return Err(Failure::Refused(gate.reasons(&[])));
        }
    };
    let command = EnableByCertificate { ca, certificate, accepted: accepted.to_vec(), addresses };
    carry_out(global, gate, command, |answer| enabled(&answer)).await
}
