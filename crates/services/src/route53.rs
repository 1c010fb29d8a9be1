//! Amazon Route 53.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
