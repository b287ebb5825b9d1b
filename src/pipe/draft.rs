//! The sender's draft: messages gathered where they are sent, and handed to the lane in lots.
//!
//! ```text
//!   network   send ─► draft: frame it, one credit less ─► full, 64 KiB, a flush, the sweep ─► lane
//!   inproc    send ─► draft: keep it, one credit less ──► a lot, the reader waits or asks ──► lane
//!                     (the socket's lock)                                         (the lane's lock)
//! ```
//!
//! A draft spends credit that the lane has granted, so most messages touch no lock but their
//! socket's. Whoever leaves octets in a draft sees to it that they are handed on in time. For
//! messages that are kept the reader does: while it has others it needs none of them, and when it
//! has not it says so. Lanes that conflate are passed through: each message goes there at once.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Accepted, Lane, Refused,
    chunks::Chunks,
    lane::Mark,
    timing::{Gaps, Timing},
};
use crate::base::{
    envelope::wrapped,
    message::{Frame, Message},
    stats::{LaneStats, measure},
    tuning,
};

/// The writing end of a lane, owned by the sending socket.
#[derive(Debug)]
pub struct Draft {
    lane: Arc<Lane>,
    framed: Chunks,
    held: VecDeque<Message>,
    /// Messages that may be gathered before anything else is to be done.
    credit: u64,
    /// What more the lane has granted: the message behind `credit` is to be timed.
    withheld: u64,
    way: Way,
    may_hold: bool,
    /// When timed messages came; none as a rule.
    marks: Vec<Mark>,
    timer: Option<Box<Timer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Every message goes to the lane at once.
    Direct,
    /// They are framed here.
    Framed,
    /// They are held here.
    Held,
}

/// What goes the short way.
pub trait Plain {
    /// It is framed behind others. `None`: it was not.
    fn push_framed(self, draft: &mut Draft) -> Option<Accepted>;

    /// It as a message.
    fn take(self) -> Message;

    /// It as a message behind an empty frame.
    fn take_behind_nothing(self) -> Message;

    /// It as a message that stays where it is, if it is one.
    fn as_message(&self) -> Option<&Message>;
}

/// A message of whatever frames, that may be taken away.
impl Plain for &mut Message {
    #[inline(always)]
    fn push_framed(self, draft: &mut Draft) -> Option<Accepted> {
        draft.push_framed(self)
    }

    #[inline(always)]
    fn take(self) -> Message {
        std::mem::replace(self, Message::from(Frame::empty()))
    }

    #[inline(always)]
    fn take_behind_nothing(self) -> Message {
        let mut message = self.take();
        message.push_front(Frame::empty());
        message
    }

    #[inline(always)]
    fn as_message(&self) -> Option<&Message> {
        Some(self)
    }
}

/// The octets of one frame, copied from the caller's to where they wait, and nowhere in between.
impl Plain for &[u8] {
    #[inline(always)]
    fn push_framed(self, draft: &mut Draft) -> Option<Accepted> {
        draft.push_copy(self)
    }

    #[inline(always)]
    fn take(self) -> Message {
        Message::from(self)
    }

    #[inline(always)]
    fn take_behind_nothing(self) -> Message {
        Message::two(Frame::empty(), Frame::copy_from(self))
    }

    #[inline(always)]
    fn as_message(&self) -> Option<&Message> {
        None
    }
}

/// Which messages of a draft are timed.
#[derive(Debug)]
struct Timer {
    timing: Timing,
    gaps: Gaps,
    /// How many messages come before the next one that is timed, beside those in `credit`.
    before: u64,
}

impl Draft {
    /// The writing end of `lane`.
    pub fn new(lane: Arc<Lane>) -> Draft {
        let mut draft = Draft {
            framed: Chunks::default(),
            held: VecDeque::new(),
            credit: 0,
            withheld: 0,
            way: Way::Direct,
            may_hold: true,
            marks: Vec::new(),
            timer: None,
            lane,
        };
        draft.renew();
        draft
    }

    /// Holds no message back: each is one that its reader waits for, or soon will.
    pub fn hold_nothing(&mut self) {
        self.may_hold = false;
        self.renew();
    }

    /// What the lane is limited by was changed, or how it is timed.
    pub fn renew(&mut self) {
        self.publish();
        let lane = &self.lane;
        self.way = match () {
            () if lane.takes_drafts() => Way::Framed,
            () if self.may_hold && lane.may_be_held_back() => Way::Held,
            () => Way::Direct,
        };
        let timing = lane.timing().filter(|_| self.way != Way::Direct);
        if timing.is_some() {
            lane.leave_marks();
        }
        self.timer = timing.map(|timing| Box::new(Timer::new(timing)));
        self.credit = 0;
        self.grant(0);
    }

    /// The lane behind it.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Hands everything to the lane, and leaves that behind.
    pub fn into_lane(mut self) -> Arc<Lane> {
        self.publish();
        self.lane
    }

    /// Takes in the message made of `head` (an envelope), then `message`. It may stay here until
    /// [`publish`](Draft::publish).
    ///
    /// # Errors
    /// As [`Lane::push`].
    #[inline]
    pub fn push(&mut self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        if self.credit == 0 {
            if self.way == Way::Direct {
                return self.lane.push(head, message);
            }
            self.admit(true)?;
        }
        Ok(self.accept(head, message))
    }

    /// The short way of a message: it goes to the lane, or joins others here. `None`: it was not
    /// taken, the long way may do better.
    #[inline(always)]
    pub fn push_plain(&mut self, message: impl Plain) -> Option<Accepted> {
        if self.way == Way::Framed {
            return message.push_framed(self);
        }
        if self.credit <= 1 || self.way == Way::Direct {
            return None;
        }
        Some(self.hold(message.take()))
    }

    /// As [`push_framed`](Draft::push_framed), of one frame with a copy of these octets.
    #[inline(always)]
    fn push_copy(&mut self, octets: &[u8]) -> Option<Accepted> {
        let joined = self.credit > 1 && self.framed.push_copy(octets);
        joined.then(|| self.joined())
    }

    /// The short way of a message of one small frame that joins others here: there is credit for
    /// it and to spare, and room where the last one lies.
    #[inline(always)]
    pub fn push_framed(&mut self, message: &Message) -> Option<Accepted> {
        let (octets, length) = message.inline()?;
        let joined = self.credit > 1 && self.framed.push_inline(octets, length);
        joined.then(|| self.joined())
    }

    /// A message has joined others here, and there is credit left.
    #[inline(always)]
    fn joined(&mut self) -> Accepted {
        self.credit -= 1;
        Accepted {
            ring_reader: false,
            octets: self.framed.octets(),
            first: false,
            full: false,
        }
    }

    /// Takes in a message behind an empty frame, if there is nothing else to it: room is known of,
    /// or it goes to a lane of messages at once.
    ///
    /// # Errors
    /// The message, as it was.
    #[inline]
    pub fn push_at_once<P: Plain>(&mut self, message: P) -> Result<Accepted, P> {
        match self.way {
            Way::Direct => self.lane.push_at_once(message),
            Way::Framed if self.credit > 0 => Ok(match message.as_message() {
                Some(whole) => self.accept(&[Frame::empty()], whole),
                None => self.accept(&[Frame::empty()], &message.take()),
            }),
            Way::Framed | Way::Held => Err(message),
        }
    }

    /// Takes in a message behind an empty frame, as [`push_or_drop`](Draft::push_or_drop) does.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn push_behind_nothing(&mut self, message: impl Plain) -> Result<Accepted, Refused> {
        self.push_at_once(message)
            .or_else(|message| self.push_or_drop(&[Frame::empty()], &message.take()))
    }

    /// As [`push`](Draft::push), but a message that finds no room is gone: it is counted as
    /// refused, and nobody waits.
    ///
    /// # Errors
    /// As [`Lane::push_or_drop`].
    #[inline]
    pub fn push_or_drop(&mut self, head: &[Frame], message: &Message) -> Result<Accepted, Refused> {
        if self.credit == 0 {
            if self.way == Way::Direct {
                return self.lane.push_or_drop(head, message);
            }
            self.admit(false).inspect_err(|refused| {
                if *refused == Refused::Full {
                    self.lane.count_refused();
                }
            })?;
        }
        Ok(self.accept(head, message))
    }

    /// Takes in a message whatever the mark says: a welcome, a probe.
    pub fn push_forced(&mut self, message: &Message) -> Accepted {
        let ring_reader = self.publish();
        // What it was granted counted on one message less.
        self.grant(0);
        let mut accepted = self.lane.push_forced(message);
        accepted.ring_reader |= ring_reader;
        accepted
    }

    /// Hands everything to the lane. Answers whether the reader must be rung, which in a lane of
    /// octets nobody has to be.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if !self.framed.is_empty() {
            // A reader that is gone will be noticed by the next message.
            let room = self.lane.take_in(&mut self.framed, &mut self.marks, false);
            self.grant(room.unwrap_or(0));
        }
        !self.held.is_empty() && self.hand_over(true)
    }

    /// Is it at the mark? If so, and `wait` is set, the writer will be rung.
    pub fn is_full(&mut self, wait: bool) -> bool {
        if self.way == Way::Direct {
            return self.lane.is_full(wait);
        }
        self.credit + self.withheld == 0 && self.ask(wait) == Err(Refused::Full)
    }

    /// Changes the mark; what is held must have been handed over. Answers whether the writer must
    /// be rung.
    pub fn set_hwm(&mut self, hwm: usize) -> bool {
        debug_assert!(self.held.is_empty(), "what is held is handed over first");
        self.publish();
        // What it was granted was granted by the old mark.
        self.grant(0);
        self.lane.set_hwm(hwm)
    }

    /// Messages accepted and not yet done with.
    pub fn queued(&self) -> u64 {
        self.lane.queued() + self.gathered()
    }

    /// As [`Lane::discard`], for what is still here as well.
    pub fn discard(&mut self, lost_with_connection: bool) -> u64 {
        if self.held.is_empty() {
            self.publish();
        } else {
            self.hand_over(false);
        }
        let count = self.lane.discard(lost_with_connection);
        self.grant(0);
        count
    }

    /// Nothing more is sent: what is queued may still be read. The reader is not rung: it is told
    /// of the end.
    pub fn close(&mut self) {
        self.publish();
        self.grant(0);
        self.lane.close_writer();
    }

    /// The counters, with what is still here.
    pub fn stats(&self) -> LaneStats {
        let mut stats = self.lane.stats();
        stats.accepted += self.gathered();
        stats.queued += self.gathered();
        let (mut octets, mut frames_beyond) = self.framed.measure();
        stats.queued_octets += self.framed.octets() as u64;
        for message in &self.held {
            let held = measure(message, &mut frames_beyond);
            octets += held;
            stats.queued_octets += held;
        }
        stats.octets += octets;
        stats.parts += self.gathered() + frames_beyond;
        stats
    }

    /// Messages that are here.
    fn gathered(&self) -> u64 {
        self.framed.messages() + self.held.len() as u64
    }

    #[inline]
    fn accept(&mut self, head: &[Frame], message: &Message) -> Accepted {
        if self.way == Way::Held {
            return self.hold(wrapped(head, message));
        }
        let first = self.framed.is_empty();
        self.framed.push(head, message.frames());
        self.credit -= 1;
        Accepted {
            ring_reader: false,
            octets: self.framed.octets(),
            first,
            full: self.credit == 0 && self.is_full(false),
        }
    }

    /// There is no credit: sees to it that there is for one message, or refuses it.
    #[cold]
    fn admit(&mut self, wait: bool) -> Result<(), Refused> {
        if self.withheld == 0 {
            self.ask(wait)?;
        }
        if let (0, Some(timer)) = (self.credit, &mut self.timer) {
            let number = self.framed.messages() + self.held.len() as u64 + 1;
            self.marks.push((number, timer.timing.clock.now()));
            timer.before = timer.gaps.next();
            self.grant(self.withheld);
        }
        Ok(())
    }

    /// Keeps a message until there is a lot of them, the mark is reached, or the reader waits.
    #[inline]
    fn hold(&mut self, message: Message) -> Accepted {
        let may_hold = match self.held.len() {
            0 => self.lane.begin_to_hold(),
            length => length + 1 < tuning::LOT_MESSAGES && !self.lane.does_reader_wait(),
        };
        self.held.push_back(message);
        self.credit -= 1;
        let spent = self.credit + self.withheld == 0;
        let ring_reader = (!may_hold || spent) && self.hand_over(true);
        Accepted {
            ring_reader,
            octets: 0,
            first: false,
            full: self.credit + self.withheld == 0,
        }
    }

    /// Hands what is held to the lane. Answers whether the reader must be rung.
    fn hand_over(&mut self, rings: bool) -> bool {
        let (credit, ring) = self.lane.take_held(&mut self.held, &mut self.marks, rings);
        self.grant(credit);
        ring
    }

    /// Hands over what is here, and asks for credit anew.
    #[cold]
    fn ask(&mut self, wait: bool) -> Result<(), Refused> {
        debug_assert!(
            self.held.is_empty(),
            "who has spent all credit holds nothing"
        );
        let room = match self.way {
            Way::Held => self.lane.ask(wait)?,
            _ => self.lane.take_in(&mut self.framed, &mut self.marks, wait)?,
        };
        self.grant(room);
        if room == 0 {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// There is room for so many messages more: as far as the next one that is timed, they pass.
    fn grant(&mut self, room: u64) {
        let Some(timer) = &mut self.timer else {
            self.credit = room;
            return;
        };
        timer.before += self.credit;
        self.credit = room.min(timer.before);
        self.withheld = room - self.credit;
        timer.before -= self.credit;
    }
}

impl Timer {
    fn new(timing: Timing) -> Timer {
        let mut gaps = timing.gaps();
        Timer {
            before: gaps.next() - 1,
            gaps,
            timing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::{Outbox, Store};

    fn draft(hwm: usize) -> Draft {
        Draft::new(Arc::new(Lane::new(Store::Octets, hwm, false)))
    }

    fn message() -> Message {
        Message::from("m")
    }

    #[test]
    fn the_mark_is_exact_wherever_the_messages_lie() {
        let mut draft = draft(4);
        for n in 0..4 {
            let accepted = draft.push(&[], &message()).expect("below the mark");
            assert_eq!((accepted.first, accepted.full), (n == 0, n == 3));
            if n == 1 {
                assert_eq!(draft.lane().queued(), 0, "not handed over yet");
            }
        }
        assert_eq!(draft.push(&[], &message()), Err(Refused::Full));
        assert_eq!(draft.push_or_drop(&[], &message()), Err(Refused::Full));
        let stats = draft.stats();
        assert_eq!((stats.accepted, stats.queued, stats.refused), (4, 4, 1));

        // Two leave: that is the low-water step, and the writer, who was refused, is rung.
        let mut outbox = Outbox::new();
        draft.lane().open(&[]);
        draft.lane().exchange(&mut outbox);
        outbox.advance(2 * 3);
        assert!(draft.lane().exchange(&mut outbox));
        assert!(draft.push(&[], &message()).is_ok());
        assert!(
            draft
                .push(&[], &message())
                .is_ok_and(|accepted| accepted.full)
        );
    }

    #[test]
    fn octets_that_are_copied_are_framed_as_messages_are() {
        let octets: Vec<u8> = (0..=tuning::COPY_OCTETS_MAX + 1).map(|n| n as u8).collect();
        let (mut copied, mut whole) = (draft(0), draft(0));
        for draft in [&mut copied, &mut whole] {
            // Something must be there already, and large enough not to grow any more.
            for _ in 0..2 {
                let first = Message::from(&octets[..1000]);
                assert!(draft.push(&[], &first).is_ok());
            }
        }
        for size in [0, 1, 3, 4, 31, 32, 63, 64, 65, 255, 256, 1000, 8191, 8192] {
            let octets = &octets[..size];
            let accepted = copied.push_plain(octets).expect("there is room");
            assert_eq!(whole.push(&[], &Message::from(octets)), Ok(accepted));
        }
        let large = &octets[..=tuning::COPY_OCTETS_MAX];
        assert_eq!(
            copied.push_plain(large),
            None,
            "it is worth not to be copied"
        );
        assert_eq!(copied.stats(), whole.stats());
        let written = [copied, whole].map(|mut draft| {
            draft.publish();
            let mut outbox = Outbox::new();
            draft.lane().open(&[]);
            draft.lane().exchange(&mut outbox);
            outbox.segments().flatten().copied().collect::<Vec<u8>>()
        });
        assert_eq!(written[0], written[1]);
    }

    #[test]
    fn a_forced_message_is_counted_against_the_mark() {
        let mut draft = draft(3);
        assert!(draft.push(&[], &message()).is_ok());
        draft.push_forced(&message());
        assert!(
            draft
                .push(&[], &message())
                .is_ok_and(|accepted| accepted.full)
        );
        assert!(draft.is_full(false));
        assert_eq!(draft.queued(), 3);
    }

    #[test]
    fn what_comes_after_the_end_is_counted_as_lost() {
        let mut draft = draft(10);
        assert!(draft.push(&[], &message()).is_ok());
        draft.publish();
        assert!(draft.push(&[], &message()).is_ok());
        draft.lane().close_reader();
        draft.lane().discard(true);
        draft.close();
        let stats = draft.stats();
        assert_eq!((stats.accepted, stats.queued, stats.lost), (2, 0, 2));
        assert_eq!(draft.push(&[], &message()), Err(Refused::Closed));
    }

    #[test]
    fn lanes_of_messages_are_passed_through() {
        let lane = Arc::new(Lane::new(Store::Messages, 2, false));
        let mut draft = Draft::new(Arc::clone(&lane));
        assert!(
            draft
                .push(&[], &message())
                .is_ok_and(|accepted| accepted.ring_reader)
        );
        assert_eq!(lane.queued(), 1);
        assert!(!draft.is_full(false));
        assert!(
            draft
                .push(&[], &message())
                .is_ok_and(|accepted| accepted.full)
        );
        assert!(draft.is_full(true));
    }
}
