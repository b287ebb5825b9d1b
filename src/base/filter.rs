//! Who may come in, judged by where from: before a word is spoken.

use std::{fmt, net::IpAddr, str::FromStr};

use super::error::{Error, ErrorKind};

/// A range of IP addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// ```
/// use hubless::{Network, Pull};
///
/// let ours: Network = "10.0.0.0/8".parse()?;
/// assert!(ours.contains("10.1.2.3".parse().unwrap()));
/// let pull = Pull::builder().accept_from(ours).build()?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A process of this machine, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalPeer {
    /// The process of this number.
    Process(i32),
    /// All of this user.
    User(u32),
    /// All whose group this is.
    Group(u32),
}

impl Network {
    /// Is that address in it? An IPv4 address is the same however it is written.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Network, Error> {
        let wrong = || Error::new(ErrorKind::InvalidOption, format!("{text}: no network"));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
        };
        if prefix > most {
            return Err(wrong());
        }
        // An IPv4 address, written as one of IPv6.
        match (address.to_canonical(), prefix) {
            (v4 @ IpAddr::V4(_), 96..) if address.is_ipv6() => Ok(Network {
                address: v4,
                prefix: prefix - 96,
            }),
            _ => Ok(Network { address, prefix }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_begins_as_it_does() {
        let contains = |network: &str, address: &str| {
            let network: Network = network.parse().expect(network);
            network.contains(address.parse().expect(address))
        };
        assert!(contains("10.1.0.0/16", "10.1.255.3"));
        assert!(!contains("10.1.0.0/16", "10.2.0.0"));
        assert!(contains("10.1.2.3", "10.1.2.3") && !contains("10.1.2.3", "10.1.2.2"));
        assert!(contains("0.0.0.0/0", "255.1.2.3") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(
            contains("::ffff:10.0.0.0/104", "10.1.2.3") && contains("::ffff:1.2.3.4", "1.2.3.4")
        );
        assert!(!contains("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
        assert!(contains("::/0", "::1") && contains("::1/128", "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "foo",
            "0.0.0.0/",
            "0.0.0.0/-1",
            "0.0.0.0/33",
            "::/129",
            "1.2.3/8",
            "*",
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidOption);
        }
    }
}
