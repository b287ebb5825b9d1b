//! A folder of public-key files, as the list of those who may come in.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::allow::by_key;
use crate::base::{
    auth::{AuthRequest, Authenticator, Verdict},
    keys::PublicKey,
    sync::{Mutex, Rank},
};

/// A folder of public-key files, `joe.key` and so on: who shows one of these keys by CURVE may come in, with the
/// file's name (`joe`) as property `User-Id`. An [`Authenticator`].
///
/// Whenever a peer asks, the folder is looked at, and read again if a file has come, gone or changed: a key
/// that is taken away lets nobody in any more. Who is in stays in. Meant for
/// hundreds of files.
///
/// ```no_run
/// use hubless::{KeyFolder, Pull};
///
/// let folder = KeyFolder::open("/etc/our-service/peers")?;
/// let pull = Pull::builder().authenticator(folder);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    known: Mutex<Known>,
}

/// What was read, and of which files.
#[derive(Debug, Default)]
struct Known {
    files: Vec<Stamp>,
    keys: HashMap<PublicKey, String>,
}

/// A file, and what tells whether it has changed.
type Stamp = (PathBuf, Option<SystemTime>, u64);

impl KeyFolder {
    /// Reads the folder. Files that hold no key are logged and passed over, and so are those
    /// that do not end in `.key`.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<KeyFolder> {
        let path = path.as_ref().to_owned();
        let files = list(&path)?;
        let keys = read(&files);
        let known = Mutex::new(Rank::Leaf, Known { files, keys });
        Ok(KeyFolder { path, known })
    }
}

impl Authenticator for KeyFolder {
    fn judge(&self, request: &AuthRequest) -> Verdict {
        let files = match list(&self.path) {
            Ok(files) => files,
            Err(error) => {
                log::warn!("{}: cannot be read: {error}", self.path.display());
                return Verdict::Failed;
            }
        };
        let mut known = self.known.lock();
        if known.files != files {
            log::debug!("{}: read again", self.path.display());
            known.keys = read(&files);
            known.files = files;
        }
        by_key(request, &known.keys)
    }
}

fn list(folder: &Path) -> io::Result<Vec<Stamp>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        match fs::metadata(&path) {
            Ok(about) => files.push((path, about.modified().ok(), about.len())),
            // It has gone meanwhile.
            Err(error) => log::debug!("{}: {error}", path.display()),
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(files: &[Stamp]) -> HashMap<PublicKey, String> {
    let mut keys = HashMap::new();
    for (path, ..) in files {
        match PublicKey::load(path) {
            Ok(key) => {
                let name = path.file_stem().unwrap_or_default();
                keys.insert(key, name.to_string_lossy().into_owned());
            }
            Err(error) => log::warn!("not let in by {error}"),
        }
    }
    keys
}
