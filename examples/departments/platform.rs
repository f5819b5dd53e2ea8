//! The platform: a log and keys in files, and the service over them.

use pca_core::domain::enterprise::FoundEnterprise;
use pca_core::domain::policy::Policy;
use pca_core::service::{Call, Parts, Pca, blocking};
use pca_store_file::{FileEventStore, FileKeyStore, FileKeyStoreOptions, Options};
use pca_system::{OsEntropy, SystemClock};

use crate::Outcome;
use crate::place::{Place, STORE_PASSPHRASE};
use crate::voice::{chapter, done, note};

/// The service, and who calls it.
pub(crate) struct Platform {
    /// The service, waiting on this thread.
    pub(crate) pca: blocking::Pca,
    /// Who runs the platform.
    pub(crate) it: Call,
    /// The officer of the department OA.
    pub(crate) oa: Call,
    /// The officer of the department HR.
    pub(crate) hr: Call,
}

impl Platform {
    /// Makes the stores, and founds the log for the enterprise.
    pub(crate) fn found(place: &Place) -> Outcome<Self> {
        chapter(1, "Example Corporation opens its platform");
        let log = FileEventStore::create(place.path("platform/log"), Options::default())?;
        let keys = FileKeyStore::create(
            &place.path("platform/keys"),
            STORE_PASSPHRASE.into(),
            FileKeyStoreOptions::default(),
        )?;
        let pca = blocking::Pca::new(Pca::new(Parts::new(log, keys, SystemClock, OsEntropy)));
        let it = Call::by("ida@it.example.com");
        let name = Some("Example Corporation".to_owned());
        pca.execute(FoundEnterprise { name, rehearsal: false, policy: Policy::default() }, &it)?;
        done("founded, with the default policy: 10 free certificates, refunds within 7 days");
        note("platform/log   every decision, chained by digests: nothing secret, nothing ever rewritten");
        note("platform/keys  every private key, encrypted");
        let (oa, hr) = (Call::by("oscar@oa.example.com"), Call::by("hanna@hr.example.com"));
        Ok(Self { pca, it, oa, hr })
    }
}
