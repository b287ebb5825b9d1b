//! Unix-domain sockets: `ipc:///tmp/feed`, and `ipc://@feed` in Linux's abstract name space.
//!
//! A path is a file that outlives its owner. What stands in our way at bind decides what is done:
//!
//! ```text
//!   nothing                      bind
//!   a socket, somebody accepts   address in use
//!   a socket, nobody does        its owner died: remove it, bind
//!   anything else                address in use, never touched
//! ```

use std::{
    fs,
    io::{self, IoSlice},
    os::{
        fd::AsRawFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt},
        },
    },
    path::{self, Path, PathBuf},
    process,
};

use socket2::{Domain, SockAddr, Socket};

use super::{socket, sys};
use crate::{
    base::{options::Options, tuning::IPC_BUFFER_OCTETS},
    reactor::metal::{Acceptor, Address, Ends, SourceId, Stream},
};

/// Connects to a path or abstract name. Such a connection stands at once or not at all.
///
/// # Errors
/// Nobody there, access refused, name too long, descriptors run out.
pub(super) fn connect(to: &Address, options: &Options) -> io::Result<Box<dyn Stream>> {
    let remote = name(to)?;
    let socket = fresh(options)?;
    match socket.connect(&remote) {
        // The listener's backlog is full. No readiness would tell when it no longer is, so this
        // is a refusal, to be tried again as any other.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::from_raw_os_error(libc::ECONNREFUSED))
        }
        Err(error) if !socket::is_under_way(&error) => Err(error),
        _ => Ok(Box::new(IpcStream {
            socket,
            endpoint: endpoint(to),
        })),
    }
}

/// Listens at a path or abstract name.
///
/// # Errors
/// Address in use, access refused, name too long, descriptors run out.
pub(super) fn listen(at: &Address, options: &Options) -> io::Result<Box<dyn Acceptor>> {
    let address = name(at)?;
    let socket = fresh(options)?;
    let file = match at {
        Address::Path(path) => Some(bind_path(&socket, &address, path)?),
        _ => {
            socket.bind(&address)?;
            None
        }
    };
    let acceptor = IpcAcceptor {
        socket,
        at: at.clone(),
        file,
        options: options.clone(),
    };
    let backlog = options.backlog.try_into().unwrap_or(libc::c_int::MAX);
    acceptor.socket.listen(backlog)?;
    Ok(Box::new(acceptor))
}

/// Takes over a socket that listens. Its file is not ours, and stays.
///
/// # Errors
/// If it does not listen, or has no name.
pub(super) fn adopt(
    socket: Socket,
    at: &SockAddr,
    options: &Options,
) -> io::Result<Box<dyn Acceptor>> {
    socket::check_listening(&socket)?;
    let name = at.as_abstract_namespace();
    let at = match (at.as_pathname(), name) {
        (Some(path), _) => Address::Path(path.into()),
        (None, Some(name)) => Address::Abstract(name.to_vec()),
        (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    Ok(Box::new(IpcAcceptor {
        socket,
        at,
        file: None,
        options: options.clone(),
    }))
}

fn fresh(options: &Options) -> io::Result<Socket> {
    let socket = socket::new(Domain::UNIX, None)?;
    size_buffers(&socket, options)?;
    Ok(socket)
}

/// Where the application does not say, ours is a better choice than the system's; but what an
/// operator has set higher stays.
fn size_buffers(socket: &Socket, options: &Options) -> io::Result<()> {
    let raised = |system: usize| (system <= IPC_BUFFER_OCTETS).then_some(IPC_BUFFER_OCTETS);
    let send = match options.send_buffer {
        None => raised(socket.send_buffer_size()?),
        said => said,
    };
    let recv = match options.recv_buffer {
        None => raised(socket.recv_buffer_size()?),
        said => said,
    };
    socket::size_buffers(socket, send, recv)
}

/// The name as the system wants it.
fn name(of: &Address) -> io::Result<SockAddr> {
    let octets = match of {
        Address::Path(path) => path.as_os_str().as_bytes().to_vec(),
        Address::Abstract(name) if cfg!(any(target_os = "linux", target_os = "android")) => {
            [&[0], name.as_slice()].concat()
        }
        Address::Abstract(_) => return Err(io::ErrorKind::Unsupported.into()),
        Address::Tcp(_) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let is_abstract = matches!(of, Address::Abstract(_));
    if octets.len() > NAME_OCTETS_MAX {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    // An empty name would make the system choose one; a zero ends a path early, or makes it an
    // abstract name.
    if octets.len() == usize::from(is_abstract) || (!is_abstract && octets.contains(&0)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an empty name, or a path with a zero octet",
        ));
    }
    SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&octets)))
}

/// Octets in a path, or in an abstract name with the zero octet before it.
const NAME_OCTETS_MAX: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// Binds to a path, over the file of a dead owner if need be.
fn bind_path(socket: &Socket, address: &SockAddr, path: &Path) -> io::Result<File> {
    match socket.bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(address, path)?;
            socket.bind(address)?;
        }
        other => other?,
    }
    File::of(path)
}

/// Removes the socket file at `path` if its owner is dead. Between the last look and the removal
/// there is a moment in which another process could bind there; the system has no call that does
/// both.
fn remove_stale(address: &SockAddr, path: &Path) -> io::Result<()> {
    let in_use = || io::Error::from_raw_os_error(libc::EADDRINUSE);
    // Without following links: a link is somebody's, and is not a socket.
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(in_use());
    }
    // An owner that lives sees a connection that ends at once.
    match socket::new(Domain::UNIX, None)?.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => return Err(in_use()),
    }
    if File::of(path)?.is_same(&found) {
        log::debug!("removing {}: its owner is gone", path.display());
        fs::remove_file(path)
    } else {
        Err(in_use())
    }
}

/// The file of a bound socket, and how to know it again.
struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
    process: u32,
}

impl File {
    fn of(path: &Path) -> io::Result<File> {
        let found = fs::symlink_metadata(path)?;
        Ok(File {
            // The working directory may be another one when it is time to remove it.
            path: path::absolute(path)?,
            device: found.dev(),
            inode: found.ino(),
            process: process::id(),
        })
    }

    fn is_same(&self, found: &fs::Metadata) -> bool {
        (found.dev(), found.ino()) == (self.device, self.inode)
    }

    /// Removes the file if it is still ours: of this process, not a forked child's, and not put
    /// there by somebody else since.
    fn remove(&self) {
        if process::id() != self.process {
            return;
        }
        let found = fs::symlink_metadata(&self.path);
        if !found.is_ok_and(|found| self.is_same(&found)) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            log::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// As users write it.
fn endpoint(of: &Address) -> String {
    match of {
        Address::Path(path) => format!("ipc://{}", path.display()),
        Address::Abstract(name) => format!("ipc://@{}", String::from_utf8_lossy(name)),
        Address::Tcp(address) => format!("tcp://{address}"),
    }
}

/// A connection.
struct IpcStream {
    socket: Socket,
    endpoint: String,
}

impl Stream for IpcStream {
    fn source(&self) -> SourceId {
        self.socket.as_raw_fd()
    }

    fn finish_connect(&self) -> io::Result<()> {
        socket::finish_connect(&self.socket)
    }

    fn read(&self, into: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        socket::read(&self.socket, into, limit)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::write(&self.socket, slices)
    }

    /// Only the listening end has a name, so both ends are told as that.
    fn ends(&self) -> Ends {
        let peer = sys::peer_credentials(&self.socket).map_or_else(
            |_| String::from("localhost"),
            |peer| format!("localhost:{}:{}:{}", peer.uid, peer.gid, peer.pid),
        );
        Ends {
            local: self.endpoint.clone(),
            remote: self.endpoint.clone(),
            peer,
        }
    }
}

/// A listening point; dropping it removes its file.
struct IpcAcceptor {
    socket: Socket,
    at: Address,
    file: Option<File>,
    options: Options,
}

impl Acceptor for IpcAcceptor {
    fn source(&self) -> SourceId {
        self.socket.as_raw_fd()
    }

    fn accept(&self) -> io::Result<Box<dyn Stream>> {
        let (socket, _) = socket::accept(&self.socket)?;
        if !self.options.accept_local.is_empty() {
            let peer = sys::peer_credentials(&socket)?;
            if !self.options.accepts_local(peer.uid, peer.gid, peer.pid) {
                return Err(socket::unwelcome());
            }
        }
        size_buffers(&socket, &self.options)?;
        Ok(Box::new(IpcStream {
            socket,
            endpoint: endpoint(&self.at),
        }))
    }

    fn local(&self) -> Address {
        self.at.clone()
    }
}

impl Drop for IpcAcceptor {
    /// The file goes before the socket is closed: an open socket holds its inode, so no newcomer
    /// can have the same number.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::{UnixDatagram, UnixListener},
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::{super::testing, *};

    /// A directory of this test's own, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Place {
            static MADE: AtomicUsize = AtomicUsize::new(0);
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let name = format!("hubless-ipc-{}-{number}", process::id());
            let place = std::env::temp_dir().join(name);
            fs::create_dir(&place).expect("a fresh directory");
            Place(place)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn listening(at: &Path) -> io::Result<Box<dyn Acceptor>> {
        listen(&Address::Path(at.into()), &Options::default())
    }

    fn refusal<T>(outcome: io::Result<T>) -> Option<i32> {
        outcome.err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn a_path_carries_octets_and_is_gone_afterwards() {
        let place = Place::new();
        let path = place.path("feed");
        let at = Address::Path(path.clone());
        let acceptor = listening(&path).expect("free");
        assert_eq!(acceptor.local(), at);
        let (near, far) = testing::connected(&*acceptor, || connect(&at, &Options::default()));
        testing::carries_octets(&*near, &*far);

        let ends = far.ends();
        assert_eq!(ends.local, format!("ipc://{}", path.display()));
        assert_eq!(ends.remote, ends.local);
        let words: Vec<&str> = ends.peer.split(':').collect();
        assert_eq!((words.len(), words[0]), (4, "localhost"));
        if cfg!(target_os = "linux") {
            assert_eq!(words[3], process::id().to_string());
        }

        drop(acceptor);
        assert!(!path.exists());
        let gone = refusal(connect(&at, &Options::default()));
        assert_eq!(gone, Some(libc::ENOENT));
        listening(&path).expect("free again at once");
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn an_abstract_name_carries_octets() {
        let at = Address::Abstract(format!("hubless-test-{}", process::id()).into());
        let acceptor = listen(&at, &Options::default()).expect("free");
        let (near, far) = testing::connected(&*acceptor, || connect(&at, &Options::default()));
        testing::carries_octets(&*near, &*far);
        assert!(near.ends().remote.starts_with("ipc://@hubless-test-"));
        let taken = refusal(listen(&at, &Options::default()));
        assert_eq!(taken, Some(libc::EADDRINUSE));
        drop(acceptor);
        listen(&at, &Options::default()).expect("free again");
    }

    #[test]
    fn names_have_bounds() {
        let place = Place::new();
        let stem = place.path("").as_os_str().len();
        let longest = place.path(&"x".repeat(NAME_OCTETS_MAX - stem));
        listening(&longest).expect("just short enough");
        let too_long = place.path(&"x".repeat(NAME_OCTETS_MAX - stem + 1));
        assert_eq!(refusal(listening(&too_long)), Some(libc::ENAMETOOLONG));
        let too_long = Address::Path(too_long);
        let refused = refusal(connect(&too_long, &Options::default()));
        assert_eq!(refused, Some(libc::ENAMETOOLONG));
        let too_long = Address::Abstract(vec![b'x'; NAME_OCTETS_MAX]);
        assert!(listen(&too_long, &Options::default()).is_err());

        for wrong in [
            Address::Path("".into()),
            Address::Path("\0a".into()),
            Address::Path("/tmp/a\0b".into()),
            Address::Abstract(Vec::new()),
        ] {
            let options = Options::default();
            let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
            for refused in [
                listen(&wrong, &options).map(drop),
                connect(&wrong, &options).map(drop),
            ] {
                let kind = refused.expect_err("not a name").kind();
                assert!(kinds.contains(&kind), "{wrong:?}: {kind}");
            }
        }
    }

    #[test]
    fn buffers_are_ours_unless_the_application_says() {
        let place = Place::new();
        let path = place.path("buffers");
        let at = Address::Path(path.clone());
        let said = Options {
            send_buffer: Some(50_000),
            recv_buffer: Some(60_000),
            ..Options::default()
        };
        let acceptor = listening(&path).expect("free");
        let (near, far) = testing::connected(&*acceptor, || connect(&at, &said));
        let (near, far) = (near.source(), far.source());
        let [near, far] = [near, far].map(sys::same_socket);
        // Linux counts its own overhead in, and doubles.
        let factor = if cfg!(target_os = "linux") { 2 } else { 1 };
        let sizes = |socket: &Socket| {
            let send = socket.send_buffer_size().expect("open");
            (send, socket.recv_buffer_size().expect("open"))
        };
        assert_eq!(sizes(&near), (factor * 50_000, factor * 60_000));
        let system = sizes(&socket::new(Domain::UNIX, None).expect("descriptors are left"));
        let raised = |system: usize| match system {
            0..=IPC_BUFFER_OCTETS => factor * IPC_BUFFER_OCTETS,
            operators => operators,
        };
        assert_eq!(sizes(&far), (raised(system.0), raised(system.1)));
    }

    #[test]
    fn the_file_of_a_dead_owner_is_replaced() {
        let place = Place::new();
        let path = place.path("stale");
        drop(UnixListener::bind(&path).expect("free"));
        assert!(path.exists(), "std leaves the file behind");
        let acceptor = listening(&path).expect("its owner is dead");
        let at = acceptor.local();
        let (near, far) = testing::connected(&*acceptor, || connect(&at, &Options::default()));
        testing::carries_octets(&*near, &*far);
    }

    #[test]
    fn a_live_owner_keeps_its_file() {
        let place = Place::new();
        let path = place.path("live");
        let acceptor = listening(&path).expect("free");
        assert_eq!(refusal(listening(&path)), Some(libc::EADDRINUSE));
        let at = acceptor.local();
        let probe = testing::accepted(&*acceptor);
        assert_eq!(
            testing::read_all(&*probe),
            b"",
            "the look at it ended at once"
        );
        let (near, far) = testing::connected(&*acceptor, || connect(&at, &Options::default()));
        testing::carries_octets(&*near, &*far);
    }

    #[test]
    fn an_owner_with_a_full_backlog_lives() {
        let place = Place::new();
        let path = place.path("busy");
        let options = Options {
            backlog: 1,
            ..Options::default()
        };
        let at = Address::Path(path.clone());
        let _acceptor = listen(&at, &options).expect("free");
        let mut waiting = Vec::new();
        let refused = loop {
            match connect(&at, &options) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 1000, "the backlog has no end");
        };
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(refusal(listening(&path)), Some(libc::EADDRINUSE));
    }

    #[test]
    fn other_files_are_never_touched() {
        let place = Place::new();
        let file = place.path("file");
        fs::write(&file, "precious").expect("room");
        let directory = place.path("directory");
        fs::create_dir(&directory).expect("room");
        let link = place.path("link");
        std::os::unix::fs::symlink(place.path("nowhere"), &link).expect("room");
        let datagram = place.path("datagram");
        let _live = UnixDatagram::bind(&datagram).expect("free");

        for taken in [&file, &directory, &link, &datagram] {
            let refused = refusal(listening(taken));
            assert_eq!(refused, Some(libc::EADDRINUSE), "{}", taken.display());
            assert!(fs::symlink_metadata(taken).is_ok());
        }
        assert_eq!(fs::read(&file).expect("still there"), b"precious");
    }

    #[test]
    fn a_file_that_is_no_longer_ours_stays() {
        let place = Place::new();
        let path = place.path("moved");
        let first = listening(&path).expect("free");
        fs::remove_file(&path).expect("anybody may");
        let second = listening(&path).expect("free");
        drop(first);
        assert!(path.exists(), "it is the second one's");
        drop(second);
        assert!(!path.exists());
    }
}
