//! What cannot be had back, and what nobody destroys by accident.

use pca_core::domain::ca::{Ending, Preview, ResetCa, RevokeCa};
use pca_core::domain::order::RequestRefund;
use pca_core::log::Digest;

use crate::Outcome;
use crate::platform::Platform;
use crate::purchase::Shop;
use crate::voice::{chapter, done, note, refused};

/// Asks for refunds and for the end of HR; changes nothing.
pub(crate) fn refuse(platform: &Platform, shop: &Shop) -> Outcome {
    chapter(10, "What the rules protect");
    let (pca, it) = (&platform.pca, &platform.it);
    let refund = RequestRefund { order: shop.root_order.clone() };
    refused("a refund of the root, which is in use", pca.execute(refund, it), &["R2", "R3"])?;
    let refund = RequestRefund { order: shop.quota_order.clone() };
    refused("a refund of quota that was assigned", pca.execute(refund, it), &["R4"])?;

    let blind = ResetCa::confirmed(shop.hr.clone(), Digest::ZERO);
    refused("to reset HR without having looked what would go", pca.reset_ca(blind, it), &["C8"])?;
    let question = Preview { ca: shop.hr.clone(), ending: Ending::Reset };
    let foreseen = pca.question(|desk, now| question.ask(desk, now))?;
    done(&format!(
        "the preview says: {} certificates of {} holders would end; it confirms with {:.12}…",
        foreseen.certificates,
        foreseen.holders,
        foreseen.digest.to_string()
    ));
    let dry = pca.preview(&ResetCa::confirmed(shop.hr.clone(), foreseen.digest), it)?;
    note(&format!("and a dry run with it, that {} events would be written; nothing was", dry.events.len()));
    let revoke = RevokeCa::confirmed(shop.hr.clone(), Digest::ZERO);
    refused("to revoke HR's CA while its certificates live", pca.revoke_ca(revoke, it), &["C9", "C8"])?;
    Ok(())
}
