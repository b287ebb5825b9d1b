//! The cryptography of CURVE, by the crate `dryoc`: pure Rust, with the processor's vector units
//! where there are any.

use dryoc::{
    classic::{
        crypto_box::{
            crypto_box_beforenm, crypto_box_detached_afternm_inplace,
            crypto_box_open_detached_afternm_inplace,
        },
        crypto_core::crypto_scalarmult_base,
    },
    rng::copy_randombytes,
};

use crate::base::{
    keys::{KEY_OCTETS, KeyPair, Primitives, PublicKey, SecretKey},
    secret::clear,
};

/// All of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dryoc;

impl Primitives for Dryoc {
    fn fill_random(&self, octets: &mut [u8]) {
        copy_randombytes(octets);
    }

    fn public_of(&self, secret: &[u8; KEY_OCTETS]) -> [u8; KEY_OCTETS] {
        let mut public = [0; KEY_OCTETS];
        crypto_scalarmult_base(&mut public, secret);
        public
    }

    fn agree(&self, theirs: &PublicKey, ours: &SecretKey) -> Option<SecretKey> {
        let mut key = crypto_box_beforenm(theirs.as_bytes(), ours.expose()).ok()?;
        let kept = SecretKey::filled(|octets| *octets = key);
        clear(&mut key);
        Some(kept)
    }

    fn seal(&self, key: &SecretKey, nonce: &[u8; 24], octets: &mut [u8]) -> [u8; 16] {
        let mut proof = [0; 16];
        crypto_box_detached_afternm_inplace(octets, &mut proof, nonce, key.expose());
        proof
    }

    fn open(&self, key: &SecretKey, nonce: &[u8; 24], proof: &[u8; 16], octets: &mut [u8]) -> bool {
        crypto_box_open_detached_afternm_inplace(octets, proof, nonce, key.expose()).is_ok()
    }
}

impl KeyPair {
    /// A fresh pair, from the system's randomness.
    ///
    /// ```
    /// let keys = hubless::KeyPair::generate();
    /// println!("give this to your peers: {}", keys.public());
    /// ```
    pub fn generate() -> KeyPair {
        KeyPair::fresh(&Dryoc)
    }
}

impl From<SecretKey> for KeyPair {
    /// The pair of a secret key.
    fn from(secret: SecretKey) -> KeyPair {
        KeyPair::derive(secret, &Dryoc)
    }
}
