//! Amazon CloudWatch.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
