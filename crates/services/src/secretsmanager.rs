//! AWS Secrets Manager.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
