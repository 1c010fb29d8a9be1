locals {
  # What services are given: secrets by name and key of their JSON, parameters by path.
  references   = distinct(flatten([for service in values(local.services) : values(service.secrets)]))
  secret_names = distinct([for reference in local.references : split(":", reference)[0] if substr(reference, 0, 1) != "/"])
  secrets = {
    for name in local.secret_names : name => [
      for reference in local.references : split(":", reference)[1] if length(split(":", reference)) == 2 && split(":", reference)[0] == name
    ]
  }
}

# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  secrets              = local.secrets
  parameters           = [for reference in local.references : reference if substr(reference, 0, 1) == "/"]
  recovery_window_days = local.protected ? 30 : 0
}
