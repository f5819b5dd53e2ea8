//! Answers to OCSP requests (rules A2, A3, I1).

use std::path::PathBuf;

use clap::Args;
use pca_core::domain::ocsp::{CertifyResponder, Prepared, prepare};
use pca_core::log::Digest;
use pca_core::service::OcspAnswer;
use pca_core::x509::{MAX_OCSP_REQUEST, OcspCertStatus, OcspRequest, OcspSingle, OcspStatus};
use serde_json::{Value, json};

use crate::args::{CaArgs, Global};
use crate::exit::{Answer, Outcome, REFUSED, say};
use crate::gate::Gate;
use crate::shop::{Shop, preview};
use crate::{file, output};

/// The words of `pca ocsp`.
#[derive(Args, Debug)]
pub struct OcspArgs {
    #[command(flatten)]
    pub ca: CaArgs,
    /// The request as DER
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// Where to write the response as DER; an older one there is replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `pca ocsp CA --request FILE --out FILE`
///
/// A request that is malformed, or that this CA may not answer, has a response too: it is written, and the exit code is 1.
pub async fn answer(global: &Global, args: OcspArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca.ca, "A3");
    if !gate.is_open() {
        // For the reasons; nobody has such a CA, and so nothing is certified.
        return preview(global, gate, &CertifyResponder { ca, issuer: Digest::ZERO }).await;
    }
    let request = file::limited(&args.request, MAX_OCSP_REQUEST)?;
    if global.dry_run {
        return rehearse(global, &ca, &request).await;
    }
    file::writable(&args.out)?;
    let shop = Shop::working(global).await?;
    let answered = shop.pca.answer_ocsp(&ca, &request, &shop.call).await;
    shop.close().await?;
    let answered = answered?;
    file::replace(&args.out, &answered.der)?;
    let out = args.out.display().to_string();
    Ok(told(&answered, &request, &out))
}

fn told(answered: &OcspAnswer, request: &[u8], out: &str) -> Answer {
    let response = answered.response.name();
    let Some(facts) = &answered.facts else {
        let why = answered.why.clone().unwrap_or_default();
        say(&format!("no answer: {why}"));
        let rule = OcspRequest::from_der(request).map_or_else(|error| error.rule(), |_| "A3");
        let refused = json!([{ "rule": rule, "code": response, "message": why }]);
        let json = json!({ "response": response, "why": why, "refused": refused, "file": out });
        let text = output::facts([("response", format!("{response}, written to {out}"))]);
        return Answer::with_code(json, text, REFUSED);
    };
    let (this_update, next_update) = (facts.this_update.to_string(), facts.next_update.to_string());
    let json = json!({
        "ca": facts.ca,
        "response": response,
        "generation": facts.generation,
        "responder": facts.responder.to_string(),
        // An answer has no number, as a CRL has one.
        "number": Value::Null,
        "this_update": this_update,
        "next_update": next_update,
        "entries": facts.singles.len(),
        "nonce": facts.nonce,
        "status": facts.singles.iter().map(single_json).collect::<Vec<_>>(),
        "file": out,
    });
    let mut lines = vec![("response", format!("{response}, written to {out}"))];
    lines.extend(facts.singles.iter().map(|single| ("certificate", single_line(single))));
    lines.extend([("issued", this_update), ("next", next_update), ("responder", facts.responder.to_string())]);
    Answer::new(json, output::facts(lines))
}

fn single_json(single: &OcspSingle) -> Value {
    let serial = single.cert_id.serial().map(|serial| serial.to_string());
    let mut json = json!({ "serial": serial, "status": single.status.name() });
    if let (OcspCertStatus::Revoked { at, reason }, Some(fields)) = (single.status, json.as_object_mut()) {
        fields.insert("revoked_at".into(), at.to_string().into());
        fields.insert("reason".into(), reason.name().into());
    }
    json
}

fn single_line(single: &OcspSingle) -> String {
    let serial =
        single.cert_id.serial().map_or_else(|| "of no possible serial".to_owned(), |serial| serial.to_string());
    format!("{serial} is {}", single.status)
}

/// What would be answered; nothing is signed, nobody certified, nothing written.
async fn rehearse(global: &Global, ca: &pca_core::CaId, request: &[u8]) -> Outcome {
    let shop = Shop::asking(global).await?;
    let asked = match OcspRequest::from_der(request) {
        Ok(asked) => asked,
        Err(error) => {
            let json =
                json!({ "dry_run": true, "response": OcspStatus::MalformedRequest.name(), "why": error.to_string() });
            return Ok(Answer::with_code(json, error.to_string(), REFUSED));
        }
    };
    let prepared = shop.pca.question(|desk, now| prepare(desk, ca, asked.cert_ids(), now)).await?;
    Ok(match prepared {
        Prepared::Answer(answered) => {
            let lines = answered.singles.iter().map(|single| ("certificate", single_line(single)));
            let status: Vec<Value> = answered.singles.iter().map(single_json).collect();
            let response = OcspStatus::Successful.name();
            let text = output::facts(lines.collect::<Vec<_>>());
            Answer::new(json!({ "dry_run": true, "response": response, "status": status }), text)
        }
        Prepared::NoResponder { .. } => {
            let text = "an OCSP responder would be certified first, and then the request be answered";
            Answer::new(json!({ "dry_run": true, "certifies": true }), text)
        }
        Prepared::Unauthorized { why } => {
            let json = json!({ "dry_run": true, "response": OcspStatus::Unauthorized.name(), "why": why });
            Answer::with_code(json, why, REFUSED)
        }
        _ => Answer::new(json!({ "dry_run": true }), ""),
    })
}
