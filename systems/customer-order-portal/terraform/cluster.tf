module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name = local.cluster
  default_capacity_provider_strategy = [
    { capacity_provider = "FARGATE_SPOT", base = 0, weight = 100 },
    { capacity_provider = "FARGATE", base = 0, weight = 0 },
  ]
}
