# What the environments differ in; everything else has one definition.
locals {
  environments = {
    dev = {
      vpc                                = "10.0"
      databases_multi_az                 = false
      databases_backup_retention_days    = 1
      monitoring_response_time_threshold = 3
      monitoring_errors_threshold        = 25
      protected                          = false
      defaults                           = { log_retention_days = 7 }
      services = {
        app = {
          health_check_grace_period_seconds = 360
          capacity_provider_strategy        = [{ capacity_provider = "FARGATE_SPOT", base = 0, weight = 1 }]
          # Cheap rather than smooth: a deployment may take the service down for a moment.
          minimum_healthy_percent = 0
          target_group            = true
          deregistration_delay    = 15
        }
      }
    }

    prod = {
      vpc                                = "10.1"
      databases_multi_az                 = true
      databases_backup_retention_days    = 7
      monitoring_response_time_threshold = 1
      monitoring_errors_threshold        = 10
      protected                          = true
      defaults                           = {}
      services                           = {}
    }
  }
  environment = local.environments[var.environment]

  prefix         = "backend-booking-${var.environment}"
  allowed_hosts  = "api-${var.environment}.${var.zone}"
  parameter      = "/backend-booking/${var.environment}"
  cluster        = "${local.prefix}-cluster"
  namespace_name = "${local.prefix}.local"
  host_names     = [local.allowed_hosts]
  tags           = { Project = "backend-booking", Environment = var.environment }
  protected      = var.protect == null ? local.environment.protected : var.protect

  network = {
    name = local.prefix
    cidr = "${local.environment.vpc}.0.0/16"
    nat  = "single"
    subnets = {
      public-a  = { zone = "${var.region}a", cidr = "${local.environment.vpc}.1.0/24", tier = "public" }
      public-b  = { zone = "${var.region}b", cidr = "${local.environment.vpc}.2.0/24", tier = "public" }
      private-a = { zone = "${var.region}a", cidr = "${local.environment.vpc}.10.0/24", tier = "private" }
      private-b = { zone = "${var.region}b", cidr = "${local.environment.vpc}.11.0/24", tier = "private" }
    }
    endpoint_security_groups = ["tasks"]
  }

  security_groups = {
    alb = {
      description = "Load balancer"
      ingress = [
        { port = "80", protocol = "tcp", peer = "anywhere" },
        { port = "443", protocol = "tcp", peer = "anywhere" },
      ]
      egress = null
    }
    tasks = {
      description = "Tasks"
      ingress     = [{ port = "8000", protocol = "tcp", peer = "alb" }]
      egress      = null
    }
    database = {
      description = "Database"
      ingress     = [{ port = "5432", protocol = "tcp", peer = "tasks" }]
      egress      = null
    }
    redis = {
      description = "Redis"
      ingress     = [{ port = "6379", protocol = "tcp", peer = "tasks" }]
      egress      = null
    }
  }

  load_balancer = {
    name             = "${local.prefix}-alb"
    subnets          = ["public-a", "public-b"]
    security_groups  = ["alb"]
    idle_timeout     = 60
    default_service  = "app"
    default_response = null
  }

  service_alarms = { cpu = 80, memory = 80, period = 300, evaluation_periods = 2 }
}
