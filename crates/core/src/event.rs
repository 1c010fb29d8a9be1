//! Service events, in ECS's exact words (ECS-EVT-*).

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// An entry of a service's event list (ECS-EVT-17).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Unique id.
    pub id: u128,
    /// When it happened.
    pub created_at: Time,
    /// What happened, as ECS would put it.
    pub message: String,
}
