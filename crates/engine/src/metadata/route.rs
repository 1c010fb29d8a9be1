//! What a request asks, from its method and path alone (ECS-META-2, ECS-META-6, ECS-PROT-1).

use hyper::Method;
use neargate_core::metadata::task_of;

/// What is asked, and by which id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// A container id, or of credentials their own id.
    pub(crate) id: String,
    pub(crate) subject: Subject,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The container that asks.
    Container,
    /// Its task.
    Task {
        with_tags: bool,
    },
    ContainerStats,
    TaskStats,
    /// Of the task's role.
    Credentials,
    GetProtection,
    PutProtection,
}

impl Route {
    /// `None` when it asks for none of this.
    pub(crate) fn parse(method: &Method, path: &str) -> Option<Route> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (id, subject) = match (method, parts.as_slice()) {
            (&Method::GET, ["v2", "credentials", id]) => {
                let route = Route { id: (*id).to_owned(), subject: Subject::Credentials };
                return is_uuid(id).then_some(route);
            }
            (&Method::GET, ["v3" | "v4", id]) => (id, Subject::Container),
            (&Method::GET, ["v3" | "v4", id, "task"]) => (id, Subject::Task { with_tags: false }),
            (&Method::GET, ["v3" | "v4", id, "taskWithTags"]) => {
                (id, Subject::Task { with_tags: true })
            }
            (&Method::GET, ["v3" | "v4", id, "stats"]) => (id, Subject::ContainerStats),
            (&Method::GET, ["v3" | "v4", id, "task", "stats"]) => (id, Subject::TaskStats),
            (&Method::GET, ["api", id, "task-protection", "v1", "state"]) => {
                (id, Subject::GetProtection)
            }
            (&Method::PUT, ["api", id, "task-protection", "v1", "state"]) => {
                (id, Subject::PutProtection)
            }
            _ => return None,
        };
        // Other shapes are left to whatever else the socket serves.
        task_of(id).map(|_| Route { id: (*id).to_owned(), subject })
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-META-2, ECS-PROT-1: every path there is, and that others are left alone.
    #[test]
    fn ecs_meta_2_paths_are_told_apart() {
        let id = format!("{}-0123456789", "a".repeat(32));
        let uuid = "813d3956-27d2-4a33-b37c-0ef40c9c070c";
        let subject = |method: Method, path: &str| {
            Route::parse(&method, path).map(|route| (route.id == id, route.subject))
        };
        for (path, expected) in [
            ("", Subject::Container),
            ("/", Subject::Container),
            ("/task", Subject::Task { with_tags: false }),
            ("/taskWithTags", Subject::Task { with_tags: true }),
            ("/stats", Subject::ContainerStats),
            ("/task/stats", Subject::TaskStats),
        ] {
            for version in ["v3", "v4"] {
                let path = format!("/{version}/{id}{path}");
                assert_eq!(subject(Method::GET, &path), Some((true, expected)), "{path}");
                assert_eq!(subject(Method::PUT, &path), None, "{path}");
            }
        }
        let protection = format!("/api/{id}/task-protection/v1/state");
        assert_eq!(subject(Method::GET, &protection), Some((true, Subject::GetProtection)));
        assert_eq!(subject(Method::PUT, &protection), Some((true, Subject::PutProtection)));
        let credentials = format!("/v2/credentials/{uuid}");
        assert_eq!(subject(Method::GET, &credentials), Some((false, Subject::Credentials)));
        for path in [
            "/",
            "/v2/",
            "/v2/credentials/latest",
            "/v2/credentials/shop/manifests/latest",
            "/v4/functions",
            &format!("/v4/{id}/tasks"),
            &format!("/v5/{id}"),
            &format!("/v4/{}", &id[1..]),
        ] {
            assert_eq!(subject(Method::GET, path), None, "{path}");
        }
    }
}
