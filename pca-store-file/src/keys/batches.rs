//! The batch files of holders' keys: where each key lies, and what opening makes of what a crash left.
//!
//! A record that does not fit its checks ends a batch if nothing after it was written in the knowledge that it was
//! durable: a *torn tail*, never acknowledged, which is cut off. Else, and in any batch but the newest, it is *damage*,
//! and the store does not open. In between lies one case that cannot be told: a record that was acknowledged last, rotted
//! since, with no later record and no seal of a clean close after it, looks torn.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use pca_core::keys::{KeyEntry, KeyError, KeyId, KeyUse, PrivateKey, PublicKey};
use pca_core::log::Timestamp;

use super::disk::Disk;
use super::record::{self, DESTROYED, FILE_HEADER, HEAD, Head, IdOctets, Sealer};

/// Where a key lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) batch: u64,
    pub(super) offset: u64,
    pub(super) body_len: u32,
    pub(super) created: i64,
}

/// Every living holder's key, and how many each batch has.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: HashMap<IdOctets, Place>,
    alive: BTreeMap<u64, u64>,
}

impl Index {
    pub(super) fn get(&self, id: &IdOctets) -> Option<Place> {
        self.places.get(id).copied()
    }

    pub(super) fn insert(&mut self, id: IdOctets, place: Place) {
        if self.places.insert(id, place).is_none() {
            *self.alive.entry(place.batch).or_default() += 1;
        }
    }

    /// Forgets a key; tells how many its batch still has.
    pub(super) fn remove(&mut self, id: &IdOctets) -> Option<u64> {
        let place = self.places.remove(id)?;
        let alive = self.alive.entry(place.batch).or_default();
        *alive = alive.saturating_sub(1);
        Some(*alive)
    }

    pub(super) fn alive(&self, batch: u64) -> u64 {
        self.alive.get(&batch).copied().unwrap_or_default()
    }

    pub(super) fn ids(&self) -> Result<Vec<KeyId>, KeyError> {
        self.places.keys().map(record::id_of).collect()
    }

    pub(super) fn entries(&self) -> Result<Vec<KeyEntry>, KeyError> {
        self.places
            .iter()
            .map(|(id, place)| {
                let created = Timestamp::from_micros(place.created);
                Ok(KeyEntry { id: record::id_of(id)?, key_use: KeyUse::Holder, created })
            })
            .collect()
    }
}

/// The batch that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) batch: u64,
    /// Its length; nothing was written yet if it is zero.
    pub(super) len: u64,
}

/// The name of a batch's file.
pub(super) fn name(batch: u64) -> String {
    format!("holders-{batch:010}.keys")
}

/// Reads every batch, finishes what a crash interrupted, and tells where to go on.
pub(super) fn open(disk: &Disk) -> Result<(Index, Current), KeyError> {
    let mut index = Index::default();
    let batches: Vec<u64> = disk
        .names()?
        .iter()
        .filter_map(|name| name.strip_prefix("holders-")?.strip_suffix(".keys")?.parse().ok())
        .collect();
    let newest = batches.last().copied();
    let mut current = Current { batch: newest.unwrap_or(1), len: 0 };
    for batch in batches {
        let is_newest = Some(batch) == newest;
        let len = read_batch(disk, batch, is_newest, &mut index)?;
        if is_newest {
            current.len = len;
        } else if index.alive(batch) == 0 {
            disk.destroy(&name(batch))?;
        }
    }
    Ok((index, current))
}

/// Reads one key.
pub(super) fn read_key(disk: &Disk, sealer: &Sealer, id: &IdOctets, at: Place) -> Result<PrivateKey, KeyError> {
    let (head, body) = read_record(disk, id, at)?;
    sealer.open(&head, &body, &place(disk, at.batch, at.offset))
}

/// Reads the public half of one key, which is not encrypted.
pub(super) fn read_public(disk: &Disk, id: &IdOctets, at: Place) -> Result<PublicKey, KeyError> {
    let (head, body) = read_record(disk, id, at)?;
    record::public_part(&head, &body)
        .and_then(|spki| PublicKey::from_spki_der(spki).ok())
        .ok_or_else(|| damaged(disk, at.batch, at.offset, "the public key cannot be read"))
}

/// The first step of destroying: the state. It must be durable before [`erase`] begins.
pub(super) fn mark_destroyed(file: &mut File, at: Place) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(body_at(at)))?;
    file.write_all(&[DESTROYED])
}

/// The second step of destroying: nothing of the body stays.
pub(super) fn erase(file: &mut File, at: Place) -> std::io::Result<()> {
    let len = usize::try_from(at.body_len.saturating_sub(1)).unwrap_or_default();
    file.seek(SeekFrom::Start(body_at(at).saturating_add(1)))?;
    file.write_all(&vec![0; len])
}

fn body_at(at: Place) -> u64 {
    at.offset.saturating_add(u64::try_from(HEAD).unwrap_or_default())
}

fn read_batch(disk: &Disk, batch: u64, is_newest: bool, index: &mut Index) -> Result<u64, KeyError> {
    let octets = disk.read(&name(batch))?.unwrap_or_default();
    let len = to_u64(octets.len());
    let expected = record::file_header(batch);
    if !octets.starts_with(&expected) {
        // A crash while the batch was made leaves a beginning, or zeros where the size came before the contents.
        let torn = expected.starts_with(&octets) || octets.iter().all(|octet| *octet == 0);
        return if is_newest && torn { Ok(0) } else { Err(damaged(disk, batch, 0, "this is no batch of keys")) };
    }
    let mut offset = FILE_HEADER;
    let mut half_destroyed = Vec::new();
    while offset < len {
        let rest = from(&octets, offset);
        let record = Head::read(rest, batch, offset).and_then(|head| {
            let end = HEAD.checked_add(usize::try_from(head.body_len).ok()?)?;
            Some((head, rest.get(..HEAD)?, rest.get(HEAD..end)?))
        });
        let at = match record {
            Some((head, _, [])) => Place { batch, offset, body_len: 0, created: head.created },
            Some((head, _, [DESTROYED, erased @ ..])) => {
                let at = Place { batch, offset, body_len: head.body_len, created: head.created };
                if erased.iter().any(|octet| *octet != 0) {
                    half_destroyed.push(at);
                }
                at
            }
            Some((head, head_octets, body)) if record::is_whole(head_octets, body) => {
                let at = Place { batch, offset, body_len: head.body_len, created: head.created };
                index.insert(head.id, at);
                at
            }
            _ if is_newest && !was_durable(&octets, batch, offset) => {
                cut(disk, batch, offset)?;
                break;
            }
            _ => return Err(damaged(disk, batch, offset, "the record does not fit its checks")),
        };
        offset = body_at(at).saturating_add(u64::from(at.body_len));
    }
    if !half_destroyed.is_empty() {
        let mut file = disk.open(&name(batch))?;
        for at in half_destroyed {
            disk.step()
                .and_then(|()| erase(&mut file, at))
                .map_err(|error| disk.failed("erasing in", &name(batch), &error))?;
        }
        file.sync_all().map_err(|error| disk.failed("syncing", &name(batch), &error))?;
    }
    Ok(offset)
}

/// Whether some record after the offset was written in the knowledge that the offset was durable.
fn was_durable(octets: &[u8], batch: u64, offset: u64) -> bool {
    let len = to_u64(octets.len());
    (offset.saturating_add(1)..len)
        .any(|at| Head::read(from(octets, at), batch, at).is_some_and(|head| head.durable > offset))
}

fn cut(disk: &Disk, batch: u64, offset: u64) -> Result<(), KeyError> {
    let file = disk.open(&name(batch))?;
    disk.step()
        .and_then(|()| file.set_len(offset))
        .and_then(|()| file.sync_all())
        .map_err(|error| disk.failed("cutting", &name(batch), &error))
}

fn read_record(disk: &Disk, id: &IdOctets, at: Place) -> Result<(Head, Vec<u8>), KeyError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(disk.path(&name(at.batch)))?;
        file.seek(SeekFrom::Start(at.offset))?;
        let mut octets = vec![0; HEAD.saturating_add(usize::try_from(at.body_len).unwrap_or_default())];
        file.read_exact(&mut octets)?;
        Ok(octets)
    };
    let mut octets = read().map_err(|error| disk.failed("reading", &name(at.batch), &error))?;
    let head = Head::read(&octets, at.batch, at.offset).filter(|head| head.id == *id);
    let body = octets.split_off(HEAD);
    match head {
        Some(head) if record::is_whole(&octets, &body) => Ok((head, body)),
        _ => Err(damaged(disk, at.batch, at.offset, "the record does not fit its checks")),
    }
}

fn from(octets: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|offset| octets.get(offset..)).unwrap_or_default()
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn place(disk: &Disk, batch: u64, offset: u64) -> String {
    format!("{} at {offset}", disk.path(&name(batch)).display())
}

fn damaged(disk: &Disk, batch: u64, offset: u64, why: &str) -> KeyError {
    KeyError::Damaged { detail: format!("{}: {why}", place(disk, batch, offset)) }
}
