//! The service models: which there are, found cheaply, each parsed once when it is first asked for.

use std::sync::OnceLock;

use crate::embedded::SOURCES;
use crate::shape::Service;

/// A model as it is embedded, with what routing needs before it is parsed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    /// The service in a SigV4 credential scope. Several models may share one.
    pub(crate) signing_name: &'static str,
    /// What stands before the point in X-Amz-Target; empty for other protocols.
    pub(crate) target_prefix: &'static str,
    pub(crate) api_version: &'static str,
    /// The name in User-Agent (`api/...`) and in rpc-v2-cbor paths.
    pub(crate) service_id: &'static str,
    pub(crate) text: &'static str,
}

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not JSON of the expected form.
    #[error("the model of {service} is not in the form of a botocore service-2.json")]
    Form {
        /// Whose model.
        service: String,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// A shape that is referred to is missing.
    #[error("the model of {service} refers to the shape {shape} and does not have it")]
    MissingShape {
        /// Whose model.
        service: String,
        /// The missing one.
        shape: String,
    },
    /// A type this crate does not know.
    #[error("the model of {service} has the shape {shape} of the unknown type {kind}")]
    UnknownType {
        /// Whose model.
        service: String,
        /// The shape.
        shape: String,
        /// Its `type`.
        kind: String,
    },
}

#[derive(Debug)]
struct Entry {
    name: String,
    signing_name: String,
    target_prefix: String,
    api_version: String,
    service_id: String,
    text: &'static str,
    parsed: OnceLock<Option<Service>>,
}

/// The models a wire is driven by.
#[derive(Debug)]
pub struct Models {
    entries: Vec<Entry>,
}

impl Models {
    /// The models that are part of the product. None is parsed yet.
    #[must_use]
    pub fn embedded() -> Self {
        let entries = SOURCES.iter().map(|source| Entry {
            name: source.name.to_owned(),
            signing_name: source.signing_name.to_owned(),
            target_prefix: source.target_prefix.to_owned(),
            api_version: source.api_version.to_owned(),
            service_id: source.service_id.to_owned(),
            text: source.text,
            parsed: OnceLock::new(),
        });
        Self { entries: entries.collect() }
    }

    /// Adds a model in botocore's form under a short name; it is parsed at once.
    ///
    /// # Errors
    /// When it is not such a model.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ModelError> {
        let service = Service::parse(name, text)?;
        let metadata = &service.metadata;
        self.entries.push(Entry {
            name: name.to_owned(),
            signing_name: metadata.signing_name().to_owned(),
            target_prefix: metadata.target_prefix.clone().unwrap_or_default(),
            api_version: metadata.api_version.clone(),
            service_id: metadata.service_id.clone(),
            text: "",
            parsed: OnceLock::from(Some(service)),
        });
        Ok(())
    }

    /// Short names of all services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The operations of a service: those the model knows in full, and then the names of the others
    /// that AWS has. Nothing for a service that is not here.
    #[must_use]
    pub fn operations(&self, service: &str) -> (Vec<&str>, Vec<&str>) {
        let Some(service) = self.service(service) else { return (Vec::new(), Vec::new()) };
        let known = service.operations.values().map(|operation| operation.name.as_str());
        (known.collect(), service.others.iter().map(String::as_str).collect())
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.entries.iter().find(|entry| entry.name == name).and_then(Entry::service)
    }

    pub(crate) fn by_target_prefix(&self, prefix: &str) -> Option<&Service> {
        // Some models say a package, too, which not every client sends (CloudTrail).
        let is = |known: &str| known == prefix || known.rsplit('.').next() == Some(prefix);
        let mut entries = self.entries.iter();
        entries
            .find(|entry| !entry.target_prefix.is_empty() && is(&entry.target_prefix))
            .and_then(Entry::service)
    }

    /// By the scope's service, and by API version among those that share it. With no scope the
    /// version has to be enough.
    pub(crate) fn by_signing_name(
        &self,
        signing_name: Option<&str>,
        api_version: Option<&str>,
    ) -> Option<&Service> {
        if signing_name.is_none() && api_version.is_none() {
            return None;
        }
        let mut entries = self.entries.iter();
        entries
            .find(|entry| {
                signing_name.is_none_or(|name| entry.signing_name == name)
                    && api_version.is_none_or(|version| entry.api_version == version)
            })
            .and_then(Entry::service)
    }

    /// By the segment after `/service/` of an rpc-v2-cbor path: the target prefix, or the service id.
    pub(crate) fn by_rpc_name(&self, name: &str) -> Option<&Service> {
        let mut entries = self.entries.iter();
        entries
            .find(|entry| entry.target_prefix == name || entry.service_id == name)
            .and_then(Entry::service)
    }
}

impl Default for Models {
    fn default() -> Self {
        Self::embedded()
    }
}

impl Entry {
    fn service(&self) -> Option<&Service> {
        // The embedded ones are held to parse by a test, so nothing is lost by the `ok`.
        self.parsed.get_or_init(|| Service::parse(&self.name, self.text).ok()).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_model_parses() {
        for source in SOURCES {
            let service = Service::parse(source.name, source.text).expect(source.name);
            assert_eq!(service.metadata.signing_name(), source.signing_name, "{}", source.name);
            assert_eq!(service.metadata.service_id, source.service_id);
        }
    }

    #[test]
    fn services_are_found_by_what_requests_carry() {
        let models = Models::embedded();
        let name = |service: Option<&Service>| service.map(|s| s.name.clone()).unwrap_or_default();
        assert_eq!(name(models.by_target_prefix("AmazonEC2ContainerServiceV20141113")), "ecs");
        let packaged = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";
        assert_eq!(name(models.by_target_prefix(packaged)), "cloudtrail");
        assert_eq!(name(models.by_target_prefix("CloudTrail_20131101")), "cloudtrail");
        assert_eq!(
            name(models.by_signing_name(Some("elasticloadbalancing"), Some("2015-12-01"))),
            "elbv2"
        );
        assert_eq!(name(models.by_signing_name(None, Some("2011-06-15"))), "sts");
        assert_eq!(
            name(models.by_signing_name(Some("elasticloadbalancing"), Some("2012-06-01"))),
            ""
        );
        assert_eq!(name(models.by_signing_name(None, None)), "");
        assert_eq!(name(models.by_target_prefix("")), "");
    }
}
