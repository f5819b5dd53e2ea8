//! `ExtendTerm`: a longer service term, before it ends (rule O5).

use serde::Serialize;

use crate::domain::ca::{Ca, CaState, Role};
use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, Term, TermExtended};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Scope, founded};
use crate::log::Timestamp;

use super::{ServiceTerm, standing};

const O5: Rule = Rule::new("O5");

/// Extends the service term of a CA; a root's extends that of its bundled intermediate, too (rule O5).
#[derive(Clone, Debug, Serialize)]
pub struct ExtendTerm {
    /// The CA.
    pub ca: CaId,
    /// By how much, from the end that the term has now.
    pub term: ServiceTerm,
}

/// What [`ExtendTerm`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtendedTerm {
    /// The CA.
    pub ca: CaId,
    /// When its term ends now.
    pub term_ends: Timestamp,
    /// The bundled intermediate of a root with its new end.
    pub also: Option<(CaId, Timestamp)>,
}

impl Command for ExtendTerm {
    type Answer = ExtendedTerm;

    const NAME: &'static str = "ExtendTerm";

    fn scope(&self) -> Scope<'_> {
        Scope::Ca(&self.ca)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let ca = desk.ca(&self.ca)?;
        if ca.bought().is_none() {
            objections.add(standing::unknown(&self.ca, O5));
        } else if !standing::frozen(&self.ca, ca, &mut objections) {
            objections.require(is_in_service(ca), || {
                let state = ca.state().in_words();
                BrokenRule::new(
                    O5,
                    "ca-is-over",
                    format!("{} is {state}; its service term cannot be extended", self.ca),
                )
            });
        }
        standing::term_runs(&self.ca, ca, context.time, &mut objections);
        let mut terms = Vec::new();
        let mut extend = |id: &CaId, from: Timestamp, objections: &mut Objections| match self.term.end_after(from) {
            Ok(ends) => terms.push(Term { ca: id.clone(), ends }),
            Err(broken) => objections.add(broken),
        };
        let from = ca.bought().map_or(context.time, |bought| bought.term_ends);
        extend(&self.ca, from, &mut objections);
        if let Some((id, bundled)) = bundled(desk, ca)?
            && let Some(bought) = bundled.bought().filter(|_| is_in_service(bundled) && objections.is_empty())
        {
            extend(id, bought.term_ends, &mut objections);
        }
        objections.verdict()?;
        Ok(Plan::new().and(TermExtended { terms }))
    }

    fn answer(events: &[Event]) -> Option<ExtendedTerm> {
        events.iter().find_map(|event| match event {
            Event::TermExtended(extended) => {
                let (term, also) = extended.terms.split_first()?;
                let also = also.first().map(|also| (also.ca.clone(), also.ends));
                Some(ExtendedTerm { ca: term.ca.clone(), term_ends: term.ends, also })
            }
            _ => None,
        })
    }
}

/// Neither refunded nor revoked nor removed.
fn is_in_service(ca: &Ca) -> bool {
    matches!(ca.state(), CaState::NotEnabled | CaState::Enabled | CaState::Disabled)
}

/// The intermediate that came with a root.
fn bundled<'w>(desk: &Desk<'w>, root: &'w Ca) -> Result<Option<(&'w CaId, &'w Ca)>, Halt> {
    for id in root.intermediates() {
        let ca = desk.ca(id)?;
        if matches!(ca.bought().map(|bought| &bought.role), Some(Role::Intermediate { bundled: true, .. })) {
            return Ok(Some((id, ca)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::order::story::{Story, at};
    use crate::keys::Family;

    fn extend(ca: &CaId, months: u32) -> ExtendTerm {
        ExtendTerm { ca: ca.clone(), term: ServiceTerm::months(months) }
    }

    fn ends(story: &Story, ca: &CaId) -> Timestamp {
        story.ca(ca).bought().unwrap().term_ends
    }

    #[test]
    fn o5_a_root_takes_its_bundled_intermediate_along() {
        let (mut story, root) = Story::with_enabled_root(Family::Ecc);
        let other = story.buy_intermediate(&root.root);
        let before = ends(&story, &other.intermediate);
        assert_eq!(ends(&story, &root.root), at("2027-01-01T00:00:00Z"));
        let extended = story.run(extend(&root.root, 6));
        assert_eq!(extended.term_ends, at("2027-07-01T00:00:00Z"));
        assert_eq!(extended.also, Some((root.intermediate.clone(), at("2027-07-01T00:00:00Z"))));
        assert_eq!(ends(&story, &root.intermediate), at("2027-07-01T00:00:00Z"));
        assert_eq!(ends(&story, &other.intermediate), before, "bought by itself");
        let extended = story.run(extend(&other.intermediate, 1));
        assert_eq!((extended.ca, extended.also), (other.intermediate, None));
    }

    #[test]
    fn o5_only_before_the_end() {
        let (story, root) = Story::with_root(Family::Ecc);
        let end = ends(&story, &root.root);
        story.clone().at(end).run(extend(&root.root, 1));
        let late = Timestamp::from_micros(end.micros() + 1);
        story.clone().at(late).refuses(extend(&root.root, 1), &["O5:term-ended"]);
        story.at(late).refuses(extend(&root.root, 0), &["O5:term-ended", "O5:term-length"]);
    }

    #[test]
    fn o5_not_for_a_ca_that_is_over() {
        let (mut story, root) = Story::with_root(Family::Ecc);
        story.request_refund(&root.order);
        story.refuses(extend(&root.root, 1), &["R5:frozen"]);
        story.refuses(extend(&root.intermediate, 1), &["R5:frozen"]);
        story.return_refund(&root.order);
        story.refuses(extend(&root.root, 1), &["O5:ca-is-over"]);
        story.refuses(extend(&Story::nobodys_ca(), 0), &["O5:unknown-ca", "O5:term-length"]);
    }

    #[test]
    fn o5_a_revoked_bundled_intermediate_stays_behind() {
        let (mut story, root) = Story::with_enabled_root(Family::Ecc);
        story.enable(&root.intermediate);
        story.revoke(&root.intermediate);
        let before = ends(&story, &root.intermediate);
        assert_eq!(story.run(extend(&root.root, 1)).also, None);
        assert_eq!(ends(&story, &root.intermediate), before);
        story.refuses(extend(&root.intermediate, 1), &["O5:ca-is-over"]);
    }
}
