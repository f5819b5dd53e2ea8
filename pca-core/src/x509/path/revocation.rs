//! Whether a certificate of a path is revoked (RFC 5280 section 6.3), by the lists that are given.

use super::certificate::Certificate;
use super::crl::{Crl, Entry, compare_numbers};
use super::distribution::{ALL_REASONS, General, Point, PointName, Reasons};
use super::reason::{Exhausted, Reason};
use super::search::Search;
use crate::keys::software::verify;
use crate::x509::reason::RevocationReason;
use crate::x509::usage::KeyUsage;

const CLAUSE: &str = "RFC 5280 6.3.3";

impl Search<'_> {
    /// What the lists say against a path from target to anchor.
    pub(super) fn revocation(&mut self, chain: &[usize]) -> Result<Vec<Reason>, Exhausted> {
        let mut reasons = Vec::new();
        if self.crls.is_empty() && !self.rules.options.require_crl {
            return Ok(reasons);
        }
        let Some(anchor) = chain.last().copied() else { return Ok(reasons) };
        for (child, issuer) in chain.iter().zip(chain.iter().skip(1)) {
            // An anchor that is its own target is nobody's to revoke.
            let is_anchor = self.certificates.get(*child).map(Certificate::der)
                == self.certificates.get(anchor).map(Certificate::der);
            if !is_anchor {
                reasons.extend(self.status(*child, *issuer, anchor)?);
            }
        }
        Ok(reasons)
    }

    /// What the lists say against one certificate.
    fn status(&mut self, child: usize, issuer: usize, anchor: usize) -> Result<Vec<Reason>, Exhausted> {
        let crls = self.crls;
        let Some(certificate) = self.certificates.get(child) else { return Ok(Vec::new()) };
        let told = certificate.to_string();
        self.budget.comparisons(crls.len())?;
        let mut lists: Vec<(usize, &Crl<'_>)> =
            crls.iter().enumerate().filter(|(_, crl)| concerns(crl, certificate)).collect();
        if lists.is_empty() {
            let missing = self.rules.options.require_crl.then(|| {
                Reason::new(CLAUSE, format!("{told}: there is no CRL of {}, and one is required", certificate.issuer))
            });
            return Ok(missing.into_iter().collect());
        }
        // The newest first, by number.
        lists.sort_by(|(_, one), (_, other)| compare_numbers(other.number, one.number));
        let mut notes = Vec::new();
        let mut covered: Reasons = 0;
        let mut usable: Vec<(&Crl<'_>, bool)> = Vec::new();
        for (index, crl) in lists {
            let problems = self.unfit(index, crl, issuer, anchor)?;
            notes.extend(problems.iter().map(|problem| problem.about(crl)));
            usable.push((crl, problems.is_empty()));
        }
        let Some(certificate) = self.certificates.get(child) else { return Ok(Vec::new()) };
        for crl in usable.iter().filter(|(crl, fits)| *fits && !crl.is_delta()).map(|(crl, _)| *crl) {
            let reasons = coverage(crl, certificate);
            if reasons & !covered == 0 {
                continue;
            }
            let deltas = usable.iter().filter(|(delta, fits)| *fits && changes(delta, crl)).map(|(delta, _)| *delta);
            match look_up(certificate, crl, deltas) {
                Ok(Entry::Revoked(code)) => {
                    let reason = RevocationReason::from_code(code).map_or("unspecified", RevocationReason::name);
                    return Ok(vec![Reason::new(CLAUSE, format!("{told}: it is revoked ({reason}) by {crl}"))]);
                }
                Ok(_) => covered |= reasons,
                Err(problem) => notes.push(problem.about(crl)),
            }
        }
        if covered & ALL_REASONS == ALL_REASONS {
            return Ok(Vec::new());
        }
        let text = format!("{told}: its status is not known: no CRL that could be used covers it for all reasons");
        notes.push(Reason::new(CLAUSE, text));
        Ok(notes)
    }

    /// Why a list may not be used: what is wrong in it, its time, its signer.
    fn unfit(&mut self, index: usize, crl: &Crl<'_>, issuer: usize, anchor: usize) -> Result<Vec<Reason>, Exhausted> {
        let mut problems = crl.faults.clone();
        let now = self.rules.options.at.floor_to_second();
        if let Some(this_update) = crl.this_update.filter(|this_update| now < *this_update) {
            problems.push(Reason::new("RFC 5280 5.1.2.4", format!("it is not valid before {this_update}")));
        }
        if let Some(next_update) = crl.next_update.filter(|next_update| now > *next_update) {
            problems.push(Reason::new("RFC 5280 5.1.2.5", format!("it is not valid after {next_update}")));
        }
        problems.extend(self.signer_problem(index, crl, issuer, anchor)?);
        Ok(problems)
    }

    /// Section 6.3.3 (f) and (g): the issuer of the certificate, or another of the list's name that leads to the same anchor.
    fn signer_problem(
        &mut self,
        index: usize,
        crl: &Crl<'_>,
        issuer: usize,
        anchor: usize,
    ) -> Result<Option<Reason>, Exhausted> {
        self.budget.comparisons(self.certificates.len())?;
        let mut signers: Vec<usize> = core::iter::once(issuer)
            .chain((0..self.certificates.len()).filter(|index| *index != issuer))
            .filter(|index| self.certificates.get(*index).is_some_and(|signer| signer.subject == crl.issuer))
            .collect();
        let named = |signer: &Certificate| match (&crl.authority, &signer.extensions.subject_key) {
            (Some(named), Some(key)) => named == key,
            _ => true,
        };
        signers.sort_by_key(|index| !self.certificates.get(*index).is_some_and(named));
        let mut problem = None;
        for signer in signers {
            let Some(certificate) = self.certificates.get(signer) else { continue };
            let signs = certificate.extensions.usage.is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
            let found = if signs {
                self.list_signature(index, crl, signer)?.err()
            } else {
                Some(Reason::new("RFC 5280 6.3.3 (f)", format!("the key usage of {certificate} lacks cRLSign")))
            };
            let found = match found {
                None if signer != issuer && signer != anchor && !self.leads_to(signer, anchor)? => {
                    let text = "the certificate of its signer leads to no path to the same trust anchor";
                    Some(Reason::new("RFC 5280 6.3.3 (f)", text))
                }
                found => found,
            };
            match found {
                None => return Ok(None),
                Some(found) => problem = problem.or(Some(found)),
            }
        }
        let unknown = || Reason::new("RFC 5280 6.3.3 (f)", "there is no certificate of its issuer");
        Ok(Some(problem.unwrap_or_else(unknown)))
    }

    /// Whether a list is signed with the key of a certificate; each pair of list and key is tried once.
    fn list_signature(&mut self, index: usize, crl: &Crl<'_>, signer: usize) -> Result<Result<(), Reason>, Exhausted> {
        let pair = (index, self.keys.get(signer).copied().unwrap_or_default());
        if let Some(known) = self.verified_lists.get(&pair) {
            return Ok(known.clone());
        }
        let told = |text: String| Reason::new("RFC 5280 6.3.3 (g)", text);
        let Some(certificate) = self.certificates.get(signer) else {
            return Ok(Err(told("there is no certificate of its issuer".into())));
        };
        let result = match (&certificate.key, &crl.algorithm) {
            (Err(error), _) => {
                Err(told(format!("the signature cannot be verified with the key of {certificate}: {error}")))
            }
            (_, Err(error)) => Err(told(format!("the signature is not accepted: {error}"))),
            (Ok(key), Ok(algorithm)) => {
                self.budget.signature()?;
                verify(key, *algorithm, crl.tbs, crl.signature)
                    .map_err(|error| told(format!("the signature is not one of {certificate}: {error}")))
            }
        };
        self.verified_lists.insert(pair, result.clone());
        Ok(result)
    }
}

/// Whether a list is one of the certificate's issuer, or of whom the certificate names.
fn concerns(crl: &Crl<'_>, certificate: &Certificate) -> bool {
    let issuer = General::Directory(crl.issuer.clone());
    crl.issuer == certificate.issuer
        || certificate.extensions.points.iter().any(|point| point.crl_issuer.contains(&issuer))
}

/// For which reasons a list speaks about a certificate: section 6.3.3 (b) and (d), over its distribution points.
fn coverage(crl: &Crl<'_>, certificate: &Certificate) -> Reasons {
    let is_ca = certificate.extensions.is_ca();
    if let Some(scope) = &crl.scope
        && ((scope.only_user && is_ca) || (scope.only_ca && !is_ca) || scope.only_attribute)
    {
        return 0;
    }
    // Whoever names no point has the list of the issuer under the issuer's name.
    let issuer = General::Directory(certificate.issuer.clone());
    let default = Point { name: Some(PointName::Full(vec![issuer])), reasons: ALL_REASONS, crl_issuer: Vec::new() };
    let points = certificate.extensions.points.iter().chain(core::iter::once(&default));
    points
        .filter(|point| covers(crl, point, certificate))
        .fold(0, |all, point| all | point.reasons & crl.scope.as_ref().map_or(ALL_REASONS, |scope| scope.reasons))
}

fn covers(crl: &Crl<'_>, point: &Point, certificate: &Certificate) -> bool {
    let indirect = crl.scope.as_ref().is_some_and(|scope| scope.indirect);
    let by = General::Directory(crl.issuer.clone());
    let right_issuer = if point.crl_issuer.is_empty() {
        crl.issuer == certificate.issuer
    } else {
        point.crl_issuer.contains(&by) && (indirect || crl.issuer == certificate.issuer)
    };
    if !right_issuer {
        return false;
    }
    let Some(list) = crl.scope.as_ref().and_then(|scope| scope.name.as_ref()) else { return true };
    let list = list.full(&crl.issuer);
    let wanted = match &point.name {
        Some(name) => name.full(&crl.issuer),
        None => point.crl_issuer.clone(),
    };
    list.iter().any(|name| wanted.contains(name))
}

/// Section 6.3.3 (c) and 5.2.4: a delta of the same issuer, key and scope that begins at or before the list and is newer.
fn changes(delta: &Crl<'_>, list: &Crl<'_>) -> bool {
    delta.is_delta()
        && delta.issuer == list.issuer
        && delta.authority == list.authority
        && delta.scope_der == list.scope_der
        && compare_numbers(delta.base, list.number).is_le()
        && compare_numbers(delta.number, list.number).is_ge()
}

fn look_up<'a>(
    certificate: &Certificate,
    list: &Crl<'_>,
    deltas: impl Iterator<Item = &'a Crl<'a>>,
) -> Result<Entry, Reason> {
    for delta in deltas {
        match delta.find(&certificate.serial, &certificate.issuer)? {
            Entry::Absent => {}
            found => return Ok(found),
        }
    }
    list.find(&certificate.serial, &certificate.issuer)
}
