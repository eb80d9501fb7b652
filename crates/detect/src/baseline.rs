//! Assets learned by baselines.
