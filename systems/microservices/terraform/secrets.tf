# One secret for each service and environment. Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  secrets = merge([
    for name in var.environments : {
      for key, service in local.described : "${key}-${local.environments[name].secret}-config" => service.secrets
    }
  ]...)
  recovery_window_days = var.protect ? 30 : 0
}
