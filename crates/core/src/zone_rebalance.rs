//! Availability zone rebalancing and placement: spread over zones, kept over time (ECS-SVC-4..6).

/// Picks the zone for a new task: the fewest tasks of the same deployment, then of the service,
/// then of the whole platform (so that single-task services do not all share one zone), then the
/// first named. `None` when there is no zone.
#[must_use]
pub fn pick_zone<'a>(
    zones: impl IntoIterator<Item = &'a str>,
    of_deployment: impl Fn(&str) -> u32,
    of_service: impl Fn(&str) -> u32,
    of_platform: impl Fn(&str) -> u32,
) -> Option<&'a str> {
    zones
        .into_iter()
        .min_by_key(|zone| (of_deployment(zone), of_service(zone), of_platform(zone), *zone))
}

/// Whether tasks are spread as evenly as their number allows. `counts` has a number for every
/// usable zone, also the empty ones.
#[must_use]
pub fn is_balanced(counts: impl Iterator<Item = u32> + Clone) -> bool {
    match (counts.clone().max(), counts.min()) {
        (Some(most), Some(fewest)) => most - fewest <= 1,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-SVC-4: the zone with the fewest tasks of the service.
    #[test]
    fn ecs_svc_4_the_emptiest_zone_takes_the_next_task() {
        let count = |zone: &str| if zone == "a" { 2 } else { 1 };
        assert_eq!(pick_zone(["a", "b", "c"], count, count, |_| 0), Some("b"));
        let crowded = |zone: &str| u32::from(zone == "b");
        assert_eq!(pick_zone(["a", "b", "c"], count, count, crowded), Some("c"));
        assert_eq!(pick_zone(["a"], count, count, |_| 0), Some("a"));
        assert_eq!(pick_zone([], count, count, |_| 0), None);
    }

    /// ECS-SVC-6, ECS-EVT-15: three to one is unbalanced, two to one is not.
    #[test]
    fn ecs_svc_6_balance() {
        assert!(!is_balanced([3, 1].into_iter()));
        assert!(is_balanced([2, 1].into_iter()));
        assert!(!is_balanced([2, 2, 0].into_iter()));
        assert!(is_balanced([].into_iter()));
    }
}
