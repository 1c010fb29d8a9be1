//! Log groups: that they exist, and how long their lines are kept. The lines themselves are not
//! the platform's state.

use serde::{Deserialize, Serialize};

use crate::commands::not_found;
use crate::effect::{Effect, TaskLaunch};
use crate::platform::{Platform, Rejection};
use crate::turn::Turn;

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// 1 to 512 letters, digits and `_ - / . #`.
    pub name: String,
    /// How long lines are kept; `None` is for ever.
    pub retention_days: Option<u32>,
}

impl Platform {
    pub(crate) fn put_log_group(&mut self, spec: &LogGroupSpec, turn: &mut Turn) {
        if self.log_groups.get(&spec.name) != Some(spec) {
            self.log_groups.insert(spec.name.clone(), spec.clone());
            turn.effects.push(Effect::PublishLogGroup(spec.clone()));
        }
    }

    pub(crate) fn delete_log_group(
        &mut self,
        name: &str,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        match self.log_groups.remove(name) {
            Some(_) => turn.effects.push(Effect::RemoveLogGroup { name: name.to_owned() }),
            None => return Err(not_found("log group", name)),
        }
        Ok(())
    }

    /// Log groups by name.
    pub fn log_groups(&self) -> impl Iterator<Item = &LogGroupSpec> {
        self.log_groups.values()
    }

    /// The log group of that name.
    #[must_use]
    pub fn log_group(&self, name: &str) -> Option<&LogGroupSpec> {
        self.log_groups.get(name)
    }

    /// Makes the log groups that awslogs was told to make (ECS-TD-21); otherwise why a task's
    /// output has nowhere to go, as ECS says it (ECS-STOP-8).
    ///
    /// # Errors
    /// The stopped reason.
    pub(crate) fn prepare_log_groups(
        &mut self,
        launch: &TaskLaunch,
        turn: &mut Turn,
    ) -> Result<(), String> {
        for log in launch.definition.containers.iter().filter_map(|c| c.log.as_ref()) {
            let group = &log.group;
            if self.log_groups.contains_key(group) {
                continue;
            }
            if !log.create_group {
                return Err(format!(
                    "ResourceInitializationError: failed to validate logger args: The task cannot \
                     find the Amazon CloudWatch log group {group}: ResourceNotFoundException: The \
                     specified log group does not exist."
                ));
            }
            let spec = LogGroupSpec { name: group.clone(), retention_days: None };
            self.put_log_group(&spec, turn);
        }
        Ok(())
    }
}
