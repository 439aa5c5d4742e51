//! Where the play takes place: the built-in settings, ports that are free, a folder that goes
//! away with it.

use crate::model::diagnostic::Diagnostic;
use crate::shell::config::{Config, Listener};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// A folder of our own, removed with what is in it when this goes out of scope.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one below the system's folder for temporary files, for this user only. Its name is
    /// short, since that of a socket in it may have 107 bytes at most.
    pub(super) fn new(mark: u64) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let name = format!("vigie-demo-{}-{mark:x}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it any more, and there is nobody left to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The settings of the play, with what differs from the built-in ones in words.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) remarks: Vec<String>,
}

impl Settings {
    /// Gives up the usual ports for any that are free.
    pub(super) fn take_any_ports(&mut self) {
        for address in self.config.listeners.iter_mut().flat_map(|one| &mut one.addresses) {
            address.set_port(0);
        }
        self.remarks.push("a port was taken while starting, others are used".to_owned());
    }
}

/// The built-in settings, on the loopback of IPv4, with a stable time of nothing.
pub(super) fn settings(folder: &Path) -> Result<Settings, Vec<Diagnostic>> {
    let overrides = [
        format!("correlation.hold_off_ms={HOLD_OFF_MS}"),
        "tickets.stable_min=0".to_owned(),
        format!("correlation.flap_window_ms={FLAP_MS}"),
        format!("correlation.flap_quiet_ms={FLAP_MS}"),
        "journal.retain_gib=1".to_owned(),
    ];
    let mut config = Config::load(None, &overrides, Some(folder)).into_result()?;
    let mut remarks = vec![format!(
        "shortened for the show: {} s to find the root (default 10 s), restored at once (default \
         after 3 stable min), flapping within {} s (default 60 s)",
        HOLD_OFF_MS / 1_000,
        FLAP_MS / 1_000
    )];
    for listener in &mut config.listeners {
        listener.addresses.retain(|address| address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST));
        remarks.extend(take_free_ports(listener));
    }
    Ok(Settings { config, remarks })
}

/// Port 0 (any free one) instead of each that is taken.
fn take_free_ports(listener: &mut Listener) -> Vec<String> {
    let is_stream = listener.transport.is_stream();
    let mut remarks = Vec::new();
    for address in &mut listener.addresses {
        if !is_free(*address, is_stream) {
            remarks.push(format!(
                "port {} is taken, {} gets another one",
                address.port(),
                listener.name
            ));
            address.set_port(0);
        }
    }
    remarks
}

fn is_free(address: SocketAddr, is_stream: bool) -> bool {
    if is_stream { TcpListener::bind(address).is_ok() } else { UdpSocket::bind(address).is_ok() }
}

/// How long an incident waits for its root, ms.
const HOLD_OFF_MS: u64 = 2_000;
/// In the show a link breaks again within a minute; that is no flapping, ms.
const FLAP_MS: u64 = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_the_built_in_ones_on_loopback() {
        let folder = Folder::new(1).expect("a folder below the temporary one");
        let path = folder.path().to_owned();
        let settings = settings(&path).expect("the built-in settings load");
        assert_eq!(settings.config.correlation.hold_off_ms, HOLD_OFF_MS);
        assert_eq!(settings.config.tickets.stable_min, 0);
        assert!(settings.config.store_path.starts_with(&path));
        let addresses = settings.config.listeners.iter().flat_map(|one| &one.addresses);
        assert!(addresses.clone().all(|address| address.is_ipv4() && address.ip().is_loopback()));
        assert_eq!(addresses.count(), 4);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_port_is_replaced_and_said() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let address = taken.local_addr().expect("bound");
        let mut listener = Listener {
            name: "snmp-trap".to_owned(),
            addresses: vec![address],
            transport: crate::shell::config::Transport::SyslogUdp { receive_buffer_bytes: 1 },
        };
        let remarks = take_free_ports(&mut listener);
        assert_eq!(remarks.len(), 1);
        assert_eq!(listener.addresses.first().map(SocketAddr::port), Some(0));
        drop(taken);
    }
}
