//! How options and their values are written, and the tables of `docs/OPTIONS.md`.

use std::fmt::{self, Write};

use super::{
    Here, OptionAccess, OptionDefault, OptionKind, OptionMoment, OptionName, OptionValue, Others,
    rows::{CONTEXT, MESSAGE, SOCKET},
};

impl fmt::Display for OptionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionName::Name(name) => f.write_str(name),
            OptionName::Number(number) => write!(f, "number {number}"),
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
            let mut sockets = if sockets.is_empty() {
                "all".into()
            } else {
                sockets.join(" ")
            };
            sockets += match row.others {
                Others::Refuse => "",
                Others::Read => "; others read it",
                Others::Keep => "; others keep it",
                Others::Publish => "; PUB keeps it",
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
