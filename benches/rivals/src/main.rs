//! The file log beside SQLite, redb and fjall, and beside a loop that only writes and syncs: the same commits, durable
//! before they are acknowledged, in one run.
//!
//! ```text
//! pca-rivals commit [SECONDS [ROUNDS]]      durable commits a second, by 1 to 256 callers and in bulk
//! pca-rivals replay [COMMITS [ROUNDS]]      verified and decoded events a second, cold and warm
//! pca-rivals open [COMMITS...]              opening, memory and reads by stream, each in a process of its own
//! pca-rivals plot DIRECTORY                 what the others measured, as SVG
//! ```
//!
//! They work below the current directory and clean up. Each adds its figures to `rivals.tsv` there, which `plot` reads.

mod callers;
mod commit;
mod engines;
mod figures;
mod limit;
mod open;
mod plot;
mod replay;
mod svg;
mod work;

use std::path::Path;
use std::process::ExitCode;

/// As in the binary `pca`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words = arguments.iter().map(String::as_str);
    let command = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let number = |at: usize, otherwise: u64| {
        words.get(at).map_or(otherwise, |word| word.parse().unwrap_or_else(|_| panic!("{word} is no number")))
    };
    match command {
        "commit" => commit::run(words.first().map_or(1.0, |word| word.parse().unwrap()), number(1, 5)),
        "replay" => replay::run(number(0, 300_000), number(1, 3)),
        "open" if words.is_empty() => open::run(&[10_000, 1_000_000]),
        "open" => open::run(&(0..words.len()).map(|at| number(at, 0)).collect::<Vec<_>>()),
        "plot" => plot::run(Path::new(words.first().copied().unwrap_or("."))),
        // What `replay` and `open` start as processes of their own.
        "replay-one" => replay::one(words[0], Path::new(words[1])),
        "open-one" => open::one(words[0], Path::new(words[1]), number(2, 0)),
        _ => {
            eprintln!("usage: pca-rivals commit|replay|open|plot; see the head of benches/rivals/src/main.rs");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
