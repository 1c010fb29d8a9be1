# Values are put by hand: see the README of the module.
module "secrets" {
  source = "../../../terraform/modules/secrets"

  parameters = concat(
    ["${local.parameter}/redis-connection"],
    [for key in keys(local.databases) : "${local.parameter}/${key}/database-connection"],
  )
  initial_values = merge(
    { "${local.parameter}/redis-connection" = module.cache.url },
    { for key, database in module.databases : "${local.parameter}/${key}/database-connection" => database.url },
  )
}
