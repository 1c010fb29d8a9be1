//! The wire from outside: what real clients send and read, what is refused and how.

mod arbitrary_bytes;
mod boto3;
mod golden;
mod refusals;
mod rules;
mod signatures;
mod stage;
