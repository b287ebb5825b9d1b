//! Messages of every size that matters, with libzmq on the other side: around the one-octet and
//! the eight-octet length of a frame, from nothing to 64 MiB, from one frame to a thousand.

mod interop;

use interop::sides::{Side, play};

/// Lengths on both sides of every boundary: no body, a short frame at its longest, the shortest
/// long frame, more than a socket buffer takes at once.
const BODIES: [usize; 8] = [0, 1, 254, 255, 256, 257, 65_535, 65_536];

/// Messages of each length alone, of all lengths together, and of many frames.
fn messages() -> Vec<Vec<usize>> {
    let mut messages: Vec<_> = BODIES.iter().map(|&octets| vec![octets]).collect();
    messages.push(BODIES.to_vec());
    messages.push(vec![0; 1000]);
    messages.push((0..1000).collect());
    messages.push(vec![1, 0]);
    messages
}

/// One sends all of them, the other finds them whole and in order.
fn send_all(sender: &dyn Side, receiver: &dyn Side) {
    for message in messages() {
        sender.send_bodies(&[], &message);
    }
    for message in messages() {
        receiver.expect_bodies(0, &message);
    }
}

#[test]
fn push_to_pull() {
    play(("PUSH", "PULL"), send_all);
}

#[test]
fn pair_to_pair() {
    play(("PAIR", "PAIR"), |one, other| {
        send_all(one, other);
        send_all(other, one);
    });
}

#[test]
fn req_to_rep_and_back() {
    play(("REQ", "REP"), |req, rep| {
        for message in messages() {
            req.send_bodies(&[], &message);
            rep.expect_bodies(0, &message);
            rep.send_bodies(&[], &message);
            req.expect_bodies(0, &message);
        }
    });
}

#[test]
fn dealer_to_router_and_back() {
    play(("DEALER", "ROUTER"), |dealer, router| {
        for message in messages() {
            dealer.send_bodies(&[], &message);
            router.expect_bodies(1, &message);
            router.send_bodies(&[b"one"], &message);
            dealer.expect_bodies(0, &message);
        }
    });
}

#[test]
fn xpub_to_sub() {
    play(("XPUB", "SUB"), |publisher, subscriber| {
        subscriber.subscribe("bodies");
        publisher.expect(&[b"\x01bodies"]);
        for message in messages() {
            publisher.send_bodies(&[b"bodies"], &message);
            subscriber.expect_bodies(1, &message);
        }
    });
}

/// The two small ones show that the large one ends where it should.
#[test]
fn sixty_four_mebibytes_both_ways() {
    play(("PAIR", "PAIR"), |one, other| {
        let message = [1, 64 << 20, 1];
        one.send_bodies(&[], &message);
        other.expect_bodies(0, &message);
        other.send_bodies(&[], &message);
        one.expect_bodies(0, &message);
    });
}
