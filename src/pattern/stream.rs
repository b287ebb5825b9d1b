//! STREAM: connections by name, and octets that nobody has framed.
//!
//! Names are a [`Router`](super::router)'s: what [`connect_as`](crate::Stream::connect_as) gave, or a
//! zero octet and a number of four, from the first moment. Whatever is sent to a name goes out as it is; nothing at all ends
//! the connection.

use bytes::Bytes;

use super::{Effects, Nothing, Peers, Received, Refusal, Rules, router};
use crate::base::{
    event::Reason,
    message::{Frame, Message},
    name::Name,
    options::Options,
};

/// STREAM.
#[derive(Debug)]
pub struct Stream {
    names: router::Router,
    /// The name of who was attached last.
    latest: Name,
    /// No frames: what stands behind the frames of a message whose first was its address.
    nothing: Message,
}

impl Stream {
    /// `random` is where the names that are made up begin.
    pub(super) fn new(random: u64) -> Stream {
        Stream {
            names: router::Router::new(&Options::default(), random),
            latest: Name::none(),
            nothing: Message::new(),
        }
    }

    /// The key of the peer of that name.
    pub(super) fn find(&self, identity: &[u8]) -> Option<usize> {
        self.names.find(identity)
    }

    /// A peer that was just attached has this name.
    pub(super) fn name(&mut self, peers: &mut Peers, key: usize, name: Bytes) {
        self.latest = self.names.name(peers, key, name);
    }

    /// The name of who was attached last.
    pub(super) fn latest(&self) -> &Name {
        &self.latest
    }

    /// Sends the octets of these frames to the peer of that name, or lets it go.
    pub(super) fn send_octets(
        &mut self,
        peers: &mut Peers,
        identity: &[u8],
        frames: &[Frame],
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let key = self.find(identity).ok_or(Refusal::Unroutable)?;
        if frames.iter().all(|frame| frame.is_empty()) {
            effects.parted.push(key);
            return Ok(());
        }
        router::push(peers, key, frames, &self.nothing, effects)
    }
}

impl Rules for Stream {
    fn attach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.names.attach(peers, key, effects);
        self.latest = self.names.name_anyhow(peers, key);
    }

    fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        identity: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        self.names.ready(peers, key, identity, effects)
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        self.names.detach(peers, key, effects);
    }

    fn readable(&mut self, key: usize) {
        self.names.readable(key);
    }

    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let (name, octets) = message.frames().split_first().ok_or(Refusal::Unroutable)?;
        self.send_octets(peers, name, octets, effects)
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        self.names.recv(peers, effects)
    }

    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        self.names.can_recv(peers, effects)
    }

    /// Always, for whether there is room depends on whom it is sent to.
    fn can_send(&mut self, _: &mut Peers) -> bool {
        true
    }

    fn admit(&mut self, peers: &mut Peers, name: &[u8]) -> Result<(), Refusal> {
        self.names.admit(peers, name)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::stage::Stage, *};
    use crate::base::socket_type::SocketType;

    #[test]
    fn a_name_is_there_before_the_connection_is() {
        let mut stream = Stage::plain(SocketType::Stream);
        let key = stream.attach();
        let name = stream.peers[key].identity.clone();
        assert_eq!((name.len(), name[0]), (5, 0));
        assert_eq!(latest(&stream), name);
        let message = || Message::from([Frame::from(name.clone()), "GET".into()]);
        assert_eq!(stream.send(message()), Ok(()));
        assert!(stream.ready(key, "").is_ok());
        assert_eq!(stream.peers[key].identity, name);
        assert_eq!(stream.sent(key), [Message::from("GET")]);
        // Who is given a name has no other.
        let given = "given".into();
        stream.act(|pattern, peers, _| pattern.name(peers, key, given));
        assert_eq!(stream.send(message()), Err(Refusal::Unroutable));
        assert_eq!(stream.send(["given", "GET"]), Ok(()));
        assert_eq!(&*latest(&stream), b"given");
        stream.detach(key);
        assert_eq!(&*latest(&stream), b"given");
    }

    fn latest(stream: &Stage) -> Name {
        stream.pattern.latest_name().cloned().expect("a STREAM")
    }

    #[test]
    fn names_are_made_up_and_nothing_ends_a_connection() {
        let mut stream = Stage::plain(SocketType::Stream);
        let key = stream.join();
        stream.give(key, "GET");
        let name = stream.receive().expect("it said so").identity;
        assert_eq!((name.len(), name[0]), (5, 0));
        let answer = Message::from([Frame::from(name.clone()), "404".into()]);
        assert_eq!(stream.send(answer.clone()), Ok(()));
        assert_eq!(stream.send(["nobody", "404"]), Err(Refusal::Unroutable));
        let end = Message::from([Frame::from(name), Frame::empty()]);
        assert_eq!(stream.send(end), Ok(()));
    }
}
