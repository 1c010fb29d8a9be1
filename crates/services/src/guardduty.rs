//! Amazon GuardDuty.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
