//! Words that are understood but never allowed: they become refusals beside those of the rules, so that all reasons are
//! told at once (rule L4).

use pca_core::domain::event::Money;
use pca_core::domain::order::ServiceTerm;
use pca_core::domain::{BrokenRule, CaId, OrderId, Rule};
use pca_core::keys::Algorithm;
use pca_core::log::{CommitId, Digest};
use pca_core::x509::{CertificateId, NameHash, Profile, ProfileName, SerialNumber};

use crate::args::{AlgorithmWord, Number, Paid, TermWord};

/// What the words of a command broke so far.
#[derive(Debug, Default)]
pub struct Gate {
    broken: Vec<BrokenRule>,
    strangers: Vec<Stranger>,
}

/// A text that is no id, and the unused id that stands for it before the rules.
#[derive(Debug)]
struct Stranger {
    stand_in: String,
    text: String,
    broken: BrokenRule,
}

impl Gate {
    /// Nothing is broken so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is broken.
    pub fn is_open(&self) -> bool {
        self.broken.is_empty() && self.strangers.is_empty()
    }

    /// Breaks a rule.
    pub fn refuse(&mut self, broken: impl Into<BrokenRule>) {
        self.broken.push(broken.into());
    }

    /// A CA; the rule is the one that a text which is no id of a CA breaks.
    pub fn ca(&mut self, text: &str, rule: &'static str) -> CaId {
        text.parse().unwrap_or_else(|error: pca_core::domain::IdError| {
            let id = CaId::derive(&self.stand_in(), 0);
            self.stranger(id.to_string(), text, rule, error.to_string());
            id
        })
    }

    /// An order.
    pub fn order(&mut self, text: &str, rule: &'static str) -> OrderId {
        text.parse().unwrap_or_else(|error: pca_core::domain::IdError| {
            let id = OrderId::derive(&self.stand_in(), 0);
            self.stranger(id.to_string(), text, rule, error.to_string());
            id
        })
    }

    /// A certificate.
    pub fn certificate(&mut self, text: &str, rule: &'static str) -> CertificateId {
        text.parse().unwrap_or_else(|error: pca_core::x509::CertificateIdError| {
            let mut octets = [0; 10];
            octets.iter_mut().zip(self.stand_in().as_bytes()).for_each(|(to, from)| *to = *from);
            let id = CertificateId::new(NameHash::new([0; 5]), SerialNumber::from_random(octets));
            self.stranger(id.to_string(), text, rule, error.to_string());
            id
        })
    }

    /// A profile; whether it was adopted is for the rules to say.
    pub fn profile(&mut self, text: &str) -> ProfileName {
        text.parse().unwrap_or_else(|error: pca_core::x509::ProfileNameError| {
            let stand_in = format!("no-profile-{}-of-this-name", self.strangers.len());
            self.stranger(stand_in.clone(), text, "I2", error.to_string());
            // The stand-in is a name that nobody has adopted.
            stand_in.parse().unwrap_or_else(|_| Profile::Client.into())
        })
    }

    /// A number; one that no rule could allow breaks the given one, and 1 stands for it.
    pub fn number(&mut self, number: &Number, what: &str, rule: &'static str) -> u64 {
        match number.nearest() {
            (number, None) => number,
            (_, Some(text)) => {
                self.refuse(BrokenRule::new(Rule::new(rule), "number", format!("{text} {what} can never be had")));
                1
            }
        }
    }

    /// A number of days, years or the like.
    pub fn small(&mut self, number: &Number, what: &str, rule: &'static str) -> u32 {
        let large = self.number(number, what, rule);
        u32::try_from(large).unwrap_or_else(|_| {
            self.refuse(BrokenRule::new(Rule::new(rule), "number", format!("{large} {what} can never be had")));
            1
        })
    }

    /// A key algorithm.
    pub fn algorithm(&mut self, word: Option<&AlgorithmWord>) -> Option<Algorithm> {
        match word? {
            AlgorithmWord::Known(algorithm) => Some(*algorithm),
            AlgorithmWord::Refused(broken) => {
                self.refuse(broken.clone());
                None
            }
        }
    }

    /// A service term.
    pub fn term(&mut self, word: &TermWord) -> ServiceTerm {
        match word {
            TermWord::Known(term) => *term,
            TermWord::Refused(broken) => {
                self.refuse(broken.clone());
                ServiceTerm::default()
            }
        }
    }

    /// What was paid.
    pub fn paid(&mut self, word: &Paid) -> Money {
        match word {
            Paid::Amount(money) => money.clone(),
            Paid::Refused(broken) => {
                self.refuse(broken.clone());
                Money::nothing()
            }
        }
    }

    /// The digest that confirms a preview; whatever is no digest confirms nothing.
    pub fn digest(text: &str) -> Digest {
        text.parse().unwrap_or(Digest::ZERO)
    }

    /// Every reason: those of the words, and those that the rules found beside.
    pub fn reasons(self, found: &[BrokenRule]) -> Vec<BrokenRule> {
        let mut reasons = self.broken;
        for stranger in &self.strangers {
            if !found.iter().any(|broken| broken.message().contains(&stranger.stand_in)) {
                reasons.push(stranger.broken.clone());
            }
        }
        reasons.extend(found.iter().map(|broken| {
            let message = self.strangers.iter().fold(broken.message().to_owned(), |message, stranger| {
                message.replace(&stranger.stand_in, &stranger.text)
            });
            BrokenRule::new(broken.rule(), broken.code(), message)
        }));
        reasons
    }

    fn stand_in(&self) -> CommitId {
        CommitId::from_idempotency_key(&format!("a text that is no id, number {}", self.strangers.len()))
    }

    fn stranger(&mut self, stand_in: String, text: &str, rule: &'static str, message: String) {
        let text = match text.chars().filter(|c| !c.is_control()).take(80).collect::<String>() {
            text if text.trim().is_empty() => "``".to_owned(),
            text => text,
        };
        let broken = BrokenRule::new(Rule::new(rule), "unknown-id", message);
        self.strangers.push(Stranger { stand_in, text, broken });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_id_is_told_in_the_words_of_the_rule() {
        let mut gate = Gate::new();
        let (one, other) = (gate.ca("one", "O2"), gate.ca("other", "O4"));
        assert!(!gate.is_open());
        assert_ne!(one, other);
        let found = [BrokenRule::new(Rule::new("C1"), "unknown-ca", format!("nobody bought {one}"))];
        let reasons = gate.reasons(&found);
        let told: Vec<_> = reasons.iter().map(|broken| (broken.rule().number(), broken.code())).collect();
        assert_eq!(told, [("O4", "unknown-id"), ("C1", "unknown-ca")]);
        assert_eq!(reasons.last().map(BrokenRule::message), Some("nobody bought one"));
    }

    #[test]
    fn an_open_gate_lets_the_rules_decide() {
        let mut gate = Gate::new();
        let id = CaId::derive(&CommitId::from_idempotency_key("x"), 0);
        assert_eq!(gate.ca(id.as_str(), "C1"), id);
        assert_eq!(gate.number(&Number::Fits(0), "units", "Q1"), 0);
        assert!(gate.is_open());
        gate.number(&Number::Negative("-1".into()), "units", "Q1");
        gate.small(&Number::Fits(u64::MAX), "days", "C5");
        let rules: Vec<_> = gate.reasons(&[]).iter().map(|broken| broken.rule().number()).collect();
        assert_eq!(rules, ["Q1", "C5"]);
    }
}
