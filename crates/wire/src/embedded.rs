//! The models that are part of the product, with what finds a request's service before any
//! model is parsed. Made by `cargo run -p xtask -- models`: change the table, not this file.

use crate::models::Source;

/// Every service, by name.
pub(crate) const SOURCES: &[Source] = &[
    Source {
        name: "ecs",
        signing_name: "ecs",
        target_prefix: "AmazonEC2ContainerServiceV20141113",
        api_version: "2014-11-13",
        service_id: "ECS",
        text: include_str!("../models/ecs.json"),
    },
    Source {
        name: "elbv2",
        signing_name: "elasticloadbalancing",
        target_prefix: "",
        api_version: "2015-12-01",
        service_id: "Elastic Load Balancing v2",
        text: include_str!("../models/elbv2.json"),
    },
    Source {
        name: "logs",
        signing_name: "logs",
        target_prefix: "Logs_20140328",
        api_version: "2014-03-28",
        service_id: "CloudWatch Logs",
        text: include_str!("../models/logs.json"),
    },
    Source {
        name: "servicediscovery",
        signing_name: "servicediscovery",
        target_prefix: "Route53AutoNaming_v20170314",
        api_version: "2017-03-14",
        service_id: "ServiceDiscovery",
        text: include_str!("../models/servicediscovery.json"),
    },
    Source {
        name: "sts",
        signing_name: "sts",
        target_prefix: "",
        api_version: "2011-06-15",
        service_id: "STS",
        text: include_str!("../models/sts.json"),
    },
];
