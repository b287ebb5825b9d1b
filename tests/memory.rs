//! Memory: what a kept message holds on to, and what a crowd that says nothing costs.

mod common;
mod raw;

use std::{io::Read, io::Write, net::TcpStream};

use common::{
    SOON, Started,
    process::{self, Other},
};
use hubless::{Message, Pull, Push};
use raw::memory::{alone, resident};

/// What the system's counting of memory, and the allocator's habits, may add to any figure.
const SLACK: usize = 3 << 20;

/// Receives `kept` × `of` messages, keeps one in so many, and weighs what these hold on to.
fn keep_some(octets: usize, kept: usize, of: usize) {
    let _alone = alone();
    // What waits in queues is not to be taken for what is held.
    let mark = ((256 << 10) / octets).clamp(2, 1000);
    let builder = Pull::builder().recv_hwm(mark).recv_timeout(SOON);
    let pull = builder.build().expect("a PULL");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let warm = (16 << 20) / (octets + 100);
    let sending = Started::new(move || {
        let builder = Push::builder().send_hwm(mark).send_timeout(SOON);
        let push = builder.build().expect("a PUSH");
        push.connect(at).expect("to connect");
        let body = vec![7; octets];
        for _ in 0..warm + kept * of {
            push.send(&body[..]).expect("to send");
        }
        push.close(SOON).expect("to close")
    });
    // What queues and buffers grow to by themselves is there before it counts.
    for _ in 0..warm {
        pull.recv().expect("a message");
    }
    let mut messages: Vec<Message> = Vec::with_capacity(kept);
    let before = resident();
    for number in 0..kept * of {
        let message = pull.recv().expect("a message");
        if number % of == 0 {
            messages.push(message);
        }
    }
    let held = resident().saturating_sub(before);
    sending.join("the sender");
    // The vector's own octets are the caller's.
    let most = 4 * kept * octets + kept * size_of::<Message>() + SLACK;
    assert!(
        held <= most,
        "{kept} of {octets} octets: {held}, {most} allowed"
    );
    assert!(messages.iter().all(|message| message[0].len() == octets));
}

#[test]
fn one_small_message_in_a_thousand_holds_on_to_little_more_than_itself() {
    for octets in [8, 64, 65, 200] {
        keep_some(octets, 200, 1000);
    }
}

#[test]
fn one_message_in_a_thousand_holds_on_to_little_more_than_itself() {
    keep_some(1 << 10, 200, 1000);
    keep_some(8 << 10, 40, 1000);
    // Above this it is read straight into a buffer of its own.
    keep_some(17 << 10, 20, 1000);
}

#[test]
fn one_large_message_in_many_holds_on_to_little_more_than_itself() {
    keep_some(64 << 10, 40, 100);
    keep_some(1 << 20, 8, 20);
}

/// As many as the issue of descriptors allows two processes under a limit of 20 000.
const CROWD: usize = 10_000;

#[test]
fn ten_thousand_peers_that_say_nothing_fit_into_40_mib() {
    let test = "ten_thousand_peers_that_say_nothing_fit_into_40_mib";
    match process::role().as_deref() {
        None => {
            let _alone = alone();
            let descriptors = Some(CROWD + 100);
            let mut server = Other::start_with_descriptors(test, "server", descriptors);
            let role = format!("crowd {}", server.hear());
            let crowd = Other::start_with_descriptors(test, &role, descriptors);
            let grown: usize = server.hear().parse().expect("a number");
            assert!(grown <= 40 << 20, "{grown} octets, {} each", grown / CROWD);
            crowd.end();
            server.end();
        }
        Some([role]) if role == "server" => {
            let pull = Pull::builder().recv_timeout(SOON).build().expect("a PULL");
            let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
            let before = resident();
            process::say(&at.to_string());
            for _ in 0..CROWD {
                assert_eq!(pull.recv().expect("a word of each")[0], "here");
            }
            process::say(&resident().saturating_sub(before).to_string());
            process::wait_for_parent();
        }
        Some([_, at]) => {
            let address = at.strip_prefix("tcp://").expect("TCP");
            let words = [raw::greeting(), raw::ready("PUSH"), raw::frame(0, b"here")].concat();
            let crowd: Vec<TcpStream> = (0..CROWD)
                .map(|_| {
                    let mut peer = TcpStream::connect(address).expect("to connect");
                    peer.set_read_timeout(Some(SOON)).expect("a timeout");
                    peer.write_all(&words).expect("to greet");
                    // Who was answered is not one of too many in the line of those who come.
                    peer.read_exact(&mut [0; 64]).expect("a greeting");
                    peer
                })
                .collect();
            process::wait_for_parent();
            drop(crowd);
        }
        Some(role) => panic!("no such role: {role:?}"),
    }
}
