//! AWS CloudTrail.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
