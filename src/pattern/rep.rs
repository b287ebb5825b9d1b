//! REP (RFC 28): answers each request along the way it came.
//!
//! ```text
//!   request   [id] … [] [body] …          the envelope becomes the route
//!   reply     [id] … [] [answer] …
//! ```
//!
//! A route ends with the connection that the request came by: whoever is met at the same endpoint
//! next has not asked. Any number of requests may be open at once: each has a route of its own.
//! Whether an application must answer one before it takes the next is for the layer above to say.

use super::{Effects, Nothing, Peers, Received, Rules, inlet::Inlet};
use crate::{
    base::{
        envelope::{measure, split},
        message::{Frame, Message},
    },
    pipe::{Accepted, Plain},
};

/// Where the answer to a request goes.
#[derive(Debug)]
pub struct Route {
    key: usize,
    serial: u64,
    /// The connection that the request came by; `None` if that had ended already.
    connection: Option<u32>,
    /// Up to and including the delimiter; empty if there is nothing but that.
    envelope: Vec<Frame>,
}

/// REP.
#[derive(Debug)]
pub struct Rep {
    inlet: Inlet,
    /// By key.
    askers: Vec<Asker>,
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Asker {
    /// Its connections so far.
    connection: u32,
    /// Messages of connections that have ended, not read yet.
    late: u64,
}

impl Rep {
    pub(super) fn new() -> Rep {
        Rep {
            inlet: Inlet::by_turns(),
            askers: Vec::new(),
        }
    }

    /// Is nothing known to wait?
    pub(super) fn is_heard_out(&self) -> bool {
        self.inlet.is_heard_out()
    }

    /// Answers along `route`; see [`Pattern::reply`](super::Pattern::reply).
    pub(super) fn reply(
        &mut self,
        peers: &mut Peers,
        route: &Route,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        let peer = peers.get_mut(route.key)?;
        let connection = Some(self.askers[route.key].connection);
        if peer.gone || peer.serial != route.serial || route.connection != connection {
            return None;
        }
        let accepted = match &route.envelope[..] {
            _ if message.as_message().is_some_and(Message::is_empty) => {
                // The wire knows no message without frames, and who has asked waits for one.
                return self.reply(peers, route, &[][..]);
            }
            [] => peer.out.push_behind_nothing(message),
            envelope => peer.out.push_or_drop(envelope, &message.take()),
        };
        Some((route.key, accepted.ok()?))
    }

    /// The next message that is a request, and the size of its envelope: 0 if that is not here, and
    /// would be an empty frame. Others are dropped.
    fn take(
        &mut self,
        peers: &mut Peers,
        effects: &mut Effects,
    ) -> Option<(usize, Message, usize)> {
        loop {
            let (from, message) = self.inlet.take(peers, effects)?;
            if self.inlet.is_bare() {
                return Some((from, message, 0));
            }
            if let Some(count) = measure(&message) {
                return Some((from, message, count));
            }
            self.count_read(from);
        }
    }

    /// A message of this peer is read. Answers the connection that it came by, if that lasts.
    fn count_read(&mut self, from: usize) -> Option<u32> {
        let asker = &mut self.askers[from];
        if asker.late > 0 {
            asker.late -= 1;
            return None;
        }
        Some(asker.connection)
    }
}

impl Rules for Rep {
    fn attach(&mut self, _: &mut Peers, key: usize, _: &mut Effects) {
        if key >= self.askers.len() {
            self.askers.resize(key + 1, Asker::default());
        }
        self.askers[key] = Asker::default();
        self.inlet.add(key);
    }

    fn unready(&mut self, peers: &mut Peers, key: usize, _: &mut Effects) {
        let held = u64::from(self.inlet.holds(key));
        let asker = &mut self.askers[key];
        asker.connection = asker.connection.wrapping_add(1);
        asker.late = peers[key].window.stats().queued + held;
        // Answers that have not left: nobody is there any more who has asked.
        peers[key].out.discard(true);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.inlet.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.inlet.readable(key);
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let (from, mut message, count) = self.take(peers, effects).ok_or(Nothing::Empty)?;
        let (envelope, body) = match count {
            0 => (Vec::new(), message),
            1 => {
                message.pop_front();
                (Vec::new(), message)
            }
            _ => split(message, count),
        };
        let route = Route {
            key: from,
            serial: peers[from].serial,
            connection: self.count_read(from),
            envelope,
        };
        Ok(Received {
            route: Some(route),
            ..Received::plain(from, body)
        })
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        match self.take(peers, effects) {
            Some((from, message, _)) => {
                self.inlet.hold(from, message);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::stage::{Stage, messages},
        *,
    };
    use crate::base::socket_type::SocketType;

    impl Stage {
        fn reply(&mut self, route: &Route, text: &str) -> bool {
            let mut message = Message::from(text);
            self.act(|pattern, peers, effects| {
                let pushed = pattern.reply(peers, route, &mut message);
                effects.pushed.extend(pushed);
                pushed.is_some()
            })
        }

        fn request(&mut self) -> (Route, Message) {
            let received = self.receive().expect("a request");
            (
                received.route.expect("a request has a route"),
                received.message,
            )
        }
    }

    #[test]
    fn a_route_ends_with_the_connection_it_came_by() {
        let mut rep = Stage::plain(SocketType::Rep);
        let key = rep.join();
        let ask = |rep: &mut Stage, text: &str| {
            rep.give(key, ["", text].into_iter().collect::<Message>())
        };
        for text in ["answered", "taken", "looked at", "unread"] {
            assert!(ask(&mut rep, text));
        }
        let (answered, _) = rep.request();
        assert!(rep.reply(&answered, "waits in the lane"));
        let (taken, _) = rep.request();
        assert!(rep.can_recv(), "which looks at the next and puts it back");
        rep.unready(key);
        assert!(!rep.reply(&taken, "nobody has asked"));
        rep.ready(key, "").expect("connected anew");
        assert!(ask(&mut rep, "new"));
        for (text, lasts) in [("looked at", false), ("unread", false), ("new", true)] {
            let (route, body) = rep.request();
            assert_eq!(body, Message::from(text));
            assert_eq!(rep.reply(&route, text), lasts, "{text}");
        }
        assert_eq!(
            rep.sent(key),
            [["", "new"].into_iter().collect::<Message>()]
        );
    }

    #[test]
    fn the_answer_takes_the_whole_envelope_back() {
        let mut rep = Stage::plain(SocketType::Rep);
        let key = rep.join();
        rep.give(key, ["a", "b", "", "question", "", "more"]);
        let (route, question) = rep.request();
        assert_eq!(question, Message::from(["question", "", "more"]));
        assert!(rep.reply(&route, "answer"));
        assert_eq!(rep.sent(key), [Message::from(["a", "b", "", "answer"])]);
    }

    #[test]
    fn what_is_no_request_is_dropped() {
        let mut rep = Stage::plain(SocketType::Rep);
        let key = rep.join();
        for frames in [vec![""], vec!["a"], vec!["a", "b"], vec!["a", ""]] {
            rep.give(key, frames);
        }
        assert!(!rep.can_recv());
        rep.give(key, vec!["a", "b"]);
        rep.give(key, ["", "good"]);
        assert!(rep.can_recv() && rep.can_recv());
        assert_eq!(rep.recv_all(), messages(["good"]));
        assert_eq!(rep.send("x"), Err(super::super::Refusal::WrongState));
        assert!(!rep.can_send());
    }

    #[test]
    fn several_may_be_open_and_are_answered_in_any_order() {
        let mut rep = Stage::plain(SocketType::Rep);
        let (a, b) = (rep.join(), rep.join());
        rep.give(a, ["", "a0"]);
        rep.give(a, ["", "a1"]);
        rep.give(b, ["", "b0"]);
        let requests: Vec<_> = (0..3).map(|_| rep.request()).collect();
        let asked: Vec<_> = requests
            .iter()
            .map(|(_, message)| message.clone())
            .collect();
        assert_eq!(asked, messages(["a0", "b0", "a1"]));
        for (route, message) in requests.iter().rev() {
            let answer = message.as_str().expect("text").to_uppercase();
            assert!(rep.reply(route, &answer));
        }
        let answers = |texts: [&str; 2]| texts.map(|text| Message::from(["", text]));
        assert_eq!(rep.sent(a), answers(["A1", "A0"]));
        assert_eq!(rep.sent(b), answers(["B0", "B0"])[..1]);
    }

    #[test]
    fn no_answer_goes_to_who_is_gone_or_took_the_key() {
        let mut rep = Stage::plain(SocketType::Rep);
        let key = rep.join();
        rep.give(key, ["", "one"]);
        rep.give(key, ["", "two"]);
        let (route, _) = rep.request();
        rep.detach(key);
        assert!(!rep.reply(&route, "gone"));
        assert_eq!(rep.recv_all(), messages(["two"]));
        assert_eq!(rep.emptied, [key]);
        assert!(!rep.reply(&route, "forgotten"));
        assert_eq!(rep.join(), key);
        assert!(!rep.reply(&route, "another"));
        assert_eq!(rep.sent(key), []);
    }

    #[test]
    fn an_answer_to_who_is_full_is_dropped_and_counted() {
        let mut rep = Stage::with_hwm(SocketType::Rep, 1);
        let key = rep.join();
        rep.give(key, ["", "question"]);
        let (route, _) = rep.request();
        assert!(rep.reply(&route, "first"));
        assert!(!rep.reply(&route, "second"));
        assert_eq!(rep.peers[key].out.stats().refused, 1);
    }

    #[test]
    fn a_request_that_was_looked_at_outlives_its_peer() {
        let mut rep = Stage::plain(SocketType::Rep);
        let key = rep.join();
        rep.give(key, ["", "question"]);
        assert!(rep.can_recv());
        rep.detach(key);
        assert_eq!(rep.emptied, []);
        let received = rep.receive().expect("looked at");
        assert_eq!((received.from, received.message), (key, "question".into()));
        assert!(!rep.can_recv());
        assert_eq!(rep.emptied, [key]);
    }
}
