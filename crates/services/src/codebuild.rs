//! AWS CodeBuild.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
