//! Amazon ECR.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
