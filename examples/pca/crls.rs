//! Certificate revocation lists (rule A3).

use std::path::Path;

use pca_core::domain::crl::PublishCrl;
use pca_core::domain::{BrokenRule, Rule};
use serde_json::json;

use crate::args::{CaArgs, Global};
use crate::exit::{Answer, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, preview};
use crate::{file, output};

/// `pca crl CA --out FILE`
pub async fn publish(global: &Global, args: CaArgs, out: &Path, delta: bool, partition: bool) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "A3");
    for (asked, what) in [(delta, "delta CRLs (--delta) are"), (partition, "partitioned CRLs (--partition) are")] {
        if asked {
            let text = format!("{what} not yet supported; leave it out for the full CRL");
            gate.refuse(BrokenRule::new(Rule::new("A3"), "crl-form-not-yet-supported", text));
        }
    }
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &PublishCrl { ca }).await;
    }
    file::writable(out)?;
    let shop = Shop::working(global).await?;
    let signed = shop.pca.publish_crl(&ca, &shop.call).await;
    shop.close().await?;
    let signed = signed?;
    file::replace(out, &signed.der)?;
    let facts = &signed.facts;
    let (this_update, next_update) = (facts.this_update.to_string(), facts.next_update.to_string());
    let json = json!({
        "ca": ca,
        "number": facts.number,
        "this_update": this_update,
        "next_update": next_update,
        "entries": facts.entries,
        "last": facts.last,
        "file": out.display().to_string(),
    });
    let text = output::facts([
        ("CRL", out.display().to_string()),
        ("number", facts.number.to_string()),
        ("entries", facts.entries.to_string()),
        ("issued", this_update),
        ("next", if facts.last { "none: this is the last one".to_owned() } else { next_update }),
    ]);
    Ok(Answer::new(json, text))
}
