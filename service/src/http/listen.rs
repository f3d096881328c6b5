//! Binds the listening socket of a server.
//!
//! Owns what an unspecified address means. Must not accept connections.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// EAFNOSUPPORT of Linux: the kernel runs without IPv6.
const NO_SUCH_FAMILY: i32 = 97;

/// Listens on `addr`. An unspecified address, `0.0.0.0` or `[::]`, means every address of the
/// machine in both families: a pod has whichever its cluster gives it.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => any(addr.port()),
        _ => bound(addr),
    }?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Both families, or IPv4 alone where the kernel has no IPv6.
fn any(port: u16) -> io::Result<Socket> {
    match bound((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if lacks_ipv6(&error) => bound((Ipv4Addr::UNSPECIFIED, port).into()),
        socket => socket,
    }
}

fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A process that is restarted finds its port in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if addr.ip() == Ipv6Addr::UNSPECIFIED {
        // The system's default may be IPv6 alone (net.ipv6.bindv6only).
        socket.set_only_v6(false)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Whether IPv6 is off: not compiled in or disabled at boot, or disabled by a sysctl.
fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(NO_SUCH_FAMILY) || error.kind() == ErrorKind::AddrNotAvailable
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_unspecified_address_is_reached_by_either_family() {
        for text in ["0.0.0.0:0", "[::]:0"] {
            let listener = listen(text.parse().unwrap()).unwrap();
            let port = listener.local_addr().unwrap().port();
            for peer in ["127.0.0.1", "::1"] {
                let peer: IpAddr = peer.parse().unwrap();
                TcpStream::connect((peer, port)).await.unwrap();
                let (_, from) = listener.accept().await.unwrap();
                assert_eq!(from.ip().to_canonical(), peer, "{text}");
            }
        }
    }

    #[tokio::test]
    async fn an_address_means_itself_alone() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = TcpStream::connect(("::1", port)).await;
        assert_eq!(other.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_port_in_use_is_refused_and_not_taken_in_the_other_family() {
        let held = listen("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = held.local_addr().unwrap().port();
        for text in [format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
            let error = listen(text.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{text}");
        }
        // Somebody else's, in IPv4 only.
        let held = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let error = listen(([0, 0, 0, 0], port).into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[test]
    fn only_a_machine_without_ipv6_listens_on_ipv4_alone() {
        assert!(lacks_ipv6(&io::Error::from_raw_os_error(NO_SUCH_FAMILY)));
        assert!(lacks_ipv6(&io::Error::from(ErrorKind::AddrNotAvailable)));
        for other in [ErrorKind::AddrInUse, ErrorKind::PermissionDenied] {
            assert!(!lacks_ipv6(&io::Error::from(other)));
        }
    }
}
