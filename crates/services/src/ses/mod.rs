//! Amazon SES, the first version of its API: domains that mail is sent from, and configuration
//! sets. No mail leaves from here.

mod configuration_sets;
mod identities;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::{Answer, Table};

pub(crate) const OPERATIONS: Table = &[
    ("CreateConfigurationSet", configuration_sets::create),
    ("CreateConfigurationSetEventDestination", configuration_sets::create_destination),
    ("DeleteConfigurationSet", configuration_sets::delete),
    ("DeleteConfigurationSetEventDestination", configuration_sets::delete_destination),
    ("DeleteIdentity", identities::delete),
    ("DescribeConfigurationSet", configuration_sets::describe),
    ("GetIdentityDkimAttributes", identities::dkim),
    ("GetIdentityMailFromDomainAttributes", identities::mail_from),
    ("GetIdentityVerificationAttributes", identities::verification),
    ("GetSendQuota", send_quota),
    ("ListConfigurationSets", configuration_sets::list),
    ("ListIdentities", identities::list),
    ("PutConfigurationSetDeliveryOptions", configuration_sets::put_delivery_options),
    ("SetIdentityMailFromDomain", identities::set_mail_from),
    ("UpdateConfigurationSetEventDestination", configuration_sets::update_destination),
    ("UpdateConfigurationSetReputationMetricsEnabled", configuration_sets::set_metrics),
    ("UpdateConfigurationSetSendingEnabled", configuration_sets::set_sending),
    ("VerifyDomainDkim", identities::verify_dkim),
    ("VerifyDomainIdentity", identities::verify),
];

/// What an account has that was not allowed more yet.
fn send_quota(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Max24HourSend": 200, "MaxSendRate": 1, "SentLast24Hours": 0 })))
}
