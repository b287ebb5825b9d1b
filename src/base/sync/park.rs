//! Parking: how a thread waits, and how a [`Waker`] ends that.
//!
//! Each thread has one parker. It waits in one of two ways: asleep, or in a poll that somebody
//! else's bell ends. A waker need not know which.
//!
//! ```text
//!            park                        wake
//!   awake ─────────► asleep ─────────────────► notified ──► awake
//!     │  begin_poll                      wake (rings)
//!     └────────────► polling ──── end_poll ──────────────► awake
//! ```

use std::{
    cell::OnceCell,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use super::{AtomicU8, Mutex, Ordering, Rank, forgive, imp};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// Somebody woke us (or, rarely, nobody did: look again).
    Woken,
    /// The time given has passed.
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// Ends a poll from another thread.
pub trait Alarm: Send + Sync {
    /// Makes the poll return at once.
    fn ring(&self);
}

/// One thread's way to wait.
pub struct Parker {
    state: AtomicU8,
    /// Held by who falls asleep, until it is asleep: who wakes it comes neither too early nor too
    /// late. (Not std's parking, which ends before a thread does: handlers of `exit` come later.)
    bed: imp::Mutex<()>,
    woken: imp::Condvar,
    alarm: Mutex<Option<Arc<dyn Alarm>>>,
}

const AWAKE: u8 = 0;
const NOTIFIED: u8 = 1;
const ASLEEP: u8 = 2;
const POLLING: u8 = 3;

#[cfg(not(loom))]
thread_local! {
    static PARKER: OnceCell<(Arc<Parker>, Waker)> = const { OnceCell::new() };
}

// All of loom's threads are one of the system's.
#[cfg(loom)]
loom::thread_local! {
    static PARKER: OnceCell<(Arc<Parker>, Waker)> = OnceCell::new();
}

impl Parker {
    /// This thread's parker, and the waker that ends its waits.
    pub fn current() -> (Arc<Parker>, Waker) {
        let parker = PARKER.try_with(|cell| cell.get_or_init(Parker::new).clone());
        // A thread that is about to end has none of its own any more.
        parker.unwrap_or_else(|_| Parker::new())
    }

    /// A parker of this thread's own, and its waker.
    pub fn new() -> (Arc<Parker>, Waker) {
        let parker = Arc::new(Parker {
            state: AtomicU8::new(AWAKE),
            bed: imp::Mutex::new(()),
            woken: imp::Condvar::new(),
            alarm: Mutex::new(Rank::Leaf, None),
        });
        let waker = Waker::from(Arc::clone(&parker));
        (parker, waker)
    }

    /// Sleeps until woken, at most `timeout` (`None`: for ever). Returns at once if a wake came
    /// since the last wait.
    pub fn park(&self, timeout: Option<Duration>) -> Parked {
        let bed = forgive(self.bed.lock());
        if !self.leave_awake(ASLEEP) {
            return Parked::Woken;
        }
        match timeout {
            #[cfg(not(loom))]
            Some(timeout) => drop(forgive(self.woken.wait_timeout(bed, timeout))),
            _ => drop(forgive(self.woken.wait(bed))),
        }
        match self.state.swap(AWAKE, Ordering::AcqRel) {
            ASLEEP if timeout.is_some() => Parked::TimedOut,
            _ => Parked::Woken,
        }
    }

    /// The thread is about to poll, and `alarm` would end that. False if a wake came since the
    /// last wait: then there is no need to wait.
    pub fn begin_poll(&self, alarm: &Arc<dyn Alarm>) -> bool {
        {
            let mut known = self.alarm.lock();
            if known
                .as_ref()
                .is_none_or(|known| !Arc::ptr_eq(known, alarm))
            {
                *known = Some(Arc::clone(alarm));
            }
        }
        self.leave_awake(POLLING)
    }

    /// Takes a wake that came since the last wait, if one did.
    pub fn take_wake(&self) -> bool {
        self.is_woken()
            && self
                .state
                .compare_exchange(NOTIFIED, AWAKE, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    /// Has a wake come since the last wait, or in the poll under way?
    pub fn is_woken(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
    }

    /// The poll is over. True if a wake came during it.
    pub fn end_poll(&self) -> bool {
        self.state.swap(AWAKE, Ordering::AcqRel) == NOTIFIED
    }

    /// From awake to a way of waiting, unless a wake came first (which is taken).
    fn leave_awake(&self, to: u8) -> bool {
        let left = self
            .state
            .compare_exchange(AWAKE, to, Ordering::AcqRel, Ordering::Acquire);
        if left.is_err() {
            // Read again: a second wake may have come, and what led to it is to be seen as well.
            self.state.swap(AWAKE, Ordering::AcqRel);
        }
        left.is_ok()
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Parker>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Parker>) {
        match self.state.swap(NOTIFIED, Ordering::AcqRel) {
            ASLEEP => {
                drop(forgive(self.bed.lock()));
                self.woken.notify_one();
            }
            POLLING => {
                let alarm = self.alarm.lock().clone();
                if let Some(alarm) = alarm {
                    alarm.ring();
                }
            }
            _ => {}
        }
    }
}

impl std::fmt::Debug for Parker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parker")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let (parker, waker) = Parker::current();
        waker.wake_by_ref();
        assert_eq!(parker.park(None), Parked::Woken);
        assert_eq!(
            parker.park(Some(Duration::from_millis(1))),
            Parked::TimedOut
        );
    }

    #[test]
    fn another_thread_ends_a_sleep_and_a_poll() {
        struct Count(AtomicU8);
        impl Alarm for Count {
            fn ring(&self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (parker, waker) = Parker::current();
        let other = waker.clone();
        let sleeper = thread::spawn(move || other.wake());
        assert_eq!(parker.park(None), Parked::Woken);
        sleeper.join().expect("the waker's thread");

        let count = Arc::new(Count(AtomicU8::new(0)));
        let alarm: Arc<dyn Alarm> = Arc::clone(&count) as _;
        assert!(parker.begin_poll(&alarm));
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "one ring for two wakes");
        assert!(parker.end_poll());
        assert!(parker.begin_poll(&alarm));
        assert!(!parker.end_poll());
    }
}
