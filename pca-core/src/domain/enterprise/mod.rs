//! Whose log it is.

mod found;

pub use found::{FoundEnterprise, Founded};

use crate::log::{Fold, Moment, StreamId};

use super::CaId;
use super::event::Event;

/// The fold of the stream `enterprise`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enterprise {
    founded: Option<Facts>,
    roots: Vec<CaId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    name: Option<String>,
    rehearsal: bool,
}

impl Enterprise {
    /// Whether the log was opened for an enterprise.
    #[must_use]
    pub fn is_founded(&self) -> bool {
        self.founded.is_some()
    }

    /// The enterprise's name, if it gave one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.founded.as_ref().and_then(|founded| founded.name.as_deref())
    }

    /// Every root that was bought, in order; each knows its intermediates.
    #[must_use]
    pub fn roots(&self) -> &[CaId] {
        &self.roots
    }

    /// Whether the log takes its time from the caller (rule L9).
    #[must_use]
    pub fn is_rehearsal(&self) -> bool {
        self.founded.as_ref().is_some_and(|founded| founded.rehearsal)
    }
}

impl Fold for Enterprise {
    type Event = Event;

    fn begin(_: &StreamId) -> Self {
        Self::default()
    }

    fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
        match event {
            Event::EnterpriseFounded(founded) => {
                self.founded = Some(Facts { name: founded.name.clone(), rehearsal: founded.rehearsal });
            }
            Event::RootOrdered(ordered) => self.roots.push(ordered.root.clone()),
            _ => {}
        }
    }
}
