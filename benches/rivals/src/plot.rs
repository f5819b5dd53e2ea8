//! The pictures of `docs/performance.md`, made of the figures that were kept.

use std::path::Path;

use crate::engines::Engine;
use crate::figures::{Row, kept};
use crate::svg::Chart;

pub(crate) fn run(directory: &Path) {
    let rows = kept();
    assert!(!rows.is_empty(), "there is no rivals.tsv here, or nothing in it: run commit, replay and open first");
    std::fs::create_dir_all(directory).unwrap();
    let engines: Vec<&str> = Engine::ALL.map(Engine::name).into();
    let with_limit: Vec<&str> = engines.iter().copied().chain(["limit"]).collect();
    let callers = [("1", "1 caller"), ("8", "8"), ("64", "64"), ("256", "256"), ("bulk", "bulk, trains of 1,024")];
    let groups = callers.map(|(at, name)| (name.to_owned(), values(&rows, "commit", at, "rate", &with_limit)));
    draw(directory, "commit", "Durable commits a second, by callers that each wait", &with_limit, groups.into());

    let mut groups = Vec::new();
    for at in sizes(&rows, "replay") {
        for what in ["cold", "warm"] {
            groups.push((format!("{at} commits, {what}"), values(&rows, "replay", &at, what, &engines)));
        }
    }
    draw(directory, "replay", "Verified and decoded events a second, from the first on", &engines, groups);

    for (file, what, title) in [
        ("open", "opened, ms", "Milliseconds to open a log that was closed in good order"),
        ("memory", "own, MiB", "MiB of memory of its own after opening"),
        ("present", "present, us", "Microseconds to read a stream of one event"),
        ("absent", "absent, us", "Microseconds to read a stream that does not exist"),
    ] {
        let of = |at: String| (format!("{at} commits"), values(&rows, "open", &at, what, &engines));
        draw(directory, file, title, &engines, sizes(&rows, "open").into_iter().map(of).collect());
    }
}

fn draw(directory: &Path, file: &str, title: &str, series: &[&str], groups: Vec<(String, Vec<Option<f64>>)>) {
    let chart = Chart { title: title.into(), series: series.iter().map(|name| (*name).into()).collect(), groups };
    match chart.draw() {
        Some(svg) => {
            let path = directory.join(format!("{file}.svg"));
            std::fs::write(&path, svg).unwrap();
            println!("{}", path.display());
        }
        None => println!("nothing was measured for {file}.svg"),
    }
}

fn values(rows: &[Row], bench: &str, at: &str, what: &str, engines: &[&str]) -> Vec<Option<f64>> {
    let of = |engine: &&str| {
        let mut found = rows.iter().filter(|row| (row.bench.as_str(), row.at.as_str()) == (bench, at));
        found.find(|row| row.engine == *engine && row.what == what).map(|row| row.value)
    };
    engines.iter().map(of).collect()
}

/// The numbers of commits that a bench was run with, ascending.
fn sizes(rows: &[Row], bench: &str) -> Vec<String> {
    let mut sizes: Vec<u64> =
        rows.iter().filter(|row| row.bench == bench).filter_map(|row| row.at.parse().ok()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.iter().map(ToString::to_string).collect()
}
