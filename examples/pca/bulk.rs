//! Many certificates from a file (rule I8).

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use pca_core::domain::certificate::{IssueAtomically, IssueCertificate, Issued};
use pca_core::domain::{BrokenRule, CaId, Refusal, Rule};
use serde_json::{Value, json};

use crate::args::{BulkArgs, Global};
use crate::exit::{Answer, DONE, Failure, Outcome, REFUSED, broken_json};
use crate::gate::Gate;
use crate::line::{self, Line};
use crate::output;
use crate::shop::{Shop, judge, told};

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
    let (source, bar) = source.show();
    let mut answered = 0_u64;
    let trouble = Arc::new(Mutex::new(None));
    let lines = Arc::new(Mutex::new(std::collections::VecDeque::new()));
    // A bad line goes through as a request that nobody can grant, so that each request keeps its place, from which its
    // idempotency key is derived.
    let requests = {
        let (trouble, lines, ca) = (Arc::clone(&trouble), Arc::clone(&lines), ca.clone());
        let stand_in = nothing(Gate::new().ca("", "I1"));
        source.filter_map(move |read| match read {
            Ok((number, text)) => {
                let line = line::parse(&text, &ca)?;
                let request = if line.gate.is_open() { line.request.clone() } else { stand_in.clone() };
                let kept = (!line.gate.is_open()).then_some(line);
                lines.lock().unwrap_or_else(PoisonError::into_inner).push_back((number, kept));
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
        let Some((number, bad)) = next else { break };
        answered += 1;
        bar.set_message(format!("{answered} requests answered"));
        match (bad, result) {
            (Some(Line { gate, readable: false, .. }), _) => report.refused(number, &gate.reasons(&[]))?,
            (Some(Line { request, gate, .. }), _) => {
                let found = shop.pca.preview(&request, &shop.call).await;
                let broken = refusals(judge(gate, found))?;
                // The quota is asked only now that the requests behind this one have taken theirs: it says nothing of it.
                let broken: Vec<BrokenRule> =
                    broken.into_iter().filter(|broken| broken.rule().number() != "Q2").collect();
                report.refused(number, &broken)?;
            }
            (None, Ok(done)) => report.issued(number, &done.answer)?,
            (None, Err(error)) => match error.refusal().map(Refusal::broken) {
                Some(broken) => report.refused(number, broken)?,
                None => failure = failure.or(Some(error)),
            },
        }
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

/// What would be issued, each request by itself.
async fn rehearse(global: &Global, ca: CaId, source: Source) -> Outcome {
    let shop = Shop::asking(global).await?;
    let (mut granted, mut refused) = (0_u64, Vec::new());
    // A preview spends nothing, so that the units are counted here.
    let remaining = shop.pca.question(|desk, now| Ok(desk.quota(&ca)?.balance(now).remaining)).await?;
    for read in source {
        let (number, text) = read?;
        let Some(Line { request, gate, readable }) = line::parse(&text, &ca) else { continue };
        let mut broken = if readable {
            let found = shop.pca.preview(&request, &shop.call).await;
            refusals(judge(gate, found))?
        } else {
            gate.reasons(&[])
        };
        if readable && granted >= remaining && !broken.iter().any(|broken| broken.rule().number() == "Q2") {
            let text = format!("{ca} has {remaining} units of quota left, and the lines above take {granted} of them");
            broken.push(BrokenRule::new(Rule::new("Q2"), "no-quota-left", text));
        }
        if broken.is_empty() {
            granted += 1;
        } else {
            refused.push(json!({ "line": number, "refused": broken.iter().map(broken_json).collect::<Vec<_>>() }));
        }
    }
    let text =
        format!("nothing is changed; {granted} certificates would be issued and {} requests refused", refused.len());
    Ok(Answer::new(json!({ "dry_run": true, "issued": granted, "refused": refused.len(), "lines": refused }), text))
}

/// A request against which nothing stands but the CA.
fn nothing(ca: CaId) -> IssueCertificate {
    IssueCertificate::server(ca, ["a.example.com"])
}

/// Where the answers go.
struct Report {
    file: Option<(File, PathBuf)>,
    issued: u64,
    refused: u64,
}

impl Report {
    fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let file = match path {
            Some(path) => {
                let is_device = std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
                let mut options = File::options();
                // A device or a pipe is written to; a file that is there may be the only account of what was issued.
                let opened = options.write(true).create_new(!is_device).open(path);
                let file = opened.map_err(|error| match error.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        let text = "is there already, and nothing is overwritten; choose another file";
                        Failure::trouble("file", format!("{} {text}", path.display()))
                    }
                    _ => Failure::file("writing", path, &error),
                })?;
                Some((file, path.to_owned()))
            }
            None => None,
        };
        Ok(Self { file, issued: 0, refused: 0 })
    }

    fn issued(&mut self, line: u64, issued: &Issued) -> Result<(), Failure> {
        self.issued += 1;
        self.write(&json!({
            "line": line,
            "certificate": issued.id.to_string(),
            "serial": issued.serial.to_string(),
            "not_after": issued.not_after.to_string(),
            "lot": issued.lot,
        }))
    }

    fn refused(&mut self, line: u64, broken: &[BrokenRule]) -> Result<(), Failure> {
        self.refused += 1;
        self.write(&json!({ "line": line, "refused": broken.iter().map(broken_json).collect::<Vec<_>>() }))
    }

    /// One write a line, so that a line is there whole or not at all, whatever ends this process.
    fn write(&mut self, value: &Value) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        let line = format!("{value}\n");
        file.write_all(line.as_bytes()).map_err(|error| Failure::file("writing", path, &error))
    }

    /// Nothing is to be told: what was made for it goes.
    fn withdraw(&mut self) {
        if let Some((file, path)) = self.file.take()
            && file.metadata().is_ok_and(|metadata| metadata.is_file())
        {
            let _ = std::fs::remove_file(path);
        }
    }

    fn answer(self) -> Outcome {
        let Self { file, issued, refused } = self;
        if let Some((file, path)) = file {
            // Standard output and other devices cannot be synced.
            if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
                file.sync_all().map_err(|error| Failure::file("writing", &path, &error))?;
            }
        }
        let code = if issued == 0 && refused > 0 { REFUSED } else { DONE };
        let mut text = format!("{issued} certificates issued, {refused} requests refused");
        if refused > 0 {
            text.push_str("; why is told in the file that --out names");
        }
        Ok(Answer::with_code(json!({ "issued": issued, "refused": refused }), text, code))
    }
}

/// The lines of a file, read as they are needed.
struct Source {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    number: u64,
    octets: Option<u64>,
    bar: ProgressBar,
    over: bool,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Failure> {
        let bar = ProgressBar::hidden();
        if path == Path::new("-") {
            let reader = Box::new(BufReader::new(std::io::stdin()));
            return Ok(Self { reader, path: path.to_owned(), number: 0, octets: None, bar, over: false });
        }
        let file = File::open(path).map_err(|error| Failure::file("reading", path, &error))?;
        let metadata = file.metadata().map_err(|error| Failure::file("reading", path, &error))?;
        if metadata.is_dir() {
            return Err(Failure::trouble(
                "file",
                format!("{} is a directory; a file of JSON lines is expected", path.display()),
            ));
        }
        let octets = metadata.is_file().then_some(metadata.len());
        let reader = Box::new(BufReader::with_capacity(1 << 16, file));
        Ok(Self { reader, path: path.to_owned(), number: 0, octets, bar, over: false })
    }

    /// Progress in octets of the file, drawn on a terminal.
    fn show(mut self) -> (Self, ProgressBar) {
        self.bar = match self.octets {
            Some(octets) => output::progress(Some(octets), "issuing {bar:40} {percent}% {msg} ({elapsed}, {eta} left)"),
            None => output::progress(None, "{spinner} issuing {msg} ({elapsed})"),
        };
        let bar = self.bar.clone();
        (self, bar)
    }
}

impl Iterator for Source {
    type Item = Result<(u64, line::Text), Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        match line::read(&mut self.reader) {
            Ok(Some(text)) => {
                self.number += 1;
                self.bar.inc(text.octets());
                Some(Ok((self.number, text)))
            }
            Ok(None) => None,
            Err(error) => {
                self.over = true;
                Some(Err(Failure::file("reading", &self.path, &error)))
            }
        }
    }
}
