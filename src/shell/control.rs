//! The operator's way in: a socket in the state folder, readable by its owner only. One JSON
//! request a line, one JSON answer a line, given when the command is durable.

use crate::engine::input::Action;
use crate::shell::commands::{ANSWER_WAIT, Commands};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

/// What an operator asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Who.
    pub author: String,
    /// What.
    pub action: Action,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was carried out.
    pub accepted: bool,
    /// What was done, or why not and what to do.
    pub message: String,
}

/// Path of the socket in a state folder.
#[must_use]
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Binds the socket; one left behind by a daemon that died is replaced. The journal's lock has
/// already made sure that no other daemon runs here.
///
/// # Errors
/// What the system says.
pub fn bind(state_dir: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = socket_path(state_dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves for ever.
pub async fn serve(listener: UnixListener, commands: Commands) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let commands = commands.clone();
        tokio::spawn(async move {
            // An operator who hangs up does not wait for an answer.
            let _ = converse(stream, &commands).await;
        });
    }
}

async fn converse(stream: UnixStream, commands: &Commands) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(read.take(REQUEST_BYTES_MAX)).lines();
    while let Some(line) = lines.next_line().await? {
        let response = match serde_json::from_str::<Request>(&line) {
            Ok(request) => match commands.say(request.author, request.action).await {
                Ok(answer) => Response { accepted: answer.accepted, message: answer.message },
                Err(unanswered) => refused(unanswered.to_string()),
            },
            Err(error) => refused(format!("the request cannot be read: {error}")),
        };
        let mut text = serde_json::to_string(&response)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await?;
    }
    Ok(())
}

fn refused(message: String) -> Response {
    Response { accepted: false, message }
}

/// Asks a running daemon, from the command line.
///
/// # Errors
/// When no daemon answers there.
pub fn ask(state_dir: &Path, request: &Request) -> io::Result<Response> {
    let mut stream = BlockingStream::connect(socket_path(state_dir))?;
    stream.set_read_timeout(Some(ANSWER_WAIT.saturating_mul(2)))?;
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

const REQUEST_BYTES_MAX: u64 = 64 * 1024;
