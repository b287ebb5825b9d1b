//! Interest: which kinds of readiness somebody waits for.

use std::ops::BitOr;

/// What to wait for: something to read, room to write, or either.
///
/// ```
/// use hubless::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert!(!Interest::READABLE.is_writable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    readable: bool,
    writable: bool,
}

impl Interest {
    /// Something to receive or to read.
    pub const READABLE: Interest = Interest {
        readable: true,
        writable: false,
    };

    /// Room to send or to write.
    pub const WRITABLE: Interest = Interest {
        readable: false,
        writable: true,
    };

    /// Neither: whoever waits hears only of the end.
    ///
    /// ```
    /// use hubless::Interest;
    ///
    /// assert!(!Interest::NOTHING.is_readable() && !Interest::NOTHING.is_writable());
    /// assert_eq!(Interest::NOTHING | Interest::READABLE, Interest::READABLE);
    /// ```
    pub const NOTHING: Interest = Interest {
        readable: false,
        writable: false,
    };

    /// Is something to read waited for?
    pub const fn is_readable(self) -> bool {
        self.readable
    }

    /// Is room to write waited for?
    pub const fn is_writable(self) -> bool {
        self.writable
    }

    /// Have the two anything in common?
    pub(crate) const fn meets(self, other: Interest) -> bool {
        (self.readable && other.readable) || (self.writable && other.writable)
    }
}

impl BitOr for Interest {
    type Output = Interest;

    /// Either.
    fn bitor(self, other: Interest) -> Interest {
        Interest {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
        }
    }
}
