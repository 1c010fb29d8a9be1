//! Between the core's words and the edge's. Pure.

use neargate_core::Platform;
use neargate_core::effect::Effect;
use neargate_core::input::Observation;
use neargate_edge::control::{Change, FromEdge, Instance, Target, ToEdge};

/// What the edge is told because of an effect; `None` when it is none of the edge's business.
pub(crate) fn apply(effect: &Effect) -> Option<ToEdge> {
    let (generation, change) = match effect {
        Effect::PublishTargetGroup { generation, spec, targets, sources } => {
            let target = |t: &neargate_core::effect::PublishedTarget| Target {
                address: t.address,
                draining: t.draining,
            };
            let targets = targets.iter().map(target).collect();
            let sources = sources.clone();
            (generation, Change::TargetGroup { spec: (**spec).clone(), targets, sources })
        }
        Effect::RemoveTargetGroup { generation, name } => {
            (generation, Change::RemoveTargetGroup { name: name.clone() })
        }
        Effect::PublishListener { generation, spec, idle_timeout_ms } => {
            let idle_timeout_ms = *idle_timeout_ms;
            (generation, Change::Listener { spec: (**spec).clone(), idle_timeout_ms })
        }
        Effect::RemoveListener { generation, load_balancer, port } => {
            let (load_balancer, port) = (load_balancer.clone(), *port);
            (generation, Change::RemoveListener { load_balancer, port })
        }
        Effect::PublishName { generation, dns_name, ttl_s, instances } => {
            let instance = |i: &neargate_core::effect::PublishedInstance| Instance {
                id: i.id,
                address: i.address,
                port: i.port,
                healthy: i.healthy,
            };
            let instances = instances.iter().map(instance).collect();
            (generation, Change::Name { dns_name: dns_name.clone(), ttl_s: *ttl_s, instances })
        }
        Effect::PublishNetwork(_)
        | Effect::PublishLogGroup(_)
        | Effect::RemoveLogGroup { .. }
        | Effect::AttachNetwork(_)
        | Effect::PullImages(_)
        | Effect::StartContainer { .. }
        | Effect::StopContainer { .. }
        | Effect::KillContainer { .. }
        | Effect::ReleaseTask { .. }
        | Effect::Emit { .. } => return None,
    };
    Some(ToEdge::Apply { generation: *generation, change })
}

/// The first message of a connection: the whole wish.
pub(crate) fn sync(platform: &Platform) -> ToEdge {
    let changes =
        platform.data_plane().into_iter().filter_map(|e| apply(&e)).filter_map(|message| {
            match message {
                ToEdge::Apply { change, .. } => Some(change),
                _ => None,
            }
        });
    ToEdge::Sync { generation: platform.published(), state: changes.collect() }
}

/// What an edge's report means to the platform; `None` when it is no news for it.
pub(crate) fn observation(message: FromEdge) -> Option<Observation> {
    Some(match message {
        FromEdge::Applied { generation } => Observation::DataPlaneApplied { generation },
        FromEdge::TargetHealth { target_group, target, health } => {
            Observation::TargetHealthChanged { target_group, target, health }
        }
        FromEdge::TargetIdle { target_group, target } => {
            Observation::TargetIdle { target_group, target }
        }
        FromEdge::ListenerBound { load_balancer, port, result } => {
            Observation::ListenerBound { load_balancer, port, result }
        }
        FromEdge::Hello { .. } | FromEdge::Metrics(_) => return None,
    })
}
