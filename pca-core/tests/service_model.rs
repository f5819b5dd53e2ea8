//! The whole domain through the service against a plain model, with time passing: what the model allows happens, what it
//! refuses is refused by the rules that it names, and after each step both say the same of every CA, certificate and
//! unit of quota, the ledger balances, and the verifiers find nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)]

#[path = "service_model/model.rs"]
mod model;
mod service_support;

use model::{BEGIN, DAY, Model, Reason, State, Status, Step, TERM, YEARS};
use pca_core::domain::ca::{
    CaState, ConfigureCa, DisableCa, EnableByCreating, Ending, Lifetime, ReenableCa, RemoveCa, ResetCa, RevokeCa,
};
use pca_core::domain::certificate::{
    IssueAtomically, IssueCertificate, KeySource, ReleaseHold, RemoveCertificate, RevokeCertificate, Status as Actual,
    effective_status,
};
use pca_core::domain::event::{Addresses, Money};
use pca_core::domain::order::{
    BuyIntermediate, BuyQuota, BuyRoot, DeclineRefund, ExtendTerm, RequestRefund, ReturnRefund, ServiceTerm,
};
use pca_core::domain::policy::{Policy, VerifyAfterSigning};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::testing::{new_key, sign};
use pca_core::domain::{CaId, Command, OrderId};
use pca_core::keys::{Algorithm, Family};
use pca_core::log::{Digest, Position, Timestamp, Verifier};
use pca_core::projection::DomainVerifier;
use pca_core::service::{Call, Error, Snapshots, blocking};
use pca_core::x509::{CertificateId, CommonName, RevocationReason, SubjectFields, VerifiedCsr, assemble, csr_tbs};
use pca_store_memory::MemorySnapshotStore;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use service_support::{Kind, Site, enable, rounds, server};

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = (Step, bool);

    fn init_state() -> BoxedStrategy<Self> {
        any::<bool>().prop_map(Self::new).boxed()
    }

    /// Steps that lead somewhere are more likely than others.
    fn transitions(model: &Self) -> BoxedStrategy<(Step, bool)> {
        let reason = prop_oneof![Just(Reason::Hold), Just(Reason::Superseded), Just(Reason::KeyCompromise)];
        let any_ca = || 0..12_usize;
        let among = |wanted: &dyn Fn(usize, &model::Ca) -> bool| {
            let fit: Vec<usize> =
                model.cas.iter().enumerate().filter(|(index, ca)| wanted(*index, ca)).map(|(index, _)| index).collect();
            if fit.is_empty() {
                any_ca().boxed()
            } else {
                prop_oneof![4 => prop::sample::select(fit), 1 => any_ca()].boxed()
            }
        };
        let enabled = |ca: &model::Ca| ca.state == State::Enabled;
        let issuing = |index, ca: &model::Ca| {
            enabled(ca) && model.available(index) > 0 && ca.root.is_some_and(|root| enabled(&model.cas[root]))
        };
        let enableable =
            |_, ca: &model::Ca| ca.state == State::NotEnabled && ca.root.is_none_or(|root| enabled(&model.cas[root]));
        let assignable = |_, ca: &model::Ca| {
            enabled(ca) && ca.root.is_some_and(|root| enabled(&model.cas[root]) && model.available(root) > 0)
        };
        let (fewer, more) = if model.cas.len() < 8 { (1, 2) } else { (0, 0) };
        let certificate = || {
            let count = model.certificates.len().max(1);
            prop_oneof![1 => 0..count, 1 => count.saturating_sub(4)..count]
        };
        let requested = model.orders.iter().position(|order| order.state == model::OrderState::Requested);
        let order =
            || prop_oneof![1 => 0..12_usize, 3 => Just(requested.unwrap_or(model.orders.len().saturating_sub(1)))];
        // Nothing ever falls on the very last instant of something.
        let wait = prop_oneof![
            8 => (1..40_i64).prop_map(|minutes| minutes * 61),
            3 => (1..12_i64).prop_map(|days| days * DAY + 7),
            1 => (20..200_i64).prop_map(|days| days * DAY + 7),
        ];
        let step = prop_oneof![
            6 => wait.prop_map(|seconds| Step::Wait { seconds }),
            1 + more => Just(Step::BuyRoot),
            1 + fewer => among(&|_, ca| ca.root.is_none() && enabled(ca)).prop_map(|ca| Step::BuyIntermediate { ca }),
            3 => (among(&|_, ca| ca.root.is_none()), 0..6_u64).prop_map(|(ca, units)| Step::BuyQuota { ca, units }),
            1 => (any_ca(), 0..9_u32).prop_map(|(ca, months)| Step::Extend { ca, months }),
            2 => order().prop_map(|order| Step::RequestRefund { order }),
            1 => order().prop_map(|order| Step::ReturnRefund { order }),
            1 => order().prop_map(|order| Step::DeclineRefund { order }),
            12 => among(&enableable).prop_map(|ca| Step::Enable { ca }),
            1 => any_ca().prop_map(|ca| Step::Configure { ca }),
            12 => (among(&assignable), 0..7_u64).prop_map(|(ca, units)| Step::Assign { ca, units }),
            24 => (among(&issuing), prop_oneof![Just(1), Just(29), Just(90), Just(700)], any::<bool>())
                .prop_map(|(ca, days, platform)| Step::Issue { ca, days, platform }),
            4 => (among(&issuing), 1..5_usize).prop_map(|(ca, count)| Step::IssueAtomically { ca, count }),
            8 => (certificate(), reason).prop_map(|(certificate, reason)| Step::Revoke { certificate, reason }),
            4 => certificate().prop_map(|certificate| Step::Release { certificate }),
            3 => certificate().prop_map(|certificate| Step::RemoveCertificate { certificate }),
            1 => among(&|_, ca| enabled(ca)).prop_map(|ca| Step::Disable { ca }),
            2 => among(&|_, ca| ca.state == State::Disabled).prop_map(|ca| Step::Reenable { ca }),
            2 => (any_ca(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1))
                .prop_map(|(ca, revoke, cascade, stale)| Step::End { ca, revoke, cascade, stale }),
            1 => any_ca().prop_map(|ca| Step::RemoveCa { ca }),
            3 => any_ca().prop_map(|ca| Step::PublishCrl { ca }),
            2 => Just(Step::Sweep),
        ];
        (step, any::<bool>()).boxed()
    }

    fn preconditions(state: &Self, (step, _): &(Step, bool)) -> bool {
        state.can(step)
    }

    fn apply(mut state: Self, (step, _): &(Step, bool)) -> Self {
        state.take_step(step);
        state
    }
}

/// The service, with what the model's numbers stand for.
struct Subject {
    site: Site,
    /// What the first of the services keeps, whenever a stream has moved twice.
    snapshots: Snapshots,
    /// Two services on one log take turns; the first begins anew with each step, from snapshots.
    services: [blocking::Pca; 2],
    cas: Vec<CaId>,
    orders: Vec<OrderId>,
    certificates: Vec<CertificateId>,
    log: Verifier,
    domain: DomainVerifier,
    calls: u64,
}

impl Subject {
    fn new(kind: Kind, extras: bool) -> Self {
        let site = Site::new(kind);
        let mut policy = if extras { Policy::with_published_extras() } else { Policy::default() };
        policy.verify_after_signing = VerifyAfterSigning::Nothing;
        let name = None;
        site.run(pca_core::domain::enterprise::FoundEnterprise { name, rehearsal: false, policy });
        let snapshots = Snapshots::new(MemorySnapshotStore::new()).every(2);
        let services = [site.remembering(snapshots.clone()), site.another()];
        let (log, domain) = (Verifier::default(), DomainVerifier::without_signatures());
        let (cas, orders, certificates) = Default::default();
        Self { site, snapshots, services, cas, orders, certificates, log, domain, calls: 0 }
    }

    fn ca(&self, number: usize) -> CaId {
        self.cas[number % self.cas.len()].clone()
    }

    fn certificate(&self, number: usize) -> CertificateId {
        self.certificates[number % self.certificates.len()]
    }

    fn order(&self, number: usize) -> OrderId {
        self.orders[number % self.orders.len()].clone()
    }

    /// Carries a command out, and asks for the same again: what is done is answered, what was refused is refused again.
    fn run<C: Command>(&mut self, command: C, second: bool) -> Result<C::Answer, Error> {
        let service = &self.services[usize::from(second)];
        self.calls += 1;
        let call = by().idempotent(self.calls.to_string());
        let outcome = service.execute(command.clone(), &call);
        let again = self.services[usize::from(!second)].execute(command, &call);
        match (&outcome, &again) {
            (Ok(done), Ok(again)) => assert!(again.repeated && again.receipt == done.receipt),
            (Err(one), Err(other)) => assert_eq!(one, other),
            _ => panic!("{} came out otherwise when it was repeated", C::NAME),
        }
        outcome.map(|done| done.answer)
    }

    fn issue(&mut self, request: IssueCertificate, second: bool) -> Result<(), Error> {
        self.calls += 1;
        let call = by().idempotent(self.calls.to_string());
        let issued = self.services[usize::from(second)].issue(request.clone(), &call)?.answer;
        assert!(self.services[usize::from(!second)].issue(request, &call).unwrap().repeated);
        self.certificates.push(issued.id);
        Ok(())
    }

    fn end(&mut self, ca: CaId, revoke: bool, cascade: bool, stale: bool, second: bool) -> Result<(), Error> {
        let service = self.services[usize::from(second)].clone();
        let ending = if revoke { Ending::Revoke } else { Ending::Reset };
        let foreseen = self.site.try_foresee(&ca, ending).map(|foreseen| foreseen.digest);
        let confirm = foreseen.ok().filter(|_| !stale).unwrap_or(Digest::of(b"never seen"));
        let (reason, without_last_crl) = (None, false);
        let ended = if revoke {
            service.revoke_ca(RevokeCa { ca, confirm, cascade, reason, without_last_crl }, &by())
        } else {
            service.reset_ca(ResetCa { ca, confirm, cascade, reason, without_last_crl }, &by())
        }?;
        assert!(ended.steps.iter().all(|step| step.outcome.is_ok()), "{:?}", ended.steps);
        Ok(())
    }

    fn take_step(&mut self, step: &Step, second: bool) -> Result<(), Error> {
        let paid = Money::nothing();
        match *step {
            Step::Wait { seconds } => self.site.clock.advance_secs(seconds),
            Step::BuyRoot => {
                let buy = BuyRoot { family: Family::Ecc, term: ServiceTerm::months(TERM), paid };
                let bought = self.run(buy, second)?;
                self.cas.extend([bought.root, bought.intermediate]);
                self.orders.push(bought.order);
            }
            Step::BuyIntermediate { ca } => {
                let buy = BuyIntermediate { root: self.ca(ca), term: ServiceTerm::months(TERM), paid };
                let bought = self.run(buy, second)?;
                self.cas.push(bought.intermediate);
                self.orders.push(bought.order);
            }
            Step::BuyQuota { ca, units } => {
                let bought = self.run(BuyQuota { root: self.ca(ca), count: units, paid }, second)?;
                self.orders.push(bought.order);
            }
            Step::Extend { ca, months } => {
                drop(self.run(ExtendTerm { ca: self.ca(ca), term: ServiceTerm::months(months) }, second)?);
            }
            Step::RequestRefund { order } => drop(self.run(RequestRefund { order: self.order(order) }, second)?),
            Step::ReturnRefund { order } => drop(self.run(ReturnRefund { order: self.order(order) }, second)?),
            Step::DeclineRefund { order } => {
                drop(self.run(DeclineRefund { order: self.order(order), reason: "no".into() }, second)?);
            }
            Step::Enable { ca } => {
                let ca = self.ca(ca);
                let years = Some(Lifetime::Years(YEARS));
                drop(self.run(EnableByCreating { lifetime: years, ..enable(&ca, ca.as_str()) }, second)?);
            }
            Step::Configure { ca } => {
                let crl_url = Some(format!("http://pki.example/{}.crl", self.calls));
                let addresses = Addresses { crl_url, ..Addresses::default() };
                drop(self.run(ConfigureCa::addresses(self.ca(ca), addresses), second)?);
            }
            Step::Assign { ca, units } => drop(self.run(AssignQuota { ca: self.ca(ca), units }, second)?),
            Step::Issue { ca, days, platform } => {
                let request = IssueCertificate { days: Some(days), ..server(&self.ca(ca), "www.example") };
                let key = if platform { KeySource::Platform(None) } else { csr() };
                self.issue(IssueCertificate { key, ..request }, second)?;
            }
            Step::IssueAtomically { ca, count } => {
                let request = IssueCertificate { days: Some(1), ..server(&self.ca(ca), "www.example") };
                let issued = self.run(IssueAtomically { requests: vec![request; count] }, second)?;
                self.certificates.extend(issued.into_iter().map(|issued| issued.id));
            }
            Step::Revoke { certificate, reason } => {
                let reason = match reason {
                    Reason::Hold => RevocationReason::CertificateHold,
                    Reason::Superseded => RevocationReason::Superseded,
                    Reason::KeyCompromise => RevocationReason::KeyCompromise,
                };
                let id = self.certificate(certificate);
                drop(self.run(RevokeCertificate { id, reason, invalidity_date: None }, second)?);
            }
            Step::Release { certificate } => {
                self.run(ReleaseHold { id: self.certificate(certificate) }, second)?;
            }
            Step::RemoveCertificate { certificate } => {
                drop(self.run(RemoveCertificate { id: self.certificate(certificate) }, second)?);
            }
            Step::Disable { ca } => drop(self.run(DisableCa { ca: self.ca(ca) }, second)?),
            Step::Reenable { ca } => drop(self.run(ReenableCa { ca: self.ca(ca) }, second)?),
            Step::End { ca, revoke, cascade, stale } => self.end(self.ca(ca), revoke, cascade, stale, second)?,
            Step::RemoveCa { ca } => {
                drop(self.run(RemoveCa { ca: self.ca(ca) }, second)?);
                let steps = self.services[usize::from(second)].resume(&by()).unwrap();
                assert!(steps.iter().all(|step| step.outcome.is_ok()), "{steps:?}");
            }
            Step::PublishCrl { ca } => {
                let service = self.services[usize::from(second)].unblocked().clone();
                drop(pollster::block_on(service.publish_crl(&self.ca(ca), &by()))?);
            }
            Step::Sweep => {
                self.services[usize::from(second)].sweep_keys(Timestamp::from_secs(1 << 40), &by()).unwrap();
            }
        }
        Ok(())
    }

    /// Follows the log, and holds every CA, certificate and unit against the model.
    fn compare(&mut self, model: &Model) {
        let position = self.log.head().position;
        for recorded in pollster::block_on(self.site.store.follow(position, usize::MAX)).unwrap() {
            assert_eq!(self.log.follow(&recorded), []);
            assert_eq!(self.domain.follow(&recorded), []);
            assert_eq!(self.domain.finish(), Ok(()));
        }
        let fresh = self.site.remembering(self.snapshots.clone());
        let question = |desk: &pca_core::domain::Desk<'_>, now: Timestamp| {
            let mut cas = Vec::new();
            for id in &self.cas {
                cas.push((
                    desk.ca(id)?.state(),
                    desk.quota(id)?.available(now),
                    desk.ca(id)?.bought().unwrap().term_ends,
                ));
            }
            let mut statuses = Vec::new();
            for id in &self.certificates {
                let certificate = desk.certificate(id)?;
                let issuer = desk.ca(&certificate.issued().unwrap().ca)?;
                statuses.push(effective_status(certificate, issuer, now));
            }
            Ok((cas, statuses))
        };
        let (cas, statuses) = pollster::block_on(fresh.unblocked().question(question)).unwrap();
        assert_eq!((cas.len(), statuses.len()), (model.cas.len(), model.certificates.len()));
        for (index, (state, available, term_ends)) in cas.into_iter().enumerate() {
            let ca = &model.cas[index];
            let expected = match ca.state {
                State::NotEnabled => CaState::NotEnabled,
                State::Enabled => CaState::Enabled,
                State::Disabled => CaState::Disabled,
                State::RefundRequested => CaState::RefundRequested,
                State::Refunded => CaState::Refunded,
                State::Revoked => CaState::Revoked,
                State::Removed => CaState::Removed,
            };
            assert_eq!((state, available, term_ends), (expected, model.available(index), ca.term_ends), "ca {index}");
            assert_eq!(self.domain.ledger().available(&self.cas[index], model.now), available);
        }
        for (index, status) in statuses.into_iter().enumerate() {
            let expected = model.status(&model.certificates[index]);
            let same = matches!(
                (status, expected),
                (Actual::Valid, Status::Valid)
                    | (Actual::OnHold { .. }, Status::OnHold)
                    | (Actual::Revoked { .. }, Status::Revoked)
                    | (Actual::Expired { .. }, Status::Expired)
            );
            assert!(same, "certificate {index} is {status}, but should be {expected:?}");
        }
    }
}

/// Time may pass for long without anything happening.
fn by() -> Call {
    service_support::by().confirming_clock()
}

fn csr() -> KeySource {
    let key = new_key(Algorithm::EcdsaP256);
    let name = SubjectFields::common("asked for").to_name(CommonName::Required).unwrap();
    let tbs = csr_tbs(&name, key.public_key(), &[]);
    let (signature, algorithm) = sign(&key, &tbs);
    KeySource::Csr(VerifiedCsr::verify(&assemble(&tbs, algorithm, &signature)).unwrap())
}

fn step(mut subject: Subject, model: &Model, (step, second): (Step, bool)) -> Subject {
    subject.services[0] = subject.site.remembering(subject.snapshots.clone());
    let before = pollster::block_on(subject.site.store.head()).unwrap().position;
    match subject.take_step(&step, second) {
        Ok(()) => assert!(model.broken.is_empty(), "{step:?} should be refused by {:?}", model.broken),
        Err(error) => {
            let refusal = error.refusal().unwrap_or_else(|| panic!("{step:?}: {error}"));
            assert!(!model.broken.is_empty(), "{step:?} should be allowed: {refusal}");
            let missing: Vec<_> = model.broken.iter().filter(|rule| !rule.is_empty() && !refusal.names(rule)).collect();
            assert!(missing.is_empty(), "{step:?} should name {missing:?}, too: {refusal}");
            let after = pollster::block_on(subject.site.store.head()).unwrap().position;
            assert_eq!(before, after, "a refusal changes nothing");
        }
    }
    if matches!(step, Step::Sweep) {
        assert_eq!(subject.site.key_count(), model.keys());
    }
    subject.compare(model);
    subject
}

struct InMemory;
struct InFiles;

impl StateMachineTest for InMemory {
    type SystemUnderTest = Subject;
    type Reference = Model;

    fn init_test(model: &Model) -> Subject {
        assert_eq!(model.now, BEGIN);
        Subject::new(Kind::FakeMemory, model.extras)
    }

    fn apply(subject: Subject, model: &Model, transition: (Step, bool)) -> Subject {
        step(subject, model, transition)
    }

    fn teardown(mut subject: Subject, model: Model) {
        assert_eq!(subject.site.pca.resume(&by()).unwrap(), []);
        subject.site.check();
        // A service that begins anew sees the same.
        subject.site = subject.site.reopen();
        (subject.log, subject.domain) = (Verifier::default(), DomainVerifier::without_signatures());
        assert_eq!(subject.log.head().position, Position::ZERO);
        subject.compare(&model);
    }
}

impl StateMachineTest for InFiles {
    type SystemUnderTest = Subject;
    type Reference = Model;

    fn init_test(model: &Model) -> Subject {
        Subject::new(Kind::FakeFiles, model.extras)
    }

    fn apply(subject: Subject, model: &Model, transition: (Step, bool)) -> Subject {
        step(subject, model, transition)
    }
}

fn cases(by_default: u64) -> ProptestConfig {
    let cases = u32::try_from(rounds(by_default)).unwrap();
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        max_local_rejects: cases.saturating_mul(1_000),
        ..ProptestConfig::default()
    }
}

prop_state_machine! {
    #![proptest_config(cases(100))]

    #[test]
    fn in_memory(sequential 20..120 => InMemory);
}

prop_state_machine! {
    #![proptest_config(cases(10))]

    #[test]
    fn in_files(sequential 20..80 => InFiles);
}

/// The model itself is of use only if histories get somewhere.
#[test]
fn histories_get_somewhere() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut issued, mut ended, mut refunded, mut refused, mut done) = (0, 0, 0, 0, 0);
    for _ in 0..50 {
        let histories = Model::sequential_strategy(100..120);
        let (mut model, steps, _) = histories.new_tree(&mut runner).unwrap().current();
        for transition in steps {
            model = <Model as ReferenceStateMachine>::apply(model, &transition);
            if model.broken.is_empty() { done += 1 } else { refused += 1 }
        }
        issued += model.certificates.len();
        ended += model.cas.iter().map(|ca| ca.ended.len()).sum::<usize>();
        refunded += model.orders.iter().filter(|order| order.state == model::OrderState::Refunded).count();
    }
    eprintln!("{done} done, {refused} refused, {issued} issued, {ended} ended, {refunded} refunded");
    assert!(issued > 300 && ended > 20 && refunded > 5 && refused > done / 4 && done > refused / 4);
}
