//! Capacity provider strategies: base first, then shares by weight (ECS-CP-1, ECS-CP-2).

use crate::service::{CapacityProvider, CapacityProviderStrategyItem};

/// The provider of the next task, given how many tasks each provider holds already.
///
/// The base is filled first. After that each task goes to the provider furthest behind its share
/// of what exceeds the base; ties go to the one named first. `None` when no provider may take it
/// (all weights 0 and the base is full). An empty strategy means on demand.
#[must_use]
pub fn next_provider(
    strategy: &[CapacityProviderStrategyItem],
    held: impl Fn(CapacityProvider) -> u32,
) -> Option<CapacityProvider> {
    if strategy.is_empty() {
        return Some(CapacityProvider::Fargate);
    }
    if let Some(item) = strategy.iter().find(|item| held(item.provider) < item.base) {
        return Some(item.provider);
    }
    let beyond_base = |item: &CapacityProviderStrategyItem| {
        i64::from(held(item.provider).saturating_sub(item.base))
    };
    let total_weight: i64 = strategy.iter().map(|item| i64::from(item.weight)).sum();
    let total: i64 = strategy.iter().map(beyond_base).sum::<i64>() + 1;
    // weight * total / total_weight - have, over a common denominator so that it stays exact.
    let deficit = |item: &CapacityProviderStrategyItem| {
        i64::from(item.weight) * total - beyond_base(item) * total_weight
    };
    let mut best: Option<&CapacityProviderStrategyItem> = None;
    for item in strategy.iter().filter(|item| item.weight > 0) {
        if best.is_none_or(|b| deficit(item) > deficit(b)) {
            best = Some(item);
        }
    }
    best.map(|item| item.provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CapacityProvider::{Fargate, FargateSpot};

    fn item(provider: CapacityProvider, base: u32, weight: u32) -> CapacityProviderStrategyItem {
        CapacityProviderStrategyItem { provider, base, weight }
    }

    fn place(strategy: &[CapacityProviderStrategyItem], count: u32) -> (u32, u32) {
        let (mut on_demand, mut spot) = (0, 0);
        for _ in 0..count {
            match next_provider(strategy, |p| if p == Fargate { on_demand } else { spot }) {
                Some(Fargate) => on_demand += 1,
                Some(FargateSpot) => spot += 1,
                None => break,
            }
        }
        (on_demand, spot)
    }

    /// ECS-CP-1: A:1, B:4 gives one on A per four on B; the base is filled first.
    #[test]
    fn ecs_cp_1_base_then_weights() {
        let one_to_four = [item(Fargate, 0, 1), item(FargateSpot, 0, 4)];
        assert_eq!(place(&one_to_four, 5), (1, 4));
        assert_eq!(place(&one_to_four, 50), (10, 40));
        let with_base = [item(Fargate, 2, 1), item(FargateSpot, 0, 1)];
        assert_eq!(place(&with_base, 2), (2, 0));
        assert_eq!(place(&with_base, 12), (7, 5));
        assert_eq!(place(&[item(FargateSpot, 0, 1)], 3), (0, 3));
        assert_eq!(place(&[], 3), (3, 0));
    }

    /// ECS-CP-1: weight 0 places nothing beyond the base.
    #[test]
    fn ecs_cp_1_weight_zero_takes_only_its_base() {
        assert_eq!(place(&[item(Fargate, 1, 0), item(FargateSpot, 0, 1)], 4), (1, 3));
        assert_eq!(place(&[item(Fargate, 1, 0)], 4), (1, 0));
    }

    /// BX-73: over many worker tasks 80 % run on Spot; the on-demand fifth is never more than one
    /// task off its share on the way.
    #[test]
    fn bx_73_shares_hold_at_every_count() {
        let strategy = [item(Fargate, 0, 20), item(FargateSpot, 0, 80)];
        for count in 1..=200 {
            let (on_demand, spot) = place(&strategy, count);
            assert_eq!(on_demand + spot, count);
            let share = f64::from(count) * 0.2;
            assert!((f64::from(on_demand) - share).abs() <= 1.0, "{count}: {on_demand}");
        }
    }
}
