locals {
  # What services are given: secrets by name and key of their JSON, parameters by path.
  references   = distinct(flatten([for service in values(local.services) : values(service.secrets)]))
  secret_names = distinct([for reference in local.references : split(":", reference)[0] if substr(reference, 0, 1) != "/"])
  secrets = {
    for name in local.secret_names : name => [
      for reference in local.references : split(":", reference)[1] if length(split(":", reference)) == 2 && split(":", reference)[0] == name
    ]
  }

  # Besides: settings, and secrets that no service is given.
  parameters = {
    "${local.parameter}/app/allowed-hosts"                = { value = local.allowed_hosts, secret = true }
    "${local.parameter}/aws/s3-bucket-name"               = { value = "${local.prefix}-static-${local.account}", secret = true }
    "${local.parameter}/seed-data/owner-default-password" = { value = null, secret = true }
  }
}

# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  secrets = local.secrets
  parameters = distinct(concat(
    [for reference in local.references : reference if substr(reference, 0, 1) == "/"],
    [for name, parameter in local.parameters : name if parameter.secret],
  ))
  settings = { for name, parameter in local.parameters : name => parameter.value if !parameter.secret }
  initial_values = merge(
    { for key, database in local.databases : database.url => module.databases[key].url if database.url != null },
    { for key, cache in local.caches : cache.url => module.caches[key].url if cache.url != null },
    { for name, parameter in local.parameters : name => parameter.value if parameter.secret && parameter.value != null },
  )
  recovery_window_days = local.protected ? 30 : 0
}
