//! Many certificates from a file (rule I8).

mod report;
mod source;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use pca_core::domain::certificate::{IssueAtomically, IssueCertificate};
use pca_core::domain::{BrokenRule, CaId, Refusal, Rule};

use crate::args::{BulkArgs, Global};
use crate::exit::{Failure, Outcome};
use crate::gate::Gate;
use crate::line::{self, Line};
use crate::output;
use crate::shop::{Shop, judge, told};
use report::{Foreseen, Report};
use source::Source;

/// How many requests an all-or-nothing bulk may have before they are only counted.
const KEPT: usize = 1_000_000;

/// `pca issue bulk CA FILE`
pub async fn bulk(global: &Global, args: BulkArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "I1");
    let source = Source::open(&args.file)?;
    known(global, gate, &ca).await?;
    if args.atomic {
        return atomic(global, ca, source, args.out.as_deref()).await;
    }
    if global.dry_run {
        return rehearse(global, ca, source).await;
    }
    let shop = Shop::working(global).await?;
    let outcome = each(&shop, ca, source, args.out.as_deref()).await;
    shop.close().await?;
    outcome
}

/// No line can be answered for a CA that does not exist: that alone is told.
async fn known(global: &Global, gate: Gate, ca: &CaId) -> Result<(), Failure> {
    let shop = Shop::asking(global).await?;
    if shop.pca.question(|desk, _| Ok(desk.ca(ca)?.bought().is_some())).await? {
        return Ok(());
    }
    let judged = judge(gate, shop.pca.preview(&nothing(ca.clone()), &shop.call).await);
    let broken = refusals(judged)?.into_iter().filter(|broken| broken.rule().number() == "I1").collect();
    Err(Failure::Refused(broken))
}

/// Each request for itself, in order.
async fn each(shop: &Shop, ca: CaId, source: Source, out: Option<&Path>) -> Outcome {
    let mut report = Report::create(out)?;
    let bar = source.progress("issuing");
    let mut answered = 0_u64;
    let mut units = Units::of(shop, &ca).await?;
    let trouble = Arc::new(Mutex::new(None));
    let lines = Arc::new(Mutex::new(std::collections::VecDeque::new()));
    // A bad line goes through as a request that nobody can grant, so that each request keeps its place, from which its
    // idempotency key is derived.
    let requests = {
        let (trouble, lines, ca) = (Arc::clone(&trouble), Arc::clone(&lines), ca.clone());
        let stand_in = nothing(Gate::new().ca("", "I1"));
        let mut end = 0_u64;
        source.filter_map(move |read| match read {
            Ok((number, text)) => {
                end = end.saturating_add(text.octets());
                let line = line::parse(&text, &ca)?;
                let request = if line.gate.is_open() { line.request.clone() } else { stand_in.clone() };
                let kept = (!line.gate.is_open()).then_some(line);
                lines.lock().unwrap_or_else(PoisonError::into_inner).push_back((number, end, kept));
                Some(request)
            }
            Err(error) => {
                *trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        })
    };
    let mut results = Box::pin(shop.pca.issue_many(requests, &shop.call));
    let mut failure = None;
    while let Some(result) = results.next().await {
        let next = lines.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((number, end, bad)) = next else { break };
        answered += 1;
        bar.set_message(format!("{answered} requests answered"));
        match (bad, result) {
            (Some(line), _) => report.refused(number, &against(shop, line, &units).await?)?,
            (None, Ok(done)) => {
                // One that had been issued before, under the same key, takes no unit now.
                units.taken += u64::from(!done.repeated);
                report.issued(number, &done.answer)?;
            }
            (None, Err(error)) => match error.refusal().map(Refusal::broken) {
                Some(broken) => report.refused(number, &units.beside(broken))?,
                None => failure = failure.or(Some(error)),
            },
        }
        bar.set_position(end);
        if failure.is_some() {
            break;
        }
    }
    drop(results);
    bar.finish_and_clear();
    if let Some(error) = failure {
        return Err(error.into());
    }
    if let Some(error) = trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    report.answer()
}

/// The units of quota that a bulk finds, and how many of them it has taken.
struct Units {
    ca: CaId,
    found: u64,
    taken: u64,
}

impl Units {
    async fn of(shop: &Shop, ca: &CaId) -> Result<Self, Failure> {
        let found = shop.pca.question(|desk, now| Ok(desk.quota(ca)?.balance(now).remaining)).await?;
        Ok(Self { ca: ca.clone(), found, taken: 0 })
    }

    /// What stands against the next request together with what was found, perhaps before those above it took their units.
    fn beside(&self, found: &[BrokenRule]) -> Vec<BrokenRule> {
        let tells_quota = self.found == 0 || found.iter().any(is_quota);
        found.iter().cloned().chain(self.objection().filter(|_| !tells_quota)).collect()
    }

    /// What rule Q2 says to the next request.
    fn objection(&self) -> Option<BrokenRule> {
        let Self { ca, found, taken } = self;
        (taken >= found).then(|| {
            let text = format!("{ca} has {found} units of quota left, and the lines above take {taken} of them");
            BrokenRule::new(Rule::new("Q2"), "no-quota-left", text)
        })
    }
}

/// All that stands against a line at its turn: what its words broke, and what the rules say of the rest of it.
///
/// The rules are asked of the log as it is. Of all that a bulk changes there, only the quota is a matter of theirs, and the
/// log is behind its turn (in a dry run) or ahead of it (as the requests behind it are under way): so that is counted here.
async fn against(shop: &Shop, line: Line, units: &Units) -> Result<Vec<BrokenRule>, Failure> {
    let Line { request, gate, readable } = line;
    if !readable {
        return Ok(gate.reasons(&[]));
    }
    let mut broken = refusals(judge(gate, shop.pca.preview(&request, &shop.after).await))?;
    if units.found > 0 {
        broken.retain(|broken| !is_quota(broken));
    }
    Ok(units.beside(&broken))
}

fn is_quota(broken: &BrokenRule) -> bool {
    broken.rule().number() == "Q2"
}

fn refusals<T>(judged: Result<T, Failure>) -> Result<Vec<BrokenRule>, Failure> {
    match judged {
        Err(Failure::Refused(broken)) => Ok(broken),
        Err(other) => Err(other),
        Ok(_) => Ok(Vec::new()),
    }
}

/// All or nothing, in one commit.
async fn atomic(global: &Global, ca: CaId, source: Source, out: Option<&Path>) -> Outcome {
    let mut requests = Vec::new();
    let mut numbers = Vec::new();
    let mut bad: Vec<(u64, BrokenRule)> = Vec::new();
    let mut count: usize = 0;
    for read in source {
        let (number, text) = read?;
        let Some(line) = line::parse(&text, &ca) else { continue };
        count += 1;
        if count > KEPT {
            continue;
        }
        bad.extend(
            line.gate.reasons(&[]).into_iter().map(|broken| (number, of_line(number, &broken, broken.message()))),
        );
        if line.readable {
            requests.push(line.request);
            numbers.push(number);
        }
    }
    if count > KEPT {
        let text = format!("{count} requests are more than can be issued all or nothing; leave out --atomic");
        return Err(Failure::refused("I8", "too-many-for-one-commit", text));
    }
    let command = IssueAtomically { requests };
    if !bad.is_empty() || global.dry_run {
        let shop = Shop::asking(global).await?;
        // Of lines that cannot be read there is nothing more to tell.
        let found = match command.requests.is_empty() && !bad.is_empty() {
            true => Vec::new(),
            false => match judge(Gate::new(), shop.pca.preview(&command, &shop.call).await) {
                Ok(preview) if bad.is_empty() => return Ok(output::dry_run(&preview)),
                judged => refusals(judged)?,
            },
        };
        bad.extend(found.iter().map(|broken| by_line(broken, &numbers)));
        bad.sort_by_key(|(number, _)| *number);
        return Err(Failure::Refused(bad.into_iter().map(|(_, broken)| broken).collect()));
    }
    let shop = Shop::working(global).await?;
    let mut report = Report::create(out)?;
    let bar = output::progress(None, "{spinner} issuing {msg} certificates in one commit");
    bar.set_message(command.requests.len().to_string());
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let issued = shop.pca.issue_atomically(command, &shop.call).await;
    bar.finish_and_clear();
    shop.close().await?;
    if issued.is_err() {
        report.withdraw();
    }
    let issued = issued.map_err(|error| match error.refusal().map(Refusal::broken) {
        Some(broken) => Failure::Refused(broken.iter().map(|broken| by_line(broken, &numbers).1).collect()),
        None => error.into(),
    })?;
    for (number, issued) in numbers.into_iter().zip(&told(issued)) {
        report.issued(number, issued)?;
    }
    report.answer()
}

/// What the rules say of a request, in terms of its line; what they say of all of them comes first.
fn by_line(broken: &BrokenRule, numbers: &[u64]) -> (u64, BrokenRule) {
    let request = broken.message().strip_prefix("request ").and_then(|rest| rest.split_once(": "));
    let found = request.and_then(|(place, message)| {
        let place = place.parse::<usize>().ok()?.checked_sub(1)?;
        Some((*numbers.get(place)?, message))
    });
    match found {
        Some((number, message)) => (number, of_line(number, broken, message)),
        None => (0, broken.clone()),
    }
}

fn of_line(number: u64, broken: &BrokenRule, message: &str) -> BrokenRule {
    BrokenRule::new(broken.rule(), broken.code(), format!("line {number}: {message}"))
}

/// What would be issued, each request by itself. A key (`--key`) is not regarded: what was issued under it before is shown
/// as it would be decided now.
async fn rehearse(global: &Global, ca: CaId, source: Source) -> Outcome {
    let shop = Shop::asking(global).await?;
    let mut units = Units::of(&shop, &ca).await?;
    let bar = source.progress("previewing");
    let (mut foreseen, mut end) = (Foreseen::new(), 0_u64);
    for read in source {
        let (number, text) = read?;
        end = end.saturating_add(text.octets());
        let Some(line) = line::parse(&text, &ca) else { continue };
        foreseen.take(number, against(&shop, line, &units).await?);
        units.taken = foreseen.issued();
        bar.set_message(format!("{number} lines read"));
        bar.set_position(end);
    }
    bar.finish_and_clear();
    foreseen.answer()
}

/// A request against which nothing stands but the CA.
fn nothing(ca: CaId) -> IssueCertificate {
    IssueCertificate::server(ca, ["a.example.com"])
}
