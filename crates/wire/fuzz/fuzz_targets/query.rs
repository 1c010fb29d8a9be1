//! Query: the first line is the service's signing name, the rest a form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_wire_fuzz::{answer, head_and_body, request};

fuzz_target!(|data: &[u8]| {
    let (service, body) = head_and_body(data);
    answer(&request(&service, "POST", "/", "application/x-www-form-urlencoded", body));
});
