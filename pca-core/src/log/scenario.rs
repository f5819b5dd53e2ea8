//! Given / when / then: a decision as a test reads it.
//!
//! ```
//! # use pca_core::log::scenario::Given;
//! # use pca_core::log::{CodecError, Desk, EncodedEvent, EventData, EventView, Fold, Missing, Moment, StreamId};
//! # #[derive(Clone, Debug, PartialEq)] enum Event { Filled(u32), Drawn(u32) }
//! # impl EventData for Event {
//! #     fn encode_concerning(&self, _: Vec<StreamId>) -> Result<EncodedEvent, CodecError> { unimplemented!() }
//! #     fn decode(_: &EventView<'_>) -> Result<Self, CodecError> { unimplemented!() }
//! #     fn streams(&self) -> Vec<StreamId> { StreamId::parse("barrel").into_iter().collect() }
//! # }
//! # #[derive(Clone)] struct Barrel(u32);
//! # impl Fold for Barrel {
//! #     type Event = Event;
//! #     fn begin(_: &StreamId) -> Self { Self(0) }
//! #     fn evolve(&mut self, event: &Event, _: &Moment<'_>) {
//! #         match event { Event::Filled(n) => self.0 += n, Event::Drawn(n) => self.0 -= n }
//! #     }
//! # }
//! fn draw(desk: &Desk<'_, Barrel>, litres: u32) -> Result<Vec<Event>, String> {
//!     let barrel = StreamId::parse("barrel").and_then(|id| Ok(desk.get(&id))).map_err(|e| e.to_string())?;
//!     match barrel.map_err(|e| e.to_string())?.0 {
//!         left if left >= litres => Ok(vec![Event::Drawn(litres)]),
//!         left => Err(format!("only {left} litres are left")),
//!     }
//! }
//!
//! Given::<Barrel>::events([Event::Filled(5)]).when(|desk| draw(desk, 2)).then([Event::Drawn(2)]);
//! Given::<Barrel>::events([Event::Filled(5)]).when(|desk| draw(desk, 6)).then_refused("only 5 litres are left".into());
//! ```

use core::fmt::Debug;

use super::{Desk, EventData, Fold, Metadata, Revision, StreamId, Timestamp, World};

/// What has happened so far.
#[derive(Clone, Debug)]
pub struct Given<F> {
    world: World<F>,
    metadata: Metadata,
}

impl<F: Fold> Given<F> {
    /// Nothing has happened; every stream that is looked at must be named with [`also`](Self::also) or have events.
    #[must_use]
    pub fn nothing() -> Self {
        let metadata = Metadata {
            command: "Given".into(),
            actor: "scenario".into(),
            claimed_actor: None,
            reason: None,
            correlation: None,
            decided_at: Timestamp::EPOCH,
            wall_clock: None,
        };
        Self { world: World::default(), metadata }
    }

    /// These events have happened in this order.
    #[must_use]
    pub fn events(events: impl IntoIterator<Item = F::Event>) -> Self {
        events.into_iter().fold(Self::nothing(), Self::and)
    }

    /// What follows happened at this time.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.metadata.decided_at = time;
        self
    }

    /// What follows was done by this actor.
    #[must_use]
    pub fn by(mut self, actor: &str) -> Self {
        self.metadata.actor = actor.into();
        self
    }

    /// This has happened, too.
    #[must_use]
    pub fn and(mut self, event: F::Event) -> Self {
        for stream in event.streams() {
            if self.world.revision(&stream).is_none() {
                self = self.also(stream);
            }
        }
        self.world.speculate(&[event], &self.metadata, self.metadata.decided_at);
        self
    }

    /// This stream is known to be empty.
    #[must_use]
    pub fn also(mut self, stream: StreamId) -> Self {
        let fold = F::begin(&stream);
        self.world.insert(stream, Revision::ZERO, fold);
        self
    }

    /// The folded streams.
    #[must_use]
    pub fn world(&self) -> &World<F> {
        &self.world
    }

    /// Decides.
    pub fn when<E, R>(&self, decide: impl FnOnce(&Desk<'_, F>) -> Result<E, R>) -> Decided<E, R> {
        Decided { outcome: decide(&self.world.desk()) }
    }
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decided<E, R> {
    /// Events, or why not.
    pub outcome: Result<E, R>,
}

impl<E: Debug + PartialEq, R: Debug> Decided<Vec<E>, R> {
    /// Expects these events.
    ///
    /// # Panics
    /// If it was refused, or something else was decided: this is an assertion of a test.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion of a test")]
    pub fn then(self, expected: impl IntoIterator<Item = E>) {
        match self.outcome {
            Ok(events) => assert_eq!(events, expected.into_iter().collect::<Vec<_>>()),
            Err(refusal) => panic!("refused: {refusal:?}"),
        }
    }
}

impl<E: Debug, R: Debug + PartialEq> Decided<E, R> {
    /// Expects this refusal.
    ///
    /// # Panics
    /// If it was decided, or refused otherwise: this is an assertion of a test.
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion of a test")]
    pub fn then_refused(self, expected: R) {
        match self.outcome {
            Ok(events) => panic!("not refused: {events:?}"),
            Err(refusal) => assert_eq!(refusal, expected),
        }
    }
}
