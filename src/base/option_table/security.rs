//! The options of security: whichever is set last says what the mechanism is.
//!
//! Keys of CURVE come one by one, in any order; until those that count are there, nobody comes in.

use bytes::Bytes;

use super::{
    OptionValue,
    lens::{as_number, as_octets, as_text},
};
use crate::base::{
    auth::{CurveKeys, Security},
    keys::{KEY_OCTETS, PublicKey, SecretKey},
    options::Options,
    secret::{Secret, clear},
};

type Set = Result<(), &'static str>;

pub(super) fn plain(it: &Options) -> (&[u8], &[u8]) {
    match &it.security {
        Security::PlainClient { user, password } => (user, password.expose()),
        _ => (&[], &[]),
    }
}

pub(super) fn set_plain_name(it: &mut Options, value: &OptionValue) -> Set {
    let user = as_octets(value);
    it.security = match user.is_empty() {
        true => Security::Null,
        false => Security::PlainClient {
            user,
            password: Secret::copy_from(plain(it).1),
        },
    };
    Ok(())
}

pub(super) fn set_plain_password(it: &mut Options, value: &OptionValue) -> Set {
    let password = as_octets(value);
    it.security = match password.is_empty() {
        true => Security::Null,
        false => Security::PlainClient {
            user: Bytes::copy_from_slice(plain(it).0),
            password: Secret::copy_from(&password),
        },
    };
    Ok(())
}

pub(super) fn is_plain_server(it: &Options) -> OptionValue {
    matches!(it.security, Security::PlainServer(_)).into()
}

pub(super) fn set_plain_server(it: &mut Options, value: &OptionValue) -> Set {
    it.security = match (as_number(value), std::mem::take(&mut it.security)) {
        (0, _) => Security::Null,
        (_, server @ Security::PlainServer(_)) => server,
        _ => Security::PlainServer(None),
    };
    Ok(())
}

/// The keys as they stand, whoever has set them.
fn keys(it: &Options) -> CurveKeys {
    match &it.security {
        Security::CurveKeys(keys) => keys.clone(),
        Security::Curve(curve) => CurveKeys {
            is_server: curve.server.is_none(),
            public: Some(curve.keys.public()),
            secret: Some(curve.keys.secret().clone()),
            server: curve.server,
        },
        _ => CurveKeys::default(),
    }
}

fn set_keys(it: &mut Options, keys: CurveKeys) -> Set {
    if !cfg!(feature = "curve") {
        return Err("only with the feature curve");
    }
    it.security = Security::CurveKeys(keys);
    Ok(())
}

pub(super) fn is_curve_server(it: &Options) -> OptionValue {
    keys(it).is_server.into()
}

pub(super) fn set_curve_server(it: &mut Options, value: &OptionValue) -> Set {
    let is_server = as_number(value) != 0;
    let keys = keys(it);
    set_keys(it, CurveKeys { is_server, ..keys })?;
    if !is_server {
        it.security = Security::Null;
    }
    Ok(())
}

fn octets_of(key: Option<PublicKey>) -> OptionValue {
    let octets = key.map_or([0; KEY_OCTETS], |key| *key.as_bytes());
    Bytes::copy_from_slice(&octets).into()
}

pub(super) fn curve_public(it: &Options) -> OptionValue {
    octets_of(keys(it).public)
}

pub(super) fn set_curve_public(it: &mut Options, value: &OptionValue) -> Set {
    let public = Some(public_key(value)?);
    let keys = keys(it);
    set_keys(it, CurveKeys { public, ..keys })
}

pub(super) fn curve_secret(it: &Options) -> OptionValue {
    let keys = keys(it);
    let nothing = [0; KEY_OCTETS];
    let secret = keys.secret.as_ref().map_or(&nothing, SecretKey::expose);
    Bytes::copy_from_slice(secret).into()
}

pub(super) fn set_curve_secret(it: &mut Options, value: &OptionValue) -> Set {
    let octets = as_octets(value);
    let secret = match <[u8; KEY_OCTETS]>::try_from(&octets[..]) {
        Ok(mut octets) => {
            let key = SecretKey::from(octets);
            clear(&mut octets);
            key
        }
        Err(_) => text(&octets)?.parse().map_err(|_| NO_KEY)?,
    };
    let secret = Some(secret);
    let keys = keys(it);
    set_keys(it, CurveKeys { secret, ..keys })
}

pub(super) fn curve_server_key(it: &Options) -> OptionValue {
    octets_of(keys(it).server)
}

pub(super) fn set_curve_server_key(it: &mut Options, value: &OptionValue) -> Set {
    let server = Some(public_key(value)?);
    let keys = CurveKeys {
        is_server: false,
        server,
        ..keys(it)
    };
    set_keys(it, keys)
}

const NO_KEY: &str = "a key has 32 octets, or 40 characters of Z85";

fn public_key(value: &OptionValue) -> Result<PublicKey, &'static str> {
    let octets = as_octets(value);
    match <[u8; KEY_OCTETS]>::try_from(&octets[..]) {
        Ok(octets) => Ok(octets.into()),
        Err(_) => text(&octets)?.parse().map_err(|_| NO_KEY),
    }
}

/// Text, with or without the zero that ends it in C.
fn text(octets: &[u8]) -> Result<&str, &'static str> {
    let octets = octets.strip_suffix(b"\0").unwrap_or(octets);
    std::str::from_utf8(octets).map_err(|_| NO_KEY)
}

pub(super) fn zap_domain(it: &Options) -> OptionValue {
    it.zap_domain.as_str().into()
}

pub(super) fn set_zap_domain(it: &mut Options, value: &OptionValue) -> Set {
    it.zap_domain = as_text(&as_octets(value)).unwrap_or_default();
    Ok(())
}
