//! `DeliverKey`: a private key is handed out to its holder (rules A1, K1, K4).

use serde::Serialize;

use crate::domain::decision::{Command, Context, Desk, Halt, Plan};
use crate::domain::event::{Event, KeyDelivered};
use crate::domain::refusal::{BrokenRule, Objections, Rule};
use crate::domain::{Scope, founded};
use crate::keys::KeyId;
use crate::x509::CertificateId;

use super::find::{Found, find, settle};

const A1: Rule = Rule::new("A1");
const K1: Rule = Rule::new("K1");
const K4: Rule = Rule::new("K4");

/// The most characters of a recipient's name.
const MAX_RECIPIENT: usize = 200;

/// Records that a holder's private key is handed out, and to whom. It is committed before the key leaves.
///
/// What the files look like, and that the export passphrase suffices (rule K5), is checked by
/// [`delivery`](crate::delivery), which makes them before this is decided: no passphrase comes near the log. A download
/// without the key is no event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliverKey {
    /// The certificate.
    pub id: CertificateId,
    /// The format by its name, such as `pkcs12`.
    pub format: String,
    /// Who receives the key: 1 to 200 characters.
    pub recipient: String,
    /// Whether the key is handed out unencrypted, as was asked for by name (rule K4).
    pub unencrypted: bool,
    /// Whether the platform destroys its copy with this delivery (rule K4).
    pub destroy_after: bool,
}

/// What [`DeliverKey`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The certificate.
    pub id: CertificateId,
    /// The key that may be handed out now.
    pub key: KeyId,
    /// To whom.
    pub recipient: String,
    /// Whether the key is to be destroyed then; [`ConfirmKeyDestroyed`](crate::domain::key::ConfirmKeyDestroyed) follows.
    pub destroy_after: bool,
}

impl DeliverKey {
    /// The key, or why there is none to hand out.
    fn key<'a>(&self, found: &Found<'a>, objections: &mut Objections) -> Option<&'a KeyId> {
        let id = self.id;
        let Some(key) = &found.issued.key else {
            let text = format!("the platform never had the private key of {id}: its holder made it and sent a CSR");
            objections.add(BrokenRule::new(A1, "key-made-by-holder", text));
            return None;
        };
        let certificate = found.certificate;
        if certificate.is_removed() {
            let text = format!("{id} was removed from the list, and its key came to its end with that");
            objections.add(BrokenRule::new(K4, "certificate-removed", text));
        } else if certificate.kept_key().is_none() {
            let text = format!("the key of {id} was destroyed after {} deliveries", certificate.keys_delivered());
            objections.add(BrokenRule::new(K4, "key-destroyed", text));
        } else if certificate.is_key_ending() {
            let text = format!("the key of {id} was delivered for the last time, as was asked, and is being destroyed");
            objections.add(BrokenRule::new(K4, "key-ending", text));
        }
        Some(key)
    }
}

impl Command for DeliverKey {
    type Answer = Delivered;

    const NAME: &'static str = "DeliverKey";

    fn scope(&self) -> Scope<'_> {
        Scope::Certificate(&self.id)
    }

    fn decide(&self, desk: &Desk<'_>, context: &Context) -> Result<Plan, Halt> {
        let mut objections = founded(desk)?;
        let of_ca = (K1, "the key of a CA never leaves the key store");
        let found = find(self.id, A1, of_ca, context.time, desk, &mut objections)?;
        let key = found.as_ref().and_then(|found| self.key(found, &mut objections));
        let characters = self.recipient.chars().count();
        let fits = (1..=MAX_RECIPIENT).contains(&characters) && !self.recipient.chars().any(char::is_control);
        objections.require(fits, || {
            let text = format!(
                "the recipient has {characters} characters; 1 to {MAX_RECIPIENT} are possible, none of them a control character"
            );
            BrokenRule::new(A1, "recipient", text)
        });
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=40).contains(&self.format.len()) && self.format.chars().all(is_name);
        objections.require(fits, || {
            let text = "the format has no name of 1 to 40 characters of a-z, 0-9 and `-`, such as pkcs12";
            BrokenRule::new(A1, "format", text)
        });
        let key = settle(objections, key)?;
        desk.key(key)?;
        Ok(Plan::new().and(KeyDelivered {
            id: self.id,
            key: key.clone(),
            format: self.format.clone(),
            recipient: self.recipient.clone(),
            unencrypted: self.unencrypted,
            destroy_after: self.destroy_after,
        }))
    }

    fn answer(events: &[Event]) -> Option<Delivered> {
        events.iter().find_map(|event| match event {
            Event::KeyDelivered(delivered) => Some(Delivered {
                id: delivered.id,
                key: delivered.key.clone(),
                recipient: delivered.recipient.clone(),
                destroy_after: delivered.destroy_after,
            }),
            _ => None,
        })
    }
}
