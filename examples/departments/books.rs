//! The books: the hierarchy, the ledger, the orders, and whether the log is sound.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use pca_core::domain::quota::Columns;
use pca_core::log::{Position, Verifier};
use pca_core::ports::EventStore as _;
use pca_core::projection::inventory::CaEntry;
use pca_core::projection::{CertificateFilter, DomainVerifier, Inventory, QuotaLedger};
use pca_store_file::{FileEventStore, Options};

use crate::Outcome;
use crate::place::Place;
use crate::platform::Platform;
use crate::voice::{block, chapter, done, note};

/// The tree of the hierarchy, every certificate, and the ledger.
pub(crate) fn tell(platform: &Platform) -> Outcome {
    chapter(11, "The books");
    let pca = &platform.pca;
    let inventory: Inventory = pca.project(Position::MAX)?;
    let ledger: QuotaLedger = pca.project(Position::MAX)?;
    let now = pca.unblocked().now();

    for branch in inventory.tree(now, false) {
        block(&line(&branch.root));
        let last = branch.intermediates.len().saturating_sub(1);
        for (number, below) in branch.intermediates.iter().enumerate() {
            let (twig, stem) = if number == last { ("└─", "  ") } else { ("├─", "│ ") };
            block(&format!("{twig} {}", line(below)));
            for issued in inventory.issued_by(&below.ca) {
                block(&format!(
                    "{stem}  · {}  {}  {}",
                    issued.id,
                    issued.title(),
                    inventory.status(issued, now).name()
                ));
            }
        }
    }
    let valid = inventory.certificates(&CertificateFilter::default(), now).count();
    note(&format!("{valid} certificates of holders in all\n"));

    let lots = ledger.lots(now).map(|lot| {
        let origin = if lot.free { "free with the root".into() } else { format!("bought, {}", lot.order) };
        row(lot.lot.to_string(), origin, &lot.columns)
    });
    let total = ledger.roots(now).map(|root| row("all".into(), root.root.to_string(), &root.columns));
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "lot",
        "from",
        "granted",
        "pool",
        "assigned",
        "consumed",
        "expired",
        "refunded",
        "forfeited",
    ]);
    table.add_rows(lots.chain(total));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    block(&table.to_string());
    note("Each line balances: granted = pool + assigned and unused + consumed + expired + refunded + forfeited.");

    let refusals = pca.unblocked().refusals();
    note(&format!("{} attempts were refused; the journal of refusals keeps them beside the log.", refusals.total()));
    Ok(())
}

/// Reads the log again as an auditor would: without keys or passphrase, from its first octet.
pub(crate) fn verify(place: &Place) -> Outcome {
    let log = FileEventStore::open_read_only(place.path("platform/log"), Options::default())?;
    let (mut chain, mut rules) = (Verifier::default(), DomainVerifier::default());
    let mut faults: Vec<String> = Vec::new();
    let mut after = Position::ZERO;
    loop {
        let batch = pollster::block_on(log.follow(after, 1024))?;
        let Some(last) = batch.last() else { break };
        after = last.seal().last();
        for recorded in &batch {
            faults.extend(chain.follow(recorded).iter().map(ToString::to_string));
            faults.extend(rules.follow(recorded).iter().map(ToString::to_string));
        }
    }
    faults.extend(rules.finish().err().map(|fault| fault.to_string()));
    if !faults.is_empty() {
        return Err(format!("the log is damaged: {}", faults.join("; ")).into());
    }
    done(&format!(
        "the log is sound: {} commits, {} events, {} certificates with their signatures; its head is {}",
        chain.commits(),
        chain.events(),
        rules.certificates(),
        chain.head().digest
    ));
    Ok(())
}

fn line(ca: &CaEntry) -> String {
    let until = ca.certificate.as_ref().map(|certificate| format!(", until {}", certificate.not_after));
    format!("{}  {}  {}{}", ca.ca, ca.title(), ca.status, until.unwrap_or_default())
}

fn row(lot: String, from: String, columns: &Columns) -> Vec<String> {
    let Columns { granted, pool, assigned, consumed, expired, refunded, forfeited, .. } = *columns;
    let numbers = [granted, pool, assigned, consumed, expired, refunded, forfeited];
    [lot, from].into_iter().chain(numbers.iter().map(u64::to_string)).collect()
}
