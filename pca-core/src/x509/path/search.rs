//! Building paths: from the target up, over every candidate, with a way back out of blind alleys (RFC 4158), and with a
//! bound (rule G4).

use std::collections::{BTreeMap, BTreeSet};

use super::certificate::Certificate;
use super::crl::Crl;
use super::reason::{Budget, Exhausted, Reason};
use super::validate::{Place, Rules, Target, Top, as_issuer, in_itself, validate};
use crate::keys::software::verify;

/// How many whole paths are looked at for the reasons of a refusal.
const REPORTED_PATHS: usize = 8;

/// Every certificate of a question: trust anchors first, the target last.
pub(super) struct Search<'a> {
    pub(super) certificates: Vec<Certificate>,
    pub(super) anchors: usize,
    pub(super) crls: &'a [Crl<'a>],
    pub(super) rules: Rules<'a>,
    pub(super) budget: Budget,
    by_subject: BTreeMap<Vec<Vec<String>>, Vec<usize>>,
    /// Equal keys have equal numbers.
    pub(super) keys: Vec<usize>,
    verified: BTreeMap<(usize, usize), Result<(), Reason>>,
    against_issuer: Vec<Vec<Reason>>,
    candidates: BTreeMap<usize, Vec<usize>>,
    /// Of lists, by their place and the number of the key.
    pub(super) verified_lists: BTreeMap<(usize, usize), Result<(), Reason>>,
    /// The signers of lists whose own status is being looked for.
    asked: Vec<usize>,
}

/// What a climb is for.
pub(super) struct Climb {
    mode: Mode,
    target: Target,
    /// Only a path to this anchor counts.
    anchor: Option<usize>,
    whole: usize,
    best: Option<(usize, Vec<Reason>)>,
    longest: Option<(usize, Vec<Reason>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Only what can be part of a good path.
    Sound,
    /// Whatever tells why there is none.
    Report,
}

impl Climb {
    const fn new(mode: Mode, target: Target, anchor: Option<usize>) -> Self {
        Self { mode, target, anchor, whole: 0, best: None, longest: None }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(certificates: Vec<Certificate>, anchors: usize, crls: &'a [Crl<'a>], rules: Rules<'a>) -> Self {
        let mut by_subject: BTreeMap<Vec<Vec<String>>, Vec<usize>> = BTreeMap::new();
        let mut numbers: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut keys = Vec::new();
        let mut against_issuer = Vec::new();
        for (index, certificate) in certificates.iter().enumerate() {
            // The target is nobody's issuer.
            if index + 1 < certificates.len() {
                by_subject.entry(certificate.subject.folded.clone()).or_default().push(index);
            }
            let next = numbers.len();
            keys.push(*numbers.entry(certificate.spki().to_vec()).or_insert(next));
            let place = if index < anchors { Place::Anchor } else { Place::Intermediate };
            let mut reasons = as_issuer(certificate);
            reasons.extend(in_itself(certificate, place, Target::Asked, rules.options));
            against_issuer.push(reasons);
        }
        Self {
            certificates,
            anchors,
            crls,
            rules,
            budget: Budget::new(),
            by_subject,
            keys,
            verified: BTreeMap::new(),
            against_issuer,
            candidates: BTreeMap::new(),
            verified_lists: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// The path from target to anchor, by index; or every reason against the best candidate.
    pub(super) fn run(&mut self) -> Result<Vec<usize>, Vec<Reason>> {
        let Some(target) = self.certificates.len().checked_sub(1) else { return Err(Vec::new()) };
        let mut reasons = Vec::new();
        let mut sound = Climb::new(Mode::Sound, Target::Asked, None);
        let mut chain = vec![target];
        match self.climb(&mut chain, &mut sound) {
            Ok(true) => return Ok(chain),
            Ok(false) => {}
            Err(exhausted) => reasons.push(exhausted.reason()),
        }
        let mut report = Climb::new(Mode::Report, Target::Asked, None);
        // What the bound cuts off here only shortens the report.
        let _ = self.climb(&mut vec![target], &mut report);
        // The first climb looks for revocation only where nothing else is wrong; the report tells everything.
        match report.best.or(sound.best).or(report.longest) {
            Some((_, best)) => reasons.extend(best),
            None => reasons.extend(self.alone(target)),
        }
        let mut seen = BTreeSet::new();
        reasons.retain(|reason| seen.insert(reason.clone()));
        Err(reasons)
    }

    /// Whether a path leads from the signer of a list to an anchor, and nobody on it is revoked. The list may be the one
    /// that tells the signer's own status: that question is not asked twice.
    pub(super) fn leads_to(&mut self, signer: usize, anchor: usize) -> Result<bool, Exhausted> {
        if self.asked.contains(&signer) {
            return Ok(true);
        }
        self.asked.push(signer);
        let mut climb = Climb::new(Mode::Sound, Target::CrlSigner, Some(anchor));
        let found = self.climb(&mut vec![signer], &mut climb);
        self.asked.pop();
        found
    }

    /// Goes on from the last certificate of a chain; true, with the chain as the whole path, where one is found.
    fn climb(&mut self, chain: &mut Vec<usize>, climb: &mut Climb) -> Result<bool, Exhausted> {
        let Some(child) = chain.last().copied() else { return Ok(false) };
        let candidates = self.candidates(child)?;
        self.budget.comparisons(candidates.len().saturating_add(1))?;
        let mut nobody = true;
        for issuer in candidates {
            let is_anchor = issuer < self.anchors;
            if climb.whole >= REPORTED_PATHS && climb.mode == Mode::Report {
                return Ok(false);
            }
            if is_anchor && climb.anchor.is_some_and(|wanted| wanted != issuer) {
                continue;
            }
            if climb.mode == Mode::Sound && !self.against_issuer.get(issuer).is_some_and(Vec::is_empty) {
                continue;
            }
            if !is_anchor && self.repeats(chain, issuer) {
                continue;
            }
            let verified = self.signature(child, issuer)?;
            if climb.mode == Mode::Sound && verified.is_err() {
                continue;
            }
            nobody = false;
            chain.push(issuer);
            let found = if is_anchor {
                self.judge(chain, climb)?
            } else if self.is_too_deep(chain) && climb.mode == Mode::Sound {
                false
            } else {
                self.climb(chain, climb)?
            };
            if found {
                return Ok(true);
            }
            chain.pop();
        }
        if nobody && climb.mode == Mode::Report {
            self.give_up(chain, climb)?;
        }
        Ok(false)
    }

    /// Who could have issued a certificate: anchors first, then those whose key it names, those with nothing against them,
    /// and the youngest.
    fn candidates(&mut self, child: usize) -> Result<Vec<usize>, Exhausted> {
        if let Some(known) = self.candidates.get(&child) {
            return Ok(known.clone());
        }
        self.budget.comparisons(self.certificates.len())?;
        let Some(certificate) = self.certificates.get(child) else { return Ok(Vec::new()) };
        let mut found = self.by_subject.get(&certificate.issuer.folded).cloned().unwrap_or_default();
        found.sort_by_cached_key(|index| {
            let issuer = self.certificates.get(*index);
            (
                *index >= self.anchors,
                !issuer.is_some_and(|issuer| certificate.may_be_issued_by(issuer)),
                self.against_issuer.get(*index).map_or(0, Vec::len),
                core::cmp::Reverse(issuer.and_then(|issuer| issuer.not_before)),
            )
        });
        self.candidates.insert(child, found.clone());
        Ok(found)
    }

    /// No subject with the same key stands twice in a path.
    fn repeats(&self, chain: &[usize], candidate: usize) -> bool {
        let same = |index: usize| {
            index == candidate
                || (self.keys.get(index) == self.keys.get(candidate)
                    && match (self.certificates.get(index), self.certificates.get(candidate)) {
                        (Some(one), Some(other)) => one.subject == other.subject,
                        _ => false,
                    })
        };
        chain.iter().any(|index| same(*index))
    }

    fn is_too_deep(&self, chain: &[usize]) -> bool {
        let Some(most) = self.rules.options.max_depth else { return false };
        let intermediates = chain.iter().skip(1).filter_map(|index| self.certificates.get(*index));
        intermediates.filter(|certificate| !certificate.is_self_issued()).count() > most
    }

    /// Whether a certificate is signed with the key of another; each pair of certificate and key is tried once.
    fn signature(&mut self, child: usize, issuer: usize) -> Result<Result<(), Reason>, Exhausted> {
        let pair = (child, self.keys.get(issuer).copied().unwrap_or_default());
        if let Some(known) = self.verified.get(&pair) {
            return Ok(known.clone());
        }
        let (Some(certificate), Some(above)) = (self.certificates.get(child), self.certificates.get(issuer)) else {
            return Ok(Err(Reason::new("RFC 5280 6.1.3 (a)", "there is no issuer")));
        };
        let clause = "RFC 5280 6.1.3 (a)";
        let told = |what: String| Reason::new(clause, format!("{certificate}: {what}"));
        let result = match (&above.key, &certificate.algorithm) {
            (Err(error), _) => Err(told(format!("the signature cannot be verified with the key of {above}: {error}"))),
            (_, Err(error)) => Err(told(format!("the signature is not accepted: {error}"))),
            (Ok(key), Ok(algorithm)) => {
                self.budget.signature()?;
                verify(key, *algorithm, certificate.tbs(), certificate.signature())
                    .map_err(|error| told(format!("the signature is not one of {above}: {error}")))
            }
        };
        self.verified.insert(pair, result.clone());
        Ok(result)
    }

    /// Judges a whole path.
    fn judge(&mut self, chain: &[usize], climb: &mut Climb) -> Result<bool, Exhausted> {
        climb.whole += 1;
        self.budget.comparisons(chain.len())?;
        let mut reasons = self.reasons(chain, true, climb.target)?;
        if reasons.is_empty() || climb.mode == Mode::Report {
            let found = self.revocation(chain)?;
            reasons.extend(found);
        }
        if reasons.is_empty() {
            return Ok(true);
        }
        // A signature that does not fit weighs more than anything else: it may be another path altogether.
        let wrong = chain.iter().zip(chain.iter().skip(1)).filter(|(child, issuer)| {
            let key = self.keys.get(**issuer).copied().unwrap_or_default();
            matches!(self.verified.get(&(**child, key)), Some(Err(_)))
        });
        let weight = wrong.count() * 1000 + reasons.len();
        if climb.best.as_ref().is_none_or(|(best, _)| weight < *best) {
            climb.best = Some((weight, reasons));
        }
        Ok(false)
    }

    /// Keeps the longest path that leads nowhere.
    fn give_up(&mut self, chain: &[usize], climb: &mut Climb) -> Result<(), Exhausted> {
        if climb.longest.as_ref().is_some_and(|(length, _)| chain.len() <= *length) {
            return Ok(());
        }
        let mut reasons = self.reasons(chain, false, climb.target)?;
        if let Some(top) = chain.last().and_then(|index| self.certificates.get(*index)) {
            let text =
                format!("there is no path to a trust anchor: nobody is found who issued {top} as {}", top.issuer);
            reasons.insert(0, Reason::new("RFC 5280 6.1", text));
        }
        climb.longest = Some((chain.len(), reasons));
        Ok(())
    }

    fn reasons(&mut self, chain: &[usize], anchored: bool, target: Target) -> Result<Vec<Reason>, Exhausted> {
        let mut reasons = Vec::new();
        for (child, issuer) in chain.iter().zip(chain.iter().skip(1)) {
            reasons.extend(self.signature(*child, *issuer)?.err());
        }
        let top = match chain.last().copied().filter(|_| anchored) {
            Some(anchor) => Top::Anchor { self_signed: self.is_self_signed(anchor)? },
            None => Top::Nowhere,
        };
        let path: Vec<&Certificate> = chain.iter().rev().filter_map(|index| self.certificates.get(*index)).collect();
        reasons.extend(validate(&path, top, target, &self.rules, &mut self.budget)?);
        Ok(reasons)
    }

    /// Whether an anchor's key is its own issuer's. Where the names say so, or where it does not matter, no signature is
    /// verified for that: one of an old root may be over SHA-1, which nobody relies on.
    fn is_self_signed(&mut self, anchor: usize) -> Result<bool, Exhausted> {
        match self.certificates.get(anchor) {
            Some(certificate) if certificate.is_self_issued() || certificate.names_issuer_key() => Ok(true),
            _ => Ok(self.signature(anchor, anchor)?.is_ok()),
        }
    }

    /// Where nothing could be looked at any more.
    fn alone(&self, target: usize) -> Vec<Reason> {
        let Some(certificate) = self.certificates.get(target) else { return Vec::new() };
        in_itself(certificate, Place::Target, Target::Asked, self.rules.options)
            .iter()
            .map(|reason| reason.about(certificate))
            .collect()
    }
}
