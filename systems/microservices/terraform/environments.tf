# What the environments differ in; everything else has one definition. They share network, cluster and load
# balancer, so one state holds all of them.
locals {
  environments = {
    test = {
      name_prefix          = "test-"
      path_prefix          = "/test"
      image_tag            = lookup(var.image_tags, "test", "test")
      node_env             = "test"
      secret_environment   = "test"
      rule_priority_offset = 0
      defaults = {
        environment = { ENABLE_DEBUG = "true" }
      }
      services = {}
    }

    stage = {
      name_prefix          = "stage-"
      path_prefix          = "/stage"
      image_tag            = lookup(var.image_tags, "stage", "stage")
      node_env             = "staging"
      secret_environment   = "stage"
      rule_priority_offset = 100
      defaults             = { scale_on_cpu = 70, scale_out_cooldown = 60, scale_in_cooldown = 60 }
      services             = {}
    }

    production = {
      name_prefix          = ""
      path_prefix          = ""
      image_tag            = lookup(var.image_tags, "production", "latest")
      node_env             = "production"
      secret_environment   = "prod"
      rule_priority_offset = 200
      defaults             = { cpu = 512, memory = 1024, scale_on_cpu = 60, scale_out_cooldown = 60, scale_in_cooldown = 60 }
      services             = {}
    }
  }
  selected = { for name, environment in local.environments : name => environment if contains(var.environments, name) }

  cluster        = "microservices-cluster"
  namespace_name = { for name, environment in local.selected : name => "${name}.microservices.local" }
  host_names     = ["api.${var.zone}"]
  tags           = { Project = "microservices" }
  protected      = var.protect == null ? false : var.protect

  network = {
    name = "microservices"
    cidr = "10.0.0.0/16"
    nat  = "single"
    subnets = {
      public-a  = { zone = "${var.region}a", cidr = "10.0.1.0/24", tier = "public" }
      public-b  = { zone = "${var.region}b", cidr = "10.0.2.0/24", tier = "public" }
      private-a = { zone = "${var.region}a", cidr = "10.0.11.0/24", tier = "private" }
      private-b = { zone = "${var.region}b", cidr = "10.0.12.0/24", tier = "private" }
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
      ingress     = [{ port = "3000-4000", protocol = "tcp", peer = "alb" }]
      egress      = null
    }
    database = {
      description = "Database"
      ingress     = [{ port = "27017", protocol = "tcp", peer = "tasks" }]
      egress      = null
    }
  }

  load_balancer = {
    name            = "microservices-alb"
    subnets         = ["public-a", "public-b"]
    security_groups = ["alb"]
    idle_timeout    = 60
    default_service = null
    default_response = {
      status_code  = 404
      content_type = "application/json"
      message_body = "{\"message\":\"no service at this path\"}"
    }
  }

  service_alarms = { cpu = 75, memory = 80, period = 60, evaluation_periods = 2 }
}
