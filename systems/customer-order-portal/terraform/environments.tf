# What the environments differ in; everything else has one definition.
locals {
  environments = {
    development = {
      vpc      = "10.2"
      defaults = {}
      services = {}
    }

    staging = {
      vpc      = "10.1"
      defaults = {}
      services = {}
    }

    production = {
      vpc      = "10.0"
      defaults = {}
      services = {}
    }
  }
  environment = local.environments[var.environment]

  prefix         = "customer-order-portal-${var.environment}"
  domain         = "${local.prefix}.local"
  cluster        = local.prefix
  namespace_name = local.domain
  host_names     = ["api.${var.zone}"]
  tags           = { Project = "customer-order-portal", Environment = var.environment }
  protected      = var.protect == null ? false : var.protect

  network = {
    name = local.prefix
    cidr = "${local.environment.vpc}.0.0/16"
    nat  = "single"
    subnets = {
      public-a   = { zone = "${var.region}a", cidr = "${local.environment.vpc}.1.0/24", tier = "public" }
      public-b   = { zone = "${var.region}b", cidr = "${local.environment.vpc}.2.0/24", tier = "public" }
      app-a      = { zone = "${var.region}a", cidr = "${local.environment.vpc}.11.0/24", tier = "private" }
      app-b      = { zone = "${var.region}b", cidr = "${local.environment.vpc}.12.0/24", tier = "private" }
      database-a = { zone = "${var.region}a", cidr = "${local.environment.vpc}.21.0/24", tier = "isolated" }
      database-b = { zone = "${var.region}b", cidr = "${local.environment.vpc}.22.0/24", tier = "isolated" }
    }
    endpoint_security_groups = ["vpc"]
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
    ecs = {
      description = "Tasks"
      ingress = [
        { port = "8000-8008", protocol = "tcp", peer = "alb" },
        { port = "8000-8008", protocol = "tcp", peer = "ecs" },
      ]
      egress = null
    }
    rds = {
      description = "Database"
      ingress     = [{ port = "5432", protocol = "tcp", peer = "ecs" }]
      egress      = null
    }
    vpc = {
      description = "Endpoints of AWS services"
      ingress     = [{ port = "443", protocol = "tcp", peer = "${local.environment.vpc}.0.0/16" }]
      egress      = null
    }
  }

  load_balancer = {
    name             = "portal-${var.environment}-alb"
    subnets          = ["public-a", "public-b"]
    security_groups  = ["alb"]
    idle_timeout     = 60
    default_service  = "gateway"
    default_response = null
  }

  service_alarms = { cpu = 80, memory = 80, period = 300, evaluation_periods = 2 }
}
