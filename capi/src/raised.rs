//! Whether a signal is raised: what those who raise it, and who lowers it, know of its octet.
//!
//! ```text
//!             raise                   its octet is written
//!   lowered ─────────► being raised ──────────────────────► raised
//!      ▲                                                      │
//!      └──────────────── lower, which takes an octet ◄────────┘
//! ```
//!
//! Who finds it raised already writes nothing. So whoever lowers it looks afterwards at what it
//! tells of, and sees all that was done by anybody who raised it until then. As long as it is being
//! raised it is not lowered: the octet would come later, and be readable with nobody to take it.
//! `tests/loom.rs` walks this file.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering};

/// See above.
#[derive(Debug)]
pub(crate) struct Raised(AtomicU8);

/// Somebody has raised it.
const RAISED: u8 = 1;
/// Its octet is written.
const SHOWN: u8 = 2;

impl Raised {
    /// One that is not.
    pub(crate) fn new() -> Raised {
        Raised(AtomicU8::new(0))
    }

    /// Raises it; `show` writes the octet.
    pub(crate) fn raise(&self, show: impl FnOnce()) {
        // Written even if it changes nothing: who lowers it reads what we wrote.
        if self.0.fetch_or(RAISED, Ordering::AcqRel) & RAISED == 0 {
            show();
            self.0.fetch_or(SHOWN, Ordering::Release);
        }
    }

    /// Lowers it if it is raised; `hide` takes one octet, and no more: the next may be there.
    pub(crate) fn lower(&self, hide: impl FnOnce()) {
        let (raised, lowered) = (RAISED | SHOWN, 0);
        let lowers = self
            .0
            .compare_exchange(raised, lowered, Ordering::AcqRel, Ordering::Acquire);
        if lowers.is_ok() {
            hide();
        }
    }
}
