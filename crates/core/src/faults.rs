//! Faults to rehearse: Spot reclaims and lost zones.

use crate::event;
use crate::id::TaskId;
use crate::platform::{Platform, Rejection};
use crate::service::{CapacityProvider, ServiceName};
use crate::task::{Stop, StopCode, StopMode};
use crate::time::MINUTE;
use crate::turn::Turn;

/// From the notice to the end of a Spot task (ECS-CP-4).
const SPOT_NOTICE_MS: u64 = 2 * MINUTE;

impl Platform {
    /// Reclaims Spot tasks: each gets its notice, leaves discovery and the load balancer, gets the
    /// stop signal, and is killed two minutes after the notice at the latest (ECS-CP-4). Scale-in
    /// protection does not help (ECS-PROT-3).
    pub(crate) fn interrupt_spot(
        &mut self,
        service: Option<&ServiceName>,
        count: Option<u32>,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let only = service.map(|name| self.service_id(name)).transpose()?;
        let victims: Vec<TaskId> = self
            .services
            .tasks()
            .filter(|t| t.capacity == CapacityProvider::FargateSpot && t.is_wanted())
            .filter(|t| only.is_none_or(|id| t.service == id))
            .map(|t| t.id)
            .take(count.map_or(usize::MAX, |n| n as usize))
            .collect();
        if victims.is_empty() {
            let whose = service.map_or("the platform".to_owned(), |name| format!("service {name}"));
            return Err(Rejection::Invalid(format!(
                "{whose} runs no task on FARGATE_SPOT, so there is nothing to reclaim"
            )));
        }
        for id in victims {
            let stop = Stop {
                code: StopCode::SpotInterruption,
                reason: "Your Spot Task was interrupted.".to_owned(),
                mode: StopMode::Signal,
                kill_by: Some(turn.now.plus(SPOT_NOTICE_MS)),
            };
            self.stop_task(id, stop, turn);
        }
        Ok(())
    }

    /// Whether new Spot tasks can be placed from now on; services that wait try again at once.
    pub(crate) fn set_spot_capacity(&mut self, available: bool, turn: &mut Turn) {
        self.spot_available = available;
        self.look_at_all_services(turn);
    }

    /// Loses a zone: its tasks leave the load balancer and are killed, nothing is placed there.
    pub(crate) fn lose_zone(&mut self, zone: &str, turn: &mut Turn) -> Result<(), Rejection> {
        self.check_zone(zone)?;
        self.lost_zones.insert(zone.to_owned());
        let victims: Vec<TaskId> =
            self.services.tasks().filter(|t| *t.zone == *zone).map(|t| t.id).collect();
        for id in victims {
            let stop = Stop {
                code: StopCode::TerminationNotice,
                reason: format!("Availability Zone {zone} was lost."),
                mode: StopMode::Kill,
                kill_by: Some(turn.now),
            };
            self.stop_task(id, stop, turn);
        }
        Ok(())
    }

    /// The zone takes tasks again; steady services that are out of balance rebalance.
    pub(crate) fn restore_zone(&mut self, zone: &str, turn: &mut Turn) -> Result<(), Rejection> {
        self.check_zone(zone)?;
        if !self.lost_zones.remove(zone) {
            return Err(Rejection::Invalid(format!("zone {zone} is not lost")));
        }
        self.look_at_all_services(turn);
        Ok(())
    }

    fn look_at_all_services(&mut self, turn: &mut Turn) {
        for service in self.services.values_mut() {
            service.said.retain(|message, _| !message.contains(event::CAPACITY_UNAVAILABLE));
            turn.dirty_service(service.id);
        }
    }

    fn check_zone(&self, zone: &str) -> Result<(), Rejection> {
        let mut zones: Vec<&str> = self.subnets.values().map(|s| s.spec.zone.as_str()).collect();
        zones.sort_unstable();
        zones.dedup();
        if zones.contains(&zone) {
            return Ok(());
        }
        let hint = format!("; the platform has {}", zones.join(", "));
        Err(Rejection::NotFound { kind: "zone", name: zone.to_owned(), hint })
    }
}
