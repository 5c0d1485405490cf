//! The socket for this node's own tools: who is at the other end, as the kernel says, and
//! how many may be there at once.

use super::doors::Doors;
use super::listen::serve;
use super::local::refuse;
use crate::presence::{Peer, Presence};
use anyhow::{Context, Result};
use ashlar_api::{ADMIN_GROUP, ApiError, Refusal, VIEW_GROUP};
use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::middleware::{self, Next};
use axum::{Extension, Router};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// Callers at once who are not root, so many of them of one user;
const USERS: usize = 64;
const OF_ONE: usize = 16;

/// and root's, whom the others cannot keep out.
const ROOTS: usize = 128;

/// The pause after a caller could not be taken, because files are short for example.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the socket. Everybody may connect: who is of no group hears why it is not let in.
pub(crate) fn bind(path: &Path) -> Result<UnixListener> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("cannot replace {}", path.display()));
        }
        _ => {}
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o666))
        .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    Ok(listener)
}

/// A user at the other end.
#[derive(Clone, Copy, Debug)]
struct Caller {
    uid: u32,
    /// Its group when it called.
    gid: u32,
}

/// Serves until the process ends.
pub(crate) async fn serve_local(listener: UnixListener, router: Router, presence: Presence) {
    let caller = |stream: &UnixStream| {
        let peer = stream.peer_cred()?;
        Ok(Caller { uid: peer.uid(), gid: peer.gid() })
    };
    accept(listener, router, caller, move |caller| peer(caller, &presence)).await;
}

/// Takes callers, and answers those who are let in; the others are told why not.
async fn accept(
    listener: UnixListener,
    router: Router,
    caller: impl Fn(&UnixStream) -> std::io::Result<Caller>,
    let_in: impl Fn(Caller) -> Option<Peer> + Clone + Send + 'static,
) {
    let (roots, users) = (Doors::of(ROOTS, 0, ROOTS), Doors::of(USERS, 0, OF_ONE));
    loop {
        let came = listener.accept().await.and_then(|(stream, _)| Ok((caller(&stream)?, stream)));
        let (caller, stream) = match came {
            Ok(came) => came,
            Err(error) => {
                tracing::warn!("a caller on the local socket is not taken: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let doors = if caller.uid == 0 { &roots } else { &users };
        // Whoever finds the house full is sent away.
        let Some(place) = doors.stranger(caller.uid) else { continue };
        let (router, let_in) = (router.clone(), let_in.clone());
        tokio::spawn(async move {
            let _place = place;
            // The list of groups is a file, or a daemon's answer.
            let peer = tokio::task::spawn_blocking(move || let_in(caller)).await;
            let router = match peer.ok().flatten() {
                Some(peer) => router.layer(Extension(ConnectInfo(peer))),
                None => Router::new().fallback(async || refuse(&no_member())),
            };
            let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
                if caller.uid != 0 && request.method() != "GET" {
                    let (method, path) = (request.method(), request.uri().path());
                    tracing::info!(
                        uid = caller.uid,
                        "user {} asks for {method} {path}",
                        caller.uid
                    );
                }
                next.run(request)
            }));
            if let Err(error) = serve(stream, router).await {
                tracing::debug!(uid = caller.uid, "a session on the local socket: {error:#}");
            }
        });
    }
}

/// As whom a user is let in, if it is: root, the screen, and who is of one of two groups.
fn peer(caller: Caller, presence: &Presence) -> Option<Peer> {
    let Caller { uid, .. } = caller;
    if uid == 0 || presence.is_the_screen(uid) {
        return Some(Peer::here(Some(uid)));
    }
    let groups = groups(caller).unwrap_or_else(|error| {
        tracing::warn!(uid, "the groups of user {uid} are not known: {error:#}");
        vec![Gid::from_raw(caller.gid)]
    });
    let named = |name| Group::from_name(name).ok().flatten().map(|group| group.gid);
    by_groups(uid, &groups, named(ADMIN_GROUP), named(VIEW_GROUP))
}

fn by_groups(uid: u32, groups: &[Gid], admin: Option<Gid>, view: Option<Gid>) -> Option<Peer> {
    let of = |group: Option<Gid>| group.is_some_and(|group| groups.contains(&group));
    if of(admin) {
        return Some(Peer::admin(uid));
    }
    of(view).then(|| Peer::here(Some(uid)))
}

/// The group that it called with, and those that the system has it in.
fn groups(caller: Caller) -> Result<Vec<Gid>> {
    let gid = Gid::from_raw(caller.gid);
    // One that systemd made for a unit alone has no others.
    let Some(user) = User::from_uid(Uid::from_raw(caller.uid))? else { return Ok(vec![gid]) };
    Ok(getgrouplist(&CString::new(user.name)?, gid)?)
}

fn no_member() -> ApiError {
    let words = format!("this user is neither of the group `{ADMIN_GROUP}` nor of `{VIEW_GROUP}`");
    ApiError::new(Refusal::Forbidden, words).hint("run it as root, or as a member of one of them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_api::{Client, ClientError, route};
    use axum::routing::get;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::AsyncReadExt;

    const ADMIN: u32 = 980;
    const VIEW: u32 = 981;

    #[test]
    fn a_user_is_let_in_by_its_groups_and_an_admin_may_act() {
        let told = |groups: &[u32]| {
            let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
            let (admin, view) = (Gid::from_raw(ADMIN), Gid::from_raw(VIEW));
            by_groups(1000, &groups, Some(admin), Some(view))
                .map(|peer| peer.must_be_root("act").is_ok())
        };
        assert_eq!(told(&[100]), None);
        assert_eq!(told(&[100, VIEW]), Some(false));
        assert_eq!(told(&[ADMIN]), Some(true));
        assert_eq!(told(&[VIEW, ADMIN]), Some(true));
        assert!(by_groups(1000, &[Gid::from_raw(0)], None, None).is_none(), "no such groups");
    }

    /// A socket whose next callers are these users, of whom `STRANGER` is of no group.
    struct House {
        _root: tempfile::TempDir,
        client: Client,
        next: Arc<AtomicU32>,
    }

    const STRANGER: u32 = 4000;

    fn house() -> House {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("agent.sock");
        let next = Arc::new(AtomicU32::new(0));
        let (router, told) =
            (Router::new().route(route::HISTORY, get(async || "[]")), next.clone());
        let caller =
            move |_: &UnixStream| Ok(Caller { uid: told.load(Ordering::SeqCst), gid: VIEW });
        let let_in = |caller: Caller| (caller.uid != STRANGER).then(|| Peer::here(None));
        tokio::spawn(accept(bind(&path).unwrap(), router, caller, let_in));
        House { _root: root, client: Client::at(path), next }
    }

    impl House {
        /// Connects as this user, and waits until that was taken note of.
        async fn holds(&self, uid: u32) -> Option<ashlar_api::Connection> {
            self.next.store(uid, Ordering::SeqCst);
            let mut connection = self.client.connect().await.ok()?;
            connection.get::<Vec<()>>(route::HISTORY).await.ok().map(|_| connection)
        }
    }

    #[tokio::test]
    async fn a_user_who_floods_the_socket_keeps_neither_root_nor_other_users_out() {
        let house = house();
        let mut held = Vec::new();
        for _ in 0..200 {
            held.extend(house.holds(1000).await);
        }
        assert_eq!(held.len(), OF_ONE);
        assert!(house.holds(1001).await.is_some(), "another user");
        for uid in 1002..1100 {
            held.extend(house.holds(uid).await);
        }
        assert!(held.len() <= USERS);
        assert!(house.holds(1200).await.is_none(), "all users' places are taken");
        assert!(house.holds(0).await.is_some(), "root has its own");
    }

    #[tokio::test]
    async fn whoever_connects_and_says_nothing_is_sent_away() {
        let house = house();
        house.next.store(1000, Ordering::SeqCst);
        let mut silent = UnixStream::connect(house._root.path().join("agent.sock")).await.unwrap();
        let mut read = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), silent.read_to_end(&mut read));
        ended.await.expect("the box hangs up").unwrap();
    }

    #[tokio::test]
    async fn a_user_of_neither_group_hears_so() {
        let house = house();
        house.next.store(STRANGER, Ordering::SeqCst);
        match house.client.history().await.unwrap_err() {
            ClientError::Refused(error) => {
                assert_eq!(error.refusal, Refusal::Forbidden);
                assert!(error.error.contains("`ashlar-view`"), "{error}");
            }
            error => panic!("{error}"),
        }
    }
}
