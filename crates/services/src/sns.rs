//! Amazon SNS.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
