//! Amazon Route 53: hosted zones and their records. They are kept and given back; names that tasks
//! look up are answered by service discovery, not from here.

mod change_records;
mod list_records;
mod names;
mod records;
mod tagging;
mod zones;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, Table, fields};

pub(crate) use records::{has_value, has_zone_for};

pub(crate) const OPERATIONS: Table = &[
    ("ChangeResourceRecordSets", change_records::change),
    ("ChangeTagsForResource", tagging::change),
    ("CreateHostedZone", zones::create),
    ("DeleteHostedZone", zones::delete),
    ("GetChange", get_change),
    ("GetDNSSEC", zones::dnssec),
    ("GetHostedZone", zones::get),
    ("GetHostedZoneCount", zones::count),
    ("ListHostedZones", zones::list),
    ("ListHostedZonesByName", zones::list_by_name),
    ("ListResourceRecordSets", list_records::list),
    ("ListTagsForResource", tagging::list),
    ("UpdateHostedZoneComment", zones::update_comment),
];

fn invalid_input(message: impl Into<String>) -> AwsError {
    error::client("InvalidInput", message)
}

/// A number that Route 53 takes as text.
fn max_items(input: &Value, most: usize) -> Result<usize, AwsError> {
    match fields::text(input, "MaxItems").map(str::parse::<usize>) {
        None => Ok(most),
        Some(Ok(size)) if size > 0 => Ok(size.min(most)),
        Some(_) => Err(invalid_input("MaxItems must be a positive number")),
    }
}

/// How many hexadecimal digits of a change's id tell when it was made.
const TIME_DIGITS: usize = 11;

/// The description of a change made now. It takes effect at once, so nothing is remembered of it
/// but when it was made, and its id says so.
fn change_info(platform: &Platform, ids: &mut Ids, comment: Option<&str>) -> Value {
    let now = platform.now();
    let start = format!("C{:0TIME_DIGITS$X}", now.0);
    let mut info = json!({
        "Id": format!("/change/{}", ids.capitals(&start, 21)),
        // The change is in sync when it is first asked after, as with Route 53.
        "Status": "PENDING",
        "SubmittedAt": fields::time(now),
    });
    fields::set(&mut info, "Comment", comment);
    info
}

fn get_change(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let given = fields::text(input, "Id").unwrap_or_default();
    let id = given.trim_start_matches("/change/");
    let made = id.strip_prefix('C').and_then(|rest| rest.get(..TIME_DIGITS));
    let Some(Ok(made)) = made.map(|digits| u64::from_str_radix(digits, 16)) else {
        let why = format!("Could not find resource with ID: {id}");
        return Err(error::client("NoSuchChange", why).with_status(404));
    };
    Ok(Answer::Now(json!({ "ChangeInfo": {
        "Id": format!("/change/{id}"),
        "Status": "INSYNC",
        "SubmittedAt": made as f64 / 1000.0,
    } })))
}
