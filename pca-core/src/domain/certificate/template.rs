//! What stays the same in all certificates of a CA, encoded once and kept with the CA's fold.

use std::sync::{Arc, OnceLock};

use crate::domain::ca::Generation;
use crate::domain::event::Addresses;
use crate::x509::{AuthorityUrls, HttpUrl, LeafTemplate, ProfileDefinition};

/// The templates of a CA's generation, one for each profile, each made when it is first needed. Cloning shares them.
///
/// They depend on the generation's certificate and on the CA's addresses: where one of these changes, the fold begins
/// with new templates.
#[derive(Clone, Debug, Default)]
pub struct Templates(Arc<OnceLock<Box<Entry>>>);

/// The template of one profile, and the next: a list that only ever grows, so that whoever has read it holds what stays.
#[derive(Debug)]
struct Entry {
    definition: ProfileDefinition,
    template: Option<LeafTemplate>,
    next: OnceLock<Box<Self>>,
}

impl Templates {
    /// The template of a profile; nothing if the CA's certificate or an address cannot be read.
    pub(in crate::domain) fn of(
        &self,
        definition: &ProfileDefinition,
        generation: &Generation,
        addresses: &Addresses,
    ) -> Option<&LeafTemplate> {
        let mut cell = &*self.0;
        loop {
            let entry = cell.get_or_init(|| {
                let template = make(definition, generation, addresses);
                Box::new(Entry { definition: definition.clone(), template, next: OnceLock::new() })
            });
            // A definition never changes under its name; if it ever did, the template of the other one would not serve.
            let same_name = entry.definition.name == definition.name;
            if same_name && (definition.name.built_in().is_some() || entry.definition == *definition) {
                return entry.template.as_ref();
            }
            cell = &entry.next;
        }
    }
}

fn make(definition: &ProfileDefinition, generation: &Generation, addresses: &Addresses) -> Option<LeafTemplate> {
    let issuer = generation.parsed.as_ref()?.as_issuer().ok()?;
    let url = |text: &Option<String>| text.as_deref().map(HttpUrl::parse).transpose();
    let urls = AuthorityUrls {
        crl: url(&addresses.crl_url).ok()?,
        ocsp: url(&addresses.ocsp_url).ok()?,
        issuer: url(&addresses.issuer_url).ok()?,
    };
    Some(LeafTemplate::new(&issuer, definition, &urls, &[]))
}
