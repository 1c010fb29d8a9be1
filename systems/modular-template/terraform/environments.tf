# What the environments differ in; everything else has one definition.
locals {
  environments = {
    dev = {
      suffix           = "-dev"
      vpc              = "10.1"
      environment_name = "Development"
      log_folder       = "/dev"
      defaults         = {}
      services         = {}
    }

    itg = {
      suffix           = "-itg"
      vpc              = "10.2"
      environment_name = "Integration"
      log_folder       = "/itg"
      defaults         = {}
      services         = {}
    }

    qua = {
      suffix           = "-qua"
      vpc              = "10.3"
      environment_name = "Quality"
      log_folder       = "/qua"
      defaults         = {}
      services         = {}
    }

    prod = {
      suffix           = ""
      vpc              = "10.0"
      environment_name = "Production"
      log_folder       = ""
      defaults         = {}
      services         = {}
    }
  }
  environment = local.environments[var.environment]

  parameter  = "/modular${local.environment.suffix}"
  cluster    = "modular-cluster${local.environment.suffix}"
  host_names = ["api.${var.zone}"]
  tags       = { Project = "modular-template", Environment = var.environment }
  protected  = var.protect == null ? false : var.protect

  network = {
    name = "modular${local.environment.suffix}"
    cidr = "${local.environment.vpc}.0.0/16"
    nat  = "single"
    subnets = {
      public-a   = { zone = "${var.region}a", cidr = "${local.environment.vpc}.1.0/24", tier = "public" }
      public-b   = { zone = "${var.region}b", cidr = "${local.environment.vpc}.2.0/24", tier = "public" }
      private-a  = { zone = "${var.region}a", cidr = "${local.environment.vpc}.11.0/24", tier = "private" }
      private-b  = { zone = "${var.region}b", cidr = "${local.environment.vpc}.12.0/24", tier = "private" }
      database-a = { zone = "${var.region}a", cidr = "${local.environment.vpc}.21.0/24", tier = "isolated" }
      database-b = { zone = "${var.region}b", cidr = "${local.environment.vpc}.22.0/24", tier = "isolated" }
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
    # Nothing from other tasks: modules do not call each other.
    tasks = {
      description = "Tasks"
      ingress     = [{ port = "8080", protocol = "tcp", peer = "alb" }]
      egress      = null
    }
    database = {
      description = "Databases"
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
    name            = "modular-alb${local.environment.suffix}"
    subnets         = ["public-a", "public-b"]
    security_groups = ["alb"]
    idle_timeout    = 60
    default_service = null
    default_response = {
      status_code  = 404
      content_type = "application/json"
      message_body = "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}"
    }
  }

  service_alarms = { cpu = 80, memory = 80, period = 300, evaluation_periods = 2 }
}
