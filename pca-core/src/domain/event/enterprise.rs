//! The enterprise that a log belongs to, and its policy.

use serde::{Deserialize, Serialize};

use crate::domain::policy::Policy;
use crate::domain::stream;
use crate::x509::ProfileDefinition;

/// The log was opened for an enterprise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterpriseFounded {
    /// Its name, if one was given.
    pub name: Option<String>,
    /// Whether the log takes its time from the caller (rule L9).
    pub rehearsal: bool,
}
payload!(EnterpriseFounded, |_event| vec![stream::enterprise()]);

/// A policy came into force. A number that an older schema lacks is the default one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAdopted {
    /// The policy, whole.
    pub policy: Policy,
}
payload!(PolicyAdopted, extended to 2, |_event| vec![stream::policy()]);

/// A profile of one's own was adopted (rule I2). What stands under a name stays as it is, so that every certificate that
/// names it stays explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileAdopted {
    /// The profile, whole.
    pub profile: ProfileDefinition,
}
payload!(ProfileAdopted, |event| vec![stream::profile(event.profile.name), stream::profiles()]);
