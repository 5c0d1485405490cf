//! Looks that only the box itself can take: a file written and read back, the other
//! boxes called, its own certificate and its cable.

use super::judge::Here;
use ashlar_api::{CLUSTER_PORT, MemberStatus, Network, Status};
use ashlar_pki::NodeCertificate;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Where the cluster's volume is mounted.
const VOLUME: &str = "/srv/cluster";

/// This box's certificate in its cluster.
const CERTIFICATE: &str = "/var/lib/ashlar/pki/node.pem";

/// A box on the same cable answers in far less.
const CALL: Duration = Duration::from_secs(5);

/// The volume may wait for a box that has just died.
const WRITE: Duration = Duration::from_secs(30);

pub(super) async fn here(status: &Status, network: &Network) -> Here {
    let mounted = status.storage.as_ref().is_some_and(|storage| storage.mounted);
    let volume = if mounted { Some(written_and_read(Path::new(VOLUME)).await) } else { None };
    Here {
        volume,
        called: call(status).await,
        certificate_ends: certificate_ends(Path::new(CERTIFICATE)),
        now: Timestamp::now(),
        mtu: mtu(status, network),
    }
}

/// A file of a name that nobody else has is written, read back and removed.
async fn written_and_read(volume: &Path) -> Result<(), String> {
    let name = format!(".ashlar-check-{}-{}", std::process::id(), Timestamp::now().as_nanosecond());
    let path = volume.join(name);
    // A file system that hangs holds its thread, and not us.
    let (send, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let written = probe(&path);
        let _ = fs::remove_file(&path);
        let _ = send.send(written);
    });
    match timeout(WRITE, answer).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) if error.kind() == ErrorKind::PermissionDenied => {
            Err("root only".to_owned())
        }
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Err(_)) => Err("the look itself failed".to_owned()),
        Err(_) => Err(format!("no answer within {} s", WRITE.as_secs())),
    }
}

fn probe(path: &Path) -> io::Result<()> {
    let text = path.display().to_string();
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    let mut read = String::new();
    File::open(path)?.read_to_string(&mut read)?;
    if read == text { Ok(()) } else { Err(io::Error::other("another content was read back")) }
}

/// Every other live box of the cluster, called on its cluster port.
async fn call(status: &Status) -> BTreeMap<String, Result<(), String>> {
    let me = status.identity.as_ref().map(|me| me.address);
    let others = status.members.iter().filter(|member| {
        member.same_cluster && member.status == MemberStatus::Alive && Some(member.address) != me
    });
    let mut calls = JoinSet::new();
    for member in others {
        let (name, at) = (member.name.clone(), SocketAddr::new(member.address, CLUSTER_PORT));
        calls.spawn(async move {
            let called = match timeout(CALL, TcpStream::connect(at)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {} s", CALL.as_secs())),
            };
            (name, called)
        });
    }
    let mut called = BTreeMap::new();
    while let Some(call) = calls.join_next().await {
        called.extend(call.ok());
    }
    called
}

/// When it ends; `None` if it is not there, or not for this user to read.
fn certificate_ends(path: &Path) -> Option<Timestamp> {
    let pem = fs::read(path).ok()?;
    Some(NodeCertificate::from_pem(&pem).ok()?.not_after())
}

/// Of the port that carries the cluster address.
fn mtu(status: &Status, network: &Network) -> Option<(String, u32)> {
    let me = status.identity.as_ref()?.address;
    let carries = |link: &&ashlar_api::LinkView| link.addresses.iter().any(|a| a.address == me);
    let name = network.links.iter().find(carries)?.name.clone();
    let path: PathBuf = ["/sys/class/net", &name, "mtu"].iter().collect();
    let mtu = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Some((name, mtu))
}

#[cfg(test)]
mod tests {
    use super::written_and_read;

    #[tokio::test]
    async fn a_directory_that_takes_files_is_left_as_it_was_and_one_that_is_not_there_says_so() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(written_and_read(directory.path()).await, Ok(()));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let gone = directory.path().join("gone");
        assert!(written_and_read(&gone).await.unwrap_err().contains("No such file"));
    }
}
