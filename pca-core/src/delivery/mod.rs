//! (delivery)
