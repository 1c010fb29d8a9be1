//! Reads a model in botocore's form (`service-2.json`, as pruned by xtask).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{
    ErrorTrait, Kind, Location, Member, Metadata, Namespace, Operation, Options, Pattern, Service,
    Shape, ShapeId, Structure, TimestampFormat,
};
use crate::models::ModelError;
use crate::uri::Template;

impl Service {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, ModelError> {
        let form = |source| ModelError::Form { service: name.to_owned(), source };
        let raw: RawModel = serde_json::from_str(text).map_err(form)?;
        let ids = raw.shapes.keys().enumerate().map(|(i, name)| (name.clone(), ShapeId(i)));
        let parser = Parser { service: name, ids: ids.collect() };
        let mut namespace = raw.metadata.xml_namespace.clone();
        let mut operations = BTreeMap::new();
        for (operation_name, operation) in raw.operations {
            if namespace.is_none() {
                namespace = operation.input.as_ref().and_then(|io| io.xml_namespace.clone());
            }
            operations.insert(operation_name.clone(), parser.operation(operation_name, operation)?);
        }
        let mut shapes = Vec::with_capacity(raw.shapes.len());
        for (shape_name, shape) in raw.shapes {
            shapes.push(parser.shape(shape_name, shape)?);
        }
        Ok(Self {
            name: name.to_owned(),
            metadata: raw.metadata,
            options: raw.options,
            operations,
            others: raw.others,
            xml_namespace: namespace.map(|namespace| namespace.uri().to_owned()),
            shapes,
        })
    }
}

struct Parser<'a> {
    service: &'a str,
    ids: HashMap<String, ShapeId>,
}

impl Parser<'_> {
    fn id(&self, shape: &str) -> Result<ShapeId, ModelError> {
        self.ids.get(shape).copied().ok_or_else(|| ModelError::MissingShape {
            service: self.service.to_owned(),
            shape: shape.to_owned(),
        })
    }

    fn operation(&self, name: String, raw: RawOperation) -> Result<Operation, ModelError> {
        let errors = raw.errors.iter().map(|error| self.id(&error.shape));
        let input = raw.input.as_ref().map(|io| self.id(&io.shape)).transpose()?;
        let output = raw.output.as_ref().map(|io| self.id(&io.shape)).transpose()?;
        Ok(Operation {
            name,
            method: raw.http.method,
            template: Template::parse(&raw.http.request_uri),
            status: raw.http.response_code,
            errors: errors.collect::<Result<_, _>>()?,
            input,
            output,
            result_wrapper: raw.output.and_then(|io| io.result_wrapper),
        })
    }

    fn member(&self, name: &str, raw: RawMember) -> Result<Member, ModelError> {
        Ok(Member {
            name: name.to_owned(),
            shape: self.id(&raw.shape)?,
            location: raw.location,
            location_name: raw.location_name,
            query_name: raw.query_name,
            namespace: raw.xml_namespace,
            xml_attribute: raw.xml_attribute,
            flattened: raw.flattened,
            timestamp_format: raw.timestamp_format,
        })
    }

    fn shape(&self, name: String, raw: RawShape) -> Result<Shape, ModelError> {
        let unknown = |kind: &str| ModelError::UnknownType {
            service: self.service.to_owned(),
            shape: name.clone(),
            kind: kind.to_owned(),
        };
        let kind = match raw.kind.as_str() {
            "structure" => {
                let members: Vec<Member> = raw
                    .members
                    .into_iter()
                    .map(|(name, member)| self.member(&name, member))
                    .collect::<Result<_, _>>()?;
                let names = members.iter().enumerate().map(|(i, m)| (m.name.clone(), i));
                Kind::Structure(Structure {
                    by_name: names.collect(),
                    members,
                    required: raw.required,
                    payload: raw.payload,
                    document: raw.document,
                })
            }
            "list" => {
                let member = raw.member.ok_or_else(|| unknown("list without member"))?;
                Kind::List(self.member("member", member)?)
            }
            "map" => {
                let key = raw.key.ok_or_else(|| unknown("map without key"))?;
                let value = raw.value.ok_or_else(|| unknown("map without value"))?;
                Kind::Map(self.member("key", key)?, self.member("value", value)?)
            }
            "string" | "character" => Kind::String,
            "boolean" => Kind::Boolean,
            "integer" | "short" | "byte" => Kind::Integer,
            "long" | "bigInteger" => Kind::Long,
            "float" | "double" | "bigDecimal" => Kind::Float,
            "blob" => Kind::Blob,
            "timestamp" => Kind::Timestamp,
            other => return Err(unknown(other)),
        };
        let mut error = raw.error;
        error.service_fault = raw.fault || error.http_status_code.is_some_and(|s| s >= 500);
        Ok(Shape {
            name,
            kind,
            min: raw.min,
            max: raw.max,
            enumeration: raw.enumeration,
            pattern: raw.pattern.map(Pattern::new),
            sensitive: raw.sensitive,
            flattened: raw.flattened,
            location_name: raw.location_name,
            timestamp_format: raw.timestamp_format,
            error,
        })
    }
}

#[derive(Deserialize)]
struct RawModel {
    metadata: Metadata,
    operations: BTreeMap<String, RawOperation>,
    shapes: BTreeMap<String, RawShape>,
    #[serde(default)]
    options: Options,
    #[serde(default)]
    others: Vec<String>,
}

#[derive(Deserialize)]
struct RawOperation {
    http: RawHttp,
    input: Option<RawIo>,
    output: Option<RawIo>,
    #[serde(default)]
    errors: Vec<RawIo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHttp {
    method: String,
    request_uri: String,
    #[serde(default = "ok")]
    response_code: u16,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIo {
    shape: String,
    result_wrapper: Option<String>,
    xml_namespace: Option<Namespace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawShape {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    members: BTreeMap<String, RawMember>,
    #[serde(default)]
    required: Vec<String>,
    payload: Option<String>,
    member: Option<RawMember>,
    key: Option<RawMember>,
    value: Option<RawMember>,
    min: Option<f64>,
    max: Option<f64>,
    #[serde(default, rename = "enum")]
    enumeration: Vec<String>,
    pattern: Option<String>,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    flattened: bool,
    #[serde(default)]
    document: bool,
    #[serde(default)]
    fault: bool,
    location_name: Option<String>,
    timestamp_format: Option<TimestampFormat>,
    #[serde(default)]
    error: ErrorTrait,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMember {
    shape: String,
    location: Option<Location>,
    location_name: Option<String>,
    query_name: Option<String>,
    xml_namespace: Option<Namespace>,
    #[serde(default)]
    xml_attribute: bool,
    #[serde(default)]
    flattened: bool,
    timestamp_format: Option<TimestampFormat>,
}
