//! Commands and their answers: whoever says something waits here until it is durable and carried
//! out, or refused.

use crate::engine::effect::Answer;
use crate::engine::input::{Action, Command};
use crate::shell::clock;
use crate::shell::journal_room::Room;
use crate::shell::outbox::Waiting;
use crate::shell::shared::{Control, Shared};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Why a command has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswered {
    /// It was not taken.
    #[error("too many commands wait; try again in a moment")]
    Crowded,
    /// It was not taken, since it could not become durable.
    #[error(
        "nothing was done: no room on the disk of the journal, its reserve is used up; free some \
         and say it again"
    )]
    NoRoom,
    /// It was taken; nobody knows what became of it.
    #[error("no durable answer within 8 s: look at what it is about before trying again")]
    Late,
}

/// The way of commands to the engine. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    shared: Arc<Shared>,
    waiting: Arc<Waiting>,
    next: Arc<AtomicU64>,
}

impl Commands {
    /// The way to this sequencer; answers come by way of its outbox.
    #[must_use]
    pub fn new(shared: Arc<Shared>, waiting: Arc<Waiting>) -> Self {
        // Wall time makes the ids of two runs differ, so that an answer fits one command.
        let next = Arc::new(AtomicU64::new(clock::wall().0.unsigned_abs()));
        Self { shared, waiting, next }
    }

    /// Says it, and waits for the durable answer.
    ///
    /// # Errors
    /// When it cannot become durable, too many wait, or there is no answer for too long.
    pub async fn say(&self, author: String, action: Action) -> Result<Answer, Unanswered> {
        if self.shared.room.get() == Room::None {
            return Err(Unanswered::NoRoom);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.waiting.expect(id);
        let command = Command { id, author, action };
        if self.shared.control(Control::Command(command)).is_err() {
            self.waiting.forget(id);
            return Err(Unanswered::Crowded);
        }
        let told = tokio::task::spawn_blocking(move || answer.recv_timeout(ANSWER_WAIT)).await;
        if let Ok(Ok(answer)) = told {
            return Ok(answer);
        }
        self.waiting.forget(id);
        Err(Unanswered::Late)
    }
}

/// How long a command may take to become durable; less than a request over HTTP may last.
pub const ANSWER_WAIT: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::lanes::Lanes;

    #[tokio::test]
    async fn what_cannot_become_durable_is_refused_at_once_and_never_carried_out() {
        let shared = Arc::new(Shared::new(Arc::new(Lanes::default())));
        let commands = Commands::new(Arc::clone(&shared), Arc::default());
        shared.room.set(Room::None);
        let action = Action::ConfirmTicket { number: "VIG-000001".into() };
        let refused = commands.say("noc".to_owned(), action).await.expect_err("no room");
        assert_eq!(refused, Unanswered::NoRoom);
        assert!(refused.to_string().contains("nothing was done"), "{refused}");
        assert!(shared.controls.is_empty());
    }
}
