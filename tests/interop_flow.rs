//! A hundred thousand messages each way, with libzmq on the other side: none lost, none twice,
//! all in order. The sender stays open until the receiver has counted them.

mod interop;

use interop::sides::{Side, play_half};

const MESSAGES: u64 = 100_000;

/// One way, behind an envelope.
fn flow(sender: &dyn Side, envelope: &[&[u8]], receiver: &dyn Side) {
    let received = receiver.begin_recv_numbers(MESSAGES);
    let sent = sender.begin_send_numbers(envelope, MESSAGES);
    sent();
    received();
}

#[test]
fn push_to_pull() {
    play_half(("PUSH", "PULL"), |push, pull| flow(push, &[], pull));
}

#[test]
fn pair_to_pair_and_back() {
    play_half(("PAIR", "PAIR"), |one, other| {
        flow(one, &[], other);
        flow(other, &[b"with", b"an envelope"], one);
    });
}

#[test]
fn dealer_to_router_and_back() {
    play_half(("DEALER", "ROUTER"), |dealer, router| {
        flow(dealer, &[], router);
        flow(router, &[b"one"], dealer);
    });
}

#[test]
fn xpub_to_sub() {
    play_half(("XPUB", "SUB"), |publisher, subscriber| {
        subscriber.subscribe("numbers");
        publisher.expect(&[b"\x01numbers"]);
        flow(publisher, &[b"numbers"], subscriber);
    });
}
