//! AWS Budgets.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
