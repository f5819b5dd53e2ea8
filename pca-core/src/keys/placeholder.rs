//! Placeholder until the branch `keys` is merged: delete this file and its lines in mod.rs then.
/// placeholder
#[derive(Clone, Debug)]
pub struct PublicKey;
/// placeholder
#[derive(Clone, Debug)]
pub struct PrivateKey;
