//! Live progress: a table redrawn in place on a terminal, one line per change elsewhere.

use std::collections::BTreeMap;

use neargate_core::service::ServiceName;
use neargate_engine::api::{PlatformView, ServiceView};

use super::Colours;
use super::table::{Cell, render};
use super::views::{distinct_clusters, label};
use crate::outcome::{Goal, find};

/// Width of the columns between name and reason, with the gaps: `10/10  10  IN_PROGRESS`.
const OTHER_COLUMNS: usize = 2 + 9 + 9 + 13;

/// Turns successive views into text for standard error.
pub(crate) struct Progress {
    colours: Colours,
    mode: Mode,
}

enum Mode {
    /// Redraws; holds the lines drawn last time and the terminal's width.
    Terminal { drawn: usize, width: usize },
    /// Writes changes; holds each service's last line.
    Lines(BTreeMap<ServiceName, String>),
}

impl Progress {
    /// On a terminal of that many columns.
    pub(crate) fn terminal(width: usize, colours: Colours) -> Progress {
        Progress { colours, mode: Mode::Terminal { drawn: 0, width: width.max(20) } }
    }

    /// Into a file or pipe.
    pub(crate) fn lines(colours: Colours) -> Progress {
        Progress { colours, mode: Mode::Lines(BTreeMap::new()) }
    }

    /// What to write now to show this view.
    pub(crate) fn update(&mut self, view: &PlatformView, goal: &Goal) -> String {
        let services: Vec<&ServiceView> =
            goal.services.keys().filter_map(|name| find(view, name)).collect();
        let clusters = distinct_clusters(&view.services);
        match &mut self.mode {
            Mode::Terminal { drawn, width } => {
                // A line that wraps would spoil the redraw: the reason gets what is left.
                let longest = services.iter().map(|s| label(s, clusters).chars().count()).max();
                let room =
                    width.saturating_sub(longest.unwrap_or(0).max("SERVICE".len()) + OTHER_COLUMNS);
                let rows: Vec<Vec<Cell>> =
                    services.iter().map(|s| row(s, clusters, room, self.colours)).collect();
                let table = render(&["SERVICE", "RUNNING", "HEALTHY", "ROLLOUT", ""], &rows);
                let text = match *drawn {
                    0 => table.clone(),
                    lines => format!("\x1b[{lines}A\x1b[J{table}"),
                };
                *drawn = table.lines().count();
                text
            }
            Mode::Lines(last) => {
                let mut text = String::new();
                for service in services {
                    let line = line(service, clusters);
                    let name = ServiceName {
                        cluster: service.cluster.clone(),
                        service: service.name.clone(),
                    };
                    if last.get(&name) != Some(&line) {
                        text.push_str(&line);
                        text.push('\n');
                        last.insert(name, line);
                    }
                }
                text
            }
        }
    }

    /// What to write so that a last table can take the progress's place.
    pub(crate) fn clear(&mut self) -> String {
        match &mut self.mode {
            Mode::Terminal { drawn: 0, .. } | Mode::Lines(_) => String::new(),
            Mode::Terminal { drawn, .. } => format!("\x1b[{}A\x1b[J", std::mem::take(drawn)),
        }
    }
}

/// `IN_PROGRESS` and so on of the primary deployment, or `steady`.
fn rollout(service: &ServiceView) -> &str {
    match service.deployments.first() {
        _ if service.steady => "steady",
        Some(primary) if primary.rollout_state == "COMPLETED" => "recovering",
        Some(primary) => &primary.rollout_state,
        None => "-",
    }
}

fn row(service: &ServiceView, clusters: usize, room: usize, colours: Colours) -> Vec<Cell> {
    let name = label(service, clusters);
    let rollout = rollout(service);
    let painted = match rollout {
        "steady" => colours.good(rollout),
        "FAILED" => colours.bad(rollout),
        _ => colours.busy(rollout),
    };
    let reason: String = match (&service.reason, service.steady) {
        (Some(reason), false) => reason.replace(char::is_control, " ").chars().take(room).collect(),
        _ => String::new(),
    };
    vec![
        name.into(),
        format!("{}/{}", service.running, service.desired).into(),
        service.healthy.to_string().into(),
        Cell::painted(painted, rollout),
        Cell::painted(colours.dim(&reason), &reason),
    ]
}

/// A reason can list a hundred tasks; one line of a log is no place for them.
const LINE_REASON_MAX: usize = 240;

fn line(service: &ServiceView, clusters: usize) -> String {
    let reason = match (&service.reason, service.steady) {
        (Some(reason), false) if reason.chars().count() > LINE_REASON_MAX => {
            format!(": {}…", reason.chars().take(LINE_REASON_MAX).collect::<String>())
        }
        (Some(reason), false) => format!(": {reason}"),
        _ => String::new(),
    };
    format!(
        "{} {}/{} running, {} healthy, {}{reason}",
        label(service, clusters),
        service.running,
        service.desired,
        service.healthy,
        rollout(service)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Expected, samples};

    fn goal(view: &PlatformView) -> Goal {
        let key =
            |s: &ServiceView| ServiceName { cluster: s.cluster.clone(), service: s.name.clone() };
        let services = view.services.iter().map(|s| (key(s), Expected::default())).collect();
        Goal { services, listeners: Vec::new() }
    }

    #[test]
    fn without_a_terminal_only_changes_are_written() {
        let mut view = samples::view(&["a", "b"]);
        let goal = goal(&view);
        view.services[0].steady = false;
        view.services[0].running = 1;
        view.services[0].reason = Some("1 task is pending".into());
        let mut progress = Progress::lines(Colours(false));
        assert_eq!(
            progress.update(&view, &goal),
            "a 1/2 running, 2 healthy, recovering: 1 task is pending\n\
             b 2/2 running, 2 healthy, steady\n"
        );
        assert_eq!(progress.update(&view, &goal), "");
        view.services[0].steady = true;
        view.services[0].running = 2;
        assert_eq!(progress.update(&view, &goal), "a 2/2 running, 2 healthy, steady\n");
        assert_eq!(progress.clear(), "");
    }

    #[test]
    fn a_terminal_is_redrawn_over_the_lines_drawn_before() {
        let mut view = samples::view(&["a"]);
        let goal = goal(&view);
        let mut progress = Progress::terminal(80, Colours(false));
        let first = "SERVICE  RUNNING  HEALTHY  ROLLOUT\na        2/2      2        steady\n";
        assert_eq!(progress.update(&view, &goal), first);
        view.services[0].steady = false;
        view.services[0].reason = Some("x".repeat(200));
        let second = progress.update(&view, &goal);
        assert!(second.starts_with("\x1b[2A\x1b[J"), "{second:?}");
        assert!(
            second
                .lines()
                .all(|line| line.trim_start_matches("\x1b[2A\x1b[J").chars().count() <= 80),
            "{second}"
        );
        assert_eq!(progress.clear(), "\x1b[2A\x1b[J");
    }
}
