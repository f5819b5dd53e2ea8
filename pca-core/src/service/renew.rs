//! Renewing certificates, through the lane of the CA that issues them (rule A4).

use std::sync::Arc;

use crate::domain::certificate::{Issued, RenewCertificate};
use crate::domain::{Command as _, Refusal};

use super::issue::answered;
use super::lane::Entry;
use super::{Call, Done, Error, Pca};

impl Pca {
    /// Renews a holder's certificate; durable when this answers. It shares signing, commits and syncs with everybody who
    /// issues from the same CA.
    ///
    /// # Errors
    /// [`Error::Refused`] with every broken rule, or trouble of a store.
    pub async fn renew(&self, request: RenewCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        self.try_renew(request, call).await.inspect_err(|error| self.journal(RenewCertificate::NAME, call, error))
    }

    async fn try_renew(&self, request: RenewCertificate, call: &Call) -> Result<Done<Issued>, Error> {
        let name = RenewCertificate::NAME;
        self.authorize(call, name, request.scope()).await?;
        let identity = self.identify(name, &request.canonical(), call)?;
        if let Some(receipt) = self.landed(&identity).await? {
            return answered(self.repeat(receipt).await?);
        }
        // What was issued never changes; how it stands is looked at by the lane.
        let renewal = self.question(|desk, _| Ok(request.renewal(desk.certificate(&request.id)?))).await?;
        let renewal = renewal.map_err(|refusal: Refusal| Error::Refused(refusal))?;
        let (context, metadata) = self.draw(name, false, &identity, call).await?;
        let mut entry = Entry::new(renewal.request, identity, context.time, Arc::new(metadata));
        entry.renews = Some(renewal.of);
        self.pass(&self.lane(&entry.request), entry, call, false).await
    }
}
