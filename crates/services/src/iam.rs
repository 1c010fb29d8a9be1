//! AWS Identity and Access Management.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
