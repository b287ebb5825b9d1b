//! Listening points, and how a connection comes to one.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use hubless::{
    Time,
    internals::reactor::metal::{Address, SourceId},
};

use super::{
    net::{Happening, Net},
    stream::{Phase, StreamState},
};

/// One listening point.
#[derive(Debug)]
pub struct AcceptorState {
    pub(super) at: Address,
    pub(super) open: bool,
    /// Connections nobody has taken yet.
    pub(super) waiting: VecDeque<SourceId>,
    backlog: usize,
    /// Until then there are no descriptors.
    pub(super) exhausted_until: Time,
    drained: bool,
}

impl Net {
    pub(super) fn listen(&mut self, at: &Address, backlog: u32) -> io::Result<SourceId> {
        let at = match at {
            Address::Tcp(address) if address.port() == 0 => {
                Address::Tcp(SocketAddr::new(address.ip(), self.fresh_port()))
            }
            other => other.clone(),
        };
        if self.acceptors.values().any(|it| it.open && it.at == at) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let id = self.fresh_source();
        let acceptor = AcceptorState {
            at,
            open: true,
            waiting: VecDeque::new(),
            backlog: usize::try_from(backlog.max(1)).expect("32 bits"),
            exhausted_until: Time::START,
            drained: true,
        };
        self.acceptors.insert(id, acceptor);
        self.note("listen", id, 0);
        Ok(id)
    }

    pub(super) fn accept(&mut self, id: SourceId) -> io::Result<SourceId> {
        let now = self.now;
        let acceptor = self.acceptors.get_mut(&id).expect("open");
        if acceptor.waiting.is_empty() {
            acceptor.drained = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if acceptor.exhausted_until > now {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        if self.dice.chance(self.faults.descriptors) {
            let wait = self.up_to(EXHAUSTION);
            self.note("exhausted", id, wait.as_nanos() as u64);
            self.acceptors.get_mut(&id).expect("open").exhausted_until = now + wait;
            let number = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS][self.dice.index(3)];
            return Err(io::Error::from_raw_os_error(number));
        }
        let stream = acceptor.waiting.pop_front().expect("not empty");
        if self.dice.chance(self.faults.accept_aborts) {
            self.note("accept aborts", id, 0);
            self.drop_stream(stream);
            self.lose(stream);
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.note("accept", id, u64::from(stream as u32));
        Ok(stream)
    }

    pub(super) fn listens_at(&self, id: SourceId) -> Address {
        self.acceptors[&id].at.clone()
    }

    pub(super) fn drop_acceptor(&mut self, id: SourceId) {
        self.forget_source(id);
        self.note("drop", id, 0);
        let acceptor = self.acceptors.get_mut(&id).expect("open");
        acceptor.open = false;
        for stream in std::mem::take(&mut acceptor.waiting) {
            self.drop_stream(stream);
            self.lose(stream);
        }
    }

    pub(super) fn connect(&mut self, to: &Address, from: Option<&Address>) -> io::Result<SourceId> {
        if self.dice.chance(self.faults.connect_fails) {
            self.note("connect fails", 0, 0);
            let number = [libc::EMFILE, libc::ENETUNREACH, libc::ENOBUFS][self.dice.index(3)];
            return Err(io::Error::from_raw_os_error(number));
        }
        let local = match (from, to) {
            (Some(from), _) => from.clone(),
            (None, Address::Tcp(to)) => Address::Tcp(SocketAddr::new(to.ip(), self.fresh_port())),
            (None, other) => other.clone(),
        };
        let id = self.fresh_source();
        let state = StreamState::new(Phase::Connecting, local, to.clone());
        self.streams.insert(id, state);
        let mut wait = self.latency();
        if self.dice.chance(self.faults.connect_stalls) {
            wait += self.up_to(CONNECT_STALL);
        }
        self.note("connect", id, wait.as_nanos() as u64);
        self.after(wait, Happening::Connect { stream: id });
        Ok(id)
    }

    /// An attempt to connect reaches the other side.
    pub(super) fn arrive_connect(&mut self, id: SourceId) {
        let client = &self.streams[&id];
        if client.dropped {
            return;
        }
        let (from, to) = (client.local.clone(), client.remote.clone());
        let listener = self.listener_at(&to);
        let refused = self.dice.chance(self.faults.refuse);
        let (Some(listener), false) = (listener, refused) else {
            let kind = match self.dice.below(4) {
                0 if refused => ErrorKind::TimedOut,
                _ => ErrorKind::ConnectionRefused,
            };
            self.note("refused", id, 0);
            self.streams.get_mut(&id).expect("listed").phase = Phase::Failed(kind);
            self.tell(id, true, true);
            return;
        };
        let server = self.fresh_source();
        let state = StreamState::new(Phase::With(id), to, from);
        self.streams.insert(server, state);
        self.streams.get_mut(&id).expect("listed").phase = Phase::With(server);
        self.note("connected", id, u64::from(server as u32));
        self.owe_edges(id, false, true);
        self.tell(id, false, true);
        let acceptor = self.acceptors.get_mut(&listener).expect("listed");
        acceptor.waiting.push_back(server);
        if std::mem::take(&mut acceptor.drained) {
            self.tell(listener, true, false);
        }
    }

    /// Who listens at `to` and has room.
    fn listener_at(&self, to: &Address) -> Option<SourceId> {
        let mut open = self.acceptors.iter().filter(|(_, acceptor)| {
            acceptor.open
                && acceptor.waiting.len() < acceptor.backlog
                && (acceptor.at == *to || covers(&acceptor.at, to))
        });
        open.next().map(|(id, _)| *id)
    }

    fn fresh_port(&mut self) -> u16 {
        self.last_port += 1;
        self.last_port
    }
}

/// Does somebody who listens at `any` (the unspecified address) hear calls for `to`?
fn covers(any: &Address, to: &Address) -> bool {
    match (any, to) {
        (Address::Tcp(any), Address::Tcp(to)) => {
            any.port() == to.port() && any.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        }
        _ => false,
    }
}

/// The longest an attempt to connect hangs.
const CONNECT_STALL: Duration = Duration::from_secs(3);

/// The longest descriptors are out.
const EXHAUSTION: Duration = Duration::from_millis(500);
