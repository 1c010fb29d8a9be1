//! AWS Key Management Service.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
