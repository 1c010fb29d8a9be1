//! DescribeParameters, and the filters of listings.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{Found, arn_of, description, errors, find};
use crate::error::AwsError;
use crate::{Answer, fields, page, tags};

/// Whether a name lies below a path: at once, or anywhere.
pub(super) fn below(name: &str, path: &str, is_recursive: bool) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let rest = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| is_recursive || !rest.contains('/'))
}

/// The filters of a request.
pub(super) struct Asked(Vec<Filter>);

struct Filter {
    key: String,
    option: Option<String>,
    values: Vec<String>,
}

impl Asked {
    pub(super) fn read(filters: &[Value]) -> Result<Asked, AwsError> {
        let mut read = Vec::new();
        for filter in filters {
            let key = fields::owned(filter, "Key").unwrap_or_default();
            let known = ["Name", "Path", "Type", "KeyId", "Tier", "DataType", "Label"];
            if !known.contains(&key.as_str()) && !key.starts_with("tag:") {
                return Err(errors::invalid_filter(&key));
            }
            let values = fields::texts(filter, "Values").into_iter().map(str::to_owned);
            let option = fields::owned(filter, "Option");
            read.push(Filter { key, option, values: values.collect() });
        }
        Ok(Asked(read))
    }

    pub(super) fn pass(&self, found: &Found<'_>) -> bool {
        let Ok(newest) = found.newest() else { return false };
        self.0.iter().all(|filter| {
            let has = |text: &str| filter.has(text);
            match filter.key.as_str() {
                "Name" => has(found.name()) || has(found.name().trim_start_matches('/')),
                "Path" => {
                    let is_recursive = filter.option.as_deref() == Some("Recursive");
                    filter.values.iter().any(|path| below(found.name(), path, is_recursive))
                }
                "Label" => found.labels().keys().any(|label| has(label)),
                "Tier" => has(fields::text(&newest.said, "Tier").unwrap_or("Standard")),
                "DataType" => has(fields::text(&newest.said, "DataType").unwrap_or("text")),
                "KeyId" => {
                    newest.said["Type"] == "SecureString"
                        && has(fields::text(&newest.said, "KeyId").unwrap_or(super::DEFAULT_KEY))
                }
                "Type" => has(fields::text(&newest.said, "Type").unwrap_or_default()),
                tag => {
                    let tags = tags::noted(&found.said);
                    let value = tags.get(tag.trim_start_matches("tag:"));
                    value.is_some_and(|value| filter.values.is_empty() || has(value))
                }
            }
        })
    }
}

impl Filter {
    fn has(&self, text: &str) -> bool {
        self.values.iter().any(|value| match self.option.as_deref() {
            Some("BeginsWith") => text.starts_with(value.as_str()),
            Some("Contains") => text.contains(value.as_str()),
            _ => text == value,
        })
    }
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    if !fields::list(input, "Filters").is_empty()
        && !fields::list(input, "ParameterFilters").is_empty()
    {
        return Err(errors::invalid(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let mut filters = Asked::read(fields::list(input, "ParameterFilters"))?;
    // The older kind looks at the beginning of names.
    for mut filter in Asked::read(fields::list(input, "Filters"))?.0 {
        filter.option = (filter.key == "Name").then(|| "BeginsWith".to_owned());
        filters.0.push(filter);
    }
    let found = platform.parameters().filter_map(|p| find(platform, &p.name));
    let found: Vec<Found<'_>> = found.filter(|found| filters.pass(found)).collect();
    let size = fields::number(input, "MaxResults").unwrap_or(50) as usize;
    let token = fields::text(input, "NextToken");
    let page = page::page(found, |found| found.name().to_owned(), false, token, size)
        .map_err(|_| errors::invalid_token())?;
    let views = page.entries.iter().map(|found| {
        let mut view = description(platform, found, &found.newest()?);
        view["ARN"] = json!(arn_of(platform, found.name()));
        Ok(view)
    });
    let mut answer = json!({ "Parameters": views.collect::<Result<Vec<_>, AwsError>>()? });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}
