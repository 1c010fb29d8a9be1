# ECS as the example systems use it: a cluster with its settings and capacity providers, task
# definitions with everything a container takes, services on a launch type and on a strategy.
# The platform has no images, so steady means that no task is wanted.

variable "environment" {
  default = "staging"
}

variable "insights" {
  default = "disabled"
}

variable "exec_logging" {
  default = "DEFAULT"
}

variable "spot_weight" {
  default = 4
}

variable "image" {
  default = "shop/web:1"
}

variable "minimum_percent" {
  default = 100
}

variable "maximum_percent" {
  default = 200
}

variable "workers" {
  default = 1
}

variable "rollback" {
  default = true
}

variable "rollout" {
  default = "first"
}

variable "grace_seconds" {
  default = 60
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "main" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.${count.index + 1}.0/24"
  availability_zone = "us-east-1${["a", "b"][count.index]}"
}

resource "aws_security_group" "tasks" {
  name   = "tasks"
  vpc_id = aws_vpc.main.id
}

resource "aws_lb" "main" {
  name               = "shop"
  load_balancer_type = "application"
  internal           = true
  subnets            = aws_subnet.main[*].id
  security_groups    = [aws_security_group.tasks.id]
}

resource "aws_lb_target_group" "web" {
  count       = 2
  name        = "web-${["public", "admin"][count.index]}"
  port        = 8080
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web[0].arn
  }
}

resource "aws_lb_listener_rule" "admin" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 10
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web[1].arn
  }
  condition {
    path_pattern { values = ["/admin/*"] }
  }
}

resource "aws_service_discovery_private_dns_namespace" "shop" {
  name = "shop.local"
  vpc  = aws_vpc.main.id
}

resource "aws_service_discovery_service" "web" {
  name = "web"
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.shop.id
    routing_policy = "MULTIVALUE"
    dns_records {
      ttl  = 10
      type = "A"
    }
  }
  health_check_custom_config { failure_threshold = 1 }
}

resource "aws_cloudwatch_log_group" "web" {
  name = "/ecs/shop"
}

resource "aws_ecs_cluster" "main" {
  name = "shop"

  setting {
    name  = "containerInsights"
    value = var.insights
  }

  configuration {
    execute_command_configuration {
      logging = var.exec_logging
      dynamic "log_configuration" {
        for_each = var.exec_logging == "OVERRIDE" ? [1] : []
        content {
          cloud_watch_log_group_name = aws_cloudwatch_log_group.web.name
        }
      }
    }
  }

  tags = { Environment = var.environment }
}

# As a client writes it that wants nothing but the name.
resource "aws_ecs_cluster" "plain" {
  name = "plain"
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  cluster_name       = aws_ecs_cluster.main.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 1
    weight            = 1
  }
  default_capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = var.spot_weight
  }
}

resource "aws_ecs_task_definition" "web" {
  family                   = "web"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = "1024"
  execution_role_arn       = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/execution"
  task_role_arn            = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:role/web"

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  volume { name = "scratch" }

  container_definitions = jsonencode([
    {
      name         = "app"
      image        = var.image
      essential    = true
      cpu          = 256
      memory       = 768
      command      = ["serve", "--port", "8080"]
      portMappings = [{ containerPort = 8080, protocol = "tcp", name = "http", appProtocol = "http" }]
      environment = [
        { name = "ENVIRONMENT", value = var.environment },
        { name = "PORT", value = "8080" },
      ]
      secrets = [{
        name      = "DATABASE_URL"
        valueFrom = "arn:aws:secretsmanager:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:secret:shop/database"
      }]
      healthCheck = {
        command     = ["CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"]
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.web.name
          "awslogs-region"        = data.aws_region.current.name
          "awslogs-stream-prefix" = "web"
        }
      }
      mountPoints            = [{ sourceVolume = "scratch", containerPath = "/tmp" }]
      dependsOn              = [{ containerName = "proxy", condition = "START" }]
      ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      readonlyRootFilesystem = true
      stopTimeout            = 60
      linuxParameters        = { initProcessEnabled = true }
    },
    {
      name      = "proxy"
      image     = "shop/proxy:1"
      essential = false
    },
  ])

  tags = { Environment = var.environment }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  container_definitions    = jsonencode([{ name = "app", image = "shop/worker:1", portMappings = [{ containerPort = 9000, name = "work" }] }])
  skip_destroy             = false

  ephemeral_storage { size_in_gib = 30 }
}

resource "aws_ecs_service" "web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.main.id
  task_definition                    = aws_ecs_task_definition.web.arn
  desired_count                      = 0
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  scheduling_strategy                = "REPLICA"
  deployment_minimum_healthy_percent = var.minimum_percent
  deployment_maximum_percent         = var.maximum_percent
  health_check_grace_period_seconds  = var.grace_seconds
  enable_execute_command             = true
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  availability_zone_rebalancing      = "ENABLED"
  wait_for_steady_state              = true

  deployment_controller { type = "ECS" }

  deployment_circuit_breaker {
    enable   = true
    rollback = var.rollback
  }

  network_configuration {
    subnets          = aws_subnet.main[*].id
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.web
    content {
      target_group_arn = load_balancer.value.arn
      container_name   = "app"
      container_port   = 8080
    }
  }

  service_registries {
    registry_arn = aws_service_discovery_service.web.arn
  }

  timeouts {
    create = "5m"
    update = "5m"
  }

  tags = { Environment = var.environment }

  depends_on = [aws_lb_listener.http, aws_lb_listener_rule.admin]
}

resource "aws_ecs_service" "worker" {
  name                 = "worker"
  cluster              = aws_ecs_cluster.main.arn
  task_definition      = "${aws_ecs_task_definition.worker.family}:${aws_ecs_task_definition.worker.revision}"
  desired_count        = var.workers
  force_new_deployment = true
  triggers             = { rollout = var.rollout }

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 1
    weight            = 1
  }
  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 4
  }

  network_configuration {
    subnets = aws_subnet.main[*].id
  }

  service_connect_configuration {
    enabled   = true
    namespace = aws_service_discovery_private_dns_namespace.shop.arn
    service {
      port_name      = "work"
      discovery_name = "work"
      client_alias {
        dns_name = "work"
        port     = 9000
      }
    }
  }

  depends_on = [aws_ecs_cluster_capacity_providers.main]
}
