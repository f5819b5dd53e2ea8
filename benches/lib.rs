//! Speeds as ratios.
