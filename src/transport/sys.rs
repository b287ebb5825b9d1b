//! The calls that std, mio and socket2 do not have: the only file with `unsafe`.

#![allow(unsafe_code)]

use std::{
    ffi::CStr,
    io, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    time::Duration,
};

use socket2::Socket;

use crate::base::context_options::ThreadOptions;

/// Receives at most `limit` octets to the end of `into`, which grows to hold `limit` more.
/// The octets are written into spare capacity, so nothing is zeroed first.
pub(super) fn read(socket: &Socket, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
    into.reserve(limit);
    let octets = socket.recv(&mut into.spare_capacity_mut()[..limit])?;
    debug_assert!(octets <= limit);
    // SAFETY: `recv` says that the kernel has written the first `octets` of the spare capacity,
    // and `octets <= limit <= capacity - len`, since the slice that it was given has that length.
    // A `recv` that counted more than it wrote would break this.
    unsafe { into.set_len(into.len() + octets) };
    Ok(octets)
}

/// Makes ready a barrier that orders the memory accesses of all cores that run this process
/// (membarrier, "private expedited"); `None` if the system has none.
#[cfg(target_os = "linux")]
pub(super) fn barrier() -> Option<fn()> {
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes three numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
    fn barrier() {
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        // It fails only for a process that has not registered.
        assert!(done, "membarrier was registered for");
    }
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED).then_some(barrier)
}

/// See above.
#[cfg(not(target_os = "linux"))]
pub(super) fn barrier() -> Option<fn()> {
    None
}

/// Cores that are online, whether or not this process may use them.
pub(super) fn cores() -> usize {
    // SAFETY: `sysconf` takes a number and gives one; it touches no memory of ours.
    let cores = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(cores).unwrap_or(1).max(1)
}

/// Can [`wait_readable`] be asked? Elsewhere mio's own timeouts are precise already (kqueue
/// takes nanoseconds).
pub(super) const WAITS_PRECISELY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Waits until `source` is readable or `wait` has passed, whichever is first.
///
/// # Errors
/// `Interrupted` when a signal came.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wait_readable(source: RawFd, wait: Duration) -> io::Result<()> {
    let mut watched = libc::pollfd {
        fd: source,
        events: libc::POLLIN,
        revents: 0,
    };
    let wait = libc::timespec {
        tv_sec: wait.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        // Below 10^9, which every form of the field holds.
        tv_nsec: wait.subsec_nanos() as _,
    };
    // SAFETY: both pointers are to live locals of the types that ppoll reads and writes, the
    // count is that of the one pollfd, and a null mask leaves the signals alone.
    let found = unsafe { libc::ppoll(&mut watched, 1, &wait, ptr::null()) };
    if found < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// See above; never called where `WAITS_PRECISELY` is false.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn wait_readable(_source: RawFd, _wait: Duration) -> io::Result<()> {
    Ok(())
}

/// A second descriptor of a poll, which outlives it.
pub(super) fn share(poll: &mio::Poll) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is the poll's own, open while the poll is borrowed, as it is here.
    let ours = unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) };
    ours.try_clone_to_owned()
}

/// A second descriptor of what has this number, closed on exec. The first one stays its owner's.
///
/// # Errors
/// If there is none of that number, or descriptors have run out.
pub(super) fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers only and touches no memory of ours; a number that is
    // nobody's is refused.
    let ours = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if ours < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(ours) })
}

/// Asks the kernel to end this thread's waits on time, instead of up to 50 µs later so that it
/// can join wake-ups: the sweep of small writes is of that length itself.
pub(super) fn sharpen_timers() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let slack_nanos: libc::c_ulong = 1;
        // SAFETY: PR_SET_TIMERSLACK takes one integer and concerns this thread only. If it is
        // refused, waits are merely less precise.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack_nanos) };
    }
}

/// Gives this thread its processors, policy and priority.
///
/// # Errors
/// What the system says: no such processor or policy, no right to it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn settle_thread(options: &ThreadOptions) -> io::Result<()> {
    let done = |outcome: libc::c_int| match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    if !options.processors.is_empty() {
        const PROCESSORS_MAX: usize = 8 * size_of::<libc::cpu_set_t>();
        // SAFETY: a processor set is plain data, and empty when zeroed.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        for processor in &options.processors {
            if *processor >= PROCESSORS_MAX {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // SAFETY: the number was found to lie within the set.
            unsafe { libc::CPU_SET(*processor, &mut set) };
        }
        // SAFETY: the pointer is to that live local, whose size is told; 0 is this thread.
        done(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) })?;
    }
    if options.policy.is_none() && options.priority.is_none() {
        return Ok(());
    }
    // SAFETY: it takes a number and gives one; 0 is this thread.
    let now = unsafe { libc::sched_getscheduler(0) };
    let policy = options.policy.unwrap_or(now);
    let real_time = matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR);
    let priority = options.priority.unwrap_or(0);
    // SAFETY: the parameter is plain data, of which all fields are set here or may be zero.
    let mut parameter: libc::sched_param = unsafe { mem::zeroed() };
    // The other policies know no priority but 0.
    parameter.sched_priority = if real_time { priority } else { 0 };
    // SAFETY: the pointer is to that live local; 0 is this thread.
    done(unsafe { libc::sched_setscheduler(0, policy, &parameter) })?;
    if !real_time && priority > 0 {
        // SAFETY: it takes numbers only; 0 is this thread.
        done(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) })?;
    }
    Ok(())
}

/// The most that a thread can be favoured under a policy without priorities.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NICEST: libc::c_int = -20;

/// See above.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn settle_thread(_: &ThreadOptions) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Leaves all signals that are sent to the process to the application's own threads. Those that
/// this thread would cause itself stay open.
pub(super) fn block_signals() {
    const OURS: [libc::c_int; 7] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    // SAFETY: a signal set is plain data, valid when zeroed and then filled in by sigfillset; the
    // pointers are to that live local; the call changes the mask of this thread only. The numbers
    // are valid signals, so none of the calls can fail.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut set);
        for signal in OURS {
            libc::sigdelset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
    }
}

/// Who is at the other end of a Unix-domain socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process, at the time it connected or listened; 0 where the system does not tell.
    pub pid: i32,
}

/// The credentials of a Unix-domain socket's peer.
///
/// # Errors
/// When it is no such socket or not connected.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn peer_credentials(socket: &Socket) -> io::Result<Credentials> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut octets = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the option fills in a ucred, which the pointer is to, and not more than `octets`;
    // both locals outlive the call, and the descriptor is open while `socket` is borrowed.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut octets,
        )
    };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Credentials {
        uid: credentials.uid,
        gid: credentials.gid,
        pid: credentials.pid,
    })
}

/// The credentials of a Unix-domain socket's peer.
///
/// # Errors
/// When it is no such socket or not connected.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn peer_credentials(socket: &Socket) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the pointers are to live locals of the types that getpeereid fills in, and the
    // descriptor is open while `socket` is borrowed.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &mut uid, &mut gid) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Credentials { uid, gid, pid: 0 })
}

/// Every IP address of every network interface, with the interface's name, port 0.
///
/// # Errors
/// When the system cannot tell.
pub(super) fn interface_addresses() -> io::Result<Vec<(String, SocketAddr)>> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: getifaddrs stores the head of a list in the local that the pointer is to.
    if unsafe { libc::getifaddrs(&mut list) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: `next` is null at the end of the list, or one of the entries that getifaddrs made,
    // all of which live until the list is freed below; nothing in it is written.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: `ifa_addr` is null or an address of the same list, as large as its family says.
        let Some(address) = (unsafe { ip_address(entry.ifa_addr) }) else {
            continue;
        };
        // SAFETY: `ifa_name` is a string that ends in zero and lives as long as the list.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        found.push((name.to_string_lossy().into_owned(), address));
    }
    // SAFETY: `list` came from getifaddrs, is freed once, and nothing borrowed from it is left.
    unsafe { libc::freeifaddrs(list) };
    Ok(found)
}

/// The IP address that `address` holds; `None` for null and for other families.
///
/// # Safety
/// `address` is null or points to an address that is as large as its family says.
unsafe fn ip_address(address: *const libc::sockaddr) -> Option<SocketAddr> {
    // SAFETY: null or valid, as our caller promises.
    let family = unsafe { address.as_ref() }?.sa_family;
    match libc::c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: of this family, so it is a sockaddr_in; read without regard to alignment.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, 0).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of this family, so it is a sockaddr_in6; read without regard to alignment.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, 0, 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// A second handle on an open socket, for tests that look at its options.
#[cfg(test)]
pub(super) fn same_socket(source: RawFd) -> Socket {
    // SAFETY: the tests call this while the stream or acceptor that owns `source` is alive.
    let source = unsafe { std::os::fd::BorrowedFd::borrow_raw(source) };
    source
        .try_clone_to_owned()
        .expect("descriptors are left")
        .into()
}

/// Sends a thread a signal that does nothing but interrupt its system call, for tests. The thread
/// must not have been joined yet.
#[cfg(test)]
pub(super) fn interrupt(thread: libc::pthread_t) {
    extern "C" fn nothing(_signal: libc::c_int) {}
    // SAFETY: a sigaction is plain data, valid when zeroed, here with a handler that does nothing
    // and without SA_RESTART; nothing else in the tests uses SIGUSR2. A thread that has ended but
    // was not joined still has a valid handle.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, ptr::null_mut()), 0);
        libc::pthread_kill(thread, libc::SIGUSR2);
    }
}
