//! Amazon SQS.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
