//! Amazon SES.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
