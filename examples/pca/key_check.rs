//! The keys beside the log: live ones must be there and fit.

use std::collections::{BTreeMap, BTreeSet};

use pca_core::domain::event::Event;
use pca_core::domain::key::KeyState;
use pca_core::keys::KeyId;
use pca_core::log::{CodecError, Digest, EventData as _, Fold as _, Moment, Recorded, Revision};
use pca_core::ports::KeyStore as _;
use pca_store_file::{FileKeyStore, FileKeyStoreOptions};
use secrecy::SecretString;

use crate::args::Global;
use crate::exit::Failure;

/// What the log says about keys, gathered commit by commit.
#[derive(Default)]
pub struct KeyLedger {
    states: BTreeMap<KeyId, KeyState>,
    /// The public keys of those that the platform keeps.
    public: BTreeMap<KeyId, Digest>,
}

impl KeyLedger {
    /// Takes a commit in.
    pub fn follow(&mut self, recorded: &Recorded) -> Result<(), CodecError> {
        let (seal, commit) = (recorded.seal(), recorded.commit());
        for view in commit.events() {
            let streams = view.streams().filter(|stream| stream.category() == "key");
            let keys: Vec<KeyId> = streams.filter_map(|stream| stream.key().parse().ok()).collect();
            if keys.is_empty() {
                continue;
            }
            let event = Event::decode(&view)?;
            match &event {
                Event::CaEnabled(enabled) => drop(self.public.insert(enabled.key.clone(), enabled.spki)),
                Event::CaRenewed(renewed) => drop(self.public.insert(renewed.key.clone(), renewed.spki)),
                Event::CaRequested(requested) => drop(self.public.insert(requested.key.clone(), requested.spki)),
                Event::CertificateIssued(issued) => {
                    self.public.extend(issued.key.clone().map(|key| (key, issued.spki)));
                }
                Event::ResponderCertified(made) => drop(self.public.insert(made.key.clone(), made.spki)),
                _ => {}
            }
            // Where a key stands does not depend on the moment.
            let moment = Moment {
                time: seal.time,
                revision: Revision::ZERO,
                position: seal.last(),
                metadata: commit.metadata(),
            };
            for key in keys {
                self.states.entry(key).or_default().evolve(&event, &moment);
            }
        }
        Ok(())
    }
}

/// What was found.
pub struct KeyReport {
    /// How many keys open and fit their public halves.
    pub sound: u64,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Keys that no event names (rule K3).
    pub orphans: Vec<String>,
}

/// Reads every key, and looks whether each that the log needs is among them and is what the log says.
pub async fn check(global: &Global, ledger: &KeyLedger, passphrase: SecretString) -> Result<KeyReport, Failure> {
    let directory = global.dir.join("keys");
    if !FileKeyStore::exists(&directory)? {
        let text = format!("there is no key store at {}: the keys of this log are lost", directory.display());
        return Err(Failure::trouble("damaged", text));
    }
    let keys = FileKeyStore::open(&directory, passphrase, FileKeyStoreOptions::default())?;
    let checked = keys.check_all().await?;
    let mut faults: Vec<String> = checked.faults.iter().map(|(key, error)| format!("{key}: {error}")).collect();
    let there: BTreeSet<KeyId> = keys.list().await?.into_iter().map(|entry| entry.id).collect();
    let orphans = there.iter().filter(|key| !ledger.states.contains_key(*key)).map(ToString::to_string).collect();
    for (key, state) in &ledger.states {
        let KeyState::Living(owner) = state else { continue };
        if !there.contains(key) {
            faults.push(format!("{key} is missing: it belongs to {owner:?}"));
            continue;
        }
        match (keys.public_key(key).await, ledger.public.get(key)) {
            (Ok(found), Some(told)) if found.digest() != *told => {
                faults.push(format!("{key} is another key than the log says"))
            }
            (Err(error), _) => faults.push(format!("{key}: {error}")),
            _ => {}
        }
    }
    let sound = checked.checked.saturating_sub(checked.faults.len());
    Ok(KeyReport { sound: u64::try_from(sound).unwrap_or(u64::MAX), faults, orphans })
}
