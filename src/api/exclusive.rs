//! What stands around a socket in a program that holds it by a handle, one thread at a time.

use std::ops::{Deref, DerefMut};

use crate::base::sync::{
    Rank,
    biased::{Biased, BiasedGuard},
};

/// A lock that costs the thread that uses it mostly next to nothing, as those of sockets do.
///
/// Whoever holds it may call what is around it, sockets included, but must not take another
/// `Exclusive`.
pub struct Exclusive<T>(Biased<T>);

impl<T> Exclusive<T> {
    /// A lock around `value`.
    pub fn new(value: T) -> Exclusive<T> {
        Exclusive(Biased::new(Rank::Handle, value))
    }

    /// Does anybody hold it? For who knows that nobody takes it or gives it back meanwhile: the child
    /// of a fork, where other threads hold for ever what they held.
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }

    /// Takes the lock, waiting for it.
    #[inline(always)]
    pub fn lock(&self) -> ExclusiveGuard<'_, T> {
        ExclusiveGuard(self.0.lock())
    }
}

impl<T> std::fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Holds an [`Exclusive`].
pub struct ExclusiveGuard<'a, T>(BiasedGuard<'a, T>);

impl<T> Deref for ExclusiveGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for ExclusiveGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for ExclusiveGuard<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
