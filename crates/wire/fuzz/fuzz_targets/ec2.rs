//! ec2Query: the whole input is a form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_wire_fuzz::{answer, request};

fuzz_target!(|data: &[u8]| {
    answer(&request("ec2", "POST", "/", "application/x-www-form-urlencoded", data));
});
