//! Messages: one frame or several.
//!
//! ```text
//!   Message ── None                          no frames yet
//!           ├─ One(Frame)                    the usual case: no allocation up to 64 octets
//!           ├─ Two(Arc<[Frame; 2]>)          topic and body, delimiter and body: one allocation
//!           └─ Many(Arc<Vec<Frame>>)         more: a clone is one reference count, as of two
//! ```
//!
//! A message is no wider than a [`Frame`].

use std::{fmt, ops::Index, str::Utf8Error, sync::Arc};

use bytes::Bytes;

pub(crate) use super::frame::copy_short;
pub use super::frame::{Frame, INLINE_OCTETS_MAX};

/// A message: one frame or several, delivered whole or not at all.
///
/// Anything that is text or octets converts into a message of one frame; arrays of two and more,
/// tuples and iterators give several frames.
///
/// ```
/// use hubless::Message;
///
/// let one = Message::from("hello");
/// assert_eq!(one[0], "hello");
///
/// let two = Message::from(("weather.paris", "21"));
/// assert_eq!(two.len(), 2);
/// assert_eq!(two[1].as_str()?, "21");
///
/// let many: Message = (0..5u32).map(|n| n.to_string()).collect();
/// assert_eq!(many.len(), 5);
/// # Ok::<(), std::str::Utf8Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Message(Frames);

#[derive(Clone, Default)]
enum Frames {
    #[default]
    None,
    One(Frame),
    Two(Arc<[Frame; 2]>),
    Many(Arc<Vec<Frame>>),
}

impl Message {
    /// The octets of a message of one small frame where they lie, and how many of them count.
    #[inline]
    pub(crate) fn inline(&self) -> Option<(&[u8; INLINE_OCTETS_MAX], u8)> {
        match &self.0 {
            Frames::One(frame) => frame.inline(),
            Frames::None | Frames::Two(_) | Frames::Many(_) => None,
        }
    }

    /// Makes a message of one small frame one with a copy of these octets, at most 64 of them,
    /// where it lies.
    #[inline]
    pub(crate) fn fill(&mut self, octets: &[u8]) {
        match &mut self.0 {
            Frames::One(frame) => frame.fill(octets),
            _ => *self = Message::from(octets),
        }
    }

    /// A message without frames, to be filled by [`push`](Message::push).
    ///
    /// A message that is sent without any frame travels as one empty frame: the wire knows no
    /// message without frames.
    pub fn new() -> Message {
        Message::default()
    }

    /// The frames, first to last.
    #[inline]
    pub fn frames(&self) -> &[Frame] {
        match &self.0 {
            Frames::One(frame) => std::slice::from_ref(frame),
            Frames::Two(frames) => &frames[..],
            Frames::Many(frames) => frames,
            Frames::None => &[],
        }
    }

    /// How many frames.
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Has it no frames at all? (A message of one empty frame is not empty in this sense.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Octets in all frames together.
    pub fn octets(&self) -> usize {
        self.frames().iter().map(|frame| frame.len()).sum()
    }

    /// The frame at `index`, if there is one.
    pub fn frame(&self, index: usize) -> Option<&Frame> {
        self.frames().get(index)
    }

    /// The first frame's octets; empty if there is none. What a topic is matched against.
    pub fn first(&self) -> &[u8] {
        self.frames().first().map_or(&[], Frame::as_slice)
    }

    /// The text of a message of one frame; of several, the text of the first.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.first())
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match &mut self.0 {
            Frames::None => self.0 = Frames::One(frame),
            Frames::One(first) => *self = Message::two(std::mem::take(first), frame),
            Frames::Two(two) => {
                let [first, second] = two.as_ref().clone();
                self.0 = Frames::Many(Arc::new(vec![first, second, frame]));
            }
            Frames::Many(frames) => Arc::make_mut(frames).push(frame),
        }
    }

    /// Puts a frame in front of all others: one more layer of envelope.
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        match &mut self.0 {
            Frames::None => self.0 = Frames::One(frame),
            Frames::One(last) => *self = Message::two(frame, std::mem::take(last)),
            Frames::Two(two) => {
                let [second, third] = two.as_ref().clone();
                self.0 = Frames::Many(Arc::new(vec![frame, second, third]));
            }
            Frames::Many(frames) => Arc::make_mut(frames).insert(0, frame),
        }
    }

    /// Takes the first frame off: one layer of envelope. `None` if there are no frames.
    pub fn pop_front(&mut self) -> Option<Frame> {
        match std::mem::take(&mut self.0) {
            Frames::None => None,
            Frames::One(only) => Some(only),
            Frames::Two(frames) => {
                let [first, last] = unshared(frames);
                self.0 = Frames::One(last);
                Some(first)
            }
            Frames::Many(frames) => {
                let mut rest = unshared(frames);
                let first = rest.remove(0);
                *self = Message::from(rest);
                Some(first)
            }
        }
    }

    /// The frames by value.
    pub fn into_frames(self) -> Vec<Frame> {
        match self.0 {
            Frames::None => Vec::new(),
            Frames::One(frame) => vec![frame],
            Frames::Two(frames) => unshared(frames).into(),
            Frames::Many(frames) => unshared(frames),
        }
    }

    /// The octets of a message of one frame; `Err` gives a message of several (or none) back.
    ///
    /// # Errors
    /// The message itself, unless it has exactly one frame.
    pub fn into_single(self) -> Result<Frame, Message> {
        match self.0 {
            Frames::One(frame) => Ok(frame),
            _ => Err(self),
        }
    }

    /// The message of these two frames.
    #[inline]
    pub(crate) fn two(first: Frame, second: Frame) -> Message {
        Message(Frames::Two(Arc::new([first, second])))
    }

    /// Iterates over the frames.
    pub fn iter(&self) -> std::slice::Iter<'_, Frame> {
        self.frames().iter()
    }
}

/// What is behind the last reference, or a copy of it.
fn unshared<T: Clone>(frames: Arc<T>) -> T {
    Arc::try_unwrap(frames).unwrap_or_else(|frames| T::clone(&frames))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Message {}

impl Index<usize> for Message {
    type Output = Frame;

    /// The frame at `index`.
    ///
    /// # Panics
    /// If there is no such frame; [`Message::frame`] does not.
    fn index(&self, index: usize) -> &Frame {
        &self.frames()[index]
    }
}

impl<'a> IntoIterator for &'a Message {
    type Item = &'a Frame;
    type IntoIter = std::slice::Iter<'a, Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Message {
    type Item = Frame;
    type IntoIter = std::vec::IntoIter<Frame>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_frames().into_iter()
    }
}

impl From<Frame> for Message {
    #[inline]
    fn from(frame: Frame) -> Message {
        Message(Frames::One(frame))
    }
}

impl From<Vec<Frame>> for Message {
    fn from(mut frames: Vec<Frame>) -> Message {
        match frames.len() {
            0 | 1 => Message(frames.pop().map_or(Frames::None, Frames::One)),
            2 => frames.into_iter().collect(),
            _ => Message(Frames::Many(Arc::new(frames))),
        }
    }
}

macro_rules! single_frame {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Message {
            #[inline]
            fn from(body: $kind) -> Message {
                Message::from(Frame::from(body))
            }
        }
    )*};
}

single_frame!(&[u8], &str, &String, String, Vec<u8>, Bytes, &Bytes);

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(octets: &[u8; N]) -> Message {
        Message::from(Frame::from(octets))
    }
}

impl From<&Message> for Message {
    fn from(message: &Message) -> Message {
        message.clone()
    }
}

impl<T: Into<Frame>, const N: usize> From<[T; N]> for Message {
    fn from(frames: [T; N]) -> Message {
        frames.into_iter().collect()
    }
}

impl<T: Into<Frame>> From<Vec<T>> for Message
where
    T: NotAnOctet,
{
    fn from(frames: Vec<T>) -> Message {
        frames.into_iter().collect()
    }
}

#[doc(hidden)]
/// Kept apart from `u8` and [`Frame`], whose vectors have conversions of their own.
pub trait NotAnOctet {}
impl NotAnOctet for &str {}
impl NotAnOctet for String {}
impl NotAnOctet for &[u8] {}
impl NotAnOctet for Vec<u8> {}
impl NotAnOctet for Bytes {}

impl<A: Into<Frame>, B: Into<Frame>> From<(A, B)> for Message {
    fn from((a, b): (A, B)) -> Message {
        Message::two(a.into(), b.into())
    }
}

impl<A: Into<Frame>, B: Into<Frame>, C: Into<Frame>> From<(A, B, C)> for Message {
    fn from((a, b, c): (A, B, C)) -> Message {
        Message::from(vec![a.into(), b.into(), c.into()])
    }
}

impl<F: Into<Frame>> FromIterator<F> for Message {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Message {
        let mut frames = frames.into_iter().map(Into::into);
        let Some(first) = frames.next() else {
            return Message::new();
        };
        let Some(second) = frames.next() else {
            return Message::from(first);
        };
        let Some(third) = frames.next() else {
            return Message::two(first, second);
        };
        let mut many = vec![first, second, third];
        many.extend(frames);
        Message(Frames::Many(Arc::new(many)))
    }
}

impl<F: Into<Frame>> Extend<F> for Message {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        for frame in frames {
            self.push(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_body_fits_without_making_the_message_wider() {
        assert_eq!(size_of::<Frame>(), 72);
        assert_eq!(size_of::<Message>(), 72);
    }

    #[test]
    fn frames_go_in_and_come_out_in_order() {
        let mut message = Message::new();
        assert!(message.is_empty());
        for part in ["a", "b", "c"] {
            message.push(part);
        }
        message.push_front("id");
        assert_eq!(message, Message::from(["id", "a", "b", "c"]));
        assert_eq!(message.pop_front().expect("four frames"), "id");
        assert_eq!(message.len(), 3);
        assert_eq!(message.octets(), 3);
        let left = std::iter::from_fn(|| message.pop_front()).collect::<Message>();
        assert_eq!(left, Message::from(["a", "b", "c"]));
        assert_eq!(message, Message::new());
        assert_eq!(Message::from(vec!["x", "y"]).len(), 2);
        assert_eq!(Message::from(vec![1u8, 2]).len(), 1);
    }

    #[test]
    fn a_clone_shares_what_is_large() {
        let body = Bytes::from(vec![7; 1000]);
        let message = Message::from(body.clone());
        let copy = message.clone();
        assert_eq!(copy[0].as_ptr(), body.as_ptr());
    }
}
