//! Fields of the options that are no plain number or text at libzmq: each read, then set.

use std::time::Duration;

use bytes::Bytes;

use super::{
    OptionValue,
    lens::{as_number, as_octets, as_text, millis, time},
};
use crate::base::{
    filter::LocalPeer,
    options::{Keepalive, Linger, Options, Reconnect, ReconnectStop, Verbosity},
    secret::Secret,
};

pub(super) fn set_affinity(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.affinity = as_number(value).unsigned_abs();
    Ok(())
}

pub(super) fn linger(linger: Linger) -> i64 {
    match linger {
        Linger::Drop => 0,
        Linger::For(time) => millis(time),
        Linger::Forever => -1,
    }
}

pub(super) fn set_linger(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.linger = match time(as_number(value)) {
        None => Linger::Forever,
        Some(time) if time.is_zero() => Linger::Drop,
        Some(time) => Linger::For(time),
    };
    Ok(())
}

pub(super) fn reconnect(it: &Options) -> (i64, i64) {
    match it.reconnect {
        Reconnect::Never => (-1, 0),
        Reconnect::Backoff { min, max } => (millis(min), millis(max)),
    }
}

pub(super) fn set_reconnect(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.reconnect = match (time(as_number(value)), it.reconnect) {
        (None, _) => Reconnect::Never,
        (Some(min), _) if min.is_zero() => Reconnect::Never,
        (Some(min), Reconnect::Never) => Reconnect::Backoff { min, max: min },
        (Some(min), Reconnect::Backoff { max, .. }) => Reconnect::Backoff {
            min,
            max: max.max(min),
        },
    };
    Ok(())
}

pub(super) fn set_reconnect_max(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let longest = time(as_number(value)).unwrap_or_default();
    if let Reconnect::Backoff { min, max } = &mut it.reconnect {
        *max = longest.max(*min);
    }
    Ok(())
}

pub(super) fn message_max(it: &Options) -> OptionValue {
    match it.message_octets_max {
        u64::MAX => OptionValue::Number(-1),
        octets => i64::try_from(octets).unwrap_or(i64::MAX).into(),
    }
}

pub(super) fn set_message_max(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.message_octets_max = u64::try_from(as_number(value)).unwrap_or(u64::MAX);
    Ok(())
}

pub(super) fn keepalive(it: &Options) -> OptionValue {
    OptionValue::Number(match it.keepalive {
        Keepalive::System => -1,
        Keepalive::Off => 0,
        Keepalive::On { .. } => 1,
    })
}

pub(super) fn set_keepalive(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.keepalive = match (as_number(value), it.keepalive) {
        (0, _) => Keepalive::Off,
        (1, on @ Keepalive::On { .. }) => on,
        (1, _) => Keepalive::On {
            idle: None,
            interval: None,
            count: None,
        },
        _ => Keepalive::System,
    };
    Ok(())
}

/// Idle and interval in seconds, and count; -1 what the system says.
pub(super) fn probes(it: &Options) -> (i64, i64, i64) {
    match it.keepalive {
        Keepalive::On {
            idle,
            interval,
            count,
        } => {
            let seconds = |time: Option<Duration>| time.map_or(-1, |time| time.as_secs() as i64);
            (
                seconds(idle),
                seconds(interval),
                count.map_or(-1, i64::from),
            )
        }
        _ => (-1, -1, -1),
    }
}

/// The times of probes say something only where probes are sent.
const NO_PROBES: &str = "TCP_KEEPALIVE must be 1 first";

pub(super) fn set_probe_idle(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    match &mut it.keepalive {
        Keepalive::On { idle, .. } => *idle = seconds(value)?,
        _ => return unless_none(value),
    }
    Ok(())
}

pub(super) fn set_probe_interval(
    it: &mut Options,
    value: &OptionValue,
) -> Result<(), &'static str> {
    match &mut it.keepalive {
        Keepalive::On { interval, .. } => *interval = seconds(value)?,
        _ => return unless_none(value),
    }
    Ok(())
}

pub(super) fn set_probe_count(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    match &mut it.keepalive {
        Keepalive::On { count, .. } => *count = u32::try_from(as_number(value)).ok(),
        _ => return unless_none(value),
    }
    Ok(())
}

pub(super) fn unless_none(value: &OptionValue) -> Result<(), &'static str> {
    if as_number(value) < 0 {
        return Ok(());
    }
    Err(NO_PROBES)
}

pub(super) fn seconds(value: &OptionValue) -> Result<Option<Duration>, &'static str> {
    match as_number(value) {
        0 => Err("at least one second"),
        number => Ok(u64::try_from(number).ok().map(Duration::from_secs)),
    }
}

pub(super) fn set_verbosity(
    it: &mut Options,
    value: &OptionValue,
    to: Verbosity,
) -> Result<(), &'static str> {
    it.xpub_verbosity = if as_number(value) > 0 {
        to
    } else {
        Verbosity::First
    };
    Ok(())
}

pub(super) fn heartbeat_ttl(it: &Options) -> OptionValue {
    it.heartbeat_ttl.map_or(0, millis).into()
}

pub(super) fn set_heartbeat_ttl(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let tenths = as_number(value) / 100;
    it.heartbeat_ttl = time(tenths * 100).filter(|time| !time.is_zero());
    Ok(())
}

pub(super) fn last_property(it: &Options) -> OptionValue {
    let mut text = String::new();
    if let Some((name, value)) = it.properties.last() {
        text = format!("{name}:{}", String::from_utf8_lossy(value));
    }
    text.as_str().into()
}

pub(super) fn add_property(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let text = as_text(&as_octets(value)).unwrap_or_default();
    let (name, value) = text.split_once(':').ok_or("it takes X-name:value")?;
    it.add_property(name, value.as_bytes());
    Ok(())
}

pub(super) fn reconnect_stop(it: &Options) -> OptionValue {
    let ReconnectStop {
        refused,
        handshake_failed,
        lost,
    } = it.reconnect_stop;
    let bits = i64::from(refused) | i64::from(handshake_failed) << 1 | i64::from(lost) << 2;
    bits.into()
}

pub(super) fn set_reconnect_stop(
    it: &mut Options,
    value: &OptionValue,
) -> Result<(), &'static str> {
    let bits = as_number(value);
    it.reconnect_stop = ReconnectStop {
        refused: bits & 1 != 0,
        handshake_failed: bits & 2 != 0,
        lost: bits & 4 != 0,
    };
    Ok(())
}

pub(super) fn last_network(it: &Options) -> OptionValue {
    let last = it.accept_from.last();
    let text = last.map_or_else(String::new, |network| network.to_string());
    text.as_str().into()
}

pub(super) fn add_network(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    match as_text(&as_octets(value)) {
        None => it.accept_from.clear(),
        Some(text) => {
            let network = text.parse().map_err(|_| "no network")?;
            it.accept_from.push(network);
        }
    }
    Ok(())
}

pub(super) fn last_local(it: &Options) -> OptionValue {
    OptionValue::Number(match it.accept_local.last() {
        None => -1,
        Some(LocalPeer::Process(pid)) => (*pid).into(),
        Some(LocalPeer::User(id) | LocalPeer::Group(id)) => (*id).into(),
    })
}

pub(super) fn add_process(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let pid = i32::try_from(as_number(value)).map_err(|_| "no process")?;
    it.accept_local.push(LocalPeer::Process(pid));
    Ok(())
}

pub(super) fn add_user(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let id = u32::try_from(as_number(value)).map_err(|_| "no user")?;
    it.accept_local.push(LocalPeer::User(id));
    Ok(())
}

pub(super) fn add_group(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let id = u32::try_from(as_number(value)).map_err(|_| "no group")?;
    it.accept_local.push(LocalPeer::Group(id));
    Ok(())
}

/// A name and a password; empty if there are none.
type Login = Option<(Bytes, Secret)>;

pub(super) fn login(login: &Login) -> (&[u8], &[u8]) {
    match login {
        Some((name, password)) => (name, password.expose()),
        None => (&[], &[]),
    }
}

/// An empty name takes the login back.
pub(super) fn set_socks_name(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let name = as_octets(value);
    let password = Secret::copy_from(login(&it.socks_login).1);
    it.socks_login = (!name.is_empty()).then_some((name, password));
    Ok(())
}

pub(super) fn set_socks_password(
    it: &mut Options,
    value: &OptionValue,
) -> Result<(), &'static str> {
    let password = Secret::copy_from(&as_octets(value));
    let Some((_, known)) = &mut it.socks_login else {
        return Err("SOCKS_USERNAME comes first");
    };
    *known = password;
    Ok(())
}
