//! What the tests of the C functions share: the numbers of the header, and calls that are short.
#![allow(dead_code)]

use std::{
    ffi::{CString, c_char, c_int, c_void},
    mem::MaybeUninit,
    process::Command,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use zmq::*;

pub const PAIR: c_int = 0;
pub const PUB: c_int = 1;
pub const SUB: c_int = 2;
pub const REQ: c_int = 3;
pub const REP: c_int = 4;
pub const DEALER: c_int = 5;
pub const ROUTER: c_int = 6;
pub const PULL: c_int = 7;
pub const PUSH: c_int = 8;
pub const XPUB: c_int = 9;
pub const XSUB: c_int = 10;
pub const STREAM: c_int = 11;

pub const DONTWAIT: c_int = 1;
pub const SNDMORE: c_int = 2;

pub const FD: c_int = 14;
pub const EVENTS: c_int = 15;
pub const LINGER: c_int = 17;
pub const RCVTIMEO: c_int = 27;
pub const SNDTIMEO: c_int = 28;
pub const LAST_ENDPOINT: c_int = 32;

pub const EFSM: c_int = 156_384_763;
pub const ETERM: c_int = 156_384_765;
pub const EMTHREAD: c_int = 156_384_766;

/// A guard against a hang, in milliseconds.
pub const SOON: c_int = 20_000;

/// Something has failed, and so.
#[track_caller]
pub fn failed(answer: c_int, errno: c_int) {
    assert_eq!((answer, zmq_errno()), (-1, errno));
}

/// The same of what gives a pointer.
#[track_caller]
pub fn none<T>(answer: *const T, errno: c_int) {
    assert!(answer.is_null());
    assert_eq!(zmq_errno(), errno);
}

/// A context and its sockets, which are closed in the end; that is to succeed.
pub struct Stage {
    /// NULL if the test has ended it.
    pub context: *mut c_void,
    sockets: Vec<*mut c_void>,
}

impl Stage {
    pub fn new() -> Stage {
        Stage {
            context: zmq_ctx_new(),
            sockets: Vec::new(),
        }
    }

    /// A socket as programs get it.
    pub fn open(&mut self, kind: c_int) -> *mut c_void {
        // SAFETY: the context is open.
        let socket = unsafe { zmq_socket(self.context, kind) };
        assert!(!socket.is_null(), "errno {}", zmq_errno());
        self.sockets.push(socket);
        socket
    }

    /// A socket that waits for nobody for ever.
    pub fn socket(&mut self, kind: c_int) -> *mut c_void {
        let socket = self.open(kind);
        assert_eq!(set(socket, LINGER, 0), 0);
        assert_eq!(set(socket, RCVTIMEO, SOON), 0);
        socket
    }

    /// Closes one of its sockets before its own end. Not to be closed once more there: in a process
    /// that has made many, its handle may stand for somebody else's socket by then.
    pub fn close(&mut self, socket: *mut c_void) {
        let before = self.sockets.len();
        self.sockets.retain(|ours| *ours != socket);
        assert!(self.sockets.len() < before, "a socket of this stage");
        // SAFETY: a handle, which nobody else closes.
        assert_eq!(unsafe { zmq_close(socket) }, 0);
    }

    /// Two sockets, the first bound and the second connected to wherever that is.
    pub fn pair(&mut self, kinds: [c_int; 2], at: &str) -> [*mut c_void; 2] {
        let [bound, connected] = kinds.map(|kind| self.socket(kind));
        assert_eq!(bind(bound, at), 0, "errno {}", zmq_errno());
        let endpoint = text(bound, LAST_ENDPOINT);
        assert_eq!(connect(connected, &endpoint), 0);
        [bound, connected]
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: handles of the library's, some perhaps closed.
        let ended = unsafe {
            for socket in &self.sockets {
                zmq_close(*socket);
            }
            loop {
                let ended = zmq_ctx_term(self.context);
                if ended == 0 || zmq_errno() != libc::EINTR {
                    break ended;
                }
            }
        };
        if !self.context.is_null() && !thread::panicking() {
            assert_eq!(ended, 0, "errno {}", zmq_errno());
        }
    }
}

/// Runs a test that is ignored otherwise, in a process of its own.
#[track_caller]
pub fn in_a_process(test: &str) {
    let me = std::env::current_exe().expect("this program");
    let child = Command::new(me)
        .args(["--exact", test, "--ignored", "--test-threads=1"])
        .output()
        .expect("to run it");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

/// A name that no other test has.
pub fn inproc() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("inproc://{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub fn bind(socket: *mut c_void, at: &str) -> c_int {
    let at = CString::new(at).expect("no zero in it");
    // SAFETY: a handle, and a C string.
    unsafe { zmq_bind(socket, at.as_ptr()) }
}

pub fn connect(socket: *mut c_void, at: &str) -> c_int {
    let at = CString::new(at).expect("no zero in it");
    // SAFETY: a handle, and a C string.
    unsafe { zmq_connect(socket, at.as_ptr()) }
}

pub fn send(socket: *mut c_void, octets: impl AsRef<[u8]>, flags: c_int) -> c_int {
    let octets = octets.as_ref();
    // SAFETY: a handle, and octets that can be read.
    unsafe { zmq_send(socket, octets.as_ptr().cast(), octets.len(), flags) }
}

pub fn recv(socket: *mut c_void, flags: c_int) -> Result<Vec<u8>, c_int> {
    let mut place = [0_u8; 1024];
    // SAFETY: a handle, and octets that can be written.
    let size = unsafe { zmq_recv(socket, place.as_mut_ptr().cast(), place.len(), flags) };
    match usize::try_from(size) {
        Ok(size) => Ok(place[..size].to_vec()),
        Err(_) => Err(zmq_errno()),
    }
}

/// All parts of a message.
pub fn parts(socket: *mut c_void) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    loop {
        parts.push(recv(socket, 0).expect("a part"));
        if option(socket, 13) == Ok(0) {
            return parts;
        }
    }
}

pub fn set(socket: *mut c_void, number: c_int, value: c_int) -> c_int {
    set_octets(socket, number, &value.to_ne_bytes())
}

pub fn set_octets(socket: *mut c_void, number: c_int, octets: &[u8]) -> c_int {
    // SAFETY: a handle, and octets that can be read.
    unsafe { zmq_setsockopt(socket, number, octets.as_ptr().cast(), octets.len()) }
}

/// The value of an option, for so much room.
pub fn octets(socket: *mut c_void, number: c_int, room: usize) -> Result<Vec<u8>, c_int> {
    let (mut place, mut size) = (vec![0xee_u8; room], room);
    // SAFETY: a handle, and octets that can be written.
    match unsafe { zmq_getsockopt(socket, number, place.as_mut_ptr().cast(), &mut size) } {
        0 => {
            place.truncate(size);
            Ok(place)
        }
        _ => Err(zmq_errno()),
    }
}

pub fn option(socket: *mut c_void, number: c_int) -> Result<c_int, c_int> {
    let octets = octets(socket, number, size_of::<c_int>())?;
    Ok(c_int::from_ne_bytes(octets.try_into().expect("an int")))
}

/// An option that is text, without its end.
pub fn text(socket: *mut c_void, number: c_int) -> String {
    let octets = octets(socket, number, 300).expect("text");
    let text = CString::from_vec_with_nul(octets).expect("a C string");
    text.into_string().expect("text")
}

/// An empty message.
pub fn part() -> Box<Part> {
    let mut part = Box::new(MaybeUninit::<Part>::uninit());
    // SAFETY: a place of the right size, which is a message afterwards.
    unsafe {
        assert_eq!(zmq_msg_init(part.as_mut_ptr()), 0);
        part.assume_init()
    }
}

/// A message with these octets.
pub fn part_of(octets: &[u8]) -> Box<Part> {
    let mut part = part();
    // SAFETY: an empty message, and room for so many octets afterwards.
    unsafe {
        assert_eq!(zmq_msg_init_size(&mut *part, octets.len()), 0);
        let place = zmq_msg_data(&mut *part).cast();
        ptr::copy_nonoverlapping(octets.as_ptr(), place, octets.len());
    }
    part
}

pub fn octets_of(part: &mut Part) -> Vec<u8> {
    // SAFETY: a message.
    unsafe {
        let size = zmq_msg_size(part);
        let place = zmq_msg_data(part).cast::<u8>();
        std::slice::from_raw_parts(place, size).to_vec()
    }
}

/// A property of who sent a message.
pub fn property(part: &Part, name: &str) -> Option<String> {
    let name = CString::new(name).expect("no zero in it");
    // SAFETY: a message and a C string; what is told is one, too.
    unsafe {
        let text: *const c_char = zmq_msg_gets(part, name.as_ptr());
        let text = (!text.is_null()).then(|| std::ffi::CStr::from_ptr(text))?;
        Some(text.to_str().expect("text").to_owned())
    }
}

/// Waits for events on sockets; answers what is ready of each.
pub fn poll(sockets: &[(*mut c_void, i16)], timeout: i64) -> Result<Vec<i16>, c_int> {
    let mut items: Vec<Item> = sockets
        .iter()
        .map(|(socket, events)| Item {
            socket: *socket,
            descriptor: -1,
            events: *events,
            revents: -1,
        })
        .collect();
    poll_items(&mut items, timeout)?;
    Ok(items.iter().map(|item| item.revents).collect())
}

pub fn poll_items(items: &mut [Item], timeout: i64) -> Result<c_int, c_int> {
    let count = c_int::try_from(items.len()).expect("a few");
    // SAFETY: an item is laid out as in the header.
    match unsafe { zmq_poll(items.as_mut_ptr().cast(), count, timeout as _) } {
        -1 => Err(zmq_errno()),
        ready => Ok(ready),
    }
}

/// `zmq_pollitem_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub socket: *mut c_void,
    pub descriptor: c_int,
    pub events: i16,
    pub revents: i16,
}

/// A handle for another thread.
#[derive(Clone, Copy, Debug)]
pub struct Handle(pub *mut c_void);

// SAFETY: the library judges what comes from two threads at a time.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}
