//! Room for bodies that are copied: three of one size share an allocation, which is used again.
//!
//! Over inproc a body is allocated by one thread and freed by another, and both meet in the
//! allocator's lock: two threads that pass on 1 KiB spent half of their time there. Bodies of a
//! middling size are cut from room for three, so a body that is kept holds on to its own size
//! three times at most; and a thread keeps its rooms in sight, to fill each anew once all three
//! of its bodies are gone, whoever let go of them.
//!
//! ```text
//!   open    [ body │ body │ left ]                     the room that is being filled
//!   filled  [ … ] [ … ] [ … ] … oldest first           512 KiB of them at most
//! ```

use std::{cell::RefCell, collections::VecDeque, ops::RangeInclusive};

use bytes::{Bytes, BytesMut};

/// Bodies that share an allocation.
const SHARED: usize = 3;

/// Smaller ones lie in the frame or are cheap; what larger ones cost is their copying.
const SHARED_OCTETS: RangeInclusive<usize> = 256..=4096;

/// Octets of the filled rooms that a thread keeps in sight, which it keeps in memory thereby: what
/// one read of a connection brings, twice.
const FILLED_OCTETS_MAX: usize = 512 << 10;

thread_local! {
    static ROOMS: RefCell<Rooms> = const { RefCell::new(Rooms::new()) };
}

/// A copy of `octets`.
pub(super) fn copy(octets: &[u8]) -> Bytes {
    if !SHARED_OCTETS.contains(&octets.len()) {
        return Bytes::copy_from_slice(octets);
    }
    // A thread that is about to end has no room of its own any more.
    ROOMS
        .try_with(|rooms| rooms.borrow_mut().copy(octets))
        .unwrap_or_else(|_| Bytes::copy_from_slice(octets))
}

/// One thread's rooms.
struct Rooms {
    open: Option<Room>,
    filled: VecDeque<Room>,
    filled_octets: usize,
}

/// An allocation.
struct Room {
    left: BytesMut,
    octets: usize,
}

impl Rooms {
    const fn new() -> Rooms {
        Rooms {
            open: None,
            filled: VecDeque::new(),
            filled_octets: 0,
        }
    }

    fn copy(&mut self, octets: &[u8]) -> Bytes {
        match &mut self.open {
            Some(room) if room.has_place(octets.len()) => room.fill(octets),
            _ => self.open_another(octets.len()).fill(octets),
        }
    }

    /// Opens a room with no body in it: the last one again, the oldest, or a fresh one.
    #[inline(never)]
    fn open_another(&mut self, octets: usize) -> &mut Room {
        if let Some(mut last) = self.open.take() {
            if last.reclaim(octets) {
                return self.open.insert(last);
            }
            self.filled_octets += last.octets;
            self.filled.push_back(last);
        }
        let free = |oldest: &mut Room| oldest.reclaim(octets);
        let room = match self.filled.front_mut().is_some_and(free) {
            true => self.forget_oldest(),
            false => None,
        };
        while self.filled_octets > FILLED_OCTETS_MAX {
            self.forget_oldest();
        }
        self.open
            .insert(room.unwrap_or_else(|| Room::with_octets(SHARED * octets)))
    }

    fn forget_oldest(&mut self) -> Option<Room> {
        let oldest = self.filled.pop_front()?;
        self.filled_octets -= oldest.octets;
        Some(oldest)
    }
}

impl Room {
    fn with_octets(octets: usize) -> Room {
        let left = BytesMut::with_capacity(octets);
        let octets = left.capacity();
        Room { left, octets }
    }

    /// May a body of so many octets lie here? It would keep all of the room.
    fn suits(&self, octets: usize) -> bool {
        (octets..=SHARED * octets).contains(&self.octets)
    }

    fn has_place(&self, octets: usize) -> bool {
        self.left.capacity() >= octets && self.suits(octets)
    }

    /// Puts in a body for which there is place.
    fn fill(&mut self, octets: &[u8]) -> Bytes {
        self.left.extend_from_slice(octets);
        self.left.split().freeze()
    }

    /// Makes all of it free again, if nobody has a body of it any more.
    fn reclaim(&mut self, octets: usize) -> bool {
        self.suits(octets) && self.left.try_reclaim(self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(octets: usize) -> Bytes {
        copy(&vec![7; octets])
    }

    fn at(body: &Bytes) -> usize {
        body.as_ptr().addr()
    }

    #[test]
    fn bodies_of_one_size_lie_side_by_side() {
        let three = [body(1000), body(1000), body(1000)];
        let first = at(&three[0]);
        assert_eq!(
            three.each_ref().map(at),
            [first, first + 1000, first + 2000]
        );
        assert!(three.iter().all(|one| one[..] == [7; 1000]));
        assert_eq!((body(255).len(), body(5000).len()), (255, 5000));
    }

    #[test]
    fn no_body_lies_in_a_room_that_is_too_large_for_it() {
        let large = [body(4000), body(4000)];
        let span = at(&large[0])..at(&large[0]) + SHARED * 4000;
        for octets in [300, 1300, 1333] {
            let small = body(octets);
            assert!(!span.contains(&at(&small)), "it would keep 12 000 octets");
        }
    }

    #[test]
    fn a_room_is_filled_anew_once_its_bodies_are_gone_and_no_earlier() {
        let first = at(&body(1000));
        drop((body(1000), body(1000)));
        let again = body(1000);
        assert_eq!(at(&again), first, "all three are gone");
        drop((body(1000), body(1000)));
        let kept = again;
        let others: Vec<Bytes> = (0..9).map(|_| body(1000)).collect();
        assert!(others.iter().all(|other| at(other).abs_diff(first) >= 1000));
        assert!(kept[..] == [7; 1000], "untouched");
        drop(kept);
        let next = body(1000);
        assert_eq!(at(&next), first, "the oldest room, while others are in use");
        drop((next, others));
    }

    #[test]
    fn another_thread_may_let_go_of_them() {
        let bodies = [body(1000), body(1000), body(1000)];
        let first = at(&bodies[0]);
        std::thread::spawn(move || drop(bodies))
            .join()
            .expect("dropping does not panic");
        assert_eq!(at(&body(1000)), first);
    }

    #[test]
    fn what_is_kept_in_sight_has_a_bound() {
        let kept: Vec<Bytes> = (0..1000).map(|_| body(4000)).collect();
        ROOMS.with_borrow(|rooms| {
            let filled: usize = rooms.filled.iter().map(|room| room.octets).sum();
            assert_eq!(filled, rooms.filled_octets);
            assert!(filled <= FILLED_OCTETS_MAX && filled > FILLED_OCTETS_MAX / 2);
        });
        drop(kept);
    }
}
