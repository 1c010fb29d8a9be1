//! awsJson: the first line is the value of X-Amz-Target.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_wire_fuzz::{answer, head_and_body, request};

fuzz_target!(|data: &[u8]| {
    let (target, body) = head_and_body(data);
    let mut request = request("ecs", "POST", "/", "application/x-amz-json-1.1", body);
    request.headers.push(("X-Amz-Target".to_owned(), target));
    answer(&request);
});
