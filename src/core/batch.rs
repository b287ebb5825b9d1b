//! Receiving many messages in one entry into the socket.

use super::{bells::Bells, socket::Socket};
use crate::base::message::Message;

impl Socket {
    /// As [`recv_more`](Socket::recv_more), of a lot whose first message was just received.
    pub fn recv_rest(&self, into: &mut Vec<Message>, most: usize) -> usize {
        self.state.lock().forget_service();
        self.recv_more(into, most)
    }

    /// Receives what has been read already, at most `most` messages, in one entry into the socket.
    /// Answers how many that are; 0 also if the socket is closed.
    pub fn recv_more(&self, into: &mut Vec<Message>, most: usize) -> usize {
        let had = into.len();
        loop {
            let mut bells = Bells::default();
            let mut state = self.state.lock();
            // Work on one of a lot has no beginning and no end that could be seen.
            state.note_back(self);
            let timed = state.timed.take();
            while into.len() - had < most {
                if let Some(message) = state.recv_plain() {
                    into.push(message);
                    continue;
                }
                let mut received = None;
                let done = state.recv_into(self, &mut bells, &mut received, |_, _| ());
                match (done, received) {
                    (Ok(()), Some(received)) => into.push(received.message),
                    _ => break,
                }
            }
            state.timed = timed;
            drop(state);
            let more_is_held_back = into.len() - had < most && bells.fetch();
            bells.ring(self);
            if !more_is_held_back {
                return into.len() - had;
            }
        }
    }
}
