//! An archive for tests: a small HTTP server on loopback whose files come and
//! go, and packages to put into it.

use ashlar_recipe::{Archive, ArchiveKey};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Serves bytes by path until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    requests: Mutex<Vec<Asked>>,
    /// As a proxy: what `Proxy-Authorization` must be.
    password: Mutex<Option<String>>,
    /// The next answer ends after half of its bytes.
    breaks: AtomicBool,
    ends: AtomicBool,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// As it stood in the first line.
    pub target: String,
    /// Lower-case names.
    pub headers: BTreeMap<String, String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ends.load(Ordering::SeqCst) {
                    break;
                }
                let served = Arc::clone(&served);
                std::thread::spawn(move || served.answer(stream.unwrap()));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same place, asked by somebody with a name and a password.
    pub(crate) fn url_of(&self, user: &str) -> String {
        format!("http://{user}@{}", self.address)
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        self.shared.files.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }

    pub(crate) fn remove(&self, path: &str) {
        self.shared.files.lock().unwrap().remove(path).unwrap();
    }

    /// Everything below a directory.
    pub(crate) fn put_tree(&self, under: &str, directory: &Path) {
        for entry in walkdir::WalkDir::new(directory).into_iter().map(Result::unwrap) {
            if entry.file_type().is_file() {
                let inside = entry.path().strip_prefix(directory).unwrap().display();
                self.put(&format!("{under}/{inside}"), &std::fs::read(entry.path()).unwrap());
            }
        }
    }

    /// From now on it is a proxy that wants this.
    pub(crate) fn wants(&self, authorization: &str) {
        *self.shared.password.lock().unwrap() = Some(authorization.to_owned());
    }

    pub(crate) fn breaks_the_next_answer(&self) {
        self.shared.breaks.store(true, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

impl Shared {
    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        // A connection carries one request after the other.
        while let Some(asked) = read(&mut reader) {
            self.requests.lock().unwrap().push(asked.clone());
            let wanted = self.password.lock().unwrap().clone();
            if wanted.is_some() && asked.headers.get("proxy-authorization") != wanted.as_ref() {
                let words = "HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(words.as_bytes()).unwrap();
                continue;
            }
            let path = asked
                .target
                .strip_prefix("http://")
                .map_or(asked.target.as_str(), |rest| rest.find('/').map_or("/", |at| &rest[at..]));
            let file = self.files.lock().unwrap().get(path).cloned();
            let Some(file) = file else {
                let words = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(words.as_bytes()).unwrap();
                continue;
            };
            let from = asked.headers.get("range").and_then(|range| {
                range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
            });
            let (status, body) = match from.and_then(|from| file.get(from..)) {
                Some(rest) => ("206 Partial Content", rest),
                None => ("200 OK", &file[..]),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            if self.breaks.swap(false, Ordering::SeqCst) {
                stream.write_all(&body[..body.len() / 2]).unwrap();
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            if stream.write_all(body).is_err() {
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let target = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Asked { target, headers })
}

/// A real package with nothing in it but its version.
pub(crate) fn deb(directory: &Path, name: &str, version: &str) -> PathBuf {
    let tree = directory.join(format!("{name}-{version}"));
    std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\n\
         Maintainer: Test <test@example.com>\nDescription: a test\n"
    );
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let share = tree.join("usr/share").join(name);
    std::fs::create_dir_all(&share).unwrap();
    // So long that it does not fit into one packet.
    std::fs::write(share.join("noise"), noise(version, 300_000)).unwrap();
    let path = directory.join(format!("{name}_{version}_all.deb"));
    let built = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build", "-Znone"])
        .args([&tree, &path])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    path
}

/// A tiny archive, signed with a key that nobody has any more: `tool` 2:3.1-2+b1, its
/// library and what is always there; none of their files.
pub(crate) const SIGNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/archive");
pub(crate) const FINGERPRINT: &str = include_str!("../tests/golden/archive/vendor.fingerprint");

/// Serves that archive, believing `key`.
pub(crate) fn signed(server: &Server, key: &str) -> Archive {
    server.put_tree("/vendor", Path::new(SIGNED));
    Archive {
        name: "vendor".into(),
        url: server.url("/vendor"),
        suites: vec!["stable".into()],
        components: vec!["main".into()],
        mirrors: Vec::new(),
        snapshot: None,
        key: Some(ArchiveKey { path: key.into(), fingerprint: FINGERPRINT.trim().into() }),
        pin: Some(100),
        check_valid_until: true,
    }
}

fn noise(seed: &str, length: usize) -> Vec<u8> {
    seed.bytes()
        .cycle()
        .enumerate()
        .map(|(at, byte)| byte ^ (at % 251) as u8)
        .take(length)
        .collect()
}
