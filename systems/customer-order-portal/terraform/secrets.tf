locals {
  log_kms_key_arn = null
}

# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  prefix = "${local.prefix}/"
  secrets = {
    database     = ["DATABASE_URL"]
    openai       = ["OPENAI_API_KEY"]
    notification = ["MAIL_API_KEY", "SMS_API_KEY"]
    salesforce   = ["SALESFORCE_USERNAME", "SALESFORCE_PASSWORD", "SALESFORCE_SECURITY_TOKEN"]
  }
  initial_values       = { "database:DATABASE_URL" = module.database.url }
  recovery_window_days = local.environment.protected ? 30 : 0
}
