<<pipeline_comment>>
module "pipeline" {
  source = "<<modules>>/pipeline"
  count  = var.source_repository == null ? 0 : 1

  name                   = local.network.name
  account_id             = local.account
  region                 = var.region
  repository             = var.source_repository
  branch                 = var.source_branch
  image_repository       = { url = "${local.registry}/${<<image>>}", arn = "arn:aws:ecr:${var.region}:${local.account}:repository/${<<image>>}" }
  cluster                = local.cluster
  deployments            = { for service in values(local.services) : service.name => service.container_name }
  role_arns              = [module.ecs_cluster.execution_role_arn, module.ecs_cluster.task_role_arn]
  notifications_enabled  = true
  notification_topic_arn = module.monitoring.topic_arn
}
