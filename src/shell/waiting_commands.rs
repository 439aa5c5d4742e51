//! Commands on their way to the engine. An operator speaks of what is told of all that was received
//! before; in the midst of long work that is not so, and a command waits for its end, unless that
//! lasts.

use crate::engine::input::Command;
use crate::model::time::EngineTime;
use std::collections::VecDeque;

/// Commands, the oldest first.
#[derive(Default)]
pub struct WaitingCommands {
    waiting: VecDeque<(EngineTime, Command)>,
}

impl WaitingCommands {
    /// A command came.
    pub fn push(&mut self, now: EngineTime, command: Command) {
        self.waiting.push_back((now, command));
    }

    /// The next to be carried out, if any is now.
    pub fn next(&mut self, now: EngineTime, is_at_long_work: bool) -> Option<Command> {
        let (since, _) = self.waiting.front()?;
        let waits = is_at_long_work && now.ns_since(*since) < WAIT_NS;
        if waits { None } else { self.waiting.pop_front().map(|(_, command)| command) }
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// How long a command waits at most, ns.
const WAIT_NS: u64 = 2_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::Action;

    #[test]
    fn they_wait_for_the_end_of_long_work_but_not_for_ever() {
        let command = |id| Command {
            id,
            author: "ann".to_owned(),
            action: Action::ConfirmTicket { number: "VIG-000001".to_owned() },
        };
        let next = |commands: &mut WaitingCommands, now: u64, is_at_long_work| {
            commands.next(EngineTime(now), is_at_long_work).map(|command| command.id)
        };
        let mut commands = WaitingCommands::default();
        commands.push(EngineTime(1), command(7));
        commands.push(EngineTime(2), command(8));
        assert_eq!(next(&mut commands, WAIT_NS, true), None);
        assert_eq!(next(&mut commands, WAIT_NS, false), Some(7));
        assert_eq!(next(&mut commands, WAIT_NS + 1, true), None);
        assert_eq!(next(&mut commands, WAIT_NS + 2, true), Some(8));
        assert!(commands.is_empty());
    }
}
