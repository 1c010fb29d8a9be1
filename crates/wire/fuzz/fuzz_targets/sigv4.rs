//! SigV4: the first line is `METHOD PATH`, the lines up to an empty one are headers, then the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use neargate_wire::HttpRequest;
use neargate_wire_fuzz::{head_and_body, verified};

fuzz_target!(|data: &[u8]| {
    let (head, mut rest) = head_and_body(data);
    let (method, uri) = head.split_once(' ').unwrap_or((&head, "/"));
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let (line, after) = head_and_body(rest);
        rest = after;
        match line.split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    verified(&HttpRequest {
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers,
        body: rest.to_vec(),
    });
});
