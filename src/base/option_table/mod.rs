//! The options of libzmq by name and number: what each means here.
//!
//! ```text
//!   row    name · number · type · default · range · sockets · moment ── docs/OPTIONS.md
//!    └── here ── Field: a field of `Options`, seen as libzmq's value   ◄── Builder::option
//!            ├── Call: a call of ours does it                          ◄── set_option
//!            ├── Held: kept for endpoints of a kind that is not here
//!            └── Absent: why it cannot act, which is the error
//! ```
//!
//! One row each in [`rows`](self::rows). Programs in Rust use the typed builder; this is for
//! programs that come from libzmq, for bindings, and for the documentation.

mod contexts;
mod fields;
mod lens;
mod rows;
mod security;
pub mod text;

use std::fmt;

use bytes::Bytes;

use super::{
    error::{Error, ErrorKind},
    options::Options,
    socket_type::SocketType,
};

use self::{
    lens::Lens,
    rows::{CONTEXT, MESSAGE, SOCKET},
};

/// An option of libzmq.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OptionRow {
    /// libzmq's name, without `ZMQ_`.
    pub name: &'static str,
    /// libzmq's number.
    pub number: i32,
    /// The type of its value.
    pub kind: OptionKind,
    /// Can it be read, set?
    pub access: OptionAccess,
    /// The unit of its value, or what the octets are.
    pub unit: &'static str,
    /// What libzmq begins with.
    pub default: OptionDefault,
    /// What we begin with, where that is something else.
    pub ours: Option<OptionDefault>,
    /// The numbers it takes, or how many octets.
    pub range: (i64, i64),
    /// The socket types that have it; empty: all.
    pub sockets: &'static [SocketType],
    /// What it is to sockets of other types, if they are to be like libzmq's.
    pub(crate) others: Others,
    /// When a new value takes effect.
    pub moment: OptionMoment,
    /// What it is here.
    pub(crate) here: Here,
}

/// The type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionKind {
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    I64,
    /// 64 bits.
    U64,
    /// Octets.
    Octets,
    /// Text.
    Text,
}

/// What can be done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionAccess {
    /// Read only.
    Get,
    /// Set only, at libzmq. (Here, what is a field can be read too.)
    Set,
    /// Both.
    Both,
}

/// When a new value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionMoment {
    /// At once.
    Live,
    /// For endpoints bound or connected from then on.
    NextEndpoint,
    /// Only before the first endpoint outside of the process.
    FirstEndpoint,
    /// For sockets that are made from then on.
    NextSocket,
    /// For I/O threads that are started from then on: before the first socket leaves the process.
    NextThread,
    /// It is only read.
    Never,
}

/// What an option is to sockets of types that have no use for it, if they are to be like libzmq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// An error.
    Refuse,
    /// They are asked for it, and say what it begins with. Set it would promise what is not so.
    Read,
    /// They keep it, and say what they keep.
    Keep,
    /// A PUB keeps it, which has it from an XPUB at libzmq.
    Publish,
}

/// What an option of libzmq is here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Here {
    /// A field of the options, with the builder's call that sets it.
    Field(Lens, &'static str),
    /// A call does it.
    Call(&'static str),
    /// Only endpoints of a kind that is not here would use it, and connecting to those is an error.
    /// It is kept and read back, for programs that set up more than they use.
    Held(&'static str),
    /// It cannot act, and setting it is an error that says why.
    Absent(&'static str),
}

/// A default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionDefault {
    /// There is none.
    None,
    /// A number.
    Number(i64),
    /// Text or octets.
    Text(&'static str),
}

/// An option by libzmq's name, with or without `ZMQ_`, or by its number.
///
/// ```
/// use hubless::Push;
///
/// let push = Push::new()?;
/// push.set_option("ZMQ_SNDHWM", 10)?;
/// assert_eq!(push.option(23)?, push.option("SNDHWM")?);
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionName<'a> {
    /// Its name.
    Name(&'a str),
    /// Its number.
    Number(i32),
}

/// The value of an option, as libzmq has it: times are milliseconds, yes and no are 1 and 0.
///
/// ```
/// use hubless::OptionValue;
///
/// assert_eq!(OptionValue::from(1000), OptionValue::Number(1000));
/// assert_eq!(OptionValue::from("eth0").to_string(), "\"eth0\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// A number.
    Number(i64),
    /// Text or octets.
    Octets(Bytes),
}

impl OptionRow {
    /// The row of a socket option, by its name: `SNDHWM` or `ZMQ_SNDHWM`.
    ///
    /// ```
    /// use hubless::OptionRow;
    ///
    /// let row = OptionRow::named("ZMQ_SNDHWM").expect("libzmq has it");
    /// assert_eq!((row.number, row.acts()), (23, true));
    /// ```
    pub fn named(name: &str) -> Option<&'static OptionRow> {
        let name = name.strip_prefix("ZMQ_").unwrap_or(name);
        SOCKET.iter().find(|row| row.name == name)
    }

    /// The row of a socket option, by libzmq's number.
    pub fn numbered(number: i32) -> Option<&'static OptionRow> {
        SOCKET.iter().find(|row| row.number == number)
    }

    /// The row of a socket option, by its name or number.
    ///
    /// # Errors
    /// `InvalidOption` if there is none.
    pub(crate) fn find(option: OptionName<'_>) -> Result<&'static OptionRow, Error> {
        let found = match option {
            OptionName::Name(name) => OptionRow::named(name),
            OptionName::Number(number) => OptionRow::numbered(number),
        };
        found.ok_or_else(|| Error::new(ErrorKind::InvalidOption, option.to_string()))
    }

    /// Every option of sockets.
    pub fn of_sockets() -> &'static [OptionRow] {
        SOCKET
    }

    /// Every option of contexts.
    pub fn of_contexts() -> &'static [OptionRow] {
        CONTEXT
    }

    /// Every property of messages that has a number.
    pub fn of_messages() -> &'static [OptionRow] {
        MESSAGE
    }

    /// Can it be set, or read?
    pub(crate) fn allows(&self, sets: bool) -> bool {
        match self.access {
            OptionAccess::Both => true,
            OptionAccess::Set => sets,
            OptionAccess::Get => !sets,
        }
    }

    /// Does it act here?
    pub fn acts(&self) -> bool {
        self.how().is_ok()
    }

    /// The call of ours that does it, or why none can.
    pub fn how(&self) -> Result<&'static str, &'static str> {
        match self.here {
            Here::Field(_, how) | Here::Call(how) => Ok(how),
            Here::Held(why) | Here::Absent(why) => Err(why),
        }
    }

    /// Do sockets of this type have it?
    pub fn is_for(&self, socket_type: SocketType) -> bool {
        self.sockets.is_empty() || self.sockets.contains(&socket_type)
    }

    /// May sockets of this type, which have no use for it, be asked for it, and keep it?
    fn is_kept_by(&self, socket_type: SocketType) -> (bool, bool) {
        match self.others {
            Others::Refuse => (false, false),
            Others::Read => (true, false),
            Others::Keep => (true, true),
            Others::Publish => (false, socket_type == SocketType::Pub),
        }
    }

    /// Can a socket of this type be asked for it?
    ///
    /// # Errors
    /// `InvalidOption`.
    pub(crate) fn check_type(&self, socket_type: SocketType, like: bool) -> Result<(), Error> {
        match self.is_for(socket_type) || like && self.is_kept_by(socket_type).0 {
            true => Ok(()),
            false => Err(self.wrong(format_args!("not an option of {socket_type}"))),
        }
    }

    /// What our sockets begin with.
    pub fn begins_with(&self) -> OptionDefault {
        self.ours.unwrap_or(self.default)
    }

    /// Can a socket of this type be given this value?
    ///
    /// # Errors
    /// `InvalidOption`, with the name and what is wrong: another type's option, one that cannot
    /// act here or is only read, the wrong kind of value, a value out of range.
    pub fn check(&self, socket_type: SocketType, value: &OptionValue) -> Result<(), Error> {
        self.check_like(socket_type, false, value)
    }

    /// The same of one that is to be like libzmq's, if it is `like` that: it keeps, too, what is
    /// nothing to it.
    pub(crate) fn check_like(
        &self,
        socket_type: SocketType,
        like: bool,
        value: &OptionValue,
    ) -> Result<(), Error> {
        if let Here::Absent(why) = self.here {
            return Err(self.wrong(why));
        }
        if !(like && self.is_kept_by(socket_type).1) {
            self.check_type(socket_type, false)?;
        }
        self.check_value(value)
    }

    /// Can it be given this value?
    ///
    /// # Errors
    /// `InvalidOption`, as [`check`](OptionRow::check).
    pub(crate) fn check_value(&self, value: &OptionValue) -> Result<(), Error> {
        if let Here::Absent(why) = self.here {
            return Err(self.wrong(why));
        }
        if self.access == OptionAccess::Get {
            return Err(self.wrong("it is only read"));
        }
        let (least, most) = self.range;
        match (self.kind, value) {
            (OptionKind::Int | OptionKind::I64 | OptionKind::U64, OptionValue::Number(number)) => {
                if !(least..=most).contains(number) {
                    return Err(self.wrong(format_args!("{number} is not {}", self.range_text())));
                }
            }
            (OptionKind::Int, OptionValue::Octets(octets))
                if octets.is_empty() && self.is_list() => {}
            // libzmq takes a number here, too, from those who can give nothing else.
            (OptionKind::Text, OptionValue::Number(_)) if self.name == "THREAD_NAME_PREFIX" => {}
            (OptionKind::Octets | OptionKind::Text, OptionValue::Octets(octets)) => {
                let count = i64::try_from(octets.len()).unwrap_or(i64::MAX);
                if !(least..=most).contains(&count) {
                    let range = self.range_text();
                    return Err(self.wrong(format_args!("{count} octets are not {range}")));
                }
                let text = self.kind == OptionKind::Text && !self.is_login();
                if text && std::str::from_utf8(octets).is_err() {
                    return Err(self.wrong("it is no text"));
                }
            }
            _ => return Err(self.wrong(format_args!("it takes {}", self.kind))),
        }
        Ok(())
    }

    /// Sets the field of `options` that it is. False if it is no field.
    ///
    /// # Errors
    /// `InvalidOption`, as [`check`](OptionRow::check); or the value makes no sense.
    pub fn set(
        &self,
        options: &mut Options,
        socket_type: SocketType,
        value: &OptionValue,
    ) -> Result<bool, Error> {
        self.check_like(socket_type, options.like_libzmq, value)?;
        match (self.here, value) {
            (Here::Field(lens, _), _) if self.is_for(socket_type) => {
                lens.set(options, value).map_err(|what| self.wrong(what))?;
            }
            (Here::Field(..) | Here::Held(_), OptionValue::Number(number)) => {
                let kept = match self.unit {
                    "yes or no" => i64::from(*number != 0),
                    _ => *number,
                };
                options.told.held.insert(self.number, kept);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What `options` say, if it is one of their fields.
    pub fn value(&self, options: &Options) -> Option<OptionValue> {
        if let Some(number) = options.told.held.get(&self.number) {
            return Some(OptionValue::Number(*number));
        }
        match (self.here, self.begins_with()) {
            (Here::Field(lens, _), _) => Some(lens.value(options)),
            (Here::Held(_), OptionDefault::Number(number)) => Some(OptionValue::Number(number)),
            _ => None,
        }
    }

    /// The error of an option that was told something wrong.
    pub fn wrong(&self, what: impl fmt::Display) -> Error {
        Error::new(ErrorKind::InvalidOption, format!("{}: {what}", self.name))
    }

    /// Does each number add one, and none at all clear what was added?
    fn is_list(&self) -> bool {
        self.name.starts_with("IPC_FILTER")
    }

    /// Is it a name or password that is sent as it is, whatever its octets?
    fn is_login(&self) -> bool {
        ["PLAIN_", "SOCKS_"]
            .iter()
            .any(|it| self.name.starts_with(it))
            && (self.name.ends_with("NAME") || self.name.ends_with("PASSWORD"))
    }

    fn range_text(&self) -> String {
        let octets = matches!(self.kind, OptionKind::Octets | OptionKind::Text);
        let unit = if octets { " octets" } else { "" };
        match self.range {
            (i64::MIN, i64::MAX) => "any".into(),
            (least, i64::MAX) => format!("{least} or more{unit}"),
            (least, most) if most == i64::from(i32::MAX) => format!("{least} or more{unit}"),
            (only, most) if only == most => format!("{only}{unit}"),
            (least, most) => format!("{least} to {most}{unit}"),
        }
    }
}

impl<'a> From<&'a str> for OptionName<'a> {
    fn from(name: &'a str) -> OptionName<'a> {
        OptionName::Name(name)
    }
}

impl<'a> From<&'a String> for OptionName<'a> {
    fn from(name: &'a String) -> OptionName<'a> {
        OptionName::Name(name)
    }
}

impl From<i32> for OptionName<'_> {
    fn from(number: i32) -> Self {
        OptionName::Number(number)
    }
}

impl From<i64> for OptionValue {
    fn from(number: i64) -> OptionValue {
        OptionValue::Number(number)
    }
}

impl From<i32> for OptionValue {
    fn from(number: i32) -> OptionValue {
        OptionValue::Number(number.into())
    }
}

impl From<bool> for OptionValue {
    fn from(yes: bool) -> OptionValue {
        OptionValue::Number(yes.into())
    }
}

impl From<&str> for OptionValue {
    fn from(text: &str) -> OptionValue {
        OptionValue::Octets(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for OptionValue {
    fn from(octets: &[u8]) -> OptionValue {
        OptionValue::Octets(Bytes::copy_from_slice(octets))
    }
}

impl From<Bytes> for OptionValue {
    fn from(octets: Bytes) -> OptionValue {
        OptionValue::Octets(octets)
    }
}

impl PartialEq<OptionDefault> for OptionValue {
    fn eq(&self, other: &OptionDefault) -> bool {
        match (self, other) {
            (OptionValue::Number(ours), OptionDefault::Number(theirs)) => ours == theirs,
            (OptionValue::Octets(ours), OptionDefault::Text(theirs)) => ours == theirs,
            _ => false,
        }
    }
}
