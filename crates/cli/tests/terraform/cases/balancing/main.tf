variable "changed" {
  default = false
}

# Of an imported certificate; TLS needs no more than its ARN here.
variable "certificate" {
  default = "arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-4333-8444-555555555555"
}

locals {
  environment = var.changed ? "production" : "staging"
}

resource "aws_vpc" "main" {
  cidr_block = "10.8.0.0/16"
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "public" {
  count             = 3
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
  availability_zone = "us-east-1${["a", "b", "c"][count.index]}"
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}

resource "aws_route_table_association" "public" {
  count          = 3
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_security_group" "balancer" {
  count  = 2
  name   = "balancer-${count.index}"
  vpc_id = aws_vpc.main.id
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "main" {
  name                       = "balancing-main"
  internal                   = false
  load_balancer_type         = "application"
  security_groups            = var.changed ? aws_security_group.balancer[*].id : [aws_security_group.balancer[0].id]
  subnets                    = var.changed ? aws_subnet.public[*].id : slice(aws_subnet.public[*].id, 0, 2)
  idle_timeout               = var.changed ? 120 : 60
  drop_invalid_header_fields = var.changed
  enable_deletion_protection = false
  enable_http2               = true
  tags                       = { Environment = local.environment }
  depends_on                 = [aws_internet_gateway.main]
}

# Nothing but what has no default; its group is the VPC's own.
resource "aws_lb" "internal" {
  name_prefix = "in-"
  internal    = true
  subnets     = slice(aws_subnet.public[*].id, 0, 2)
}

resource "aws_lb_target_group" "web" {
  count                = 2
  name                 = "web-${count.index}"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.main.id
  deregistration_delay = var.changed ? 15 : 30
  health_check {
    path                = var.changed ? "/ready" : "/health"
    matcher             = var.changed ? "200-299" : "200"
    interval            = var.changed ? 15 : 30
    timeout             = 5
    healthy_threshold   = var.changed ? 3 : 2
    unhealthy_threshold = 3
    port                = "traffic-port"
    protocol            = "HTTP"
    enabled             = true
  }
  stickiness {
    type            = "lb_cookie"
    enabled         = var.changed
    cookie_duration = 3600
  }
  tags = { Environment = local.environment }
}

resource "aws_lb_target_group" "prefixed" {
  name_prefix = "pre-"
  port        = 80
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = aws_vpc.main.id
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = var.changed ? "HTTP_302" : "HTTP_301"
    }
  }
  tags = { Environment = local.environment }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn                     = aws_lb.main.arn
  port                                  = var.changed ? 8443 : 443
  protocol                              = "HTTPS"
  ssl_policy                            = var.changed ? "ELBSecurityPolicy-TLS13-1-2-Res-2021-06" : "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn                       = var.certificate
  routing_http_response_server_enabled  = !var.changed
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = local.environment
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener" "internal" {
  load_balancer_arn = aws_lb.internal.arn
  port              = 8090
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web[var.changed ? 1 : 0].arn
  }
}

resource "aws_lb_listener_certificate" "more" {
  listener_arn    = aws_lb_listener.https.arn
  certificate_arn = replace(var.certificate, "11111111", "99999999")
}

resource "aws_lb_listener_rule" "path" {
  listener_arn = aws_lb_listener.https.arn
  priority     = var.changed ? 15 : 10
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web[0].arn
  }
  condition {
    path_pattern {
      values = var.changed ? ["/api/*", "/v2/*"] : ["/api/*"]
    }
  }
  tags = { Environment = local.environment }
}

resource "aws_lb_listener_rule" "host" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.web[0].arn
        weight = var.changed ? 50 : 90
      }
      target_group {
        arn    = aws_lb_target_group.web[1].arn
        weight = var.changed ? 50 : 10
      }
    }
  }
  condition {
    path_pattern {
      values = ["/web/*"]
    }
  }
}

resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 1
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "application/json"
      message_body = "{\"maintenance\": ${var.changed}}"
      status_code  = "503"
    }
  }
  condition {
    path_pattern {
      values = ["/maintenance"]
    }
  }
}

data "aws_lb" "main" {
  arn = aws_lb.main.arn
}

output "balancer" {
  value = data.aws_lb.main.dns_name
}
