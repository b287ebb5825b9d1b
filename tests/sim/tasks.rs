//! The executor: the programs of a run as futures on one thread, and timers in its time.
//!
//! A task is polled only when its waker was called: a waker that the library forgets to call is a
//! task that never goes on, and the world notices.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use hubless::Time;

/// All tasks of a run. Clones are handles on the same ones.
#[derive(Clone, Default)]
pub struct Tasks {
    slots: Rc<RefCell<Vec<Slot>>>,
    timers: Rc<RefCell<Timers>>,
    woken: Arc<Mutex<Vec<usize>>>,
}

/// A program.
struct Slot {
    name: String,
    /// Gone while it is polled, and when it is done.
    future: Option<Program>,
    done: bool,
    waker: Waker,
}

type Program = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct Timers {
    waiting: BTreeMap<(Time, u64), Waker>,
    sequence: u64,
}

impl Tasks {
    /// Starts a program; it runs when the world comes to it.
    pub fn spawn(&self, name: String, program: impl Future<Output = ()> + 'static) {
        let mut slots = self.slots.borrow_mut();
        let id = slots.len();
        let waker = Waker::from(Arc::new(TaskBell {
            id,
            woken: self.woken.clone(),
        }));
        waker.wake_by_ref();
        slots.push(Slot {
            name,
            future: Some(Box::pin(program)),
            done: false,
            waker,
        });
    }

    /// How many tasks were woken and wait for their turn.
    pub fn woken_count(&self) -> usize {
        self.woken().len()
    }

    /// Polls the woken task number `index` of [`Tasks::woken_count`]; says which it was and whether
    /// it is done.
    pub fn poll(&self, index: usize) -> (usize, bool) {
        let id = self.woken().remove(index);
        let (program, waker) = {
            let slot = &mut self.slots.borrow_mut()[id];
            (slot.future.take(), slot.waker.clone())
        };
        let Some(mut program) = program else {
            return (id, true); // woken after its end
        };
        match program.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                self.slots.borrow_mut()[id].done = true;
                (id, true)
            }
            Poll::Pending => {
                self.slots.borrow_mut()[id].future = Some(program);
                (id, false)
            }
        }
    }

    /// The names of those that are not done.
    pub fn unfinished(&self) -> Vec<String> {
        let slots = self.slots.borrow();
        let open = slots.iter().filter(|slot| !slot.done);
        open.map(|slot| slot.name.clone()).collect()
    }

    /// Drops every task.
    pub fn clear(&self) {
        let slots = std::mem::take(&mut *self.slots.borrow_mut());
        drop(slots);
        self.timers.borrow_mut().waiting.clear();
    }

    /// When the first timer is due.
    pub fn next_timer(&self) -> Option<Time> {
        let timers = self.timers.borrow();
        timers.waiting.first_key_value().map(|((time, _), _)| *time)
    }

    /// Wakes everyone whose timer is due.
    pub fn fire_timers(&self, now: Time) {
        while self.next_timer().is_some_and(|time| time <= now) {
            let first = self.timers.borrow_mut().waiting.pop_first();
            first.expect("just seen").1.wake();
        }
    }

    /// Wakes `waker` at `time`.
    pub fn wake_at(&self, time: Time, waker: Waker) -> TimerKey {
        let mut timers = self.timers.borrow_mut();
        timers.sequence += 1;
        let key = (time, timers.sequence);
        timers.waiting.insert(key, waker);
        TimerKey(key)
    }

    /// Forgets a timer, if it has not fired.
    pub fn cancel_timer(&self, TimerKey(key): TimerKey) {
        self.timers.borrow_mut().waiting.remove(&key);
    }

    fn woken(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names one timer.
#[derive(Clone, Copy, Debug)]
pub struct TimerKey((Time, u64));

/// What a task's waker rings.
struct TaskBell {
    id: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskBell {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if !woken.contains(&self.id) {
            woken.push(self.id);
        }
    }
}
