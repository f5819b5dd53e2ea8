//! Fuzz targets for everything that reads octets from outside. `README.md` says how to run them and how to add one.
//!
//! A target never panics, whatever it is given, and what it accepts it writes again in the same way. What it may allocate
//! is bounded by the length of its input; the smoke run measures that.

mod keys;
mod log;
mod text;
mod x509;

/// Something that reads octets.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its directory in `corpus`.
    pub name: &'static str,
    /// Reads; panics if anything is wrong.
    pub run: fn(&[u8]),
    /// How many octets it may allocate in all, whether it frees them or not: a constant …
    pub allowance: usize,
    /// … and so many for each octet of its input.
    pub per_octet: usize,
}

const KIB: usize = 1024;

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "segment", run: log::segment, allowance: 64 * KIB, per_octet: 32 },
    Target { name: "small_files", run: log::small_files, allowance: 128 * KIB, per_octet: 16 },
    Target { name: "index", run: log::index, allowance: 64 * KIB, per_octet: 128 },
    Target { name: "commit_body", run: log::commit_body, allowance: 4 * KIB, per_octet: 32 },
    // serde believes the length that a list claims, up to 1 MiB at once.
    Target { name: "event", run: log::event, allowance: 4 * KIB * KIB, per_octet: 64 },
    Target { name: "csr", run: x509::csr, allowance: 16 * KIB, per_octet: 64 },
    Target { name: "certificate", run: x509::certificate, allowance: 16 * KIB, per_octet: 64 },
    Target { name: "crl", run: x509::crl, allowance: 16 * KIB, per_octet: 64 },
    Target { name: "chain", run: x509::chain, allowance: 256 * KIB, per_octet: 512 },
    Target { name: "ocsp_request", run: x509::ocsp_request, allowance: 16 * KIB, per_octet: 64 },
    Target { name: "key", run: keys::key, allowance: keys::MOST_SCRYPT + 64 * KIB, per_octet: 64 },
    Target { name: "names", run: text::names, allowance: 8 * KIB, per_octet: 64 },
];

/// Runs the target with a name.
///
/// # Panics
/// If there is none, or the target finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is a target of this name");
    (target.run)(data);
}
