//! Whom a certificate is for (rule I2).

use crate::domain::event::Holder;
use crate::domain::refusal::{BrokenRule, Objections, Rule};

const I2: Rule = Rule::new("I2");
const G4: Rule = Rule::new("G4");

/// The most characters of a holder's name, a contact or a label's value.
const MAX_TEXT: usize = 200;
/// The most characters of a label's key.
const MAX_KEY: usize = 64;
/// The most labels.
const MAX_LABELS: usize = 32;

/// Checks bounds and sorts labels by their keys; nothing if something is out of bounds.
pub(super) fn fit(holder: &Holder, objections: &mut Objections) -> Option<Holder> {
    let mut broken = Vec::new();
    for (what, text) in [("name", &holder.name), ("contact", &holder.contact)] {
        broken.extend(text.as_deref().and_then(|text| check(&format_args!("the holder's {what}"), text, MAX_TEXT)));
    }
    if holder.labels.len() > MAX_LABELS {
        let text = format!("{} labels are given; at most {MAX_LABELS} are kept", holder.labels.len());
        broken.push(BrokenRule::new(G4, "holder-labels", text));
    }
    let mut labels = holder.labels.clone();
    labels.sort();
    for (key, value) in &labels {
        broken.extend(check(&"a label's key", key, MAX_KEY));
        if !value.is_empty() {
            broken.extend(check(&format_args!("the label `{}`", cut(key)), value, MAX_TEXT));
        }
    }
    for pair in labels.windows(2) {
        if let [(first, _), (second, _)] = pair
            && first == second
        {
            let text = format!("the label `{}` is given twice", cut(first));
            broken.push(BrokenRule::new(I2, "holder-label-twice", text));
        }
    }
    let fits = broken.is_empty();
    objections.extend(broken);
    fits.then(|| Holder { name: holder.name.clone(), contact: holder.contact.clone(), labels })
}

fn check(what: &dyn core::fmt::Display, text: &str, most: usize) -> Option<BrokenRule> {
    let characters = text.chars().count();
    let broken = if characters > most {
        BrokenRule::new(
            G4,
            "holder-text-too-long",
            format!("{what} has {characters} characters; at most {most} are kept"),
        )
    } else if characters == 0 {
        BrokenRule::new(
            I2,
            "holder-text-empty",
            format!("{what} is empty; leave it out, or give 1 to {most} characters"),
        )
    } else if text.chars().any(char::is_control) {
        BrokenRule::new(I2, "holder-control-character", format!("{what} has a control character in it"))
    } else {
        return None;
    };
    Some(broken)
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_KEY).filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::reasons;

    fn label(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[track_caller]
    fn check(holder: &Holder, expected: &[&str]) {
        let mut objections = Objections::new();
        assert_eq!(fit(holder, &mut objections).is_some(), expected.is_empty());
        assert_eq!(objections.verdict().err().map(|refusal| reasons(&refusal)).unwrap_or_default(), expected);
    }

    #[test]
    fn i2_labels_are_sorted() {
        let holder = Holder { labels: vec![label("b", "2"), label("a", "")], ..Holder::default() };
        let fitted = fit(&holder, &mut Objections::new());
        assert_eq!(fitted.map(|holder| holder.labels), Some(vec![label("a", ""), label("b", "2")]));
    }

    #[test]
    fn i2_and_g4_bound_what_is_said_about_a_holder() {
        check(&Holder::default(), &[]);
        check(&Holder { name: Some("ü".repeat(200)), ..Holder::default() }, &[]);
        check(&Holder { name: Some("ü".repeat(201)), ..Holder::default() }, &["G4 holder-text-too-long"]);
        check(&Holder { contact: Some(String::new()), ..Holder::default() }, &["I2 holder-text-empty"]);
        check(&Holder { contact: Some("a\nb".into()), ..Holder::default() }, &["I2 holder-control-character"]);
        let twice = vec![label("a", "1"), label("a", "2"), label("", "3")];
        check(&Holder { labels: twice, ..Holder::default() }, &["I2 holder-label-twice", "I2 holder-text-empty"]);
        let many: Vec<_> = (0..33).map(|number| label(&format!("k{number}"), "")).collect();
        check(&Holder { labels: many.clone(), ..Holder::default() }, &["G4 holder-labels"]);
        check(&Holder { labels: many.into_iter().skip(1).collect(), ..Holder::default() }, &[]);
    }
}
