//! Amazon RDS.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
