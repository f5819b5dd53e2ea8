//! What stays the same in all certificates of a CA, encoded once and kept with the CA's fold.

use std::sync::{Arc, OnceLock};

use crate::domain::ca::Generation;
use crate::domain::event::Addresses;
use crate::x509::{AuthorityUrls, HttpUrl, LeafTemplate, Profile};

/// The templates of a CA's generation, one for each profile, each made when it is first needed. Cloning shares them.
///
/// They depend on the generation's certificate and on the CA's addresses: where one of these changes, the fold begins
/// with new templates.
#[derive(Clone, Debug, Default)]
pub struct Templates(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    server: OnceLock<Option<LeafTemplate>>,
    client: OnceLock<Option<LeafTemplate>>,
    data_encryption: OnceLock<Option<LeafTemplate>>,
}

impl Templates {
    /// The template of a profile; nothing if the CA's certificate or an address cannot be read.
    pub(in crate::domain) fn of(
        &self,
        profile: Profile,
        generation: &Generation,
        addresses: &Addresses,
    ) -> Option<&LeafTemplate> {
        let cell = match profile {
            Profile::Server => &self.0.server,
            Profile::Client => &self.0.client,
            Profile::DataEncryption => &self.0.data_encryption,
        };
        cell.get_or_init(|| make(profile, generation, addresses)).as_ref()
    }
}

fn make(profile: Profile, generation: &Generation, addresses: &Addresses) -> Option<LeafTemplate> {
    let issuer = generation.parsed.as_ref()?.as_issuer().ok()?;
    let url = |text: &Option<String>| text.as_deref().map(HttpUrl::parse).transpose();
    let urls = AuthorityUrls {
        crl: url(&addresses.crl_url).ok()?,
        ocsp: url(&addresses.ocsp_url).ok()?,
        issuer: url(&addresses.issuer_url).ok()?,
    };
    Some(LeafTemplate::new(&issuer, profile, &urls, &[]))
}
