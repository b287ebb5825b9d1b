//! The receiver's window: messages moved out of a lane, to be handed on one by one.
//!
//! One lock of the lane serves up to a whole window. Credit still returns only as messages
//! leave to the application, so that marks stay exact.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Lane,
    lane::{Mark, Only},
};
use crate::base::{message::Message, stats::LaneStats, time::Time};

/// The reading end of a lane of messages, owned by the receiving socket.
#[derive(Debug)]
pub struct Window {
    lane: Arc<Lane>,
    messages: VecDeque<Message>,
    /// Messages handed on, ever.
    popped: u64,
    /// Pops left until credit is due, or a message that is timed.
    until_due: u64,
    /// The pop at which credit is due.
    credit_at: u64,
    step: u64,
    /// Its messages stand behind an empty frame that is not here.
    bare: bool,
    /// Each message that is taken is reported, and its octets.
    limited: bool,
    /// The pops that are timed, and when these messages came.
    due: VecDeque<Mark>,
    /// When the last message was popped, if it was timed.
    timed_at: Option<Time>,
}

impl Window {
    /// The reading end of `lane`.
    pub fn new(lane: Arc<Lane>) -> Window {
        let (step, limited) = (lane.step(), lane.is_limited());
        Window {
            lane,
            messages: VecDeque::new(),
            popped: 0,
            until_due: step,
            credit_at: step,
            step,
            bare: false,
            limited,
            due: VecDeque::new(),
            timed_at: None,
        }
    }

    /// Are there messages behind the next one, and is no credit due for it?
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.until_due > 1 && self.messages.len() > 1
    }

    /// The next message, if there are others behind it and no credit is due: nothing to do but to
    /// take it.
    #[inline(always)]
    pub fn pop_plain(&mut self) -> Option<Message> {
        if !self.is_plain() {
            return None;
        }
        self.popped += 1;
        self.until_due -= 1;
        self.messages.pop_front()
    }

    /// What [`pop_plain`](Window::pop_plain) would take, if it would.
    #[inline(always)]
    pub fn front_plain(&self) -> Option<&Message> {
        self.messages.front().filter(|_| self.is_plain())
    }

    /// The next message. The second value says that the lane's writer must be rung.
    ///
    /// `None` means that the lane is empty, and that its writer will ring.
    pub fn pop(&mut self) -> (Option<Message>, bool) {
        let message = match self.messages.pop_front() {
            Some(message) => message,
            None => {
                if !self.fill() {
                    return (None, false);
                }
                match self.messages.pop_front() {
                    Some(message) => message,
                    None => return (None, false),
                }
            }
        };
        self.popped += 1;
        self.until_due -= 1;
        self.timed_at = None;
        let mut ring = self.until_due == 0 && self.settle_due(&message);
        if self.messages.is_empty() {
            // The writer's counters are to be right once all is read; its credit is not due.
            ring |= self.lane.note_taken(self.popped, true);
        }
        (Some(message), ring)
    }

    /// The next message, for a receiver that does not come back before its peer was heard of: if
    /// there is none behind it, that is found out along with it. The second value says that the
    /// lane's writer must be rung, the third that it will ring.
    pub fn pop_in_turn(&mut self) -> (Option<Message>, bool, bool) {
        if self.messages.is_empty() && self.until_due > 1 {
            return match self.lane.take_only(self.popped) {
                Only::Taken {
                    message,
                    bare,
                    ring,
                } => {
                    self.bare = bare;
                    self.popped += 1;
                    self.until_due -= 1;
                    self.timed_at = None;
                    (Some(message), ring, true)
                }
                Only::None => (None, false, true),
                Only::OneOfMany => self.pop_of_many(),
            };
        }
        self.pop_of_many()
    }

    fn pop_of_many(&mut self) -> (Option<Message>, bool, bool) {
        let (message, ring) = self.pop();
        let dry = message.is_none();
        (message, ring, dry)
    }

    /// Stands the message popped last behind an empty frame that is not here?
    #[inline]
    pub fn is_bare(&self) -> bool {
        self.bare
    }

    /// When the message popped last was, if it is one of those that are timed. Told once.
    pub fn take_timed(&mut self) -> Option<Time> {
        self.timed_at.take()
    }

    /// Something is due with the message just popped: credit, or its time. Answers whether the
    /// lane's writer must be rung.
    fn settle_due(&mut self, message: &Message) -> bool {
        if let Some(&(pop, arrived)) = self.due.front() {
            if pop == self.popped {
                self.due.pop_front();
                self.timed_at = Some(self.lane.note_left(arrived));
            }
        }
        let mut ring = false;
        if self.popped == self.credit_at {
            self.credit_at += self.step;
            ring = match self.limited {
                true => self.lane.credit_one(self.popped, message.octets() as u64),
                false => self.lane.credit(self.popped),
            };
        }
        self.count_down();
        ring
    }

    /// Counts down to what is due next.
    fn count_down(&mut self) {
        let timed = self.due.front().map_or(u64::MAX, |(pop, _)| *pop);
        self.until_due = self.credit_at.min(timed) - self.popped;
    }

    /// Takes all that the lane has.
    fn fill(&mut self) -> bool {
        let filled = self
            .lane
            .fill(&mut self.messages, &mut self.due, self.popped);
        if !self.due.is_empty() {
            self.count_down();
        }
        self.bare = filled.unwrap_or(false);
        filled.is_some()
    }

    /// The lane's mark or limits were changed.
    pub fn renew(&mut self) {
        self.step = self.lane.step();
        self.limited = self.lane.is_limited();
        self.credit_at = self.popped + self.step;
        self.count_down();
    }

    /// Is there a message? If not, the lane's writer will ring.
    pub fn has_some(&mut self) -> bool {
        !self.messages.is_empty() || self.fill()
    }

    /// Does the writer hold messages back, although there are none here?
    pub fn is_held_back(&self) -> bool {
        self.messages.is_empty() && self.lane.is_held_back()
    }

    /// Throws away all that has arrived. Answers whether the lane's writer must be rung.
    pub fn clear(&mut self) -> bool {
        let mut ring = false;
        while let (Some(_), rung) = self.pop() {
            ring |= rung;
        }
        ring
    }

    /// Nobody reads any more: what has arrived is thrown away, and so is what comes yet.
    pub fn close(&mut self) {
        self.lane.close_reader();
        let unread = self.messages.len() as u64;
        self.messages.clear();
        self.due.clear();
        self.lane.abandon(self.popped, unread);
    }

    /// The lane behind it.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The lane's counters, exact to the message.
    pub fn stats(&self) -> LaneStats {
        self.lane.note_taken(self.popped, false);
        let octets = self.messages.iter().map(|message| message.octets() as u64);
        let mut stats = self.lane.stats();
        stats.queued_octets += octets.sum::<u64>();
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::message::Frame, pipe::Store};

    #[test]
    fn the_writer_learns_that_all_is_read_before_credit_is_due() {
        let lane = Arc::new(Lane::new(Store::Messages, 8, false));
        let mut window = Window::new(Arc::clone(&lane));
        for _ in 0..3 {
            lane.push(&[], &Message::from("m")).expect("room");
        }
        for _ in 0..3 {
            assert!(window.pop().0.is_some());
        }
        assert_eq!((lane.stats().queued, lane.stats().delivered), (0, 3));
        assert_eq!(lane.room(), 5, "credit comes in steps all the same");
    }

    #[test]
    fn what_goes_bare_is_as_it_was_said_once_something_else_is() {
        let lane = Arc::new(Lane::new(Store::Messages, 0, false));
        let mut window = Window::new(Arc::clone(&lane));
        lane.join(true);
        let nothing = [Frame::empty()];
        let say = |head: &[Frame], text: &str| lane.push(head, &text.into()).expect("room");
        say(&nothing, "a");
        let (message, _, dry) = window.pop_in_turn();
        assert_eq!((message, dry), (Some("a".into()), true));
        assert!(window.is_bare());
        for text in ["b", "c"] {
            say(&nothing, text);
        }
        let (message, _, dry) = window.pop_in_turn();
        assert_eq!((message, dry), (Some("b".into()), false));
        say(&nothing, "d");
        say(&["id".into(), Frame::empty()], "e");
        assert_eq!(window.pop_in_turn().0, Some("c".into()));
        assert!(window.is_bare(), "it was here before");
        for said in [&["", "d"][..], &["id", "", "e"]] {
            let said = said.iter().copied().collect::<Message>();
            assert_eq!(window.pop_in_turn().0, Some(said));
            assert!(!window.is_bare());
        }
        assert_eq!(window.pop_in_turn().0, None);
        let stats = window.stats();
        assert_eq!((stats.delivered, stats.parts, stats.octets), (5, 11, 7));
    }

    #[test]
    fn a_closed_window_throws_away_and_counts() {
        let lane = Arc::new(Lane::new(Store::Messages, 4, false));
        let mut window = Window::new(Arc::clone(&lane));
        for _ in 0..4 {
            lane.push(&[], &Message::from("m")).expect("room");
        }
        assert!(window.pop().0.is_some());
        window.close();
        assert_eq!(
            lane.room(),
            usize::MAX,
            "nobody has to wait for a reader any more"
        );
        let mut late: VecDeque<Message> = ["late", "later"].map(Message::from).into();
        lane.push_batch(&mut late);
        let stats = window.stats();
        assert!(stats.balances() && late.is_empty());
        assert_eq!((stats.accepted, stats.delivered), (6, 1));
        assert_eq!((stats.dropped, stats.queued), (5, 0));
        assert!(window.pop().0.is_none());
    }
}
