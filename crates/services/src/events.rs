//! Amazon EventBridge.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
