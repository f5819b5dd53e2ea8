//! Words that a shell can complete. They are offers: another word is read, too, so that a rule can refuse it.

use std::ffi::OsStr;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};
use pca_core::delivery::Format;
use pca_core::keys::Algorithm;
use pca_core::x509::{Profile, RevocationReason};

/// Reads a word as `T` does, and offers some.
pub struct Offer<T> {
    words: Vec<&'static str>,
    read: PhantomData<fn() -> T>,
}

impl<T> Clone for Offer<T> {
    fn clone(&self) -> Self {
        offering(self.words.clone())
    }
}

fn offering<T>(words: Vec<&'static str>) -> Offer<T> {
    Offer { words, read: PhantomData }
}

/// The key families.
pub fn families<T>() -> Offer<T> {
    offering(vec!["ecc", "rsa"])
}

/// The key algorithms.
pub fn algorithms<T>() -> Offer<T> {
    offering(Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect())
}

/// The formats of downloads.
pub fn formats<T>() -> Offer<T> {
    offering(Format::ALL.map(Format::name).to_vec())
}

/// The profiles of certificates.
pub fn profiles<T>() -> Offer<T> {
    offering(Profile::ALL.map(Profile::name).to_vec())
}

/// The reasons for which a holder's certificate, or a CA, is revoked; a hold is for certificates only.
pub fn reasons(with_hold: bool) -> Offer<RevocationReason> {
    use RevocationReason as Reason;
    let both = [
        Reason::Unspecified,
        Reason::KeyCompromise,
        Reason::AffiliationChanged,
        Reason::Superseded,
        Reason::CessationOfOperation,
        Reason::PrivilegeWithdrawn,
        Reason::AaCompromise,
    ];
    let hold = with_hold.then_some(Reason::CertificateHold);
    offering(both.into_iter().chain(hold).map(Reason::name).collect())
}

impl<T> TypedValueParser for Offer<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, word: &OsStr) -> Result<T, Error> {
        (|word: &str| word.parse::<T>().map_err(|error| error.to_string())).parse_ref(command, arg, word)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
