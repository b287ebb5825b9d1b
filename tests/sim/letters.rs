//! Letters: messages that say who wrote them and as which. All else in them follows from that, so
//! that a letter that comes with another's frames, cut or changed is seen; and the model that
//! the letters of one writer to one reader are held against.

use std::{collections::BTreeSet, sync::Arc};

use hubless::{Message, PeerInfo};

use super::dice::mix;

/// Who wrote it, and as which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub writer: u64,
    pub number: u64,
}

impl Letter {
    /// No letter is shorter on the wire: two octets of frame, topic, numbers and the spaces between.
    pub const OCTETS_MIN: usize = 7;

    /// The whole message. Its first octets are `topic`, which has no space in it.
    pub fn write(self, topic: &str) -> Message {
        let Letter { writer, number } = self;
        let shape = mix(writer << 32 | number);
        // Around the short frame's end now and then.
        let filler = if shape % 16 == 0 {
            230 + (shape >> 8) % 30
        } else {
            (shape >> 8) % 24
        };
        let mut message = Message::new();
        message.push(format!("{topic} {writer} {number} {}", fill(filler)));
        let more = match (shape >> 16) % 16 {
            0 => 2,
            1..=3 => 1,
            _ => 0,
        };
        for frame in 0..more {
            message.push(fill((shape >> 24) % 3 * frame));
        }
        message
    }

    /// Reads a letter and its topic.
    ///
    /// # Panics
    /// When it is not, octet for octet, what its writer wrote.
    pub fn read(message: &Message) -> (Letter, String) {
        let words = message.frames().first().and_then(|frame| {
            let mut words = frame.as_str().ok()?.split(' ');
            let topic = words.next()?.to_owned();
            let writer = words.next()?.parse().ok()?;
            let number = words.next()?.parse().ok()?;
            Some((Letter { writer, number }, topic))
        });
        let (letter, topic) = words.unwrap_or_else(|| panic!("not a letter: {message:?}"));
        assert_eq!(
            *message,
            letter.write(&topic),
            "a letter damaged on its way"
        );
        (letter, topic)
    }
}

fn fill(octets: u64) -> String {
    ('a'..='z').cycle().take(octets as usize).collect()
}

/// Who brought a letter: a place among the peers, and the connection where that is not for ever the
/// same peer's.
#[derive(Clone, Debug)]
pub struct Sender {
    pub place: usize,
    /// Kept, so that no other can be taken for it.
    pub connection: Option<Arc<PeerInfo>>,
}

impl PartialEq for Sender {
    fn eq(&self, other: &Sender) -> bool {
        let connection = |sender: &Sender| sender.connection.as_ref().map(Arc::as_ptr);
        self.place == other.place && connection(self) == connection(other)
    }
}

/// The letters one reader got. No letter may come twice, and those of one writer come in order over
/// each connection: what one connection brought late may mix with what the next one brings.
#[derive(Debug, Default)]
pub struct Arrivals {
    seen: BTreeSet<Letter>,
    /// The last letter of each writer that each sender brought.
    last: Vec<(Sender, Letter)>,
}

impl Arrivals {
    /// One more.
    ///
    /// # Panics
    /// When it came before, or after one that was written later.
    pub fn add(&mut self, letter: Letter, from: Sender) {
        assert!(self.seen.insert(letter), "{letter:?} came twice");
        let before = |(sender, last): &&mut (Sender, Letter)| {
            last.writer == letter.writer && *sender == from
        };
        let Some((_, last)) = self.last.iter_mut().find(before) else {
            self.last.push((from, letter));
            return;
        };
        let number = last.number;
        assert!(
            number < letter.number,
            "{letter:?} came out of order, after {number}"
        );
        *last = letter;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.seen.len() as u64
    }
}

#[test]
fn a_letter_is_read_as_it_was_written() {
    for number in 0..100 {
        let letter = Letter { writer: 7, number };
        assert_eq!(
            Letter::read(&letter.write("topic")),
            (letter, "topic".to_owned())
        );
    }
}

#[test]
#[should_panic(expected = "damaged")]
fn a_frame_too_many_is_damage() {
    let mut message = Letter {
        writer: 1,
        number: 2,
    }
    .write("");
    message.push("more");
    Letter::read(&message);
}

#[test]
#[should_panic(expected = "twice")]
fn a_letter_that_comes_again_is_seen() {
    let mut arrivals = Arrivals::default();
    for (number, place) in [(1, 0), (2, 0), (1, 1)] {
        arrivals.add(Letter { writer: 1, number }, at(place));
    }
}

#[test]
#[should_panic(expected = "out of order")]
fn letters_in_another_order_are_seen() {
    let mut arrivals = Arrivals::default();
    for (number, place) in [(1, 0), (5, 1), (3, 0), (2, 0)] {
        arrivals.add(Letter { writer: 1, number }, at(place));
    }
}

#[test]
fn who_has_anothers_place_is_another() {
    let mut arrivals = Arrivals::default();
    for number in [2, 1] {
        let connection = Some(Arc::new(PeerInfo::default()));
        let from = Sender {
            place: 0,
            connection,
        };
        arrivals.add(Letter { writer: 1, number }, from);
    }
}

fn at(place: usize) -> Sender {
    Sender {
        place,
        connection: None,
    }
}
