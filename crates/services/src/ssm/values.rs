//! Values of parameters: one, several, below a path, and all versions of one.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::describe::{Asked, below};
use super::{Found, Version, arn_of, asked, description, errors, find, name_of, public};
use crate::error::AwsError;
use crate::rooms::Rooms;
use crate::{Answer, fields, page};

/// What is shown of a value: itself, or how it lies there, when it is secret and was not asked to
/// be opened.
fn value(
    rooms: &dyn Rooms,
    found: &Found<'_>,
    version: &Version<'_>,
    decrypt: bool,
) -> Result<String, AwsError> {
    if version.said["Type"] == "SecureString" && !decrypt {
        return Ok(version.value.0.clone());
    }
    rooms.unseal(version.value).ok_or_else(|| errors::decryption(found.name()))
}

fn shown(
    platform: &Platform,
    rooms: &dyn Rooms,
    found: &Found<'_>,
    version: &Version<'_>,
    decrypt: bool,
) -> Result<Value, AwsError> {
    let at = fields::number(&version.said, "at").unwrap_or_default();
    Ok(json!({
        "Name": found.name(),
        "Type": version.said["Type"],
        "Value": value(rooms, found, version, decrypt)?,
        "Version": version.number,
        "LastModifiedDate": fields::time(neargate_core::time::Time(at)),
        "ARN": arn_of(platform, found.name()),
        "DataType": fields::text(&version.said, "DataType").unwrap_or("text"),
    }))
}

/// A name, perhaps with a version or label behind a colon.
fn split(text: &str) -> (&str, Option<&str>) {
    let name = name_of(text);
    match name.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (name, None),
    }
}

fn one(
    platform: &Platform,
    rooms: &dyn Rooms,
    text: &str,
    decrypt: bool,
) -> Result<Value, AwsError> {
    let (name, selector) = split(text);
    if let Some(published) = public::parameter(&platform.identity().region, name) {
        return Ok(published);
    }
    let found = find(platform, name).ok_or_else(errors::not_found)?;
    let Some(selector) = selector else {
        return shown(platform, rooms, &found, &found.newest()?, decrypt);
    };
    let number = selector.parse().ok().or_else(|| found.labels().get(selector).copied());
    let version = number.and_then(|number| found.version(number));
    let version = version.ok_or_else(|| errors::no_version(selector, name))?;
    let mut shown = shown(platform, rooms, &found, &version, decrypt)?;
    shown["Selector"] = json!(format!(":{selector}"));
    Ok(shown)
}

fn decrypts(input: &Value) -> bool {
    fields::flag(input, "WithDecryption").unwrap_or(false)
}

pub(super) fn get(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::owned(input, "Name").unwrap_or_default();
    let decrypt = decrypts(input);
    Answer::here(move |platform, rooms| {
        Ok(Answer::Now(json!({ "Parameter": one(platform, rooms, &name, decrypt)? })))
    })
}

pub(super) fn get_several(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let input = input.clone();
    Answer::here(move |platform, rooms| {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for name in fields::texts(&input, "Names") {
            match one(platform, rooms, name, decrypts(&input)) {
                Ok(parameter) => found.push(parameter),
                Err(error) if error.code == "InvalidKeyId" => return Err(error),
                Err(_) => missing.push(name),
            }
        }
        Ok(Answer::Now(json!({ "Parameters": found, "InvalidParameters": missing })))
    })
}

pub(super) fn by_path(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let path = fields::text(input, "Path").unwrap_or_default();
    if !path.starts_with('/') {
        return Err(errors::invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must \
             begin with a forward slash \"/\".",
        ));
    }
    let input = input.clone();
    Answer::here(move |platform, rooms| {
        let path = fields::text(&input, "Path").unwrap_or_default();
        let is_recursive = fields::flag(&input, "Recursive").unwrap_or(false);
        let filters = Asked::read(fields::list(&input, "ParameterFilters"))?;
        let own = platform.parameters().filter_map(|p| find(platform, &p.name));
        let own = own.filter(|found| filters.pass(found));
        let mut names: Vec<String> = own.map(|found| found.name().to_owned()).collect();
        names.extend(public::below(path).map(str::to_owned));
        names.retain(|name| below(name, path, is_recursive));
        names.sort_unstable();
        let size = fields::number(&input, "MaxResults").unwrap_or(10) as usize;
        let token = fields::text(&input, "NextToken");
        let page = page::page(names, String::clone, false, token, size)
            .map_err(|_| errors::invalid_token())?;
        let decrypt = decrypts(&input);
        let shown = page.entries.iter().map(|name| one(platform, rooms, name, decrypt));
        let mut answer = json!({ "Parameters": shown.collect::<Result<Vec<_>, _>>()? });
        fields::set(&mut answer, "NextToken", page.next);
        Ok(Answer::Now(answer))
    })
}

pub(super) fn history(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    asked(platform, input, "Name")?;
    let input = input.clone();
    Answer::here(move |platform, rooms| {
        let found = asked(platform, &input, "Name")?;
        let size = fields::number(&input, "MaxResults").unwrap_or(50) as usize;
        let token = fields::text(&input, "NextToken");
        let key = |version: &Version<'_>| format!("{:020}", version.number);
        let page = page::page(found.versions().collect(), key, false, token, size)
            .map_err(|_| errors::invalid_token())?;
        let shown = page.entries.iter().map(|version| {
            let mut view = description(platform, &found, version);
            view["Value"] = json!(value(rooms, &found, version, decrypts(&input))?);
            view["Labels"] = json!(fields::texts(&version.said, "Labels"));
            Ok(view)
        });
        let mut answer = json!({ "Parameters": shown.collect::<Result<Vec<_>, AwsError>>()? });
        fields::set(&mut answer, "NextToken", page.next);
        Ok(Answer::Now(answer))
    })
}
