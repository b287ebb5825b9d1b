//! Lanes with more than a mark in messages: one in octets, and one that keeps the newest.
//!
//! ```text
//!   octets 100      waits: 40 40 │ 30 is refused │ 20 fits │ ring once 50 or fewer wait
//!   keep newest 3   waits:  a b c │ d comes: b c d │ e: c d e      what has begun to leave is beside it
//! ```
//!
//! Here nothing is drafted and nothing taken out ahead: every message goes through the lane's
//! lock, and its reader reports each that it takes. Other lanes pay nothing for that.

use super::{Inner, Lane, Queue};
use crate::base::message::{Frame, Message};

/// What a lane is limited by, besides messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Octets that may wait: framed, with their headers, where they are framed. 0: no limit.
    pub octets: usize,
    /// Who comes at the mark takes the place of the oldest.
    pub keep_newest: bool,
}

impl Limits {
    fn are_none(self) -> bool {
        self == Limits::default()
    }
}

impl Lane {
    /// Limits it. For those who come to a lane that is in use, both ends have to
    /// [renew](crate::pipe::Draft::renew) what they know of it.
    pub fn set_limits(&self, limits: Limits) {
        let mut inner = self.inner.lock();
        inner.limits = (!limits.are_none()).then_some(limits);
        if let Queue::Messages(queue) = &inner.queue {
            inner.waiting = queue.iter().map(|it| it.octets() as u64).sum();
        }
    }

    /// Has it limits besides messages?
    pub(in crate::pipe) fn is_limited(&self) -> bool {
        self.inner.lock().limits.is_some()
    }

    /// The reader of a limited lane of messages has taken one of so many octets, `taken` ever.
    /// Answers whether the writer must be rung.
    pub(in crate::pipe) fn credit_one(&self, taken: u64, octets: u64) -> bool {
        let mut inner = self.inner.lock();
        inner.waiting = inner.waiting.saturating_sub(octets);
        inner.taken = taken + inner.dropped + inner.lost;
        inner.pass_credit()
    }
}

impl Limits {
    /// Is the mark reached, as far as octets go?
    pub(super) fn is_full(self, waiting: u64) -> bool {
        self.octets > 0 && waiting >= self.octets as u64
    }

    /// May a writer that was refused go on? Not before half of the mark is free, or it would be
    /// rung for every message.
    pub(super) fn is_low(self, waiting: u64) -> bool {
        self.octets == 0 || waiting <= self.octets as u64 / 2
    }
}

impl Inner {
    /// Sees to it that a message has room in octets, or that it is among the newest. False: it has
    /// none.
    pub(super) fn make_room(&mut self, limits: Limits, head: &[Frame], message: &Message) -> bool {
        let framed = !self.raw && matches!(self.queue, Queue::Octets { .. });
        let header = |length: usize| match (framed, length) {
            (false, _) => 0,
            (true, ..=255) => 2,
            (true, _) => 9,
        };
        let frames = head.iter().chain(message.frames());
        let octets = frames.map(|frame| frame.len() + header(frame.len()));
        let octets = octets.sum::<usize>() as u64;
        let fits = |inner: &Inner| {
            let mark = limits.octets as u64;
            mark == 0 || inner.waiting == 0 || inner.waiting + octets <= mark
        };
        if !limits.keep_newest {
            return fits(self);
        }
        while !fits(self) || (self.hwm > 0 && self.here() >= self.hwm) {
            if !self.drop_oldest() {
                break;
            }
        }
        true
    }

    /// Messages that have not begun to leave.
    fn here(&self) -> u64 {
        match &self.queue {
            Queue::Messages(queue) => queue.len() as u64,
            Queue::Octets { chunks, .. } => chunks.messages(),
        }
    }

    /// Drops the oldest message that has not begun to leave. False if there is none.
    fn drop_oldest(&mut self) -> bool {
        let place = self.place(self.written) + 1 - self.here();
        let octets = match &mut self.queue {
            Queue::Messages(queue) => queue.pop_front().map(|it| it.octets()),
            Queue::Octets { chunks, .. } => chunks.drop_oldest(),
        };
        let Some(octets) = octets else { return false };
        self.waiting -= octets as u64;
        self.dropped += 1;
        self.replaced += 1;
        self.taken += 1;
        self.forget_place(place);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use super::*;
    use crate::pipe::{Draft, Outbox, Refused, Store, Window};

    fn limited(store: Store, hwm: usize, octets: usize, keep_newest: bool) -> Arc<Lane> {
        let lane = Lane::new(store, hwm, false);
        lane.set_limits(Limits {
            octets,
            keep_newest,
        });
        Arc::new(lane)
    }

    fn sized(octets: usize) -> Message {
        Message::from(vec![b'x'; octets])
    }

    #[test]
    fn the_mark_in_octets_is_exact() {
        // With a header of two octets where it is framed.
        for (store, header) in [(Store::Messages, 0), (Store::Octets, 2)] {
            let lane = limited(store, 0, 100, false);
            let mut draft = Draft::new(Arc::clone(&lane));
            for octets in [40, 40] {
                assert!(draft.push(&[], &sized(octets - header)).is_ok());
            }
            assert_eq!(draft.push(&[], &sized(21 - header)), Err(Refused::Full));
            assert!(!draft.is_full(false), "smaller ones fit");
            let accepted = draft.push(&[], &sized(20 - header)).expect("just so");
            assert!(accepted.full && draft.is_full(true));
            assert_eq!(draft.push_or_drop(&[], &sized(0)), Err(Refused::Full));
            let stats = draft.stats();
            assert_eq!(
                (stats.queued, stats.queued_octets, stats.refused),
                (3, 100, 1)
            );
        }
    }

    #[test]
    fn a_message_above_the_mark_goes_alone() {
        for store in [Store::Messages, Store::Octets] {
            let lane = limited(store, 0, 100, false);
            let mut draft = Draft::new(Arc::clone(&lane));
            assert!(draft.push(&[], &sized(1000)).is_ok());
            assert_eq!(draft.push(&[], &sized(1)), Err(Refused::Full));
        }
    }

    #[test]
    fn the_writer_is_rung_when_half_of_it_is_free() {
        let lane = limited(Store::Messages, 0, 100, false);
        let mut draft = Draft::new(Arc::clone(&lane));
        let mut window = Window::new(Arc::clone(&lane));
        (0..4).for_each(|_| assert!(draft.push(&[], &sized(25)).is_ok()));
        assert_eq!(draft.push(&[], &sized(25)), Err(Refused::Full));
        assert_eq!(
            [(); 4].map(|()| window.pop().1),
            [false, true, false, false]
        );
        assert_eq!(window.stats().queued_octets, 0);
        assert!(draft.push(&[], &sized(100)).is_ok());

        let lane = limited(Store::Octets, 0, 108, false);
        lane.open(&[]);
        let mut draft = Draft::new(Arc::clone(&lane));
        (0..4).for_each(|_| assert!(draft.push(&[], &sized(25)).is_ok()));
        assert_eq!(draft.push(&[], &sized(25)), Err(Refused::Full));
        let mut outbox = Outbox::new();
        assert!(!lane.exchange(&mut outbox));
        outbox.advance(53);
        assert!(!lane.exchange(&mut outbox));
        outbox.advance(1);
        assert!(lane.exchange(&mut outbox));
    }

    #[test]
    fn messages_and_octets_are_both_marks() {
        let lane = limited(Store::Messages, 3, 100, false);
        let mut draft = Draft::new(Arc::clone(&lane));
        (0..3).for_each(|_| assert!(draft.push(&[], &sized(1)).is_ok()));
        assert_eq!(draft.push(&[], &sized(1)), Err(Refused::Full));
        let mut window = Window::new(Arc::clone(&lane));
        assert_eq!([(); 2].map(|()| window.pop().1), [true, false]);
        assert!(draft.push(&[], &sized(99)).is_ok());
        assert_eq!(draft.push(&[], &sized(1)), Err(Refused::Full));
    }

    #[test]
    fn what_arrives_is_counted_in_octets_too() {
        let lane = limited(Store::Messages, 0, 100, false);
        lane.push_batch(&mut VecDeque::from([sized(30), sized(30)]));
        assert_eq!(
            lane.room(),
            1,
            "one by one, for it is not known how large they are"
        );
        lane.push_batch(&mut VecDeque::from([sized(50)]));
        assert_eq!(lane.room(), 0);
        let mut window = Window::new(Arc::clone(&lane));
        assert_eq!([(); 3].map(|()| window.pop().1), [false, true, false]);
        assert_eq!(lane.room(), 1);
    }

    /// The twin keeps all that was sent in a plain queue, and drops from its front.
    #[test]
    fn the_newest_are_kept_whatever_is_under_way() {
        for (seed, store) in [(5_u64, Store::Octets), (9, Store::Messages)] {
            println!("seed {seed}");
            let mut state = seed;
            let mut roll = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 20) % below
            };
            let lane = limited(store, 7, 0, true);
            lane.open(&[]);
            let mut draft = Draft::new(Arc::clone(&lane));
            let mut window = (store == Store::Messages).then(|| Window::new(Arc::clone(&lane)));
            let mut outbox = Outbox::new();
            let (mut here, mut sent, mut dropped) = (VecDeque::new(), 0_u64, 0);
            let (mut left, mut written) = (Vec::new(), Vec::new());
            for _ in 0..3000 {
                if roll(3) > 0 {
                    let mut body = sent.to_string().into_bytes();
                    // Small, middling, and by reference.
                    body.resize([20, 300, 9000][roll(3) as usize], b'.');
                    assert!(draft.push(&[], &Message::from(body.clone())).is_ok());
                    sent += 1;
                    if here.len() == 7 {
                        here.pop_front();
                        dropped += 1;
                    }
                    here.push_back(body);
                } else if let Some(window) = &mut window {
                    let message = window.pop().0.map(|it| it[0].to_vec());
                    assert_eq!(message, here.pop_front());
                } else {
                    let was_empty = outbox.is_empty();
                    lane.exchange(&mut outbox);
                    if was_empty {
                        left.extend(here.drain(..));
                    }
                    let octets: Vec<u8> = outbox.segments().flatten().copied().collect();
                    let part = roll(octets.len() as u64 + 1) as usize;
                    written.extend_from_slice(&octets[..part]);
                    outbox.advance(part);
                }
                let stats = draft.stats();
                assert!(stats.balances());
                assert_eq!((stats.replaced, stats.accepted), (dropped, sent));
            }
            assert!(dropped > 100, "{dropped}");
            if store == Store::Octets {
                let mut framed = Vec::new();
                for body in &left {
                    frame(body, &mut framed);
                }
                assert!(framed.starts_with(&written) && written.len() > 10_000);
            }
        }
    }

    fn frame(body: &[u8], into: &mut Vec<u8>) {
        match u8::try_from(body.len()) {
            Ok(short) => into.extend([0, short]),
            Err(_) => {
                into.push(2);
                into.extend((body.len() as u64).to_be_bytes());
            }
        }
        into.extend(body);
    }
}
