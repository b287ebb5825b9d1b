//! The addresses of a network interface, by its name: for endpoints such as `tcp://eth0:5555`.

use std::net::SocketAddr;

use super::sys;

/// The addresses of the interface `name`, in the system's order, IPv4 and IPv6, port 0; empty if
/// there is none of that name or it has no address.
pub(super) fn addresses(name: &str) -> Vec<SocketAddr> {
    match sys::interface_addresses() {
        Ok(all) => {
            let ours = all.into_iter().filter(|(of, _)| of == name);
            ours.map(|(_, address)| address).collect()
        }
        Err(error) => {
            log::debug!("no list of network interfaces: {error}");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_its_address() {
        let name = if cfg!(target_vendor = "apple") {
            "lo0"
        } else {
            "lo"
        };
        let found = addresses(name);
        assert!(
            found.contains(&SocketAddr::from(([127, 0, 0, 1], 0))),
            "{found:?}"
        );
    }

    #[test]
    fn an_unknown_interface_has_none() {
        assert_eq!(addresses("no-such-if0"), []);
        assert_eq!(addresses(""), []);
    }
}
