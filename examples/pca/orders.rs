//! Orders, quota and refunds.

use pca_core::domain::order::{
    BuyIntermediate, BuyQuota, BuyRoot, DeclineRefund, ExtendTerm, OrderState, RefundEligibility, RefundStep,
    RequestRefund, ReturnRefund, refund_eligibility,
};
use pca_core::domain::quota::AssignQuota;
use pca_core::keys::Family;
use serde_json::json;

use crate::args::{AssignArgs, Buy, BuyArgs, ExtendArgs, FamilyWord, Global, RefundArgs};
use crate::exit::{Answer, Failure, Outcome, REFUSED, broken_json};
use crate::gate::Gate;
use crate::shop::{Shop, carry_out};

/// `pca buy …`
pub async fn buy(global: &Global, args: BuyArgs) -> Outcome {
    let mut gate = Gate::new();
    match args.what {
        Buy::Root(args) => {
            let family = match args.family {
                FamilyWord::Known(family) => family,
                FamilyWord::Refused(broken) => {
                    gate.refuse(broken);
                    Family::Ecc
                }
            };
            let (term, paid) = (gate.term(&args.price.term), gate.paid(&args.price.paid));
            carry_out(global, gate, BuyRoot { family, term, paid }, |bought| {
                let (order, root, intermediate) = (&bought.order, &bought.root, &bought.intermediate);
                Answer::new(
                    json!({ "order": order, "root": root, "intermediate": intermediate }),
                    format!(
                        "order         {order}\nroot          {root}\nintermediate  {intermediate}\n\nnext: pca enable {root} --cn 'Name of the root'"
                    ),
                )
            })
            .await
        }
        Buy::Intermediate(args) => {
            let root = gate.ca(&args.root, "O2");
            let (term, paid) = (gate.term(&args.price.term), gate.paid(&args.price.paid));
            carry_out(global, gate, BuyIntermediate { root, term, paid }, |bought| {
                let (order, intermediate) = (&bought.order, &bought.intermediate);
                Answer::new(
                    json!({ "order": order, "intermediate": intermediate }),
                    format!(
                        "order         {order}\nintermediate  {intermediate}\n\nnext: pca enable {intermediate} --cn 'Name of the department'"
                    ),
                )
            })
            .await
        }
        Buy::Quota(args) => {
            let root = gate.ca(&args.root, "O4");
            let (count, paid) = (gate.number(&args.count, "units of quota", "O4"), gate.paid(&args.paid));
            carry_out(global, gate, BuyQuota { root, count, paid }, |bought| {
                let (order, count, lot) = (&bought.order, bought.count, &bought.lot);
                Answer::new(
                    json!({ "order": order, "count": count, "lot": lot }),
                    format!("order  {order}\nunits  {count}\nlot    {lot}"),
                )
            })
            .await
        }
    }
}

/// `pca extend CA --term T`
pub async fn extend(global: &Global, args: ExtendArgs) -> Outcome {
    let mut gate = Gate::new();
    let (ca, term) = (gate.ca(&args.ca, "O5"), gate.term(&args.term));
    carry_out(global, gate, ExtendTerm { ca, term }, |extended| {
        let (ca, ends) = (&extended.ca, extended.term_ends.to_string());
        let mut text = format!("the service term of {ca} ends at {ends}");
        let mut also = Vec::new();
        if let Some((ca, ends)) = &extended.also {
            also.push(json!({ "ca": ca, "term_ends": ends.to_string() }));
            text.push_str(&format!("\nthat of its bundled intermediate {ca} at {ends}"));
        }
        Answer::new(json!({ "ca": ca, "term_ends": ends, "also": also }), text)
    })
    .await
}

/// `pca assign CA N`
pub async fn assign(global: &Global, args: AssignArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "Q1");
    let units = gate.number(&args.units, "units of quota", "Q1");
    carry_out(global, gate, AssignQuota { ca, units }, |assigned| {
        let (ca, units, remaining) = (&assigned.ca, assigned.assigned, assigned.remaining);
        Answer::new(
            json!({ "ca": ca, "assigned": units, "remaining": remaining }),
            format!("{units} units are assigned to {ca}; {remaining} are left in the pool of its root"),
        )
    })
    .await
}

/// `pca refund ORDER …`
pub async fn refund(global: &Global, args: RefundArgs) -> Outcome {
    let mut gate = Gate::new();
    let order = gate.order(&args.order, if args.returned || args.declined.is_some() { "R5" } else { "R1" });
    if args.eligible {
        return eligible(global, gate, &order, &args.order).await;
    }
    if args.returned {
        return carry_out(global, gate, ReturnRefund { order }, step).await;
    }
    match args.declined {
        Some(reason) => carry_out(global, gate, DeclineRefund { order, reason }, step).await,
        None => carry_out(global, gate, RequestRefund { order }, step).await,
    }
}

fn step(step: RefundStep) -> Answer {
    let (order, state) = (&step.order, order_state(step.state));
    let text = match step.state {
        OrderState::RefundRequested => {
            format!("the refund of {order} is requested; what it bought is frozen until `--returned` or `--declined`")
        }
        OrderState::Refunded => format!("{order} is refunded"),
        _ => format!("the refund of {order} was declined; all is as before"),
    };
    Answer::new(json!({ "order": order, "state": state }), text)
}

async fn eligible(global: &Global, gate: Gate, order: &pca_core::domain::OrderId, given: &str) -> Outcome {
    let shop = Shop::asking(global).await?;
    let question = shop.pca.question(|desk, now| {
        let state = desk.order(order)?.placed().map(|placed| placed.state);
        Ok((state, refund_eligibility(desk, order, now)?))
    });
    let (state, eligibility) = question.await?;
    let state = state.map(order_state);
    match eligibility {
        RefundEligibility::Eligible { until } => Ok(Answer::new(
            json!({ "order": order, "state": state, "eligible": true, "until": until.to_string() }),
            format!("the refund of {order} can be requested until {until}"),
        )),
        RefundEligibility::NotEligible { until, broken } => {
            let broken = gate.reasons(&broken);
            let mut text = format!("the refund of {given} cannot be requested:\n");
            for broken in &broken {
                text.push_str(&format!("  {:<3} {}\n", broken.rule().number(), broken.message()));
            }
            let until = until.map(|until| until.to_string());
            let reasons: Vec<_> = broken.iter().map(broken_json).collect();
            let json = json!({ "order": given, "state": state, "eligible": false, "until": until, "refused": reasons });
            Ok(Answer::with_code(json, text, REFUSED))
        }
        _ => Err(Failure::trouble("store", "the answer is of a kind that this program does not know")),
    }
}

/// Where an order stands, as the page has it.
pub fn order_state(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "placed",
        OrderState::RefundRequested => "refund-requested",
        OrderState::Refunded => "refunded",
        _ => "unknown",
    }
}
