//! Application Auto Scaling.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
