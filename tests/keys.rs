//! Key files: written once, for their owner's eyes only, and read with care.

use std::{
    env, fs, io::ErrorKind, os::unix::fs::PermissionsExt, path::PathBuf, process, time::Duration,
};

use hubless::{
    Endpoint, EventKind, KeyFolder, KeyPair, PublicKey, Pull, Push, Reason, Reconnect, SecretKey,
};

/// A folder of this test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("hubless-keys-{}-{name}", process::id()));
        fs::create_dir(&path).expect("a folder");
        Folder(path)
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.0.join("file");
        fs::write(&path, text).expect("to write");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_saved_is_loaded_and_only_its_owner_reads_the_secret() {
    let folder = Folder::new("saved");
    let (keys, path) = (KeyPair::generate(), folder.0.join("joe.key"));
    keys.save(&path).expect("to write");
    let secret = folder.0.join("joe.key_secret");
    assert_eq!(KeyPair::load(&secret).expect("to read"), keys);
    for file in [&path, &secret] {
        assert_eq!(PublicKey::load(file).expect("to read"), keys.public());
    }
    let mode = |path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&secret) & 0o777, 0o600);
    let public = fs::read_to_string(&path).expect("text");
    assert!(!public.contains(&keys.secret().to_z85()));
    let error = KeyPair::load(&path).expect_err("the secret is not in it");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn nothing_is_written_over_nor_left_half() {
    let folder = Folder::new("again");
    let (keys, path) = (KeyPair::generate(), folder.0.join("joe.key"));
    let secret = folder.0.join("joe.key_secret");
    let files = || fs::read_dir(&folder.0).expect("a folder").count();
    keys.save(&path).expect("to write");
    let again = || {
        KeyPair::generate()
            .save(&path)
            .expect_err("it is there")
            .kind()
    };
    assert_eq!((again(), files()), (ErrorKind::AlreadyExists, 2));
    fs::remove_file(&secret).expect("it is there");
    assert_eq!((again(), files()), (ErrorKind::AlreadyExists, 1));
    assert_eq!(PublicKey::load(&path).expect("to read"), keys.public());
}

#[test]
fn a_file_as_others_write_it_is_read() {
    let folder = Folder::new("theirs");
    let secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    let public = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    let pair = KeyPair::from(secret.parse::<SecretKey>().expect("a key"));
    assert_eq!(
        pair.public().to_string(),
        public,
        "the documentation's own pair"
    );
    let text = format!(
        "#   ****  Generated on 2026-11-21 by somebody  ****\n\nmetadata\n    name = \"joe\"\n\
         curve\n\tpublic-key= '{public}'\r\n    secret-key   =   \"{secret}\"\n"
    );
    assert_eq!(KeyPair::load(folder.write(&text)).expect("to read"), pair);
}

#[test]
fn what_is_no_key_file_is_refused() {
    let folder = Folder::new("broken");
    let (keys, other) = (KeyPair::generate(), KeyPair::generate());
    let secret = keys.secret().to_z85();
    for text in [
        "".into(),
        "secret-key = \"\"".into(),
        format!("secret-key = \"{}\"", &secret[1..]),
        format!("# secret-key = \"{secret}\""),
        format!("secret-key \"{secret}\""),
        format!(
            "secret-key = \"{secret}\"\npublic-key = \"{}\"",
            other.public()
        ),
        format!("secret-key = \"{secret}\"\npublic-key = \"x\""),
    ] {
        let error = KeyPair::load(folder.write(&text)).expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{text}");
        assert!(!error.to_string().contains(&secret), "{error}");
    }
    let none = KeyPair::load(folder.0.join("none")).expect_err("not there");
    assert_eq!(none.kind(), ErrorKind::NotFound);
}

/// What becomes of a peer with these keys: its name, or nothing if it is refused.
fn fate(pull: &Pull, at: &Endpoint, server: PublicKey, keys: &KeyPair) -> Option<String> {
    let events = pull.monitor();
    let push = Push::builder()
        .curve_client(server, keys.clone())
        .reconnect(Reconnect::Never)
        .build()
        .expect("a socket");
    push.connect(at).expect("to connect");
    loop {
        let event = events
            .recv_timeout(Duration::from_secs(20))
            .expect("an event in time");
        match event.kind {
            EventKind::HandshakeSucceeded => {
                let info = event.peer.expect("it is known");
                let name = info.property("User-Id").expect("a name").to_vec();
                return Some(String::from_utf8(name).expect("text"));
            }
            EventKind::HandshakeFailed(Reason::Denied(400)) => return None,
            EventKind::HandshakeFailed(other) => panic!("{other}"),
            _ => {}
        }
    }
}

#[test]
fn a_folder_says_who_may_come_in_and_is_read_again_when_it_changes() {
    let folder = Folder::new("folder");
    let (joe, ann, us) = (
        KeyPair::generate(),
        KeyPair::generate(),
        KeyPair::generate(),
    );
    joe.save(folder.0.join("joe.key")).expect("to write");
    folder.write("this is no key, nor is it called so");
    fs::write(folder.0.join("broken.key"), "public-key = \"nonsense\"").expect("to write");
    let list = KeyFolder::open(&folder.0).expect("to read");
    let pull = Pull::builder()
        .curve_server(us.clone())
        .authenticator(list)
        .build()
        .expect("a socket");
    let at = pull.bind("tcp://127.0.0.1:0").expect("to bind");
    let fate = |keys: &KeyPair| fate(&pull, &at, us.public(), keys);
    assert_eq!(fate(&joe).as_deref(), Some("joe"));
    assert_eq!(fate(&ann), None);
    // A file comes.
    ann.save(folder.0.join("ann.key")).expect("to write");
    assert_eq!(fate(&ann).as_deref(), Some("ann"));
    // One is renamed, one is written over by another, both go.
    fs::rename(folder.0.join("ann.key"), folder.0.join("anna.key")).expect("to rename");
    assert_eq!(fate(&ann).as_deref(), Some("anna"));
    let other = format!("curve\n    public-key = \"{}\"\n", us.public());
    fs::write(folder.0.join("joe.key"), other).expect("to write");
    assert_eq!(fate(&joe), None);
    fs::remove_file(folder.0.join("anna.key")).expect("to remove");
    assert_eq!(fate(&ann), None);
    assert!(KeyFolder::open(folder.0.join("nowhere")).is_err());
}
