//! Every operation against a platform that is told what its tasks do: answers, errors by their ids,
//! and that no answer says anything the service model does not know.

mod acm;
mod clusters;
mod coverage;
mod delivery;
mod discovery;
mod iam;
mod kms;
mod listeners;
mod load_balancers;
mod log_events;
mod log_groups;
mod mail;
mod messaging;
mod observability;
mod parameters;
mod repositories;
mod rig;
mod route53;
mod run_task;
mod scaling;
mod secrets;
mod service_deployments;
mod services;
mod task_definitions;
mod tasks;
