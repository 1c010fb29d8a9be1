//! Engines and shims are killed between every two steps of a task's life: the same process goes
//! on, nothing starts twice, and no exit is made up.
