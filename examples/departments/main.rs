//! An enterprise, two departments and their certificates: the whole walk, on the file stores that a product would use.
//!
//! `cargo run --release --example departments [-- DIR]`
//!
//! Example Corporation buys a private root CA and gives its departments OA (office automation) and HR (personnel) an
//! intermediate each. They get quota, issue certificates, install them, talk over mutual TLS, encrypt a record, revoke a
//! certificate, and are refused what the rules forbid, each refusal with the numbers of its rules. Everything stays in
//! the directory: `departments-out`, or the next free `departments-out-2`, …; a directory that is named must be new or
//! empty. Nothing is ever overwritten or removed.
//!
//! Read on in the order of the walk: [`purchase`], [`issuing`], [`conversation`], [`record`], [`endings`], [`books`].

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that tells")]

mod books;
mod conversation;
mod endings;
mod issuing;
mod judge;
mod place;
mod platform;
mod purchase;
mod record;
mod voice;

use std::path::PathBuf;
use std::process::ExitCode;

use place::Place;
use platform::Platform;

/// What every step ends with.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match walk(std::env::args_os().nth(1).map(PathBuf::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe walk ends here: {error}");
            ExitCode::FAILURE
        }
    }
}

fn walk(directory: Option<PathBuf>) -> Outcome {
    let place = Place::new(directory)?;
    let platform = Platform::found(&place)?;
    let shop = purchase::buy_and_enable(&platform)?;
    let issued = issuing::issue(&platform, &shop)?;
    issuing::download(&platform, &place, &shop, &issued)?;
    conversation::talk(&platform, &place, &shop, &issued)?;
    record::encrypt(&place, &issued)?;
    endings::refuse(&platform, &shop)?;
    books::tell(&platform)?;
    drop(platform);
    books::verify(&place)?;
    judge::with_openssl(&place, &issued)?;
    place.farewell();
    Ok(())
}
