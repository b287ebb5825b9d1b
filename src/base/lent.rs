//! Octets that somebody lends, and waits to get back.
//!
//! What is to be done when they come back is not ours: it may call the very socket that was the
//! last to need them, or take long. So it is not done wherever the last frame happens to end, under
//! whatever lock that is: the thread sets the owner aside there, and drops it where it holds none.
//!
//! ```text
//!   a frame, a run that was written, a lane … ends ─► set aside by this thread ─► let_go: dropped
//!                 (under locks)                                                  (under none)
//! ```
//!
//! An I/O thread lets go at the end of its turn, a call that waits before it does, a proxy after
//! each round; a call from C, whose handle is locked meanwhile, at its end.

use std::{
    cell::RefCell,
    collections::VecDeque,
    // Of a hint, with which nothing has to agree: none of loom's.
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

use super::message::Frame;

/// A frame of `owner`'s octets. That is dropped by [`let_go`], of the thread that needed it last.
pub fn lend<T: AsRef<[u8]> + Send + 'static>(owner: T) -> Frame {
    let owner = Some(Box::new(owner));
    Frame::lent(Bytes::from_owner(Lent { owner }))
}

/// Octets that are lent, as long as anybody needs them.
struct Lent<T: Send + 'static> {
    /// There until the end.
    owner: Option<Box<T>>,
}

impl<T: AsRef<[u8]> + Send> AsRef<[u8]> for Lent<T> {
    fn as_ref(&self) -> &[u8] {
        self.owner.as_deref().map_or(&[], T::as_ref)
    }
}

impl<T: Send> Drop for Lent<T> {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            // A thread that is about to end sets nothing aside.
            let _ = ASIDE.try_with(|aside| aside.borrow_mut().put(owner));
        }
    }
}

thread_local! {
    static ASIDE: RefCell<Aside> = const {
        RefCell::new(Aside { owners: VecDeque::new(), letting_go: false })
    };
}

/// Threads that have set something aside: a hint for each whether to look.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// What one thread has set aside, the oldest first.
struct Aside {
    owners: VecDeque<Box<dyn Send>>,
    /// Somebody further up does so: he goes on with what is set aside meanwhile.
    letting_go: bool,
}

impl Aside {
    fn put(&mut self, owner: Box<dyn Send>) {
        if self.owners.is_empty() {
            THREADS.fetch_add(1, Ordering::Relaxed);
        }
        self.owners.push_back(owner);
    }

    fn take(&mut self) -> Option<Box<dyn Send>> {
        let owner = self.owners.pop_front()?;
        if self.owners.is_empty() {
            THREADS.fetch_sub(1, Ordering::Relaxed);
        }
        Some(owner)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        while self.take().is_some() {}
    }
}

/// Has this thread anything to let go of?
#[inline]
pub fn owes() -> bool {
    THREADS.load(Ordering::Relaxed) > 0
        && ASIDE.try_with(|aside| !aside.borrow().owners.is_empty()) == Ok(true)
}

/// Gives back the octets that this thread was the last to need. To be called while no lock is held.
#[inline]
pub fn let_go() {
    if owes() {
        let_go_of_all();
    }
}

#[cold]
fn let_go_of_all() {
    if ASIDE.with_borrow_mut(|aside| std::mem::replace(&mut aside.letting_go, true)) {
        return;
    }
    let _end = LetGo;
    // One at a time, and with nothing borrowed: what comes of it may set others aside.
    while let Some(owner) = ASIDE.with_borrow_mut(Aside::take) {
        drop(owner);
    }
}

/// Whoever panics over what comes back does not keep all others from doing so.
struct LetGo;

impl Drop for LetGo {
    fn drop(&mut self) {
        ASIDE.with_borrow_mut(|aside| aside.letting_go = false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::base::message::Frame;

    /// Octets that say when they are back, and do something then.
    struct Owner(Sender<u8>, Option<Box<dyn FnOnce() + Send>>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"lent"
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            if let Some(then) = self.1.take() {
                then();
            }
            self.0.send(1).expect("somebody listens");
        }
    }

    fn lent(back: &Sender<u8>, then: Option<Box<dyn FnOnce() + Send>>) -> Frame {
        lend(Owner(back.clone(), then))
    }

    #[test]
    fn they_go_back_when_all_have_let_go_and_not_where_the_last_frame_ends() {
        let (back, told) = channel();
        let frame = lent(&back, None);
        let other = frame.clone();
        assert_eq!((frame.as_ptr(), &*other), (other.as_ptr(), &b"lent"[..]));
        drop(frame);
        let_go();
        assert!(told.try_recv().is_err(), "the other one needs them");
        drop(other);
        assert!(told.try_recv().is_err(), "nobody has let go");
        assert!(owes());
        let_go();
        assert!(told.try_recv().is_ok() && !owes());
    }

    #[test]
    fn what_is_done_then_may_let_go_of_others() {
        let (back, told) = channel();
        let inner = lent(&back, None);
        let then = || {
            drop(inner);
            let_go();
        };
        drop(lent(&back, Some(Box::new(then))));
        let_go();
        assert_eq!(told.try_iter().count(), 2);
        assert!(!owes());
    }

    #[test]
    fn a_thread_that_ends_keeps_none() {
        let (back, told) = channel();
        let frame = lent(&back, None);
        std::thread::spawn(move || drop(frame))
            .join()
            .expect("dropping does not panic");
        assert!(told.try_recv().is_ok());
    }

    #[test]
    fn the_octets_themselves_are_still_lent() {
        let (back, told) = channel();
        let octets = lent(&back, None).into_lent().expect("they are lent");
        let frame = Frame::lent(octets);
        assert_eq!(frame.as_lent().map(|it| &it[..]), Some(&b"lent"[..]));
        drop(frame.into_bytes());
        assert!(told.try_recv().is_err());
        let_go();
        assert!(told.try_recv().is_ok());
        assert!(Frame::from("mine").into_lent().is_err());
        let mine = Frame::from(vec![7; 100]);
        assert!(mine.as_lent().is_none() && mine.into_lent().is_err());
    }
}
