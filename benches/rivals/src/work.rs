//! The commits that all engines get: shaped as those that issue a certificate. One event of a KiB in the quota's stream
//! and in two new ones, whose names are scattered as serial numbers and digests of keys are, behind guards on these, the
//! CAs and the policy. The payload cannot be compressed, as keys and signatures cannot.

use std::sync::LazyLock;

use pca_core::log::Commit;
use pca_store_testkit::draft::Draft;

const PAYLOAD: usize = 1024;
/// How many commits a train has in bulk.
pub(crate) const TRAIN: usize = 1024;

/// What every log begins with: the streams that are only read.
pub(crate) fn setup() -> Vec<Commit> {
    [("ca", "ca/a"), ("root", "ca/r"), ("policy", "policy")]
        .map(|(name, stream)| Draft::single(name, stream, 0).unwrap())
        .into()
}

/// A caller's commits, from its first on. Each caller has a quota of its own: they do not contend for a stream.
pub(crate) fn commits(caller: u64, numbers: core::ops::Range<u64>) -> Vec<Commit> {
    numbers.map(|number| commit(caller, number)).collect()
}

fn commit(caller: u64, number: u64) -> Commit {
    let (quota, [certificate, key]) = (quota(caller), own_streams(caller, number));
    Draft::new(&format!("commit {caller} {number}"))
        .guard("ca/a", 1)
        .guard("ca/r", 1)
        .guard("policy", 1)
        .guard(&quota, number)
        .guard(&certificate, 0)
        .guard(&key, 0)
        .event(&[&quota, &certificate, &key], payload(caller, number))
        .build()
        .unwrap()
}

pub(crate) fn quota(caller: u64) -> String {
    format!("quota/{caller:08x}")
}

/// The streams that begin with a commit.
pub(crate) fn own_streams(caller: u64, number: u64) -> [String; 2] {
    let name = scatter(caller << 40 | number);
    [format!("certificate/0011223344/{name:016x}{number:016x}"), format!("spki/{name:016x}{caller:024x}{number:024x}")]
}

/// One to one, and all over the place.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn payload(caller: u64, number: u64) -> &'static [u8] {
    const SIZE: usize = 1 << 20;
    static NOISE: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..SIZE as u64 / 8).flat_map(|number| scatter(number + 1).to_le_bytes()).collect());
    let at = scatter(!(caller << 40 | number)) as usize % (SIZE - PAYLOAD);
    &NOISE[at..at + PAYLOAD]
}
