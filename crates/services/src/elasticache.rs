//! Amazon ElastiCache.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
