//! Room for bodies that are copied: some of one size after another share one allocation.
//!
//! Over inproc a body is allocated by one thread and freed by another, and both meet in the
//! allocator's lock: two threads that pass on 1 KiB spent half of their time there. Bodies of a
//! middling size are cut from room for three, so a body that is kept holds on to its own size
//! three times at most.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};

/// Bodies that share an allocation.
const SHARED: usize = 3;

/// Smaller ones lie in the frame or are cheap; what larger ones cost is their copying.
const SHARED_OCTETS: std::ops::RangeInclusive<usize> = 256..=4096;

thread_local! {
    /// Room that the last body of this thread has left.
    static LEFT: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// A copy of `octets`.
pub(super) fn copy(octets: &[u8]) -> Bytes {
    if !SHARED_OCTETS.contains(&octets.len()) {
        return Bytes::copy_from_slice(octets);
    }
    // A thread that is about to end has no room of its own any more.
    let Ok(mut room) = LEFT.try_with(Cell::take) else {
        return Bytes::copy_from_slice(octets);
    };
    let left = room.capacity();
    if left < octets.len() || left > SHARED * octets.len() {
        room = BytesMut::with_capacity(SHARED * octets.len());
    }
    room.extend_from_slice(octets);
    let copy = room.split().freeze();
    let _ = LEFT.try_with(|place| place.set(room));
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_one_size_lie_side_by_side_and_none_in_room_for_larger_ones() {
        let body = |octets: usize| copy(&vec![7; octets]);
        let three = [body(1000), body(1000), body(1000)];
        let at = |index: usize| three[index].as_ptr().addr();
        assert_eq!([at(1), at(2)], [at(0) + 1000, at(0) + 2000]);
        assert!(three.iter().all(|one| one[..] == [7; 1000]));
        let large = body(4000);
        let small = body(300);
        let span = large.as_ptr().addr()..large.as_ptr().addr() + SHARED * 4000;
        assert!(
            !span.contains(&small.as_ptr().addr()),
            "it would keep 12 000 octets"
        );
        assert_eq!((body(255).len(), body(5000).len()), (255, 5000));
    }
}
