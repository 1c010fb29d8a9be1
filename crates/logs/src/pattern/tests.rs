//! Patterns on messages, as tables. Most rows are the examples of AWS's guide.

use super::FilterPattern;

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let parsed = FilterPattern::parse(pattern).unwrap_or_else(|error| panic!("{error}"));
    for message in matching {
        assert!(parsed.matches(message.as_bytes()), "{pattern} matches {message}");
    }
    for message in others {
        assert!(!parsed.matches(message.as_bytes()), "{pattern} does not match {message}");
    }
}

#[test]
fn cwl_pat_1_terms() {
    let all = ["ERROR WARN message", "ERROR message", "WARN message"];
    check("", &all, &[]);
    check("  ", &all, &[]);
    check("ERROR", &["[ERROR 400] x", "Exiting with ERRORCODE: -1"], &["error", "WARN"]);
    check("ERROR WARN", &all[..1], &all[1..]);
    check("?ERROR ?WARN", &all, &["INFO"]);
    check("ERROR -WARN", &all[1..2], &[all[0], all[2]]);
    check("-WARN", &all[1..2], &[all[0], all[2]]);
    check("\"INTERNAL SERVER ERROR\"", &["x INTERNAL SERVER ERROR"], &["INTERNAL ERROR"]);
    check("ERROR -\"Exiting with\"", &["ERROR a"], &["Exiting with ERRORCODE"]);
    check("?\"a b\" ?c", &["a b", "c"], &["a", "b"]);
    check("\"say \\\"hi\\\"\"", &["say \"hi\""], &["say hi"]);
    check("ERROR ?WARN", &all[..2], &all[2..]);
    check("grün", &["es ist grün"], &["grun"]);
}

#[test]
fn cwl_pat_4_regular_expressions() {
    check("%AUTHORIZED%", &["UNAUTHORIZED REQUEST", "AUTHORIZED"], &["authorized"]);
    check("%^ERROR%", &["ERROR x"], &["an ERROR"]);
    check("%4[0-9]{2}$% -%404%", &["status 403"], &["status 404", "403 x"]);
    check("?%a+b% ?c", &["aab", "c"], &["b"]);
    check("%10\\%%", &["at 10% now"], &["at 10 now"]);
    check("{ $.type = %^Update% }", &["{\"type\":\"UpdateTrail\"}"], &["{\"type\":\"x\"}"]);
    check("[ip = %^10\\.%, ...]", &["10.0.0.1 x"], &["110.0.0.1 x"]);
}

const TRAIL: &str = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111",
    "arrayKey":["value","another value"],"objectList":[{"name":"a","id":1},{"name":"b","id":2}],
    "SomeObject":null,"ThisFlag":true,"errorCode":400,"latency":12.5,"a b":{"x":-3}}"#;

#[test]
fn cwl_pat_2_json_conditions() {
    let holding = [
        r#"{ $.eventType = "UpdateTrail" }"#,
        "{ $.eventType = UpdateTrail }",
        "{$.eventType=Update*}",
        r#"{ $.eventType = "*Trail" }"#,
        r#"{ $.eventType != "Other" }"#,
        "{ $.sourceIPAddress != 123.123.* }",
        "{ $.sourceIPAddress = 111.111.* }",
        r#"{ $.arrayKey[0] = "value" }"#,
        r#"{ $.arrayKey[*] = "another value" }"#,
        "{ $.objectList[1].id = 2 }",
        "{ $.objectList[*].id >= 2 }",
        "{ $.SomeObject IS NULL }",
        "{ $.SomeOtherObject NOT EXISTS }",
        "{ $.ThisFlag IS TRUE }",
        "{ $.errorCode = 400 }",
        "{ $.errorCode = 4* }",
        "{ $.errorCode = 4e2 }",
        "{ $.errorCode != 500 }",
        "{ $.errorCode > +399 }",
        "{ $.latency <= 12.5 }",
        "{ $.latency = * }",
        "{ $.latency < 10e3 && $.latency > 10e-3 }",
        "{ $['a b'].x = -3 }",
        r#"{ $.["a b"].x < 0 }"#,
        "{ $.* = 400 }",
    ];
    let failing = [
        "{ $.eventType = Update }",
        "{ $.eventType != UpdateTrail }",
        "{ $.arrayKey = value }",
        "{ $.arrayKey != value }",
        "{ $.arrayKey[2] = value }",
        "{ $.eventType[0] = U }",
        "{ $.missing = 1 }",
        "{ $.missing != 1 }",
        "{ $.missing IS NULL }",
        "{ $.SomeObject NOT EXISTS }",
        "{ $.SomeObject = null }",
        "{ $.ThisFlag IS FALSE }",
        "{ $.eventType > 3 }",
        "{ $.latency > 12.5 }",
    ];
    for pattern in holding {
        check(pattern, &[TRAIL], &["not JSON", "", "{"]);
    }
    for pattern in failing {
        check(pattern, &[], &[TRAIL]);
    }
    check("{ $.m NOT EXISTS }", &["{}"], &["{\"m\":null}", "plain text", "12"]);
    check("{ $.status = 200 }", &["{\"status\":\"200\"}"], &["{\"status\":\"200 OK\"}"]);
}

#[test]
fn cwl_pat_2_and_binds_before_or() {
    let message = r#"{"user":{"id":1,"email":"John.Stiles@example.com"},
        "users":[{"id":2,"email":"John.Doe@example.com"},{"id":3,"email":"Jane.Doe@example.com"}],
        "actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}"#;
    check(r#"{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }"#, &[message], &[]);
    check(
        r#"{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }"#,
        &[],
        &[message],
    );
    check(
        r#"{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }"#,
        &[message],
        &[],
    );
    check(
        r#"{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }"#,
        &[],
        &[message],
    );
    check("{ $.coordinates[1][2] = 6 }", &[message], &[]);
}

#[test]
fn cwl_pat_3_space_delimited() {
    let (ok, error, other) = (
        "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /a.gif HTTP/1.0\" 200 1534",
        "127.0.0.1 - frank [10/Oct/2000:13:35:22 -0700] \"GET /b.html HTTP/1.0\" 404 324",
        "127.0.0.1 - anna [10/Oct/2000:13:50:35 -0700] \"GET /c.html HTTP/1.0\" 500 5324",
    );
    let all = [ok, error, other];
    check("[ip, user, username, timestamp, request, status_code, bytes]", &all, &["a b"]);
    check(
        "[ip, user, username, timestamp, request, status_code, bytes > 1000]",
        &[ok, other],
        &[error],
    );
    check("[..., status_code = 4*, bytes]", &[error], &[ok, other]);
    check("[..., request=*.html*, status_code=4*,]", &[error], &[ok, other]);
    check("[ip, user, ..., status_code = 200, bytes]", &[ok], &[error, other]);
    check("[ip, user, username = frank, ...]", &[ok, error], &[other]);
    check("[ip, ..., status_code = 4* && status_code != 403, bytes]", &[error], &[ok, other]);
    check("[ip, ..., (status = 404 || status = 5*), bytes]", &[error, other], &[ok]);
    check("[ip, ..., request = \"GET /c.html*\", status, bytes]", &[other], &[ok, error]);
    check("[...]", &all, &[]);
    // The number of fields counts without an ellipsis.
    check("[w1=ERROR, w2]", &["ERROR message"], &["ERROR WARN message", "WARN message"]);
    check("[w1=ERROR || w1=WARN, w2]", &["ERROR message", "WARN message"], &["INFO message"]);
    check("[w1!=ERROR&&w1!=WARN, w2]", &["INFO message"], &["WARN message"]);
}

#[test]
fn a_bad_pattern_says_where_and_what() {
    let cases = [
        ("foo:bar", 0, "Invalid character(s) in term 'foo:bar'"),
        ("ok user-id", 3, "Invalid character(s) in term 'user-id'"),
        ("a \"b", 2, "double quote is not closed"),
        ("ERROR -", 7, "a term is expected"),
        ("%a(b)%", 2, "parentheses"),
        ("%a!%", 2, "'!' is not supported"),
        ("x %a", 2, "'%' is not closed"),
        ("%[%", 0, "not a regular expression"),
        ("%a% %b% %c%", 8, "at most two"),
        ("{ $.a = 1", 0, "brace is not closed"),
        ("{ a = 1 }", 2, "a property is expected"),
        ("{ $ = 1 }", 3, "a property's name"),
        ("{ $.a }", 6, "= != < <= > >="),
        ("{ $.a == 1 }", 7, "a value is expected"),
        ("{ $.a > x }", 8, "compare with a number"),
        ("{ $.a IS MAYBE }", 9, "NULL, TRUE or FALSE"),
        ("{ $.a NOT THERE }", 10, "EXISTS is expected"),
        ("{ $.a = 1 & $.b = 2 }", 10, "'&&' is expected"),
        ("{ $.a = 1 $.b = 2 }", 10, "'&&', '||' or '}'"),
        ("{ ($.a = 1 }", 11, "'&&', '||' or ')'"),
        ("{ ($.a = 1", 2, "parenthesis is not closed"),
        ("{ $.a = 1 } x", 12, "the pattern ends before"),
        ("{ $.a[x] = 1 }", 6, "an element's number"),
        ("{ $.grün == 1 }", 10, "a value is expected"),
        ("{}", 1, "a property is expected"),
        ("[a, b", 0, "bracket is not closed"),
        ("[a, ..., b, ...]", 12, "one place only"),
        ("[a = 1 && b = 2]", 10, "about one field"),
        ("[a b]", 3, "= != < <= > >="),
    ];
    for (pattern, at, problem) in cases {
        let error = FilterPattern::parse(pattern).expect_err(pattern);
        assert!(error.problem.contains(problem), "{pattern}: {error}");
        assert_eq!(error.at, at, "{error}");
    }
    assert!(FilterPattern::parse(&"a".repeat(1025)).is_err());
    assert!(FilterPattern::parse(&"(".repeat(1000)).is_err());
    assert!(FilterPattern::parse(&format!("{{{}", "(".repeat(1000))).is_err());
}

#[test]
fn cwl_mf_1_values_for_metrics() {
    let json = FilterPattern::parse("{ $.latency = * }").unwrap();
    assert_eq!(json.value(TRAIL.as_bytes(), "$.latency").as_deref(), Some("12.5"));
    assert_eq!(json.value(TRAIL.as_bytes(), "$.objectList[1].name").as_deref(), Some("b"));
    assert_eq!(json.value(TRAIL.as_bytes(), "$.missing"), None);
    let fields = FilterPattern::parse("[..., request=*.html*, status_code=4*,]").unwrap();
    let line =
        b"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534";
    for (name, want) in [("$status_code", "404"), ("$7", "1534"), ("$3", "frank")] {
        assert_eq!(fields.value(line, name).as_deref(), Some(want), "{name}");
    }
    assert_eq!(fields.value(line, "$9"), None);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_or_the_matcher_panic(
        pattern in "[\\[{ ]?[-a$. *\"%?=<>!&|()\\[\\]{},0-9ISNULTRü\\\\]{0,40}",
        message in ".{0,60}",
    ) {
        if let Ok(parsed) = FilterPattern::parse(&pattern) {
            let _ = parsed.matches(message.as_bytes());
            let _ = parsed.value(message.as_bytes(), "$.a");
        }
    }
}
