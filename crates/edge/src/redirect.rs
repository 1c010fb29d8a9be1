//! Redirect actions: the Location with its keywords filled in (ALB-ACT-5).

/// A redirect action.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    pub(crate) protocol: String,
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) status: u16,
}

/// The parts of the request that keywords stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestParts<'a> {
    /// Without port.
    pub(crate) host: &'a str,
    /// The listener's.
    pub(crate) port: u16,
    /// With leading slash.
    pub(crate) path: &'a str,
    /// Without question mark.
    pub(crate) query: &'a str,
}

impl Redirect {
    /// The Location; it always carries the port (ALB-ACT-7).
    pub(crate) fn location(&self, request: &RequestParts<'_>) -> String {
        let protocol = fill(&self.protocol, request).to_ascii_lowercase();
        let host = fill(&self.host, request);
        let port = fill(&self.port, request);
        let path = fill(&self.path, request);
        let query = fill(&self.query, request);
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{protocol}://{host}:{port}{slash}{path}{mark}{query}")
    }
}

/// Replaces the keywords; what they are replaced with is not looked at again, so a client cannot
/// smuggle keywords in.
fn fill(template: &str, request: &RequestParts<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, keyword, after)) = next_keyword(rest) {
        out.push_str(before);
        match keyword {
            "protocol" => out.push_str("http"),
            "host" => out.push_str(request.host),
            "port" => out.push_str(&request.port.to_string()),
            "path" => out.push_str(request.path.strip_prefix('/').unwrap_or(request.path)),
            "query" => out.push_str(request.query),
            unknown => {
                out.push_str("#{");
                out.push_str(unknown);
                out.push('}');
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Splits at the first `#{...}`.
fn next_keyword(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_once("#{")?;
    let (keyword, after) = from.split_once('}')?;
    Some((before, keyword, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(fields: [&str; 5], path: &str, query: &str) -> String {
        let [protocol, host, port, target, q] = fields.map(str::to_owned);
        let redirect = Redirect { protocol, host, port, path: target, query: q, status: 301 };
        redirect.location(&RequestParts { host: "shop.example.com", port: 80, path, query })
    }

    #[test]
    fn alb_act_5_and_7_keywords() {
        let same = ["#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}"];
        let https = ["HTTPS", "#{host}", "443", "/#{path}", "#{query}"];
        for (fields, path, query, expected) in [
            (same, "/a/b", "x=1", "http://shop.example.com:80/a/b?x=1"),
            (https, "/a", "", "https://shop.example.com:443/a"),
            (https, "/", "q", "https://shop.example.com:443/?q"),
            (
                ["HTTP", "new.#{host}", "8080", "/v2/#{path}/end", "from=#{port}&#{query}"],
                "/a",
                "b",
                "http://new.shop.example.com:8080/v2/a/end?from=80&b",
            ),
            (https, "/#{host}", "", "https://shop.example.com:443/#{host}"),
            (
                ["HTTPS", "#{unknown}", "443", "/#{path", ""],
                "/a",
                "",
                "https://#{unknown}:443/#{path",
            ),
        ] {
            assert_eq!(location(fields, path, query), expected);
        }
    }
}
