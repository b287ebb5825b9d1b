//! ZAP: asking a handler in this process about a peer (RFC 27).
//!
//! ```text
//!   judge ── request ──► lane ══ a peer of the handler's, for this question alone
//!   session ◄─ Job::Answered ── Word::Answered ◄── lane ◄── the handler sends
//!   session over, or answered ── Word::Gone ──► the peer is forgotten
//! ```
//!
//! Nobody waits: the session goes on when the answer comes, and ends with its handshake's time if
//! none does.
//! A question is a lane each way, like an inproc connection; it needs no socket and no descriptor.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use super::{
    attach::Wire,
    bells::{Bells, Remote, Word},
    gate::{Answer, Question},
    socket::Socket,
    state::Phase,
};
use crate::{
    base::{
        auth::{Credentials, Security, Verdict},
        endpoint::Endpoint,
        event::{PeerInfo, Reason},
        socket_type::SocketType,
    },
    pipe::{Lane, Store, Window},
    wire::zap,
};

/// A question that the handler has not answered yet.
#[derive(Debug)]
pub(crate) struct Inquiry {
    handler: Weak<Socket>,
    /// The question's place among the handler's peers.
    key: usize,
    serial: u64,
    replies: Window,
    /// What others have said of the peer already: they let it in.
    allowed: Verdict,
}

impl Inquiry {
    /// What the handler has answered, if it has.
    pub(super) fn try_answer(&mut self) -> Option<Result<Verdict, Reason>> {
        let (reply, _) = self.replies.pop();
        let verdict = zap::parse_reply(&reply?).map_err(Reason::Protocol);
        Some(verdict.map(|verdict| self.allowed.clone().and(|| verdict)))
    }

    /// Nobody wants to know any more.
    pub(super) fn end(self, bells: &mut Bells) {
        if let Some(socket) = self.handler.upgrade() {
            bells.remote.push(Remote {
                socket,
                key: self.key,
                serial: self.serial,
                word: Word::Gone,
            });
        }
    }
}

impl Socket {
    /// Asks the handler, if there is one, about a peer that all others let in.
    pub(super) fn inquire(&self, question: &Question, allowed: Verdict) -> Answer {
        let options = &question.terms.options;
        let enforced = options.zap_enforce_domain && !options.zap_domain.is_empty();
        let may_ask = match (&question.request.credentials, &options.security) {
            (Credentials::Null, _) => !options.zap_domain.is_empty(),
            (Credentials::Plain { .. }, _) => true,
            (Credentials::Curve { .. }, _) => enforced || !options.zap_enforce_domain,
        };
        if !may_ask {
            return Answer::Verdict(allowed);
        }
        let Some(handler) = self.context.named(zap::HANDLER) else {
            let must_ask = enforced || matches!(options.security, Security::PlainServer(None));
            return match must_ask {
                true => Answer::Refused(Reason::NobodyToAsk),
                false => Answer::Verdict(allowed),
            };
        };
        if !matches!(handler.socket_type, SocketType::Rep | SocketType::Router) {
            log::warn!("a {} cannot be a handler of ZAP", handler.socket_type);
            return Answer::Verdict(Verdict::Failed);
        }
        match self.ask_handler(&handler, question, allowed) {
            Some(inquiry) => Answer::Asked(Box::new(inquiry)),
            // It is closing, or has left too many questions unread.
            None => Answer::Verdict(Verdict::NotNow),
        }
    }

    fn ask_handler(
        &self,
        handler: &Arc<Socket>,
        question: &Question,
        allowed: Verdict,
    ) -> Option<Inquiry> {
        let lane = || Arc::new(Lane::new(Store::Messages, 0, false));
        let (requests, replies) = (lane(), lane());
        let routing_id = &question.terms.options.routing_id;
        let request = zap::encode_request(&question.request, routing_id);
        requests.push_batch(&mut VecDeque::from([request]));
        if handler.room_for_newcomers() == 0 {
            return None;
        }
        let now = self.context.metal.now();
        let mut bells = Bells::default();
        let mut state = handler.state.lock();
        if state.phase != Phase::Open {
            return None;
        }
        let endpoint = Arc::new(Endpoint::Inproc(zap::HANDLER.into()));
        let lanes = (Arc::clone(&replies), requests);
        let (key, serial) = state.attach(handler, &endpoint, lanes);
        let attached = &mut state.attached[key];
        attached.wire = Wire::Session {
            socket: self.me.clone(),
            entry: question.entry,
            question: question.number,
        };
        attached.came_in = true;
        attached.info = Some(Arc::new(PeerInfo {
            local: endpoint.to_string(),
            remote: endpoint.to_string(),
            ..PeerInfo::default()
        }));
        let ready = state.inproc_ready(handler, key, &bytes::Bytes::new(), &mut bells);
        if ready.is_ok() {
            state.connected(key, now);
            state.readable(key, &mut bells);
            state.peer_came(&mut bells);
        }
        state.follow(handler, &mut bells);
        drop(state);
        bells.ring(handler);
        Some(Inquiry {
            handler: Arc::downgrade(handler),
            key,
            serial,
            replies: Window::new(replies),
            allowed,
        })
    }
}
