//! The socket types: their names on the wire, and who may talk to whom (RFC 37, "Socket Types").

use std::fmt;

/// A socket type. One row of the table below each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketType {
    /// One peer, both ways.
    Pair,
    /// Publishes to subscribers.
    Pub,
    /// Subscribes to publishers.
    Sub,
    /// Asks, then waits for the answer.
    Req,
    /// Answers.
    Rep,
    /// Asks many at once; the peerless form of REQ.
    Dealer,
    /// Addresses peers by routing id.
    Router,
    /// Takes work.
    Pull,
    /// Hands work out.
    Push,
    /// PUB that shows its subscriptions.
    XPub,
    /// SUB that sends its subscriptions as messages.
    XSub,
    /// Octets as they are, with peers that do not speak ZMTP.
    Stream,
}

use SocketType::*;

impl SocketType {
    /// Every type, in the order of libzmq's numbers.
    pub const ALL: [SocketType; 12] = [
        Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, XPub, XSub, Stream,
    ];

    /// The name on the wire, e.g. `DEALER` (property `Socket-Type`). A STREAM never says its own.
    pub const fn name(self) -> &'static str {
        match self {
            Pair => "PAIR",
            Pub => "PUB",
            Sub => "SUB",
            Req => "REQ",
            Rep => "REP",
            Dealer => "DEALER",
            Router => "ROUTER",
            Pull => "PULL",
            Push => "PUSH",
            XPub => "XPUB",
            XSub => "XSUB",
            Stream => "STREAM",
        }
    }

    /// The type with this name; capitals only, as on the wire, where there is no STREAM.
    pub fn from_name(name: &[u8]) -> Option<SocketType> {
        SocketType::ALL
            .into_iter()
            .find(|kind| kind.speaks_zmtp() && kind.name().as_bytes() == name)
    }

    /// Does it shake hands and send frames? A STREAM does neither.
    pub const fn speaks_zmtp(self) -> bool {
        !matches!(self, Stream)
    }

    /// May a socket of this type talk to a `peer`? (RFC 37, "Socket Type Compatibility".)
    pub const fn accepts(self, peer: SocketType) -> bool {
        match self {
            Pair => matches!(peer, Pair),
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
            Pull => matches!(peer, Push),
            Push => matches!(peer, Pull),
            Stream => false,
        }
    }

    /// Does its READY carry the property `Identity`?
    pub const fn announces_identity(self) -> bool {
        matches!(self, Req | Dealer | Router)
    }

    /// Does it take subscriptions from its peers?
    pub const fn publishes(self) -> bool {
        matches!(self, Pub | XPub)
    }

    /// Does it tell its peers what it subscribes to?
    pub const fn subscribes(self) -> bool {
        matches!(self, Sub | XSub)
    }

    /// Can its application receive?
    pub const fn receives(self) -> bool {
        !matches!(self, Pub | Push)
    }

    /// Can its application send?
    pub const fn sends(self) -> bool {
        !matches!(self, Sub | Pull)
    }

    /// Does its application name the peer it sends to, and hear which one it received from?
    pub const fn addresses(self) -> bool {
        matches!(self, Router | Stream)
    }

    /// Does it take turns with its peer, so that waiting for more to send gains nothing?
    pub const fn is_lock_step(self) -> bool {
        matches!(self, Req | Rep)
    }

    /// The octet of ZMTP 2.0 (RFC 15); XPUB and XSUB announce themselves as PUB and SUB. Of STREAM
    /// one that means nothing.
    pub const fn v2_octet(self) -> u8 {
        match self {
            Pair => 0,
            Pub | XPub => 1,
            Sub | XSub => 2,
            Req => 3,
            Rep => 4,
            Dealer => 5,
            Router => 6,
            Pull => 7,
            Push => 8,
            Stream => u8::MAX,
        }
    }

    /// The type behind an octet of ZMTP 2.0; 9 and 10 are what libzmq sends for XPUB and XSUB.
    pub const fn from_v2_octet(octet: u8) -> Option<SocketType> {
        Some(match octet {
            0 => Pair,
            1 => Pub,
            2 => Sub,
            3 => Req,
            4 => Rep,
            5 => Dealer,
            6 => Router,
            7 => Pull,
            8 => Push,
            9 => XPub,
            10 => XSub,
            _ => return None,
        })
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatibility_is_symmetric() {
        for ours in SocketType::ALL {
            for theirs in SocketType::ALL {
                assert_eq!(
                    ours.accepts(theirs),
                    theirs.accepts(ours),
                    "{ours} and {theirs}"
                );
            }
        }
    }

    #[test]
    fn names_round_trip_and_want_capitals() {
        for kind in SocketType::ALL {
            let heard = SocketType::from_name(kind.name().as_bytes());
            assert_eq!(heard, (kind != Stream).then_some(kind));
            assert_eq!(
                SocketType::from_name(kind.name().to_lowercase().as_bytes()),
                None
            );
        }
    }
}
