//! Who gets a message: the socket types' rules over lanes.
//!
//! A pattern knows its peers by key and reaches them through their lanes; it never sees a
//! connection, a lock or a clock. All calls are made under the socket's lock and return at once.
//! What must happen outside it (write, ring, close) comes back as [`Effects`].
//!
//! ```text
//!   connect()        attach ──► ready ──► unready ──► ready ──► … ──► detach ──► (emptied)
//!   accepted peer    attach + ready ────────────────────────────────► detach ──► (emptied)
//! ```
//!
//! * `attach`: the lanes exist; a PUSH may queue already.
//! * `ready`: the handshake is done, the peer has said who it is. May be refused.
//! * `unready`: the connection was lost and will be made anew; the lanes stay.
//! * `detach`: nothing more is sent to it; what it sent may still be read.

mod dealer;
mod inlet;
mod notices;
mod outlet;
mod pair;
mod peers;
mod pipeline;
mod publish;
mod rep;
mod req;
mod router;
#[cfg(test)]
mod stage;
mod stream;
mod subscribe;
pub mod subscriptions;
#[cfg(test)]
mod tests;
mod topic_tree;
pub mod topics;
pub mod turns;

use std::sync::Arc;

use bytes::Bytes;

pub use self::{
    peers::{Announcement, Effects, Peer, Peers},
    rep::Route,
};
use crate::{
    base::{
        event::{PeerInfo, Reason},
        message::{Frame, Message},
        name::Name,
        options::Options,
        socket_type::SocketType,
    },
    pipe::{Accepted, Plain},
};

/// Why a send was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No peer has room, or there is none. `writable` will tell when to try again.
    Full,
    /// ROUTER: no such peer.
    Unroutable,
    /// REQ: the last request is still open.
    Busy,
    /// This type does not send, or not now.
    WrongState,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// None has arrived. `readable` will tell when to look again.
    Empty,
    /// REQ: nothing was asked. Or this type does not receive.
    WrongState,
    /// REQ: the peer that was asked is gone, and so is its answer. (Told once.)
    PeerLost,
}

/// A message, and who sent it.
#[derive(Debug)]
pub struct Received {
    /// The message, without what belongs to the pattern (delimiter, request id, envelope).
    pub message: Message,
    /// The sender's key; [`NOBODY`](Received::NOBODY) if it has left meanwhile.
    pub from: usize,
    /// ROUTER: the sender's routing id.
    pub identity: Name,
    /// REP: where the answer goes.
    pub route: Option<Route>,
    /// Who sent it, if the socket was asked to tell.
    pub info: Option<Arc<PeerInfo>>,
}

impl Received {
    /// In place of a key: an XPUB shows the subscriptions also of those who have left.
    pub const NOBODY: usize = usize::MAX;

    /// A message of which the pattern keeps nothing.
    #[inline]
    fn plain(from: usize, message: Message) -> Received {
        Received {
            message,
            from,
            identity: Name::none(),
            route: None,
            info: None,
        }
    }
}

/// A socket type's rules and state.
#[derive(Debug)]
pub enum Pattern {
    /// PAIR
    Pair(pair::Pair),
    /// PUSH
    Push(pipeline::Push),
    /// PULL
    Pull(pipeline::Pull),
    /// PUB and XPUB
    Publish(Box<publish::Publish>),
    /// SUB and XSUB
    Subscribe(Box<subscribe::Subscribe>),
    /// REQ
    Req(req::Req),
    /// REP
    Rep(rep::Rep),
    /// DEALER
    Dealer(dealer::Dealer),
    /// ROUTER
    Router(Box<router::Router>),
    /// STREAM
    Stream(Box<stream::Stream>),
}

/// Calls the same of whichever type it is.
macro_rules! each {
    ($self:expr, $it:ident => $call:expr) => {
        match $self {
            Pattern::Pair($it) => $call,
            Pattern::Push($it) => $call,
            Pattern::Pull($it) => $call,
            Pattern::Publish($it) => $call,
            Pattern::Subscribe($it) => $call,
            Pattern::Req($it) => $call,
            Pattern::Rep($it) => $call,
            Pattern::Dealer($it) => $call,
            Pattern::Router($it) => $call,
            Pattern::Stream($it) => $call,
        }
    };
}

/// What every socket type can be asked. The defaults are those of a type that does not care.
pub(crate) trait Rules {
    fn attach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects);

    fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        identity: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        let _ = (peers, key, identity, effects);
        Ok(())
    }

    fn unready(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        let _ = (peers, key, effects);
    }

    fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects);

    fn readable(&mut self, key: usize) {
        let _ = key;
    }

    fn writable(&mut self, key: usize) {
        let _ = key;
    }

    fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let _ = (peers, message, effects);
        Err(Refusal::WrongState)
    }

    fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        let _ = (peers, effects);
        Err(Nothing::WrongState)
    }

    /// Is there something to receive? (May drop what nobody wants.)
    fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        let _ = (peers, effects);
        false
    }

    /// Would a send be taken now?
    fn can_send(&mut self, peers: &mut Peers) -> bool {
        let _ = peers;
        false
    }

    /// Would a message with this first frame be taken now?
    fn admit(&mut self, peers: &mut Peers, first: &[u8]) -> Result<(), Refusal> {
        let _ = first;
        if self.can_send(peers) {
            return Ok(());
        }
        Err(Refusal::Full)
    }

    /// Options were changed.
    fn adopt(&mut self, options: &Options) {
        let _ = options;
    }
}

impl Pattern {
    /// The rules of `socket_type`. `random` is where ids begin.
    pub fn new(socket_type: SocketType, options: &Options, random: u64) -> Pattern {
        match socket_type {
            SocketType::Pair => Pattern::Pair(pair::Pair::new(options)),
            SocketType::Push => Pattern::Push(pipeline::Push::new(options)),
            SocketType::Pull => Pattern::Pull(pipeline::Pull::default()),
            SocketType::Pub | SocketType::XPub => {
                Pattern::Publish(Box::new(publish::Publish::new(socket_type, options)))
            }
            SocketType::Sub | SocketType::XSub => {
                Pattern::Subscribe(Box::new(subscribe::Subscribe::new(socket_type, options)))
            }
            SocketType::Req => Pattern::Req(req::Req::new(options, random)),
            SocketType::Rep => Pattern::Rep(rep::Rep::new()),
            SocketType::Dealer => Pattern::Dealer(dealer::Dealer::new(options)),
            SocketType::Router => Pattern::Router(Box::new(router::Router::new(options, random))),
            SocketType::Stream => Pattern::Stream(Box::new(stream::Stream::new(random))),
        }
    }

    /// Options were changed: those that act at once do.
    pub fn adopt(&mut self, options: &Options) {
        each!(self, it => it.adopt(options));
    }

    /// A peer's lanes exist.
    pub fn attach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        each!(self, it => it.attach(peers, key, effects));
    }

    /// A peer's handshake is done. `identity` is what it calls itself (empty: nothing).
    ///
    /// # Errors
    /// The reason to close the connection: its name is taken, or there is room for one peer only.
    pub fn ready(
        &mut self,
        peers: &mut Peers,
        key: usize,
        identity: &Bytes,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        each!(self, it => it.ready(peers, key, identity, effects))?;
        peers[key].ready = true;
        Ok(())
    }

    /// A peer's connection is lost and will be made anew. Its lane is disconnected already, so
    /// that what it has queued is what has not left.
    pub fn unready(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        peers[key].ready = false;
        each!(self, it => it.unready(peers, key, effects));
    }

    /// A peer has left for good. It is marked as gone; if nothing of it is left to read, it is
    /// among the `emptied` at once.
    pub fn detach(&mut self, peers: &mut Peers, key: usize, effects: &mut Effects) {
        peers[key].ready = false;
        peers[key].gone = true;
        each!(self, it => it.detach(peers, key, effects));
    }

    /// A peer's messages have come, after its lane was found empty.
    pub fn readable(&mut self, key: usize) {
        each!(self, it => it.readable(key));
    }

    /// A peer's lane has room again, after it was found full.
    pub fn writable(&mut self, key: usize) {
        each!(self, it => it.writable(key));
    }

    /// Sends by the rules of the type; ROUTER takes the first frame as the peer's name.
    ///
    /// # Errors
    /// See [`Refusal`]. The message was not sent to anybody.
    pub fn send(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        each!(self, it => it.send(peers, message, effects))
    }

    /// Sends, by the types that give a message to one peer and think no more of it: the short
    /// way, which may take the message away. Whom it went to is for the caller to follow up.
    /// `None` if it was not sent: by another type, or because nobody has room.
    #[inline(always)]
    pub fn send_plain(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        match self {
            Pattern::Push(it) => it.send_plain(peers, message),
            Pattern::Dealer(it) => it.send_plain(peers, message),
            Pattern::Pair(it) => it.send_plain(peers, message),
            _ => None,
        }
    }

    /// PUB, XPUB: sends as the type does. `None` on all other types.
    #[inline]
    pub fn publish(
        &mut self,
        peers: &mut Peers,
        message: &Message,
        effects: &mut Effects,
    ) -> Option<Result<(), Refusal>> {
        match self {
            Pattern::Publish(it) => Some(it.send(peers, message, effects)),
            _ => None,
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// See [`Nothing`].
    pub fn recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> Result<Received, Nothing> {
        each!(self, it => it.recv(peers, effects))
    }

    /// Whose message is the next one, of the types that keep nothing of it: its window's
    /// `pop_plain` takes it, the short way. `None` if there is none, or something to follow up.
    #[inline(always)]
    pub fn turn_plain(&mut self, peers: &mut Peers) -> Option<usize> {
        match self {
            Pattern::Pull(it) => it.turn_plain(peers),
            Pattern::Dealer(it) => it.turn_plain(peers),
            Pattern::Subscribe(it) => it.turn_plain(peers),
            Pattern::Pair(it) => it.turn_plain(peers),
            _ => None,
        }
    }

    /// ROUTER: the next message, and the name of who sent it, by the short way. `None` if there is
    /// none, or something to follow up.
    #[inline(always)]
    pub fn recv_named(&mut self, peers: &mut Peers) -> Option<(Name, Message)> {
        match self {
            Pattern::Router(it) => it.recv_named(peers),
            _ => None,
        }
    }

    /// REQ, REP: is nothing known to wait that has come?
    pub fn is_heard_out(&self) -> bool {
        match self {
            Pattern::Req(it) => it.is_heard_out(),
            Pattern::Rep(it) => it.is_heard_out(),
            _ => false,
        }
    }

    /// Is there something to receive?
    pub fn can_recv(&mut self, peers: &mut Peers, effects: &mut Effects) -> bool {
        each!(self, it => it.can_recv(peers, effects))
    }

    /// Would a send be taken now?
    pub fn can_send(&mut self, peers: &mut Peers) -> bool {
        each!(self, it => it.can_send(peers))
    }

    /// Would a message that begins with this frame be taken now? For those who say a message
    /// frame by frame.
    ///
    /// # Errors
    /// What [`send`](Pattern::send) would answer.
    pub fn admit(&mut self, peers: &mut Peers, first: &[u8]) -> Result<(), Refusal> {
        each!(self, it => it.admit(peers, first))
    }

    /// ROUTER, STREAM: sends to the peer of that name.
    ///
    /// # Errors
    /// `Unroutable` or `Full`; `WrongState` on other types.
    pub fn send_to(
        &mut self,
        peers: &mut Peers,
        identity: &[u8],
        message: &Message,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        match self {
            Pattern::Router(router) => router.send_to(peers, identity, message, effects),
            Pattern::Stream(it) => it.send_octets(peers, identity, message.frames(), effects),
            _ => Err(Refusal::WrongState),
        }
    }

    /// ROUTER, STREAM: the key of the peer of that name.
    pub fn find(&self, identity: &[u8]) -> Option<usize> {
        match self {
            Pattern::Router(router) => router.find(identity),
            Pattern::Stream(stream) => stream.find(identity),
            _ => None,
        }
    }

    /// ROUTER, STREAM: a peer that was just attached has this name, which is free.
    pub fn name(&mut self, peers: &mut Peers, key: usize, name: Bytes) {
        match self {
            Pattern::Router(router) => drop(router.name(peers, key, name)),
            Pattern::Stream(stream) => stream.name(peers, key, name),
            _ => {}
        }
    }

    /// STREAM: the name of the peer that came or was connected last; empty before there was one.
    pub fn latest_name(&self) -> Option<&Name> {
        match self {
            Pattern::Stream(stream) => Some(stream.latest()),
            _ => None,
        }
    }

    /// REQ: asks, where there is nothing to it but to queue the request. Whom it went to is for
    /// the caller to follow up. `None`: it was not sent.
    #[inline]
    pub fn send_in_turn(
        &mut self,
        peers: &mut Peers,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        match self {
            Pattern::Req(req) => req.send_in_turn(peers, message),
            _ => None,
        }
    }

    /// REP: answers along `route`. Whom that went to is for the caller to follow up. An answer to
    /// a peer that is gone or full is dropped and counted, as libzmq does.
    #[inline]
    pub fn reply(
        &mut self,
        peers: &mut Peers,
        route: &Route,
        message: impl Plain,
    ) -> Option<(usize, Accepted)> {
        match self {
            Pattern::Rep(rep) => rep.reply(peers, route, message),
            _ => None,
        }
    }

    /// REQ: the open request, if any, is given up; its answer will not be taken for another's.
    pub fn abandon(&mut self, peers: &mut Peers, effects: &mut Effects) {
        if let Pattern::Req(req) = self {
            req.abandon(peers, effects);
        }
    }

    /// PUB, XPUB: a peer subscribed to `topic` or cancelled it. Answers whether the application
    /// shall see that: then [`recv`](Pattern::recv) has a message, and whoever waits for one must
    /// be woken.
    ///
    /// # Errors
    /// The peer holds more octets of topics than it may: close it.
    pub fn handle_subscription(
        &mut self,
        key: usize,
        topic: &[u8],
        subscribe: bool,
    ) -> Result<bool, Reason> {
        match self {
            Pattern::Publish(publish) => publish.handle_subscription(key, topic, subscribe),
            _ => Ok(false),
        }
    }

    /// SUB, XSUB: our application subscribes or cancels. XPUB in manual mode: applies it to the
    /// peer of the last message received. Answers whether this type can.
    pub fn subscribe(&mut self, topic: &[u8], subscribe: bool, effects: &mut Effects) -> bool {
        match self {
            Pattern::Subscribe(it) => {
                it.subscribe(topic, subscribe, effects);
                true
            }
            Pattern::Publish(it) => it.subscribe_manually(topic, subscribe),
            _ => false,
        }
    }

    /// SUB: our application subscribes to this very topic, or cancels. Answers whether this type
    /// can.
    pub fn subscribe_exact(
        &mut self,
        topic: &[u8],
        subscribe: bool,
        effects: &mut Effects,
    ) -> bool {
        let Pattern::Subscribe(it) = self else {
            return false;
        };
        it.subscribe_exact(topic, subscribe, effects);
        true
    }

    /// SUB, XSUB: every topic subscribed to, each once, in byte order: what a new publisher is
    /// told.
    pub fn subscriptions(&self) -> Vec<Bytes> {
        match self {
            Pattern::Subscribe(subscribe) => subscribe.topics(),
            _ => Vec::new(),
        }
    }

    /// How many different topics are subscribed to.
    pub fn topics(&self) -> usize {
        match self {
            Pattern::Publish(publish) => publish.topics(),
            Pattern::Subscribe(subscribe) => subscribe.topics().len(),
            _ => 0,
        }
    }

    /// PUB, XPUB: peers with at least one subscription.
    pub fn subscribers(&self) -> usize {
        match self {
            Pattern::Publish(publish) => publish.subscribers(),
            _ => 0,
        }
    }
}

/// PROBE_ROUTER: an empty message tells a ROUTER that we are here.
fn push_probe(peers: &mut Peers, key: usize, effects: &mut Effects) {
    let probe = Message::from(Frame::empty());
    effects
        .pushed
        .push((key, peers[key].out.push_forced(&probe)));
}
