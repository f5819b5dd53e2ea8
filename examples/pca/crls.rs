//! Certificate revocation lists (rule A3).

use std::path::{Path, PathBuf};

use pca_core::domain::crl::{PublishCrl, PublishedCrl};
use pca_core::domain::{BrokenRule, Rule};
use pca_core::service::SignedCrl;
use serde_json::json;

use crate::args::{CaArgs, Global, Number};
use crate::exit::{Answer, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, preview};
use crate::{file, output};

/// `pca crl CA --out FILE [--delta] [--partition I]`
pub async fn publish(global: &Global, args: CaArgs, out: &Path, delta: bool, partition: Option<&Number>) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "A3");
    let partition = partition.and_then(|number| index(number, &mut gate));
    let command = PublishCrl { ca, delta, partition };
    if !gate.is_open() || global.dry_run {
        return preview(global, gate, &command).await;
    }
    file::writable(out)?;
    let shop = Shop::working(global).await?;
    let signed = shop.pca.publish_crls(&command, &shop.call).await;
    shop.close().await?;
    let signed = signed?;
    let mut further = Vec::with_capacity(signed.others.len());
    for other in &signed.others {
        let beside = beside(out, other);
        file::replace(&beside, &other.der)?;
        further.push(json!({ "generation": other.facts.generation, "file": beside.display().to_string() }));
    }
    // The one that everybody looks for comes last: whoever sees it finds the others, too.
    file::replace(out, &signed.newest.der)?;
    Ok(told(&signed.newest.facts, out, further))
}

/// A number that can be one of a partition; one that cannot is refused, and none stands for it.
fn index(number: &Number, gate: &mut Gate) -> Option<u32> {
    let (nearest, text) = number.nearest();
    if let (Ok(index), None) = (u32::try_from(nearest), text) {
        return Some(index);
    }
    let text = text.map_or_else(|| nearest.to_string(), str::to_owned);
    gate.refuse(BrokenRule::new(Rule::new("A3"), "unknown-partition", format!("there is no partition {text}")));
    None
}

/// Where the CRL by the key of an older generation goes.
fn beside(out: &Path, signed: &SignedCrl) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".gen{}", signed.facts.generation));
    out.with_file_name(name)
}

fn told(facts: &PublishedCrl, out: &Path, further: Vec<serde_json::Value>) -> Answer {
    let (this_update, next_update) = (facts.this_update.to_string(), facts.next_update.to_string());
    let count = further.len();
    let json = json!({
        "ca": facts.ca,
        "number": facts.number,
        "this_update": this_update,
        "next_update": next_update,
        "entries": facts.entries,
        "last": facts.last,
        "base": facts.base,
        "partition": facts.partition,
        "file": out.display().to_string(),
        "further": further,
    });
    let scope = facts.partition.map_or_else(|| "the CA's name".to_owned(), |index| format!("partition {index}"));
    let scope = match facts.base {
        Some(base) => format!("{scope}, since CRL {base}"),
        None => scope,
    };
    let text = output::facts([
        ("CRL", out.display().to_string()),
        ("about", scope),
        ("number", facts.number.to_string()),
        ("entries", facts.entries.to_string()),
        ("issued", this_update),
        ("next", if facts.last { "none: this is the last one".to_owned() } else { next_update }),
        ("by older keys", count.to_string()),
    ]);
    Answer::new(json, text)
}
