//! Fields of the options that are no plain number or text at libzmq: each read, then set.

use std::{mem::discriminant, time::Duration};

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

/// All 64 bits, of which the last is the sign here.
pub(super) fn set_affinity(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.affinity = as_number(value) as u64;
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

/// The first wait and the longest, milliseconds: as they were said, if they still hold.
pub(super) fn reconnect(it: &Options) -> (i64, i64) {
    match (it.told.reconnect, it.reconnect) {
        (Some(told), now) if waits(told) == now => told,
        (_, Reconnect::Never) => (-1, 0),
        (_, Reconnect::Backoff { min, max }) => (millis(min), millis(max)),
    }
}

/// What libzmq means by them: nothing below 1 ms, no growth if the longest is 0, and the longest
/// wins.
fn waits((first, longest): (i64, i64)) -> Reconnect {
    match (time(first), time(longest)) {
        (Some(first), Some(longest)) if !first.is_zero() => Reconnect::Backoff {
            min: if longest.is_zero() {
                first
            } else {
                first.min(longest)
            },
            max: if longest.is_zero() { first } else { longest },
        },
        _ => Reconnect::Never,
    }
}

fn set_waits(it: &mut Options, told: (i64, i64)) {
    it.told.reconnect = Some(told);
    it.reconnect = waits(told);
}

pub(super) fn set_reconnect(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let (_, longest) = reconnect(it);
    set_waits(it, (as_number(value), longest));
    Ok(())
}

pub(super) fn set_reconnect_max(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let (first, _) = reconnect(it);
    set_waits(it, (first, as_number(value)));
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

/// On, off, or as the system is set. The times of probes may be said before or after.
pub(super) fn set_keepalive(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let ((idle, interval), count) = known_probes(it);
    it.told.probe_times = (idle, interval);
    it.told.probe_count = count;
    it.keepalive = match as_number(value) {
        0 => Keepalive::Off,
        1 => Keepalive::On {
            idle,
            interval,
            count,
        },
        _ => Keepalive::System,
    };
    Ok(())
}

/// The times of probes, and their count, whether or not probes are sent.
fn known_probes(it: &Options) -> ((Option<Duration>, Option<Duration>), Option<u32>) {
    match it.keepalive {
        Keepalive::On {
            idle,
            interval,
            count,
        } => ((idle, interval), count),
        _ => (it.told.probe_times, it.told.probe_count),
    }
}

/// Idle and interval in seconds, and count; -1 what the system says.
pub(super) fn probes(it: &Options) -> (i64, i64, i64) {
    let seconds = |time: Option<Duration>| time.map_or(-1, |time| time.as_secs() as i64);
    let ((idle, interval), count) = known_probes(it);
    (
        seconds(idle),
        seconds(interval),
        count.map_or(-1, i64::from),
    )
}

pub(super) fn set_probe_idle(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let time = seconds(value)?;
    it.told.probe_times.0 = time;
    if let Keepalive::On { idle, .. } = &mut it.keepalive {
        *idle = time;
    }
    Ok(())
}

pub(super) fn set_probe_interval(
    it: &mut Options,
    value: &OptionValue,
) -> Result<(), &'static str> {
    let time = seconds(value)?;
    it.told.probe_times.1 = time;
    if let Keepalive::On { interval, .. } = &mut it.keepalive {
        *interval = time;
    }
    Ok(())
}

pub(super) fn set_probe_count(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let told = match as_number(value) {
        0 => return Err("at least one probe"),
        number => u32::try_from(number).ok(),
    };
    it.told.probe_count = told;
    if let Keepalive::On { count, .. } = &mut it.keepalive {
        *count = told;
    }
    Ok(())
}

fn seconds(value: &OptionValue) -> Result<Option<Duration>, &'static str> {
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

/// The last process, user or group that was named, or -1.
pub(super) fn last_local(it: &Options, kind: LocalPeer) -> OptionValue {
    let same = |peer: &&LocalPeer| discriminant(*peer) == discriminant(&kind);
    OptionValue::Number(match it.accept_local.iter().rev().find(same) {
        None => -1,
        Some(LocalPeer::Process(pid)) => (*pid).into(),
        Some(LocalPeer::User(id) | LocalPeer::Group(id)) => (*id).into(),
    })
}

/// Adds a process, user or group; no value takes back all of that kind.
pub(super) fn add_local(
    it: &mut Options,
    value: &OptionValue,
    kind: LocalPeer,
) -> Result<(), &'static str> {
    let OptionValue::Number(number) = value else {
        let other = |peer: &LocalPeer| discriminant(peer) != discriminant(&kind);
        it.accept_local.retain(other);
        return Ok(());
    };
    // All 32 bits count, and C has them in a number with a sign.
    let id = *number as u32;
    it.accept_local.push(match kind {
        LocalPeer::Process(_) => {
            LocalPeer::Process(i32::try_from(*number).map_err(|_| "no process")?)
        }
        LocalPeer::User(_) => LocalPeer::User(id),
        LocalPeer::Group(_) => LocalPeer::Group(id),
    });
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

/// The password for the proxy, whether or not there is a name.
pub(super) fn socks_password(it: &Options) -> &[u8] {
    match &it.socks_login {
        Some((_, password)) => password.expose(),
        None => it.told.socks_password.as_ref().map_or(&[], Secret::expose),
    }
}

/// An empty name takes the login back. The password may be said before or after.
pub(super) fn set_socks_name(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let name = as_octets(value);
    let password = Secret::copy_from(socks_password(it));
    it.told.socks_password = Some(password.clone());
    it.socks_login = (!name.is_empty()).then_some((name, password));
    Ok(())
}

pub(super) fn set_socks_password(
    it: &mut Options,
    value: &OptionValue,
) -> Result<(), &'static str> {
    let password = Secret::copy_from(&as_octets(value));
    if let Some((_, known)) = &mut it.socks_login {
        *known = password.clone();
    }
    it.told.socks_password = Some(password);
    Ok(())
}

/// 1: tell who came, 2: who went, 3: both.
pub(super) fn notices(it: &Options) -> OptionValue {
    (i64::from(it.notify_connect) | i64::from(it.notify_disconnect) << 1).into()
}

pub(super) fn set_notices(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    let bits = as_number(value);
    it.notify_connect = bits & 1 != 0;
    it.notify_disconnect = bits & 2 != 0;
    Ok(())
}

/// Manual mode with all that belongs to it, as libzmq has it: one number sets both.
pub(super) fn set_last_value(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.xpub_last_value = as_number(value) > 0;
    it.xpub_manual = it.xpub_last_value;
    Ok(())
}

pub(super) fn use_fd(it: &Options) -> OptionValue {
    it.use_fd.map_or(-1, i64::from).into()
}

pub(super) fn set_use_fd(it: &mut Options, value: &OptionValue) -> Result<(), &'static str> {
    it.use_fd = i32::try_from(as_number(value)).ok().filter(|fd| *fd >= 0);
    Ok(())
}

/// What is always so here.
pub(super) fn always(_: &Options) -> OptionValue {
    OptionValue::Number(1)
}

pub(super) fn stay_so(_: &mut Options, _: &OptionValue) -> Result<(), &'static str> {
    Ok(())
}
