//! Answers the balancer makes itself: errors, fixed responses, redirects. Only these carry
//! `Server: awselb/2.0` (ALB-ERR-6).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::ProxyBody;

/// The name ALB gives itself.
pub(crate) const SERVER: &str = "awselb/2.0";

/// The words after the code in title and heading.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Not Allowed",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        301 => "Moved Permanently",
        302 => "Found",
        _ => "",
    }
}

/// The short page of ALB-ERR-6.
pub(crate) fn page(status: u16) -> String {
    let reason = reason(status);
    let title = if reason.is_empty() { status.to_string() } else { format!("{status} {reason}") };
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1>\
         </center>\r\n</body>\r\n</html>\r\n"
    )
}

fn own(status: u16, content_type: HeaderValue, body: Bytes) -> Response<ProxyBody> {
    let length = HeaderValue::from(body.len());
    let body = if body.is_empty() { ProxyBody::Empty } else { ProxyBody::full(body) };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    response
}

/// An error page.
pub(crate) fn error(status: u16) -> Response<ProxyBody> {
    own(status, HeaderValue::from_static("text/html"), Bytes::from(page(status)))
}

/// A fixed response action (ALB-ACT-8).
pub(crate) fn fixed(status: u16, content_type: &str, body: &Bytes) -> Response<ProxyBody> {
    let content_type = HeaderValue::from_str(content_type)
        .unwrap_or_else(|_| HeaderValue::from_static("text/plain"));
    own(status, content_type, body.clone())
}

/// A redirect action (ALB-ACT-5).
pub(crate) fn redirect(status: u16, location: &str) -> Response<ProxyBody> {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            let mut response = error(status);
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => error(400),
    }
}

/// A whole error answer as bytes, for requests that never became one.
pub(crate) fn raw_error(status: u16) -> Vec<u8> {
    let page = page(status);
    format!(
        "HTTP/1.1 {status} {}\r\nServer: {SERVER}\r\nContent-Type: text/html\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{page}",
        reason(status),
        page.len(),
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alb_err_6_pages() {
        assert_eq!(
            page(503),
            "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n\
             <body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n\
             </body>\r\n</html>\r\n"
        );
        assert!(page(504).contains("504 Gateway Time-out"));
        assert!(page(463).contains("<h1>463</h1>"));
        assert!(raw_error(400).ends_with(page(400).as_bytes()));
    }
}
