//! Certificates for holders, one at a time: issue, revoke, hold.

use std::path::Path;

use pca_core::domain::BrokenRule;
use pca_core::domain::certificate::{
    IssueCertificate, Issued, KeySource, NameRequest, ReleaseHold, RevokeCertificate, Status, effective_status,
};
use pca_core::domain::event::Holder;
use pca_core::x509::{MAX_CERTIFICATE, MAX_PEM, Profile, ProfileName, VerifiedCsr};
use serde_json::{Value, json};

use crate::args::{AlgorithmWord, Global, IssueArgs, LabelWord, ProfileArgs, RequestArgs, RevokeArgs, Time};
use crate::authorities::subject;
use crate::exit::{Answer, Failure, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, carry_out, preview, told};
use crate::{file, output};

/// `pca issue profile NAME CA …`
pub async fn profile(global: &Global, args: ProfileArgs) -> Outcome {
    let mut gate = Gate::new();
    let profile = gate.profile(&args.name);
    one(global, gate, profile, &args.ca, args.request).await
}

/// `pca issue server|client CA …`
pub async fn plain(global: &Global, profile: Profile, ca: &str, args: RequestArgs) -> Outcome {
    one(global, Gate::new(), profile.into(), ca, args).await
}

async fn one(global: &Global, mut gate: Gate, profile: ProfileName, ca: &str, args: RequestArgs) -> Outcome {
    let RequestArgs { dns, ip, email, uri, subject: fields, issue } = args;
    let IssueArgs { key, days, clamp, holder, contact, label } = issue;
    let mut request = IssueCertificate::of(gate.ca(ca, "I1"), profile, subject(&fields));
    request.names.extend(dns.into_iter().map(NameRequest::dns));
    request.names.extend(ip.into_iter().map(NameRequest::ip));
    request.names.extend(email.into_iter().map(NameRequest::email));
    request.names.extend(uri.into_iter().map(NameRequest::uri));
    request.key = match &key.csr {
        Some(path) => csr_from_file(&mut gate, path)?,
        None => platform_key(&mut gate, key.algorithm.as_ref()),
    };
    request.days = days.as_ref().map(|days| gate.small(days, "days of validity", "C5"));
    request.clamp = clamp;
    let labels = label.into_iter().map(|LabelWord(key, value)| (key, value)).collect();
    request.holder = Holder { name: holder, contact, labels };
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &request).await;
    }
    let shop = Shop::working(global).await?;
    let issued = shop.pca.issue(request, &shop.call).await;
    shop.close().await?;
    Ok(answer(&told(issued?)))
}

/// A key that the platform makes.
pub fn platform_key(gate: &mut Gate, word: Option<&AlgorithmWord>) -> KeySource {
    KeySource::Platform(gate.algorithm(word))
}

/// The key of a signing request; one that cannot be accepted breaks its rule.
pub fn csr_key(gate: &mut Gate, octets: &[u8]) -> KeySource {
    match VerifiedCsr::verify(octets) {
        Ok(csr) => KeySource::Csr(csr),
        Err(error) => {
            gate.refuse(BrokenRule::from(error));
            KeySource::Platform(None)
        }
    }
}

/// The key of the signing request in a file.
pub fn csr_from_file(gate: &mut Gate, path: &Path) -> Result<KeySource, Failure> {
    let octets = file::limited(path, MAX_PEM.max(MAX_CERTIFICATE))?;
    Ok(csr_key(gate, &octets))
}

/// What was issued, as the page has it.
pub fn issued_json(issued: &Issued) -> Value {
    json!({
        "certificate": issued.id.to_string(),
        "serial": issued.serial.to_string(),
        "not_before": issued.not_before.to_string(),
        "not_after": issued.not_after.to_string(),
        "lot": issued.lot,
        "ca": issued.ca,
        "remaining": issued.balance.remaining,
    })
}

fn answer(issued: &Issued) -> Answer {
    let id = issued.id.to_string();
    let mut text = output::facts([
        ("certificate", id.clone()),
        ("serial", issued.serial.to_string()),
        ("valid", format!("{} to {}", issued.not_before, issued.not_after)),
        ("paid by", issued.lot.to_string()),
        ("quota left", issued.balance.remaining.to_string()),
    ]);
    text.push_str(&match issued.key {
        Some(_) => format!("\nnext: pca download {id} --format nginx --out DIR --with-key --plain-key"),
        None => format!("\nnext: pca download {id} --format pem --out DIR"),
    });
    Answer::new(issued_json(issued), text)
}

/// `pca revoke CERT`
pub async fn revoke(global: &Global, args: RevokeArgs) -> Outcome {
    let mut gate = Gate::new();
    let command = RevokeCertificate {
        id: gate.certificate(&args.certificate, "A2"),
        reason: args.reason,
        invalidity_date: args.invalidity_date.map(|Time(time)| time),
    };
    carry_out(global, gate, command, |revoked| {
        let (id, ca, status) = (revoked.id.to_string(), &revoked.ca, revoked.status());
        Answer::new(
            json!({ "certificate": id, "status": status, "reason": revoked.reason.name(), "ca": ca }),
            format!(
                "{id} is {} ({}); relying parties learn it from `pca crl {ca} --out FILE`",
                status.replace('-', " "),
                revoked.reason
            ),
        )
    })
    .await
}

/// `pca unhold CERT`
pub async fn unhold(global: &Global, certificate: &str) -> Outcome {
    let mut gate = Gate::new();
    let id = gate.certificate(certificate, "A2");
    let command = ReleaseHold { id };
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &command).await;
    }
    let shop = Shop::working(global).await?;
    let released = match shop.pca.execute(command, &shop.call).await {
        Ok(done) => {
            // Whose hold is lifted may have expired meanwhile, or have ended with its CA.
            let at = done.receipt.time;
            let status = shop.pca.question(|desk, _| {
                let certificate = desk.certificate(&id)?;
                Ok(match certificate.issued() {
                    Some(issued) => effective_status(certificate, desk.ca(&issued.ca)?, at),
                    None => Status::Unknown,
                })
            });
            let status = status.await;
            told(done);
            status.map_err(Failure::from)
        }
        Err(error) => Err(error.into()),
    };
    shop.close().await?;
    let (id, status) = (id.to_string(), released?);
    let text = match status {
        Status::Valid => format!("{id} is believed again"),
        other => format!("the hold of {id} is lifted; it {other}"),
    };
    Ok(Answer::new(json!({ "certificate": id, "status": status.name() }), text))
}
