//! Endpoints: where a socket binds or connects.

use std::{fmt, str::FromStr};

use super::error::{Error, ErrorKind};

/// Where a socket binds or connects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint, Error> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        Ok(Endpoint(text.into()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
