//! Readiness: selectors, what they watch, and edges.
//!
//! The strictest reading of the contract: an edge is told once. The stream decides when there is
//! one (`tell`); here it is kept until a poll fetches it, or held back for a while as a fault. A
//! selector is itself a source: it tells its watchers when its own list stops being empty.

use std::{collections::BTreeMap, io, time::Duration};

use hubless::internals::reactor::metal::{Ready, SourceId};

use super::net::{Happening, Net};

/// One selector.
#[derive(Debug, Default)]
pub struct SelectorState {
    entries: BTreeMap<SourceId, Entry>,
    /// Entries with an edge nobody fetched yet, in the order they came.
    pending: Vec<SourceId>,
    rung: bool,
    serial: u64,
}

/// One registration.
#[derive(Debug)]
struct Entry {
    token: usize,
    /// Tells this registration from an earlier one of the same source: late edges of that one are
    /// dropped.
    serial: u64,
    readable: bool,
    writable: bool,
}

impl Net {
    pub(super) fn open_selector(&mut self) -> SourceId {
        let id = self.fresh_source();
        self.selectors.insert(id, SelectorState::default());
        id
    }

    pub(super) fn close_selector(&mut self, selector: SourceId) {
        let Some(state) = self.selectors.remove(&selector) else {
            return;
        };
        for source in state.entries.keys() {
            self.unwatch(selector, *source);
        }
        self.forget_source(selector);
    }

    /// Has this selector anything to tell?
    pub fn is_ready(&self, selector: SourceId) -> bool {
        self.selectors
            .get(&selector)
            .is_some_and(|state| state.rung || !state.pending.is_empty())
    }

    /// Does a selector watch `source`?
    pub fn is_watched(&self, source: SourceId) -> bool {
        self.watchers
            .get(&source)
            .is_some_and(|watchers| !watchers.is_empty())
    }

    pub(super) fn poll(
        &mut self,
        selector: SourceId,
        ready: &mut Vec<Ready>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        ready.clear();
        assert!(
            timeout == Some(Duration::ZERO) || self.is_ready(selector),
            "a wait in a poll would hold up the only thread there is"
        );
        if !self.is_watched(selector) {
            self.outer_poll = Some(selector);
        }
        // Signals end a wait; a poll that finds something does not wait.
        let would_wait = !self.is_watched(selector) && !self.is_ready(selector);
        if would_wait && self.dice.chance(self.faults.interrupted) {
            self.note("interrupted", selector, 0);
            return Err(io::ErrorKind::Interrupted.into());
        }
        let state = self.selectors.get_mut(&selector).expect("open");
        state.rung = false;
        let mut pending = std::mem::take(&mut state.pending);
        self.dice.shuffle(&mut pending);
        if self.dice.chance(self.faults.spurious) && !state.entries.is_empty() {
            let any = self.dice.index(state.entries.len());
            let source = *state.entries.keys().nth(any).expect("within");
            if !pending.contains(&source) {
                let entry = state.entries.get_mut(&source).expect("listed");
                (entry.readable, entry.writable) = (true, true);
                pending.push(source);
            }
        }
        for source in &pending {
            let entry = state.entries.get_mut(source).expect("watched");
            ready.push(Ready {
                token: entry.token,
                readable: std::mem::take(&mut entry.readable),
                writable: std::mem::take(&mut entry.writable),
                closed: false,
            });
        }
        for (source, ready) in pending.iter().zip(ready.iter_mut()) {
            ready.closed = self.is_closed(*source);
        }
        self.note("poll", selector, ready.len() as u64);
        Ok(())
    }

    pub(super) fn register(
        &mut self,
        selector: SourceId,
        source: SourceId,
        token: usize,
    ) -> io::Result<()> {
        let is_stream = self.streams.contains_key(&source);
        if is_stream && self.dice.chance(self.faults.register_fails) {
            self.note("register fails", source, 0);
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let state = self.selectors.get_mut(&selector).expect("open");
        if state.entries.contains_key(&source) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.serial += 1;
        let entry = Entry {
            token,
            serial: state.serial,
            readable: false,
            writable: false,
        };
        let serial = entry.serial;
        state.entries.insert(source, entry);
        self.watchers.entry(source).or_default().push(selector);
        self.note("register", source, u64::from(selector as u32));
        let (readable, writable) = self.present(source);
        self.owe_edges(source, readable, writable);
        if readable || writable {
            self.edge(selector, source, serial, readable, writable);
        }
        Ok(())
    }

    pub(super) fn deregister(&mut self, selector: SourceId, source: SourceId) -> io::Result<()> {
        let state = self.selectors.get_mut(&selector).expect("open");
        if state.entries.remove(&source).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.pending.retain(|pending| *pending != source);
        self.unwatch(selector, source);
        self.note("deregister", source, u64::from(selector as u32));
        Ok(())
    }

    /// The source is gone: nobody watches it any more.
    pub(super) fn forget_source(&mut self, source: SourceId) {
        for selector in self.watchers.remove(&source).unwrap_or_default() {
            if let Some(state) = self.selectors.get_mut(&selector) {
                state.entries.remove(&source);
                state.pending.retain(|pending| *pending != source);
            }
        }
    }

    fn unwatch(&mut self, selector: SourceId, source: SourceId) {
        if let Some(watchers) = self.watchers.get_mut(&source) {
            watchers.retain(|watcher| *watcher != selector);
        }
    }

    pub(super) fn ring(&mut self, selector: SourceId) {
        self.note("ring", selector, 0);
        let was_ready = self.is_ready(selector);
        if let Some(state) = self.selectors.get_mut(&selector) {
            state.rung = true;
            if !was_ready {
                self.tell(selector, true, false);
            }
        }
    }

    /// Tells everyone who watches `source` that it became ready.
    pub(super) fn tell(&mut self, source: SourceId, readable: bool, writable: bool) {
        let watchers = self.watchers.get(&source).cloned().unwrap_or_default();
        for selector in watchers {
            let serial = self.selectors[&selector].entries[&source].serial;
            if self.dice.chance(self.faults.late_edge) {
                let wait = self.up_to(EDGE_LATE);
                self.note("late edge", source, wait.as_nanos() as u64);
                self.tell_after(wait, selector, source, serial, readable, writable);
            } else {
                self.edge(selector, source, serial, readable, writable);
            }
        }
    }

    /// As [`Net::tell`], but surely later: the edge that follows an invented `WouldBlock`.
    pub(super) fn tell_later(&mut self, source: SourceId, readable: bool, writable: bool) {
        let watchers = self.watchers.get(&source).cloned().unwrap_or_default();
        for selector in watchers {
            let serial = self.selectors[&selector].entries[&source].serial;
            let wait = self.up_to(EDGE_LATE);
            self.tell_after(wait, selector, source, serial, readable, writable);
        }
    }

    fn tell_after(
        &mut self,
        wait: Duration,
        selector: SourceId,
        source: SourceId,
        serial: u64,
        readable: bool,
        writable: bool,
    ) {
        let edge = Happening::Edge {
            selector,
            source,
            serial,
            readable,
            writable,
        };
        self.after(wait, edge);
    }

    /// An edge reaches a selector, if that still watches the source as it did.
    pub(super) fn edge(
        &mut self,
        selector: SourceId,
        source: SourceId,
        serial: u64,
        readable: bool,
        writable: bool,
    ) {
        let was_ready = self.is_ready(selector);
        let Some(state) = self.selectors.get_mut(&selector) else {
            return;
        };
        let Some(entry) = state.entries.get_mut(&source) else {
            return;
        };
        if entry.serial != serial {
            return;
        }
        entry.readable |= readable;
        entry.writable |= writable;
        if !state.pending.contains(&source) {
            state.pending.push(source);
        }
        if !was_ready {
            self.tell(selector, true, false);
        }
    }

    /// What a source could do now.
    fn present(&self, source: SourceId) -> (bool, bool) {
        if let Some(stream) = self.streams.get(&source) {
            (stream.is_readable(), self.is_writable(source))
        } else if let Some(acceptor) = self.acceptors.get(&source) {
            (!acceptor.waiting.is_empty(), false)
        } else {
            (self.is_ready(source), false)
        }
    }
}

/// The longest an edge is held back.
const EDGE_LATE: Duration = Duration::from_millis(20);
