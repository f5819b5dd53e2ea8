//! Whether the pages tell the truth about the sources: `docs/rules.md`, `docs/errors-and-exit-codes.md` and the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file of the workspace but this one, and what the builder left behind.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut left = vec![root()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    left.push(path);
                }
            } else if name.ends_with(".rs") && name != "docs_rules.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 100, "the sources are not where they were");
    found
}

/// A rule as `docs/rules.md` has it.
struct Section {
    number: String,
    not_yet: bool,
    text: String,
}

fn sections(page: &str) -> Vec<Section> {
    page.split("\n### ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            let number = heading.split_whitespace().next().unwrap().to_owned();
            let text = text.split("\n## ").next().unwrap().to_owned();
            Section { number, not_yet: heading.ends_with("(not yet)"), text }
        })
        .collect()
}

/// What stands between back quotes, from a mark on to the end of its paragraph or the next mark.
fn quoted<'t>(text: &'t str, mark: &str, until: &str) -> Vec<&'t str> {
    let Some((_, rest)) = text.split_once(mark) else { return Vec::new() };
    let rest = rest.split("\n\n").next().unwrap();
    let rest = rest.split(until).next().unwrap();
    rest.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_and_file_that_the_rules_name_exists() {
    let sources = sources();
    let defined: BTreeSet<&str> = sources
        .iter()
        .flat_map(|(_, text)| text.split("fn ").skip(1))
        .map(|rest| rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap())
        .collect();
    let mut missing = Vec::new();
    let mut tests = 0;
    for section in sections(&page("docs/rules.md")) {
        for test in quoted(&section.text, "*Tests:*", "\u{0}") {
            tests += 1;
            if !defined.contains(test) {
                missing.push(format!("{}: no function `{test}`", section.number));
            }
        }
        for file in quoted(&section.text, "*Decided in*", "*Tests:*") {
            let beside = root().join(file).is_file();
            if !beside && !root().join("pca-core/src").join(file).is_file() {
                missing.push(format!("{}: no file `{file}`", section.number));
            }
        }
    }
    assert!(missing.is_empty(), "docs/rules.md names what is not there:\n{}", missing.join("\n"));
    assert!(tests > 150, "only {tests} tests are named: the page is not read as it should be");
}

#[test]
fn every_rule_that_is_built_has_a_place_and_those_that_refuse_are_on_the_page() {
    let sections = sections(&page("docs/rules.md"));
    let numbers: BTreeSet<&str> = sections.iter().map(|section| section.number.as_str()).collect();
    assert_eq!(numbers.len(), sections.len(), "a rule stands twice on the page");
    for section in &sections {
        let places = quoted(&section.text, "*Decided in*", "*Tests:*");
        assert_eq!(places.is_empty(), section.not_yet, "{}: built rules, and only they, have a place", section.number);
    }
    for (path, text) in sources() {
        for number in text.split("Rule::new(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let is_rule = number.len() >= 2 && number.chars().skip(1).all(|c| c.is_ascii_digit());
            assert!(!is_rule || numbers.contains(number), "{}: rule {number} is not on the page", path.display());
        }
    }
}

/// The literal codes in `BrokenRule::new(RULE, "code", …)`, outside of tests.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n#[cfg(test)]").next().unwrap().split("BrokenRule::new(").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once(',')?;
        let code = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-').then_some(code)
    })
}

#[test]
fn every_code_of_a_refusal_is_on_its_page() {
    let page = page("docs/errors-and-exit-codes.md");
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    for (path, text) in sources() {
        let library = path.starts_with(root().join("pca-core/src"));
        let is_test = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "testing")
            || path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("tests"));
        if !library || is_test {
            continue;
        }
        for code in codes(&text) {
            seen += 1;
            if !page.contains(&format!("`{code}`")) {
                missing.insert(format!("{code} ({})", path.display()));
            }
        }
    }
    assert!(seen > 100, "only {seen} codes were found: the sources are not read as they should be");
    assert!(missing.is_empty(), "not on the page: {missing:#?}");
}

#[test]
fn the_readmes_code_is_that_of_the_example() {
    let example = root().join("examples/embed.rs");
    if !example.is_file() && std::env::var("CI").as_deref() != Ok("true") {
        eprintln!("SKIPPED: there is no examples/embed.rs");
        return;
    }
    let example = std::fs::read_to_string(example).unwrap();
    let lines: BTreeSet<&str> = example.lines().map(str::trim).collect();
    let readme = page("README.md");
    let code = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert!(lines.contains(line), "examples/embed.rs has no line `{line}`");
    }
}
