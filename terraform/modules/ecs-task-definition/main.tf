locals {
  # What is not set is left out, as a definition written by hand would.
  container = merge(
    {
      name                   = var.container_name
      image                  = var.image
      essential              = true
      environment            = [for name, value in var.environment : { name = name, value = value }]
      secrets                = [for name, from in var.secrets : { name = name, valueFrom = from }]
      portMappings           = var.port == null ? [] : [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
      mountPoints            = []
      volumesFrom            = []
      readonlyRootFilesystem = var.readonly_root_filesystem
    },
    var.command == null ? {} : { command = var.command },
    var.user == null ? {} : { user = var.user },
    var.stop_timeout == null ? {} : { stopTimeout = var.stop_timeout },
    var.nofile == null ? {} : { ulimits = [{ name = "nofile", softLimit = var.nofile.soft, hardLimit = var.nofile.hard }] },
    var.init_process ? { linuxParameters = { initProcessEnabled = true } } : {},
    var.health_check == null ? {} : {
      healthCheck = {
        command     = var.health_check.command
        interval    = var.health_check.interval
        timeout     = var.health_check.timeout
        retries     = var.health_check.retries
        startPeriod = var.health_check.start_period
      }
    },
    var.log_group == null ? {} : {
      logConfiguration = {
        logDriver = "awslogs"
        options = merge(
          {
            awslogs-group         = var.log_group
            awslogs-region        = var.region
            awslogs-stream-prefix = var.log_stream_prefix
          },
          var.log_options,
        )
      }
    },
  )
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory)
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn
  container_definitions    = jsonencode([local.container])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "ephemeral_storage" {
    for_each = var.ephemeral_storage_gib == null ? [] : [var.ephemeral_storage_gib]

    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  # Only an active revision can be deployed again.
  skip_destroy = var.keep_revisions

  tags = var.tags
}
