//! CAs, certificates and orders as JSON.

use pca_core::log::Timestamp;
use pca_core::projection::inventory::{CaCertificateEntry, CaEntry, CertificateEntry, CertificateStatus};
use pca_core::projection::{Inventory, OrderEntry, OrderKind, QuotaLedger};
use serde_json::{Value, json};

use crate::orders::order_state;

/// The name of a status: what ended with its CA is revoked.
pub fn status_name(status: CertificateStatus) -> &'static str {
    match status {
        CertificateStatus::Ended => "revoked",
        other => other.name(),
    }
}

/// A CA.
pub fn ca(entry: &CaEntry, ledger: &QuotaLedger, now: Timestamp) -> Value {
    let certificate = entry.certificate.as_ref();
    let mut json = json!({
        "ca": entry.ca,
        "role": if entry.root.is_some() { "intermediate" } else { "root" },
        "root": entry.root,
        "state": entry.status.name(),
        "family": entry.family.to_string(),
        "order": entry.order,
        "bundled": entry.bundled,
        "term_ends": entry.term_ends.to_string(),
        "generation": certificate.map(|certificate| certificate.generation),
        "older": entry.older.iter().map(older).collect::<Vec<Value>>(),
        "ended_generations": entry.ended_generations,
        "certificate": certificate.map(|certificate| certificate.id.to_string()),
        "serial": certificate.map(|certificate| certificate.serial.to_string()),
        "subject": certificate.and_then(|certificate| certificate.subject.clone()),
        "cn": certificate.and_then(|certificate| certificate.common_name.clone()),
        "algorithm": certificate.and_then(|certificate| certificate.algorithm.map(|algorithm| algorithm.name())),
        "not_before": certificate.map(|certificate| certificate.not_before.to_string()),
        "not_after": certificate.map(|certificate| certificate.not_after.to_string()),
        "fingerprint": certificate.map(|certificate| certificate.fingerprint.to_string()),
        "certificates": {
            "valid": entry.certificates.valid,
            "expired": entry.certificates.expired,
            "revoked": entry.certificates.revoked.saturating_add(entry.certificates.ended),
            "on_hold": entry.certificates.on_hold,
        },
    });
    let quota = match &entry.root {
        Some(_) => ledger.intermediate(&entry.ca, now).map(|line| {
            json!({
                "assigned": line.assigned, "consumed": line.consumed, "remaining": line.remaining,
                "expired": line.expired, "forfeited": line.forfeited,
            })
        }),
        None => ledger.roots(now).find(|line| line.root == entry.ca).map(|line| {
            json!({
                "granted": line.columns.granted, "available": line.available, "pool": line.columns.pool,
                "assigned": line.columns.assigned, "consumed": line.columns.consumed, "expired": line.columns.expired,
                "refunded": line.columns.refunded, "forfeited": line.columns.forfeited,
            })
        }),
    };
    if let Value::Object(fields) = &mut json {
        fields.insert("quota".into(), quota.unwrap_or(Value::Null));
    }
    json
}

/// An older certificate of a CA that is still in use.
fn older(certificate: &CaCertificateEntry) -> Value {
    json!({
        "generation": certificate.generation,
        "certificate": certificate.id.to_string(),
        "serial": certificate.serial.to_string(),
        "algorithm": certificate.algorithm.map(|algorithm| algorithm.name()),
        "not_before": certificate.not_before.to_string(),
        "not_after": certificate.not_after.to_string(),
        "fingerprint": certificate.fingerprint.to_string(),
    })
}

/// A certificate of a holder.
pub fn certificate(entry: &CertificateEntry, inventory: &Inventory, now: Timestamp) -> Value {
    let status = inventory.status(entry, now);
    let end = inventory.end_of(entry);
    let reason = match (&entry.revocation, end) {
        (Some(own), _) => Some(own.reason.name()),
        (None, Some(end)) => Some(end.reason().name()),
        _ => None,
    };
    let revoked_at = entry.revocation.map(|own| own.at).or(end.map(|end| end.at));
    json!({
        "certificate": entry.id.to_string(),
        "ca": entry.ca,
        "generation": entry.generation,
        "serial": entry.serial().to_string(),
        "fingerprint": entry.fingerprint.to_string(),
        "profile": entry.profile.name(),
        "status": status_name(status),
        "ended_with_ca": status == CertificateStatus::Ended,
        "reason": reason,
        "revoked_at": revoked_at.map(|time| time.to_string()),
        "invalidity_date": entry.revocation.and_then(|own| own.invalidity_date).map(|time| time.to_string()),
        "cn": entry.common_name,
        "names": entry.names,
        "holder": entry.holder.name,
        "contact": entry.holder.contact,
        "labels": entry.holder.labels.iter().cloned().collect::<std::collections::BTreeMap<String, String>>(),
        "not_before": entry.not_before.to_string(),
        "not_after": entry.not_after.to_string(),
        "issued_at": entry.issued_at.to_string(),
        "position": entry.position.get(),
        "lot": entry.lot,
        "key_kept": entry.key.is_some(),
        "keys_delivered": entry.keys_delivered,
        "removed": entry.removed,
        "renews": entry.renews.map(|id| id.to_string()),
        "renewed_by": entry.renewed_by.map(|id| id.to_string()),
    })
}

/// An order.
pub fn order(entry: &OrderEntry) -> Value {
    let refunds: Vec<Value> = entry
        .refunds
        .iter()
        .map(|refund| {
            json!({
                "requested_at": refund.requested_at.to_string(),
                "requested_by": refund.requested_by,
                "returned_at": refund.returned_at.map(|time| time.to_string()),
                "declined_at": refund.declined.as_ref().map(|(time, _)| time.to_string()),
                "declined_reason": refund.declined.as_ref().map(|(_, reason)| reason),
            })
        })
        .collect();
    let mut json = json!({
        "order": entry.order,
        "kind": entry.kind.name(),
        "state": order_state(entry.state),
        "paid": entry.paid.to_string(),
        "placed_at": entry.placed_at.to_string(),
        "placed_by": entry.placed_by,
        "position": entry.position.get(),
        "refunds": refunds,
    });
    let what = match &entry.kind {
        OrderKind::Root { root, intermediate, free } => {
            json!({ "root": root, "intermediate": intermediate, "free": free })
        }
        OrderKind::Intermediate { root, intermediate } => json!({ "root": root, "intermediate": intermediate }),
        OrderKind::Quota { root, lot, count } => json!({ "root": root, "lot": lot, "count": count }),
        _ => Value::Null,
    };
    if let (Value::Object(fields), Value::Object(what)) = (&mut json, what) {
        fields.extend(what);
    }
    json
}

/// What an order bought, in a few words.
pub fn bought(kind: &OrderKind) -> String {
    match kind {
        OrderKind::Root { root, intermediate, free } => format!("{root}, {intermediate}, {free} free units"),
        OrderKind::Intermediate { root, intermediate } => format!("{intermediate} under {root}"),
        OrderKind::Quota { root, count, .. } => format!("{count} units for {root}"),
        _ => String::new(),
    }
}
