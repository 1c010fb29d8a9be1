//! REST: the first line is `SERVICE METHOD PATH`, the rest the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_wire_fuzz::{answer, head_and_body, request};

fuzz_target!(|data: &[u8]| {
    let (head, body) = head_and_body(data);
    let mut words = head.splitn(3, ' ');
    let service = words.next().unwrap_or("s3");
    let (method, uri) = (words.next().unwrap_or("GET"), words.next().unwrap_or("/"));
    answer(&request(service, method, uri, "application/xml", body));
});
