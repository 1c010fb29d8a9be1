# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  parameters = [
    "${local.parameter}/app/allowed-hosts",
    "${local.parameter}/app/django-secret-key",
    "${local.parameter}/aws/s3-bucket-name",
    "${local.parameter}/database/password",
    "${local.parameter}/database/url",
    "${local.parameter}/redis/url",
    "${local.parameter}/seed-data/owner-default-password",
    "${local.parameter}/third-party/twilio-account-sid",
    "${local.parameter}/third-party/twilio-auth-token",
    "${local.parameter}/third-party/twilio-phone-number",
  ]
  initial_values = {
    "${local.parameter}/app/allowed-hosts"  = local.allowed_hosts
    "${local.parameter}/aws/s3-bucket-name" = "${local.prefix}-static-${local.account}"
    "${local.parameter}/database/url"       = module.database.url
    "${local.parameter}/redis/url"          = module.cache.url
  }
}
