//! Golden files: every kind of event as it lies in the log, for ever (rule L5). A payload that was once written is read
//! by every later version, and what is written today is written the same tomorrow.
//!
//! A kind without a file fails the test. `PCA_GOLDEN=write` writes the files of kinds that have none, and
//! `PCA_GOLDEN=rewrite` all of them, which is for the time before anybody has kept a log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use pca_core::domain::event::*;
use pca_core::domain::policy::Policy;
use pca_core::domain::{CaId, LotId, OrderId};
use pca_core::keys::{Algorithm, Family, KeyId};
use pca_core::log::{CommitId, Digest, EncodedEvent, EventData as _, Position, Timestamp};
use pca_core::x509::{CertificateId, Profile, ProfileDefinition, RevocationReason, SerialNumber};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn commit() -> CommitId {
    CommitId::from_idempotency_key("golden")
}

fn ca(ordinal: u32) -> CaId {
    CaId::derive(&commit(), ordinal)
}

fn order() -> OrderId {
    OrderId::derive(&commit(), 0)
}

fn lot(ordinal: u32) -> LotId {
    LotId::derive(&commit(), ordinal)
}

fn key() -> KeyId {
    KeyId::derive(&commit(), 0)
}

fn later(days: i64) -> Timestamp {
    NOW.plus_secs(days * 86_400)
}

fn certificate() -> CertificateId {
    let fields = pca_core::x509::SubjectFields::common("Golden");
    let issuer = fields.to_name(pca_core::x509::CommonName::Required).unwrap();
    CertificateId::new(issuer.issuer_hash(), SerialNumber::from_random([7; 10]))
}

fn money() -> Money {
    Money { minor_units: 19_900, currency: "EUR".into() }
}

fn units() -> Vec<LotUnits> {
    vec![LotUnits { lot: lot(0), units: 3 }, LotUnits { lot: lot(1), units: 70_000 }]
}

fn scope() -> OrderScope {
    OrderScope { cas: vec![ca(0), ca(1)], pool: Some(ca(0)) }
}

fn end() -> GenerationEnd {
    GenerationEnd {
        ca: ca(1),
        generation: 2,
        subject_hash: certificate().issuer(),
        reason: RevocationReason::CessationOfOperation,
        cutoff: 1_000_003,
        count: 1_000_000,
        key: key(),
        last_crl: true,
        certificate: certificate(),
        fingerprint: Digest::of(b"certificate"),
        root: false,
        uploaded: true,
        older: Vec::new(),
        external: false,
    }
}

/// The end of a CA that was renewed twice: with the same key, then with a new one.
fn several() -> GenerationEnd {
    let older = |generation, uploaded| OlderEnd {
        generation,
        count: 3,
        key: key(),
        certificate: certificate(),
        fingerprint: Digest::of(b"older"),
        uploaded,
    };
    let key = KeyId::derive(&commit(), 1);
    GenerationEnd { generation: 3, key, older: vec![older(1, true), older(2, false)], ..end() }
}
/// A profile of one's own in which every field says something.
const FULL_PROFILE: &str = r#"{
    "name": "full", "description": "Ωmega",
    "subject": {"common_name": "one-of-names", "organization": "required", "organizational_unit": "forbidden",
                "country": "required", "state": "optional", "locality": "forbidden"},
    "names": {"dns": {"least": 1, "most": 4}, "ip": {}, "email": {"most": 2}, "uri": {"least": 1, "most": 1},
              "wildcards": true, "uri_form": "spiffe"},
    "key_usage": {"rsa": ["digitalSignature", "keyEncipherment"], "ec": ["digitalSignature", "keyAgreement"]},
    "extended_key_usage": {"purposes": ["serverAuth", "1.3.6.1.4.1.55738.666.1"], "critical": true},
    "validity": {"default_days": 3, "longest_days": 7},
    "csr": {"subject": true, "names": true},
    "revocation": "not-available",
    "policies": ["1.3.6.1.4.1.55738.666.2"]
}"#;

/// One event of every kind, with every field that can be absent present in one of them, and every shape of an enum.
fn examples() -> Vec<(&'static str, Event)> {
    let (id, subject_hash) = (certificate(), certificate().issuer());
    let addresses = Addresses {
        crl_url: Some("http://pki.example/oa.crl".into()),
        ocsp_url: Some("http://ocsp.example/".into()),
        issuer_url: None,
    };
    let der = Der::from(&b"\x30\x03\x02\x01\x05"[..]);
    let enabled = CaEnabled {
        ca: ca(0),
        generation: 1,
        mode: EnableMode::Created,
        certificate: der.clone(),
        id,
        subject_hash,
        name_hash: "0123456789".parse().unwrap(),
        key: key(),
        spki: Digest::of(b"spki"),
        algorithm: Some(Algorithm::EcdsaP256),
        not_before: NOW,
        not_after: later(3650),
        addresses: addresses.clone(),
        carried_crl: None,
    };
    let carried = CarriedEntry {
        serial: SerialNumber::from_random([9; 10]),
        revoked_at: NOW,
        reason: RevocationReason::KeyCompromise,
        invalidity_date: Some(NOW),
    };
    let plainly = CarriedEntry { reason: RevocationReason::Unspecified, invalidity_date: None, ..carried.clone() };
    let uploaded = CaEnabled {
        mode: EnableMode::Uploaded {
            accepted: vec!["no-key-usage".into()],
            warned: vec!["weak-self-signature".into()],
        },
        algorithm: None,
        addresses: Addresses::default(),
        carried_crl: Some(CarriedCrl { number: Some(41), entries: vec![carried, plainly] }),
        ..enabled.clone()
    };
    let warned = || (vec!["key-usage-absent".to_owned()], vec!["weak-self-signature".to_owned()]);
    let ((accepted, codes), (also, others)) = (warned(), warned());
    let answered =
        CaEnabled { mode: EnableMode::Requested { accepted, warned: codes }, carried_crl: None, ..enabled.clone() };
    let external = CaEnabled {
        mode: EnableMode::External { accepted: also, warned: others },
        carried_crl: None,
        ..enabled.clone()
    };
    let link = |kind| LinkCertificate { kind, certificate: der.clone(), id, not_before: NOW, not_after: later(3650) };
    let renewed = CaRenewed {
        ca: ca(0),
        generation: 2,
        certificate: der.clone(),
        id,
        subject_hash,
        key: key(),
        new_key: true,
        spki: Digest::of(b"spki"),
        algorithm: Some(Algorithm::EcdsaP256),
        not_before: NOW,
        not_after: later(3650),
        links: vec![link(LinkKind::OldWithNew), link(LinkKind::NewWithOld)],
    };
    let same_key = CaRenewed { new_key: false, algorithm: None, links: Vec::new(), ..renewed.clone() };
    let requested = CaRequested {
        ca: ca(1),
        request: der.clone(),
        subject_hash,
        name_hash: "0123456789".parse().unwrap(),
        key: key(),
        spki: Digest::of(b"spki"),
        algorithm: Algorithm::EcdsaP384,
        addresses: addresses.clone(),
    };
    let cross_signed = CaCrossSigned {
        ca: ca(0),
        generation: 1,
        by: ca(2),
        by_generation: 2,
        certificate: der.clone(),
        id,
        spki: Digest::of(b"spki"),
        not_before: NOW,
        not_after: later(365),
    };
    let issued = CertificateIssued {
        id,
        ca: ca(1),
        generation: 1,
        profile: Profile::Server.into(),
        certificate: der.clone(),
        key: Some(key()),
        spki: Digest::of(b"spki"),
        claims_key: true,
        lot: lot(0),
        balance: Balance { assigned: 10, consumed: 1, remaining: 9 },
        not_before: NOW,
        not_after: later(90),
        holder: Holder {
            name: Some("Zoë".into()),
            contact: Some("zoe@example.com".into()),
            labels: vec![("department".into(), "HR".into()), ("site".into(), "Ωmega".into())],
        },
        partition: Some(3),
        renews: Some(id),
    };
    let anonymous = CertificateIssued {
        profile: Profile::DataEncryption.into(),
        key: None,
        claims_key: false,
        holder: Holder::default(),
        partition: None,
        renews: None,
        ..issued.clone()
    };
    let of_own_profile = CertificateIssued { profile: "vpn-gateway".parse().unwrap(), ..anonymous.clone() };
    let profile = ProfileDefinition { name: "vpn-gateway".parse().unwrap(), ..Profile::Client.definition().clone() };
    let full = ProfileDefinition::from_json(FULL_PROFILE).unwrap();
    let published = CrlPublished {
        ca: ca(1),
        generation: 1,
        subject_hash,
        number: 1_767_225_600,
        this_update: NOW,
        next_update: later(7),
        entries: 2,
        expired_before: None,
        covers: Position::new(77),
        digest: Digest::of(b"crl"),
        last: None,
        delta: None,
        partition: None,
        freshest: Some("http://pki.example/oa.delta.crl".into()),
    };
    let delta = CrlPublished {
        delta: Some(DeltaBase { number: 1_767_225_599, covers: Position::new(70) }),
        partition: Some(CrlPartition {
            index: 3,
            addresses: vec!["http://pki.example/oa.3.crl".into(), "http://old.example/oa.3.crl".into()],
        }),
        freshest: None,
        ..published.clone()
    };
    let last = CrlPublished { expired_before: Some(NOW), last: Some(der), freshest: None, ..published.clone() };
    let root = RootOrdered {
        order: order(),
        root: ca(0),
        intermediate: ca(1),
        family: Family::Ecc,
        free: Some(Lot { id: lot(0), free: true, units: 10, expires: Some(later(30)) }),
        paid: money(),
        term_ends: later(365),
    };
    let rsa = RootOrdered { family: Family::Rsa, free: None, paid: Money::nothing(), ..root.clone() };
    let revoked = CertificateRevoked {
        id,
        ca: ca(1),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: Some(NOW),
        not_after: later(90),
        compromised_spki: Some(Digest::of(b"spki")),
        partition: Some(3),
    };
    let held = CertificateRevoked {
        reason: RevocationReason::CertificateHold,
        invalidity_date: None,
        compromised_spki: None,
        partition: None,
        ..revoked.clone()
    };
    let responder = ResponderCertified {
        ca: ca(1),
        generation: 2,
        issuer: Digest::of(b"issuer"),
        certificate: Der::from(&b"\x30\x03\x02\x01\x05"[..]),
        id,
        key: key(),
        spki: Digest::of(b"spki"),
        not_before: NOW,
        not_after: later(30),
        replaces: Some(KeyId::derive(&commit(), 1)),
    };
    let quota = Lot { id: lot(1), free: false, units: 70_000, expires: None };
    vec![
        ("", EnterpriseFounded { name: Some("Пример".into()), rehearsal: true }.into()),
        ("nameless", EnterpriseFounded { name: None, rehearsal: false }.into()),
        ("", PolicyAdopted { policy: Policy::default() }.into()),
        ("extras", PolicyAdopted { policy: Policy::with_published_extras() }.into()),
        ("", ProfileAdopted { profile }.into()),
        ("full", ProfileAdopted { profile: full }.into()),
        ("", root.into()),
        ("rsa", rsa.into()),
        (
            "",
            IntermediateOrdered {
                order: order(),
                root: ca(0),
                intermediate: ca(2),
                family: Family::Ecc,
                paid: money(),
                term_ends: later(365),
            }
            .into(),
        ),
        ("", QuotaOrdered { order: order(), root: ca(0), lot: quota.clone(), paid: money() }.into()),
        (
            "",
            TermExtended { terms: vec![Term { ca: ca(0), ends: later(730) }, Term { ca: ca(1), ends: later(731) }] }
                .into(),
        ),
        ("", RefundRequested { order: order(), scope: scope(), lot: Some(lot(1)) }.into()),
        (
            "cas",
            RefundRequested { order: order(), scope: OrderScope { cas: vec![ca(2)], pool: None }, lot: None }.into(),
        ),
        ("", RefundReturned { order: order(), scope: scope(), refunded: units(), forfeited: units() }.into()),
        ("", RefundDeclined { order: order(), scope: scope(), reason: "used".into() }.into()),
        ("", QuotaAssigned { root: ca(0), intermediate: ca(1), lots: vec![quota], remaining: 7 }.into()),
        ("", QuotaLapsed { ca: ca(0), lots: units() }.into()),
        ("", QuotaForfeited { ca: ca(0), lots: units() }.into()),
        ("", enabled.into()),
        ("uploaded", uploaded.into()),
        ("requested", answered.into()),
        ("external", external.into()),
        ("", renewed.into()),
        ("same-key", same_key.into()),
        ("", CaKeyRetired { ca: ca(0), generations: vec![1, 2], key: key() }.into()),
        ("", requested.into()),
        ("", CaRequestAbandoned { ca: ca(1), key: key() }.into()),
        ("", cross_signed.into()),
        ("", CaConfigured { ca: ca(1), addresses }.into()),
        (
            "",
            ProfilesPermitted {
                ca: ca(1),
                profiles: Some(vec![Profile::Server.into(), "vpn-gateway".parse().unwrap()]),
            }
            .into(),
        ),
        ("all", ProfilesPermitted { ca: ca(1), profiles: None }.into()),
        ("", CaDisabled { ca: ca(1) }.into()),
        ("", CaReenabled { ca: ca(1) }.into()),
        ("", CaReset { end: end() }.into()),
        ("several", CaReset { end: several() }.into()),
        ("external", CaReset { end: GenerationEnd { external: true, last_crl: false, root: true, ..end() } }.into()),
        ("several", CaRevoked { end: several() }.into()),
        ("", CaRevoked { end: GenerationEnd { root: true, uploaded: false, last_crl: false, ..end() } }.into()),
        ("", CaRemoved { ca: ca(1), key: Some(key()), older_keys: Vec::new() }.into()),
        ("several", CaRemoved { ca: ca(1), key: Some(key()), older_keys: vec![KeyId::derive(&commit(), 1)] }.into()),
        ("keyless", CaRemoved { ca: ca(1), key: None, older_keys: Vec::new() }.into()),
        ("", published.into()),
        ("last", last.into()),
        ("delta", delta.into()),
        ("", KeyDestroyed { key: key(), owner: KeyOwner::Ca(ca(1)) }.into()),
        ("holder", KeyDestroyed { key: key(), owner: KeyOwner::Certificate(id) }.into()),
        ("responder", KeyDestroyed { key: key(), owner: KeyOwner::Responder(Digest::of(b"spki")) }.into()),
        ("", KeyAbandoned { key: key() }.into()),
        ("", responder.clone().into()),
        ("first", ResponderCertified { replaces: None, ..responder }.into()),
        ("", issued.into()),
        ("csr", anonymous.into()),
        ("own", of_own_profile.into()),
        ("", revoked.into()),
        ("hold", held.into()),
        ("", HoldReleased { id }.into()),
        (
            "",
            KeyDelivered {
                id,
                key: key(),
                format: "pkcs12".into(),
                recipient: "ops@example.com".into(),
                unencrypted: false,
                destroy_after: true,
            }
            .into(),
        ),
        ("", CertificateRemoved { id, key: Some(key()) }.into()),
        ("keyless", CertificateRemoved { id, key: None }.into()),
    ]
}

fn file(stem: &str, end: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{stem}.{end}"))
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::new();
    for line in octets.chunks(32) {
        line.iter().for_each(|octet| write!(text, "{octet:02x}").unwrap());
        text.push('\n');
    }
    text
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn json(event: &Event) -> String {
    serde_json::to_string_pretty(&event.to_json().unwrap()).unwrap() + "\n"
}

fn kind_and_schema(stem: &str) -> (&str, u16) {
    let mut parts = stem.split('.');
    (parts.next().unwrap(), parts.next().unwrap().parse().unwrap())
}

/// Writes what is wished for, once, before any test looks.
static WRITTEN: LazyLock<()> = LazyLock::new(|| {
    let wish = std::env::var("PCA_GOLDEN").unwrap_or_default();
    for (variant, event) in examples() {
        let (encoded, stem) = encode(variant, &event);
        let payload = file(&stem, "hex");
        if wish == "rewrite" || (wish == "write" && !payload.exists()) {
            std::fs::create_dir_all(payload.parent().unwrap()).unwrap();
            std::fs::write(&payload, hex(&encoded.payload)).unwrap();
            std::fs::write(file(&stem, "json"), json(&event)).unwrap();
        }
    }
});

/// An event encoded, with the name of its files: kind, schema and, after a full stop, the variant.
fn encode(variant: &str, event: &Event) -> (EncodedEvent, String) {
    let encoded = event.encode().unwrap();
    let dot = if variant.is_empty() { "" } else { "." };
    let stem = format!("{}.{}{dot}{variant}", encoded.kind, encoded.schema);
    (encoded, stem)
}

#[test]
fn every_kind_is_written_as_it_always_was_and_read_as_it_was_meant() {
    *WRITTEN;
    for (variant, event) in examples() {
        let (encoded, stem) = encode(variant, &event);
        let golden = std::fs::read_to_string(file(&stem, "hex"))
            .unwrap_or_else(|error| panic!("{stem} has no golden file: {error}; write it with PCA_GOLDEN=write"));
        let octets = unhex(&golden);
        assert_eq!(hex(&encoded.payload), golden, "{stem} is written otherwise than it was");
        let decoded = Event::from_parts(&encoded.kind, encoded.schema, &octets).unwrap();
        assert_eq!(decoded, event, "{stem} is read otherwise than it was meant");
        assert_eq!(decoded.encode().unwrap().payload, octets);
        assert_eq!(json(&decoded), std::fs::read_to_string(file(&stem, "json")).unwrap(), "{stem} is shown otherwise");
    }
}

#[test]
fn every_kind_has_an_example_and_a_file() {
    *WRITTEN;
    let examples: Vec<&str> = examples().iter().map(|(_, event)| event.kind()).collect();
    for (kind, schema) in Event::KINDS {
        assert!(examples.contains(kind), "{kind} has no example");
        for schema in 1..=*schema {
            let stem = format!("{kind}.{schema}");
            assert!(file(&stem, "hex").exists(), "{stem} has no golden file");
        }
    }
}

/// Whatever was ever kept is read, of older schemas too: their files stay when a shape changes.
#[test]
fn every_file_is_read() {
    *WRITTEN;
    let directory = file("x", "y").parent().unwrap().to_path_buf();
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".hex") else { continue };
        let (kind, schema) = kind_and_schema(stem);
        let payload = unhex(&std::fs::read_to_string(file(stem, "hex")).unwrap());
        let event = Event::from_parts(kind, schema, &payload).unwrap_or_else(|error| panic!("{stem}: {error}"));
        assert_eq!(event.kind(), kind);
        count += 1;
        // Another kind, a schema that is to come, and a payload that was cut are refused, not guessed at.
        assert!(Event::from_parts("Unheard", schema, &payload).is_err());
        assert!(Event::from_parts(kind, u16::MAX, &payload).is_err());
        for length in 0..payload.len() {
            assert!(Event::from_parts(kind, schema, &payload[..length]).is_err(), "{stem} cut at {length}");
        }
        assert!(Event::from_parts(kind, schema, &[payload.as_slice(), &[0xc0]].concat()).is_err(), "{stem} with more");
    }
    assert!(count >= Event::KINDS.len());
}
