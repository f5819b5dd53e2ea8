//! How the walk is told.

use pca_core::domain::Refusal;
use pca_core::service;

use crate::Outcome;

/// A new chapter.
pub(crate) fn chapter(number: u32, title: &str) {
    let title = format!("{number}. {title}");
    println!("\n{title}\n{}", "─".repeat(title.chars().count()));
}

/// Something that was done.
pub(crate) fn done(what: &str) {
    println!("   ✓ {what}");
}

/// Something beside it.
pub(crate) fn note(what: &str) {
    println!("     {what}");
}

/// Lines of a table or a file.
pub(crate) fn block(text: &str) {
    for line in text.lines() {
        println!("     {line}");
    }
}

/// Tells a refusal with every broken rule, and ends the walk if it was none, or if not exactly these rules were broken.
pub(crate) fn refused<T>(asked: &str, answer: Result<T, service::Error>, rules: &[&str]) -> Outcome {
    let error = match answer {
        Ok(_) => return Err(format!("{asked}: this must be refused by {}", rules.join(", ")).into()),
        Err(service::Error::Refused(refusal)) => refusal,
        Err(trouble) => return Err(trouble.into()),
    };
    told(asked, &error, rules)
}

/// As [`refused`], of a refusal that is at hand.
pub(crate) fn told(asked: &str, refusal: &Refusal, rules: &[&str]) -> Outcome {
    println!("   ✗ {asked}: refused");
    let mut broken: Vec<&str> = Vec::new();
    for rule in refusal.broken() {
        println!("       {:<3} {}", rule.rule().number(), rule.message());
        broken.push(rule.rule().number());
    }
    broken.dedup();
    if broken == rules {
        Ok(())
    } else {
        Err(format!("{asked}: refused by {}, not by {}", broken.join(", "), rules.join(", ")).into())
    }
}
