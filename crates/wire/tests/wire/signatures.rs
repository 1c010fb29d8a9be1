//! SigV4 on AWS's published examples and on what must not pass.

use std::sync::Arc;

use neargate_wire::sigv4::{
    AuthError, Chunks, Encoding, Scope, canonical_request, signature, string_to_sign, verify,
};
use neargate_wire::{Auth, HttpRequest};

use crate::stage::{NOW_MS, Told, ecs, elbv2, refusal, rest};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The examples of Amazon S3 have their own.
const S3_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The session token of the test suite's post-sts-header-before.
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
/// 2013-05-24T00:00:00Z, when the S3 examples were signed.
const S3_NOW_MS: u64 = 1_369_353_600_000;
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn strict() -> Auth {
    Auth::Strict {
        lookup: Arc::new(|key| match (key.access_key, key.session_token) {
            ("AKIDEXAMPLE", None | Some(TOKEN)) => Ok(SECRET.to_owned()),
            ("AKIDEXAMPLE", Some("old")) => Err(AuthError::ExpiredToken),
            ("AKIAIOSFODNN7EXAMPLE", None) => Ok(S3_SECRET.to_owned()),
            _ => Err(AuthError::UnknownKey),
        }),
    }
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    HttpRequest {
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    }
}

fn suite(uri: &str, signature: &str) -> HttpRequest {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    request(
        "GET",
        uri,
        &[
            ("Host", "example.amazonaws.com"),
            ("X-Amz-Date", "20150830T123600Z"),
            ("Authorization", &authorization),
        ],
    )
}

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

/// get-vanilla of AWS's test suite, step by step.
#[test]
fn get_vanilla() {
    let request = suite("/", VANILLA);
    let signed = ["host".to_owned(), "x-amz-date".to_owned()];
    let canonical = canonical_request(&request, &signed, EMPTY, Encoding::Twice);
    let expected = format!(
        "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n{EMPTY}"
    );
    assert_eq!(canonical, expected);
    let scope = Scope {
        access_key: "AKIDEXAMPLE".to_owned(),
        date: "20150830".to_owned(),
        region: "us-east-1".to_owned(),
        service: "service".to_owned(),
    };
    let to_sign = string_to_sign("20150830T123600Z", &scope, &canonical);
    assert!(to_sign.ends_with("bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"));
    assert_eq!(signature(SECRET, &scope, &to_sign), VANILLA);
    assert_eq!(verify(&request, &strict(), NOW_MS), Ok(()));
}

/// Further ones of the suite: order of parameters, unreserved characters, UTF-8, dot segments.
#[test]
fn get_of_the_test_suite() {
    let cases = [
        (
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "/?Param1=value2&Param1=Value1",
            "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
        ),
        ("/example/..", VANILLA),
        ("/./", VANILLA),
    ];
    for (uri, signature) in cases {
        assert_eq!(verify(&suite(uri, signature), &strict(), NOW_MS), Ok(()), "{uri}");
    }
}

/// post-vanilla, post-header-key-sort and post-x-www-form-urlencoded of the suite, and what it says
/// about headers: values folded and trimmed, names in any case, in any order.
#[test]
fn post_of_the_test_suite() {
    let post = |headers: &[(&str, &str)], body: &str, signed: &str, signature: &str| {
        let mut request = suite("/", "");
        request.method = "POST".to_owned();
        request.body = body.as_bytes().to_vec();
        request.headers.pop();
        request.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        request.headers.push((
            "Authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={signed}, Signature={signature}"
            ),
        ));
        verify(&request, &strict(), NOW_MS)
    };
    const VANILLA: &str = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    assert_eq!(post(&[], "", "host;x-amz-date", VANILLA), Ok(()));
    assert_eq!(
        post(
            &[("My-Header1", "value1")],
            "",
            "host;my-header1;x-amz-date",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"
        ),
        Ok(())
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(
        post(
            &form,
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        ),
        Ok(())
    );
    // post-sts-header-before: the token is signed like any header.
    const SIGNATURE: &str = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
    let token = [("X-Amz-Security-Token", TOKEN)];
    let signed = "host;x-amz-date;x-amz-security-token";
    assert_eq!(post(&token, "", signed, SIGNATURE), Ok(()));
    let old = [("X-Amz-Security-Token", "old")];
    assert_eq!(post(&old, "", signed, SIGNATURE), Err(AuthError::ExpiredToken));
    let other = [("X-Amz-Security-Token", "other")];
    assert_eq!(post(&other, "", signed, SIGNATURE), Err(AuthError::UnknownKey));
    // A token that was put in afterwards is not covered by anything.
    let added = post(&token, "", "host;x-amz-date", VANILLA);
    assert!(matches!(added, Err(AuthError::Incomplete(_))), "{added:?}");
}

/// The streaming upload of the S3 guide: 66560 bytes in two chunks, and the empty last one.
#[test]
fn streaming_of_the_s3_guide() {
    const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
                  x-amz-decoded-content-length;x-amz-storage-class";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed},Signature={SEED}"
    );
    let request = request(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("Host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("Authorization", &authorization),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("Content-Encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("Content-Length", "66824"),
        ],
    );
    assert_eq!(verify(&request, &strict(), S3_NOW_MS), Ok(()));
    let begin = |auth: &Auth| Chunks::begin(&request, auth, S3_NOW_MS);
    let mut chunks = begin(&strict()).expect("a known key").expect("signed chunks");
    let signatures = [
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];
    for (length, signature) in signatures {
        assert_eq!(chunks.check(&vec![b'a'; length], signature), Ok(()), "{length}");
    }
    // A chunk left out, or changed, or another's.
    for (length, signature) in [signatures[1], (65535, signatures[0].1), (65536, "")] {
        let mut chunks = begin(&strict()).expect("a known key").expect("signed chunks");
        let checked = chunks.check(&vec![b'a'; length], signature);
        assert_eq!(checked, Err(AuthError::Mismatch), "{length}");
    }
    assert!(begin(&Auth::Any).expect("nobody is asked").is_none());
}

/// A body that is not covered says so, and only to who may say it.
#[test]
fn an_unsigned_payload_is_covered_by_its_word() {
    let mut request = suite("/", VANILLA);
    request.headers.push(("X-Amz-Content-Sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned()));
    assert!(matches!(verify(&request, &strict(), NOW_MS), Err(AuthError::Incomplete(_))));
    let signed = ["host", "x-amz-content-sha256", "x-amz-date"].map(str::to_owned);
    let canonical = canonical_request(&request, &signed, "UNSIGNED-PAYLOAD", Encoding::Twice);
    let scope = Scope {
        access_key: "AKIDEXAMPLE".to_owned(),
        date: "20150830".to_owned(),
        region: "us-east-1".to_owned(),
        service: "service".to_owned(),
    };
    let to_sign = string_to_sign("20150830T123600Z", &scope, &canonical);
    request.headers[2].1 = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={}, Signature={}",
        signed.join(";"),
        signature(SECRET, &scope, &to_sign)
    );
    request.body = b"any".to_vec();
    assert_eq!(verify(&request, &strict(), NOW_MS), Ok(()));
    request.headers[3].1 = EMPTY.to_owned();
    assert_eq!(verify(&request, &strict(), NOW_MS), Err(AuthError::Body));
}

/// The IAM example of the SigV4 guide.
#[test]
fn list_users_of_the_guide() {
    let mut request = suite("/?Action=ListUsers&Version=2010-05-08", "");
    request.headers = vec![
        ("Host".to_owned(), "iam.amazonaws.com".to_owned()),
        ("Content-Type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ("X-Amz-Date".to_owned(), "20150830T123600Z".to_owned()),
        (
            "Authorization".to_owned(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
                .to_owned(),
        ),
    ];
    assert_eq!(verify(&request, &strict(), NOW_MS), Ok(()));
}

/// GetObject with a range, from the S3 guide.
#[test]
fn get_object_of_the_s3_guide() {
    let authorization = "AWS4-HMAC-SHA256 \
        Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let request = request(
        "GET",
        "/test.txt",
        &[
            ("Host", "examplebucket.s3.amazonaws.com"),
            ("Range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
            ("Authorization", authorization),
        ],
    );
    assert_eq!(verify(&request, &strict(), S3_NOW_MS), Ok(()));
    let mut body_changed = request;
    body_changed.body = b"x".to_vec();
    assert_eq!(verify(&body_changed, &strict(), S3_NOW_MS), Err(AuthError::Body));
}

fn presigned() -> HttpRequest {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F\
        20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
        X-Amz-SignedHeaders=host&X-Amz-Signature=\
        aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    request("GET", uri, &[("Host", "examplebucket.s3.amazonaws.com")])
}

/// The presigned URL of the S3 guide, and its end.
#[test]
fn presigned_of_the_s3_guide() {
    const DAY_MS: u64 = 86_400_000;
    let verify_at = |now| verify(&presigned(), &strict(), now);
    assert_eq!(verify_at(S3_NOW_MS), Ok(()));
    assert_eq!(verify_at(S3_NOW_MS + DAY_MS), Ok(()));
    assert_eq!(verify_at(S3_NOW_MS + DAY_MS + 1), Err(AuthError::Expired));
    assert!(matches!(verify_at(S3_NOW_MS - DAY_MS), Err(AuthError::Skewed(_))));
}

#[test]
fn clocks_may_be_a_quarter_of_an_hour_apart() {
    const QUARTER_MS: u64 = 15 * 60 * 1000;
    let request = suite("/", VANILLA);
    for now in [NOW_MS - QUARTER_MS, NOW_MS + QUARTER_MS] {
        assert_eq!(verify(&request, &strict(), now), Ok(()));
    }
    for now in [NOW_MS - QUARTER_MS - 1, NOW_MS + QUARTER_MS + 1, 0, u64::MAX] {
        assert!(matches!(verify(&request, &strict(), now), Err(AuthError::Skewed(_))), "{now}");
    }
}

#[test]
fn what_is_changed_or_not_covered_does_not_pass() {
    let vanilla = suite("/", VANILLA);
    let verified = |change: &dyn Fn(&mut HttpRequest)| {
        let mut request = vanilla.clone();
        change(&mut request);
        verify(&request, &strict(), NOW_MS)
    };
    let swap = |request: &mut HttpRequest, from: &str, to: &str| {
        request.headers[2].1 = request.headers[2].1.replace(from, to);
    };
    assert_eq!(verified(&|r| r.method = "POST".to_owned()), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| r.uri = "/x".to_owned()), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| r.body = b"x".to_vec()), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| r.headers[0].1 = "evil".to_owned()), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| swap(r, "us-east-1", "us-east-2")), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| swap(r, VANILLA, "")), Err(AuthError::Mismatch));
    assert_eq!(verified(&|r| swap(r, "AKIDEXAMPLE", "AKIDOTHER")), Err(AuthError::UnknownKey));
    assert_eq!(verified(&|r| drop(r.headers.pop())), Err(AuthError::Missing));
    let incomplete: [&dyn Fn(&mut HttpRequest); 6] = [
        &|r| swap(r, "/20150830/", "/20150831/"),
        &|r| swap(r, "SHA256", "SHA1"),
        &|r| swap(r, "host;", ""),
        &|r| swap(r, "/aws4_request", ""),
        &|r| r.headers[1].1 = "yesterday".to_owned(),
        &|r| r.headers.push(("X-Amz-Target".to_owned(), "unsigned".to_owned())),
    ];
    for (index, change) in incomplete.iter().enumerate() {
        let verified = verified(change);
        assert!(matches!(verified, Err(AuthError::Incomplete(_))), "{index}: {verified:?}");
    }
}

/// ERR-WIRE-6: the codes differ between the protocols.
#[test]
fn a_stranger_is_told_so_in_his_protocol() {
    let wire = neargate_wire::Wire::new(crate::stage::all_models(), strict());
    let services = Told::always(serde_json::json!({}));
    let code = |request: &HttpRequest| {
        let response = wire.handle(request, &services, NOW_MS);
        (refusal(&response).0, response.status)
    };
    let answered = |code: &str, status| (code.to_owned(), status);
    let missing = answered("MissingAuthenticationTokenException", 400);
    assert_eq!(code(&ecs("ListClusters", "{}")), missing);
    let sign = |mut request: HttpRequest, service: &str, signed: &str| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDOTHER/20150830/us-east-1/{service}/aws4_request, \
             SignedHeaders={signed}, Signature=00"
        );
        request.headers.retain(|(name, _)| name != "Authorization");
        request.headers.push(("Authorization".to_owned(), authorization));
        request.headers.push(("X-Amz-Date".to_owned(), "20150830T123600Z".to_owned()));
        request
    };
    let json = sign(ecs("ListClusters", "{}"), "ecs", "host;x-amz-date;x-amz-target");
    assert_eq!(code(&json), answered("UnrecognizedClientException", 400));
    let query = elbv2("Action=DescribeLoadBalancers");
    let query = sign(query, "elasticloadbalancing", "host;x-amz-date");
    assert_eq!(code(&query), answered("InvalidClientTokenId", 403));
    let s3 = sign(rest("s3", "GET", "/", ""), "s3", "host;x-amz-date");
    assert_eq!(code(&s3), answered("InvalidAccessKeyId", 403));
    assert!(services.asked.lock().expect("not poisoned").is_empty());
    // The same request passes where nobody is asked for a name.
    assert_eq!(crate::stage::wire().handle(&json, &services, NOW_MS).status, 200);
}
