//! Who writes a stream: one byte that owns it.
//!
//! Any thread that has put something into a lane may write it out: the sender itself, the
//! reactor, a caller that waits. The byte lets in one at a time, and loses no wish:
//!
//! ```text
//!                  begin                    finish (nothing left)
//!        ┌──────┐ ──────────► ┌─────────┐ ───────────────────────► idle
//!        │ idle │             │ writing │
//!        └──────┘ ◄────────── └─────────┘ ──── block ───► ┌─────────┐
//!                  finish         │ ▲                     │ blocked │
//!              begin or writable  │ │ finish, block:      └─────────┘
//!              of someone else    ▼ │ again                    │ writable
//!                             ┌───────┐                        ▼
//!                             │ dirty │                     writing
//!                             └───────┘
//! ```
//!
//! * `begin` answers true to the one that shall write. To a writer at work it leaves a mark
//!   (dirty) that makes it look again. While blocked there is nothing to do: the stream's next
//!   writable edge will come.
//! * `block` is said after the stream would not take more. An edge that came in between has
//!   set dirty, and then the answer is to try again: that edge will not be told twice.
//! * `shut` ends it for good; whoever is writing finds out when it is done.

use crate::base::sync::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const WRITING: u8 = 1;
const DIRTY: u8 = 2;
const BLOCKED: u8 = 3;
const SHUT: u8 = 4;

/// The byte.
#[derive(Debug)]
pub struct Writer(AtomicU8);

impl Writer {
    /// Nobody writes, and nobody can before the first writable edge: a connection being made.
    pub fn blocked() -> Writer {
        Writer(AtomicU8::new(BLOCKED))
    }

    /// There is something to write. True: the caller writes it now.
    #[inline]
    pub fn begin(&self) -> bool {
        self.step(|state| match state {
            IDLE => WRITING,
            WRITING => DIRTY,
            other => other,
        }) == IDLE
    }

    /// The stream has become writable. True: the caller writes now.
    pub fn writable(&self) -> bool {
        let before = self.step(|state| match state {
            BLOCKED => WRITING,
            WRITING => DIRTY,
            other => other,
        });
        before == BLOCKED
    }

    /// The writer has found nothing more to write. True: it must look again.
    #[inline]
    pub fn finish(&self) -> bool {
        let before = self.step(|state| match state {
            WRITING => IDLE,
            DIRTY => WRITING,
            other => other,
        });
        before == DIRTY
    }

    /// The stream takes no more now. True: it may again already, so try once more.
    pub fn block(&self) -> bool {
        let before = self.step(|state| match state {
            WRITING => BLOCKED,
            DIRTY => WRITING,
            other => other,
        });
        before == DIRTY
    }

    /// Nobody shall write any more. True: nobody is writing at this moment.
    pub fn shut(&self) -> bool {
        let before = self.step(|_| SHUT);
        !matches!(before, WRITING | DIRTY)
    }

    /// Is nothing going on: neither a writer at work nor one that waits for room?
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.0.load(Ordering::Relaxed) == IDLE
    }

    fn step(&self, next: impl Fn(u8) -> u8) -> u8 {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            match self.0.compare_exchange_weak(
                state,
                next(state),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(before) => return before,
                Err(now) => state = now,
            }
        }
    }
}
