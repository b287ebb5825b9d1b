//! Key files, as CZMQ and pyzmq write and read them.
//!
//! ```text
//!   joe.key                                  joe.key_secret, for its owner's eyes only
//!   # comments                               # comments
//!   metadata                                 metadata
//!   curve                                    curve
//!       public-key = "Yne@$w-vo<fVvi]a…"         public-key = "Yne@$w-vo<fVvi]a…"
//!                                                secret-key = "D:)Q[IlAW!ahhC2ac:9*A…"
//! ```

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{
    base::{
        keys::{KeyPair, PublicKey, SecretKey},
        secret::clear,
    },
    wire::z85::NoKey,
};

/// Octets of the largest file that is taken for a key file.
const FILE_OCTETS_MAX: u64 = 64 << 10;

impl KeyPair {
    /// Writes two files: the public key to `path`, both to `path` with `_secret` behind it, which
    /// only its owner may read. Nothing is written over.
    ///
    /// ```no_run
    /// let keys = hubless::KeyPair::generate();
    /// keys.save("joe.key")?; // give joe.key to your peers, and joe.key_secret to nobody
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists` if either is there; what the system says.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let (path, secret_path) = (path.as_ref(), secret_path(path.as_ref()));
        let public = format!("{PUBLIC_HEAD}    public-key = \"{}\"\n", self.public());
        let mut secret_text = self.secret().to_z85().into_bytes();
        let mut secret =
            format!("{SECRET_HEAD}    public-key = \"{}\"\n", self.public()).into_bytes();
        // Reserved before the secret comes in: growing would leave a copy behind.
        secret.reserve(100);
        for part in [b"    secret-key = \"", &secret_text[..], b"\"\n"] {
            secret.extend_from_slice(part);
        }
        let written = create(&secret_path, 0o600, &secret).and_then(|()| {
            create(path, 0o644, public.as_bytes()).inspect_err(|_| {
                if let Err(error) = fs::remove_file(&secret_path) {
                    log::warn!("{}: cannot be removed: {error}", secret_path.display());
                }
            })
        });
        clear(&mut secret_text);
        clear(&mut secret);
        written
    }

    /// Reads the pair that [`save`](KeyPair::save), CZMQ or pyzmq wrote to a secret file, e.g.
    /// `joe.key_secret`.
    ///
    /// # Errors
    /// `InvalidData` if it holds no secret key, or a public key that is not its; what the system
    /// says.
    pub fn load(path: impl AsRef<Path>) -> io::Result<KeyPair> {
        let path = path.as_ref();
        let mut text = read(path)?;
        let secret = value(&text, "secret-key").map(str::parse::<SecretKey>);
        let public = value(&text, "public-key").map(str::parse::<PublicKey>);
        clear(&mut text);
        let no_key = |_: NoKey| invalid(path, "no key");
        let secret = secret.ok_or_else(|| invalid(path, "no secret key"))?;
        let pair = KeyPair::from(secret.map_err(no_key)?);
        match public.transpose().map_err(no_key)? {
            Some(public) if public != pair.public() => {
                Err(invalid(path, "the two keys do not belong together"))
            }
            _ => Ok(pair),
        }
    }
}

impl PublicKey {
    /// Reads the public key out of either file of a pair.
    ///
    /// # Errors
    /// `InvalidData` if it holds none; what the system says.
    pub fn load(path: impl AsRef<Path>) -> io::Result<PublicKey> {
        let path = path.as_ref();
        let mut text = read(path)?;
        let public = value(&text, "public-key").map(str::parse);
        clear(&mut text);
        let public = public.ok_or_else(|| invalid(path, "no public key"))?;
        public.map_err(|_: NoKey| invalid(path, "no key"))
    }
}

const PUBLIC_HEAD: &str = "\
#   ZeroMQ CURVE Public Certificate, by hubless
#   Exchange securely, or use a secure mechanism to verify the contents
#   of this file after exchange.

metadata
curve
";

const SECRET_HEAD: &str = "\
#   ZeroMQ CURVE **Secret** Certificate, by hubless
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
curve
";

fn secret_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("_secret");
    name.into()
}

/// Makes a file that was not there.
fn create(path: &Path, mode: u32, octets: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    let written = file.write_all(octets).and_then(|()| file.sync_all());
    if written.is_err() {
        // It is ours, and useless.
        fs::remove_file(path)?;
    }
    written
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut text = Vec::with_capacity(file.metadata()?.len().min(FILE_OCTETS_MAX) as usize + 1);
    file.take(FILE_OCTETS_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// What stands in quotes behind `name =`, on the first line that begins so.
fn value<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(text).ok()?;
    let value = |line: &'a str| {
        line.trim()
            .strip_prefix(name)?
            .trim_start()
            .strip_prefix('=')
    };
    let value = text.lines().find_map(value)?;
    Some(value.trim().trim_matches(['"', '\'']))
}

fn invalid(path: &Path, what: &str) -> io::Error {
    let what = format!("{}: {what}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, what)
}
