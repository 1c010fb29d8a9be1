//! Amazon S3.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
