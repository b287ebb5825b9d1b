//! Who asks to come in, and what the answer is.
//!
//! ```text
//!   engine ── AuthRequest ──► core ── outside of all locks ──► Authenticator
//!   engine ◄──── Verdict ──── core ◄─────────────────────────────────┘
//! ```

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    keys::{Curve, KEY_OCTETS, KeyPair, Primitives, PublicKey, SecretKey},
    secret::Secret,
};

/// A peer that asks to come in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthRequest {
    /// Where it is: the IP without port, or `localhost:uid:gid:pid` of an ipc peer.
    pub address: String,
    /// What it calls itself, as far as it has said: with CURVE, if its type says so.
    pub identity: Bytes,
    /// Where it wants to come in: the ZAP domain of the socket, empty unless it was given one.
    pub domain: String,
    /// What it shows.
    pub credentials: Credentials,
}

/// What a peer shows, by its security mechanism.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// NULL: nothing.
    Null,
    /// PLAIN (RFC 24): a name and a password, each of at most 255 octets.
    Plain {
        /// The name.
        user: Bytes,
        /// The password.
        password: Secret,
    },
    /// CURVE (RFC 26): a key, and the proof that the peer has the secret one to it.
    Curve {
        /// The peer's long-term key.
        key: PublicKey,
    },
}

impl AuthRequest {
    /// A peer that calls itself so and shows this; its address and domain are fields. For those who
    /// try their own [`Authenticator`].
    ///
    /// ```
    /// use hubless::{AllowList, AuthRequest, Authenticator, Credentials};
    ///
    /// let list = AllowList::new().network("10.0.0.0/8".parse()?);
    /// let mut peer = AuthRequest::new("", Credentials::Null);
    /// peer.address = "10.0.0.7".into();
    /// assert_eq!(list.judge(&peer).status(), 200);
    /// peer.address = "11.0.0.7".into();
    /// assert_eq!(list.judge(&peer).status(), 400);
    /// # Ok::<(), hubless::Error>(())
    /// ```
    pub fn new(identity: impl Into<Bytes>, credentials: Credentials) -> AuthRequest {
        AuthRequest {
            address: String::new(),
            identity: identity.into(),
            domain: String::new(),
            credentials,
        }
    }

    /// The mechanism's name: `NULL`, `PLAIN` or `CURVE`.
    pub fn mechanism(&self) -> &'static str {
        match self.credentials {
            Credentials::Null => "NULL",
            Credentials::Plain { .. } => "PLAIN",
            Credentials::Curve { .. } => "CURVE",
        }
    }
}

/// The answer to an [`AuthRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It may come in.
    #[non_exhaustive]
    Allow {
        /// Who it is: its property `User-Id`, unless this is empty.
        user_id: Bytes,
        /// What else is known of it: [properties](crate::PeerInfo::properties) that replace those of
        /// the same names which it has given itself.
        properties: Vec<(String, Bytes)>,
    },
    /// It may not: told by an ERROR with status 400, upon which it should not try again.
    Deny,
    /// Not now: closed without a word, so that it may try again (status 300).
    NotNow,
    /// Nobody could say: told by an ERROR with status 500.
    Failed,
}

impl Verdict {
    /// It may come in, under this name.
    pub fn allow_as(user_id: impl AsRef<[u8]>) -> Verdict {
        Verdict::Allow {
            user_id: Bytes::copy_from_slice(user_id.as_ref()),
            properties: Vec::new(),
        }
    }

    /// The same, with one more thing known of the peer. Only an `Allow` takes it.
    ///
    /// ```
    /// use hubless::Verdict;
    ///
    /// let verdict = Verdict::allow_as("joe").with_property("X-Role", "admin");
    /// assert_eq!(verdict.status(), 200);
    /// ```
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Verdict {
        if let Verdict::Allow { properties, .. } = &mut self {
            properties.push((name.into(), Bytes::copy_from_slice(value.as_ref())));
        }
        self
    }

    /// The status that RFC 27 has for it.
    pub fn status(&self) -> u16 {
        match self {
            Verdict::Allow { .. } => 200,
            Verdict::NotNow => 300,
            Verdict::Deny => 400,
            Verdict::Failed => 500,
        }
    }

    /// Allowed only if both say so. The second knows the name, unless it leaves it open, and more
    /// of the peer.
    pub(crate) fn and(self, second: impl FnOnce() -> Verdict) -> Verdict {
        let Verdict::Allow {
            user_id: known,
            properties: mut all,
        } = self
        else {
            return self;
        };
        match second() {
            Verdict::Allow {
                user_id,
                properties,
            } => {
                all.retain(|(name, _)| {
                    let same = |(other, _): &(String, Bytes)| other.eq_ignore_ascii_case(name);
                    !properties.iter().any(same)
                });
                all.extend(properties);
                let user_id = if user_id.is_empty() { known } else { user_id };
                Verdict::Allow {
                    user_id,
                    properties: all,
                }
            }
            refused => refused,
        }
    }
}

impl From<bool> for Verdict {
    fn from(allowed: bool) -> Verdict {
        match allowed {
            true => Verdict::allow_as(""),
            false => Verdict::Deny,
        }
    }
}

/// Says who may come in. Closures over an [`AuthRequest`] that give a [`Verdict`] or a `bool` are
/// authenticators.
///
/// It is asked in every handshake over the network, on the thread that drives the connection,
/// under no lock: other connections of that thread wait meanwhile, so let it look something up,
/// not wait for somebody. A panic counts as [`Verdict::Failed`]. Peers over `inproc` are not
/// asked about.
pub trait Authenticator: Send + Sync {
    /// May it come in?
    fn judge(&self, request: &AuthRequest) -> Verdict;
}

impl<V: Into<Verdict>, F: Fn(&AuthRequest) -> V + Send + Sync> Authenticator for F {
    fn judge(&self, request: &AuthRequest) -> Verdict {
        self(request).into()
    }
}

/// An authenticator among the options.
#[derive(Clone)]
pub struct Gate(pub Arc<dyn Authenticator>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate(..)")
    }
}

/// The security mechanism of a socket, and what it needs.
#[derive(Clone, Debug, Default)]
pub enum Security {
    /// NULL: none.
    #[default]
    Null,
    /// PLAIN, the side that shows a name and a password.
    PlainClient {
        /// The name, at most 255 octets.
        user: Bytes,
        /// The password, at most 255 octets.
        password: Secret,
    },
    /// PLAIN, the side that judges them. Without a gate the handler of ZAP must do so.
    PlainServer(Option<Gate>),
    /// CURVE, either side.
    Curve(Curve),
    /// The same, of keys that were given one by one.
    CurveKeys(CurveKeys),
}

/// Keys of CURVE, given one by one. Until those are there that a side needs, it fails with everybody.
#[derive(Clone, Debug, Default)]
pub struct CurveKeys {
    /// Are we the server?
    pub is_server: bool,
    /// Our public key; a server's follows from its secret one, whatever this says.
    pub public: Option<PublicKey>,
    /// Our secret key.
    pub secret: Option<SecretKey>,
    /// Of a client: the server's key.
    pub server: Option<PublicKey>,
}

impl CurveKeys {
    /// What a handshake needs.
    pub fn complete(&self, primitives: Arc<dyn Primitives>) -> Curve {
        let nothing = PublicKey::from([0; KEY_OCTETS]);
        let derived = |secret: &SecretKey| KeyPair::derive(secret.clone(), &*primitives);
        let keys = match (&self.secret, self.public) {
            (Some(secret), Some(public)) if !self.is_server => {
                KeyPair::claimed(public, secret.clone())
            }
            (Some(secret), _) => derived(secret),
            // A key that nobody knows.
            (None, _) if self.is_server => KeyPair::fresh(&*primitives),
            // A key that it cannot prove to have.
            (None, public) => {
                let (_, secret) = KeyPair::fresh(&*primitives).into_halves();
                KeyPair::claimed(public.unwrap_or(nothing), secret)
            }
        };
        Curve {
            keys: Arc::new(keys),
            server: (!self.is_server).then(|| self.server.unwrap_or(nothing)),
            primitives,
        }
    }
}

impl Security {
    /// Its name in the greeting.
    pub fn name(&self) -> &'static str {
        match self {
            Security::Null => "NULL",
            Security::PlainClient { .. } | Security::PlainServer(_) => "PLAIN",
            Security::Curve(_) | Security::CurveKeys(_) => "CURVE",
        }
    }

    /// Is it the side that judges?
    pub fn is_server(&self) -> bool {
        match self {
            Security::Null | Security::PlainClient { .. } => false,
            Security::PlainServer(_) => true,
            Security::Curve(curve) => curve.server.is_none(),
            Security::CurveKeys(keys) => keys.is_server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_allow_and_the_second_knows_the_name() {
        let (joe, anybody) = (Verdict::allow_as("joe"), Verdict::from(true));
        assert_eq!(joe.clone().and(|| anybody.clone()), joe);
        assert_eq!(anybody.clone().and(|| joe.clone()), joe);
        assert_eq!(joe.clone().and(|| Verdict::NotNow), Verdict::NotNow);
        let known = |verdict: Verdict, value| verdict.with_property("X-Role", value);
        let both = known(joe.clone(), "guest").and(|| known(anybody.clone(), "admin"));
        assert_eq!(both, known(joe.clone(), "admin"));
        let unasked = || -> Verdict { panic!("no need to ask") };
        assert_eq!(Verdict::Deny.and(unasked), Verdict::Deny);
    }

    #[test]
    fn a_request_shows_no_password() {
        let password = Secret::copy_from(b"secret");
        let user = Bytes::from_static(b"joe");
        let credentials = Credentials::Plain { user, password };
        let request = AuthRequest::new(Bytes::new(), credentials);
        let shown = format!("{request:?}");
        assert!(
            shown.contains("joe") && !shown.contains("secret"),
            "{shown}"
        );
        assert_eq!(request.mechanism(), "PLAIN");
    }
}
