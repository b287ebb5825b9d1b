//! Keys of CURVE: Curve25519, 32 octets each; and what is to be done with them, as a trait.

use std::{fmt, sync::Arc};

use super::secret::{clear, is_same};

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// A public key. Its text is Z85, 40 characters (RFC 32).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; KEY_OCTETS]);

impl PublicKey {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8; KEY_OCTETS] {
        &self.0
    }
}

impl From<[u8; KEY_OCTETS]> for PublicKey {
    fn from(octets: [u8; KEY_OCTETS]) -> PublicKey {
        PublicKey(octets)
    }
}

/// A secret key: never shown, cleared when dropped.
#[derive(Clone)]
pub struct SecretKey(Box<[u8; KEY_OCTETS]>);

impl SecretKey {
    /// The octets. Do not log or compare them.
    pub fn expose(&self) -> &[u8; KEY_OCTETS] {
        &self.0
    }

    /// A key that `fill` writes, at the only place where it will lie.
    pub fn filled(fill: impl FnOnce(&mut [u8; KEY_OCTETS])) -> SecretKey {
        let mut octets = Box::new([0; KEY_OCTETS]);
        fill(&mut octets);
        SecretKey(octets)
    }
}

impl From<[u8; KEY_OCTETS]> for SecretKey {
    fn from(mut octets: [u8; KEY_OCTETS]) -> SecretKey {
        let key = SecretKey(Box::new(octets));
        clear(&mut octets);
        key
    }
}

impl PartialEq for SecretKey {
    /// The time it takes does not depend on where they differ.
    fn eq(&self, other: &SecretKey) -> bool {
        is_same(&*self.0, &*other.0)
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        clear(&mut *self.0);
    }
}

/// A secret key and the public key that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    public: PublicKey,
    secret: SecretKey,
}

impl KeyPair {
    /// The public half: what the other side must know.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret half: what nobody else may know.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// Two keys that are said to belong together. If they do not, every handshake with them fails.
    pub(crate) fn claimed(public: PublicKey, secret: SecretKey) -> KeyPair {
        KeyPair { public, secret }
    }

    pub(crate) fn into_halves(self) -> (PublicKey, SecretKey) {
        (self.public, self.secret)
    }

    /// The pair of a secret key.
    pub fn derive(secret: SecretKey, primitives: &dyn Primitives) -> KeyPair {
        let public = PublicKey(primitives.public_of(secret.expose()));
        KeyPair { public, secret }
    }

    /// A fresh pair.
    pub fn fresh(primitives: &dyn Primitives) -> KeyPair {
        let secret = SecretKey::filled(|octets| primitives.fill_random(octets));
        KeyPair::derive(secret, primitives)
    }
}

/// All the cryptography there is. One crate stands behind it; tests fix what is random.
pub trait Primitives: Send + Sync + fmt::Debug {
    /// Unpredictable octets.
    fn fill_random(&self, octets: &mut [u8]);

    /// The public key that belongs to a secret one: X25519 with the base point.
    fn public_of(&self, secret: &[u8; KEY_OCTETS]) -> [u8; KEY_OCTETS];

    /// The key of a `crypto_box` between their public and our secret key: HSalsa20 of X25519.
    /// `None` if their key is one of the few that give the same result for every secret.
    fn agree(&self, theirs: &PublicKey, ours: &SecretKey) -> Option<SecretKey>;

    /// XSalsa20-Poly1305: encrypts `octets` where they are, and gives what proves them.
    fn seal(&self, key: &SecretKey, nonce: &[u8; 24], octets: &mut [u8]) -> [u8; 16];

    /// The reverse. `false`, and nothing decrypted, if `proof` does not prove them.
    #[must_use]
    fn open(&self, key: &SecretKey, nonce: &[u8; 24], proof: &[u8; 16], octets: &mut [u8]) -> bool;
}

/// One side of CURVE: what its sockets know beforehand.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Our long-term keys.
    pub keys: Arc<KeyPair>,
    /// Of a client: the server's long-term key. `None`: we are the server.
    pub server: Option<PublicKey>,
    /// What computes.
    pub primitives: Arc<dyn Primitives>,
}
