//! Envelopes: the frames in front of a message that belong to the pattern (RFC 28).
//!
//! ```text
//!   [id] [id] … [] | [body] …        up to and including the first empty frame
//! ```

use crate::base::message::{Frame, Message};

/// How many frames the envelope has, its delimiter included. `None` if there is no delimiter
/// with a body behind it.
pub(super) fn measure(message: &Message) -> Option<usize> {
    let (_, before_last) = message.frames().split_last()?;
    let delimiter = before_last.iter().position(|frame| frame.is_empty())?;
    Some(delimiter + 1)
}

/// The first `count` frames, and the message behind them.
pub(super) fn split(message: Message, count: usize) -> (Vec<Frame>, Message) {
    let mut frames = message.into_frames();
    let body = if frames.len() == count + 1 {
        frames.pop().map(Message::from).unwrap_or_default()
    } else {
        Message::from(frames.split_off(count))
    };
    (frames, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_ends_with_the_first_empty_frame_that_is_not_the_last() {
        let measured = |frames: &[&str]| measure(&frames.iter().copied().collect());
        assert_eq!(measured(&["", "body"]), Some(1));
        assert_eq!(measured(&["a", "b", "", "body", "", "more"]), Some(3));
        assert_eq!(measured(&["", ""]), Some(1));
        assert_eq!(measured(&["a", "b", ""]), None);
        assert_eq!(measured(&["a", "b"]), None);
        assert_eq!(measured(&[""]), None);
        assert_eq!(measured(&[]), None);
    }

    #[test]
    fn splitting_keeps_every_frame() {
        let (head, body) = split(Message::from(["a", "", "x"]), 2);
        assert_eq!((head, body), (vec!["a".into(), "".into()], "x".into()));
        let (head, body) = split(Message::from(["", "x", "y"]), 1);
        assert_eq!((head, body), (vec!["".into()], Message::from(["x", "y"])));
    }
}
