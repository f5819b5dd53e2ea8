//! Stand-ins for the ports, for tests of what is built on them.
//!
//! ```
//! use pca_core::log::Timestamp;
//! use pca_core::ports::Clock;
//! use pca_store_testkit::fakes::FakeClock;
//!
//! let clock = FakeClock::at(Timestamp::from_secs(1_700_000_000));
//! clock.advance_secs(60);
//! assert_eq!(clock.now().to_string(), "2023-11-14T22:14:20Z");
//! ```

mod clock;
mod entropy;
mod failing;
mod interrupted;
mod keys;
mod recording;

pub use clock::FakeClock;
pub use entropy::SeededEntropy;
pub use failing::{FailingStore, Failure};
pub use interrupted::InterruptedStore;
pub use keys::FakeKeyStore;
pub use recording::{Operation, RecordingStore};
