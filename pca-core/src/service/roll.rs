//! Rolls: what a CA has issued, read from its quota stream.

use crate::domain::{CaId, Event, Roll, RollEntry, stream};
use crate::log::{EventData as _, Position, Revision, StreamSlice};

use super::session::inconsistent;
use super::{Error, Inner};

impl Inner {
    /// What a CA had issued as of a position.
    pub(super) async fn roll(&self, ca: &CaId, as_of: Position) -> Result<Roll, Error> {
        let read = self.store.read(&[(stream::quota(ca), Revision::ZERO)], as_of).await?;
        let mut roll = Roll::default();
        read.streams.iter().try_for_each(|slice| enroll(&mut roll, slice))?;
        Ok(roll)
    }
}

/// Goes on with a roll: puts down what was issued since. A slice that begins later than the roll ends changes nothing.
pub(super) fn enroll(roll: &mut Roll, slice: &StreamSlice) -> Result<(), Error> {
    for event in &slice.events {
        if event.revision != roll.revision.plus(1) {
            continue;
        }
        let view = event.recorded.commit().event(event.index);
        let view = view.ok_or_else(|| inconsistent("a stream names an event that its commit lacks"))?;
        if let Event::CertificateIssued(issued) = Event::decode(&view)? {
            roll.entries.push(RollEntry::from(&issued));
        }
        roll.revision = event.revision;
    }
    Ok(())
}
