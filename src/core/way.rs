//! The way to an endpoint: from which address, and through whom.

use std::io;

use super::socket::Socket;
use crate::{
    base::{
        endpoint::{Endpoint, Host, Port},
        options::Options,
    },
    reactor::metal::{Address, SocksTarget},
};

/// Whom a proxy is to connect us to, if there is one.
pub(super) fn target(to: &Endpoint, options: &Options) -> Option<SocksTarget> {
    let (Endpoint::Tcp(tcp), Some(_)) = (to, &options.socks_proxy) else {
        return None;
    };
    let Port::Number(port) = tcp.port else {
        return None;
    };
    let host = match &tcp.host {
        Host::Ip(ip) => ip.to_string(),
        host => host.to_string(),
    };
    Some(SocksTarget { host, port })
}

/// The address to connect from, if the endpoint names one, or the proxy on the way to it.
pub(super) fn source(
    to: &Endpoint,
    options: &Options,
    socket: &Socket,
) -> io::Result<Option<Address>> {
    let Endpoint::Tcp(tcp) = to else {
        return Ok(None);
    };
    let proxy = options.socks();
    let source = proxy.as_ref().and_then(|proxy| proxy.source.as_ref());
    let Some((host, port)) = source.or(tcp.source.as_ref()) else {
        return Ok(None);
    };
    let port = match port {
        Port::Number(port) => *port,
        Port::Any => 0,
    };
    let address = match host {
        Host::Name(name) => socket
            .context
            .metal
            .interface(name)
            .into_iter()
            .find(|address| address.is_ipv4() || options.ipv6),
        host => socket.context.address_of(host, port),
    };
    let mut address = address.ok_or_else(|| {
        io::Error::new(io::ErrorKind::AddrNotAvailable, "no such source interface")
    })?;
    address.set_port(port);
    Ok(Some(Address::Tcp(address)))
}
