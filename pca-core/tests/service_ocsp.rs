//! OCSP through the service: who answers, as of when, and what is left behind (rules A2, A3, C7, I1, K3).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod service_support;

use pca_core::domain::ca::{ConfigureCa, DisableCa};
use pca_core::domain::certificate::{IssueCertificate, ReleaseHold, RevokeCertificate};
use pca_core::domain::event::{Addresses, Event};
use pca_core::domain::ocsp::CertifyResponder;
use pca_core::domain::order::RootBought;
use pca_core::keys::{KeyId, KeyRequest, KeyUse};
use pca_core::log::{CommitId, Digest, Timestamp};
use pca_core::ports::Clock as _;
use pca_core::service::{Error, OcspAnswer, Swept};
use pca_core::x509::{
    CertificateId, OcspCertId, OcspCertStatus, OcspHash, OcspRequest, OcspStatus, ParsedCertificate,
    ParsedOcspResponse, RevocationReason, SerialNumber,
};
use pca_core::{CaId, Command as _};
use service_support::{Kind, Site, by, reasons};

const DAY: i64 = 86_400;

struct Desk {
    site: Site,
    bought: RootBought,
    /// The certificates of root and intermediate.
    cas: [ParsedCertificate; 2],
}

impl Desk {
    fn new(kind: Kind) -> Self {
        let site = Site::new(kind);
        let bought = site.issuing(10);
        let certificate = |ca: &CaId| {
            let found = site.pca.question(|desk, _| Ok(desk.ca(ca)?.generation().unwrap().certificate.clone()));
            ParsedCertificate::from_der(found.unwrap().as_bytes()).unwrap()
        };
        let cas = [certificate(&bought.root), certificate(&bought.intermediate)];
        Self { site, bought, cas }
    }

    fn ca(&self) -> &CaId {
        &self.bought.intermediate
    }

    fn issue(&self) -> CertificateId {
        self.site.pca.issue(IssueCertificate::server(self.ca().clone(), ["a.example"]), &by()).unwrap().answer.id
    }

    fn asked(&self, id: &CertificateId) -> OcspCertId {
        let issuer = &self.cas[1];
        OcspCertId::new(OcspHash::Sha1, issuer.subject(), issuer.public_key().unwrap(), id.serial())
    }

    fn request(&self, ids: &[CertificateId], nonce: Option<&[u8]>) -> Vec<u8> {
        let asked = ids.iter().map(|id| self.asked(id)).collect();
        OcspRequest::new(asked, nonce.map(<[u8]>::to_vec)).to_der()
    }

    fn answer(&self, ids: &[CertificateId], nonce: Option<&[u8]>) -> OcspAnswer {
        self.site.pca.answer_ocsp(self.ca(), &self.request(ids, nonce), &by()).unwrap()
    }

    /// What is told of one certificate, read out of a response whose signatures are good.
    #[track_caller]
    fn status(&self, id: &CertificateId) -> OcspCertStatus {
        let answer = self.answer(&[*id], None);
        self.read(&answer).singles()[0].status
    }

    #[track_caller]
    fn read(&self, answer: &OcspAnswer) -> ParsedOcspResponse {
        assert_eq!(answer.response, OcspStatus::Successful, "{:?}", answer.why);
        let read = ParsedOcspResponse::from_der(&answer.der).unwrap();
        let responder = read.responder().unwrap();
        read.verify_signature(responder.public_key().unwrap()).unwrap();
        responder.verify_signature(self.cas[1].public_key().unwrap()).unwrap();
        let facts = answer.facts.as_ref().unwrap();
        assert_eq!(read.singles(), facts.singles.iter().collect::<Vec<_>>());
        assert_eq!((read.this_update(), read.next_update()), (Some(facts.this_update), Some(facts.next_update)));
        assert_eq!(responder.id().unwrap(), facts.responder);
        assert!(facts.next_update <= responder.not_after(), "never beyond the responder");
        read
    }

    fn certified(&self) -> Vec<(CertificateId, KeyId)> {
        let events = self.site.events().into_iter();
        let certified = events.filter_map(|event| match event {
            Event::ResponderCertified(certified) => Some((certified.id, certified.key)),
            _ => None,
        });
        certified.collect()
    }
}

fn revoke(id: CertificateId, reason: RevocationReason) -> RevokeCertificate {
    RevokeCertificate { id, reason, invalidity_date: None }
}

#[test]
fn a2_a_revocation_is_in_the_next_answer_and_so_is_a_release() {
    for kind in Kind::REAL {
        let desk = Desk::new(kind);
        let id = desk.issue();
        assert_eq!(desk.status(&id), OcspCertStatus::Good);
        assert_eq!(desk.status(&id), OcspCertStatus::Good, "handed out again");
        desk.site.run(revoke(id, RevocationReason::CertificateHold));
        let on_hold =
            |status| matches!(status, OcspCertStatus::Revoked { reason: RevocationReason::CertificateHold, .. });
        assert!(on_hold(desk.status(&id)), "{kind:?}");
        desk.site.run(ReleaseHold { id });
        assert_eq!(desk.status(&id), OcspCertStatus::Good);
        let other = desk.issue();
        desk.site.run(revoke(id, RevocationReason::Superseded));
        let ended = desk.answer(&[id, other], None);
        let read = desk.read(&ended);
        let at = match read.singles()[0].status {
            OcspCertStatus::Revoked { at, reason: RevocationReason::Superseded } => at,
            told => panic!("{told:?}"),
        };
        assert_eq!(at, desk.site.log().last().unwrap().seal().time.floor_to_second());
        assert_eq!(read.singles()[1].status, OcspCertStatus::Good);
        let nobody = CertificateId::new(id.issuer(), SerialNumber::from_random([9; 10]));
        assert_eq!(desk.status(&nobody), OcspCertStatus::Unknown);
        assert_eq!(desk.certified().len(), 1, "one responder has answered all of it");
        desk.site.check();
    }
}

#[test]
fn a3_an_answer_repeats_the_nonce_and_without_one_it_is_made_once() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    let with = desk.answer(&[id], Some(&[7; 32]));
    assert_eq!(desk.read(&with).nonce(), Some(&[7; 32][..]));
    assert!(with.facts.unwrap().nonce);
    let first = desk.answer(&[id], None);
    desk.site.clock.advance_secs(3600);
    let (before, again) = (desk.site.position(), desk.answer(&[id], None));
    assert_eq!(again, first, "the very same octets, an hour later");
    assert_eq!(desk.site.position(), before, "no answer is written down");
    desk.site.clock.advance_secs(11 * 3600);
    let later = desk.answer(&[id], None);
    assert_ne!(later.der, first.der, "half of its time has passed");
    // What it was made of has moved: the CA's stream, though nothing in the answer changes.
    let address = Addresses { ocsp_url: Some("http://ocsp.example/".into()), ..Addresses::default() };
    desk.site.run(ConfigureCa::addresses(desk.ca().clone(), address));
    desk.site.clock.advance_secs(60);
    let after = desk.answer(&[id], None);
    assert_eq!(after.facts.unwrap().this_update, later.facts.unwrap().this_update.plus_secs(60));
}

#[test]
fn a3_what_is_no_request_or_nobodys_is_answered_all_the_same() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    for no_request in [&b""[..], b"GET / HTTP/1.1", &[0x30, 0x80], &desk.request(&[], None)] {
        let answer = desk.site.pca.answer_ocsp(desk.ca(), no_request, &by()).unwrap();
        assert_eq!(answer.response, OcspStatus::MalformedRequest);
        assert_eq!(answer.der, [0x30, 3, 10, 1, 1]);
        assert!(answer.why.is_some() && answer.facts.is_none());
    }
    let asked = desk.request(&[id], None);
    let of_root = desk.site.pca.answer_ocsp(&desk.bought.root, &asked, &by()).unwrap();
    assert_eq!((of_root.response, of_root.der), (OcspStatus::Unauthorized, vec![0x30, 3, 10, 1, 6]));
    let found = desk.site.pca.answer_ocsp_of_any(&asked, &by()).unwrap();
    assert_eq!(desk.read(&found).singles()[0].status, OcspCertStatus::Good);
    let root = &desk.cas[0];
    let own = desk.cas[1].serial().unwrap();
    let about_ca = OcspCertId::new(OcspHash::Sha256, root.subject(), root.public_key().unwrap(), own);
    let two = OcspRequest::new(vec![desk.asked(&id), about_ca.clone()], None).to_der();
    let several = desk.site.pca.answer_ocsp_of_any(&two, &by()).unwrap();
    assert_eq!(several.response, OcspStatus::Unauthorized);
    let about_ca = OcspRequest::new(vec![about_ca], None).to_der();
    let by_root = desk.site.pca.answer_ocsp_of_any(&about_ca, &by()).unwrap();
    assert_eq!(by_root.facts.unwrap().singles[0].status, OcspCertStatus::Good, "a root answers for its intermediates");
    let stranger = desk.site.pca.answer_ocsp(&CaId::derive(&CommitId::new([1; 16]), 0), &asked, &by());
    assert_eq!(reasons(&stranger.unwrap_err()), ["C1 unknown-ca"]);
}

#[test]
fn i1_a_responder_is_renewed_at_half_of_its_life_and_k3_the_key_before_it_is_destroyed() {
    for kind in Kind::REAL {
        let desk = Desk::new(kind);
        let id = desk.issue();
        desk.status(&id);
        let keys = desk.site.key_count();
        desk.site.clock.advance_secs(14 * DAY);
        desk.status(&id);
        assert_eq!(desk.certified().len(), 1);
        desk.site.clock.advance_secs(DAY);
        desk.status(&id);
        assert_eq!((desk.certified().len(), desk.site.key_count()), (2, keys), "{kind:?}");
        let destroyed: Vec<KeyId> = desk
            .site
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::KeyDestroyed(gone) => Some(gone.key),
                _ => None,
            })
            .collect();
        assert_eq!(destroyed, [desk.certified()[0].1.clone()]);
        // Disabled, and out of its term: it goes on (rules C10, O5).
        desk.site.run(DisableCa { ca: desk.ca().clone() });
        desk.site.clock.advance_secs(390 * DAY);
        assert_eq!(desk.status(&id), OcspCertStatus::Good, "expired by now, and never revoked");
        assert_eq!((desk.certified().len(), desk.site.key_count()), (3, keys));
        desk.site.check();
        let Desk { site, bought, cas } = desk;
        let desk = Desk { site: site.reopen(), bought, cas };
        desk.status(&id);
        assert_eq!(desk.certified().len(), 3, "found again by another process");
        let still_good = desk
            .site
            .refused(CertifyResponder { ca: desk.ca().clone(), issuer: desk.cas[1].public_key().unwrap().digest() });
        assert_eq!(still_good, [format!("I1 {}", CertifyResponder::STILL_GOOD)]);
    }
}

#[test]
fn k3_a_sweep_finds_what_a_crash_left_of_a_responder() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    desk.status(&id);
    let issuer = desk.cas[1].public_key().unwrap().digest();
    let first = desk.certified()[0].1.clone();
    desk.site.clock.advance_secs(15 * DAY);
    // The next one is certified, and then nothing is done about the key of the first.
    let done = desk.site.run(CertifyResponder { ca: desk.ca().clone(), issuer });
    assert_eq!(done.replaces, Some(first.clone()));
    let sweep = |before: Timestamp| {
        let foreseen = desk.site.pca.preview_sweep(before, &by()).unwrap();
        let swept = desk.site.pca.sweep_keys(before, &by()).unwrap();
        assert_eq!(swept, foreseen);
        swept.into_iter().map(|swept| (swept.key, swept.why)).collect::<Vec<_>>()
    };
    assert_eq!(sweep(Timestamp::EPOCH), [(first.clone(), Swept::Due)]);
    assert_eq!(sweep(Timestamp::EPOCH), []);
    // Destroyed, and not confirmed.
    desk.site.clock.advance_secs(16 * DAY);
    let second = desk.certified()[1].1.clone();
    desk.site.run(CertifyResponder { ca: desk.ca().clone(), issuer });
    pollster::block_on(desk.site.keys.destroy(&second)).unwrap();
    assert_eq!(sweep(Timestamp::EPOCH), [(second, Swept::Due)]);
    // The last one ends with its certificate; an orphan that a crash left before the commit is one like any other.
    let third = desk.certified()[2].1.clone();
    assert_eq!(desk.status(&id), OcspCertStatus::Good);
    desk.site.clock.advance_secs(31 * DAY);
    assert_eq!(sweep(Timestamp::EPOCH), [(third, Swept::Due)]);
    let orphan = KeyId::derive(&CommitId::new([3; 16]), 0);
    let request = KeyRequest {
        id: orphan.clone(),
        algorithm: pca_core::keys::Algorithm::EcdsaP256,
        key_use: KeyUse::CertificateAuthority,
    };
    pollster::block_on(desk.site.keys.generate(&[request])).remove(0).unwrap();
    assert_eq!(sweep(desk.site.clock.now().plus_secs(400 * DAY)), [(orphan, Swept::Orphan)]);
    assert_eq!(desk.status(&id), OcspCertStatus::Good, "and the next one is certified");
    desk.site.check();
}

#[test]
fn c7_after_a_reset_the_last_state_is_answered_until_the_responder_ends() {
    for kind in Kind::REAL {
        let desk = Desk::new(kind);
        let id = desk.issue();
        desk.status(&id);
        let reset = desk.site.reset(desk.ca(), false);
        desk.site.pca.reset_ca(reset, &by()).unwrap();
        let ended =
            |status| matches!(status, OcspCertStatus::Revoked { reason: RevocationReason::CessationOfOperation, .. });
        assert!(ended(desk.status(&id)), "{kind:?}");
        desk.site.clock.advance_secs(29 * DAY);
        assert!(ended(desk.status(&id)), "for as long as the responder lives");
        desk.site.clock.advance_secs(DAY);
        assert_eq!(desk.answer(&[id], None).response, OcspStatus::Unauthorized);
        let keys = desk.site.key_count();
        desk.site.pca.sweep_keys(Timestamp::EPOCH, &by()).unwrap();
        assert_eq!(desk.site.key_count(), keys - 1, "its key ended with its certificate (rule K3)");
        desk.site.check();
    }
}

#[test]
fn c7_a_ca_that_nobody_asked_before_its_end_has_no_responder() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    let reset = desk.site.reset(desk.ca(), false);
    desk.site.pca.reset_ca(reset, &by()).unwrap();
    let answer = desk.answer(&[id], None);
    assert_eq!(answer.response, OcspStatus::Unauthorized);
    assert!(answer.why.unwrap().contains("no key and no OCSP responder any more"));
}

#[test]
fn a3_answers_can_be_signed_beforehand() {
    let desk = Desk::new(Kind::Memory);
    let ids: Vec<CertificateId> = (0..5).map(|_| desk.issue()).collect();
    desk.site.run(revoke(ids[2], RevocationReason::KeyCompromise));
    let mut serials: Vec<SerialNumber> = ids.iter().map(CertificateId::serial).collect();
    serials.push(SerialNumber::from_random([9; 10]));
    for hash in [OcspHash::Sha1, OcspHash::Sha256] {
        let signed = desk.site.pca.presign_ocsp(desk.ca(), &serials, hash, &by()).unwrap();
        assert_eq!(signed.len(), 6);
        assert!(signed[5].is_none(), "nobody issued it: nothing to be signed beforehand");
        for (number, answer) in signed.iter().take(5).enumerate() {
            let answer = answer.as_ref().unwrap();
            let read = desk.read(answer);
            let single = read.singles()[0];
            assert_eq!((single.cert_id.hash(), single.cert_id.serial()), (Some(hash), Some(serials[number])));
            assert_eq!((single.status == OcspCertStatus::Good, number == 2), (number != 2, number == 2));
            assert_eq!((read.nonce(), read.singles().len()), (None, 1));
        }
    }
    assert_eq!(desk.certified().len(), 1);
    // Near the end of the responder, whose next one has not come about, nothing outlives it.
    desk.site.clock.advance_secs(30 * DAY - 3600);
    let late = desk.site.pca.presign_ocsp(desk.ca(), &serials[..1], OcspHash::Sha1, &by()).unwrap();
    desk.read(late[0].as_ref().unwrap());
    assert_eq!(desk.certified().len(), 2, "it is renewed here, too");
}

#[test]
fn g1_an_authorizer_is_asked_and_a_refusal_is_journalled() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    let anonymous = pca_core::service::Call::by("");
    let refused = desk.site.pca.answer_ocsp(desk.ca(), &desk.request(&[id], None), &anonymous).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)));
    assert_eq!(CertifyResponder::NAME, "CertifyResponder");
    let _ = Digest::ZERO;
}

#[test]
fn q5_many_who_ask_at_once_get_one_responder() {
    let desk = Desk::new(Kind::Memory);
    let id = desk.issue();
    let request = desk.request(&[id], Some(&[1; 16]));
    let others: Vec<_> = (0..4).map(|_| desk.site.another()).collect();
    std::thread::scope(|scope| {
        for pca in &others {
            scope.spawn(|| {
                let answer = pca.answer_ocsp(desk.ca(), &request, &by()).unwrap();
                desk.read(&answer);
            });
        }
    });
    assert_eq!(desk.certified().len(), 1);
    let orphans = desk.site.pca.sweep_keys(desk.site.clock.now().plus_secs(400 * DAY), &by()).unwrap();
    assert!(orphans.iter().all(|swept| swept.why == Swept::Orphan) && orphans.len() < 4, "{orphans:?}");
    desk.site.check();
}
