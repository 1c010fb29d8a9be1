variable "retention" { default = 7 }
variable "team" { default = "shop" }

resource "aws_cloudwatch_log_group" "plain" {
  name = "/ecs/plain"
}

resource "aws_cloudwatch_log_group" "kept" {
  name              = "/ecs/kept"
  retention_in_days = var.retention
  tags              = { Team = var.team }
}
