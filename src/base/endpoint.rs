//! Endpoints: where a socket binds or connects.
//!
//! ```text
//!   tcp://HOST:PORT               ipc:///run/app/socket        inproc://name
//!   tcp://SOURCE:PORT;HOST:PORT   ipc://@abstract-name
//!   tcp://*:*                     ipc://*
//! ```
//!
//! The text is judged at once, by syntax alone: no name is looked up and no file touched here.
//! What may be bound but not connected, or the other way round, is told apart by
//! [`Endpoint::check_bind`] and [`Endpoint::check_connect`]. Reading the text is `endpoint_parse`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use super::{
    endpoint_parse::{self, Flaw},
    error::Error,
};

/// Where a socket binds or connects.
///
/// ```
/// use hubless::Endpoint;
///
/// let endpoint: Endpoint = "tcp://127.0.0.1:5555".parse()?;
/// assert_eq!(endpoint.scheme(), "tcp");
/// assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:5555");
/// assert!("tcp://127.0.0.1:65536".parse::<Endpoint>().is_err());
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `tcp://`: a TCP address.
    Tcp(TcpEndpoint),
    /// `ipc://`: a Unix-domain socket.
    Ipc(IpcEndpoint),
    /// `inproc://`: a name within one context, 1 to 256 octets.
    Inproc(String),
}

/// What follows `tcp://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpEndpoint {
    /// The host to connect to, or the address or interface to bind.
    pub host: Host,
    /// Its port.
    pub port: Port,
    /// Connecting only: the address and port to connect from.
    pub source: Option<(Host, Port)>,
}

/// A host, as `tcp://` names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// `*`: every interface. For binding.
    Any,
    /// An IP address; version 6 with or without brackets.
    Ip(IpAddr),
    /// An IPv6 address with its zone: an interface's name or number, as in `[fe80::1%eth0]`.
    Zoned(Ipv6Addr, String),
    /// A host's name; when binding, an interface's name comes first.
    Name(String),
}

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// `*` or `0`: whichever the system gives. For binding, and for the source of a connection.
    Any,
    /// 1 to 65535.
    Number(u16),
}

/// What follows `ipc://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IpcEndpoint {
    /// A path in the file system, absolute or not.
    Path(PathBuf),
    /// `@name`: a name in Linux's abstract name space, without the `@`.
    Abstract(String),
    /// `*`: a fresh path. For binding.
    Any,
}

impl Endpoint {
    /// The transport's name: `tcp`, `ipc` or `inproc`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Endpoint::Tcp(_) => "tcp",
            Endpoint::Ipc(_) => "ipc",
            Endpoint::Inproc(_) => "inproc",
        }
    }

    /// Does it stay within the context?
    pub fn is_inproc(&self) -> bool {
        matches!(self, Endpoint::Inproc(_))
    }

    /// May a socket bind to it? Whether the address exists and is free, only binding tells.
    ///
    /// # Errors
    /// `InvalidEndpoint` if it names a source address, or was put together by hand and no text
    /// could give it; `NameTooLong` for a path that is too long.
    pub fn check_bind(&self) -> Result<(), Error> {
        self.check(match self {
            Endpoint::Tcp(tcp) if tcp.source.is_some() => {
                Some("a source address is for connecting only")
            }
            _ => None,
        })
    }

    /// May a socket connect to it? Whether anybody is there, only connecting tells.
    ///
    /// # Errors
    /// `InvalidEndpoint` if it leaves host, port or path open, or was put together by hand and no
    /// text could give it; `NameTooLong` for a path that is too long.
    pub fn check_connect(&self) -> Result<(), Error> {
        self.check(match self {
            Endpoint::Tcp(tcp) if tcp.host == Host::Any => {
                Some("the host '*' is for binding only: name the host to connect to")
            }
            Endpoint::Tcp(tcp) if tcp.port == Port::Any => {
                Some("the port is open: name the port to connect to")
            }
            Endpoint::Ipc(IpcEndpoint::Any) => {
                Some("'*' is for binding only: name the path to connect to")
            }
            _ => None,
        })
    }

    fn check(&self, misused: Option<&str>) -> Result<(), Error> {
        match misused {
            Some(reason) => Err(Flaw::from(reason)),
            None => endpoint_parse::check(self),
        }
        .map_err(|flaw| flaw.of(&self.to_string()))
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint, Error> {
        endpoint_parse::parse(text).map_err(|flaw| flaw.of(text))
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = Error;

    fn try_from(text: &str) -> Result<Endpoint, Error> {
        text.parse()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(text: String) -> Result<Endpoint, Error> {
        text.parse()
    }
}

impl TryFrom<&String> for Endpoint {
    type Error = Error;

    fn try_from(text: &String) -> Result<Endpoint, Error> {
        text.parse()
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Endpoint) -> Endpoint {
        endpoint.clone()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => {
                Host::Zoned(*v6.ip(), v6.scope_id().to_string())
            }
            _ => Host::Ip(address.ip()),
        };
        Endpoint::Tcp(TcpEndpoint {
            host,
            port: Port::from(address.port()),
            source: None,
        })
    }
}

impl From<u16> for Port {
    /// 0 is [`Port::Any`].
    fn from(number: u16) -> Port {
        match number {
            0 => Port::Any,
            number => Port::Number(number),
        }
    }
}

/// What functions take as an endpoint: its text, or one that was read before.
pub trait IntoEndpoint: sealed::Sealed {
    /// The endpoint.
    ///
    /// # Errors
    /// As from reading the text: `InvalidEndpoint`, `UnknownTransport`, `NameTooLong`.
    fn into_endpoint(self) -> Result<Endpoint, Error>;
}

impl<T> IntoEndpoint for T
where
    T: sealed::Sealed + TryInto<Endpoint>,
    T::Error: Into<Error>,
{
    fn into_endpoint(self) -> Result<Endpoint, Error> {
        self.try_into().map_err(Into::into)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for &str {}
    impl Sealed for String {}
    impl Sealed for &String {}
    impl Sealed for super::Endpoint {}
    impl Sealed for &super::Endpoint {}
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Error {
        match never {}
    }
}

impl fmt::Display for Endpoint {
    /// The canonical text, which reads as the same endpoint again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(tcp) => write!(f, "tcp://{tcp}"),
            Endpoint::Ipc(ipc) => write!(f, "ipc://{ipc}"),
            Endpoint::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl fmt::Display for TcpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((host, port)) = &self.source {
            write!(f, "{host}:{port};")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Any => f.write_str("*"),
            Host::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Zoned(address, zone) => write!(f, "[{address}%{zone}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Any => f.write_str("*"),
            Port::Number(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for IpcEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IpcEndpoint::Path(path) => write!(f, "{}", path.display()),
            IpcEndpoint::Abstract(name) => write!(f, "@{name}"),
            IpcEndpoint::Any => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Endpoint {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn tcp(host: Host, port: u16) -> Endpoint {
        Endpoint::Tcp(TcpEndpoint {
            host,
            port: port.into(),
            source: None,
        })
    }

    fn name(text: &str) -> Host {
        Host::Name(text.into())
    }

    #[test]
    fn binding_and_connecting_ask_for_different_things() {
        //           text                        bind   connect
        let rows = [
            ("tcp://*:*", true, false),
            ("tcp://*:5555", true, false),
            ("tcp://lo:*", true, false),
            ("tcp://127.0.0.1:0", true, false),
            ("tcp://localhost:5555", true, true),
            ("tcp://0.0.0.0:5555", true, true),
            ("tcp://[::1]:5555", true, true),
            ("tcp://lo:*;localhost:5555", false, true),
            ("tcp://*:1;localhost:5555", false, true),
            ("tcp://lo:*;localhost:*", false, false),
            ("tcp://lo:*;*:5555", false, false),
            ("ipc://*", true, false),
            ("ipc:///tmp/a", true, true),
            ("inproc://a", true, true),
        ];
        for (text, bind, connect) in rows {
            let endpoint = read(text);
            assert_eq!(endpoint.check_bind().is_ok(), bind, "bind {text}");
            assert_eq!(endpoint.check_connect().is_ok(), connect, "connect {text}");
        }
        let error = read("tcp://*:5555").check_connect().expect_err("no host");
        assert!(
            error.to_string().contains("\"tcp://*:5555\": the host '*'"),
            "{error}"
        );
    }

    #[test]
    fn what_no_text_gives_is_refused_when_used() {
        let path = |text: &str| Endpoint::Ipc(IpcEndpoint::Path(text.into()));
        let rows = [
            Endpoint::Inproc(String::new()),
            Endpoint::Inproc("n".repeat(257)),
            Endpoint::Ipc(IpcEndpoint::Abstract(String::new())),
            path(""),
            path("*"),
            path("@a"),
            path("a\0"),
            path(&"p".repeat(200)),
            tcp(name(""), 1),
            tcp(name("*"), 1),
            tcp(name("a:1;b"), 1),
            tcp(Host::Zoned(Ipv6Addr::LOCALHOST, "]".into()), 1),
            Endpoint::Tcp(TcpEndpoint {
                host: Host::Any,
                port: Port::Number(0),
                source: None,
            }),
        ];
        for endpoint in rows {
            assert!(endpoint.check_bind().is_err(), "{endpoint:?}");
            assert!(endpoint.check_connect().is_err(), "{endpoint:?}");
        }
    }

    #[test]
    fn addresses_of_the_system_become_endpoints() {
        let address = |text: &str| Endpoint::from(text.parse::<SocketAddr>().expect("one"));
        assert_eq!(address("127.0.0.1:80").to_string(), "tcp://127.0.0.1:80");
        assert_eq!(address("[::1]:80").to_string(), "tcp://[::1]:80");
        assert_eq!(
            address("[fe80::1%3]:80").to_string(),
            "tcp://[fe80::1%3]:80"
        );
    }

    #[test]
    fn everything_that_names_an_endpoint_becomes_one() {
        fn of(named: impl IntoEndpoint) -> Result<Endpoint, Error> {
            named.into_endpoint()
        }
        let text = String::from("inproc://a");
        let endpoint = read(&text);
        assert_eq!(of("inproc://a").expect("text"), endpoint);
        assert_eq!(of(&text).expect("string by reference"), endpoint);
        assert_eq!(of(text).expect("string"), endpoint);
        assert_eq!(of(&endpoint).expect("endpoint by reference"), endpoint);
        assert_eq!(of(endpoint.clone()).expect("endpoint"), endpoint);
        assert!(of("a").is_err());
    }
}
