//! The distribution protocol, request by request.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use neargate_images::registry::RegistryOptions;
use neargate_images::{Digest, ImageId, RepositorySettings, TagMutability};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{CONFIG, INDEX, LAYER, MANIFEST, Node, host, tar};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Status and code of an error.
    fn error(&self) -> (u16, String) {
        let code = self.json()["errors"][0]["code"].as_str().expect("code").to_owned();
        (self.status.as_u16(), code)
    }

    fn message(&self) -> String {
        self.json()["errors"][0]["message"].as_str().expect("message").to_owned()
    }
}

trait Ask {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer;

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Pushes an image of one layer; digests of layer, manifest.
    fn push(&self, repository: &str, tag: &str, content: &[u8]) -> (Digest, Answer) {
        let layer = tar(&[("hello", Node::File(content))]);
        let diff_id = Digest::of(&layer);
        let config = json!({ "architecture": host(), "os": "linux", "config": { "Cmd": ["/hello"] },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] } });
        let config = config.to_string();
        let config_digest = Digest::of(config.as_bytes());
        for (digest, blob) in
            [(diff_id, layer.clone()), (config_digest, config.clone().into_bytes())]
        {
            let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
            assert_eq!(self.ask("POST", &path, &[], &blob).status, StatusCode::CREATED);
        }
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": diff_id, "size": layer.len() }] });
        let manifest = manifest.to_string();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = self.ask("PUT", &path, &[("content-type", MANIFEST)], manifest.as_bytes());
        (diff_id, answer)
    }
}

/// Asks without a network, as a caller of some address.
struct From<'a>(&'a Server, IpAddr);

impl Ask for From<'_> {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("request");
        self.0.block_on(async {
            let response: Response<_> = self.0.registry.serve(request, self.1).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("body").to_bytes().to_vec();
            Answer { status: parts.status, headers: parts.headers, body }
        })
    }
}

fn server() -> Server {
    let server =
        Server::new(RegistryOptions { create_on_push: true, ..RegistryOptions::default() });
    server.store.ensure_repository("team/api").expect("made");
    server
}

#[test]
fn an_image_is_pushed_pulled_and_run_from() {
    let server = server();
    let client = From(&server, HERE);
    assert_eq!(client.get("/v2/").header("docker-distribution-api-version"), "registry/2.0");
    let (layer, pushed) = client.push("team/api", "v1", b"x");
    assert_eq!(pushed.status, StatusCode::CREATED);
    let digest = pushed.header("docker-content-digest").to_owned();
    assert_eq!(pushed.header("location"), format!("/v2/team/api/manifests/{digest}"));

    let by_tag = client.get("/v2/team/api/manifests/v1");
    let by_digest = client.get(&format!("/v2/team/api/manifests/{digest}"));
    assert_eq!(by_tag.body, by_digest.body);
    assert_eq!(by_tag.header("content-type"), MANIFEST);
    assert_eq!(by_tag.header("docker-content-digest"), digest);
    assert_eq!(Digest::of(&by_tag.body).to_string(), digest);
    let head = client.ask("HEAD", "/v2/team/api/manifests/v1", &[], b"");
    assert_eq!(head.header("content-length"), by_tag.body.len().to_string());
    assert!(head.body.is_empty());

    let blob = client.get(&format!("/v2/team/api/blobs/{layer}"));
    assert_eq!(Digest::of(&blob.body), layer);
    let image = server.store.resolve("000000000000.dkr.ecr.us-east-1.amazonaws.com/team/api:v1");
    let image = image.expect("resolved");
    assert_eq!(std::fs::read(image.layers[0].join("hello")).expect("there"), b"x");
    assert_eq!(image.digest.to_string(), digest);
}

#[test]
fn blobs_are_served_in_parts() {
    let server = server();
    let client = From(&server, HERE);
    let blob: Vec<u8> = (0..700_000_u32).map(|number| number as u8).collect();
    let digest = Digest::of(&blob);
    client.ask("POST", &format!("/v2/team/api/blobs/uploads/?digest={digest}"), &[], &blob);
    let path = format!("/v2/team/api/blobs/{digest}");
    assert_eq!(client.get(&path).body, blob);
    let head = client.ask("HEAD", &path, &[], b"");
    assert_eq!((head.header("content-length"), head.body.len()), ("700000", 0));
    for (range, first, last) in [
        ("bytes=10-19", 10, 19),
        ("bytes=699990-", 699_990, 699_999),
        ("bytes=-5", 699_995, 699_999),
    ] {
        let part = client.ask("GET", &path, &[("range", range)], b"");
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.body, blob[first..=last]);
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/700000"));
    }
    let beyond = client.ask("GET", &path, &[("range", "bytes=700000-")], b"");
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */700000"));
    let missing = client.get(&format!("/v2/team/api/blobs/{}", Digest::of(b"nothing")));
    assert_eq!(missing.error(), (404, "BLOB_UNKNOWN".into()));
}

#[test]
fn uploads_come_in_chunks_and_are_resumed() {
    let server = server();
    let client = From(&server, HERE);
    let begun = client.ask("POST", "/v2/team/api/blobs/uploads/", &[], b"");
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let upload = begun.header("location").to_owned();
    assert!(!begun.header("docker-upload-uuid").is_empty());
    let first = client.ask("PATCH", &upload, &[("content-range", "0-4")], b"hello");
    assert_eq!((first.status.as_u16(), first.header("range")), (202, "0-4"));
    for range in ["0-4", "7-11", "x", "9-5"] {
        let wrong = client.ask("PATCH", &upload, &[("content-range", range)], b"world");
        assert_eq!(wrong.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!((wrong.header("range"), wrong.header("location")), ("0-4", upload.as_str()));
    }
    let status = client.get(&upload);
    assert_eq!((status.status.as_u16(), status.header("range")), (204, "0-4"));
    client.ask("PATCH", &upload, &[("content-range", "5-5")], b" ");
    let digest = Digest::of(b"hello world");
    let done = client.ask(
        "PUT",
        &format!("{upload}?digest={digest}"),
        &[("content-range", "6-10")],
        b"world",
    );
    assert_eq!(done.status, StatusCode::CREATED);
    assert_eq!(client.get(done.header("location")).body, b"hello world");
    assert_eq!(client.get(&upload).error(), (404, "BLOB_UPLOAD_UNKNOWN".into()));
}

#[test]
fn an_upload_that_is_something_else_is_refused() {
    let server = server();
    let client = From(&server, HERE);
    let begin = || {
        client.ask("POST", "/v2/team/api/blobs/uploads/", &[], b"").header("location").to_owned()
    };
    let digest = Digest::of(b"announced");
    let wrong = client.ask("PUT", &format!("{}?digest={digest}", begin()), &[], b"sent");
    assert_eq!(wrong.error(), (400, "DIGEST_INVALID".into()));
    assert_eq!(client.get(&format!("/v2/team/api/blobs/{digest}")).status, StatusCode::NOT_FOUND);
    for bad in ["", "sha512:00", "sha256:..%2f..%2fkey"] {
        let wrong = client.ask("PUT", &format!("{}?digest={bad}", begin()), &[], b"sent");
        assert_eq!(wrong.error(), (400, "DIGEST_INVALID".into()), "{bad}");
    }
    let upload = begin();
    assert_eq!(client.ask("DELETE", &upload, &[], b"").status, StatusCode::NO_CONTENT);
    assert_eq!(client.get(&upload).error().1, "BLOB_UPLOAD_UNKNOWN");
    let elsewhere = begin().replace("team/api", "team/web");
    assert_eq!(client.get(&elsewhere).error().1, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_blob_that_is_there_is_mounted() {
    let server = server();
    let client = From(&server, HERE);
    let (layer, _) = client.push("team/api", "v1", b"x");
    let mount = |digest: Digest| {
        client.ask(
            "POST",
            &format!("/v2/team/web/blobs/uploads/?mount={digest}&from=team/api"),
            &[],
            b"",
        )
    };
    assert_eq!(mount(layer).status, StatusCode::CREATED);
    assert_eq!(mount(layer).header("location"), format!("/v2/team/web/blobs/{layer}"));
    assert_eq!(mount(Digest::of(b"nothing")).status, StatusCode::ACCEPTED);
}

#[test]
fn manifests_need_what_they_name() {
    let server = server();
    let client = From(&server, HERE);
    let descriptor =
        |kind: &str| json!({ "mediaType": kind, "digest": Digest::of(b"no"), "size": 2 });
    let put = |reference: &str, kind: &str, body: &str| {
        let path = format!("/v2/team/api/manifests/{reference}");
        client.ask("PUT", &path, &[("content-type", kind)], body.as_bytes())
    };
    let manifest =
        json!({ "schemaVersion": 2, "config": descriptor(CONFIG), "layers": [] }).to_string();
    assert_eq!(put("v1", MANIFEST, &manifest).error(), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(MANIFEST)] }).to_string();
    assert_eq!(put("v1", INDEX, &index).error(), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    for (kind, body) in
        [(MANIFEST, "{"), (MANIFEST, "{}"), ("text/plain", &manifest), (INDEX, &manifest)]
    {
        assert_eq!(put("v1", kind, body).error(), (400, "MANIFEST_INVALID".into()), "{body}");
    }
    let other = Digest::of(b"other").to_string();
    assert_eq!(put(&other, MANIFEST, &manifest).error(), (400, "DIGEST_INVALID".into()));
    let large = " ".repeat((4 << 20) + 1);
    assert_eq!(put("v1", MANIFEST, &large).error(), (413, "SIZE_INVALID".into()));
    assert_eq!(client.get("/v2/team/api/manifests/v1").error(), (404, "MANIFEST_UNKNOWN".into()));
}

#[test]
fn tags_and_repositories_come_in_pages() {
    let server = server();
    let client = From(&server, HERE);
    for tag in ["a", "b", "c"] {
        client.push("team/api", tag, b"x");
    }
    let page = client.get("/v2/team/api/tags/list?n=2");
    assert_eq!(page.json(), json!({ "name": "team/api", "tags": ["a", "b"] }));
    assert_eq!(page.header("link"), "</v2/team/api/tags/list?last=b&n=2>; rel=\"next\"");
    let rest = client.get("/v2/team/api/tags/list?last=b&n=2");
    assert_eq!((rest.json()["tags"].clone(), rest.header("link")), (json!(["c"]), ""));
    assert_eq!(client.get("/v2/_catalog").json(), json!({ "repositories": ["team/api"] }));
}

#[test]
fn images_are_deleted() {
    let server = server();
    let client = From(&server, HERE);
    let (layer, pushed) = client.push("team/api", "v1", b"x");
    let digest = pushed.header("docker-content-digest").to_owned();
    let manifest = format!("/v2/team/api/manifests/{digest}");
    let blob = format!("/v2/team/api/blobs/{layer}");
    let delete = |path: &str| client.ask("DELETE", path, &[], b"");
    assert_eq!(delete(&blob).error(), (403, "DENIED".into()), "an image needs it");
    assert_eq!(delete("/v2/team/api/manifests/v1").status, StatusCode::ACCEPTED);
    assert_eq!(client.get("/v2/team/api/manifests/v1").error().1, "MANIFEST_UNKNOWN");
    assert_eq!(client.get(&manifest).status, StatusCode::OK, "untagged, not gone");
    assert_eq!(delete(&manifest).status, StatusCode::ACCEPTED);
    assert_eq!(delete(&manifest).error(), (404, "MANIFEST_UNKNOWN".into()));
    assert_eq!(delete(&blob).status, StatusCode::ACCEPTED);
    assert_eq!(delete(&blob).error(), (404, "BLOB_UNKNOWN".into()));
}

#[test]
fn what_is_about_an_image_is_found() {
    let server = server();
    let client = From(&server, HERE);
    let (_, pushed) = client.push("team/api", "v1", b"x");
    let subject: Digest = pushed.header("docker-content-digest").parse().expect("digest");
    let referrers = |query: &str| client.get(&format!("/v2/team/api/referrers/{subject}{query}"));
    assert_eq!(referrers("").json()["manifests"], json!([]));
    let empty = "{}";
    let digest = Digest::of(empty.as_bytes());
    client.ask(
        "POST",
        &format!("/v2/team/api/blobs/uploads/?digest={digest}"),
        &[],
        empty.as_bytes(),
    );
    let config =
        json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": 2 });
    let signature = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "test/signature",
        "config": config, "layers": [config], "annotations": { "by": "me" },
        "subject": { "mediaType": MANIFEST, "digest": subject, "size": 1 } });
    let body = signature.to_string();
    let path = format!("/v2/team/api/manifests/{}", Digest::of(body.as_bytes()));
    let put = client.ask("PUT", &path, &[("content-type", MANIFEST)], body.as_bytes());
    assert_eq!(put.header("oci-subject"), subject.to_string());
    let found = referrers("");
    assert_eq!(found.header("content-type"), INDEX);
    let found = &found.json()["manifests"][0];
    assert_eq!(
        (&found["artifactType"], &found["annotations"]["by"]),
        (&json!("test/signature"), &json!("me"))
    );
    let filtered = referrers("?artifactType=other");
    assert_eq!(filtered.json()["manifests"], json!([]));
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
}

/// ECR's own: no repository without CreateRepository, no tag that moves.
#[test]
fn err_ecr_1_pushes_that_ecr_refuses() {
    let options = RegistryOptions { account: "123456789012".into(), ..RegistryOptions::default() };
    let server = Server::new(options);
    let client = From(&server, HERE);
    let refused = client.ask("POST", "/v2/team/api/blobs/uploads/", &[], b"");
    assert_eq!(refused.error(), (404, "NAME_UNKNOWN".into()));
    assert_eq!(
        refused.message(),
        "The repository with name 'team/api' does not exist in the registry with id '123456789012'"
    );
    let settings = RepositorySettings {
        tag_mutability: TagMutability { immutable: true, exclusions: Vec::new() },
        ..RepositorySettings::default()
    };
    server.store.create_repository("team/api", settings).expect("made");
    assert_eq!(client.push("team/api", "v1", b"x").1.status, StatusCode::CREATED);
    assert_eq!(client.push("team/api", "v1", b"x").1.status, StatusCode::CREATED, "nothing moves");
    let refused = client.push("team/api", "v1", b"y").1;
    assert_eq!(refused.error(), (400, "TAG_INVALID".into()));
    assert_eq!(
        refused.message(),
        "The image tag 'v1' already exists in the 'team/api' repository and cannot be overwritten \
         because the tag is immutable."
    );
    let id = ImageId { digest: None, tag: Some("v1".into()) };
    assert_eq!(server.store.image("team/api", &id).expect("there").tags, ["v1"]);
}

#[test]
fn a_login_is_needed_from_elsewhere_and_when_strict() {
    for (strict, peer, needed) in
        [(false, HERE, false), (false, ELSEWHERE, true), (true, HERE, true)]
    {
        let server = Server::new(RegistryOptions {
            strict,
            realm: "here".into(),
            ..RegistryOptions::default()
        });
        let client = From(&server, peer);
        let without = client.get("/v2/");
        assert_eq!(without.status == StatusCode::UNAUTHORIZED, needed);
        if needed {
            assert_eq!(without.error().1, "UNAUTHORIZED");
            assert!(without.header("www-authenticate").starts_with("Basic realm=\"here\""));
        }
        let login = |password: &str| {
            use base64::Engine as _;
            let value = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{password}"));
            client.ask("GET", "/v2/", &[("authorization", &format!("Basic {value}"))], b"").status
        };
        assert_eq!(login(&server.password()), StatusCode::OK);
        let wrong = if needed { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(login("wrong"), wrong);
    }
}

#[test]
fn what_is_not_there_is_not_there() {
    let server = server();
    let client = From(&server, HERE);
    for (method, path, status, code) in [
        ("GET", "/v2/team/none/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/team/none/manifests/v1", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/Team/manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/team/api", 404, "UNKNOWN"),
        ("POST", "/v2/team/api/manifests/v1", 405, "UNSUPPORTED"),
        ("PATCH", "/v2/team/api/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", "/v2/team/api/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    ] {
        assert_eq!(
            client.ask(method, path, &[], b"").error(),
            (status, code.to_owned()),
            "{method} {path}"
        );
    }
}

/// Over a connection, with a body that breaks off: what arrived is there, and the client goes on.
#[test]
fn a_broken_connection_is_resumed() {
    let server = server();
    let address = server.listen();
    let talk = |text: &str, shut: bool| {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(text.as_bytes()).expect("sent");
        if shut {
            stream.shutdown(std::net::Shutdown::Write).expect("shut");
        }
        let mut answer = String::new();
        // Where the server has nothing to say to a broken request, it closes.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let value = |answer: &str, name: &str| {
        let line = answer.lines().find(|line| line.to_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).expect(name)
    };
    let head = "Host: here\r\nConnection: close\r\n";
    let begun = talk(
        &format!("POST /v2/team/api/blobs/uploads/ HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n"),
        false,
    );
    let upload = value(&begun, "location");
    talk(&format!("PATCH {upload} HTTP/1.1\r\n{head}Content-Length: 11\r\n\r\nhello"), true);
    let status = talk(&format!("GET {upload} HTTP/1.1\r\n{head}\r\n"), false);
    assert_eq!(value(&status, header::RANGE.as_str()), "0-4");
    let digest = Digest::of(b"hello world");
    let done = talk(
        &format!("PUT {upload}?digest={digest} HTTP/1.1\r\n{head}Content-Length: 6\r\n\r\n world"),
        false,
    );
    assert!(done.starts_with("HTTP/1.1 201"), "{done}");
    let blob = talk(&format!("GET /v2/team/api/blobs/{digest} HTTP/1.1\r\n{head}\r\n"), false);
    assert!(blob.ends_with("\r\n\r\nhello world"), "{blob}");
}
