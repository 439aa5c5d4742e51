//! Ctrl-C and its like, as messages, so that the end of the play is an orderly one.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Tells when the audience has had enough.
pub(super) struct Interrupt(Receiver<()>);

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            )
        };
        let wait = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = signals.0.recv() => {}
                    _ = signals.1.recv() => {}
                    _ = signals.2.recv() => {}
                }
            });
            // Nobody listens any more when the play is over already.
            let _ = sender.send(());
        };
        std::thread::Builder::new().name("demo-signals".to_owned()).spawn(wait)?;
        Ok(Self(receiver))
    }

    /// Waits so long; `true` when the audience has had enough.
    pub(super) fn within(&self, pause: Duration) -> bool {
        !matches!(self.0.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}
