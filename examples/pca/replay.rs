//! Projections over the log.

use pca_core::log::Position;
use pca_core::projection::Projection;
use pca_core::service::Pca;

use crate::exit::Failure;

/// A projection of the whole log that is seen.
pub async fn replayed<P: Projection>(pca: &Pca) -> Result<P, Failure>
where
    P::Error: std::fmt::Display,
{
    let mut projection = P::default();
    let mut after = Position::ZERO;
    loop {
        let batch = pca.store().follow(after, 4096).await?;
        let Some(last) = batch.last() else { return Ok(projection) };
        after = last.seal().last();
        let followed = projection.follow(batch.iter().map(AsRef::as_ref));
        followed.map_err(|error| Failure::trouble("damaged", error.to_string()))?;
    }
}
