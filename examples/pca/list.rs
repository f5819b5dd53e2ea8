//! Lists: CAs as a tree, certificates, orders, quota.

use pca_core::domain::quota::Columns;
use pca_core::log::{Position, Timestamp};
use pca_core::projection::inventory::{CaEntry, CaStatus, CertificateEntry, CertificateStatus};
use pca_core::projection::{CertificateFilter, Inventory, Orders, QuotaLedger};
use pca_core::x509::SerialNumber;
use serde_json::{Value, json};

use crate::args::{Global, ListArgs, ListKind};
use crate::exit::{Answer, Failure, Outcome, say};
use crate::output::{bar, csv, day, harmless, state, table};
use crate::shop::Shop;
use crate::view;

/// `pca list cas|certificates|orders|quota`
pub async fn list(global: &Global, args: ListArgs) -> Outcome {
    if args.csv && global.json {
        return Err(Failure::Usage("--csv and --json exclude each other".into()));
    }
    check(&args)?;
    let absent = absent(&args);
    if let Some(absent) = &absent {
        say(&format!("note: {absent}, so that nothing matches"));
    }
    let shop = Shop::asking(global).await?;
    let listed = match args.kind {
        ListKind::Cas => cas(&shop, &args).await?,
        ListKind::Certificates => certificates(&shop, &args).await?,
        ListKind::Orders => orders(&shop, &args, absent.is_some()).await?,
        ListKind::Quota => quota(&shop, &args, absent.is_some()).await?,
    };
    let text = if args.csv { listed.csv } else { listed.text };
    Ok(Answer::new(Value::Array(listed.json), text))
}

struct Listed {
    json: Vec<Value>,
    text: String,
    csv: String,
}

/// Words of filters that nothing could match are not understood.
fn check(args: &ListArgs) -> Result<(), Failure> {
    let hex = |name: &str, text: &Option<String>| match text {
        Some(text) if text.is_empty() || !text.chars().all(|c| c.is_ascii_hexdigit() || c == ':') => {
            Err(Failure::Usage(format!("`{text}` is no hexadecimal {name}")))
        }
        _ => Ok(()),
    };
    hex("serial number", &args.serial)?;
    hex("fingerprint", &args.fingerprint)?;
    let Some(status) = args.status.as_deref() else { return Ok(()) };
    let known: &[&str] = match args.kind {
        ListKind::Certificates => {
            &["valid", "active", "revoked", "on-hold", "hold", "held", "expired", "ended", "removed"]
        }
        ListKind::Cas => {
            &["not-enabled", "enabled", "disabled", "expired", "revoked", "refund-requested", "refunded", "removed"]
        }
        ListKind::Orders => &["placed", "refund-requested", "refunded"],
        ListKind::Quota => &[],
    };
    if known.contains(&status) {
        return Ok(());
    }
    if known.is_empty() {
        return Err(Failure::Usage("quota has no status; leave --status out".into()));
    }
    Err(Failure::Usage(format!("`{status}` is no status of what is listed; known are {}", known.join(", "))))
}

/// A filter by what the things listed never have.
fn absent(args: &ListArgs) -> Option<String> {
    let (things, has): (&str, &[&str]) = match args.kind {
        ListKind::Certificates => return None,
        ListKind::Cas => ("a CA", &["name", "serial number", "fingerprint", "expiry"]),
        ListKind::Orders => ("an order", &[]),
        ListKind::Quota => ("quota", &["expiry"]),
    };
    let given = [
        ("name", args.name.is_some()),
        ("serial number", args.serial.is_some()),
        ("fingerprint", args.fingerprint.is_some()),
        ("holder", args.holder.is_some()),
        ("expiry", args.expires_within.is_some()),
    ];
    let (name, _) = given.into_iter().find(|(name, given)| *given && !has.contains(name))?;
    Some(format!("{things} has no {name}"))
}

/// A serial number as OpenSSL and others write it: in either case, with colons, with zeros before it.
fn is_serial(wanted: &str, serial: &SerialNumber) -> bool {
    let digits = |text: &str| text.replace(':', "").trim_start_matches('0').to_ascii_lowercase();
    digits(wanted) == digits(&serial.to_string())
}

fn contains(text: &str, part: &Option<String>) -> bool {
    part.as_ref().is_none_or(|part| text.to_lowercase().contains(&part.to_lowercase()))
}

async fn cas(shop: &Shop, args: &ListArgs) -> Result<Listed, Failure> {
    let inventory: Inventory = shop.pca.project(Position::MAX).await?;
    let ledger: QuotaLedger = shop.pca.project(Position::MAX).await?;
    let wants_removed = args.status.as_deref() == Some("removed");
    let limit = args.expires_within.map(|span| shop.now.plus_secs(span.seconds));
    let digits = |text: &str| text.replace(':', "").to_ascii_lowercase();
    let keeps = |entry: &CaEntry| {
        let certificate = entry.certificate.as_ref();
        let named = contains(entry.title(), &args.name)
            || certificate
                .and_then(|certificate| certificate.subject.as_deref())
                .is_some_and(|subject| contains(subject, &args.name));
        named
            && match args.status.as_deref() {
                Some(status) => entry.status.name() == status,
                None => entry.status != CaStatus::Removed,
            }
            && args.serial.as_deref().is_none_or(|serial| certificate.is_some_and(|c| is_serial(serial, &c.serial)))
            && args
                .fingerprint
                .as_deref()
                .is_none_or(|start| certificate.is_some_and(|c| c.fingerprint.to_string().starts_with(&digits(start))))
            && args.holder.is_none()
            && limit.is_none_or(|limit| {
                certificate.is_some_and(|c| c.not_after >= shop.now.floor_to_second() && c.not_after <= limit)
            })
    };
    let mut listed = Listed { json: Vec::new(), text: String::new(), csv: String::new() };
    let mut rows = Vec::new();
    for branch in inventory.tree(shop.now, wants_removed) {
        let below: Vec<&CaEntry> = branch.intermediates.iter().filter(|entry| keeps(entry)).collect();
        let root_is_listed = keeps(&branch.root);
        if !root_is_listed && below.is_empty() {
            continue;
        }
        listed.text.push_str(&format!("{}\n", line(&branch.root)));
        if let Some(pool) = ledger.roots(shop.now).find(|line| line.root == branch.root.ca) {
            let used = pool.columns.granted.saturating_sub(pool.available);
            listed.text.push_str(&format!(
                "│  pool {} {} of {} left\n",
                bar(used, pool.columns.granted),
                pool.available,
                pool.columns.granted
            ));
        }
        let last = below.len().saturating_sub(1);
        for (number, entry) in below.iter().enumerate() {
            let (branch, stem) = if number == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            listed.text.push_str(&format!("{branch}{}\n", line(entry)));
            if let Some(quota) = ledger.intermediate(&entry.ca, shop.now).filter(|quota| quota.assigned > 0) {
                let used = quota.assigned.saturating_sub(quota.remaining);
                listed.text.push_str(&format!(
                    "{stem}   quota {} {} of {} left\n",
                    bar(used, quota.assigned),
                    quota.remaining,
                    quota.assigned
                ));
            }
        }
        for entry in root_is_listed.then_some(&branch.root).into_iter().chain(below) {
            let json = view::ca(entry, &ledger, shop.now);
            rows.push(csv_row(&json));
            listed.json.push(json);
        }
    }
    if listed.text.is_empty() {
        listed.text = "nothing to list".into();
    }
    listed.csv = csv(
        ["ca", "role", "root", "state", "family", "subject", "serial", "not_before", "not_after", "term_ends", "order"],
        rows,
    );
    Ok(listed)
}

fn csv_row(json: &Value) -> [String; 11] {
    ["ca", "role", "root", "state", "family", "subject", "serial", "not_before", "not_after", "term_ends", "order"].map(
        |name| match json.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        },
    )
}

fn line(entry: &CaEntry) -> String {
    let name = entry
        .certificate
        .as_ref()
        .and_then(|certificate| certificate.common_name.as_deref())
        .unwrap_or("no certificate");
    let until = entry
        .certificate
        .as_ref()
        .map(|certificate| format!(", until {}", day(certificate.not_after)))
        .unwrap_or_default();
    let issued = entry.certificates;
    let all = issued.valid + issued.expired + issued.revoked + issued.on_hold + issued.ended;
    let issued = if all == 0 { String::new() } else { format!(", {} certificates valid of {all}", issued.valid) };
    format!("{}  {}  [{}]  {}{until}{issued}", entry.ca, harmless(name), state(entry.status.name()), entry.family)
}

async fn certificates(shop: &Shop, args: &ListArgs) -> Result<Listed, Failure> {
    let inventory: Inventory = shop.pca.project(Position::MAX).await?;
    let removed = args.status.as_deref() == Some("removed");
    let filter = CertificateFilter {
        name: args.name.clone(),
        fingerprint: args.fingerprint.clone(),
        holder: args.holder.clone(),
        expires_within: args.expires_within.and_then(|span| u64::try_from(span.seconds).ok()),
        removed,
        ..CertificateFilter::default()
    };
    let wanted = |entry: &CertificateEntry| {
        let status = inventory.status(entry, shop.now);
        args.serial.as_deref().is_none_or(|serial| is_serial(serial, &entry.serial()))
            && match args.status.as_deref() {
                None => true,
                Some("removed") => entry.removed,
                Some("active") => status == CertificateStatus::Valid,
                Some("hold" | "held") => status == CertificateStatus::OnHold,
                // What ended with its CA is revoked, too.
                Some("revoked") => matches!(status, CertificateStatus::Revoked | CertificateStatus::Ended),
                Some(name) => status.name() == name,
            }
    };
    let found: Vec<&CertificateEntry> =
        inventory.certificates(&filter, shop.now).filter(|entry| wanted(entry)).collect();
    let rows = found.iter().map(|entry| {
        let status = inventory.status(entry, shop.now).name();
        [
            entry.id.to_string(),
            entry.title(),
            entry.profile.to_string(),
            state(status),
            day(entry.not_after),
            entry.holder.name.clone().unwrap_or_default(),
        ]
    });
    let text = table(["certificate", "name", "profile", "status", "until", "holder"], rows);
    let rows = found.iter().map(|entry| {
        [
            entry.id.to_string(),
            entry.ca.to_string(),
            entry.serial().to_string(),
            entry.fingerprint.to_string(),
            entry.profile.to_string(),
            view::status_name(inventory.status(entry, shop.now)).to_owned(),
            entry.common_name.clone().unwrap_or_default(),
            entry.names.join(" "),
            entry.holder.name.clone().unwrap_or_default(),
            entry.not_before.to_string(),
            entry.not_after.to_string(),
        ]
    });
    let head = [
        "certificate",
        "ca",
        "serial",
        "fingerprint",
        "profile",
        "status",
        "cn",
        "names",
        "holder",
        "not_before",
        "not_after",
    ];
    let csv = csv(head, rows);
    Ok(Listed { json: found.iter().map(|entry| view::certificate(entry, &inventory, shop.now)).collect(), text, csv })
}

async fn orders(shop: &Shop, args: &ListArgs, none: bool) -> Result<Listed, Failure> {
    let orders: Orders = shop.pca.project(Position::MAX).await?;
    let wanted = args.status.as_deref();
    let found: Vec<_> = orders
        .entries()
        .iter()
        .filter(|entry| !none && wanted.is_none_or(|wanted| crate::orders::order_state(entry.state) == wanted))
        .collect();
    let row = |entry: &&pca_core::projection::OrderEntry| {
        [
            entry.order.to_string(),
            entry.kind.name().to_owned(),
            view::bought(&entry.kind),
            entry.paid.to_string(),
            day(entry.placed_at),
            entry.placed_by.clone(),
            crate::orders::order_state(entry.state).to_owned(),
        ]
    };
    let head = ["order", "kind", "bought", "#paid", "placed", "by", "state"];
    let csv = csv(head, found.iter().map(row));
    let text = table(
        head,
        found.iter().map(|entry| {
            let mut row = row(entry);
            if let Some(last) = row.last_mut() {
                *last = state(last);
            }
            row
        }),
    );
    Ok(Listed { json: found.iter().map(|entry| view::order(entry)).collect(), text, csv })
}

async fn quota(shop: &Shop, args: &ListArgs, none: bool) -> Result<Listed, Failure> {
    let ledger: QuotaLedger = shop.pca.project(Position::MAX).await?;
    let limit = args.expires_within.map(|span| shop.now.plus_secs(span.seconds));
    // What expires are lots: where they are asked for by that, pools and what is assigned stay out.
    let expires_soon = |expires: Option<Timestamp>, limit| expires.is_some_and(|at| at >= shop.now && at <= limit);
    let lots = || {
        let soon = move |expires| !none && limit.is_none_or(|limit| expires_soon(expires, limit));
        ledger.lots(shop.now).filter(move |lot| soon(lot.expires))
    };
    let mut json = Vec::new();
    let mut text = String::new();
    for line in ledger.roots(shop.now).filter(|_| !none && limit.is_none()) {
        let used = line.columns.granted.saturating_sub(line.available);
        text.push_str(&format!(
            "{}  pool  {}  {} of {} left\n",
            line.root,
            bar(used, line.columns.granted),
            line.available,
            line.columns.granted
        ));
        json.push(with(json!({ "ca": line.root, "role": "root", "available": line.available }), &line.columns));
        for below in ledger.intermediates(shop.now).filter(|below| below.root == line.root) {
            let used = below.assigned.saturating_sub(below.remaining);
            text.push_str(&format!(
                "└─ {}  {}  {} of {} left\n",
                below.ca,
                bar(used, below.assigned),
                below.remaining,
                below.assigned
            ));
            json.push(json!({
                "ca": below.ca, "role": "intermediate", "root": below.root, "assigned": below.assigned,
                "consumed": below.consumed, "remaining": below.remaining, "expired": below.expired,
                "forfeited": below.forfeited,
            }));
        }
    }
    let rows: Vec<[String; 11]> = lots()
        .map(|lot| {
            let Columns { granted, pool, assigned, consumed, expired, refunded, forfeited, .. } = lot.columns;
            let expires = lot.expires.map(day).unwrap_or_default();
            let origin = if lot.free { "free" } else { lot.order.as_str() };
            let numbers =
                [granted, pool, assigned, consumed, expired, refunded, forfeited].map(|number| number.to_string());
            let [granted, pool, assigned, consumed, expired, refunded, forfeited] = numbers;
            let root = lot.root.to_string();
            [
                lot.lot.to_string(),
                root,
                origin.to_owned(),
                expires,
                granted,
                pool,
                assigned,
                consumed,
                expired,
                refunded,
                forfeited,
            ]
        })
        .collect();
    for lot in lots() {
        let origin = json!({
            "ca": lot.root, "role": "lot", "lot": lot.lot, "order": lot.order, "free": lot.free,
            "expires": lot.expires.map(|time| time.to_string()), "frozen": lot.frozen, "lapsed": lot.lapsed,
        });
        json.push(with(origin, &lot.columns));
    }
    let head = [
        "lot",
        "root",
        "from",
        "expires",
        "#granted",
        "#pool",
        "#assigned",
        "#consumed",
        "#expired",
        "#refunded",
        "#forfeited",
    ];
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&table(head, rows.clone()));
    Ok(Listed { json, text, csv: csv(head, rows) })
}

/// Adds where the units are.
fn with(mut json: Value, columns: &Columns) -> Value {
    if let (Value::Object(fields), Ok(Value::Object(more))) = (&mut json, serde_json::to_value(columns)) {
        fields.extend(more);
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_either_case() {
        assert!(contains("Example Corp OA", &Some("corp".into())));
        assert!(contains("anything", &None));
        assert!(!contains("OA", &Some("HR".into())));
        assert_eq!(day(pca_core::log::Timestamp::from_micros(1)), "1970-01-01T00:00:00Z");
    }
}
