//! A field of [`Options`], seen as libzmq's value: -1 for "none" and the like.

use std::time::Duration;

use bytes::Bytes;

use super::OptionValue;
use crate::base::{message::Message, options::Options};

/// How a field of the options becomes a value of libzmq's, and back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lens {
    /// Yes or no.
    Flag(fn(&mut Options) -> &mut bool),
    /// Yes means no.
    Not(fn(&mut Options) -> &mut bool),
    /// A number that may not be negative.
    Count(fn(&mut Options) -> &mut usize),
    /// The same in 32 bits.
    Count32(fn(&mut Options) -> &mut u32),
    /// Octets; -1: the system's choice.
    Size(fn(&mut Options) -> &mut Option<usize>),
    /// Milliseconds; -1: for ever.
    Wait(fn(&mut Options) -> &mut Option<Duration>),
    /// Milliseconds; 0: none.
    Limit(fn(&mut Options) -> &mut Option<Duration>),
    /// Octets.
    Octets(fn(&mut Options) -> &mut Bytes),
    /// A message of one frame; empty: none.
    Body(fn(&mut Options) -> &mut Option<Message>),
    /// Text; empty: none.
    Text(fn(&mut Options) -> &mut Option<String>),
    /// By hand: read, then set.
    Other(
        fn(&Options) -> OptionValue,
        fn(&mut Options, &OptionValue) -> Result<(), &'static str>,
    ),
}

impl Lens {
    /// What the field says.
    pub(super) fn value(self, options: &Options) -> OptionValue {
        // Whoever asks for values does not do so often: a copy spares a second set of fields.
        let copy = &mut options.clone();
        let none_is = |none, time: Option<Duration>| time.map_or(none, millis);
        match self {
            Lens::Flag(field) => (*field(copy)).into(),
            Lens::Not(field) => (!*field(copy)).into(),
            Lens::Count(field) => number(*field(copy)).into(),
            Lens::Count32(field) => i64::from(*field(copy)).into(),
            Lens::Size(field) => field(copy).map_or(-1, number).into(),
            Lens::Wait(field) => none_is(-1, *field(copy)).into(),
            Lens::Limit(field) => none_is(0, *field(copy)).into(),
            Lens::Octets(field) => field(copy).clone().into(),
            Lens::Body(field) => {
                let message = field(copy).take().unwrap_or_default();
                message.first().into()
            }
            Lens::Text(field) => field(copy).take().unwrap_or_default().as_str().into(),
            Lens::Other(value, _) => value(options),
        }
    }

    /// Sets the field. The value is of the right kind and in range.
    pub(super) fn set(
        self,
        options: &mut Options,
        value: &OptionValue,
    ) -> Result<(), &'static str> {
        let (number, octets) = (as_number(value), as_octets(value));
        match self {
            Lens::Flag(field) => *field(options) = number != 0,
            Lens::Not(field) => *field(options) = number == 0,
            Lens::Count(field) => *field(options) = usize::try_from(number).unwrap_or(0),
            Lens::Count32(field) => *field(options) = u32::try_from(number).unwrap_or(0),
            Lens::Size(field) => *field(options) = usize::try_from(number).ok(),
            Lens::Wait(field) => *field(options) = time(number),
            Lens::Limit(field) => *field(options) = time(number).filter(|time| !time.is_zero()),
            Lens::Octets(field) => *field(options) = octets,
            Lens::Body(field) => {
                *field(options) = (!octets.is_empty()).then(|| Message::from(octets));
            }
            Lens::Text(field) => *field(options) = as_text(&octets),
            Lens::Other(_, set) => return set(options, value),
        }
        Ok(())
    }
}

/// A number, which the kind of the row has made sure of.
pub(super) fn as_number(value: &OptionValue) -> i64 {
    match value {
        OptionValue::Number(number) => *number,
        OptionValue::Octets(_) => 0,
    }
}

/// Octets, likewise.
pub(super) fn as_octets(value: &OptionValue) -> Bytes {
    match value {
        OptionValue::Number(_) => Bytes::new(),
        OptionValue::Octets(octets) => octets.clone(),
    }
}

/// Text; empty is none.
pub(super) fn as_text(octets: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(octets);
    (!text.is_empty()).then(|| text.into_owned())
}

/// A time in milliseconds; none if it is negative.
pub(super) fn time(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// Milliseconds of a time.
pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
