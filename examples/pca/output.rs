//! Tables, bars and colours for people.

use std::io::IsTerminal as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pca_core::log::Timestamp;
use pca_core::service::Preview;
use serde_json::{Value, json};

use crate::exit::Answer;

/// A colour on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// All is well.
    Green,
    /// Look here.
    Yellow,
    /// Over.
    Red,
    /// Beside the point.
    Grey,
}

impl Colour {
    /// The colour of a state.
    pub fn of(state: &str) -> Option<Self> {
        match state {
            "enabled" | "active" | "placed" | "valid" => Some(Self::Green),
            "disabled" | "held" | "on-hold" | "refund-requested" | "requested" => Some(Self::Yellow),
            "revoked" | "expired" | "ended" => Some(Self::Red),
            "not-enabled" | "refunded" | "removed" => Some(Self::Grey),
            _ => None,
        }
    }
}

/// Colours a text if standard output is a terminal and nobody objects.
pub fn paint(text: &str, colour: Option<Colour>) -> String {
    let Some(colour) = colour.filter(|_| std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    else {
        return text.to_owned();
    };
    let code = match colour {
        Colour::Green => "32",
        Colour::Yellow => "33",
        Colour::Red => "31",
        Colour::Grey => "90",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A text of somebody else's, without what a terminal would obey: control characters and changes of direction are written
/// out.
pub fn harmless(text: &str) -> String {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A state in its colour.
pub fn state(text: &str) -> String {
    paint(text, Colour::of(text))
}

/// A table; the named columns are numbers.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(head.map(|head| Cell::new(head.trim_start_matches('#'))));
    let mut empty = true;
    for row in rows {
        empty = false;
        let cells = row.iter().zip(head).map(|(text, head)| {
            let cell = Cell::new(text);
            if head.starts_with('#') { cell.set_alignment(CellAlignment::Right) } else { cell }
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    if empty { "nothing to list".to_owned() } else { table.to_string() }
}

/// A bar of what is used.
pub fn bar(used: u64, all: u64) -> String {
    const WIDTH: u64 = 20;
    let filled = if all == 0 { 0 } else { u128::from(used) * u128::from(WIDTH) / u128::from(all) };
    let filled = usize::try_from(filled).unwrap_or_default().min(20);
    let colour = match (used, all) {
        (_, 0) => Some(Colour::Grey),
        (used, all) if used >= all => Some(Colour::Red),
        (used, all) if u128::from(used) * 10 >= u128::from(all) * 8 => Some(Colour::Yellow),
        _ => Some(Colour::Green),
    };
    format!("{}{}", paint(&"█".repeat(filled), colour), paint(&"░".repeat(20 - filled), Some(Colour::Grey)))
}

/// Lines of `name value`, the names in one width.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts: Vec<_> = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    facts.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// A time, to the second, for people.
pub fn day(time: Timestamp) -> String {
    time.floor_to_second().to_string()
}

/// Comma-separated values (RFC 4180).
pub fn csv<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let quoted = |field: &str| {
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    };
    let line = |fields: Vec<String>| fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",");
    core::iter::once(line(head.map(|head| head.trim_start_matches('#').to_owned()).to_vec()))
        .chain(rows.into_iter().map(|row| line(row.to_vec())))
        .collect::<Vec<_>>()
        .join("\r\n")
}

/// Progress of long work on standard error, drawn only where that is a terminal.
pub fn progress(total: Option<u64>, template: &str) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What a command would do (rule L7).
pub fn dry_run(preview: &Preview) -> Answer {
    let events: Vec<Value> = preview
        .events
        .iter()
        .map(|event| json!({ "kind": event.kind(), "event": event.to_json().unwrap_or(Value::Null) }))
        .collect();
    let moved: Vec<Value> = preview
        .moved
        .iter()
        .map(|moved| json!({ "stream": moved.stream.as_str(), "from": moved.from.get(), "to": moved.to.get() }))
        .collect();
    let read: Vec<&str> = preview.read.iter().map(|stream| stream.as_str()).collect();
    let mut text = String::from("nothing is changed; this is what would happen:\n");
    for event in &preview.events {
        text.push_str(&format!("  {}\n", event.kind()));
        if let Ok(Value::Object(fields)) = event.to_json() {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let cut: String = value.chars().take(100).collect();
                let dots = if cut.len() < value.len() { "…" } else { "" };
                text.push_str(&format!("    {name}: {}{dots}\n", harmless(&cut)));
            }
        }
    }
    Answer::new(json!({ "dry_run": true, "events": events, "moved": moved, "read": read }), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_and_quotes_are_quoted() {
        let rows = [["a,b".to_owned(), "say \"hi\"".to_owned()]];
        assert_eq!(csv(["one", "#two"], rows), "one,two\r\n\"a,b\",\"say \"\"hi\"\"\"");
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(harmless("a\u{1b}[31mb\nc\u{202e}d é😀"), "a\\u{1b}[31mb\\nc\\u{202e}d é😀");
    }

    #[test]
    fn a_bar_has_one_width_whatever_is_used() {
        for (used, all) in [(0, 0), (0, 10), (3, 10), (10, 10), (11, 10), (u64::MAX, u64::MAX)] {
            assert_eq!(bar(used, all).chars().count(), 20, "{used} of {all}");
        }
    }
}
