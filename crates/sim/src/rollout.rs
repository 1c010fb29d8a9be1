//! The inputs of a large rollout, recorded from the modelled world: for the core benchmark.

use neargate_core::input::{Command, Input};
use neargate_core::load_balancer::TargetHealthCheck;
use neargate_core::time::{MINUTE, SECOND, Time};

use crate::behaviour::Settings;
use crate::operations::deploy_command;
use crate::system::{ServiceForm, foundation, listener};
use crate::world::World;

/// Everything a platform takes while many services come up and are all deployed anew.
#[derive(Debug)]
pub struct Journal {
    /// Seed of the platform that took them.
    pub seed: u64,
    /// The inputs, in order.
    pub inputs: Vec<(Time, Input)>,
    /// So many of them bring every service to its first steady state.
    pub steady_after: usize,
}

/// Records the rollout of `services` services of `tasks` tasks each, behind a load balancer.
///
/// # Errors
/// What kept the rollout from completing.
pub fn journal(services: usize, tasks: u32) -> Result<Journal, String> {
    let seed = 1;
    let mut world = World::new(seed, Settings::steady(), None);
    world.inputs = Some(Vec::new());
    let refused = |rejection| format!("a command was refused: {rejection}");
    world.command(foundation(10)).map_err(refused)?;
    let check = TargetHealthCheck { interval_ms: 30 * SECOND, ..Default::default() };
    let forms: Vec<ServiceForm> = (0..services)
        .map(|index| {
            let mut form = ServiceForm::new(&format!("s{index}"), tasks);
            form.load_balancer = Some((check.clone(), 30 * SECOND));
            form
        })
        .collect();
    let mut made: Vec<Command> =
        forms.iter().flat_map(|form| form.create(form.definition("v1"))).collect();
    // All groups exist before the listener that forwards to them.
    made.push(listener(forms.iter().map(|form| form.name.as_str())));
    world.command(made).map_err(refused)?;
    until_steady(&mut world)?;
    let steady_after = world.inputs.as_ref().map_or(0, Vec::len);
    for form in &forms {
        world.command(vec![deploy_command(&form.name, "v2")]).map_err(refused)?;
    }
    until_steady(&mut world)?;
    Ok(Journal { seed, inputs: world.inputs.take().unwrap_or_default(), steady_after })
}

fn until_steady(world: &mut World) -> Result<(), String> {
    let deadline = world.now.plus(60 * MINUTE);
    while world.now < deadline {
        let until = world.now.plus(5 * SECOND);
        while world.run(until).is_some() {}
        let Some(platform) = world.platform() else { break };
        if platform.services().all(|s| s.steady_since.is_some() && s.deployments.len() == 1) {
            return Ok(());
        }
    }
    Err("the services did not become steady within an hour".to_owned())
}
