//! Who was heard and is not in the inventory: read from a state folder, or from a running daemon.

use crate::engine::effect::{Effect, ResourceImage};
use crate::model::inventory::INDEX_PREFIX;
use crate::model::time::At;
use crate::shell::cli::adopt::{HeardInterface, HeardSender};
use crate::shell::cli::journal;
use crate::shell::journal::{RealDisk, read_from};
use crate::shell::recover::Replay;
use anyhow::{Context as _, bail};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The senders of a state folder, the daemon running or not.
///
/// # Errors
/// When the folder cannot be read.
pub fn from_state(state_dir: &Path) -> anyhow::Result<Vec<HeardSender>> {
    let remedy = "name a daemon's folder with --state-dir, or its address with --url";
    let journal = journal::existing(state_dir, remedy)?;
    let mut replay = Replay::begin(state_dir, u64::MAX)?;
    let from = replay.read.saturating_add(1);
    replay.run(&mut read_from(journal, Arc::new(RealDisk), from))?;
    let mut effects = Vec::new();
    replay.engine.show_everything(At::default(), &mut effects);
    Ok(senders(effects.into_iter().filter_map(|effect| match effect {
        Effect::Resource(image) => Some(Arc::unwrap_or_clone(image)),
        _ => None,
    })))
}

/// The senders of a running daemon, by its API.
///
/// # Errors
/// When nobody answers there.
pub fn from_api(url: &str) -> anyhow::Result<Vec<HeardSender>> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut images = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/resources?is_known=false&limit=1000{cursor}");
        let page: serde_json::Value = serde_json::from_str(&get(host, &path)?)?;
        let items = page.get("items").cloned().unwrap_or_default();
        images.extend(serde_json::from_value::<Vec<ResourceImage>>(items)?);
        match page.get("next").and_then(serde_json::Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(senders(images)),
        }
    }
}

fn get(host: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(host)
        .with_context(|| format!("nobody answers at {host}; is the daemon running?"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{host} answers: {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// Devices with the parts that were heard of each.
fn senders(images: impl IntoIterator<Item = ResourceImage>) -> Vec<HeardSender> {
    let mut by_device: BTreeMap<SmolStr, HeardSender> = BTreeMap::new();
    for image in images.into_iter().filter(|image| !image.is_known && image.first_heard.is_some()) {
        let sender = by_device.entry(image.device.clone()).or_default();
        let is_device = image.name == image.device;
        if is_device {
            sender.addresses = image.addresses.iter().filter_map(|one| one.parse().ok()).collect();
            if image.device.parse::<std::net::IpAddr>().is_err() {
                sender.names.push(image.device.into());
            }
        } else if let Some((_, part)) = image.name.split_once('/') {
            let if_index = image
                .aliases
                .iter()
                .find_map(|alias| alias.strip_prefix(INDEX_PREFIX)?.parse().ok());
            sender.interfaces.push(HeardInterface { name: part.to_owned(), if_index });
        }
    }
    by_device.into_values().filter(|sender| !sender.addresses.is_empty()).collect()
}
