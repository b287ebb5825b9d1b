//! Envelopes: the frames in front of a message that say whom the answer is for (RFC 28).
//!
//! ```text
//!   [id] [id] … [] | [body] …        up to and including the first empty frame
//! ```

use super::message::{Frame, Message};

impl Message {
    /// The names in front of it and what is behind them, without the empty frame between the two
    /// (RFC 28, "The Request-Reply Envelope"). Without an empty frame there are no names.
    ///
    /// What a REQ asks comes to a broker's ROUTER so, and so an answer must go back:
    ///
    /// ```
    /// use hubless::Message;
    ///
    /// let asked = Message::from(["ann", "", "how late is it?"]);
    /// let (names, question) = asked.split_envelope();
    /// assert_eq!((&names[..], question), (&["ann".into()][..], "how late is it?".into()));
    /// assert_eq!(Message::from("late").with_envelope(names), Message::from(["ann", "", "late"]));
    /// ```
    pub fn split_envelope(self) -> (Vec<Frame>, Message) {
        match measure(&self) {
            None => (Vec::new(), self),
            Some(count) => {
                let (mut names, body) = split(self, count);
                names.pop();
                (names, body)
            }
        }
    }

    /// The message behind these names and an empty frame.
    pub fn with_envelope(self, names: impl IntoIterator<Item = Frame>) -> Message {
        let mut frames: Vec<Frame> = names.into_iter().collect();
        frames.push(Frame::empty());
        frames.append(&mut self.into_frames());
        Message::from(frames)
    }
}

/// How many frames the envelope has, its delimiter included. `None` if there is no delimiter
/// with a body behind it.
pub(crate) fn measure(message: &Message) -> Option<usize> {
    let (_, before_last) = message.frames().split_last()?;
    let delimiter = before_last.iter().position(|frame| frame.is_empty())?;
    Some(delimiter + 1)
}

/// The message behind these frames.
#[inline]
pub(crate) fn wrapped(head: &[Frame], body: &Message) -> Message {
    match (head, body.frames()) {
        ([], _) => body.clone(),
        ([delimiter], [only]) => Message::two(delimiter.clone(), only.clone()),
        (head, body) => head.iter().chain(body).cloned().collect(),
    }
}

/// The first `count` frames, and the message behind them.
pub(crate) fn split(message: Message, count: usize) -> (Vec<Frame>, Message) {
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
    fn names_and_body_come_apart_and_together_again() {
        for frames in [
            &["a", "", "x"][..],
            &["a", "b", "", "x", "", "y"],
            &["", "x"],
        ] {
            let message: Message = frames.iter().copied().collect();
            let (names, body) = message.clone().split_envelope();
            assert!(names.iter().all(|name| !name.is_empty()));
            assert_eq!(body.with_envelope(names), message);
        }
        let plain = Message::from(["no", "envelope"]);
        assert_eq!(plain.clone().split_envelope(), (Vec::new(), plain));
    }

    #[test]
    fn splitting_keeps_every_frame() {
        let (head, body) = split(Message::from(["a", "", "x"]), 2);
        assert_eq!((head, body), (vec!["a".into(), "".into()], "x".into()));
        let (head, body) = split(Message::from(["", "x", "y"]), 1);
        assert_eq!((head, body), (vec!["".into()], Message::from(["x", "y"])));
    }
}
