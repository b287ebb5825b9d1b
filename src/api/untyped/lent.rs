//! Frames of octets that are lent: for languages whose programs free them.

use bytes::Bytes;

use crate::base::{lent, message::Frame};

/// A frame of `owner`'s octets: it holds on to them however few they are, and so does whatever
/// becomes of it, until they were written, received and dropped, or thrown away.
///
/// `owner` is not dropped where that comes about, for the caller's locks may be held there, and
/// ours: each thread sets it aside, for [`let_go`]. Calls that wait do so by themselves before they
/// do, as I/O threads do at the end of each turn.
///
/// ```
/// use std::sync::Arc;
/// use hubless::{Context, SocketType, untyped::{self, Socket}};
///
/// let context = Context::new();
/// let [pull, push] = [SocketType::Pull, SocketType::Push].map(|it| Socket::new(&context, it).unwrap());
/// pull.bind("inproc://lent")?;
/// push.connect("inproc://lent")?;
///
/// struct Mine(Arc<[u8]>);
/// impl AsRef<[u8]> for Mine {
///     fn as_ref(&self) -> &[u8] {
///         &self.0
///     }
/// }
/// let mine: Arc<[u8]> = Arc::new([7]);
/// push.send(untyped::lend(Mine(Arc::clone(&mine))))?;
/// let received = pull.recv()?;
/// assert_eq!((received[0].as_ptr(), Arc::strong_count(&mine)), (mine.as_ptr(), 2));
/// drop(received);
/// untyped::let_go();
/// assert_eq!(Arc::strong_count(&mine), 1);
/// # Ok::<(), hubless::Error>(())
/// ```
pub fn lend<T: AsRef<[u8]> + Send + 'static>(owner: T) -> Frame {
    lent::lend(owner)
}

/// Octets that were taken out of a frame by [`take_lent`], in a frame again.
pub fn lend_on(octets: Bytes) -> Frame {
    Frame::lent(octets)
}

/// The octets of a frame if they are lent.
///
/// # Errors
/// The frame, if they are not.
#[inline]
pub fn take_lent(frame: Frame) -> Result<Bytes, Frame> {
    frame.into_lent()
}

/// Drops the owners of lent octets that this thread was the last to need. To be called where no lock
/// is held that they may want.
#[inline]
pub fn let_go() {
    lent::let_go();
}
