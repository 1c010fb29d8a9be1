//! AWS CodeStar Connections.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
