//! A record that only its department can read: CMS (RFC 5652) with OpenSSL, key agreement on elliptic curves.

use crate::Outcome;
use crate::issuing::Certificates;
use crate::judge::{Expected, Judge};
use crate::place::Place;
use crate::voice::{chapter, note};

/// Encrypts a record to HR's certificate, and decrypts it with its key and nobody else's.
pub(crate) fn encrypt(place: &Place, issued: &Certificates) -> Outcome {
    chapter(9, "HR encrypts a record (openssl cms)");
    let Some(openssl) = Judge::find(place, "openssl", "version") else { return Ok(()) };
    let record = "Ann Clerk; salary 4711.00 EUR; starts on 1 March\n";
    place.write("hr-records/record.txt", record.as_bytes(), true)?;
    let (records, ann) = (issued.records, issued.ann);
    openssl.run(
        &format!(
            "openssl cms -encrypt -binary -aes-256-cbc -in hr-records/record.txt -outform PEM -out hr-records/record.cms \
             -recip hr-records/{records}.pem -keyopt ecdh_kdf_md:sha256"
        ),
        Expected::Success(""),
        "encrypted with nothing but the certificate",
    )?;
    let decrypt = |directory: &str, id| {
        format!(
            "openssl cms -decrypt -inform PEM -in hr-records/record.cms -recip {directory}/{id}.pem \
             -inkey {directory}/{id}.key.pem -passin file:export-passphrase.txt"
        )
    };
    openssl.run(
        &format!("{} -out hr-records/record.decrypted.txt", decrypt("hr-records", records)),
        Expected::Success(""),
        "decrypted with its private key",
    )?;
    if place.read("hr-records/record.decrypted.txt")? != record.as_bytes() {
        return Err("what was decrypted is not what was encrypted".into());
    }
    openssl.run(&decrypt("hr-ann", ann), Expected::Failure("decrypt"), "Ann's key does not open it")?;
    note(
        "The platform keeps the key for policy.key_retention_days after the certificate ends: old records stay readable.",
    );
    Ok(())
}
