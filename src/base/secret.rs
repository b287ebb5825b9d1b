//! Octets that must not leak: never shown, cleared when dropped.

use std::fmt;

/// A password or a key. `Debug` shows nothing of it, not even its length.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps a copy of `octets`.
    pub fn copy_from(octets: &[u8]) -> Secret {
        Secret(octets.to_vec())
    }

    /// The octets. Do not log, store or compare them octet by octet: use [`is`](Secret::is).
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Are they these? The time it takes does not depend on where they differ.
    pub fn is(&self, octets: &[u8]) -> bool {
        is_same(&self.0, octets)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        clear(&mut self.0);
    }
}

/// Are two strings of octets the same? Their lengths may be learnt from the time it takes,
/// nothing else.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = |all: u8, (a, b): (&u8, &u8)| std::hint::black_box(all | (a ^ b));
    one.len() == other.len() && one.iter().zip(other).fold(0, differ) == 0
}

/// Overwrites octets that will not be read again.
pub fn clear(octets: &mut [u8]) {
    octets.fill(0);
    // Without a reader the compiler might leave the writing out.
    std::hint::black_box(octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::copy_from(b"open sesame");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.is(b"open sesame"));
        assert!(!secret.is(b"open sesam") && !secret.is(b"Open sesame") && !secret.is(b""));
    }

    #[test]
    fn what_is_cleared_is_gone() {
        let mut octets = *b"secret";
        clear(&mut octets);
        assert_eq!(octets, [0; 6]);
    }
}
