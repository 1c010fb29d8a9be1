//! What clients said about things and want to read back, although nothing here acts on it: log
//! options of another driver, a tag on a rule, a public address that a task never gets.
//!
//! The platform keeps the text and gives it no meaning, so that a client's second look shows what
//! it asked for, and that stays true over a crash like everything else.

use crate::platform::Platform;

impl Platform {
    pub(crate) fn annotate(&mut self, subject: &str, note: Option<&str>) {
        match note {
            Some(note) => self.notes.insert(subject.to_owned(), note.to_owned()),
            None => self.notes.remove(subject),
        };
    }

    /// What was said about the thing last.
    #[must_use]
    pub fn note(&self, subject: &str) -> Option<&str> {
        self.notes.get(subject).map(String::as_str)
    }

    /// What was said about every thing whose name starts with this, by name.
    pub fn notes_starting<'a>(
        &'a self,
        start: &str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let start = start.to_owned();
        self.notes
            .range(start.clone()..)
            .take_while(move |(subject, _)| subject.starts_with(&start))
            .map(|(subject, note)| (subject.as_str(), note.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::input::{Command, Input};
    use crate::platform::{Identity, Platform, Rejection};
    use crate::task_definition::{ContainerDefinition, TaskDefinition};
    use crate::time::Time;

    fn platform() -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        Platform::new(identity, 1)
    }

    fn note(subject: &str, note: Option<&str>) -> Command {
        Command::Annotate { subject: subject.into(), note: note.map(str::to_owned) }
    }

    fn definition() -> Box<TaskDefinition> {
        Box::new(TaskDefinition {
            family: "web".into(),
            revision: 0,
            cpu: 256,
            memory_mib: 512,
            containers: vec![ContainerDefinition::new("web", "shop/web:1")],
            execution_role: None,
            task_role: None,
            ephemeral_storage_gib: 20,
            tags: BTreeMap::new(),
        })
    }

    fn take(platform: &mut Platform, commands: Vec<Command>) -> Result<(), Rejection> {
        platform.step(Time(5), &Input::Commands(commands)).result
    }

    #[test]
    fn notes_are_kept_replaced_and_forgotten() {
        let mut platform = platform();
        assert_eq!(take(&mut platform, vec![note("a", Some("1")), note("b", Some("2"))]), Ok(()));
        assert_eq!((platform.note("a"), platform.note("b")), (Some("1"), Some("2")));
        assert_eq!(take(&mut platform, vec![note("a", Some("3")), note("b", None)]), Ok(()));
        assert_eq!((platform.note("a"), platform.note("b")), (Some("3"), None));
        assert_eq!(take(&mut platform, vec![note("ab", Some("4")), note("b", Some("5"))]), Ok(()));
        assert!(platform.notes_starting("a").eq([("a", "3"), ("ab", "4")]));
        assert_eq!(platform.notes_starting("c").count(), 0);
    }

    /// All commands take effect or none, wherever in the list the note stands.
    #[test]
    fn a_note_beside_a_refused_command_is_not_kept() {
        let mut platform = platform();
        let refused = Command::DeleteCluster { name: "none".into() };
        assert!(take(&mut platform, vec![note("a", Some("1")), refused]).is_err());
        assert_eq!(platform.note("a"), None);
    }

    /// A platform that was saved before there were notes is read as one without.
    #[test]
    fn a_platform_without_notes_is_read() {
        let mut saved = serde_json::to_value(platform()).expect("a platform is JSON");
        saved.as_object_mut().expect("an object").remove("notes").expect("they are saved");
        let read: Platform = serde_json::from_value(saved).expect("readable");
        assert_eq!(read, platform());
    }

    /// ECS-TD-7: RegisterTaskDefinition counts up where Put keeps an equal revision.
    #[test]
    fn ecs_td_7_registering_again_is_a_new_revision() {
        let mut platform = platform();
        let put = vec![Command::PutTaskDefinition(definition())];
        assert_eq!(take(&mut platform, put.clone()), Ok(()));
        assert_eq!(take(&mut platform, put), Ok(()));
        assert_eq!(platform.next_revision("web"), 2);
        let register = vec![Command::RegisterTaskDefinition(definition())];
        assert_eq!(take(&mut platform, register), Ok(()));
        assert_eq!(platform.next_revision("web"), 3);
        let mut bad = definition();
        bad.memory_mib = 513;
        assert!(take(&mut platform, vec![Command::RegisterTaskDefinition(bad)]).is_err());
        let deregister = Command::DeregisterTaskDefinition { family: "web".into(), revision: 2 };
        assert_eq!(take(&mut platform, vec![deregister]), Ok(()));
        let second = platform.task_definition("web", 2).expect("there");
        assert_eq!((second.active, second.deregistered_at), (false, Some(Time(5))));
        assert_eq!(second.registered_at, Time(5));
    }
}
