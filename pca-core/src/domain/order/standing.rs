//! What commands about orders and quota ask of a CA: that it was bought, that its state allows it, that its term runs.

use crate::domain::ca::{Ca, CaState};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{CaId, Desk, Halt};
use crate::log::Timestamp;

const O5: Rule = Rule::new("O5");
const R5: Rule = Rule::new("R5");

/// The root, unless the id is none: that is objected to under the rule.
pub(crate) fn root<'w>(
    desk: &Desk<'w>,
    id: &CaId,
    rule: Rule,
    objections: &mut Objections,
) -> Result<Option<&'w Ca>, Halt> {
    let ca = desk.ca(id)?;
    if ca.is_root() {
        return Ok(Some(ca));
    }
    objections.add(match ca.root() {
        Some(root) => BrokenRule::new(
            rule,
            "not-a-root",
            format!("{id} is an intermediate under the root {root}; a root is needed"),
        ),
        None => unknown(id, rule),
    });
    Ok(None)
}

/// That nobody has bought such a CA.
pub(crate) fn unknown(id: &CaId, rule: Rule) -> BrokenRule {
    BrokenRule::new(rule, "unknown-ca", format!("{id} is no CA of this enterprise; `pca list cas` names all of them"))
}

/// Objects while a refund is requested: the CA is frozen (rule R5). Whether it is.
pub(crate) fn frozen(id: &CaId, ca: &Ca, objections: &mut Objections) -> bool {
    let frozen = ca.state() == CaState::RefundRequested;
    if frozen {
        objections.add(BrokenRule::new(
            R5,
            "frozen",
            format!("{id} is frozen: a refund of its order is requested and neither returned nor declined yet"),
        ));
    }
    frozen
}

/// Objects once the service term has ended (rule O5): its last instant is within it.
pub(crate) fn term_runs(id: &CaId, ca: &Ca, now: Timestamp, objections: &mut Objections) {
    if let Some(ends) = ca.bought().map(|bought| bought.term_ends) {
        objections.require(now <= ends, || {
            BrokenRule::new(O5, "term-ended", format!("the service term of {id} ended at {ends}; it is {now}"))
        });
    }
}
