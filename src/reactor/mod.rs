//! The reactor: one thread's loop over readiness, bells and deadlines.
//!
//! A reactor has tenants, one for each socket. A tenant owns a selector of its own, which nests
//! in the reactor's; the reactor only learns that a tenant has something to do, and lets it:
//!
//! ```text
//!   readiness of a nested selector ┐
//!   a kick from another thread     ├─► Tenant::drive(now) ──► the tenant's next deadline
//!   the tenant's deadline          ┘
//!   50 µs after a sender left octets lying ──► Tenant::sweep()
//! ```
//!
//! A reactor knows neither connections nor messages. It holds no lock while a tenant is driven.

mod load;
pub mod metal;

use std::{collections::BTreeSet, fmt, io, sync::Arc, time::Duration};

use slab::Slab;

use self::load::Load;
use self::metal::{Bell, Metal, Ready, Registry, Selector, SourceId};
use crate::base::{
    lent,
    stats::IoStats,
    sync::{Mutex, Rank},
    time::Time,
    tuning,
};

/// What lives on a reactor: all the connections of one socket.
pub trait Tenant: Send + Sync {
    /// Does what can be done now, without waiting. Answers when to be driven again at the
    /// latest.
    fn drive(&self, now: Time) -> Option<Time>;

    /// Writes out what senders have left lying for long. Answers when to sweep again; `None` if
    /// nothing lies.
    fn sweep(&self) -> Option<Duration>;

    /// Does anything lie?
    fn lies(&self) -> bool;

    /// Its reactor can hear of nothing any more, and will not drive it again.
    fn give_up(&self);
}

/// One loop. [`Metal::run`] turns it.
pub struct Reactor {
    shared: Arc<Shared>,
    selector: Box<dyn Selector>,
    ready: Vec<Ready>,
    /// How often in a row its selector has failed.
    failures: u32,
    /// Tenants to drive in this turn; kept for its memory.
    due: Vec<(usize, Arc<dyn Tenant>)>,
}

/// Talks to a reactor from any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    metal: Arc<dyn Metal>,
    registry: Box<dyn Registry>,
    bell: Arc<dyn Bell>,
    desk: Mutex<Desk>,
}

/// Where other threads leave word.
struct Desk {
    tenants: Slab<Entry>,
    deadlines: BTreeSet<(Time, usize)>,
    kicked: Vec<usize>,
    swept: Vec<usize>,
    /// When to sweep next, if something lies.
    sweep_at: Option<Time>,
    /// Until when the reactor sleeps unless something happens; `None` while it is awake.
    asleep_until: Option<Time>,
    stopped: bool,
    load: Load,
}

struct Entry {
    tenant: Arc<dyn Tenant>,
    deadline: Option<Time>,
    kicked: bool,
    swept: bool,
}

impl Reactor {
    /// A reactor on this metal.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn new(metal: Arc<dyn Metal>) -> io::Result<(Reactor, Handle)> {
        let selector = metal.selector()?;
        let desk = Desk {
            tenants: Slab::new(),
            deadlines: BTreeSet::new(),
            kicked: Vec::new(),
            swept: Vec::new(),
            sweep_at: None,
            asleep_until: None,
            stopped: false,
            load: Load::new(metal.now()),
        };
        let shared = Arc::new(Shared {
            registry: selector.registry()?,
            bell: selector.bell()?,
            metal,
            desk: Mutex::new(Rank::Leaf, desk),
        });
        let handle = Handle {
            shared: Arc::clone(&shared),
        };
        Ok((
            Reactor {
                shared,
                selector,
                ready: Vec::new(),
                failures: 0,
                due: Vec::new(),
            },
            handle,
        ))
    }

    /// One turn: waits for something to do, at most `wait` (`None`: as long as it takes), and
    /// does it. False once the reactor was told to stop, or can hear of nothing any more.
    pub fn turn(&mut self, wait: Option<Duration>) -> bool {
        let timeout = self.shared.fall_asleep(wait);
        match self.selector.poll(&mut self.ready, timeout) {
            Ok(()) => self.failures = 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.note_failure(&error),
        }
        let now = self.shared.metal.now();
        let slept = timeout != Some(Duration::ZERO);
        let sweep = self.collect(now, slept);
        for (key, tenant) in self.due.drain(..) {
            let deadline = tenant.drive(now);
            self.shared.desk.lock().set_deadline(key, &tenant, deadline);
        }
        for (key, tenant) in sweep {
            let again = tenant.sweep();
            self.shared.swept(key, &tenant, again);
        }
        lent::let_go();
        !self.shared.desk.lock().stopped
    }

    /// The selector has failed. If that goes on all tenants are given up.
    fn note_failure(&mut self, error: &io::Error) {
        self.failures += 1;
        if self.failures == 1 {
            log::error!("the reactor's selector failed: {error}");
        }
        if self.failures < tuning::SELECTOR_FAILURES_MAX {
            return;
        }
        log::error!("the reactor's selector goes on failing, and its sockets are closed: {error}");
        let mut desk = self.shared.desk.lock();
        desk.stopped = true;
        let tenants: Vec<_> = desk
            .tenants
            .iter()
            .map(|it| Arc::clone(&it.1.tenant))
            .collect();
        drop(desk);
        for tenant in tenants {
            tenant.give_up();
        }
    }

    /// Sleeps between two turns, for who turns it by hand: answers how long its next turn can
    /// wait (`None`: for ever), unless its selector has something to tell before. Who kicks it
    /// until then rings its bell, as if it were in its poll.
    pub fn doze(&self) -> Option<Duration> {
        self.shared.fall_asleep(None)
    }

    /// Whom to drive, into `due`; and whom to sweep.
    fn collect(&mut self, now: Time, slept: bool) -> Vec<(usize, Arc<dyn Tenant>)> {
        let mut desk = self.shared.desk.lock();
        let desk = &mut *desk;
        desk.load.begin_turn(now, slept);
        desk.asleep_until = None;
        let mut kicked = std::mem::take(&mut desk.kicked);
        for ready in &self.ready {
            if let Some(entry) = desk.tenants.get_mut(ready.token) {
                if !entry.kicked {
                    entry.kicked = true;
                    kicked.push(ready.token);
                }
            }
        }
        while let Some(&(at, key)) = desk.deadlines.first() {
            if at > now {
                break;
            }
            desk.deadlines.pop_first();
            if let Some(entry) = desk.tenants.get_mut(key) {
                entry.deadline = None;
                if !entry.kicked {
                    entry.kicked = true;
                    kicked.push(key);
                }
            }
        }
        for key in kicked.drain(..) {
            if let Some(entry) = desk.tenants.get_mut(key) {
                entry.kicked = false;
                self.due.push((key, Arc::clone(&entry.tenant)));
            }
        }
        desk.kicked = kicked;
        if desk.sweep_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        desk.sweep_at = None;
        let swept = std::mem::take(&mut desk.swept);
        let entry = |key| Some((key, Arc::clone(&desk.tenants.get(key)?.tenant)));
        swept.into_iter().filter_map(entry).collect()
    }
}

impl Shared {
    /// Notes that the reactor goes to sleep, and answers for how long it may.
    fn fall_asleep(&self, wait: Option<Duration>) -> Option<Duration> {
        let now = self.metal.now();
        let mut desk = self.desk.lock();
        desk.load.end_turn(now);
        if !desk.kicked.is_empty() || desk.stopped {
            return Some(Duration::ZERO);
        }
        let next = desk.next_deadline();
        desk.asleep_until = Some(next.unwrap_or(Time::from_nanos(u64::MAX)));
        let until = next.map(|next| next.since(now));
        match (until, wait) {
            (Some(until), Some(wait)) => Some(until.min(wait)),
            (until, wait) => until.or(wait),
        }
    }

    /// A tenant was swept, and asks to be swept again, or not.
    fn swept(&self, key: usize, tenant: &Arc<dyn Tenant>, again: Option<Duration>) {
        let now = self.metal.now();
        let mut guard = self.desk.lock();
        let desk = &mut *guard;
        let Some(entry) = desk.tenants.get_mut(key) else {
            return;
        };
        if !Arc::ptr_eq(&entry.tenant, tenant) {
            return;
        }
        if let Some(pause) = again {
            desk.sweep_at(key, now + pause);
            return;
        }
        entry.swept = false;
        drop(guard);
        // A sender that came between found that sweeping was asked for already.
        if tenant.lies() {
            self.sweep_soon(key);
        }
    }

    /// Sees to it that a tenant is swept soon. Answers whether the reactor must be rung.
    fn sweep_soon(&self, key: usize) -> bool {
        let mut desk = self.desk.lock();
        match desk.tenants.get_mut(key) {
            Some(entry) if !entry.swept => entry.swept = true,
            _ => return false,
        }
        let at = self.metal.now() + tuning::SWEEP;
        desk.sweep_at(key, at);
        desk.wakes(at)
    }
}

impl Desk {
    /// Notes when a tenant is to be swept.
    fn sweep_at(&mut self, key: usize, at: Time) {
        self.swept.push(key);
        self.sweep_at = Some(self.sweep_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn next_deadline(&self) -> Option<Time> {
        let tenant = self.deadlines.first().map(|(at, _)| *at);
        match (tenant, self.sweep_at) {
            (Some(tenant), Some(sweep)) => Some(tenant.min(sweep)),
            (tenant, sweep) => tenant.or(sweep),
        }
    }

    /// Sets a tenant's deadline, unless an earlier one was set meanwhile.
    fn set_deadline(&mut self, key: usize, tenant: &Arc<dyn Tenant>, deadline: Option<Time>) {
        let Some(entry) = self.tenants.get_mut(key) else {
            return;
        };
        if !Arc::ptr_eq(&entry.tenant, tenant) {
            return;
        }
        let Some(at) = deadline else { return };
        if entry.deadline.is_some_and(|earlier| earlier <= at) {
            return;
        }
        if let Some(later) = entry.deadline.replace(at) {
            self.deadlines.remove(&(later, key));
        }
        self.deadlines.insert((at, key));
    }

    /// Must the bell be rung for something that is to be done at `at`?
    fn wakes(&mut self, at: Time) -> bool {
        let wakes = self.asleep_until.is_some_and(|until| at < until);
        if wakes {
            self.asleep_until = None;
            self.load.note_bell();
        }
        wakes
    }
}

impl Handle {
    /// Takes a tenant in. Its key goes with every later word about it.
    pub fn adopt(&self, tenant: Arc<dyn Tenant>) -> usize {
        let entry = Entry {
            tenant,
            deadline: None,
            kicked: false,
            swept: false,
        };
        self.shared.desk.lock().tenants.insert(entry)
    }

    /// Lets a tenant go. It may be driven once more, if that has begun.
    pub fn release(&self, key: usize) {
        let mut desk = self.shared.desk.lock();
        if let Some(entry) = desk.tenants.try_remove(key) {
            if let Some(at) = entry.deadline {
                desk.deadlines.remove(&(at, key));
            }
            drop(desk);
            drop(entry);
        }
    }

    /// Was it told to stop, or has it given up?
    pub fn is_stopped(&self) -> bool {
        self.shared.desk.lock().stopped
    }

    /// How many tenants it has.
    pub fn load(&self) -> usize {
        self.shared.desk.lock().tenants.len()
    }

    /// What it has done, as of `now`.
    pub fn stats(&self, now: Time) -> IoStats {
        let desk = self.shared.desk.lock();
        desk.load.stats(desk.tenants.len(), now)
    }

    /// Watches a tenant's selector.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn watch(&self, key: usize, source: SourceId) -> io::Result<()> {
        self.shared.registry.register(source, key)
    }

    /// Stops watching a tenant's selector.
    ///
    /// # Errors
    /// When it was not watched.
    pub fn unwatch(&self, source: SourceId) -> io::Result<()> {
        self.shared.registry.deregister(source)
    }

    /// Asks that a tenant be driven soon.
    pub fn kick(&self, key: usize) {
        let mut desk = self.shared.desk.lock();
        match desk.tenants.get_mut(key) {
            Some(entry) if !entry.kicked => entry.kicked = true,
            _ => return,
        }
        desk.kicked.push(key);
        let ring = desk.wakes(Time::START);
        drop(desk);
        if ring {
            self.shared.bell.ring();
        }
    }

    /// Asks that a tenant be driven at `at`, or before.
    pub fn drive_at(&self, key: usize, at: Time) {
        let mut desk = self.shared.desk.lock();
        let Some(tenant) = desk.tenants.get(key).map(|entry| Arc::clone(&entry.tenant)) else {
            return;
        };
        desk.set_deadline(key, &tenant, Some(at));
        let ring = desk.wakes(at);
        drop(desk);
        if ring {
            self.shared.bell.ring();
        }
    }

    /// Asks that a tenant's senders' octets be written out within [`tuning::SWEEP`].
    pub fn sweep_soon(&self, key: usize) {
        if self.shared.sweep_soon(key) {
            self.shared.bell.ring();
        }
    }

    /// Tells the reactor to end, after the turn it is in.
    pub fn stop(&self) {
        self.shared.desk.lock().stopped = true;
        self.shared.bell.ring();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("load", &self.load())
            .finish()
    }
}
