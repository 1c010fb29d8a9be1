//! AWS CodeDeploy.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
