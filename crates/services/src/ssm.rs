//! AWS Systems Manager: parameters.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
