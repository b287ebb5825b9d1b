//! What an XPUB shows its application of its peers' subscriptions: `1 topic`, `0 topic`.
//!
//! One queue for all peers, in the order things happened: in a queue of each peer's own, one
//! peer's last cancellation could overtake another's first subscription, and whoever keeps count
//! of them would be wrong for ever.

use std::collections::VecDeque;

use crate::base::message::Message;

/// Notices that the application has not taken yet.
#[derive(Debug)]
pub(super) struct Notices {
    queue: VecDeque<Notice>,
    /// Memory of what waits, octets.
    octets: usize,
    octets_max: usize,
    /// Notices are being dropped, and that was logged.
    overflowing: bool,
}

/// One notice.
#[derive(Debug)]
pub(super) struct Notice {
    /// Key and serial of the peer that spoke; `None` if it was its leaving that cancelled.
    pub(super) from: Option<(usize, u64)>,
    pub(super) message: Message,
}

impl Notices {
    /// None. What waits may take about `octets_max`, but always [`OCTETS_MAX_LEAST`].
    pub(super) fn new(octets_max: usize) -> Notices {
        Notices {
            queue: VecDeque::new(),
            octets: 0,
            octets_max: octets_max.max(OCTETS_MAX_LEAST),
            overflowing: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds one. Dropped if the application has left too many lying: a peer must not be able to
    /// fill our memory by subscribing and cancelling.
    pub(super) fn push(&mut self, from: Option<(usize, u64)>, topic: &[u8], subscribe: bool) {
        let octets = size_of::<Notice>() + topic.len();
        if self.octets + octets > self.octets_max {
            if !self.overflowing {
                log::warn!("subscriptions are not received: some will not be shown");
            }
            self.overflowing = true;
            return;
        }
        self.octets += octets;
        let mut body = Vec::with_capacity(1 + topic.len());
        body.push(u8::from(subscribe));
        body.extend_from_slice(topic);
        self.queue.push_back(Notice {
            from,
            message: Message::from(body),
        });
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Notice> {
        let notice = self.queue.pop_front()?;
        self.octets -= size_of::<Notice>() + notice.message.octets() - 1;
        self.overflowing &= !self.queue.is_empty();
        Some(notice)
    }
}

/// Room for some thousand notices, however little a peer may subscribe to.
const OCTETS_MAX_LEAST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_out_in_the_order_they_went_in() {
        let mut notices = Notices::new(0);
        notices.push(Some((3, 9)), b"a", true);
        notices.push(None, b"", false);
        assert!(!notices.is_empty());
        let mut next = || notices.pop().map(|notice| (notice.from, notice.message));
        assert_eq!(next(), Some((Some((3, 9)), "\x01a".into())));
        assert_eq!(next(), Some((None, "\x00".into())));
        assert_eq!(next(), None);
        assert!(notices.is_empty());
        assert_eq!(notices.octets, 0);
    }

    #[test]
    fn are_dropped_where_they_would_fill_the_memory() {
        let mut notices = Notices::new(OCTETS_MAX_LEAST + 5);
        let topic = vec![b'x'; 1000];
        (0..5000).for_each(|_| notices.push(None, &topic, true));
        assert!(notices.octets <= OCTETS_MAX_LEAST + 5);
        let kept = std::iter::from_fn(|| notices.pop()).count();
        assert_eq!(kept, (OCTETS_MAX_LEAST + 5) / (size_of::<Notice>() + 1000));
        notices.push(None, &topic, true);
        assert!(!notices.is_empty());
    }
}
