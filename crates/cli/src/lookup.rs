//! From what a user types to the one service or task that is meant.

use neargate_core::service::ServiceName;
use neargate_engine::api::{PlatformView, ServiceView, TaskView};

use crate::failure::Failure;

/// The service called `name`, or `cluster/name`.
pub(crate) fn service<'a>(view: &'a PlatformView, text: &str) -> Result<&'a ServiceView, Failure> {
    let (cluster, name) = match text.split_once('/') {
        Some((cluster, name)) => (Some(cluster), name),
        None => (None, text),
    };
    let matches: Vec<&ServiceView> = view
        .services
        .iter()
        .filter(|s| s.name == name && cluster.is_none_or(|cluster| s.cluster == cluster))
        .collect();
    match matches.as_slice() {
        [one] => Ok(one),
        [] => {
            let failure = Failure::bad_input(format!("there is no service `{text}`"));
            let near = near_matches(name, view.services.iter().map(|s| s.name.as_str()));
            Err(match near.as_slice() {
                [] if view.services.is_empty() => failure.hint("the platform has no services"),
                [] => failure.hint("`neargate ps` lists the services"),
                near => failure.hint(format!("did you mean {}?", either(near))),
            })
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|s| format!("{}/{}", s.cluster, s.name)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Err(Failure::bad_input(format!("`{text}` is ambiguous"))
                .hint(format!("write {}", either(&names))))
        }
    }
}

/// The key of a service as the core takes it.
pub(crate) fn key(service: &ServiceView) -> ServiceName {
    ServiceName { cluster: service.cluster.clone(), service: service.name.clone() }
}

/// The task whose id begins with the text; tasks that have not stopped come first.
pub(crate) fn task<'a>(view: &'a PlatformView, text: &str) -> Result<&'a TaskView, Failure> {
    // As in `service/task`, an ARN's last part, or what `ps` shows.
    let prefix = text.rsplit('/').next().unwrap_or(text).to_ascii_lowercase();
    if prefix.is_empty() {
        return Err(
            Failure::bad_input("the task id is empty").hint("`neargate ps` lists the tasks")
        );
    }
    let all: Vec<&TaskView> = view.tasks.iter().filter(|t| t.id.starts_with(&prefix)).collect();
    let live: Vec<&TaskView> = all.iter().copied().filter(|t| t.status != "STOPPED").collect();
    let candidates = if live.is_empty() { all } else { live };
    match candidates.as_slice() {
        [one] => Ok(one),
        [] => Err(Failure::bad_input(format!("there is no task `{text}`"))
            .hint("`neargate ps` lists the tasks")),
        several => Err(Failure::bad_input(format!(
            "`{text}` could be any of {} tasks: {}",
            several.len(),
            several.iter().map(|t| t.id.as_str()).collect::<Vec<_>>().join(", ")
        ))
        .hint("write more of the id")),
    }
}

/// Known words that a typed one may have meant, nearest first.
fn near_matches<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (typed.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .filter_map(|word| {
            let distance = distance(typed, word);
            let part = typed.len() >= 2 && (word.contains(typed) || typed.contains(word));
            (distance <= limit || part).then_some((distance, word))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, word)| word).take(3).collect()
}

/// Fewest single-character edits from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::samples;

    fn view() -> PlatformView {
        let mut view = samples::view(&["user", "product", "order-test"]);
        let mut other = view.services[0].clone();
        other.cluster = "second".to_owned();
        view.services.push(other);
        view
    }

    #[test]
    fn a_name_a_qualified_name_and_what_is_neither() {
        let view = view();
        assert_eq!(service(&view, "product").unwrap().name, "product");
        assert_eq!(service(&view, "second/user").unwrap().cluster, "second");
        let hints = |text| service(&view, text).unwrap_err().hints.join("; ");
        assert_eq!(hints("user"), "write `main/user` or `second/user`");
        assert_eq!(hints("prodcut"), "did you mean `product`?");
        assert_eq!(hints("order"), "did you mean `order-test`?");
        assert_eq!(hints("zzz"), "`neargate ps` lists the services");
    }

    #[test]
    fn a_unique_prefix_of_a_task_id_is_enough() {
        let mut view = view();
        for (id, status) in [("aa11", "RUNNING"), ("aa22", "STOPPED"), ("ab33", "RUNNING")] {
            let task = TaskView { status: status.to_owned(), ..samples::task(id, "user") };
            view.tasks.push(task);
        }
        assert_eq!(task(&view, "ab").unwrap().id, "ab33");
        assert_eq!(task(&view, "aa").unwrap().id, "aa11", "stopped ones do not count");
        assert_eq!(task(&view, "main/aa22").unwrap().id, "aa22", "unless nothing else fits");
        assert!(task(&view, "a").unwrap_err().render().contains("any of 2 tasks"));
        assert!(task(&view, "ff").is_err() && task(&view, "").is_err());
    }
}
