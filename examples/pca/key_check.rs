//! The keys beside the log: live ones must be there and fit.

use std::collections::BTreeSet;

use pca_core::domain::key::KeyState;
use pca_core::keys::KeyError;
use pca_core::ports::KeyStore as _;
use pca_store_file::{FileKeyStore, FileKeyStoreOptions};
use secrecy::SecretString;

use crate::args::Global;
use crate::exit::Failure;
use crate::replay::replayed;
use crate::shop::Shop;

/// What was found.
pub struct KeyReport {
    /// How many keys open and fit their public halves.
    pub sound: u64,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Keys that no event names (rule K3).
    pub orphans: Vec<String>,
}

/// Reads every key, and looks whether each that the log needs is among them.
pub async fn check(global: &Global, shop: &Shop, passphrase: SecretString) -> Result<KeyReport, Failure> {
    let keys = FileKeyStore::open(&global.dir.join("keys"), passphrase, FileKeyStoreOptions::default())?;
    let checked = keys.check_all().await?;
    let mut faults: Vec<String> = checked.faults.iter().map(|(key, error)| format!("{key}: {error}")).collect();
    let inventory: pca_core::projection::Inventory = replayed(&shop.pca).await?;
    let mut orphans = Vec::new();
    let mut there = BTreeSet::new();
    for entry in keys.list().await? {
        let state = shop.pca.question(|desk, _| Ok(desk.key(&entry.id)?.clone())).await?;
        if state == KeyState::Unknown {
            orphans.push(entry.id.to_string());
        }
        there.insert(entry.id);
    }
    for ca in inventory.cas() {
        let Some(generation) = ca.generation() else { continue };
        match keys.public_key(&generation.key).await {
            Ok(key) if key.digest() == generation.spki => {}
            Ok(_) => faults.push(format!("{} is not the key of {:?}", generation.key, ca.id().map(|id| id.as_str()))),
            Err(KeyError::Absent { .. }) => faults.push(format!("{} is missing: {}", generation.key, generation.id)),
            Err(error) => faults.push(format!("{}: {error}", generation.key)),
        }
    }
    let all = pca_core::projection::CertificateFilter { removed: true, ..Default::default() };
    let needed = inventory.certificates(&all, shop.now).filter_map(|entry| Some((entry, entry.key.as_ref()?)));
    for (entry, key) in needed {
        let living = shop.pca.question(|desk, _| Ok(matches!(desk.key(key)?, KeyState::Living(_)))).await?;
        if living && !there.contains(key) {
            faults.push(format!("{key} is missing: it belongs to {}", entry.id));
        }
    }
    let sound = checked.checked.saturating_sub(checked.faults.len());
    Ok(KeyReport { sound: u64::try_from(sound).unwrap_or(u64::MAX), faults, orphans })
}
