//! TCP: `tcp://127.0.0.1:5555`.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::AsRawFd,
    sync::OnceLock,
};

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive};

use super::socket;
use crate::{
    base::options::{Keepalive, Options},
    reactor::metal::{Acceptor, Address, Ends, SourceId, Stream},
};

/// Begins to connect to `to`, from the address `from` if one is given.
///
/// # Errors
/// What the system says at once: no route, source address in use, descriptors run out.
pub(super) fn connect(
    to: SocketAddr,
    from: Option<SocketAddr>,
    options: &Options,
) -> io::Result<Box<dyn Stream>> {
    let socket = socket::new(Domain::for_address(to), Some(Protocol::TCP))?;
    bind_device(&socket, options)?;
    tune(&socket, to.is_ipv6(), options)?;
    if let Some(from) = from {
        // An earlier connection from there, still in TIME_WAIT, must not be in our way.
        socket.set_reuse_address(true)?;
        socket.bind(&from.into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if !socket::is_under_way(&error) => Err(error),
        _ => Ok(Box::new(TcpStream {
            socket,
            local: OnceLock::new(),
            remote: to,
        })),
    }
}

/// Listens at `at`; port 0 lets the system choose.
///
/// # Errors
/// Address in use or not ours, descriptors run out.
pub(super) fn listen(at: SocketAddr, options: &Options) -> io::Result<Box<dyn Acceptor>> {
    let socket = socket::new(Domain::for_address(at), Some(Protocol::TCP))?;
    bind_device(&socket, options)?;
    // Buffers too: the window is agreed upon before a connection is accepted.
    tune(&socket, at.is_ipv6(), options)?;
    if at.is_ipv6() {
        // Said both ways, so that it does not depend on how the system is set.
        socket.set_only_v6(!(options.ipv6 && at.ip().is_unspecified()))?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(options.backlog.try_into().unwrap_or(libc::c_int::MAX))?;
    adopt(socket, options)
}

/// Takes over a socket that listens.
///
/// # Errors
/// If it does not listen, or not at an IP address.
pub(super) fn adopt(socket: Socket, options: &Options) -> io::Result<Box<dyn Acceptor>> {
    socket::check_listening(&socket)?;
    let at = ip(socket.local_addr()?)?;
    Ok(Box::new(TcpAcceptor {
        socket,
        at,
        options: options.clone(),
    }))
}

/// What every TCP socket of ours is told.
fn tune(socket: &Socket, ipv6: bool, options: &Options) -> io::Result<()> {
    // Batches are ours to make: a delay by the kernel would come on top.
    socket.set_tcp_nodelay(true)?;
    socket::size_buffers(socket, options.send_buffer, options.recv_buffer)?;
    match options.keepalive {
        Keepalive::System => {}
        Keepalive::Off => socket.set_keepalive(false)?,
        Keepalive::On {
            idle,
            interval,
            count,
        } => {
            let mut probes = TcpKeepalive::new();
            if let Some(idle) = idle {
                probes = probes.with_time(idle);
            }
            if let Some(interval) = interval {
                probes = probes.with_interval(interval);
            }
            if let Some(count) = count {
                probes = probes.with_retries(count);
            }
            socket.set_tcp_keepalive(&probes)?;
        }
    }
    if options.tos != 0 {
        mark(socket, ipv6, options.tos)?;
    }
    tune_for_linux(socket, options)
}

/// Binds to a network interface, if the options name one; accepted sockets inherit it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_device(socket: &Socket, options: &Options) -> io::Result<()> {
    match &options.device {
        Some(name) => socket.bind_device(Some(name.as_bytes())),
        None => Ok(()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_device(_: &Socket, options: &Options) -> io::Result<()> {
    match options.device {
        Some(_) => Err(io::ErrorKind::Unsupported.into()),
        None => Ok(()),
    }
}

/// What only Linux can be told. Elsewhere that is an error, if it is asked for.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn tune_for_linux(socket: &Socket, options: &Options) -> io::Result<()> {
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    if options.priority != 0 {
        socket.set_priority(options.priority)?;
    }
    #[cfg(target_os = "linux")]
    if options.busy_poll_us != 0 {
        socket.set_busy_poll(options.busy_poll_us)?;
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn tune_for_linux(_: &Socket, options: &Options) -> io::Result<()> {
    let asked =
        options.user_timeout.is_some() || options.priority != 0 || options.busy_poll_us != 0;
    if asked {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(())
}

/// Marks what we send with a type of service. An IPv6 socket carries IPv4 too.
fn mark(socket: &Socket, ipv6: bool, tos: u32) -> io::Result<()> {
    if !ipv6 {
        return socket.set_tos_v4(tos);
    }
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    socket.set_tclass_v6(tos)?;
    // Not every system lets an IPv6 socket be told so.
    let _ = socket.set_tos_v4(tos);
    Ok(())
}

/// A connection.
struct TcpStream {
    socket: Socket,
    /// Once it is known.
    local: OnceLock<SocketAddr>,
    remote: SocketAddr,
}

impl Stream for TcpStream {
    fn source(&self) -> SourceId {
        self.socket.as_raw_fd()
    }

    fn finish_connect(&self) -> io::Result<()> {
        socket::finish_connect(&self.socket)?;
        // A client that tries a free port of this machine again and again is, one day, given
        // that port as its own, and TCP then connects it to itself. Nobody listens there.
        let local = ip(self.socket.local_addr()?)?;
        if local == self.remote {
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        let _ = self.local.set(local);
        Ok(())
    }

    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        socket::read(&self.socket, into, limit)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::write(&self.socket, slices)
    }

    /// An IPv4 peer looks the same whether it came to an IPv4 or an IPv6 listener.
    fn ends(&self) -> Ends {
        let local = match self.local.get() {
            Some(local) => Ok(*local),
            None => self.socket.local_addr().and_then(ip),
        };
        let remote = plain(self.remote);
        Ends {
            local: local.map_or_else(|_| String::new(), |local| format!("tcp://{}", plain(local))),
            remote: format!("tcp://{remote}"),
            peer: remote.ip().to_string(),
        }
    }
}

/// A listening point.
struct TcpAcceptor {
    socket: Socket,
    at: SocketAddr,
    options: Options,
}

impl Acceptor for TcpAcceptor {
    fn source(&self) -> SourceId {
        self.socket.as_raw_fd()
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        let (socket, remote) = socket::accept(&self.socket)?;
        let remote = ip(remote)?;
        if !self.options.accepts_from(remote.ip()) {
            return Err(socket::unwelcome());
        }
        tune(&socket, self.at.is_ipv6(), &self.options)?;
        let local = OnceLock::new();
        if !self.at.ip().is_unspecified() {
            let _ = local.set(self.at);
        }
        Ok(Box::new(TcpStream {
            socket,
            local,
            remote,
        }))
    }

    fn local(&self) -> Address {
        Address::Tcp(self.at)
    }
}

/// The IP address that the system gave.
fn ip(address: SockAddr) -> io::Result<SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::InvalidData, "no IP address");
    address.as_socket().ok_or_else(none)
}

/// `::ffff:10.0.0.1` as `10.0.0.1`.
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        v4 @ std::net::IpAddr::V4(_) => SocketAddr::new(v4, address.port()),
        // As it was, with its zone.
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{sys, testing},
        *,
    };

    fn on(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn bound(acceptor: &dyn Acceptor) -> SocketAddr {
        match acceptor.local() {
            Address::Tcp(address) => address,
            other => panic!("{other:?}"),
        }
    }

    /// Is there IPv6 on this machine? Says so if not.
    fn has_ipv6() -> bool {
        let has = std::net::TcpListener::bind("[::1]:0").is_ok();
        if !has {
            println!("skipped: [::1] cannot be bound here");
        }
        has
    }

    #[test]
    fn octets_pass_over_ipv4() {
        let options = Options::default();
        let acceptor = listen(on("127.0.0.1:0"), &options).expect("free");
        let at = bound(&*acceptor);
        assert_ne!(at.port(), 0);
        let (near, far) = testing::connected(&*acceptor, || connect(at, None, &options));
        testing::carries_octets(&*near, &*far);

        assert_eq!(near.ends().remote, format!("tcp://{at}"));
        assert_eq!(near.ends().peer, "127.0.0.1");
        assert_eq!(near.ends().local, far.ends().remote);
        assert_eq!(near.ends().remote, far.ends().local);
    }

    #[test]
    fn octets_pass_over_ipv6() {
        if !has_ipv6() {
            return;
        }
        let options = Options::default();
        let acceptor = listen(on("[::1]:0"), &options).expect("free");
        let at = bound(&*acceptor);
        let (near, far) = testing::connected(&*acceptor, || connect(at, None, &options));
        testing::carries_octets(&*near, &*far);
        assert_eq!(near.ends().remote, format!("tcp://{at}"));
        assert_eq!(far.ends().peer, "::1");
    }

    #[test]
    fn any_ipv6_address_means_ipv4_too_if_so_asked() {
        if !has_ipv6() {
            return;
        }
        let mut options = Options {
            ipv6: true,
            ..Options::default()
        };
        let acceptor = listen(on("[::]:0"), &options).expect("free");
        let v4 = SocketAddr::new(on("127.0.0.1:0").ip(), bound(&*acceptor).port());
        let (_near, far) = testing::connected(&*acceptor, || connect(v4, None, &options));
        assert_eq!(far.ends().peer, "127.0.0.1");
        assert_eq!(far.ends().local, format!("tcp://{v4}"));
        drop(acceptor);

        options.ipv6 = false;
        let acceptor = listen(on("[::]:0"), &options).expect("free");
        let v4 = SocketAddr::new(v4.ip(), bound(&*acceptor).port());
        let _held = held(v4);
        assert_eq!(refusal(v4, &options), io::ErrorKind::ConnectionRefused);
    }

    /// A socket that has `at` so that nobody else can, and does not listen.
    fn held(at: SocketAddr) -> (Socket, SocketAddr) {
        let socket = socket::new(Domain::for_address(at), None).expect("descriptors are left");
        socket.set_reuse_address(true).expect("a socket can");
        socket.bind(&at.into()).expect("free");
        let at = ip(socket.local_addr().expect("bound")).expect("tcp");
        (socket, at)
    }

    /// Why a connection cannot be made.
    fn refusal(to: SocketAddr, options: &Options) -> io::ErrorKind {
        let attempt = connect(to, None, options).and_then(|stream| testing::finished(&*stream));
        attempt.expect_err("nobody is there").kind()
    }

    #[test]
    fn nobody_there_is_a_refusal() {
        let (_held, at) = held(on("127.0.0.1:0"));
        let refused = refusal(at, &Options::default());
        assert_eq!(refused, io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_taken_address_is_refused_and_free_again_at_once() {
        let options = Options::default();
        let acceptor = listen(on("127.0.0.1:0"), &options).expect("free");
        let at = bound(&*acceptor);
        let taken = listen(at, &options).map(drop).expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);

        // The side that closes first keeps the port in TIME_WAIT; that must not matter.
        let (near, far) = testing::connected(&*acceptor, || connect(at, None, &options));
        drop(far);
        assert_eq!(testing::read_all(&*near), b"");
        drop((near, acceptor));
        listen(at, &options).expect("free again");
    }

    #[test]
    fn a_connection_comes_from_where_it_is_told() {
        if !cfg!(target_os = "linux") {
            return; // Elsewhere the loopback has one address only.
        }
        let options = Options::default();
        let acceptor = listen(on("127.0.0.1:0"), &options).expect("free");
        let at = bound(&*acceptor);
        let from = Some(on("127.0.0.2:0"));
        let (_near, far) = testing::connected(&*acceptor, || connect(at, from, &options));
        assert_eq!(far.ends().peer, "127.0.0.2");
    }

    #[test]
    fn a_connection_to_itself_is_a_refusal() {
        // Bound to the very port that it connects to: what chance does to a client that tries
        // long enough.
        let (_held, at) = held(on("127.0.0.1:0"));
        let stream = connect(at, Some(at), &Options::default()).expect("under way");
        let itself = testing::finished(&*stream).expect_err("nobody listens");
        assert_eq!(itself.raw_os_error(), Some(libc::ECONNREFUSED));
    }

    #[test]
    fn options_reach_both_sides() {
        let options = Options {
            send_buffer: Some(48 << 10),
            recv_buffer: Some(40 << 10),
            keepalive: Keepalive::On {
                idle: Some(Duration::from_secs(77)),
                interval: Some(Duration::from_secs(7)),
                count: Some(3),
            },
            tos: 0x28,
            user_timeout: Some(Duration::from_secs(21)),
            priority: 4,
            busy_poll_us: if cfg!(target_os = "linux") { 50 } else { 0 },
            ..Options::default()
        };
        let listener = socket::new(Domain::IPV4, None).expect("descriptors are left");
        tune(&listener, false, &options).expect("all known here");
        listener.bind(&on("127.0.0.1:0").into()).expect("free");
        listener.listen(1).expect("bound");
        let at = ip(listener.local_addr().expect("bound")).expect("IPv4");
        let acceptor = TcpAcceptor {
            socket: listener,
            at,
            options: options.clone(),
        };
        let (_near, far) = testing::connected(&acceptor, || connect(at, None, &options));
        let far = sys::same_socket(far.source());
        assert!(far.tcp_nodelay().expect("tcp"));
        assert!(far.keepalive().expect("a socket"));
        assert_eq!(far.tcp_keepalive_time().expect("tcp").as_secs(), 77);
        assert_eq!(far.tcp_keepalive_interval().expect("tcp").as_secs(), 7);
        assert_eq!(far.tcp_keepalive_retries().expect("tcp"), 3);
        assert_eq!(far.tos_v4().expect("ip"), 0x28);
        let patience = far.tcp_user_timeout().expect("tcp");
        assert_eq!(patience, Some(Duration::from_secs(21)));
        assert_eq!(far.priority().expect("a socket"), 4);
        assert_eq!(far.busy_poll().expect("a socket"), 50);
        // Linux counts its own overhead in, and doubles.
        assert!((48 << 10..=96 << 10).contains(&far.send_buffer_size().expect("a socket")));
        assert!((40 << 10..=80 << 10).contains(&far.recv_buffer_size().expect("a socket")));
    }

    #[test]
    fn a_device_is_bound_to() {
        let mut options = Options {
            device: Some("lo".into()),
            ..Options::default()
        };
        let acceptor = match listen(on("127.0.0.1:0"), &options) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                println!("skipped: {error}");
                return;
            }
            bound => bound.expect("the loopback is there"),
        };
        let at = bound(&*acceptor);
        let (near, far) = testing::connected(&*acceptor, || connect(at, None, &options));
        for end in [near.source(), far.source()] {
            let device = sys::same_socket(end).device().expect("a socket");
            assert_eq!(device, Some(b"lo".to_vec()));
        }
        options.device = Some("nosuch0".into());
        listen(on("127.0.0.1:0"), &options)
            .map(drop)
            .expect_err("there is none");
    }

    #[test]
    fn the_backlog_holds_so_many() {
        // Linux lets one more in than it is told. Who finds no room waits, unanswered.
        let options = Options {
            backlog: 1,
            ..Options::default()
        };
        let acceptor = listen(on("127.0.0.1:0"), &options).expect("free");
        let at = bound(&*acceptor);
        let begin = || connect(at, None, &options).expect("under way");
        let streams: Vec<_> = std::iter::repeat_with(begin).take(8).collect();
        let stands = streams
            .iter()
            .filter(|stream| stream.finish_connect().is_ok());
        let standing = stands.count();
        assert!((1..=3).contains(&standing), "{standing}");
    }

    #[test]
    fn an_option_that_fails_on_an_accepted_socket_closes_that_one_only() {
        let options = Options::default();
        let acceptor = listen(on("127.0.0.1:0"), &options).expect("free");
        let at = bound(&*acceptor);
        let mut acceptor = TcpAcceptor {
            socket: sys::same_socket(acceptor.source()),
            at,
            options: Options {
                keepalive: Keepalive::On {
                    idle: None,
                    interval: None,
                    count: Some(100_000), // Linux takes 127 at most.
                },
                ..options.clone()
            },
        };
        let first = connect(at, None, &options).expect("under way");
        let refused = testing::outcome(&acceptor)
            .map(drop)
            .expect_err("no such count");
        assert_ne!(refused.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(testing::read_all(&*first), b"");

        acceptor.options = options.clone();
        let (near, far) = testing::connected(&acceptor, || connect(at, None, &options));
        testing::carries_octets(&*near, &*far);
    }

    #[test]
    fn mapped_addresses_are_shown_plain() {
        assert_eq!(plain(on("[::ffff:10.0.0.1]:5")), on("10.0.0.1:5"));
        assert_eq!(plain(on("[fe80::1%3]:5")), on("[fe80::1%3]:5"));
    }
}
