//! A service that Terraform made serves for real.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::terraform::Root;

const CONFIGURATION: &str = r#"
variable "image" { default = "neargate/stand-in:1" }

locals { zones = ["us-east-1a", "us-east-1b"] }

resource "aws_vpc" "main" {
  cidr_block = "10.9.0.0/16"
}

resource "aws_subnet" "public" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.9.${count.index}.0/24"
  availability_zone = local.zones[count.index]
}

resource "aws_security_group" "all" {
  name   = "all"
  vpc_id = aws_vpc.main.id

  ingress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "main" {
  name            = "main"
  subnets         = aws_subnet.public[*].id
  security_groups = [aws_security_group.all.id]
}

resource "aws_lb_target_group" "web" {
  name                 = "web"
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.main.id
  deregistration_delay = 5
  health_check { path = "/health" }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 8081
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_ecs_cluster" "main" {
  name = "main"
}

resource "aws_ecs_task_definition" "web" {
  family                   = "web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  container_definitions = jsonencode([{
    name         = "web"
    image        = var.image
    essential    = true
    portMappings = [{ containerPort = 8080 }]
    environment  = [{ name = "PORT", value = "8080" }]
  }])
}

resource "aws_ecs_service" "web" {
  name                  = "web"
  cluster               = aws_ecs_cluster.main.id
  task_definition       = aws_ecs_task_definition.web.arn
  desired_count         = 2
  launch_type           = "FARGATE"
  wait_for_steady_state = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = aws_subnet.public[*].id
    security_groups = [aws_security_group.all.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.web.arn
    container_name   = "web"
    container_port   = 8080
  }

  depends_on = [aws_lb_listener.http]
}
"#;

/// The apply waits until the service is steady; then its tasks answer through the load balancer.
/// A new image is rolled out; one that cannot be pulled is rolled back. This provider takes the
/// steady state after a rollback for the end of its wait, here as on AWS, so it is the next plan
/// that tells.
#[test]
fn a_service_made_by_terraform_answers_through_its_load_balancer() -> Result<()> {
    let endpoint = Endpoint::start()?;
    let root = Root::new(&endpoint.url, &[("main.tf", CONFIGURATION)])?;
    root.apply().with_context(|| endpoint.log())?;
    root.nothing_to_do("after the apply", &[])?;
    ensure!(answer(&endpoint)?["revision"] == "web:1", "{}", answer(&endpoint)?);

    let variables = tempfile::tempdir()?;
    let file = variables.path().join("image.tfvars");
    std::fs::write(&file, "image = \"neargate/stand-in:2\"\n")?;
    root.plan(&[&file])?;
    root.apply_plan()?;
    ensure!(answer(&endpoint)?["revision"] == "web:2", "{}", answer(&endpoint)?);

    std::fs::write(&file, "image = \"nowhere/nothing:1\"\n")?;
    root.plan(&[&file])?;
    root.apply_plan()?;
    ensure!(answer(&endpoint)?["revision"] == "web:2", "{}", answer(&endpoint)?);
    let changes = root.plan(&[&file])?;
    let service = changes.iter().find(|c| c.address == "aws_ecs_service.web");
    ensure!(
        service.is_some_and(|c| c.actions == ["update"] && c.attributes == ["task_definition"]),
        "the rollback does not show: {service:?}"
    );
    root.destroy(&[&file])
}

/// What the load balancer answers.
fn answer(endpoint: &Endpoint) -> Result<Value> {
    let view = endpoint.json(&["ps"])?;
    let url = view["loadBalancers"][0]["url"].as_str().context("no url")?;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).with_context(|| body.to_owned())
}
