//! The end of certificate authorities: preview, reset, revocation, removal.

use pca_core::domain::ca::{Ending, Foreseen, Preview, RemoveCa, ResetCa, RevokeCa};
use pca_core::domain::certificate::RemoveCertificate;
use pca_core::domain::key::ConfirmKeyDestroyed;
use pca_core::keys::KeyId;
use pca_core::service::Ended;
use serde_json::{Value, json};

use crate::args::{EndArgs, EndingWord, Global, PreviewArgs};
use crate::exit::{Answer, Outcome, say};
use crate::gate::Gate;
use crate::output;
use crate::shop::{Shop, judge, preview as dry_run, told};

/// `pca preview reset|revoke CA`
pub async fn preview(global: &Global, args: PreviewArgs) -> Outcome {
    let mut gate = Gate::new();
    let (ending, rule) = match args.ending {
        EndingWord::Reset => (Ending::Reset, "C7"),
        EndingWord::Revoke => (Ending::Revoke, "C9"),
    };
    let question = Preview { ca: gate.ca(&args.ca, rule), ending };
    let shop = Shop::asking(global).await?;
    let foreseen = shop.pca.question(|desk, now| question.ask(desk, now)).await;
    let seen = judge(gate, foreseen)?;
    Ok(Answer::new(foreseen_json(&seen), foreseen_text(&seen)))
}

fn foreseen_json(seen: &Foreseen) -> Value {
    let intermediates: Vec<Value> = seen
        .intermediates
        .iter()
        .map(|below| {
            json!({ "ca": below.ca, "certificates": below.certificates, "holders": below.holders, "quota": below.unused })
        })
        .collect();
    json!({
        "ca": seen.ca,
        "digest": seen.digest.to_string(),
        "certificates": seen.certificates,
        "holders": seen.holders,
        "quota": seen.forfeited,
        "quota_kept": seen.kept,
        "intermediates": intermediates,
        "cascade": seen.cascade,
        "still_issuing": seen.still_issuing,
    })
}

fn foreseen_text(seen: &Foreseen) -> String {
    let (verb, command) = match seen.ending {
        Ending::Reset => ("resetting", "reset"),
        _ => ("revoking", "revoke-ca"),
    };
    let ca = &seen.ca;
    let mut text = format!(
        "{verb} {ca} ends {} certificates of {} holders; {} units of quota are forfeited, {} kept\n",
        seen.certificates, seen.holders, seen.forfeited, seen.kept
    );
    if !seen.intermediates.is_empty() {
        let rows = seen.intermediates.iter().map(|below| {
            [below.ca.to_string(), below.certificates.to_string(), below.holders.to_string(), below.unused.to_string()]
        });
        text.push_str(&output::table(["with it ends", "#certificates", "#holders", "#unused quota"], rows));
        text.push('\n');
    }
    if seen.still_issuing {
        text.push_str(&format!(
            "it still issues, so the digest may go stale; `pca disable {ca}` first keeps it fresh\n"
        ));
    }
    let cascade = if seen.cascade { " --cascade" } else { "" };
    text.push_str(&format!("\nto do it: pca {command} {ca} --confirm {}{cascade}", seen.digest));
    text
}

/// `pca reset CA --confirm DIGEST`
pub async fn reset(global: &Global, args: EndArgs) -> Outcome {
    let mut gate = Gate::new();
    let EndArgs { ca, confirm, cascade, reason, without_last_crl } = args;
    let command =
        ResetCa { ca: gate.ca(&ca, "C7"), confirm: Gate::digest(&confirm), cascade, reason, without_last_crl };
    if !gate.is_open() || global.dry_run {
        return dry_run(global, gate, &command).await;
    }
    let shop = Shop::working(global).await?;
    let ended = shop.pca.reset_ca(command, &shop.call).await;
    shop.close().await?;
    Ok(ended_answer(ended?, "not-enabled"))
}

/// `pca revoke-ca CA --confirm DIGEST`
pub async fn revoke(global: &Global, args: EndArgs) -> Outcome {
    let mut gate = Gate::new();
    let EndArgs { ca, confirm, cascade, reason, without_last_crl } = args;
    let command =
        RevokeCa { ca: gate.ca(&ca, "C9"), confirm: Gate::digest(&confirm), cascade, reason, without_last_crl };
    if !gate.is_open() || global.dry_run {
        return dry_run(global, gate, &command).await;
    }
    let shop = Shop::working(global).await?;
    let ended = shop.pca.revoke_ca(command, &shop.call).await;
    shop.close().await?;
    Ok(ended_answer(ended?, "revoked"))
}

fn ended_answer(ended: Ended, state: &'static str) -> Answer {
    for step in &ended.steps {
        if let Err(error) = &step.outcome {
            say(&format!("warning: {:?} is not done and tried again by the next command: {error}", step.step));
        }
    }
    let answer = told(ended.done);
    let ca = &answer.ca;
    let mut text = format!("{ca} is {}\n", state.replace('-', " "));
    let mut list = Vec::new();
    for ended in &answer.ended {
        text.push_str(&format!("  {}: {} certificates ended ({})\n", ended.ca, ended.certificates, ended.reason));
        list.push(json!({
            "ca": ended.ca,
            "generation": ended.generation,
            "certificates": ended.certificates,
            "reason": ended.reason.name(),
        }));
    }
    if answer.forfeited > 0 {
        text.push_str(&format!("  {} units of quota are forfeited\n", answer.forfeited));
    }
    let mut anchors = Vec::new();
    for anchor in &answer.trust_anchors {
        text.push_str(&format!(
            "  a root cannot revoke itself: remove the trust anchor of {} (SHA-256 {}) wherever it is installed\n",
            anchor.ca, anchor.fingerprint
        ));
        anchors.push(json!({
            "ca": anchor.ca,
            "certificate": anchor.certificate.to_string(),
            "fingerprint": anchor.fingerprint.to_string(),
        }));
    }
    for ca in &answer.surviving_keys {
        text.push_str(&format!("  the key of {ca} was uploaded: your own copy of it survives\n"));
    }
    Answer::new(
        json!({
            "ca": ca,
            "state": state,
            "ended": list,
            "forfeited": answer.forfeited,
            "remove_trust_anchors": anchors,
            "surviving_keys": answer.surviving_keys,
        }),
        text,
    )
}

/// `pca remove ID`
pub async fn remove(global: &Global, id: &str) -> Outcome {
    let mut gate = Gate::new();
    if id.starts_with("crt_") {
        let command = RemoveCertificate { id: gate.certificate(id, "A5") };
        if !gate.is_open() || global.dry_run {
            return dry_run(global, gate, &command).await;
        }
        let shop = Shop::working(global).await?;
        let removed = match shop.pca.execute(command, &shop.call).await {
            Ok(done) => {
                let removed = told(done);
                if let Some(key) = &removed.key {
                    end_key(&shop, key).await;
                }
                Ok(removed_answer(&removed.id.to_string()))
            }
            Err(error) => Err(error.into()),
        };
        shop.close().await?;
        return removed;
    }
    let command = RemoveCa { ca: gate.ca(id, "R6") };
    if !gate.is_open() || global.dry_run {
        return dry_run(global, gate, &command).await;
    }
    let shop = Shop::working(global).await?;
    let removed = shop.pca.execute(command, &shop.call).await;
    if removed.is_ok() {
        shop.resume().await;
    }
    shop.close().await?;
    Ok(removed_answer(told(removed?).ca.as_str()))
}

/// The end of a key is decided; it is carried out and confirmed (rules K3, K4). What fails is left to `pca keys sweep`.
async fn end_key(shop: &Shop, key: &KeyId) {
    let ended = match shop.pca.keys().destroy(key).await {
        Ok(()) => match shop.pca.execute(ConfirmKeyDestroyed { key: key.clone() }, &shop.after).await {
            // A removal that is repeated under its key finds the end confirmed.
            Err(error) if error.refusal().is_some_and(|refusal| refusal.names("K3")) => Ok(()),
            other => other.map(drop),
        },
        Err(error) => Err(error.into()),
    };
    if let Err(error) = ended {
        say(&format!("warning: the key {key} is not destroyed yet; `pca keys sweep` tries again: {error}"));
    }
}

fn removed_answer(id: &str) -> Answer {
    Answer::new(json!({ "removed": id }), format!("{id} is off the list; the log keeps it"))
}
