//! Amazon EC2: the parts of a VPC.

use crate::Table;

pub(crate) const OPERATIONS: Table = &[];
