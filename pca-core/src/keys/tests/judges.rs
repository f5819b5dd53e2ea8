//! Other people's tools read our keys and check our signatures, and the other way round: OpenSSL and Java.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::{key, keys};
use crate::keys::software::backends;
use crate::keys::{Algorithm, Encryption, ImportError, KeyDerivation, PrivateKey, SignatureAlgorithm};

const PASSPHRASE: &str = "correct horse battery";
const MESSAGE: &[u8] = b"to be signed";

/// Runs a judge; nothing if it is not installed, which fails where `CI` says so.
fn judge<A: AsRef<OsStr>>(directory: &Path, program: &str, arguments: impl IntoIterator<Item = A>) -> Option<Output> {
    match Command::new(program).args(arguments).current_dir(directory).output() {
        Ok(output) => Some(output),
        Err(_) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("SKIPPED: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Runs OpenSSL, which must succeed.
#[track_caller]
fn openssl(directory: &Path, command: &str) -> Option<Vec<u8>> {
    let output = judge(directory, "openssl", command.split_whitespace())?;
    assert!(output.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

fn digest_option(how: SignatureAlgorithm) -> &'static str {
    match how {
        SignatureAlgorithm::RsaPkcs1Sha384 | SignatureAlgorithm::EcdsaSha384 => "-digest sha384",
        SignatureAlgorithm::RsaPkcs1Sha512 | SignatureAlgorithm::EcdsaSha512 => "-digest sha512",
        SignatureAlgorithm::Ed25519 => "",
        _ => "-digest sha256",
    }
}

#[test]
fn openssl_reads_our_keys_and_verifies_our_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for backend in backends() {
        for algorithm in Algorithm::ALL {
            let made = backend.generate(algorithm).unwrap();
            fs::write(at.join("key.pem"), &*made.to_unencrypted_pkcs8_pem()).unwrap();
            let Some(public) = openssl(at, "pkey -in key.pem -check -pubout -outform DER") else { return };
            let text = b"Key is valid\n";
            let public = public.strip_prefix(text).unwrap_or(&public);
            assert_eq!(public, made.public_key().spki_der(), "{} {algorithm}", backend.name());

            let how = made.public_key().signature_algorithm();
            fs::write(at.join("public.der"), made.public_key().spki_der()).unwrap();
            fs::write(at.join("message"), MESSAGE).unwrap();
            let signature = backend.signer(&made).unwrap().sign(how, MESSAGE).unwrap();
            fs::write(at.join("signature"), signature).unwrap();
            let digest = digest_option(how);
            openssl(
                at,
                &format!(
                    "pkeyutl -verify -rawin {digest} -pubin -inkey public.der -keyform DER -in message -sigfile signature"
                ),
            );
        }
    }
}

#[test]
fn keys_of_openssl_are_read_in_every_form_and_their_signatures_verified() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (options, hows) in [
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            &[
                SignatureAlgorithm::RsaPkcs1Sha256,
                SignatureAlgorithm::RsaPkcs1Sha384,
                SignatureAlgorithm::RsaPkcs1Sha512,
            ][..],
        ),
        ("RSA -pkeyopt rsa_keygen_bits:2052", &[SignatureAlgorithm::RsaPkcs1Sha256]),
        (
            "EC -pkeyopt ec_paramgen_curve:P-256",
            &[SignatureAlgorithm::EcdsaSha256, SignatureAlgorithm::EcdsaSha384, SignatureAlgorithm::EcdsaSha512],
        ),
        ("EC -pkeyopt ec_paramgen_curve:P-384", &[SignatureAlgorithm::EcdsaSha256, SignatureAlgorithm::EcdsaSha384]),
        ("EC -pkeyopt ec_paramgen_curve:P-521", &[SignatureAlgorithm::EcdsaSha256, SignatureAlgorithm::EcdsaSha512]),
        ("ED25519", &[SignatureAlgorithm::Ed25519]),
    ] {
        if openssl(at, &format!("genpkey -algorithm {options} -out key.pem")).is_none() {
            return;
        }
        let public = openssl(at, "pkey -in key.pem -pubout -outform DER").unwrap();
        for conversion in [
            "pkey -in key.pem",
            "pkey -in key.pem -outform DER",
            "pkey -in key.pem -traditional",
            "pkey -in key.pem -traditional -outform DER",
        ] {
            if options == "ED25519" && conversion.contains("-traditional") {
                continue; // RFC 8410 knows no other form than PKCS#8.
            }
            let file = openssl(at, conversion).unwrap();
            for backend in backends() {
                let read = PrivateKey::import_with(*backend, &file, None).unwrap();
                assert_eq!(read.public_key().spki_der(), public, "{options} {conversion} {}", backend.name());
                assert!(backend.signer(&read).unwrap().sign(read.public_key().signature_algorithm(), MESSAGE).is_ok());
            }
        }
        fs::write(at.join("message"), MESSAGE).unwrap();
        let key = PrivateKey::import(&fs::read(at.join("key.pem")).unwrap(), None).unwrap();
        for how in hows {
            let digest = digest_option(*how);
            openssl(at, &format!("pkeyutl -sign -rawin {digest} -inkey key.pem -in message -out signature"));
            let signature = fs::read(at.join("signature")).unwrap();
            for backend in backends() {
                assert_eq!(backend.verify(key.public_key(), *how, MESSAGE, &signature), Ok(()), "{options} {how:?}");
            }
        }
    }
}

#[test]
fn rsa_pss_of_openssl_is_verified_only_with_the_salt_that_x509_names() {
    use SignatureAlgorithm::{RsaPssSha256, RsaPssSha384, RsaPssSha512};
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let key = key(Algorithm::Rsa2048);
    fs::write(at.join("key.pem"), &*key.to_unencrypted_pkcs8_pem()).unwrap();
    fs::write(at.join("message"), MESSAGE).unwrap();
    for (how, hash, salt, good) in [
        (RsaPssSha256, "sha256", 32, true),
        (RsaPssSha384, "sha384", 48, true),
        (RsaPssSha512, "sha512", 64, true),
        (RsaPssSha256, "sha256", 20, false),
    ] {
        let made = openssl(
            at,
            &format!("dgst -{hash} -sign key.pem -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:{salt} message"),
        );
        let Some(made) = made else { return };
        for backend in backends() {
            assert_eq!(
                backend.verify(key.public_key(), how, MESSAGE, &made).is_ok(),
                good,
                "{} {hash}",
                backend.name()
            );
        }
    }
}

#[test]
fn encrypted_keys_go_both_ways_with_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let derivations = [KeyDerivation::Pbkdf2 { iterations: 2048 }, KeyDerivation::Scrypt { log2_cost: 14 }];
    for (algorithm, key) in keys() {
        fs::write(at.join("key.pem"), &*key.to_unencrypted_pkcs8_pem()).unwrap();
        for derivation in derivations {
            let encryption = Encryption { derivation, salt: [1; 16], initialization_vector: [2; 16] };
            fs::write(at.join("ours.pem"), key.to_encrypted_pkcs8_pem(PASSPHRASE.as_bytes(), &encryption).unwrap())
                .unwrap();
            fs::write(at.join("passphrase"), PASSPHRASE).unwrap();
            let Some(plain) = openssl(at, "pkcs8 -topk8 -nocrypt -in ours.pem -passin file:passphrase -outform DER")
            else {
                return;
            };
            assert_eq!(PrivateKey::from_pkcs8_der(&plain).unwrap().pkcs8_der(), key.pkcs8_der(), "{algorithm}");
        }
    }
    let key = key(Algorithm::EcdsaP256);
    fs::write(at.join("key.pem"), &*key.to_unencrypted_pkcs8_pem()).unwrap();
    let mut forms: Vec<String> = ["sha1", "sha224", "sha256", "sha384", "sha512"]
        .iter()
        .flat_map(|hash| {
            ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc"]
                .map(|cipher| format!("-v2 {cipher} -v2prf hmacWith{}", hash.to_uppercase()))
        })
        .collect();
    forms.push("-scrypt".into());
    forms.push("-v2 aes-256-cbc -scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 16".into());
    for form in forms {
        let theirs = openssl(at, &format!("pkcs8 -topk8 -in key.pem -passout file:passphrase {form}")).unwrap();
        let read = PrivateKey::import(&theirs, Some(PASSPHRASE.as_bytes()));
        assert_eq!(read.unwrap().pkcs8_der(), key.pkcs8_der(), "{form}");
        assert_eq!(PrivateKey::import(&theirs, Some(b"another")).unwrap_err(), ImportError::WrongPassphrase, "{form}");
    }
    let camellia = openssl(at, "pkcs8 -topk8 -in key.pem -passout file:passphrase -v2 camellia-256-cbc").unwrap();
    assert_eq!(
        PrivateKey::import(&camellia, Some(PASSPHRASE.as_bytes())).unwrap_err(),
        ImportError::UnsupportedEncryption { oid: "1.2.392.200011.61.1.1.1.4".into() }
    );
    let legacy = openssl(at, "pkcs8 -topk8 -in key.pem -passout file:passphrase -v1 PBE-SHA1-3DES").unwrap();
    assert_eq!(
        PrivateKey::import(&legacy, Some(PASSPHRASE.as_bytes())).unwrap_err(),
        ImportError::UnsupportedEncryption { oid: "1.2.840.113549.1.12.1.3".into() }
    );
    let traditional = openssl(at, "pkey -in key.pem -traditional -aes256 -passout file:passphrase").unwrap();
    assert_eq!(
        PrivateKey::import(&traditional, Some(PASSPHRASE.as_bytes())).unwrap_err(),
        ImportError::LegacyEncryption
    );
}

#[test]
fn sec1_files_of_openssl_with_their_parameters_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let Some(file) = openssl(at, "ecparam -name prime256v1 -genkey") else { return };
    assert!(String::from_utf8_lossy(&file).contains("EC PARAMETERS"));
    PrivateKey::import(&file, None).unwrap();
    let explicit = openssl(at, "ecparam -name prime256v1 -genkey -param_enc explicit").unwrap();
    let refused = PrivateKey::import(&explicit, None).unwrap_err();
    assert_eq!(
        refused,
        ImportError::Key(crate::keys::PrivateKeyError::Public(crate::keys::PublicKeyError::ExplicitParameters))
    );
}

#[test]
fn key_identifiers_are_those_of_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (algorithm, key) in keys() {
        fs::write(at.join("key.pem"), &*key.to_unencrypted_pkcs8_pem()).unwrap();
        let made = openssl(
            at,
            "req -x509 -new -key key.pem -subj /CN=x -addext subjectKeyIdentifier=hash -out certificate.pem",
        );
        if made.is_none() {
            return;
        }
        let printed = openssl(at, "x509 -in certificate.pem -noout -ext subjectKeyIdentifier").unwrap();
        let ours: Vec<String> = key.public_key().key_identifier().iter().map(|octet| format!("{octet:02X}")).collect();
        assert!(String::from_utf8_lossy(&printed).contains(&ours.join(":")), "{algorithm}");
    }
}

#[test]
fn java_reads_our_keys_plain_and_encrypted() {
    const READER: &str = r#"
        import java.nio.file.*; import java.security.*; import java.security.spec.*; import javax.crypto.*; import javax.crypto.spec.*;
        class Reader {
            public static void main(String[] a) throws Exception {
                for (int i = 1; i < a.length; i += 3) {
                    PKCS8EncodedKeySpec plain = new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(a[i + 1])));
                    PrivateKey key = KeyFactory.getInstance(a[i]).generatePrivate(plain);
                    EncryptedPrivateKeyInfo info = new EncryptedPrivateKeyInfo(Files.readAllBytes(Path.of(a[i + 2])));
                    SecretKeyFactory f = SecretKeyFactory.getInstance(info.getAlgParameters().toString());
                    Cipher cipher = Cipher.getInstance(info.getAlgParameters().toString());
                    cipher.init(Cipher.DECRYPT_MODE, f.generateSecret(new PBEKeySpec(a[0].toCharArray())), info.getAlgParameters());
                    PrivateKey again = KeyFactory.getInstance(a[i]).generatePrivate(info.getKeySpec(cipher));
                    if (!MessageDigest.isEqual(key.getEncoded(), again.getEncoded())) throw new Exception("another key");
                }
                System.out.println("read " + (a.length / 3));
            }
        }"#;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("Reader.java"), READER).unwrap();
    let mut arguments = vec!["Reader.java".to_owned(), PASSPHRASE.to_owned()];
    for backend in backends() {
        for algorithm in Algorithm::ALL {
            let key = backend.generate(algorithm).unwrap();
            let encryption = Encryption {
                derivation: KeyDerivation::Pbkdf2 { iterations: 2048 },
                salt: [1; 16],
                initialization_vector: [2; 16],
            };
            let (plain, encrypted) =
                (format!("{}-{algorithm}.der", backend.name()), format!("{}-{algorithm}.enc", backend.name()));
            fs::write(at.join(&plain), key.pkcs8_der()).unwrap();
            fs::write(at.join(&encrypted), key.to_encrypted_pkcs8_der(PASSPHRASE.as_bytes(), &encryption).unwrap())
                .unwrap();
            let factory = match algorithm {
                Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => "RSA",
                Algorithm::Ed25519 => "Ed25519",
                _ => "EC",
            };
            arguments.extend([factory.to_owned(), plain, encrypted]);
        }
    }
    let expected = format!("read {}", (arguments.len() - 1) / 3);
    let Some(output) = judge(at, "java", &arguments) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&expected), "{said}");
}
