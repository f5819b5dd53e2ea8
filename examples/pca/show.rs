//! One thing in full.

use pca_core::domain::ca::Ca;
use pca_core::domain::{CaId, OrderId, stream};
use pca_core::log::Position;
use pca_core::projection::{Inventory, Orders, QuotaLedger};
use pca_core::x509::{CertificateId, Subtree, to_pem};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Answer, Failure, Outcome};
use crate::shop::Shop;
use crate::{output, view};

/// `pca show ID`
pub async fn show(global: &Global, id: &str) -> Outcome {
    let shop = Shop::asking(global).await?;
    if let Ok(ca) = id.parse::<CaId>() {
        return show_ca(&shop, &ca).await;
    }
    if let Ok(certificate) = id.parse::<CertificateId>() {
        return show_certificate(&shop, &certificate).await;
    }
    if let Ok(order) = id.parse::<OrderId>() {
        let orders: Orders = shop.pca.project_streams(&[stream::order(&order)], Position::MAX).await?;
        return match orders.order(&order) {
            Some(entry) => Ok(told(view::order(entry), "")),
            None => Err(unknown("O2", format!("{order} was never placed"))),
        };
    }
    let id: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
    let rule = match id.as_str() {
        id if id.starts_with("crt_") => "I2",
        id if id.starts_with("ord_") => "O2",
        _ => "C1",
    };
    Err(unknown(rule, format!("`{id}` is no id: ca_…, crt_… and ord_… can be shown")))
}

async fn show_ca(shop: &Shop, id: &CaId) -> Outcome {
    let inventory: Inventory = shop.pca.project(Position::MAX).await?;
    let ledger: QuotaLedger = shop.pca.project(Position::MAX).await?;
    let Some(entry) = inventory.ca_entry(id, shop.now) else {
        return Err(unknown("C1", format!("nobody has bought {id}")));
    };
    let mut json = view::ca(&entry, &ledger, shop.now);
    let ca = inventory.ca(id);
    let pem =
        ca.and_then(|ca| ca.generation()).map(|generation| to_pem("CERTIFICATE", generation.certificate.as_bytes()));
    if let (Value::Object(fields), Some(ca)) = (&mut json, ca) {
        let addresses = ca.addresses();
        fields.insert("intermediates".into(), ca.intermediates().iter().map(CaId::as_str).collect::<Vec<_>>().into());
        fields.insert("crl_url".into(), addresses.crl_url.clone().into());
        fields.insert("ocsp_url".into(), addresses.ocsp_url.clone().into());
        fields.insert("issuer_url".into(), addresses.issuer_url.clone().into());
        fields.insert("links".into(), links(ca).into());
        fields.insert("cross_certificates".into(), cross_certificates(ca).into());
        if !ca.is_root() {
            let names = ca.profiles().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            fields.insert("profiles".into(), names.into());
        }
        let constraints = ca
            .generation()
            .and_then(|generation| generation.parsed.as_ref())
            .and_then(|parsed| parsed.extensions().name_constraints.as_ref());
        let text = |list: &[Subtree]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let constraints = constraints.map(
            |constraints| json!({ "permitted": text(constraints.permitted()), "excluded": text(constraints.excluded()) }),
        );
        fields.insert("name_constraints".into(), constraints.into());
        fields.insert("certificate_pem".into(), pem.clone().into());
    }
    Ok(told(json, &pem.unwrap_or_default()))
}

async fn show_certificate(shop: &Shop, id: &CertificateId) -> Outcome {
    let (issued, authority) = shop
        .pca
        .question(|desk, _| {
            let certificate = desk.certificate(id)?;
            let issued = certificate.issued().map(|issued| (issued.ca.clone(), issued.certificate.clone()));
            let authority = match certificate.authority() {
                // A CA's own certificate is shown as the CA, as long as it is in use.
                Some(authority) => {
                    let ca = desk.ca(&authority.ca)?;
                    let in_use = ca
                        .living_generations()
                        .any(|generation| generation.id == *id || generation.links.iter().any(|link| link.id == *id));
                    let certified = ca.cross_certificates().iter().any(|cross| cross.id == *id);
                    Some(authority.ca.clone()).filter(|_| in_use || certified)
                }
                None => None,
            };
            Ok((issued, authority))
        })
        .await?;
    if let Some(ca) = authority {
        return show_ca(shop, &ca).await;
    }
    let unissued = || unknown("I2", format!("nobody issued {id}"));
    let (ca, der) = issued.ok_or_else(unissued)?;
    // Its status is its own stream joined with its CA's: whatever else is in the log does not matter.
    let streams = [stream::certificate(id), stream::ca(&ca)];
    let inventory: Inventory = shop.pca.project_streams(&streams, Position::MAX).await?;
    let entry = inventory.certificate(id).ok_or_else(unissued)?;
    let mut json = view::certificate(entry, &inventory, shop.now);
    let pem = to_pem("CERTIFICATE", der.as_bytes());
    if let Value::Object(fields) = &mut json {
        fields.insert("certificate_pem".into(), pem.clone().into());
    }
    Ok(told(json, &pem))
}

/// The link certificates of a root that was renewed with a new key.
fn links(ca: &Ca) -> Vec<Value> {
    let generations = ca.living_generations();
    let links = generations.flat_map(|generation| generation.links.iter().map(move |link| (generation.number, link)));
    links
        .map(|(generation, link)| {
            json!({ "generation": generation, "kind": link.kind.name(), "certificate": link.id.to_string() })
        })
        .collect()
}

/// The certificates of it that other roots signed, and those of others that it signed.
fn cross_certificates(ca: &Ca) -> Vec<Value> {
    let signed = ca.cross_certificates().iter();
    signed.map(|cross| json!({ "certificate": cross.id.to_string(), "ca": cross.ca, "by": cross.by })).collect()
}

fn unknown(rule: &'static str, message: String) -> Failure {
    Failure::refused(rule, "unknown-id", message)
}

/// Facts for people, from what programs get.
fn told(json: Value, tail: &str) -> Answer {
    let mut text = String::new();
    if let Value::Object(fields) = &json {
        let shown = fields.iter().filter(|(name, value)| !value.is_null() && *name != "certificate_pem");
        let facts: Vec<(&str, String)> = shown.map(|(name, value)| (name.as_str(), plain(name, value))).collect();
        text = output::facts(facts);
    }
    if !tail.is_empty() {
        text.push('\n');
        text.push_str(tail);
    }
    Answer::new(json, text)
}

fn plain(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if matches!(name, "state" | "status") => output::state(text),
        Value::String(text) => output::harmless(text),
        Value::Array(items) => items.iter().map(|item| plain("", item)).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let facts = fields.iter().map(|(name, value)| format!("{name} {}", plain("", value)));
            facts.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
