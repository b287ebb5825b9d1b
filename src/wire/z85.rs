//! Z85: four octets as five characters (RFC 32). The text form of keys.
//!
//! ```text
//!   86 4f d2 6f   b5 59 f7 5b      as numbers to the base 85, highest digit first
//!   H  e  l  l  o  W  o  r  l  d
//! ```

use std::{error, fmt, str::FromStr};

use crate::base::{
    keys::{KEY_OCTETS, PublicKey, SecretKey},
    secret::clear,
};

const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Characters of a key.
pub const KEY_CHARACTERS: usize = 40;

/// Text that is not a key in Z85: 40 characters out of 85.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a key: 40 characters of Z85 are wanted")
    }
}

impl error::Error for NoKey {}

/// The text of a key.
pub fn encode(key: &[u8; KEY_OCTETS]) -> String {
    let mut text = String::with_capacity(KEY_CHARACTERS);
    for group in key.chunks_exact(4) {
        let number = group
            .iter()
            .fold(0u32, |number, &octet| (number << 8) | u32::from(octet));
        for power in [85u32.pow(4), 85u32.pow(3), 85u32.pow(2), 85, 1] {
            let digit = number.checked_div(power).unwrap_or(0) % 85;
            let digit = DIGITS.get(digit as usize).copied().unwrap_or(b'0');
            text.push(digit.into());
        }
    }
    text
}

/// Reads the text of a key into `key`.
///
/// # Errors
/// If it is not exactly that; then `key` holds nothing of use.
pub fn decode(text: &[u8], key: &mut [u8; KEY_OCTETS]) -> Result<(), NoKey> {
    if text.len() != KEY_CHARACTERS {
        return Err(NoKey);
    }
    for (place, group) in key.chunks_exact_mut(4).zip(text.chunks_exact(5)) {
        let mut number = 0u32;
        for character in group {
            let digit = DIGITS.iter().position(|digit| digit == character);
            let digit = digit.and_then(|digit| u32::try_from(digit).ok());
            number = number
                .checked_mul(85)
                .zip(digit)
                .and_then(|(number, digit)| number.checked_add(digit))
                .ok_or(NoKey)?;
        }
        place.copy_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<PublicKey, NoKey> {
        let mut octets = [0; KEY_OCTETS];
        decode(text.as_bytes(), &mut octets)?;
        Ok(octets.into())
    }
}

impl FromStr for SecretKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<SecretKey, NoKey> {
        let mut octets = [0; KEY_OCTETS];
        let done = decode(text.as_bytes(), &mut octets);
        let key = SecretKey::from(octets);
        clear(&mut octets);
        done.map(|()| key)
    }
}

impl SecretKey {
    /// Its text, in Z85. It is yours to keep secret: it is not cleared.
    pub fn to_z85(&self) -> String {
        encode(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 32's own example, repeated to the length of a key.
    #[test]
    fn the_text_of_the_specification() {
        let octets = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b].repeat(4);
        let key = PublicKey::from(<[u8; 32]>::try_from(octets).expect("32"));
        assert_eq!(key.to_string(), "HelloWorld".repeat(4));
        assert_eq!("HelloWorld".repeat(4).parse(), Ok(key));
        assert_eq!(format!("{key:?}"), format!("PublicKey({key})"));
    }

    #[test]
    fn every_octet_reads_back() {
        for first in 0..=u8::MAX {
            let key: [u8; 32] =
                std::array::from_fn(|at| first.wrapping_add((at as u8).wrapping_mul(37)));
            let secret = SecretKey::from(key);
            assert_eq!(secret.to_z85().parse(), Ok(secret));
        }
        for key in [[0; 32], [255; 32]] {
            assert_eq!(encode(&key).parse(), Ok(PublicKey::from(key)));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = "HelloWorld".repeat(4);
        assert!(good.parse::<PublicKey>().is_ok());
        let bad = [
            good[1..].into(),
            format!("{good}0"),
            good.replace('W', "\""),
            good.replace('W', " "),
            good.replace("Wo", "\u{fc}"),
            format!("#####{}", &good[5..]),
            String::new(),
        ];
        for text in bad {
            assert_eq!(text.parse::<PublicKey>(), Err(NoKey), "{text}");
            assert_eq!(text.parse::<SecretKey>(), Err(NoKey), "{text}");
        }
    }
}
