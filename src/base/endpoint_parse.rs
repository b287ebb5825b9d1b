//! Reads an endpoint's text, and says what is wrong with it.
//!
//! Two steps: the text is split by its marks (`://`, `;`, the last `:`, brackets), then each part
//! is checked. The second step stands alone, because an [`Endpoint`] can be put together by hand.

use std::{
    mem::{offset_of, size_of},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use super::{
    endpoint::{Endpoint, Host, IpcEndpoint, Port, TcpEndpoint},
    error::{Error, ErrorKind},
};

/// Octets of an inproc name, at most.
const NAME_OCTETS_MAX: usize = 256;

/// Octets of a host's name, at most (RFC 1035, 2.3.4, as text).
const HOST_OCTETS_MAX: usize = 253;

/// Octets of one label of a host's name, at most (RFC 1035, 2.3.4).
const LABEL_OCTETS_MAX: usize = 63;

/// Octets of a zone, at most: an interface's name on any system we know, or a number.
const ZONE_OCTETS_MAX: usize = 63;

/// Octets of an ipc path or of an abstract name with its `@`: what the system's address holds,
/// less one for the NUL.
const PATH_OCTETS_MAX: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// What is wrong with a text, before the text itself is known.
pub(super) struct Flaw {
    kind: ErrorKind,
    reason: String,
}

impl Flaw {
    /// The error that names the text.
    pub(super) fn of(self, text: &str) -> Error {
        Error::new(self.kind, format!("{text:?}: {}", self.reason))
    }
}

impl<T: Into<String>> From<T> for Flaw {
    fn from(reason: T) -> Flaw {
        Flaw {
            kind: ErrorKind::InvalidEndpoint,
            reason: reason.into(),
        }
    }
}

/// The endpoint that `text` names.
pub(super) fn parse(text: &str) -> Result<Endpoint, Flaw> {
    let (scheme, address) = text
        .split_once("://")
        .ok_or("no '://': write TRANSPORT://ADDRESS")?;
    if scheme.is_empty() {
        return Err("no transport before '://'".into());
    }
    if address.is_empty() {
        return Err("no address after '://'".into());
    }
    let endpoint = match scheme {
        "tcp" => Endpoint::Tcp(parse_tcp(address)?),
        "ipc" => Endpoint::Ipc(parse_ipc(address)),
        "inproc" => Endpoint::Inproc(address.into()),
        _ => {
            return Err(Flaw {
                kind: ErrorKind::UnknownTransport,
                reason: format!("{scheme:?} is none of tcp, ipc, inproc"),
            });
        }
    };
    check(&endpoint)?;
    Ok(endpoint)
}

fn parse_tcp(address: &str) -> Result<TcpEndpoint, Flaw> {
    let (source, target) = match address.split_once(';') {
        Some((source, target)) => (Some(parse_host_and_port(source)?), target),
        None => (None, address),
    };
    let (host, port) = parse_host_and_port(target)?;
    Ok(TcpEndpoint { host, port, source })
}

/// `HOST:PORT`. The last colon divides, so that an IPv6 address may stand without brackets.
fn parse_host_and_port(text: &str) -> Result<(Host, Port), Flaw> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, rest) = rest.split_once(']').ok_or("'[' without ']'")?;
            let port = rest.strip_prefix(':').ok_or("no ':PORT' after ']'")?;
            (parse_ipv6(inner)?, port)
        }
        None => {
            let (host, port) = text
                .rsplit_once(':')
                .ok_or("no port: write HOST:PORT, or HOST:* to bind any")?;
            (parse_host(host)?, port)
        }
    };
    Ok((host, parse_port(port)?))
}

fn parse_host(text: &str) -> Result<Host, Flaw> {
    if text.is_empty() {
        return Err("no host before ':': write '*' to bind every interface".into());
    }
    if text == "*" {
        return Ok(Host::Any);
    }
    if text.contains(':') {
        return parse_ipv6(text);
    }
    Ok(match text.parse::<Ipv4Addr>() {
        Ok(address) => Host::Ip(address.into()),
        Err(_) => Host::Name(text.into()),
    })
}

fn parse_ipv6(text: &str) -> Result<Host, Flaw> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = address
        .parse()
        .map_err(|_| format!("{address:?} is no IPv6 address"))?;
    Ok(match zone {
        Some(zone) => Host::Zoned(address, zone.into()),
        None => Host::Ip(IpAddr::V6(address)),
    })
}

fn parse_port(text: &str) -> Result<Port, Flaw> {
    if text == "*" {
        return Ok(Port::Any);
    }
    if text.is_empty() {
        return Err("no port after ':'".into());
    }
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(format!("{text:?} is no port: a number from 0 to 65535, or '*'").into());
    }
    let number: u16 = text
        .parse()
        .map_err(|_| format!("port {text} is above 65535"))?;
    Ok(Port::from(number))
}

fn parse_ipc(address: &str) -> IpcEndpoint {
    match address.strip_prefix('@') {
        Some(name) => IpcEndpoint::Abstract(name.into()),
        None if address == "*" => IpcEndpoint::Any,
        None => IpcEndpoint::Path(address.into()),
    }
}

/// Could a text give this endpoint?
pub(super) fn check(endpoint: &Endpoint) -> Result<(), Flaw> {
    match endpoint {
        Endpoint::Tcp(tcp) => {
            if let Some((host, port)) = &tcp.source {
                check_host(host)?;
                check_port(*port)?;
            }
            check_host(&tcp.host)?;
            check_port(tcp.port)
        }
        Endpoint::Ipc(IpcEndpoint::Any) => Ok(()),
        Endpoint::Ipc(IpcEndpoint::Path(path)) => check_path(path),
        Endpoint::Ipc(IpcEndpoint::Abstract(name)) => check_abstract(name),
        Endpoint::Inproc(name) if name.is_empty() => Err("the name is empty".into()),
        Endpoint::Inproc(name) if name.len() > NAME_OCTETS_MAX => {
            Err(format!("the name is longer than {NAME_OCTETS_MAX} octets").into())
        }
        Endpoint::Inproc(_) => Ok(()),
    }
}

fn check_port(port: Port) -> Result<(), Flaw> {
    match port {
        Port::Number(0) => Err("port 0 is Port::Any".into()),
        _ => Ok(()),
    }
}

fn check_host(host: &Host) -> Result<(), Flaw> {
    match host {
        Host::Any | Host::Ip(_) => Ok(()),
        Host::Zoned(_, zone) => check_zone(zone),
        Host::Name(name) => check_name(name),
    }
}

fn check_zone(zone: &str) -> Result<(), Flaw> {
    if zone.is_empty() || zone.len() > ZONE_OCTETS_MAX || !zone.chars().all(is_name_char) {
        return Err(format!("{zone:?} is no zone: the name or number of an interface").into());
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Flaw> {
    if let Some(odd) = name.chars().find(|&c| !is_name_char(c)) {
        return Err(format!("{odd:?} has no place in a host or interface name").into());
    }
    // A trailing dot is the root of the name system.
    let labels = || name.strip_suffix('.').unwrap_or(name).split('.');
    if labels().any(str::is_empty) || name.starts_with('-') {
        return Err(format!("{name:?} is no host or interface name").into());
    }
    if name.len() > HOST_OCTETS_MAX || labels().any(|label| label.len() > LABEL_OCTETS_MAX) {
        return Err("the host's name is too long".into());
    }
    // Left to the resolver, a slip in an address would only show as a name that is never found.
    if name.contains('.') && labels().all(|label| label.bytes().all(|o| o.is_ascii_digit())) {
        return Err(format!("{name:?} is no IPv4 address").into());
    }
    Ok(())
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn check_path(path: &Path) -> Result<(), Flaw> {
    let octets = path.as_os_str().as_bytes();
    match octets.first() {
        None => return Err("the path is empty".into()),
        Some(b'@') => return Err("a path that begins with '@': write './@...'".into()),
        Some(b'*') if octets.len() == 1 => return Err("the path '*': write './*'".into()),
        Some(_) => {}
    }
    if octets.contains(&0) {
        return Err("NUL in the path".into());
    }
    check_path_octets(octets.len())
}

fn check_abstract(name: &str) -> Result<(), Flaw> {
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Err("abstract names exist on Linux only".into());
    }
    if name.is_empty() {
        return Err("no name after '@'".into());
    }
    if name.contains('\0') {
        return Err("NUL in the name".into());
    }
    check_path_octets(1 + name.len())
}

fn check_path_octets(octets: usize) -> Result<(), Flaw> {
    if octets > PATH_OCTETS_MAX {
        return Err(Flaw {
            kind: ErrorKind::NameTooLong,
            reason: format!(
                "{octets} octets of path, where the system has room for {PATH_OCTETS_MAX}"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

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

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().expect("an address"))
    }

    fn read(text: &str) -> Endpoint {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(text: &str) -> (ErrorKind, String) {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => panic!("{text:?} was taken as {endpoint:?}"),
            Err(error) => (error.kind(), error.to_string()),
        }
    }

    #[test]
    fn tcp_is_read_and_written() {
        let scoped = |zone: &str| Host::Zoned("fe80::1".parse().expect("an address"), zone.into());
        let long_label = "a".repeat(63);
        let rows = [
            ("tcp://127.0.0.1:5555", tcp(ip("127.0.0.1"), 5555), ""),
            ("tcp://0.0.0.0:1", tcp(ip("0.0.0.0"), 1), ""),
            ("tcp://*:5555", tcp(Host::Any, 5555), ""),
            ("tcp://*:*", tcp(Host::Any, 0), ""),
            ("tcp://*:0", tcp(Host::Any, 0), "tcp://*:*"),
            ("tcp://lo:*", tcp(name("lo"), 0), ""),
            ("tcp://eth0.100:65535", tcp(name("eth0.100"), 65535), ""),
            ("tcp://br-4_a:7", tcp(name("br-4_a"), 7), ""),
            ("tcp://Example.org.:80", tcp(name("Example.org."), 80), ""),
            ("tcp://123456789012:80", tcp(name("123456789012"), 80), ""),
            ("tcp://h:00080", tcp(name("h"), 80), "tcp://h:80"),
            ("tcp://[::1]:5555", tcp(ip("::1"), 5555), ""),
            ("tcp://::1:5555", tcp(ip("::1"), 5555), "tcp://[::1]:5555"),
            ("tcp://[::]:*", tcp(ip("::"), 0), ""),
            (
                "tcp://[2001:DB8:0::1]:1",
                tcp(ip("2001:db8::1"), 1),
                "tcp://[2001:db8::1]:1",
            ),
            ("tcp://[::ffff:1.2.3.4]:1", tcp(ip("::ffff:1.2.3.4"), 1), ""),
            ("tcp://[fe80::1%eth0]:5", tcp(scoped("eth0"), 5), ""),
            (
                "tcp://fe80::1%2:5",
                tcp(scoped("2"), 5),
                "tcp://[fe80::1%2]:5",
            ),
        ];
        for (text, endpoint, canonical) in rows {
            let canonical = if canonical.is_empty() {
                text
            } else {
                canonical
            };
            assert_eq!(read(text), endpoint, "{text}");
            assert_eq!(endpoint.to_string(), canonical);
            assert_eq!(read(canonical), endpoint, "{canonical}");
        }
        read(&format!("tcp://{long_label}.{long_label}.org:1"));
    }

    #[test]
    fn a_source_is_read_and_written() {
        let rows = [
            ("tcp://127.0.0.1:*;localhost:5555", ip("127.0.0.1"), 0),
            ("tcp://127.0.0.1:7;localhost:5555", ip("127.0.0.1"), 7),
            ("tcp://*:7;localhost:5555", Host::Any, 7),
            ("tcp://eth0:*;localhost:5555", name("eth0"), 0),
            ("tcp://[::1]:9;localhost:5555", ip("::1"), 9),
        ];
        for (text, host, port) in rows {
            let endpoint = Endpoint::Tcp(TcpEndpoint {
                host: name("localhost"),
                port: Port::Number(5555),
                source: Some((host, port.into())),
            });
            assert_eq!(read(text), endpoint);
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn ipc_and_inproc_are_read_and_written() {
        let path = |text: &str| Endpoint::Ipc(IpcEndpoint::Path(PathBuf::from(text)));
        let longest = "p".repeat(PATH_OCTETS_MAX);
        let rows = [
            ("ipc:///tmp/a b", path("/tmp/a b")),
            ("ipc://relative", path("relative")),
            ("ipc://./@odd", path("./@odd")),
            ("ipc://**", path("**")),
            ("ipc://*", Endpoint::Ipc(IpcEndpoint::Any)),
            (&format!("ipc://{longest}"), path(&longest)),
            ("inproc://a", Endpoint::Inproc("a".into())),
            ("inproc://tcp://x:1", Endpoint::Inproc("tcp://x:1".into())),
            ("inproc://é \n", Endpoint::Inproc("é \n".into())),
            (
                &format!("inproc://{}", "n".repeat(256)),
                Endpoint::Inproc("n".repeat(256)),
            ),
        ];
        for (text, endpoint) in rows {
            assert_eq!(read(text), endpoint, "{text}");
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn abstract_names_are_read_and_written() {
        let text = format!("ipc://@{}", "n".repeat(PATH_OCTETS_MAX - 1));
        assert_eq!(read(&text).to_string(), text);
        assert_eq!(
            read("ipc://@a@"),
            Endpoint::Ipc(IpcEndpoint::Abstract("a@".into()))
        );
        assert_eq!(refused(&format!("{text}n")).0, ErrorKind::NameTooLong);
        assert!(refused("ipc://@").1.contains("no name after '@'"));
        assert!(refused("ipc://@a\0b").1.contains("NUL"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let rows = [
            ("", "no '://'"),
            ("tcp", "no '://'"),
            ("tcp:/127.0.0.1:1", "no '://'"),
            ("127.0.0.1:5555", "no '://'"),
            ("://a", "no transport"),
            ("tcp://", "no address"),
            ("ipc://", "no address"),
            ("inproc://", "no address"),
            ("nonsense://", "no address"),
            ("tcp://:5555", "no host"),
            ("tcp://:abc", "no host"),
            ("tcp://host", "no port"),
            ("tcp://host:", "no port after ':'"),
            ("tcp://host:abc", "\"abc\" is no port"),
            ("tcp://host:-1", "\"-1\" is no port"),
            ("tcp://host:+1", "\"+1\" is no port"),
            ("tcp://host:1 ", "\"1 \" is no port"),
            ("tcp://host:1/", "\"1/\" is no port"),
            ("tcp://host:**", "is no port"),
            ("tcp://host:٣", "is no port"),
            ("tcp://host:65536", "port 65536 is above 65535"),
            ("tcp://host:99999999999999999999", "is above 65535"),
            ("tcp:// host:1", "' ' has no place"),
            ("tcp://in val id:1", "' ' has no place"),
            ("tcp://höst:1", "'ö' has no place"),
            ("tcp://a/b:1", "'/' has no place"),
            ("tcp://**:1", "'*' has no place"),
            ("tcp://a\0:1", "has no place"),
            ("tcp://user@host:1", "'@' has no place"),
            ("tcp://eth0%1:1", "'%' has no place"),
            ("tcp://a..b:1", "is no host"),
            ("tcp://.a:1", "is no host"),
            ("tcp://.:1", "is no host"),
            ("tcp://-a:1", "is no host"),
            ("tcp://256.0.0.1:1", "is no IPv4 address"),
            ("tcp://1.2.3:1", "is no IPv4 address"),
            ("tcp://1.2.3.4.5:1", "is no IPv4 address"),
            ("tcp://::1", "is no IPv6 address"),
            ("tcp://1:2:3", "is no IPv6 address"),
            ("tcp://host:1:2", "is no IPv6 address"),
            ("tcp://[::1:5555", "'[' without ']'"),
            ("tcp://[::1]", "no ':PORT' after ']'"),
            ("tcp://[::1]5555", "no ':PORT' after ']'"),
            ("tcp://[::1]%lo:5555", "no ':PORT' after ']'"),
            ("tcp://[]:1", "is no IPv6 address"),
            ("tcp://[*]:1", "is no IPv6 address"),
            ("tcp://[127.0.0.1]:1", "is no IPv6 address"),
            ("tcp://[fe80::1%]:1", "is no zone"),
            ("tcp://[fe80::1%a b]:1", "is no zone"),
            ("tcp://[fe80::1%a%b]:1", "is no zone"),
            ("tcp://;host:1", "no port"),
            ("tcp://1.2.3.4;host:1", "no port"),
            ("tcp://1.2.3.4:1;", "no port"),
            ("tcp://1.2.3.4:1;host:2;host:3", "is no IPv6 address"),
            ("tcp://a:1;b:2;", "is no port"),
            ("tcp://a;b;c:2", "no port"),
            ("ipc://a\0b", "NUL"),
        ];
        for (text, reason) in rows {
            let (kind, said) = refused(text);
            assert_eq!(kind, ErrorKind::InvalidEndpoint, "{text}");
            assert!(said.contains(reason), "{text}: {said}");
            assert!(
                said.contains(&format!("{text:?}")),
                "{said} does not name {text:?}"
            );
        }
        assert!(
            refused(&format!("inproc://{}", "n".repeat(257)))
                .1
                .contains("256")
        );
        assert!(
            refused(&format!("tcp://{}:1", "a".repeat(64)))
                .1
                .contains("too long")
        );
        assert!(
            refused(&format!("tcp://{}a:1", "a.".repeat(127)))
                .1
                .contains("too long")
        );
    }

    #[test]
    fn other_kinds_of_error() {
        for text in [
            "ws://a:1",
            "udp://a:1",
            "TCP://a:1",
            " tcp://a:1",
            "x://y",
            "vsock://2:3",
        ] {
            let (kind, said) = refused(text);
            assert_eq!(kind, ErrorKind::UnknownTransport, "{text}");
            assert!(said.contains(&format!("{text:?}")), "{said}");
        }
        let text = format!("ipc:///{}", "p".repeat(PATH_OCTETS_MAX));
        assert_eq!(refused(&text).0, ErrorKind::NameTooLong);
    }

    /// Whatever text comes, it is refused or reads the same again after it was written.
    #[test]
    fn random_text_neither_panics_nor_changes() {
        let seed = 0x9E37_79B9_7F4A_7C15_u64;
        println!("seed {seed:#x}");
        let mut state = seed;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % below
        };
        let pieces = [
            "tcp",
            "ipc",
            "inproc",
            "://",
            "/",
            ":",
            "::",
            ";",
            "*",
            "@",
            "[",
            "]",
            "%",
            ".",
            "-",
            "0",
            "1",
            "65535",
            "127.0.0.1",
            "fe80",
            "eth0",
            " ",
            "\0",
            "é",
            "\u{10FFFF}",
            "tcp://",
        ];
        let mut taken = 0;
        for _ in 0..100_000 {
            let mut text = String::new();
            for _ in 0..random(10) {
                match random(8) {
                    0 => text.push_str(&String::from_utf8_lossy(&[random(256) as u8])),
                    _ => text.push_str(pieces[random(pieces.len())]),
                }
            }
            if random(2) == 0 {
                text.insert_str(0, "tcp://");
            }
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                taken += 1;
                assert_eq!(read(&endpoint.to_string()), endpoint, "{text:?}");
                let _ = (endpoint.check_bind(), endpoint.check_connect());
            }
        }
        assert!(taken > 100, "only {taken} texts were endpoints");
    }
}
