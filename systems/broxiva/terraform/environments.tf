# What the environments differ in; everything else has one definition.
locals {
  environments = {
    dev = {
      vpc                       = "10.2"
      node_env                  = "development"
      log_level                 = "debug"
      domain                    = "dev.broxiva.com"
      databases_instance_class  = "db.t4g.micro"
      databases_multi_az        = false
      caches_node_type          = "cache.t4g.micro"
      caches_shards             = 1
      caches_replicas_per_shard = 0
      monitoring_budget         = null
      network_nat               = "single"
      protected                 = false
      defaults                  = {}
      templates                 = { critical = {}, worker = {} }
      services                  = {}
    }

    # Half of production.
    staging = {
      vpc                       = "10.1"
      node_env                  = "staging"
      log_level                 = "debug"
      domain                    = "staging.broxiva.com"
      databases_instance_class  = "db.t4g.medium"
      databases_multi_az        = true
      caches_node_type          = "cache.t4g.small"
      caches_shards             = 2
      caches_replicas_per_shard = 1
      monitoring_budget         = null
      network_nat               = "single"
      protected                 = false
      defaults                  = {}
      templates = {
        critical = {}
        worker   = { max = 3 }
      }
      services = {
        api            = { cpu = 1024, memory = 2048, min = 3, max = 10 }
        web            = { cpu = 512, memory = 1024, min = 3, max = 8 }
        ai-engine      = { max = 5 }
        recommendation = { max = 5 }
        search         = { max = 5 }
        notification   = { max = 5 }
        inventory      = { max = 5 }
        pricing        = { max = 3 }
      }
    }

    prod = {
      vpc                       = "10.0"
      node_env                  = "production"
      log_level                 = "info"
      domain                    = "broxiva.com"
      databases_instance_class  = "db.t4g.large"
      databases_multi_az        = true
      caches_node_type          = "cache.t4g.medium"
      caches_shards             = 3
      caches_replicas_per_shard = 1
      monitoring_budget         = 10000
      network_nat               = "per_zone"
      protected                 = true
      defaults                  = { log_retention_days = 30 }
      templates = {
        critical = { scale_on_requests = 1000, target_group = true, deregistration_delay = 120 }
        worker   = { max = 5 }
      }
      services = {
        api            = { cpu = 2048, memory = 4096, min = 5, max = 20 }
        web            = { cpu = 1024, memory = 2048, min = 5, max = 15 }
        ai-engine      = { cpu = 512, memory = 1024, min = 2, max = 10 }
        recommendation = { cpu = 512, memory = 1024, min = 2, max = 10 }
        search         = { min = 2, max = 10 }
        notification   = { min = 2, max = 10 }
        inventory      = { min = 2, max = 10 }
        pricing        = { min = 2, max = 6 }
      }
    }
  }
  environment = local.environments[var.environment]

  prefix         = "broxiva-${var.environment}"
  namespace      = "${local.prefix}.local"
  cluster        = "${local.prefix}-cluster"
  namespace_name = local.namespace
  host_names     = [local.environment.domain, "www.${local.environment.domain}", "api.${local.environment.domain}"]
  tags           = { Project = "broxiva", Environment = var.environment }
  protected      = var.protect == null ? local.environment.protected : var.protect

  network = {
    name = local.prefix
    cidr = "${local.environment.vpc}.0.0/16"
    nat  = local.environment.network_nat
    subnets = {
      public-a   = { zone = "${var.region}a", cidr = "${local.environment.vpc}.101.0/24", tier = "public" }
      public-b   = { zone = "${var.region}b", cidr = "${local.environment.vpc}.102.0/24", tier = "public" }
      public-c   = { zone = "${var.region}c", cidr = "${local.environment.vpc}.103.0/24", tier = "public" }
      private-a  = { zone = "${var.region}a", cidr = "${local.environment.vpc}.1.0/24", tier = "private" }
      private-b  = { zone = "${var.region}b", cidr = "${local.environment.vpc}.2.0/24", tier = "private" }
      private-c  = { zone = "${var.region}c", cidr = "${local.environment.vpc}.3.0/24", tier = "private" }
      database-a = { zone = "${var.region}a", cidr = "${local.environment.vpc}.201.0/24", tier = "isolated" }
      database-b = { zone = "${var.region}b", cidr = "${local.environment.vpc}.202.0/24", tier = "isolated" }
      database-c = { zone = "${var.region}c", cidr = "${local.environment.vpc}.203.0/24", tier = "isolated" }
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
      ingress = [
        { port = "1-65535", protocol = "tcp", peer = "alb" },
        { port = "1-65535", protocol = "tcp", peer = "tasks" },
      ]
      egress = [
        { port = "53", protocol = "udp", peer = "anywhere" },
        { port = "53", protocol = "tcp", peer = "anywhere" },
        { port = "443", protocol = "tcp", peer = "anywhere" },
        { port = "1-65535", protocol = "tcp", peer = "tasks" },
        { port = "5432", protocol = "tcp", peer = "database" },
        { port = "6379", protocol = "tcp", peer = "redis" },
      ]
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
    subnets          = ["public-a", "public-b", "public-c"]
    security_groups  = ["alb"]
    idle_timeout     = 60
    default_service  = "web"
    default_response = null
  }

  service_alarms = { cpu = 80, memory = 80, period = 60, evaluation_periods = 3 }
}
