//! Names of peers: at most 255 octets, mostly few.
//!
//! A ROUTER names the sender beside every message it hands on. A name of up to 22 octets is copied
//! for that, longer ones are counted; both are as wide as a [`Bytes`].

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use bytes::Bytes;

use super::message::Frame;

/// Octets by which a peer is known.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, octets: [u8; SHORT_MAX] },
    Long(Bytes),
}

/// Names up to this many octets are copied: the made-up ones, UUIDs, most words.
const SHORT_MAX: usize = 22;

impl Name {
    /// No name.
    pub const fn none() -> Name {
        Name(Repr::Short {
            len: 0,
            octets: [0; SHORT_MAX],
        })
    }

    /// A name with a copy of `octets`.
    pub fn copy_from(octets: &[u8]) -> Name {
        if octets.len() > SHORT_MAX {
            return Name(Repr::Long(Bytes::copy_from_slice(octets)));
        }
        let mut short = [0; SHORT_MAX];
        short[..octets.len()].copy_from_slice(octets);
        Name(Repr::Short {
            len: octets.len() as u8,
            octets: short,
        })
    }

    /// The octets, to be kept by themselves.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Repr::Short { .. } => Bytes::copy_from_slice(self),
            Repr::Long(octets) => octets.clone(),
        }
    }
}

impl Deref for Name {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, octets } => &octets[..usize::from(*len)],
            Repr::Long(octets) => octets,
        }
    }
}

impl From<Bytes> for Name {
    fn from(octets: Bytes) -> Name {
        if octets.len() > SHORT_MAX {
            Name(Repr::Long(octets))
        } else {
            Name::copy_from(&octets)
        }
    }
}

impl From<Name> for Frame {
    fn from(name: Name) -> Frame {
        match name.0 {
            Repr::Short { .. } => Frame::copy_from(&name),
            Repr::Long(octets) => Frame::from(octets),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

/// As its octets, by which it is looked up.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_is_no_wider_than_octets_that_are_counted() {
        assert_eq!(size_of::<Name>(), size_of::<Bytes>());
    }

    #[test]
    fn short_and_long_ones_are_told_apart_by_their_octets_alone() {
        let octets = [7; 256];
        let mut known = HashMap::new();
        for len in 0..octets.len() {
            let octets = &octets[..len];
            let name = Name::copy_from(octets);
            assert_eq!(name, Name::from(Bytes::copy_from_slice(octets)));
            assert_eq!((&*name, &name.to_bytes()[..]), (octets, octets));
            assert_eq!(Frame::from(name.clone()), octets);
            assert!(name > Name::copy_from(&octets[..len / 2]) || len == 0);
            assert_eq!(known.insert(name, len), None);
        }
        for len in 0..octets.len() {
            assert_eq!(known.get(&octets[..len]), Some(&len));
        }
        assert_eq!(Name::none().len(), 0);
    }
}
