//! Every operation against a platform that is told what its tasks do: answers, errors by their ids,
//! and that no answer says anything the service model does not know.

mod clusters;
mod coverage;
mod discovery;
mod iam;
mod kms;
mod listeners;
mod load_balancers;
mod log_events;
mod log_groups;
mod messaging;
mod parameters;
mod repositories;
mod rig;
mod route53;
mod run_task;
mod secrets;
mod service_deployments;
mod services;
mod task_definitions;
mod tasks;
