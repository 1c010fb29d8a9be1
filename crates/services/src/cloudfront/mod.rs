//! Amazon CloudFront.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
