//! Handing out certificates and keys (rule A1).

use secrecy::SecretString;

use crate::delivery::{
    self, Bundle, DeliveredFile, DeliveredKey, Delivery, DeliveryError, Format, Kind, Options, Salts,
};
use crate::domain::ca::{Ca, Generation};
use crate::domain::certificate::DeliverKey;
use crate::domain::event::Der;
use crate::domain::key::ConfirmKeyDestroyed;
use crate::domain::{BrokenRule, CaId, Command as _, Desk, Halt, Objections, Rule, Scope};
use crate::keys::KeyId;
use crate::x509::{CertificateId, Profile, ProfileName, to_pem};

use super::session::inconsistent;
use super::{Call, Error, Pca, Preview};

const A1: Rule = Rule::new("A1");

/// What is to be downloaded.
#[derive(Clone, Debug)]
pub struct Download {
    /// Of whom.
    pub subject: Downloaded,
    /// In which format.
    pub format: Format,
    /// With which key, under which passphrase.
    pub options: Options,
    /// To whom: every key that is handed out is recorded with its recipient.
    pub recipient: String,
    /// Whether the platform's copy of the key is destroyed once it is handed out (rule K4).
    pub destroy_key: bool,
}

impl Download {
    /// A holder's certificate, without its key.
    #[must_use]
    pub fn of_certificate(id: CertificateId, format: Format) -> Self {
        Self::of(Downloaded::Certificate(id), format)
    }

    /// A CA's certificate.
    #[must_use]
    pub fn of_ca(ca: CaId, format: Format) -> Self {
        Self::of(Downloaded::Ca(ca), format)
    }

    /// With the private key under an export passphrase, handed to this recipient.
    #[must_use]
    pub fn with_key(mut self, recipient: impl Into<String>, passphrase: SecretString) -> Self {
        self.recipient = recipient.into();
        self.options = Options { with_key: true, plain_key: false, passphrase: Some(passphrase) };
        self
    }

    /// With the private key in clear, handed to this recipient (rule K4).
    #[must_use]
    pub fn with_plain_key(mut self, recipient: impl Into<String>) -> Self {
        self.recipient = recipient.into();
        self.options = Options { with_key: true, plain_key: true, passphrase: None };
        self
    }

    /// The command that an authorizer is asked for (rule G1): where a key is handed out, the one that records it.
    fn command(&self) -> &'static str {
        match &self.subject {
            Downloaded::Certificate(_) if self.options.with_key => DeliverKey::NAME,
            _ => "Download",
        }
    }

    /// What is recorded of the key.
    fn delivers(&self, id: CertificateId) -> DeliverKey {
        DeliverKey {
            id,
            format: self.format.name().into(),
            recipient: self.recipient.clone(),
            unencrypted: self.options.plain_key,
            destroy_after: self.destroy_key,
        }
    }

    fn of(subject: Downloaded, format: Format) -> Self {
        Self { subject, format, options: Options::default(), recipient: String::new(), destroy_key: false }
    }
}

/// Whose certificate is downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Downloaded {
    /// A holder's.
    Certificate(CertificateId),
    /// A CA's: never with a key (rule K1).
    Ca(CaId),
}

impl Downloaded {
    fn scope(&self) -> Scope<'_> {
        match self {
            Self::Certificate(id) => Scope::Certificate(id),
            Self::Ca(ca) => Scope::Ca(ca),
        }
    }
}

/// A certificate with its chain, as the log has it.
struct Chain {
    id: String,
    kind: Kind,
    name: Option<String>,
    certificate: Der,
    intermediates: Vec<Der>,
    root: Option<Der>,
    key: Option<KeyId>,
    /// Other certificates of a CA that are in use, by the name of their file without its end (rule C11).
    beside: Vec<(String, Der)>,
}

impl Pca {
    /// Makes ready what people install. Where a key is handed out, an event that names the recipient is durable before
    /// this answers. Where the platform's copy is to be destroyed with that and cannot be, the delivery is given all the
    /// same, and [`sweep_keys`](Self::sweep_keys) destroys it later.
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule, or trouble of a store.
    pub async fn download(&self, download: &Download, call: &Call) -> Result<Delivery, Error> {
        self.try_download(download, call).await.inspect_err(|error| self.journal("Download", call, error))
    }

    async fn try_download(&self, download: &Download, call: &Call) -> Result<Delivery, Error> {
        self.preview_download(download, call).await?;
        let chain = self.chain(&download.subject).await?;
        let key = match (&chain.key, download.options.with_key) {
            (Some(key), true) => Some(self.inner.keys.export(key).await?),
            _ => None,
        };
        let bundle = chain.bundle(key).map_err(refused)?;
        let mut random = [0; Salts::OCTETS];
        self.inner.entropy.fill(&mut random)?;
        let salts = Salts::from_random(random);
        let mut delivery = delivery::deliver(&bundle, download.format, &download.options, salts).map_err(refused)?;
        delivery.files.extend(chain.files_beside(download.format));
        if delivery.key != DeliveredKey::None {
            let Downloaded::Certificate(id) = &download.subject else {
                return Err(inconsistent("a CA's key was about to be handed out"));
            };
            let delivered = self.execute(download.delivers(*id), call).await?.answer;
            if delivered.destroy_after
                && let Err(error) = self.end_key(delivered.key, call).await
            {
                // The delivery is the last one that there can be: it is not lost for that.
                tracing::warn!(%id, %error, "a delivered key is not destroyed yet; sweep_keys() goes on");
            }
        }
        Ok(delivery)
    }

    /// Tells what a download would record, or every rule that it would break: those of the delivery and those of the key
    /// (rules A1, K4, K5, L4). No key leaves the key store, and nothing is made. Without a key there is no event.
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule, or trouble of a store.
    pub async fn preview_download(&self, download: &Download, call: &Call) -> Result<Preview, Error> {
        self.authorize(call, download.command(), download.subject.scope()).await?;
        let mut objections = Objections::new();
        let mut preview = Preview { events: Vec::new(), moved: Vec::new(), read: Vec::new() };
        if let (Downloaded::Certificate(id), true) = (&download.subject, download.options.with_key) {
            let command = download.delivers(*id);
            match self.preview(&command, call).await {
                Ok(found) => preview = found,
                // What stands against it now did not when it was recorded.
                Err(Error::Refused(_)) if self.is_repeat(&command, call).await? => {}
                Err(Error::Refused(refusal)) => objections.extend(refusal.broken().iter().cloned()),
                Err(other) => return Err(other),
            }
        }
        match self.chain(&download.subject).await {
            Ok(chain) => {
                let bundle = chain.bundle(None).map_err(refused)?;
                let found = delivery::objections(&bundle, download.format, &download.options);
                // Whether there is a key to hand out is told by the rules of its delivery.
                let found = found.into_iter().filter(|error| !matches!(error, DeliveryError::NoPrivateKey { .. }));
                objections.extend(found.map(BrokenRule::from));
            }
            // Told by the rules of the key's delivery.
            Err(Error::Refused(_)) if !objections.is_empty() => {}
            Err(other) => return Err(other),
        }
        objections.verdict()?;
        Ok(preview)
    }

    /// Whether the same was recorded before under the same idempotency key (rule O6).
    async fn is_repeat(&self, command: &DeliverKey, call: &Call) -> Result<bool, Error> {
        let identity = self.identify(DeliverKey::NAME, &command.canonical(), call)?;
        Ok(self.landed(&identity).await?.is_some())
    }

    async fn chain(&self, subject: &Downloaded) -> Result<Chain, Error> {
        match subject {
            Downloaded::Certificate(id) => self.question(|desk, _| certificate_chain(desk, id)).await,
            Downloaded::Ca(ca) => self.question(|desk, _| ca_chain(desk, ca)).await,
        }
    }

    async fn end_key(&self, key: KeyId, call: &Call) -> Result<(), Error> {
        self.destroy_key(&key, call).await?;
        self.execute(ConfirmKeyDestroyed { key }, &call.unkeyed()).await.map(drop)
    }
}

fn refused(error: DeliveryError) -> Error {
    Error::Refused(BrokenRule::from(error).into())
}

impl Chain {
    /// As PEM or DER, each certificate a file of its own; other formats have no place for them.
    fn files_beside(&self, format: Format) -> Vec<DeliveredFile> {
        let file = |(stem, certificate): &(String, Der)| {
            let (end, contents) = match format {
                Format::Pem => ("pem", to_pem("CERTIFICATE", certificate.as_bytes()).into_bytes()),
                Format::Der => ("der", certificate.as_bytes().to_vec()),
                _ => return None,
            };
            Some(DeliveredFile { path: format!("{stem}.{end}"), contents: contents.into(), secret: false })
        };
        self.beside.iter().filter_map(file).collect()
    }

    fn bundle(&self, key: Option<crate::keys::PrivateKey>) -> Result<Bundle, DeliveryError> {
        let mut bundle = Bundle::new(&self.id, self.kind, self.certificate.as_bytes())?
            .with_intermediates(self.intermediates.iter().map(Der::as_bytes))?;
        if let Some(root) = &self.root {
            bundle = bundle.with_root(root.as_bytes())?;
        }
        if let Some(name) = &self.name {
            bundle = bundle.with_friendly_name(name);
        }
        match key {
            Some(key) => bundle.with_key(key),
            None => Ok(bundle),
        }
    }
}

fn certificate_chain(desk: &Desk<'_>, id: &CertificateId) -> Result<Chain, Halt> {
    let certificate = desk.certificate(id)?;
    let Some(issued) = certificate.issued() else {
        let message =
            format!("{id} is not a holder's certificate of this log; a CA's certificate is downloaded by the CA's id");
        return Err(Halt::Refused(BrokenRule::new(A1, "unknown-certificate", message).into()));
    };
    let intermediate = desk.ca(&issued.ca)?;
    let issuer = generation(intermediate, issued.generation);
    let root = issuing_root(desk, intermediate, issuer)?;
    Ok(Chain {
        id: id.to_string(),
        kind: kind_of(desk, issued.profile)?,
        name: issued.holder.name.clone(),
        certificate: issued.certificate.clone(),
        intermediates: issuer.map(|issuer| issuer.certificate.clone()).into_iter().collect(),
        root,
        key: certificate.kept_key().cloned(),
        beside: Vec::new(),
    })
}

/// Whose package a certificate fits into: that of whoever it can be used by.
fn kind_of(desk: &Desk<'_>, profile: ProfileName) -> Result<Kind, Halt> {
    if profile == Profile::DataEncryption {
        return Ok(Kind::DataEncryption);
    }
    let Some(definition) = desk.profile(profile)? else { return Ok(Kind::Other) };
    Ok(match (definition.is_for_servers(), definition.is_for_clients()) {
        (true, true) => Kind::MutualTls,
        (true, false) => Kind::Server,
        (false, true) => Kind::Client,
        (false, false) => Kind::Other,
    })
}

fn ca_chain(desk: &Desk<'_>, id: &CaId) -> Result<Chain, Halt> {
    let ca = desk.ca(id)?;
    if ca.bought().is_none() {
        return Err(Halt::Refused(BrokenRule::new(A1, "unknown-ca", format!("{id} is no CA of this log")).into()));
    }
    let Some(generation) = ca.every_generation().next() else {
        let message = format!("{id} has no certificate yet; enable it first");
        return Err(Halt::Refused(BrokenRule::new(A1, "no-certificate", message).into()));
    };
    let root =
        if ca.is_root() { Some(generation.certificate.clone()) } else { issuing_root(desk, ca, Some(generation))? };
    Ok(Chain {
        id: id.to_string(),
        kind: Kind::Authority,
        name: None,
        certificate: generation.certificate.clone(),
        intermediates: Vec::new(),
        root,
        key: None,
        beside: beside(id, ca, generation),
    })
}

/// What relying parties may need besides a CA's newest certificate: older ones that still serve, link certificates, and
/// what other roots signed of it.
fn beside(id: &CaId, ca: &Ca, newest: &Generation) -> Vec<(String, Der)> {
    let mut beside = Vec::new();
    for generation in ca.living_generations() {
        let number = generation.number;
        if number != newest.number {
            beside.push((format!("older/{id}-{number}"), generation.certificate.clone()));
        }
        let links = generation.links.iter();
        beside
            .extend(links.map(|link| (format!("links/{id}-{number}-{}", link.kind.name()), link.certificate.clone())));
    }
    let certified = ca.cross_certificates().iter().filter(|cross| cross.ca == *id);
    beside.extend(certified.map(|cross| (format!("cross/{}", cross.id), cross.certificate.clone())));
    beside
}

fn generation(ca: &Ca, number: u32) -> Option<&Generation> {
    ca.numbered(number)
}

/// The root's certificate that an intermediate's generation was issued under: of all generations of the root, the one
/// whose name and key identifier the intermediate names, the newest first.
fn issuing_root(desk: &Desk<'_>, ca: &Ca, issued: Option<&Generation>) -> Result<Option<Der>, Halt> {
    let (Some(root), Some(issued)) = (ca.root(), issued) else { return Ok(None) };
    let root = desk.ca(root)?;
    let fits = |generation: &&Generation| {
        let issued_it = issued.parsed.as_deref().is_some_and(|parsed| generation.may_have_issued(parsed));
        issued_it && generation.position <= issued.position
    };
    Ok(root.every_generation().find(fits).map(|generation| generation.certificate.clone()))
}
