//! Sends datagrams at a fixed rate, each from the address of its device.

use crate::support::fleet::{MessageId, Messages};
use anyhow::Context as _;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use vigie::shell::clock::boot_ns;

const BATCH: usize = 64;
/// Header of a control message, and an `in_pktinfo` behind it, rounded up to words.
const CONTROL_WORDS: usize = 4;

/// One sending socket.
pub(crate) struct Sender {
    socket: UdpSocket,
}

impl Sender {
    /// Towards that address, from 127.0.0.0/8.
    pub(crate) fn to(target: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("a sending socket")?;
        let SocketAddr::V4(_) = target else { anyhow::bail!("the fleet speaks IPv4") };
        socket.connect(target).context("connecting it")?;
        Ok(Self { socket })
    }

    /// Sends `count` messages at `rate` a second; gives how long it took, ns.
    pub(crate) fn send(
        &self,
        messages: &Messages,
        (rate, count): (u64, u64),
        mut next: impl FnMut() -> MessageId,
    ) -> anyhow::Result<u64> {
        let started = boot_ns();
        let mut sent = 0_u64;
        let mut batch = Vec::with_capacity(BATCH);
        while sent < count {
            let elapsed = u128::from(boot_ns() - started);
            let due = u64::try_from(elapsed * u128::from(rate) / 1_000_000_000)?.min(count);
            while sent < due {
                batch.clear();
                while batch.len() < BATCH && sent < due {
                    batch.push(messages.get(next()));
                    sent += 1;
                }
                self.send_batch(&batch)?;
            }
            pause(Duration::from_micros(300));
        }
        Ok(boot_ns() - started)
    }

    #[expect(unsafe_code, reason = "sendmmsg has no safe wrapper")]
    fn send_batch(&self, batch: &[(Ipv4Addr, &[u8])]) -> anyhow::Result<()> {
        // SAFETY: both are plain data of the C library, for which all bits zero is a value.
        let (mut headers, mut vectors): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let mut controls = [[0_u64; CONTROL_WORDS]; BATCH];
        for (((header, vector), control), (from, bytes)) in
            headers.iter_mut().zip(&mut vectors).zip(&mut controls).zip(batch)
        {
            vector.iov_base = bytes.as_ptr().cast_mut().cast();
            vector.iov_len = bytes.len();
            *control = source_address(*from);
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<libc::cmsghdr>() + 12;
        }
        let mut done = 0;
        while done < batch.len() {
            let rest = headers.get_mut(done..batch.len()).context("never more than asked for")?;
            // SAFETY: `rest` holds that many headers; each points to a vector, a control buffer
            // and bytes that live, unmoved, until the call returns. The kernel only reads them.
            let status = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    u32::try_from(rest.len())?,
                    0,
                )
            };
            done += usize::try_from(status)
                .map_err(|_| std::io::Error::last_os_error())
                .context("sendmmsg")?;
        }
        Ok(())
    }
}

/// The control message IP_PKTINFO with that source address, as words.
fn source_address(from: Ipv4Addr) -> [u64; CONTROL_WORDS] {
    let length = u64::try_from(size_of::<libc::cmsghdr>() + 12).unwrap_or(0);
    let [level0, level1, level2, level3] = libc::IPPROTO_IP.to_ne_bytes();
    let [kind0, kind1, kind2, kind3] = libc::IP_PKTINFO.to_ne_bytes();
    let [a, b, c, d] = from.octets();
    [
        length,
        u64::from_ne_bytes([level0, level1, level2, level3, kind0, kind1, kind2, kind3]),
        // in_pktinfo: interface (any), source address, unused.
        u64::from_ne_bytes([0, 0, 0, 0, a, b, c, d]),
        0,
    ]
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "a sender keeps time by waiting")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
