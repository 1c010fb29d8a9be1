# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  prefix = "${local.prefix}/"
  secrets = {
    cdn-url                = []
    database-url           = []
    jwt-refresh-secret     = []
    jwt-secret             = []
    mail-api-key           = []
    model-api-key          = []
    model-api-key-2        = []
    model-bucket           = []
    payment-api-key        = []
    payment-webhook-secret = []
    public-api-url         = []
    redis-url              = []
    s3-bucket              = []
    search-index-url       = []
    session-secret         = []
    session-url            = []
    sms-api-key            = []
  }
  initial_values = {
    database-url = module.database.url
    redis-url    = module.cache.url
  }
  settings = {
    "/${local.prefix}/config/domain"    = local.domain
    "/${local.prefix}/config/log-level" = local.environment.log_level
    "/${local.prefix}/config/namespace" = local.namespace
  }
  recovery_window_days = local.environment.protected ? 30 : 0
}
