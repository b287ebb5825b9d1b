//! Order: what one sender sends arrives in that order, whole, once, whatever is in between.

mod common;

use common::{SOON, Started, balanced, eventually, everywhere, number, quiet};
use hubless::{Dealer, Endpoint, Message, Pair, Pub, Pull, Push, Router, Sub, XPub, XSub};

/// Sizes around every limit that a frame can meet on its way.
const SIZES: [usize; 11] = [0, 1, 63, 64, 65, 255, 256, 8_192, 8_193, 16_385, 70_000];

/// A message of one to six frames: who sent it, which it is, and bodies that follow from both.
fn parcel(sender: u64, number: u64) -> Message {
    let mut message = Message::from([sender.to_string(), number.to_string()]);
    for (size, octet) in bodies(sender, number) {
        message.push(vec![octet; size]);
    }
    message
}

fn bodies(sender: u64, number: u64) -> Vec<(usize, u8)> {
    let mixed = (sender + 1)
        .wrapping_mul(0x9e37_79b9)
        .wrapping_add(number * 7919);
    (0..mixed % 5)
        .map(|index| {
            let size = SIZES[((mixed >> 3) + index * 5) as usize % SIZES.len()];
            // Neither 0 nor 1: to an XPUB such a frame is a subscription.
            (size, (mixed + index) as u8 | 2)
        })
        .collect()
}

/// Checks that a message is whole; who sent it, and which it is.
fn open(message: &Message) -> (u64, u64) {
    let (sender, number) = (number(&message[0]), number(&message[1]));
    let bodies = bodies(sender, number);
    let message = message.frames();
    assert_eq!(
        message.len() - 2,
        bodies.len(),
        "frames of {sender}/{number}"
    );
    for (frame, (size, octet)) in message[2..].iter().zip(bodies) {
        assert_eq!(frame.len(), size, "a frame of {sender}/{number}");
        assert!(frame.iter().all(|&other| other == octet));
    }
    (sender, number)
}

/// Each sender's numbers, as one receiver sees them: only upwards.
#[derive(Default)]
struct Seen(Vec<Vec<u64>>);

impl Seen {
    fn note(&mut self, (sender, number): (u64, u64)) {
        let sender = sender as usize;
        if self.0.len() <= sender {
            self.0.resize(sender + 1, Vec::new());
        }
        let before = self.0[sender].last();
        assert!(
            before < Some(&number),
            "{number} of {sender} after {before:?}"
        );
        self.0[sender].push(number);
    }
}

#[test]
fn many_senders_many_receivers() {
    let (senders, receivers, each) = (3, 2, 600);
    for transport in 0..everywhere().len() {
        let pulls: Vec<Pull> = (0..receivers)
            .map(|_| Pull::builder().recv_hwm(20).build().expect("a PULL"))
            .collect();
        let bind = |pull: &Pull| pull.bind(everywhere().swap_remove(transport));
        let endpoints: Vec<Endpoint> = pulls
            .iter()
            .map(|pull| bind(pull).expect("to bind"))
            .collect();
        let sending: Vec<_> = (0..senders)
            .map(|sender| {
                let endpoints = endpoints.clone();
                Started::new(move || {
                    let push = Push::builder().send_hwm(20).build().expect("a PUSH");
                    for endpoint in endpoints {
                        push.connect(endpoint).expect("to connect");
                    }
                    for number in 0..each {
                        push.send(parcel(sender, number)).expect("to send");
                    }
                    push.close(SOON).expect("to close")
                })
            })
            .collect();
        let receiving: Vec<_> = pulls
            .iter()
            .map(|pull| {
                let pull = pull.clone();
                Started::new(move || {
                    let mut seen = Seen::default();
                    while let Ok(message) = pull.recv() {
                        seen.note(open(&message));
                    }
                    seen
                })
            })
            .collect();
        for sender in sending {
            assert_eq!(sender.join("a sender").unsent, 0);
        }
        let read = || {
            pulls
                .iter()
                .map(|pull| pull.stats().received.delivered)
                .sum::<u64>()
        };
        eventually("all is read", || read() == senders * each);
        let mut all = vec![Vec::new(); senders as usize];
        for (pull, receiver) in pulls.iter().zip(receiving) {
            pull.close(SOON).expect("to close");
            balanced("the receiver", pull.stats());
            for (sender, numbers) in receiver.join("a receiver").0.into_iter().enumerate() {
                all[sender].extend(numbers);
            }
        }
        for mut numbers in all {
            numbers.sort_unstable();
            assert!(
                numbers.into_iter().eq(0..each),
                "each once, over {endpoints:?}"
            );
        }
    }
}

#[test]
fn threads_that_share_a_socket_keep_their_own_order() {
    for at in everywhere() {
        let pull = Pull::new().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let push = Push::builder().send_hwm(20).build().expect("a PUSH");
        push.connect(&at).expect("to connect");
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let push = push.clone();
                Started::new(move || {
                    for number in 0..300 {
                        push.send(parcel(sender, number)).expect("to send");
                    }
                })
            })
            .collect();
        let mut seen = Seen::default();
        for _ in 0..1200 {
            seen.note(open(&pull.recv_timeout(SOON).expect("a message")));
        }
        assert!(
            seen.0.iter().all(|numbers| numbers.len() == 300),
            "over {at}"
        );
        for sender in senders {
            sender.join("a sender");
        }
        quiet("the sender", || push.stats());
    }
}

#[test]
fn threads_that_share_a_receiver_get_each_message_once() {
    for at in everywhere() {
        let pull = Pull::builder().recv_hwm(20).build().expect("a PULL");
        let at = pull.bind(&at).expect("to bind");
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let pull = pull.clone();
                Started::new(move || {
                    let mut seen = Seen::default();
                    while let Ok(message) = pull.recv() {
                        seen.note(open(&message));
                    }
                    seen.0.into_iter().next().unwrap_or_default()
                })
            })
            .collect();
        let push = Push::new().expect("a PUSH");
        push.connect(&at).expect("to connect");
        for number in 0..1000 {
            push.send(parcel(0, number)).expect("to send");
        }
        eventually("all is read", || pull.stats().received.delivered == 1000);
        pull.close(SOON).expect("to close");
        let mut numbers: Vec<u64> = readers
            .into_iter()
            .flat_map(|reader| reader.join("a reader"))
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000), "each once, over {at}");
    }
}

#[test]
fn both_ways_between_dealers_and_a_router() {
    for at in everywhere() {
        let router = Router::new().expect("a ROUTER");
        let at = router.bind(&at).expect("to bind");
        let dealers: Vec<_> = (0..3)
            .map(|sender| {
                let at = at.clone();
                Started::new(move || {
                    let dealer = Dealer::new().expect("a DEALER");
                    dealer.connect(&at).expect("to connect");
                    let (mut sent, mut seen) = (0, Seen::default());
                    // At most 50 on their way: a ROUTER never waits, and must not be full.
                    for answered in 0..400 {
                        while sent < 400 && sent < answered + 50 {
                            dealer.send(parcel(sender, sent)).expect("to send");
                            sent += 1;
                        }
                        let answer = dealer.recv_timeout(SOON).expect("an answer");
                        assert_eq!(open(&answer), (sender, answered), "in order, ours");
                        seen.note((sender, answered));
                    }
                })
            })
            .collect();
        let mut seen = Seen::default();
        for _ in 0..1200 {
            let (id, message) = router.recv_from_timeout(SOON).expect("a message");
            seen.note(open(&message));
            router.send_to(&id, message).expect("to answer");
        }
        for dealer in dealers {
            dealer.join("a dealer");
        }
        assert!(
            seen.0.iter().all(|numbers| numbers.len() == 400),
            "over {at}"
        );
    }
}

#[test]
fn every_subscriber_sees_the_same_order() {
    for at in everywhere() {
        let publisher = Pub::builder()
            .send_hwm(20)
            .no_drop(true)
            .build()
            .expect("a PUB");
        let at = publisher.bind(&at).expect("to bind");
        let subscribers: Vec<_> = (0..3)
            .map(|index| {
                let sub = Sub::builder().recv_hwm(20).build().expect("a SUB");
                // Two hear everything, one every number that begins with 1.
                sub.subscribe(if index < 2 { "" } else { "1" })
                    .expect("to subscribe");
                sub.connect(&at).expect("to connect");
                Started::new(move || {
                    let mut seen = Seen::default();
                    loop {
                        let mut message = sub.recv_timeout(SOON).expect("a message");
                        message.pop_front();
                        if message.is_empty() {
                            return seen.0.remove(0);
                        }
                        seen.note(open(&message));
                    }
                })
            })
            .collect();
        publisher.wait_subscribers(3, SOON).expect("all three");
        for number in 0..500u64 {
            let mut message = parcel(0, number);
            message.push_front(number.to_string());
            publisher.send(message).expect("to send");
        }
        // Everybody's last word: it begins with 1, and is nothing more.
        publisher.send("1").expect("to send");
        for (index, subscriber) in subscribers.into_iter().enumerate() {
            let wanted = |number: &u64| index < 2 || number.to_string().starts_with('1');
            let expected = (0..500).filter(wanted);
            assert!(
                subscriber.join("a subscriber").into_iter().eq(expected),
                "over {at}"
            );
        }
    }
}

#[test]
fn raw_publishers_and_subscribers_keep_order_too() {
    for at in everywhere() {
        let xpub = XPub::builder().no_drop(true).build().expect("an XPUB");
        let at = xpub.bind(&at).expect("to bind");
        let xsub = XSub::new().expect("an XSUB");
        xsub.connect(&at).expect("to connect");
        xsub.send(b"\x01".to_vec()).expect("to subscribe");
        assert_eq!(xpub.recv_timeout(SOON).expect("it")[0], b"\x01"[..]);
        for number in 0..200 {
            xpub.send(parcel(0, number)).expect("to send");
            xsub.send(parcel(1, number)).expect("to send");
        }
        for expected in 0..200 {
            let down = xsub.recv_timeout(SOON).expect("a message");
            assert_eq!(open(&down), (0, expected), "over {at}");
            let up = xpub.recv_timeout(SOON).expect("a message");
            assert_eq!(open(&up), (1, expected), "over {at}");
        }
    }
}

#[test]
fn pairs_that_talk_at_the_same_time() {
    for at in everywhere() {
        let left = Pair::builder()
            .send_hwm(5)
            .recv_hwm(5)
            .build()
            .expect("a PAIR");
        let at = left.bind(&at).expect("to bind");
        let right = Pair::builder()
            .send_hwm(5)
            .recv_hwm(5)
            .build()
            .expect("a PAIR");
        right.connect(&at).expect("to connect");
        let ends: Vec<_> = [(left, 0), (right, 1)]
            .into_iter()
            .map(|(pair, sender)| {
                let reader = pair.clone();
                let receiving = Started::new(move || {
                    for expected in 0..500 {
                        let message = reader.recv_timeout(SOON).expect("a message");
                        assert_eq!(open(&message), (1 - sender, expected));
                    }
                });
                let sending = Started::new(move || {
                    for number in 0..500 {
                        pair.send(parcel(sender, number)).expect("to send");
                    }
                    pair
                });
                (sending, receiving)
            })
            .collect();
        let mut pairs = Vec::new();
        for (sending, receiving) in ends {
            pairs.push(sending.join("a sender"));
            receiving.join("a receiver");
        }
        for pair in pairs {
            quiet("a pair", || pair.stats());
        }
    }
}
