//! An engine that is killed in the middle of an apply.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::endpoint::Endpoint;
use crate::terraform::Root;

const PATIENCE: Duration = Duration::from_secs(300);

/// Things that are named, in a chain long enough to be killed in its middle.
const CONFIGURATION: &str = r#"
resource "aws_cloudwatch_log_group" "first" {
  count = 10
  name  = "/shop/first-${count.index}"
}

resource "aws_ssm_parameter" "second" {
  count = 10
  name  = "/shop/second-${count.index}"
  type  = "String"
  value = aws_cloudwatch_log_group.first[count.index].arn
}

resource "aws_ecs_cluster" "third" {
  count = 2
  name  = "shop-${count.index}"
  tags  = { After = aws_ssm_parameter.second[count.index].arn }
}

resource "aws_ecs_task_definition" "fourth" {
  count                    = 4
  family                   = "shop-${count.index}"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 256
  memory                   = 512
  tags                     = { After = aws_ecs_cluster.third[0].arn }
  container_definitions    = jsonencode([{ name = "app", image = "shop/app:1", essential = true }])
}
"#;

/// The engine is killed as soon as the first things are there, again when more are, and replaced.
/// Whatever the running apply makes of that, the next one finishes, nothing is there twice, and a
/// plan has nothing to do.
#[test]
fn an_apply_finishes_although_the_engine_is_killed_and_nothing_is_doubled() -> Result<()> {
    let mut endpoint = Endpoint::start()?;
    let root = Root::new(&endpoint.url, &[("main.tf", CONFIGURATION)])?;
    let mut apply = root.start_apply()?;
    let began = Instant::now();
    for kind in ["logGroups", "clusters"] {
        while endpoint.inventory()?.get(kind).is_none_or(std::collections::BTreeMap::is_empty)
            && apply.try_wait()?.is_none()
        {
            ensure!(began.elapsed() < PATIENCE, "no {kind} after {PATIENCE:?}");
        }
        endpoint.kill_and_restart()?;
    }
    apply.wait()?;
    root.apply()?;
    root.nothing_to_do("after the second apply", &[])?;
    let inventory = endpoint.inventory()?;
    let counts: Vec<usize> = ["logGroups", "parameters", "clusters", "taskDefinitions"]
        .map(|kind| inventory.get(kind).map_or(0, std::collections::BTreeMap::len))
        .to_vec();
    ensure!(counts == [10, 10, 2, 4], "{counts:?}: {inventory:#?}");
    Ok(())
}
