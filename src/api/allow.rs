//! A list of those who may come in: addresses and keys.

use std::{collections::HashMap, net::IpAddr};

use crate::base::{
    auth::{AuthRequest, Authenticator, Credentials, Verdict},
    filter::Network,
    keys::PublicKey,
};

/// Networks and keys that may come in: an [`Authenticator`]. A list of networks that is empty lets all addresses in;
/// likewise for keys.
///
/// ```
/// use hubless::{AllowList, Pull};
///
/// let list = AllowList::new().network("127.0.0.0/8".parse()?);
/// let pull = Pull::builder().authenticator(list).build()?;
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    networks: Vec<Network>,
    keys: HashMap<PublicKey, String>,
}

impl AllowList {
    /// Nothing is listed, and everybody comes in.
    pub fn new() -> AllowList {
        AllowList::default()
    }

    /// Let in who comes from this network, and from others that are listed; peers over Unix-domain sockets come
    /// from none.
    #[must_use]
    pub fn network(mut self, network: Network) -> AllowList {
        self.networks.push(network);
        self
    }

    /// Let in who shows this key by CURVE, and other keys that are listed. Its property `User-Id` is `name`.
    #[must_use]
    pub fn key(mut self, key: PublicKey, name: impl Into<String>) -> AllowList {
        self.keys.insert(key, name.into());
        self
    }
}

impl Authenticator for AllowList {
    fn judge(&self, request: &AuthRequest) -> Verdict {
        if !self.networks.is_empty() {
            let address: Option<IpAddr> = request.address.parse().ok();
            let contains = |address| self.networks.iter().any(|it| it.contains(address));
            if !address.is_some_and(contains) {
                return Verdict::Deny;
            }
        }
        if self.keys.is_empty() {
            return true.into();
        }
        by_key(request, &self.keys)
    }
}

/// Lets in those who show one of these keys, by the name that goes with it.
pub(super) fn by_key(request: &AuthRequest, keys: &HashMap<PublicKey, String>) -> Verdict {
    match &request.credentials {
        Credentials::Curve { key } => match keys.get(key) {
            Some(name) => Verdict::allow_as(name),
            None => Verdict::Deny,
        },
        _ => Verdict::Deny,
    }
}
