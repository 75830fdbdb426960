//! Who is at the other end of a connection on this machine.

use std::fs;
use std::net::SocketAddr;

use rustix::process::getuid;

/// Linux lists every connection with the user that it belongs to (proc(5), `/proc/net/tcp`).
const TABLE: &str = "/proc/net/tcp";
const ROOT: u32 = 0;

/// Whether it is another user of this machine. Only Linux says so; on macOS all users share the same connections.
pub(super) fn is_another_user(peer: SocketAddr, ours: SocketAddr) -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    let table = fs::read_to_string(TABLE).unwrap_or_default();
    let user = user_of(&table, peer, ours);
    user.is_some_and(|user| user != ROOT && user != getuid().as_raw())
}

/// Columns: number, local and remote address, state, queues, timers, retransmissions, user.
fn user_of(table: &str, peer: SocketAddr, ours: SocketAddr) -> Option<u32> {
    let (peer, ours) = (written(peer)?, written(ours)?);
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let is_theirs = columns.next()? == peer && columns.next()? == ours;
        if is_theirs { columns.nth(4)?.parse().ok() } else { None }
    })
}

/// As the kernel writes it: the address as one number of the machine's own byte order.
fn written(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_one_who_connects_is_found_in_the_table() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        let stream = TcpStream::connect(ours).unwrap();
        let peer = stream.local_addr().unwrap();
        let table = fs::read_to_string(TABLE).unwrap();
        assert_eq!(user_of(&table, peer, ours), Some(getuid().as_raw()));
        assert_eq!(user_of(&table, ours, peer).unwrap_or(getuid().as_raw()), getuid().as_raw());
        assert!(!is_another_user(peer, ours));
        let stranger =
            table.replace(&format!("{:>6}", getuid().as_raw()), &format!("{:>6}", getuid().as_raw() + 1));
        assert_ne!(user_of(&stranger, peer, ours), Some(getuid().as_raw()), "{stranger}");
        assert_eq!(user_of("nothing", peer, ours), None);
    }
}
