locals {
  # What services are given: secrets by name and key of their JSON, parameters by path.
  references   = distinct(flatten([for service in values(local.services) : values(service.secrets)]))
  secret_names = distinct([for reference in local.references : split(":", reference)[0] if substr(reference, 0, 1) != "/"])
  secrets = {
    for name in local.secret_names : name => [
      for reference in local.references : split(":", reference)[1] if length(split(":", reference)) == 2 && split(":", reference)[0] == name
    ]
  }

<<parameters>> #if parameters
}

# Values are put by hand: see the README of the module.
module "secrets" {
  source = "<<modules>>/secrets"

  secrets = local.secrets
#if parameters
  parameters = distinct(concat(
    [for reference in local.references : reference if substr(reference, 0, 1) == "/"],
    [for name, parameter in local.parameters : name if parameter.secret],
  ))
#end
  parameters = [for reference in local.references : reference if substr(reference, 0, 1) == "/"] #if !parameters
  settings = { for name, parameter in local.parameters : name => parameter.value if !parameter.secret } #if parameters
  initial_values = merge( #if initial
    { for key, database in local.databases : database.url => module.databases[key].url if database.url != null }, #if databases
    { for key, cache in local.caches : cache.url => module.caches[key].url if cache.url != null }, #if caches
    { for name, parameter in local.parameters : name => parameter.value if parameter.secret && parameter.value != null }, #if parameters
  ) #if initial
  recovery_window_days = local.protected ? 30 : 0
}
