//! AWS CodePipeline.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
