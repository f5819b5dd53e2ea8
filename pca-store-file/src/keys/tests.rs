//! The key store as a whole: conformance, crashes, damage, what stays on the disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::process::Command;

use pca_core::keys::software::{backends, verify};
use pca_core::keys::{Algorithm, SignatureAlgorithm};
use pca_core::log::CommitId;
use pca_store_testkit::keys::{Broken, Fault, Rule, conformance, id};
use pollster::block_on;
use tempfile::TempDir;

use super::*;

const OLD: &str = "the old passphrase";
const NEW: &str = "the new passphrase";
const HOW: SignatureAlgorithm = SignatureAlgorithm::EcdsaSha256;

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// Cheap, so that tests do not wait for scrypt; small, so that batches roll over.
fn options() -> FileKeyStoreOptions {
    FileKeyStoreOptions { log2_cost: 2, batch_octets: 4096, ..FileKeyStoreOptions::default() }
}

/// A process that another test starts just now holds the locks of this one until it becomes another program.
fn open(directory: &TempDir, passphrase: &str) -> Result<FileKeyStore, KeyError> {
    for _ in 0..50 {
        match FileKeyStore::open(directory.path(), secret(passphrase), options()) {
            Err(KeyError::InUse { .. }) => std::thread::sleep(core::time::Duration::from_millis(20)),
            opened => return opened,
        }
    }
    FileKeyStore::open(directory.path(), secret(passphrase), options())
}

fn new_store() -> (TempDir, FileKeyStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = FileKeyStore::create(directory.path(), secret(OLD), options()).unwrap();
    (directory, store)
}

fn make(store: &FileKeyStore, number: u32, key_use: KeyUse) -> Result<PublicKey, KeyError> {
    let request = KeyRequest { id: id(number), algorithm: Algorithm::EcdsaP256, key_use };
    block_on(store.generate(&[request])).pop().unwrap()
}

fn sign(store: &FileKeyStore, number: u32) -> Result<Signature, KeyError> {
    let request = SignRequest { key: id(number), algorithm: HOW, message: Arc::from(&b"message"[..]), sha256: None };
    block_on(store.sign(&[request])).pop().unwrap()
}

#[track_caller]
fn signs(store: &FileKeyStore, number: u32, public: &PublicKey) {
    verify(public, HOW, b"message", &sign(store, number).unwrap()).unwrap();
}

#[test]
fn it_conforms_with_every_back_end() {
    for backend in backends() {
        let directory = tempfile::tempdir().unwrap();
        let number = std::cell::Cell::new(0);
        let paths = std::cell::RefCell::new(HashMap::new());
        let options = || FileKeyStoreOptions { backend: *backend, ..options() };
        let fresh = || {
            number.set(number.get() + 1);
            let path = directory.path().join(number.get().to_string());
            let store = FileKeyStore::create(&path, secret(OLD), options()).unwrap();
            paths.borrow_mut().insert(format!("{store:?}"), path);
            store
        };
        let reopen = |store: FileKeyStore| {
            let path = paths.borrow()[&format!("{store:?}")].clone();
            drop(store);
            FileKeyStore::open(&path, secret(OLD), options()).unwrap()
        };
        conformance(fresh, Some(&reopen)).unwrap_or_else(|broken| panic!("{}: {broken}", backend.name()));
    }
}

#[test]
fn the_suite_catches_faults_around_it_too() {
    let directory = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    for (fault, rule) in [(Fault::ForgetsDestroy, Rule::Destroys), (Fault::ExportsAuthorities, Rule::Exports)] {
        let fresh = || {
            number.set(number.get() + 1);
            let path = directory.path().join(number.get().to_string());
            Broken::new(FileKeyStore::create(&path, secret(OLD), options()).unwrap(), fault)
        };
        assert_eq!(conformance(fresh, None).unwrap_err().rule, rule);
    }
}

#[test]
fn passphrases_are_asked_for_and_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let short = FileKeyStore::create(directory.path(), secret("short"), options()).unwrap_err();
    assert_eq!(short, KeyError::PassphraseTooShort { characters: 5, minimum: 12 });
    assert_eq!(FileKeyStore::exists(directory.path()), Ok(false));
    assert!(matches!(open(&directory, OLD), Err(KeyError::Backend { .. })), "there is none");
    drop(FileKeyStore::create(directory.path(), secret(OLD), options()).unwrap());
    assert_eq!(open(&directory, NEW).unwrap_err(), KeyError::WrongPassphrase);
    let again = FileKeyStore::create(directory.path(), secret(OLD), options());
    assert!(matches!(again, Err(KeyError::Backend { .. })), "there is one already");
    drop(open(&directory, OLD).unwrap());
}

#[test]
fn a_second_opener_is_refused_and_told_who_has_it() {
    let (directory, store) = new_store();
    let Err(KeyError::InUse { process, .. }) = open(&directory, OLD) else { panic!() };
    assert_eq!(process, Some(std::process::id()));
    drop(store);
    drop(open(&directory, OLD).unwrap());
}

#[test]
fn files_are_private_and_openssl_reads_the_keys_of_authorities() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let store = FileKeyStore::create(&path, secret(OLD), FileKeyStoreOptions::default()).unwrap();
    make(&store, 1, KeyUse::Holder).unwrap();
    let made = make(&store, 0, KeyUse::CertificateAuthority).unwrap();
    let brought = default_backend().generate(Algorithm::EcdsaP384).unwrap();
    let brought = block_on(store.import(&id(2), brought)).unwrap();
    drop(store);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
    }
    let pass = format!("pass:{OLD}");
    for (number, public) in [(0, made), (2, brought)] {
        let judged = Command::new("openssl")
            .args(["pkey", "-pubout", "-outform", "DER", "-passin", &pass, "-in"])
            .arg(path.join(format!("{}.pem", id(number))))
            .output();
        match judged {
            Ok(output) => assert_eq!(output.stdout, public.spki_der(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) if std::env::var("CI").as_deref() != Ok("true") => eprintln!("SKIPPED: openssl is not installed"),
            Err(error) => panic!("openssl: {error}"),
        }
    }
}

#[test]
fn nothing_of_a_destroyed_key_stays_in_any_file() {
    let (directory, store) = new_store();
    for number in 0..60 {
        make(&store, number, if number < 5 { KeyUse::CertificateAuthority } else { KeyUse::Holder }).unwrap();
    }
    // Every run of 16 octets of what a key has on the disk for itself: what all keys have alike is left out, that is the
    // beginnings of a public key and of the parameters of the encryption.
    let image = |name: &str| fs::read(directory.path().join(name)).unwrap();
    let authority = image(&format!("{}.pem", id(3)));
    let public = block_on(store.public_key(&id(30))).unwrap();
    let at = store.inner.index().get(&id_octets(&id(30))).unwrap();
    let start = usize::try_from(at.offset).unwrap() + record::HEAD;
    let holder = image(&batches::name(at.batch))[start..start + usize::try_from(at.body_len).unwrap()].to_vec();
    assert!(holder.windows(public.spki_der().len()).any(|window| window == public.spki_der()));
    let traces = || -> usize {
        let mut found = 0;
        for entry in fs::read_dir(directory.path()).unwrap() {
            let octets = fs::read(entry.unwrap().path()).unwrap();
            let windows: std::collections::HashSet<&[u8]> = octets.windows(16).collect();
            let secret = &authority[authority.len() - 220..authority.len() - 40];
            found += secret.windows(16).chain(holder[40..].windows(16)).filter(|trace| windows.contains(trace)).count();
        }
        found
    };
    assert!(traces() > 300, "the keys are there at first");
    block_on(store.destroy(&id(3))).unwrap();
    block_on(store.destroy(&id(30))).unwrap();
    assert_eq!(traces(), 0);
    drop(store);
    assert_eq!(traces(), 0);
    let store = open(&directory, OLD).unwrap();
    assert_eq!(block_on(store.check_all()), Ok(KeyCheck { checked: 58, faults: vec![] }));
}

#[test]
fn batches_roll_over_and_end_with_their_last_key() {
    let (directory, store) = new_store();
    let batches = || {
        let names = store.inner.disk.names().unwrap();
        names.into_iter().filter(|name| name.starts_with("holders-")).collect::<Vec<_>>()
    };
    for number in 0..60 {
        make(&store, number, KeyUse::Holder).unwrap();
    }
    let before = batches();
    assert!(before.len() > 3, "{before:?}");
    let first: Vec<u32> =
        (0..60).filter(|number| store.inner.index().get(&id_octets(&id(*number))).unwrap().batch == 1).collect();
    for number in first.iter().rev() {
        assert!(batches().contains(&before[0]));
        block_on(store.destroy(&id(*number))).unwrap();
    }
    assert_eq!(batches(), before[1..]);
    drop(store);
    let store = open(&directory, OLD).unwrap();
    assert_eq!(block_on(store.list()).unwrap().len(), 60 - first.len());
}

#[test]
fn a_torn_tail_is_cut_and_a_damaged_middle_is_refused() {
    let (directory, store) = new_store();
    for number in 0..8 {
        make(&store, number, KeyUse::Holder).unwrap();
    }
    let offset =
        |number: u32| usize::try_from(store.inner.index().get(&id_octets(&id(number))).unwrap().offset).unwrap();
    let (third, last) = (offset(3), offset(7));
    let file = directory.path().join(batches::name(1));
    let unsealed = fs::read(&file).unwrap();
    drop(store);
    let sealed = fs::read(&file).unwrap();
    assert_eq!(sealed.len(), unsealed.len() + record::HEAD, "a clean close seals");

    // Whatever part of the last record was written, it was never answered.
    for len in last..unsealed.len() {
        fs::write(&file, &unsealed[..len]).unwrap();
        let store = open(&directory, OLD).unwrap();
        assert_eq!(block_on(store.list()).unwrap().len(), 7, "{len}");
        store.inner.disk.crash_at(0); // No clean close; the next round writes the file anew.
    }
    let flipped = |image: &[u8], at: usize| {
        let mut image = image.to_vec();
        image[at] ^= 0x10;
        fs::write(&file, image).unwrap();
        open(&directory, OLD).map(drop)
    };
    let damaged = |outcome: Result<(), KeyError>, at: usize| match outcome {
        Err(KeyError::Damaged { detail }) => {
            assert!(detail.contains("holders-0000000001.keys at "), "{at}: {detail}");
        }
        other => panic!("{at}: {other:?}"),
    };
    for at in (third..last).step_by(7) {
        damaged(flipped(&unsealed, at), at);
    }
    // After a clean close, the last record too.
    for at in (last..unsealed.len()).step_by(7) {
        damaged(flipped(&sealed, at), at);
    }
    damaged(flipped(&sealed, 3), 3);
    fs::write(&file, &sealed).unwrap();
    assert_eq!(block_on(open(&directory, OLD).unwrap().check_all()).unwrap().checked, 8);
}

#[test]
fn check_all_finds_what_does_not_open() {
    let (directory, store) = new_store();
    for number in 0..8 {
        make(&store, number, if number < 2 { KeyUse::CertificateAuthority } else { KeyUse::Holder }).unwrap();
    }
    let file = directory.path().join(format!("{}.pem", id(1)));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen('\n', "\nAAAA", 1)).unwrap();
    let at = store.inner.index().get(&id_octets(&id(5))).unwrap();
    let batch = directory.path().join(batches::name(at.batch));
    let mut image = fs::read(&batch).unwrap();
    image[usize::try_from(at.offset).unwrap() + 200] ^= 1;
    fs::write(&batch, image).unwrap();
    let found = block_on(store.check_all()).unwrap();
    let mut expected = vec![id(1), id(5)];
    expected.sort_unstable();
    assert_eq!(found.checked, 8);
    assert_eq!(found.faults.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), expected);
    assert!(found.faults.iter().all(|(_, error)| matches!(error, KeyError::Damaged { .. })), "{found:?}");
}

#[test]
fn after_a_crash_at_any_step_of_making_keys_every_answered_key_is_there() {
    for step in 0..200 {
        let (directory, store) = new_store();
        store.inner.disk.crash_at(step);
        let mut answered = Vec::new();
        for number in 0..20 {
            let key_use = if number % 5 == 0 { KeyUse::CertificateAuthority } else { KeyUse::Holder };
            if let Ok(public) = make(&store, number, key_use) {
                answered.push((number, public));
            }
        }
        drop(store);
        let store = open(&directory, OLD).unwrap();
        for (number, public) in &answered {
            signs(&store, *number, public);
        }
        assert_eq!(block_on(store.check_all()).unwrap().faults, vec![], "{step}");
        let leftovers = store.inner.disk.names().unwrap();
        assert!(leftovers.iter().all(|name| !name.ends_with(".tmp")), "{step}: {leftovers:?}");
        for number in 0..20 {
            let key_use = if number % 5 == 0 { KeyUse::CertificateAuthority } else { KeyUse::Holder };
            let again = make(&store, number, key_use).unwrap();
            if let Some((_, public)) = answered.iter().find(|(of, _)| *of == number) {
                assert_eq!(again, *public, "the same key for the same id");
            }
        }
        if answered.len() == 20 {
            return;
        }
    }
    panic!("making twenty keys takes fewer steps");
}

#[test]
fn after_a_crash_at_any_step_of_destroying_a_key_is_there_whole_or_gone() {
    for step in 0..100 {
        let (directory, store) = new_store();
        let publics: Vec<PublicKey> = (0..16)
            .map(|number| make(&store, number, if number < 2 { KeyUse::CertificateAuthority } else { KeyUse::Holder }))
            .collect::<Result<_, _>>()
            .unwrap();
        store.inner.disk.crash_at(step);
        let ended: Vec<u32> = (1..10).filter(|number| block_on(store.destroy(&id(*number))).is_ok()).collect();
        drop(store);
        let store = open(&directory, OLD).unwrap();
        for number in 0..16 {
            match (ended.contains(&number), sign(&store, number)) {
                (true, outcome) => assert_eq!(outcome, Err(KeyError::Absent { id: id(number) }), "{step}"),
                (false, Ok(signature)) => {
                    verify(&publics[usize::try_from(number).unwrap()], HOW, b"message", &signature).unwrap();
                }
                (false, Err(KeyError::Absent { .. } | KeyError::Damaged { .. })) if (1..10).contains(&number) => {}
                (false, outcome) => panic!("{step} {number}: {outcome:?}"),
            }
        }
        // `resume` destroys again, which must succeed whatever the crash left.
        for number in 1..10 {
            block_on(store.destroy(&id(number))).unwrap();
        }
        assert_eq!(block_on(store.check_all()), Ok(KeyCheck { checked: 7, faults: vec![] }), "{step}");
        if ended.len() == 9 {
            return;
        }
    }
    panic!("destroying nine keys takes fewer steps");
}

#[test]
fn after_a_crash_at_any_step_of_changing_the_passphrase_one_of_the_two_opens_everything() {
    let mut both = 0;
    for step in 0..200 {
        let (directory, store) = new_store();
        let publics: Vec<PublicKey> = (0..8)
            .map(|number| make(&store, number, if number < 4 { KeyUse::CertificateAuthority } else { KeyUse::Holder }))
            .collect::<Result<_, _>>()
            .unwrap();
        let listed = block_on(store.list()).unwrap();
        store.inner.disk.crash_at(step);
        let outcome = block_on(store.change_passphrase(secret(NEW)));
        drop(store);

        let all_there = |store: &FileKeyStore| {
            for (number, public) in (0..).zip(&publics) {
                signs(store, number, public);
            }
            assert_eq!(block_on(store.check_all()).unwrap().faults, vec![], "{step}");
            assert_eq!(block_on(store.list()).unwrap(), listed, "{step}: ages are kept");
        };
        // With the old one first, because opening with the new one finishes the change.
        let old = open(&directory, OLD);
        let old_opens = old.is_ok();
        if let Ok(store) = old {
            all_there(&store);
            drop(store);
        }
        let new = open(&directory, NEW);
        let new_opens = new.is_ok();
        if let Ok(store) = new {
            all_there(&store);
            drop(store);
            assert_eq!(open(&directory, OLD).map(drop), Err(KeyError::WrongPassphrase), "{step}: it is finished");
        }
        assert!(old_opens || new_opens, "{step}");
        both += usize::from(old_opens && new_opens);
        if outcome.is_ok() {
            assert!(new_opens && !old_opens);
            assert!(both > 0, "there is a half way");
            return;
        }
        // The rerun, by whichever opens.
        let store = open(&directory, if new_opens { NEW } else { OLD }).unwrap();
        block_on(store.change_passphrase(secret(NEW))).unwrap();
        all_there(&store);
        make(&store, 90, KeyUse::CertificateAuthority).unwrap();
        drop(store);
        assert_eq!(open(&directory, OLD).map(drop), Err(KeyError::WrongPassphrase), "{step}");
        let store = open(&directory, NEW).unwrap();
        let names = store.inner.disk.names().unwrap();
        assert!(names.iter().all(|name| !name.contains("next") && !name.ends_with(".tmp")), "{step}: {names:?}");
    }
    panic!("a change takes fewer steps");
}

#[test]
fn an_imported_key_stays_marked_whatever_becomes_of_a_change_of_the_passphrase() {
    let brought = default_backend().generate(Algorithm::EcdsaP256).unwrap();
    let is_marked = |store: &FileKeyStore| {
        let taken = Err(KeyError::IdTaken { id: id(0) });
        assert_eq!(make(store, 0, KeyUse::CertificateAuthority), taken);
        assert_eq!(block_on(store.import(&id(0), brought.clone())).as_ref(), Ok(brought.public_key()));
        signs(store, 0, brought.public_key());
        assert_eq!(block_on(store.check_all()).unwrap().faults, vec![]);
    };
    for step in 0..200 {
        let (directory, store) = new_store();
        block_on(store.import(&id(0), brought.clone())).unwrap();
        is_marked(&store);
        store.inner.disk.crash_at(step);
        let outcome = block_on(store.change_passphrase(secret(NEW)));
        drop(store);
        for passphrase in [OLD, NEW] {
            let Ok(store) = open(&directory, passphrase) else { continue };
            is_marked(&store);
        }
        if outcome.is_ok() {
            is_marked(&open(&directory, NEW).unwrap());
            return;
        }
    }
    panic!("a change takes fewer steps");
}

#[test]
fn a_damaged_mark_of_an_import_makes_no_key_that_was_made_here() {
    let (directory, store) = new_store();
    block_on(store.import(&id(0), default_backend().generate(Algorithm::EcdsaP256).unwrap())).unwrap();
    let file = directory.path().join(format!("{}.pem", id(0)));
    let whole = fs::read(&file).unwrap();
    assert!(whole.starts_with(b"imported\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    drop(store);
    let damaged = |image: &[u8]| {
        fs::write(&file, image).unwrap();
        let store = open(&directory, OLD).unwrap();
        let outcome = make(&store, 0, KeyUse::CertificateAuthority);
        assert!(matches!(outcome, Err(KeyError::Damaged { .. })), "{outcome:?}");
    };
    for at in 0.."imported\n".len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        damaged(&flipped);
        if at > 0 {
            damaged(&whole[at..]);
        }
    }
}

#[test]
fn a_key_that_is_destroyed_amid_a_change_of_the_passphrase_stays_destroyed() {
    for step in 0..200 {
        let (directory, store) = new_store();
        let doomed = make(&store, 0, KeyUse::CertificateAuthority).unwrap();
        let kept = make(&store, 1, KeyUse::CertificateAuthority).unwrap();
        store.inner.disk.crash_at(step);
        let outcome = block_on(store.change_passphrase(secret(NEW)));
        drop(store);
        if outcome.is_ok() {
            return;
        }
        let new_opens = open(&directory, NEW).is_ok();
        let store = open(&directory, if new_opens { NEW } else { OLD }).unwrap();
        signs(&store, 0, &doomed);
        block_on(store.destroy(&id(0))).unwrap();
        block_on(store.change_passphrase(secret(NEW))).unwrap();
        drop(store);
        let store = open(&directory, NEW).unwrap();
        assert_eq!(block_on(store.public_key(&id(0))), Err(KeyError::Absent { id: id(0) }), "{step}");
        let names = store.inner.disk.names().unwrap();
        assert!(names.iter().all(|name| !name.starts_with(id(0).as_str())), "{step}: {names:?}");
        signs(&store, 1, &kept);
    }
    panic!("a change takes fewer steps");
}

#[test]
fn half_way_a_new_authority_waits_and_a_destroyed_one_is_destroyed_twice() {
    // The first crash after which both passphrases open.
    let (directory, _) = (0..200)
        .map(|step| {
            let (directory, store) = new_store();
            make(&store, 0, KeyUse::CertificateAuthority).unwrap();
            make(&store, 1, KeyUse::CertificateAuthority).unwrap();
            store.inner.disk.crash_at(step);
            drop(block_on(store.change_passphrase(secret(NEW))));
            drop(store);
            let names: Vec<_> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            (directory, names.contains(&"store.next".into()))
        })
        .find(|(_, half)| *half)
        .unwrap();
    let store = open(&directory, OLD).unwrap();
    assert_eq!(make(&store, 2, KeyUse::CertificateAuthority), Err(KeyError::PassphraseChangeUnfinished));
    make(&store, 3, KeyUse::Holder).unwrap();
    block_on(store.destroy(&id(0))).unwrap();
    drop(store);
    let store = open(&directory, NEW).unwrap();
    assert_eq!(sign(&store, 0), Err(KeyError::Absent { id: id(0) }));
    sign(&store, 1).unwrap();
    sign(&store, 3).unwrap();
    make(&store, 2, KeyUse::CertificateAuthority).unwrap();
}

#[test]
fn a_key_destroyed_after_a_failed_change_never_comes_back() {
    for step in 0..200 {
        let (directory, store) = new_store();
        for number in 0..3 {
            make(&store, number, KeyUse::CertificateAuthority).unwrap();
        }
        store.inner.disk.crash_at(step);
        let failed = block_on(store.change_passphrase(secret(NEW))).is_err();
        // The process lives on.
        store.inner.disk.crash_at(usize::MAX);
        block_on(store.destroy(&id(1))).unwrap();
        let of_destroyed = || {
            let names = store.inner.disk.names().unwrap();
            names.into_iter().filter(|name| name.starts_with(id(1).as_str())).collect::<Vec<_>>()
        };
        assert_eq!(of_destroyed(), Vec::<String>::new(), "{step}");
        drop(block_on(store.change_passphrase(secret(NEW))));
        assert_eq!(of_destroyed(), Vec::<String>::new(), "{step}");
        drop(store);
        for passphrase in [OLD, NEW] {
            let Ok(store) = open(&directory, passphrase) else { continue };
            assert_eq!(sign(&store, 1), Err(KeyError::Absent { id: id(1) }), "{step}");
            assert_eq!(block_on(store.check_all()), Ok(KeyCheck { checked: 2, faults: vec![] }), "{step}");
        }
        if !failed {
            return;
        }
    }
    panic!("a change takes fewer steps");
}

#[test]
fn what_lies_beside_no_key_is_removed_and_not_taken_for_one() {
    let (directory, store) = new_store();
    make(&store, 0, KeyUse::CertificateAuthority).unwrap();
    make(&store, 1, KeyUse::CertificateAuthority).unwrap();
    let left = directory.path().join(format!("{}.pem.next-2", id(1)));
    fs::copy(directory.path().join(format!("{}.pem", id(1))), &left).unwrap();
    fs::remove_file(directory.path().join(format!("{}.pem", id(1)))).unwrap();
    store.inner.known.forget(&id(1));
    block_on(store.change_passphrase(secret(NEW))).unwrap();
    assert!(!left.exists());
    drop(store);
    let store = open(&directory, NEW).unwrap();
    assert_eq!(block_on(store.list()).unwrap().len(), 1);
}

#[test]
fn a_key_whose_making_failed_is_destroyed_too() {
    for step in 0..20 {
        let (directory, store) = new_store();
        store.inner.disk.crash_at(step);
        let made = make(&store, 0, KeyUse::CertificateAuthority);
        store.inner.disk.crash_at(usize::MAX);
        block_on(store.destroy(&id(0))).unwrap();
        drop(store);
        assert_eq!(block_on(open(&directory, OLD).unwrap().list()), Ok(vec![]), "{step}");
        if made.is_ok() {
            return;
        }
    }
    panic!("making a key takes fewer steps");
}

#[test]
fn a_failed_write_closes_the_writer_until_it_is_opened_again() {
    let (directory, store) = new_store();
    make(&store, 0, KeyUse::Holder).unwrap();
    store.inner.disk.crash_at(1);
    assert!(matches!(make(&store, 1, KeyUse::Holder), Err(KeyError::Backend { .. })));
    store.inner.disk.crash_at(usize::MAX);
    assert!(matches!(make(&store, 2, KeyUse::Holder), Err(KeyError::Backend { .. })), "never again");
    assert!(sign(&store, 0).is_ok(), "what was durable is served");
    drop(store);
    make(&open(&directory, OLD).unwrap(), 2, KeyUse::Holder).unwrap();
}

#[test]
fn dropped_futures_leave_whole_keys_or_none() {
    let (directory, store) = new_store();
    for number in 0..50 {
        let requests: Vec<KeyRequest> = (0..10)
            .map(|nth| KeyRequest {
                id: KeyId::derive(&CommitId::from_idempotency_key("dropped"), number * 10 + nth),
                algorithm: Algorithm::Ed25519,
                key_use: KeyUse::Holder,
            })
            .collect();
        let mut future = store.generate(&requests);
        let waker = std::task::Waker::noop();
        for _ in 0..number % 4 {
            if future.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready() {
                break;
            }
        }
    }
    drop(store);
    let store = open(&directory, OLD).unwrap();
    let found = block_on(store.check_all()).unwrap();
    assert_eq!(found.faults, vec![]);
}

#[test]
fn debug_tells_no_secret() {
    let (directory, store) = new_store();
    assert_eq!(format!("{store:?}"), format!("FileKeyStore({}/)", directory.path().display()));
}
