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

use std::fmt::{self, Write};

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
        if let Here::Absent(why) = self.here {
            return Err(self.wrong(why));
        }
        if !self.is_for(socket_type) {
            return Err(self.wrong(format_args!("not an option of {socket_type}")));
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
                if self.kind == OptionKind::Text && std::str::from_utf8(octets).is_err() {
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
        self.check(socket_type, value)?;
        match (self.here, value) {
            (Here::Field(lens, _), _) => {
                lens.set(options, value).map_err(|what| self.wrong(what))?;
            }
            (Here::Held(_), OptionValue::Number(number)) => {
                options.told.held.insert(self.number, *number);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What `options` say, if it is one of their fields.
    pub fn value(&self, options: &Options) -> Option<OptionValue> {
        match self.here {
            Here::Field(lens, _) => Some(lens.value(options)),
            Here::Held(_) => {
                let held = options.told.held.get(&self.number);
                match (held, self.begins_with()) {
                    (Some(number), _) => Some(OptionValue::Number(*number)),
                    (None, OptionDefault::Number(number)) => Some(OptionValue::Number(number)),
                    _ => None,
                }
            }
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

impl fmt::Display for OptionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionName::Name(name) => f.write_str(name),
            OptionName::Number(number) => write!(f, "number {number}"),
        }
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

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Number(number) => write!(f, "{number}"),
            OptionValue::Octets(octets) => write!(f, "\"{}\"", octets.escape_ascii()),
        }
    }
}

impl fmt::Display for OptionDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionDefault::None => f.write_str("–"),
            OptionDefault::Number(number) => write!(f, "{number}"),
            OptionDefault::Text("") => f.write_str("empty"),
            OptionDefault::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptionKind::Int => "int",
            OptionKind::I64 => "i64",
            OptionKind::U64 => "u64",
            OptionKind::Octets => "octets",
            OptionKind::Text => "text",
        })
    }
}

impl fmt::Display for OptionAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptionAccess::Get => "get",
            OptionAccess::Set => "set",
            OptionAccess::Both => "get, set",
        })
    }
}

impl fmt::Display for OptionMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptionMoment::Live => "at once",
            OptionMoment::NextEndpoint => "next bind or connect",
            OptionMoment::FirstEndpoint => "before the first bind or connect",
            OptionMoment::NextSocket => "next socket",
            OptionMoment::NextThread => "next I/O thread",
            OptionMoment::Never => "–",
        })
    }
}

impl fmt::Display for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Here::Field(_, how) | Here::Call(how) => write!(f, "`{how}`"),
            Here::Held(why) => write!(f, "held: {why}"),
            Here::Absent(why) => write!(f, "no: {why}"),
        }
    }
}

/// The rows as the tables of `docs/OPTIONS.md`, which a test compares.
pub fn tables() -> String {
    let mut text = String::new();
    let all = [
        ("Sockets", SOCKET),
        ("Contexts", CONTEXT),
        ("Messages", MESSAGE),
    ];
    for (title, rows) in all {
        let acting = rows.iter().filter(|row| row.acts()).count();
        let _ = write!(
            text,
            "\n## {title}: {acting} of {} act\n\n{HEAD}\n",
            rows.len()
        );
        for row in rows {
            let default = match row.ours {
                Some(ours) => format!("{ours} (libzmq: {})", row.default),
                None => row.default.to_string(),
            };
            let sockets: Vec<&str> = row.sockets.iter().map(|kind| kind.name()).collect();
            let sockets = if sockets.is_empty() {
                "all".into()
            } else {
                sockets.join(" ")
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {default} | {} | {sockets} | {} | {} |",
                row.name,
                row.number,
                row.kind,
                row.access,
                row.unit,
                if row.access == OptionAccess::Get {
                    "–".into()
                } else {
                    row.range_text()
                },
                row.moment,
                row.here,
            );
        }
    }
    text
}

const HEAD: &str = "| option | number | type | access | unit | default | range | sockets | takes effect | here |\n\
                    |---|---|---|---|---|---|---|---|---|---|";
